package simcluster

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/replication"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/workloads"
)

// Judge says what was wrong about the experiment that has just run:
//
//   - what is up has not converged in time, though all faults have ended and nothing that
//     the plan left down is needed for it (liveness, or two-masters when it is for that);
//   - two Sentinels led a failover in the same epoch (two-leaders);
//   - the converged servers differ (divergence);
//   - a write is lost that nothing allows to be lost: without faults any, and with
//     WAIT for all replicas any that was acknowledged;
//   - a server was sent everything, though it could have gone on where it was;
//   - a key past its time was served.
func (c *Simulator) Judge(out *splitbrain.Outcome) []splitbrain.Finding {
	found := slices.Concat(out.Findings, c.found)
	if f, ok := c.twoLeaders(out); ok {
		found = append(found, f)
	}
	if !out.Converged {
		if out.Stranded {
			return found
		}
		anomaly := "liveness"
		if strings.HasSuffix(out.Why, " are masters") {
			anomaly = "two-masters"
		}
		return append(found, splitbrain.Finding{Anomaly: anomaly, Text: out.Why})
	}
	account := replication.Of(out.History, splitbrain.Server(0))
	for _, d := range account.Diverged {
		found = append(found, splitbrain.Finding{Anomaly: "divergence", Text: fmt.Sprintf("%s is %q on %s and %q on %s", d.Key, d.Values[0], d.Nodes[0], d.Values[1], d.Nodes[1])})
		break
	}
	if key, n := lost(out.History); n > 0 && (c.calm(out) || c.s.Wait >= c.s.Topology.Servers-1) {
		found = append(found, splitbrain.Finding{Anomaly: "lost-write", Text: fmt.Sprintf("%d acknowledged writes are gone, among them %s", n, key)})
	}
	if f, ok := c.needlessSync(out); ok {
		found = append(found, f)
	}
	return found
}

// twoLeaders finds an epoch with two elected leaders. Whoever is elected has
// announced a vote for itself, which names the epoch.
func (c *Simulator) twoLeaders(out *splitbrain.Outcome) (splitbrain.Finding, bool) {
	epoch := map[string]string{}  // in which a Sentinel last voted for itself
	leader := map[string]string{} // of an epoch
	for _, n := range out.Notes {
		switch n.Event {
		case "+vote-for-leader": // "ID EPOCH"
			voted, in, _ := strings.Cut(n.Text, " ")
			if i, err := strconv.Atoi(n.Node[1:]); err == nil && voted == splitbrain.RunID(i-1) {
				epoch[n.Node] = in
			}
		case "+elected-leader":
			in := epoch[n.Node]
			if other := leader[in]; in != "" && other != "" && other != n.Node {
				return splitbrain.Finding{Anomaly: "two-leaders", Text: fmt.Sprintf("%s and %s were both elected in epoch %s", other, n.Node, in)}, true
			}
			leader[in] = n.Node
		}
	}
	return splitbrain.Finding{}, false
}

// calm reports whether no fault struck.
func (c *Simulator) calm(out *splitbrain.Outcome) bool {
	for _, s := range out.Statements {
		if s.Struck {
			return false
		}
	}
	return true
}

// lost counts acknowledged writes that no server holds after convergence, and
// names the first.
func lost(h *history.History) (first string, n int) {
	held := map[string]bool{}
	for i := range h.States {
		for _, kv := range h.States[i].Keys {
			held[kv.Key] = true
		}
	}
	for i := range h.Ops {
		if op := &h.Ops[i]; op.Outcome == history.OK && !held[op.Key] {
			if n == 0 {
				first = op.Key
			}
			n++
		}
	}
	return first, n
}

// needlessSync finds a full synchronisation that nothing called for. Where masters
// are killed and never cut off, a promoted replica is ahead of nobody and behind
// nobody that matters: only a server that comes back from the dead needs everything, and one
// whose promotion a Sentinel has called off.
func (c *Simulator) needlessSync(out *splitbrain.Outcome) (splitbrain.Finding, bool) {
	restarts := int64(0)
	for i := range c.s.Plan.Statements {
		switch c.s.Plan.Statements[i].Action.(type) {
		case *plan.Kill:
		case *plan.Restart:
			restarts++
		default:
			return splitbrain.Finding{}, false
		}
	}
	if restarts == 0 {
		return splitbrain.Finding{}, false
	}
	for i := range out.History.Events {
		if out.History.Events[i].Kind == history.Resumed {
			restarts++
		}
	}
	for i := 1; i < c.s.Topology.Servers; i++ { // the first master has synchronised everybody
		if did := c.spare[i].Server().Replicated(); did.Master && did.FullSyncs > restarts {
			return splitbrain.Finding{Anomaly: "full-sync", Text: fmt.Sprintf("%s sent everything %d times, and %d servers had come back without their place, or been promoted in vain", splitbrain.Server(i), did.FullSyncs, restarts)}, true
		}
	}
	return splitbrain.Finding{}, false
}

// Life of the keys that watchExpiry writes, and how often it writes one.
const (
	expiryLife  = 150 * time.Millisecond
	expiryEvery = 200 * time.Millisecond
	askTime     = 100 * time.Millisecond
)

// watchExpiry writes keys that live shortly to whoever is master, and reads each of
// them on every server once its time is over: nobody may serve it then.
func (c *Simulator) watchExpiry(e env.Env) {
	conns := map[string]*workloads.Conn{}
	ask := func(node string, argv ...string) (redcon.RESP, bool) {
		conn := conns[node]
		if conn == nil {
			var err error
			if conn, err = workloads.Dial(e, c.Addr(node)); err != nil {
				return redcon.RESP{}, false
			}
			conns[node] = conn
			if _, err := conn.Do(askTime, "SELECT", "1"); err != nil {
				conn.Close()
				delete(conns, node)
				return redcon.RESP{}, false
			}
		}
		reply, err := conn.Do(askTime, argv...)
		if err != nil {
			conn.Close()
			delete(conns, node)
			return reply, false
		}
		return reply, reply.Type != redcon.Error
	}
	for i := 0; !c.over; i++ {
		key := "expiry:" + strconv.Itoa(i)
		var until time.Duration
		for _, node := range c.s.Topology.ServerNames() {
			// Counted from before the command: the server counts from when it executes it.
			if _, ok := ask(node, "SET", key, "alive", "PX", strconv.FormatInt(expiryLife.Milliseconds(), 10)); ok {
				until = max(until, e.Now()+expiryLife)
			}
		}
		e.Sleep(expiryEvery)
		if until == 0 {
			continue
		}
		for _, node := range c.s.Topology.ServerNames() {
			if asked := e.Now(); asked > until+time.Millisecond {
				if reply, ok := ask(node, "GET", key); ok && string(reply.Data) == "alive" {
					c.found = append(c.found, splitbrain.Finding{Anomaly: "resurrection", Text: fmt.Sprintf("%s served %s %v after its time was over", node, key, asked-until)})
					return
				}
			}
		}
	}
}
