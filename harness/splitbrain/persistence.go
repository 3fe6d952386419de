package splitbrain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/replication"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
)

// NodeSettings are what one server or Sentinel has besides what all have.
type NodeSettings struct {
	Node  string      `yaml:"node"`
	Mode  string      `yaml:"mode,omitempty"` // of persistence, by name
	Redis []Directive `yaml:"redis,omitempty"`
	// Sentinel is what a Sentinel has: as that of Options, and "quorum".
	Sentinel []Directive `yaml:"sentinel,omitempty"`
}

// OfNode splits n2:REST, which says REST of one server, or s2:REST; "" and all of it otherwise.
func OfNode(text string) (node, rest string) {
	node, rest, ok := strings.Cut(text, ":")
	if name, _, _ := strings.Cut(text, "="); !ok || strings.Contains(name, " ") || len(node) < 2 || node[0] != Server(0)[0] && node[0] != Sentinel(0)[0] || strings.Trim(node[1:], "0123456789") != "" {
		return "", text
	}
	return node, rest
}

// Settings are those of a server or Sentinel; it has none of its own yet when they are empty.
func (o *Options) Settings(node string) *NodeSettings {
	i := slices.IndexFunc(o.Each, func(n NodeSettings) bool { return n.Node == node })
	if i < 0 {
		i = len(o.Each)
		o.Each = append(slices.Clone(o.Each), NodeSettings{Node: node})
	}
	return &o.Each[i]
}

// settings are what is said of one server.
func (s *Scenario) settings(node string) NodeSettings {
	for _, n := range s.Each {
		if n.Node == node {
			return n
		}
	}
	return NodeSettings{}
}

// checkPersistence reports a mode that there is not, or settings of no server.
func (s *Scenario) checkPersistence() error {
	for _, n := range append([]NodeSettings{{Node: Server(0), Mode: s.Mode}}, s.Each...) {
		sentinel := slices.Contains(s.Topology.SentinelNames(), n.Node)
		switch {
		case !sentinel && !slices.Contains(s.Topology.ServerNames(), n.Node):
			return fmt.Errorf("settings of %s: topology %s has the servers %s", n.Node, s.Topology, strings.Join(slices.Concat(s.Topology.ServerNames(), s.Topology.SentinelNames()), ", "))
		case sentinel && (n.Mode != "" || len(n.Redis) > 0):
			return fmt.Errorf("settings of %s: a Sentinel keeps no data: want %s", n.Node, sentinelWords)
		case !sentinel && len(n.Sentinel) > 0:
			return fmt.Errorf("settings of %s: a server is no Sentinel", n.Node)
		}
		if _, _, err := s.watching(n.Node); err != nil {
			return err
		}
		if n.Mode == "" {
			continue
		}
		if _, err := redis.ModeByName(n.Mode); err != nil {
			return err
		}
	}
	return nil
}

// ownMode are the directives of persistence where no mode is named: the append-only file
// keeps everything that a server has executed, and is never rewritten by size.
var ownMode = lines("appendonly", "yes", "appendfsync", "no", "aof-use-rdb-preamble", "no", "aof-disable-auto-gc", "yes", "auto-aof-rewrite-percentage", "0", "save", "")

// ServerDirectives are the lines of a server's redis.conf, the user's last, so that they
// win. Files that a rewrite has replaced are not deleted: they are read in the end.
func (s *Scenario) ServerDirectives(node string) []Directive {
	of := s.settings(node)
	persistence := ownMode
	if name := cmp.Or(of.Mode, s.Mode); name != "" {
		mode, err := redis.ModeByName(name)
		if err != nil {
			panic(fmt.Sprintf("splitbrain: a mode that was checked: %v", err))
		}
		persistence = slices.Concat(mode.Directives, lines("aof-disable-auto-gc", "yes"))
	}
	return slices.Concat(persistence, s.Timing.Directives, s.Directives, of.Redis)
}

// directive is the value of a directive of the servers, or of one of them; "" when nobody
// sets it.
func (s *Scenario) directive(name string, node ...string) string {
	value := ""
	for _, d := range s.ServerDirectives(strings.Join(node, "")) {
		if strings.EqualFold(d.Name, name) {
			value = d.Value
		}
	}
	return value
}

// AllDirectives are the lines of redis.conf that the user gives to all servers, or to one.
func (s *Scenario) AllDirectives() []Directive {
	list := slices.Clone(s.Directives)
	for _, n := range s.Each {
		list = append(list, n.Redis...)
	}
	return list
}

// said is what the user says of servers and Sentinels.
func (s *Scenario) said() (list []string) {
	if s.Mode != "" {
		list = append(list, "mode "+s.Mode)
	}
	for _, d := range slices.Concat(s.Directives, s.Sentinel) {
		list = append(list, d.String())
	}
	for _, n := range s.Each {
		if n.Mode != "" {
			list = append(list, n.Node+": mode "+n.Mode)
		}
		for _, d := range slices.Concat(n.Redis, n.Sentinel) {
			list = append(list, n.Node+": "+d.String())
		}
	}
	return list
}

// mode is how a server keeps its data.
func (s *Scenario) mode(node string) *product.Mode {
	save := s.directive("save", node)
	return &product.Mode{Store: redis.Store, AOF: s.directive("appendonly", node) == "yes", RDB: save != "" && save != `""`, Directives: nil}
}

// syncBound is how old a write may be at most that a power cut takes under everysec: a sync
// is postponed for two seconds (redis 7.0.15 aof.c flushAppendOnlyFile), and servers share
// their processors.
const syncBound = 2*time.Second + machine.RealSlack

// owed counts the acknowledged writes that a master came back without from a restart that
// its settings do not allow to be lost, and tells of the first. Where the plan strikes its
// disk, or it keeps no log, nothing is owed; nor is what another had acknowledged, of which
// it is not known when it was in this one's log.
func (s *Scenario) owed(o *Outcome, a *replication.Account) (story string, n int) {
	for _, l := range a.Lost {
		op := &o.History.Ops[l.Op]
		node := op.More.Node
		if l.Phase != replication.RestartedWithout || o.History.Events[l.Promotion].Node != node || s.directive("appendonly", node) != "yes" || s.mayEnd(node) {
			continue
		}
		fsync := cmp.Or(s.directive("appendfsync", node), "everysec")
		at, power := s.ended(o, node, op.Return, o.History.Events[l.Promotion].At)
		switch {
		case at < 0: // it ended by itself
			continue
		case power && fsync == "no", fsync == "everysec" && op.Return > at-syncBound:
			continue
		}
		if n++; n == 1 {
			how := map[bool]string{true: "lost its power", false: "was killed"}[power]
			story = fmt.Sprintf("lost-write: %s acknowledged %q at %.2fs under appendfsync %s; it %s at %.2fs and came back without it",
				node, op.Key, (op.Return - o.Began).Seconds(), fsync, how, (at - o.Began).Seconds())
		}
	}
	return story, n
}

// ended is when the plan first ended a server between two instants, and whether that took
// its power; -1: it did not.
func (s *Scenario) ended(o *Outcome, node string, from, to time.Duration) (at time.Duration, power bool) {
	at = -1
	for i, st := range o.Statements {
		a := s.Plan.Statements[i].Action
		nodes := plan.Ends(a)
		when := o.Began + st.At
		if !st.Struck || !slices.Contains(nodes, node) && !slices.Contains(nodes, plan.All) || when < from-time.Millisecond || when > to || at >= 0 && when >= at {
			continue
		}
		at = when
		_, power = a.(*plan.PowerCut)
	}
	return at, power
}
