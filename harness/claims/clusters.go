package claims

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/splitbrain"
)

// This file measures what is said of replication, Sentinel and split brain (H1 to
// H13), on clusters.

// cluster runs a scenario once. look, when not nil, looks at the cluster before
// it ends.
func (l *lab) cluster(o splitbrain.Options, look func(c splitbrain.Cluster)) *splitbrain.Report {
	s := get(splitbrain.New(o))
	if look != nil {
		s.Finally = func(c splitbrain.Cluster) error { return attempt(func() { look(c) }) }
	}
	return l.conduct(s)
}

func (l *lab) conduct(s *splitbrain.Scenario) *splitbrain.Report {
	if l.target.Clusters.Run == nil {
		fail("there are no clusters of this target here")
	}
	l.seed++
	r, _, err := l.target.Clusters.Experiment(l.ctx, s, l.seed)
	check(err)
	if !r.Struck {
		fail("a fault did not strike: %s", r.Why)
	}
	return r
}

// planned is a scenario with a plan of its own, every client reaching everybody.
func planned(topology string, span time.Duration, text string) splitbrain.Options {
	o := splitbrain.Options{Span: span, Places: map[splitbrain.Side]int{splitbrain.Everywhere: 5}}
	check(o.Topology.UnmarshalText([]byte(topology)))
	o.Plan = get(plan.Parse("plan 1\n" + text))
	return o
}

// count is a number of INFO.
func count(c splitbrain.Cluster, node, field string) int64 {
	info := get(splitbrain.Info(c, node))
	n, err := strconv.ParseInt(info[field], 10, 64)
	if err != nil {
		fail("INFO of %s: %s %q is not a number", node, field, info[field])
	}
	return n
}

// asynchronous lets the master's machine die: what it has sent and not delivered
// is lost with it. Its replicas are behind by as long as the network drops what it
// sends before that.
func asynchronous(l *lab) Measurement {
	figure, lost := "", 0
	for _, behind := range []time.Duration{0, time.Millisecond, 50 * time.Millisecond} {
		text := "at 2s: kill n1\nat +3s: restart n1"
		if behind > 0 {
			text = fmt.Sprintf("at 2s: cut n1 -> n2,n3 drop for 2s\nat +%s: kill n1\nat +3s: restart n1", behind)
		}
		o := planned("3+3", 7*time.Second, text)
		o.Rate = 1000
		r := l.cluster(o, nil)
		figure += fmt.Sprintf("; replicas %s behind: lost %d of %d", behind, r.Lost, r.Acknowledged)
		lost += r.Lost
	}
	return decide(lost > 0, 3, "the master dies at up to 1000 writes/s%s", figure)
}

func isolatedGoesOn(l *lab) Measurement {
	r := l.cluster(splitbrain.Options{}, nil)
	return decide(r.Lost > 0 && r.SplitBrain > 0 && r.SplitLost == r.SplitBrain, 1,
		"of %d acknowledged writes %d were lost; %d of the %d that the deposed master took after its successor's promotion; it took writes for %.1f s of the cut",
		r.Acknowledged, r.Lost, r.SplitLost, r.SplitBrain, r.AcceptMS/1000)
}

// fullResync deposes a master by hand, with and without a write that it alone has,
// and by Sentinels.
func fullResync(l *lab) Measurement {
	var full [3]int64
	for i, write := range []bool{false, true} {
		o := planned("3+0", 2*time.Second, "at 500ms: do n1 PING")
		o.Directives = directives("repl-ping-replica-period 60")
		l.cluster(o, func(c splitbrain.Cluster) { full[i] = deposed(c, write) })
	}
	// Its clients have made their last write long before the cut.
	quiet := splitbrain.Options{Writes: 250, CutAt: 3 * time.Second, Directives: directives("repl-ping-replica-period 60")}
	l.cluster(quiet, func(c splitbrain.Cluster) {
		for _, node := range []string{"n2", "n3"} {
			full[2] += count(c, node, "sync_full")
		}
	})
	return decide(full[0] > 0, 3, "full synchronisations by the new master: deposed by hand without a write of its own %d, with one %d; by Sentinels, whose hello messages are writes to it until it is demoted, %d",
		full[0], full[1], full[2])
}

