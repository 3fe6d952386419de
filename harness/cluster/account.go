package cluster

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/checker/replication"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/harness/account"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/reports/wording"
	"github.com/torntail/torntail/workloads"
)

// standing is what is known of the clients of a cluster that stays, which are somebody
// else's: what they have written, as the proxies heard it, and who was master meanwhile.
type standing struct {
	record account.Record
	acks   *acknowledged
	began  time.Time
	over   bool // under the exclusion of the environment
	pause  env.Cond
	tasks  []env.Task
	env    *osenv.Env

	mu    sync.Mutex
	turns []turn // in the order of time
}

// turn is that a server became master, or was started.
type turn struct {
	at      time.Duration
	node    string
	started bool
}

func newStanding(c *Cluster) *standing {
	h := &standing{acks: &c.acks, began: time.Now()}
	h.record.Now = h.now
	return h
}

// now is the time since the cluster was begun.
func (h *standing) now() time.Duration { return time.Since(h.began) }

// tap looks at what clients and servers send to servers.
func (h *standing) tap(from, to string) (sent, answered func(data []byte)) {
	if !slices.Contains(h.acks.servers, to) || !strings.HasPrefix(from, "c") {
		return h.acks.tap(from, to)
	}
	c := h.record.Begin(to)
	return c.Sent, c.Answered
}

// any reports whether a client has written anything.
func (h *standing) any() bool {
	writes, _ := h.record.Writes()
	return len(writes) > 0
}

func (h *standing) note(t turn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.turns = append(h.turns, t)
}

// restarted notes that a server is started again.
func (h *standing) restarted(node string) {
	if slices.Contains(h.acks.servers, node) {
		h.note(turn{h.now(), node, true})
	}
}

// pollRoles is how often servers are asked whether they are masters.
const pollRoles = 100 * time.Millisecond

// watch begins to watch who is master.
func (h *standing) watch(c *Cluster) {
	c.env.Enter()
	defer c.env.Leave()
	h.env, h.pause = c.env, c.env.NewCond()
	for _, node := range h.acks.servers {
		h.tasks = append(h.tasks, c.env.Go("role of "+node, func() {
			for was := false; !h.over; h.pause.WaitFor(pollRoles) {
				if c.Node(node).Running() {
					master, err := splitbrain.IsMaster(c, node)
					if err == nil && master && !was {
						h.note(turn{h.now(), node, false})
					}
					was = err == nil && master || err != nil && was
				}
			}
		}))
	}
}

// stop ends the watching.
func (h *standing) stop() {
	if h.env == nil {
		return
	}
	h.env.Enter()
	defer h.env.Leave()
	h.over = true
	h.pause.Broadcast()
	for _, t := range h.tasks {
		t.Wait()
	}
	h.tasks = nil
}

// What takes acknowledged writes, by when and by whom they were acknowledged. Offsets are
// known of torntail's own clients only.
const (
	byPromotion = "acknowledged before another was promoted, which did not have it"
	byNobody    = "acknowledged by the master that there is: started again, or emptied, in a way that nobody saw"
)

// took says what took a write that a server acknowledged.
func (h *standing) took(node string, at time.Duration) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	acting := h.acks.servers[0]
	for _, t := range h.turns {
		// Polls see a promotion late.
		if !t.started && (t.at <= at || t.node == node && t.at <= at+2*pollRoles) {
			acting = t.node
		}
	}
	if acting != node {
		return string(replication.AfterPromotion)
	}
	for _, t := range h.turns {
		switch {
		case t.at <= at:
		case t.started && t.node == node:
			return string(replication.RestartedWithout)
		case !t.started && t.node != node:
			return byPromotion
		}
	}
	return byNobody
}

