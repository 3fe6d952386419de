package splitbrain

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/product/redis"
)

// Routing is how a client finds the master.
type Routing string

const (
	// Follow watches the Sentinels that it reaches and moves as soon as one of
	// them names another master.
	Follow Routing = "follow"
	// Sticky asks a Sentinel only when its connection breaks or its server refuses
	// a write as a replica, and stays where it is when none answers.
	Sticky Routing = "sticky"
)

// ClientPlace is one client: where it is, and how it finds the master.
type ClientPlace struct {
	Side    Side    `yaml:"side"`
	Routing Routing `yaml:"routing,omitempty"`
}

// Options are what a user says of a scenario; zero values take the defaults. Most of them
// are the fields of a scenario's file (file.go).
type Options struct {
	Name      string        `yaml:"name,omitempty"` // of a named one, or ""
	About     string        `yaml:"about,omitempty"`
	Topology  Topology      `yaml:"topology,omitempty"`
	Quorum    int           `yaml:"quorum,omitempty"`    // 0: the majority of the Sentinels
	Timing    string        `yaml:"timing,omitempty"`    // the name of one
	Partition string        `yaml:"partition,omitempty"` // the name of the cut
	CutAt     time.Duration `yaml:"cut_at,omitempty"`    // 0: 1.5 s
	CutFor    time.Duration `yaml:"cut_for,omitempty"`   // 0: long enough for a failover
	After     time.Duration `yaml:"after,omitempty"`     // clients go on so long after the heal; 0: long enough for the demotion
	Plan      *plan.Plan    `yaml:"plan,omitempty"`      // what strikes instead of the partition
	Span      time.Duration `yaml:"span,omitempty"`      // how long clients write; then all faults end
	// Lag delays what the first master sends to its replicas, until the first cut:
	// the unreplicated tail at the moment of the cut.
	Lag time.Duration `yaml:"lag,omitempty"`
	// Placed says all of each client, and stands instead of the next three.
	Placed  []Placed `yaml:"clients,omitempty"`
	Clients int      `yaml:"-"`
	Routing string   `yaml:"-"` // follow, sticky or both
	// Places says how many clients are on each side; without it the partition's own.
	Places map[Side]int `yaml:"-"`
	Rate   float64      `yaml:"rate,omitempty"`          // writes a second, over all clients
	Writes int          `yaml:"writes,omitempty"`        // at most, over all clients; 0: until Span
	Wait   int          `yaml:"wait_replicas,omitempty"` // WAIT for so many replicas after each write; 0: none
	// Must is what has to come of the plan: a run without it has shown nothing.
	Must Must `yaml:"must,omitempty"`
	// Poll is the time between two polls of each server's role; 0: 10 ms.
	Poll time.Duration `yaml:"poll,omitempty"`
	// Expiry has keys with a short life written and read everywhere beside the clients'
	// writes, in database 1. In simulation; real servers are not watched so.
	Expiry bool `yaml:"expiry,omitempty"`
	// Discover leaves out of the Sentinels' files whom they would have found in time: replicas
	// and each other. The plan begins as soon as the replicas follow.
	Discover bool `yaml:"discover,omitempty"`
	// MaxRefused and MaxRefusedFor bound the writes that are refused for now (NOREPLICAS,
	// MISCONF, OOM), and for how long at a stretch none is taken. nil: no limit.
	MaxRefused    *int           `yaml:"max_refused,omitempty"`
	MaxRefusedFor *time.Duration `yaml:"max_refused_for,omitempty"`
	// Password is what servers and Sentinels want from everybody, each other included; "":
	// none. It is no part of a saved scenario.
	Password string `yaml:"-"`
	// Mode is how all servers keep their data, by the name of a mode of torntail run; "": an
	// append-only file without fsync. Each says more of single servers.
	Mode string         `yaml:"mode,omitempty"`
	Each []NodeSettings `yaml:"nodes,omitempty"`
	// Directives and Sentinel are what the user adds to redis.conf and, for the
	// master that is watched, to sentinel.conf ("down-after-milliseconds", "5000").
	Directives []Directive `yaml:"redis,omitempty"`
	Sentinel   []Directive `yaml:"sentinel,omitempty"`
}

// Placed are so many clients, of whom all is said.
type Placed struct {
	Number      int `yaml:"number"`
	ClientPlace `yaml:",inline"`
}

// Scenario is one experiment, whatever it runs on: options of which all is decided. Timing
// and Clients stand for those of the options.
type Scenario struct {
	Options
	Timing  Timing
	Clients []ClientPlace
	WaitFor time.Duration // the limit of WAIT
	Timeout time.Duration // of an operation
	// Finally, when not nil, looks at the cluster when it has converged, or could
	// not; its error fails the experiment. It is no part of a saved scenario.
	Finally func(c Cluster) error
}