// deposed makes n2 the master of n1 and n3, n1 having made a write that only it
// has or not, and returns how many full synchronisations n2 has then served.
func deposed(c splitbrain.Cluster, write bool) int64 {
	get(splitbrain.Command(c, "n2", "REPLICAOF", "NO", "ONE"))
	if write {
		get(splitbrain.Command(c, "n1", "SET", "only-here", "1"))
	}
	host, port, err := net.SplitHostPort(c.Addr("n2"))
	check(err)
	for _, node := range []string{"n1", "n3"} {
		get(splitbrain.Command(c, node, "REPLICAOF", host, port))
	}
	e := c.Env(splitbrain.Admin)
	for from := e.Now(); e.Now()-from < replyLimit; e.Sleep(20 * time.Millisecond) {
		if info, err := splitbrain.Info(c, "n2"); err != nil || info["connected_slaves"] != "2" {
			continue
		}
		up := true
		for _, node := range []string{"n1", "n3"} {
			info, err := splitbrain.Info(c, node)
			up = up && err == nil && info["master_link_status"] == "up"
		}
		if up {
			return count(c, "n2", "sync_full")
		}
	}
	fail("the old master did not synchronise with the new one")
	return 0
}

func minReplicas(l *lab) Measurement {
	base := l.cluster(splitbrain.Options{CutFor: 5 * time.Second}, nil)
	figure := fmt.Sprintf("lost without it %d of %d", base.Lost, base.Acknowledged)
	var alone, accompanied int
	for _, row := range []struct{ partition, lag string }{{"master-alone", "1"}, {"master-alone", "3"}, {"master-alone", "10"}, {"master+replica", "1"}} {
		r := l.cluster(splitbrain.Options{Partition: row.partition, CutFor: 5 * time.Second,
			Directives: directives("min-replicas-to-write 1", "min-replicas-max-lag "+row.lag)}, nil)
		figure += fmt.Sprintf("; %s, max-lag %s: %d of %d", row.partition, row.lag, r.Lost, r.Acknowledged)
		switch {
		case row.partition != "master-alone":
			accompanied = r.Lost
		case row.lag == "1":
			alone = r.Lost
		}
	}
	return decide(alone == 0 && accompanied == 0, 5, "%s", figure)
}

func waitMakesSafe(l *lab) Measurement {
	rows := []struct {
		o    splitbrain.Options
		name string
	}{
		{splitbrain.Options{Wait: 1}, "WAIT 1 of 3 servers, master alone"},
		{splitbrain.Options{Wait: 1, Partition: "master+replica"}, "WAIT 1 of 3, a replica on its side"},
		{splitbrain.Options{Wait: 2, Partition: "master+replica", Topology: splitbrain.Topology{Servers: 5, Sentinels: 5}}, "WAIT 2 of 5, a replica on its side"},
	}
	var lost [3]int
	figure := ""
	for i, row := range rows {
		r := l.cluster(row.o, nil)
		lost[i] = r.Lost
		figure += fmt.Sprintf("; %s: lost %d of %d", row.name, r.Lost, r.Acknowledged)
	}
	if lost[1] > 0 && lost[2] == 0 {
		return depends(3, "not below the majority, and no loss seen is no proof%s", figure)
	}
	return decide(lost[0]+lost[1]+lost[2] == 0, 3, "%s", figure[2:])
}

func timedOutIsGone(l *lab) Measurement {
	o := planned("3+3", 6*time.Second, "at 1500ms: delay n1 -> n2,n3 400ms for 2s")
	o.Wait = 2
	s := get(splitbrain.New(o))
	s.WaitFor = 100 * time.Millisecond
	r := l.conduct(s)
	return decide(r.UnknownThere == 0 && r.Unknown > 0, 1, "of %d writes that WAIT did not see on 2 replicas within 100 ms, %d are there", r.Unknown, r.UnknownThere)
}