// master is the server from which an account is read, and what is to be said about it.
func (c *Cluster) master() (node string, remarks []string, err error) {
	var masters []string
	for _, name := range c.s.Topology.ServerNames() {
		if n := c.Node(name); n.Running() {
			if is, err := splitbrain.IsMaster(c, name); err == nil && is {
				masters = append(masters, name)
			}
		}
	}
	votes := map[string]int{}
	for _, name := range c.s.Topology.SentinelNames() {
		if c.Node(name).Running() {
			votes[splitbrain.NamedBy(c, name)]++
		}
	}
	delete(votes, "")
	if len(masters) == 0 {
		return "", nil, fmt.Errorf("no server is a master now: there is nothing to hold the writes against")
	}
	slices.SortStableFunc(masters, func(a, b string) int { return cmp.Compare(votes[b], votes[a]) })
	if len(masters) > 1 {
		if votes[masters[0]] == votes[masters[1]] {
			return "", nil, fmt.Errorf("%s are masters now, and the Sentinels name none of them alone: wait until one is left", strings.Join(masters, " and "))
		}
		remarks = append(remarks, fmt.Sprintf("%s are masters now; read from %s, which %s", strings.Join(masters, " and "), masters[0], wording.Times(votes[masters[0]], "Sentinel")+" named"))
	}
	return masters[0], remarks, nil
}

// askLimit is how long a server may take for a batch of questions.
const askLimit = 10 * time.Second

// account says what became of the writes of the clients: "journal=PATH" are journals to go by
// instead of what the proxies heard, "lost=N" is how many lost writes are shown, "json" asks
// for all as JSON.
func (k *Control) account(args []string) (string, error) {
	most, asJSON := 10, false
	var journals []string
	for _, a := range args {
		switch name, value, _ := strings.Cut(a, "="); name {
		case "lost":
			n, err := strconv.Atoi(value)
			if err != nil {
				return "", err
			}
			most = n
		case "json":
			asJSON = true
		case "journal":
			journals = append(journals, value)
		}
	}
	k.acting.Lock() // nothing strikes meanwhile
	defer k.acting.Unlock()
	k.c.env.Enter()
	defer k.c.env.Leave()
	a, err := k.c.accountOf(journals)
	if err != nil {
		return "", err
	}
	if in := k.links.InPlace(); len(in) > 0 {
		a.Remarks = append(a.Remarks, "as it is now, with faults in place: "+strings.Join(in, "; "))
	}
	if asJSON {
		text, err := json.MarshalIndent(a, "", "  ")
		return string(text) + "\n", err
	}
	var b strings.Builder
	a.WriteText(&b, most)
	return b.String(), nil
}

func (c *Cluster) accountOf(journals []string) (*account.Account, error) {
	heard, left := c.heard.record.Writes()
	writes, source := heard, "what passed the proxies"
	if len(journals) > 0 {
		var all [][]*account.Write
		for _, path := range journals {
			list, err := account.OpenJournal(path)
			if err != nil {
				return nil, err
			}
			all = append(all, list)
		}
		writes, source = account.Together(journals, all), strings.Join(journals, ", ")
	}
	var disagree []account.Disagreement
	var others []*account.Write
	var said []string
	if len(journals) > 0 {
		disagree, others, said = account.Compare(writes, heard)
	}
	from, remarks, err := c.master()
	if err != nil {
		return nil, err
	}
	conn, err := splitbrain.Dial(c, from)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	state, err := account.Look(func(commands [][]string, each func(i int, r redcon.RESP) error) error {
		return pipelined(conn, commands, each)
	}, writes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	a := account.Judge(source, from, writes, others, state)
	a.Attribute(c.heard.took)
	a.Disagree, a.Remarks = disagree, append(remarks, said...)
	for _, why := range slices.Sorted(maps.Keys(left)) {
		a.Remarks = append(a.Remarks, fmt.Sprintf("%s not followed to the end: %s", wording.Times(left[why], "connection"), why))
	}
	return a, nil
}

// pipelined sends commands in one go.
func pipelined(conn *workloads.Conn, commands [][]string, each func(i int, r redcon.RESP) error) error {
	conn.Deadline(askLimit)
	for _, words := range commands {
		conn.Begin(len(words))
		for _, w := range words {
			conn.Arg(w)
		}
	}
	if err := conn.Flush(); err != nil {
		return err
	}
	for i := range commands {
		r, err := conn.Reply()
		if err != nil {
			return err
		}
		if err := each(i, r); err != nil {
			return err
		}
	}
	return nil
}