// Defaults of a scenario.
const (
	defaultClients = 5
	defaultRate    = 250
	defaultCutAt   = 1500 * time.Millisecond
	defaultTimeout = 500 * time.Millisecond
	waitLimit      = 200 * time.Millisecond
	defaultPoll    = 10 * time.Millisecond
	maxClients     = 40
)

// New makes a scenario of what the user says.
func New(o Options) (*Scenario, error) {
	if o.Topology.Servers == 0 {
		o.Topology = Topology{Servers: 3, Sentinels: 3}
	}
	if err := o.Topology.check(); err != nil {
		return nil, err
	}
	timing, err := TimingByName(cmp.Or(o.Timing, "quick"))
	if err != nil {
		return nil, err
	}
	partition, err := PartitionByName(cmp.Or(o.Partition, "master-alone"))
	if err != nil {
		return nil, err
	}
	if redis.Evicts(o.Directives) {
		return nil, redis.ErrEvicts
	}
	s := &Scenario{Options: o, Timing: timing, WaitFor: waitLimit, Timeout: defaultTimeout}
	s.Poll = cmp.Or(o.Poll, defaultPoll)
	s.Quorum, s.Rate, s.Partition = cmp.Or(o.Quorum, o.Topology.Sentinels/2+1), cmp.Or(o.Rate, defaultRate), partition.Name
	if s.Quorum < 1 || s.Quorum > max(1, o.Topology.Sentinels) {
		return nil, fmt.Errorf("quorum %d: want 1 to the %d Sentinels of topology %s", s.Quorum, o.Topology.Sentinels, o.Topology)
	}
	if s.Wait < 0 || s.Rate < 0 || s.Writes < 0 || o.Clients < 0 || o.Clients > maxClients {
		return nil, fmt.Errorf("want a rate, a number of writes and of replicas to wait for that are not negative, and at most %d clients", maxClients)
	}
	for _, d := range o.times() {
		if d < 0 {
			return nil, fmt.Errorf("%v: want a time that is not negative", d)
		}
	}
	if err := s.Must.check(); err != nil {
		return nil, err
	}
	if err := s.checkPersistence(); err != nil {
		return nil, err
	}
	if s.Clients, err = places(&partition, o); err != nil {
		return nil, err
	}
	if err := s.applySentinel(); err != nil {
		return nil, err
	}
	cutAt := cmp.Or(o.CutAt, defaultCutAt)
	cutFor := cmp.Or(o.CutFor, s.failoverTime())
	after := cmp.Or(o.After, s.demotionTime())
	s.Span = cmp.Or(o.Span, cutAt+cutFor+after)
	if s.Plan == nil {
		if s.Plan, err = partition.plan(s.Topology, s.Clients, cutAt, cutFor); err != nil {
			return nil, err
		}
	} else {
		s.Partition = ""
	}
	// What the plan, the timing and the clients have come from.
	s.Options.Timing, s.Options.Clients, s.Routing, s.Places, s.Placed, s.CutAt, s.CutFor, s.After = "", 0, "", nil, nil, 0, 0, 0
	return s, nil
}

// times are all that the user says in units of time.
func (o *Options) times() []time.Duration {
	return []time.Duration{o.Lag, o.CutAt, o.CutFor, o.After, o.Span, o.Poll}
}

// places puts the clients on their sides.
func places(p *Partition, o Options) (list []ClientPlace, err error) {
	for _, some := range o.Placed {
		if _, known := sideWords[some.Side]; !known {
			return nil, fmt.Errorf("clients: unknown side %q: want master, majority or everywhere", some.Side)
		}
		if some.Routing = cmp.Or(some.Routing, Follow); some.Routing != Follow && some.Routing != Sticky {
			return nil, fmt.Errorf("clients: unknown routing %q: want follow or sticky", some.Routing)
		}
		if some.Number < 1 || len(list)+some.Number > maxClients {
			return nil, fmt.Errorf("clients: number %d: want 1 to %d in all", some.Number, maxClients)
		}
		list = append(list, slices.Repeat([]ClientPlace{some.ClientPlace}, some.Number)...)
	}
	if len(list) > 0 {
		return list, nil
	}
	sides := make([]Side, 0, maxClients)
	if len(o.Places) > 0 {
		for _, side := range Sides {
			for range o.Places[side] {
				sides = append(sides, side)
			}
		}
		if o.Clients != 0 && o.Clients != len(sides) {
			return nil, fmt.Errorf("%d clients are placed, %d are asked for", len(sides), o.Clients)
		}
	} else {
		for i := range cmp.Or(o.Clients, defaultClients) {
			sides = append(sides, p.clients[i%len(p.clients)])
		}
	}
	if len(sides) == 0 || len(sides) > maxClients {
		return nil, fmt.Errorf("%d clients: want 1 to %d", len(sides), maxClients)
	}
	list = make([]ClientPlace, len(sides))
	seen := map[Side]int{}
	for i, side := range sides {
		routing := Follow
		switch o.Routing {
		case "", string(Follow):
		case string(Sticky):
			routing = Sticky
		case "both": // half of each side's
			if seen[side]%2 == 1 {
				routing = Sticky
			}
		default:
			return nil, fmt.Errorf("unknown routing %q: want follow, sticky or both", o.Routing)
		}
		seen[side]++
		list[i] = ClientPlace{side, routing}
	}
	return list, nil
}