// backlogDecides breaks a replica's connection for a while, with a backlog that
// holds what is written meanwhile, and with one that does not.
func backlogDecides(l *lab) Measurement {
	var full, partial [2]int64
	for i, backlog := range []string{"4mb", "16kb"} {
		o := planned("3+3", 5*time.Second, "at 1500ms: cut n1 -> n3 reset both for 2s")
		o.Directives, o.Rate = directives("repl-backlog-size "+backlog), 500
		l.cluster(o, func(c splitbrain.Cluster) {
			full[i] = count(c, "n1", "sync_full")
			partial[i] = count(c, "n1", "sync_partial_ok")
		})
	}
	return decide(full[0] == 2 && partial[0] > 0 && full[1] > 2, 2,
		"a cut of 2 s at 500 writes/s, beyond the two at the start: backlog of 4 MB %d full, %d partial; 16 kB %d full, %d partial", full[0]-2, partial[0], full[1]-2, partial[1])
}

// overflowLoops lets a replica synchronise in full while the child that makes the
// snapshot takes two seconds and more, and the limit of the replica's output
// buffer holds what is written in a fraction of that. When the writes have ended it comes through.
func overflowLoops(l *lab) Measurement {
	var limited, replicas int64
	o := planned("3+0", 12*time.Second, "at 3s: do n1 CONFIG SET client-output-buffer-limit \"replica 20kb 20kb 60\"\n"+
		"at +1ms: do n1 CONFIG SET rdb-key-save-delay 4000\n"+
		"at +10ms: cut n1 -> n3 reset both for 1s\n"+
		"at 11900ms: do n1 PING")
	o.Rate = 500
	o.Directives = directives("repl-backlog-size 16kb", "repl-timeout 60")
	l.cluster(o, func(c splitbrain.Cluster) {
		limited = count(c, "n1", "sync_full")
		replicas = count(c, "n1", "connected_slaves")
	})
	return decide(limited-2 > 1 && replicas == 2, 1, "limit of 20 kB, a snapshot that takes seconds, 500 writes/s: %d full synchronisations of one replica in 9 s beyond the two at the start; when the writes had ended it came through (%d replicas)", limited-2, replicas)
}

func emptyRestart(l *lab) Measurement {
	var lost, acked [2]int
	for i, down := range []string{"100ms", "3s"} {
		o := planned("3+3", 8*time.Second, "at 3s: kill n1\nat +"+down+": restart n1")
		o.Directives = directives("appendonly no", `save ""`)
		r := l.cluster(o, nil)
		lost[i], acked[i] = r.Lost, r.Acknowledged
	}
	return decide(lost[0] > acked[0]/4 && lost[1] < acked[1]/4, 2, "restarted after 100 ms (down-after is 500 ms): %d of %d lost; after 3 s: %d of %d", lost[0], acked[0], lost[1], acked[1])
}

// failovers counts promotions in a scenario in which the master is down for 8 s,
// or is not.
func (l *lab) failovers(topology string, quorum int, text string) int {
	o := planned(topology, 12*time.Second, text)
	o.Quorum = quorum
	return l.cluster(o, nil).Promotions
}

func twoSentinels(l *lab) Measurement {
	var n [2]int
	for i, quorum := range []int{1, 2} {
		n[i] = l.failovers("3+2", quorum, "at 1s: kill s1\nat +500ms: kill n1\nat +8s: restart n1")
	}
	return decide(n[0] == 0 && n[1] == 0, 2, "failovers within 8 s (8 failover timeouts) of the master's death, one of two Sentinels dead: quorum 1 %d, quorum 2 %d", n[0], n[1])
}

func threeSentinels(l *lab) Measurement {
	n := l.failovers("3+3", 2, "at 1s: kill s1\nat +500ms: kill n1\nat +8s: restart n1")
	return decide(n >= 1, 1, "failovers with one of three Sentinels dead, quorum 2: %d", n)
}

func oneSentinelCutOff(l *lab) Measurement {
	n := l.failovers("3+3", 2, "at 1500ms: cut s1 -> n1 both for 6s")
	return decide(n == 0, 1, "one Sentinel cut off from the master for 6 s (down-after 0.5 s): %d failovers", n)
}

func leaderNeedsQuorum(l *lab) Measurement {
	n := l.failovers("3+5", 4, "at 1s: kill s1\nat +10ms: kill s2\nat +500ms: kill n1\nat +8s: restart n1")
	return decide(n == 0, 1, "five Sentinels, quorum 4, three left: %d failovers", n)
}

// falseFailovers counts failovers of a master that lives, under short cuts.
func falseFailovers(l *lab) Measurement {
	figure := ""
	var n [3]int
	const seeds = 20
	for i, sentinels := range []int{1, 3, 5} {
		for k := range seeds {
			var text strings.Builder
			for j := range 4 { // each Sentinel in turn loses the master for longer than down-after
				fmt.Fprintf(&text, "at %dms: cut s%d -> n1 both for %dms\n", 1000+2000*j+37*k, 1+(j+k)%sentinels, 600+50*((j*7+k)%8))
			}
			n[i] += l.failovers("3+"+strconv.Itoa(sentinels), 0, text.String())
		}
		figure += fmt.Sprintf("; %d Sentinels: %d", sentinels, n[i])
	}
	return decide(n[0] > n[1] && n[1] >= n[2], 3*seeds, "failovers of a living master under four short cuts from single Sentinels, %d runs each%s", seeds, figure)
}

// expiryThroughMaster looks at a key that expires on a replica: hidden by its
// deadline, removed by the master's DEL.
func expiryThroughMaster(l *lab) Measurement {
	var hidden, deleted bool
	o := planned("3+3", 3*time.Second, "at 500ms: do n1 CONFIG SET hz 10")
	l.cluster(o, func(c splitbrain.Cluster) {
		get(splitbrain.Command(c, "n1", "SET", "claim-h8", "x", "PX", "300"))
		e := c.Env(splitbrain.Admin)
		e.Sleep(150 * time.Millisecond)
		before := get(splitbrain.Command(c, "n2", "GET", "claim-h8"))
		if string(before.Data) != "x" {
			fail("the key did not reach the replica")
		}
		e.Sleep(155 * time.Millisecond)
		for range 100 {
			after := get(splitbrain.Command(c, "n2", "GET", "claim-h8"))
			if hidden = after.Data == nil; hidden {
				break
			}
			e.Sleep(time.Millisecond)
		}
		e.Sleep(time.Second) // the master's expiry cycle, and the replica's next write
		check(c.Files("n2", func(fsys vfs.FS) { deleted = logHas(fsys, "DEL\r\n$8\r\nclaim-h8", "UNLINK\r\n$8\r\nclaim-h8") }))
	})
	return decide(hidden && deleted, 1, "on the replica the key reads as absent past its deadline (%t), and its log has the master's DEL (%t)", hidden, deleted)
}

// logHas reports whether an append-only file holds one of these, in any case.
func logHas(fsys vfs.FS, words ...string) bool {
	for _, data := range filesIn(fsys, "appendonlydir") { // any order: any of them
		if slices.ContainsFunc(words, func(w string) bool { return strings.Contains(strings.ToLower(string(data)), strings.ToLower(w)) }) {
			return true
		}
	}
	return false
}

func chainSpares(l *lab) Measurement {
	var full, bytes [2]int64
	for i, topology := range []string{"5+3", "chain:5+3"} {
		o := planned(topology, 3*time.Second, "at 500ms: do n1 PING")
		l.cluster(o, func(c splitbrain.Cluster) {
			full[i] = count(c, "n1", "sync_full")
			bytes[i] = count(c, "n1", "total_net_output_bytes")
		})
	}
	return decide(full[1] < full[0] && bytes[1] < bytes[0], 2, "4 replicas, flat and chained: full synchronisations served by the master %d and %d, bytes sent %d k and %d k", full[0], full[1], bytes[0]>>10, bytes[1]>>10)
}

func chainConverges(l *lab) Measurement {
	o := planned("chain:4+3", 8*time.Second, "at 1s: cut n1 -> n2 reset both for 1s\nat +2s: cut n2 -> n3 reset both for 1s\nat +2s: cut n3 -> n4 both for 1s")
	r := l.cluster(o, nil)
	return decide(r.ConvergeMS >= 0 && r.Lost == 0, 1, "a chain of four, cut at each level in turn: converged %.1f s after the last cut, lost %d of %d", r.ConvergeMS/1000, r.Lost, r.Acknowledged)
}

func oldMasterDemoted(l *lab) Measurement {
	r := l.cluster(splitbrain.Options{}, nil)
	return decide(r.DemoteMS >= 0, 1, "demoted %.1f s after the heal; two masters at once for %.1f s", r.DemoteMS/1000, r.DualMasterMS/1000)
}