// applySentinel takes the timing that the user's sentinel directives set, so that
// the default lengths of the experiment fit.
func (s *Scenario) applySentinel() error {
	quorum := s.Quorum
	if err := apply(&s.Timing, &quorum, s.Sentinel); err != nil {
		return err
	}
	if quorum != s.Quorum {
		return fmt.Errorf("sentinel directive quorum: want the scenario's own quorum")
	}
	return nil
}

// sentinelWords are the directives of a Sentinel that are known.
const sentinelWords = "down-after-milliseconds, failover-timeout, parallel-syncs or, for one Sentinel, quorum"

// apply puts sentinel directives into what they set.
func apply(t *Timing, quorum *int, list []Directive) error {
	for _, d := range list {
		var into *time.Duration
		var count *int
		switch d.Name {
		case "down-after-milliseconds":
			into = &t.DownAfter
		case "failover-timeout":
			into = &t.FailoverTimeout
		case "parallel-syncs":
			count = &t.ParallelSyncs
		case "quorum":
			count = quorum
		default:
			return fmt.Errorf("sentinel directive %q is not known: want %s", d, sentinelWords)
		}
		n, err := strconv.ParseInt(d.Value, 10, 32)
		switch {
		case (err != nil || n < 1) && count != nil:
			return fmt.Errorf("sentinel directive %q: want a number from 1", d)
		case err != nil || n < 1:
			return fmt.Errorf("sentinel directive %q: want a number of milliseconds", d)
		case count != nil:
			*count = int(n)
		default:
			*into = time.Duration(n) * time.Millisecond
		}
	}
	return nil
}

// watching are the periods and the quorum of one Sentinel.
func (s *Scenario) watching(sentinel string) (t Timing, quorum int, err error) {
	t, quorum = s.Timing, s.Quorum
	err = apply(&t, &quorum, s.settings(sentinel).Sentinel)
	if err == nil && quorum > max(1, s.Topology.Sentinels) {
		err = fmt.Errorf("settings of %s: quorum %d: want 1 to the %d Sentinels of topology %s", sentinel, quorum, s.Topology.Sentinels, s.Topology)
	}
	return t, quorum, err
}

// failoverTime is how long a cut must last for a failover to have happened for
// sure, and a while in which two masters serve.
func (s *Scenario) failoverTime() time.Duration {
	d := s.Timing.DownAfter + 3*time.Second
	if s.Timing.Name == "conf" {
		d += 7 * time.Second // Sentinel's own periods are up to ten times as long
	}
	return d
}

// demotionTime is how long after the heal the old master is turned into a replica.
func (s *Scenario) demotionTime() time.Duration {
	if s.Timing.Name == "conf" {
		return 15 * time.Second
	}
	return 2 * time.Second
}

// Nodes are the names of all nodes that a plan may name.
func (s *Scenario) Nodes() []string {
	return slices.Concat(s.Topology.ServerNames(), s.Topology.SentinelNames(), names(len(s.Clients), Client))
}

// Check reports why the scenario cannot run on a kind of cluster, which its plan
// strikes (System).
func (s *Scenario) Check(on plan.System) error {
	if s.Topology.Sentinels > 0 && s.Topology.Servers < 2 {
		return errors.New("a cluster with Sentinels needs at least two servers: there is nobody to fail over to")
	}
	for i := range s.Plan.Statements {
		if c, ok := s.Plan.Statements[i].Action.(*plan.Configure); ok {
			if err := configurable(c); err != nil {
				return err
			}
		}
	}
	return s.Plan.Check(on, s.Nodes())
}

// configurable reports lines that no server is given at a restart: those on which torntail
// decides itself, and whatever does not decide what is kept.
func configurable(c *plan.Configure) error {
	for _, line := range c.Lines {
		name, value, _ := strings.Cut(line, " ")
		if err := redis.Takes(Directive{Name: strings.ToLower(name), Value: strings.TrimSpace(value)}, Own); err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
	}
	return nil
}

// expected is about how many writes there will be, for memory.
func (s *Scenario) expected() int {
	n := s.Rate * s.Span.Seconds()
	if s.Writes > 0 && (n == 0 || n > float64(s.Writes)) {
		n = float64(s.Writes)
	}
	return int(min(n, 1<<16))
}
