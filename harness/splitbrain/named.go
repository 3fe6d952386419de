package splitbrain

import (
	"fmt"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/internal/bounded"
	"github.com/torntail/torntail/internal/spelling"
)

// Published is what somebody measured with a scenario, to stand beside our figures.
type Published struct {
	Lost, Acknowledged int
	Where              string
}

// Named is a scenario with a name.
type Named struct {
	Options
	Who       string // who meets it
	Published *Published
}

func mustPlan(text string) *plan.Plan {
	p, err := plan.Parse(text)
	if err != nil {
		panic(fmt.Sprintf("splitbrain: a plan of its own: %v", err))
	}
	return p
}

var (
	five = Topology{Servers: 5, Sentinels: 5}
	pair = Topology{Servers: 2, Sentinels: 3}
	// outside are clients that reach everybody.
	outside = map[Side]int{Everywhere: 5}
)

func lines(nameValue ...string) (list []Directive) {
	for i := 0; i < len(nameValue); i += 2 {
		list = append(list, Directive{Name: nameValue[i], Value: nameValue[i+1]})
	}
	return list
}

// Scenarios are the named ones.
var Scenarios = []Named{
	{
		Options: Options{Name: "aphyr-2013", About: "5 servers on two sides, every client at first on the old master and staying there as long as it can",
			Topology: five, Partition: "master+replica", Routing: string(Sticky), Places: map[Side]int{Everywhere: 5},
			Rate: 290, Writes: 2000, CutFor: 3500 * time.Millisecond, After: 1900 * time.Millisecond},
		Who:       "whoever runs Sentinel over two rooms or zones, with clients in both",
		Published: &Published{Lost: 1126, Acknowledged: 1998, Where: "Kingsbury, Jepsen: Redis, 2013"},
	},
	{Options: Options{Name: "min-replicas", About: "min-replicas-to-write 1 with max-lag 1, the master alone: it soon refuses writes",
		Directives: lines("min-replicas-to-write", "1", "min-replicas-max-lag", "1"), CutFor: 5 * time.Second}, Who: "whoever sets min-replicas-to-write as Sentinel's documentation advises"},
	{Options: Options{Name: "min-replicas-with-replica", About: "the same with a replica on the master's side: no protection",
		Partition: "master+replica", Directives: lines("min-replicas-to-write", "1", "min-replicas-max-lag", "1"), CutFor: 5 * time.Second}, Who: "whoever sets it and has a replica beside the master, in one rack or zone"},
	{Options: Options{Name: "wait-1", About: "WAIT 1 after each write, the master alone", Wait: 1}, Who: "whoever has a write confirmed by a replica before it counts"},
	{Options: Options{Name: "wait-1-with-replica", About: "WAIT 1 with a replica on the master's side: it answers, and is wiped with its master",
		Partition: "master+replica", Wait: 1}, Who: "the same, with the replica that confirms in the master's own zone"},
	{Options: Options{Name: "wait-2", About: "WAIT 2 of 5 servers, one replica on the master's side", Topology: five, Partition: "master+replica", Wait: 2}, Who: "whoever asks for a majority"},
	{Options: Options{Name: "lagging-replica", About: "replicas 200 ms behind when the cut comes: what they had not got yet is lost too, though nobody was cut off when it was acknowledged",
		Lag: 200 * time.Millisecond}, Who: "whoever replicates to another region, or over a link that is full"},
	{Options: Options{Name: "killed-master", About: "the master is killed, and comes back when another has taken its place: what it had sent still arrives, so next to nothing is lost",
		Places: map[Side]int{Everywhere: 5}, Span: 6 * time.Second,
		Plan: mustPlan("plan 1\nat 2s: kill n1\nat +3s: restart n1\n")}, Who: "everybody, some day: the OOM killer, a panic, a node that is drained"},
	{Options: Options{Name: "paused-master", About: "the master is stopped for 3 s, as by a long fork or a VM migration, and goes on as if nothing had been",
		Places: map[Side]int{Everywhere: 5}, Span: 7 * time.Second, Plan: mustPlan("plan 1\nat 1500ms: pause n1 for 3s\n")}, Who: "whoever runs on virtual machines, or forks a large server for its snapshots"},
	{Options: Options{Name: "default-timing", About: "Sentinel's own defaults: down-after 30 s; two minutes",
		Timing: "conf", Rate: 50, CutAt: 3 * time.Second, CutFor: 55 * time.Second, After: 25 * time.Second}, Who: "whoever has never touched sentinel.conf"},
	{
		Options: Options{Name: "fast-restart", About: "a master that keeps nothing is started again before anybody misses it: its replicas follow it, and throw away what they have",
			Mode: "none", Places: outside, Span: 6 * time.Second, Must: MustRestart,
			Plan: mustPlan("plan 1\nat 2s: kill n1\nat +50ms: restart n1\n")},
		Who: "whoever has switched persistence off on the master for speed, and has a supervisor that starts it again at once",
	},
	{
		Options: Options{Name: "stale-master-returns", About: "the successor dies as well, and the former master is started with what it had: the Sentinels promote it again",
			Topology: pair, Mode: "everysec", Places: outside, Span: 11 * time.Second, Must: MustStale,
			Plan: mustPlan("plan 1\nat 2s: kill n1\nat 5s: kill n2\nat +200ms: restart n1\nat 9s: restart n2\n")},
		Who: "whoever has two servers and repairs the first while the second serves alone",
	},
	{
		Options: Options{Name: "all-down", About: "everything is shut down, the replicas first, and started again with the replicas first: one of them is promoted before the master is back",
			Mode: "everysec", Places: outside, Span: 9 * time.Second,
			Plan: mustPlan("plan 1\nat 1500ms: term n2\nat +0s: term n3\nat 2500ms: term n1\n" + each("term", "s1,s2,s3") + "at 3500ms: restart n2\n" + each("restart", "n3,s1,s2,s3") + "at 7s: restart n1\n")},
		Who: "whoever moves or upgrades a whole cluster, and starts it in the order in which it was shut down",
	},
	{
		Options: Options{Name: "rack-power", About: "all machines lose their power at one instant, and are back a little later, before anybody is promoted",
			Mode: "everysec", Places: outside, Span: 8 * time.Second, Must: MustRestart,
			Plan: mustPlan("plan 1\nat 2s: power-cut all\nat +300ms: restart n1\n" + each("restart", "n2,n3,s1,s2,s3"))},
		Who: "whoever has master, replicas and Sentinels behind one power supply: three copies in memory are none",
	},
	{
		Options: Options{Name: "replica-disk-full", About: "the disk of the only replica is full, so it ends; with room again it is started just when the master dies, and is promoted with what it had",
			Topology: pair, Mode: "everysec", Places: outside, Span: 9 * time.Second,
			Plan: mustPlan("plan 1\nat 1s: full n2 0 for 2s\nat 3500ms: kill n1\nat +300ms: restart n2\nat 7s: restart n1\n")},
		Who: "whoever watches the disk of the master and not that of the replica",
	},
	{
		Options: Options{Name: "slow-fsync-failover", About: "an fsync of the master takes 4 s, so that it answers nobody: another is promoted, though nothing is broken",
			Mode: "always", Places: outside, Span: 9 * time.Second,
			Plan: mustPlan("plan 1\nat 2s: slow n1 fsync(*.incr.aof) 4s for 4s\n")},
		Who: "whoever syncs each write to a network volume, or to a disk that others use",
	},
	{
		Options: Options{Name: "chained-replicas", About: "the first replica of a chain is behind when the master dies: the Sentinels know no other, so it is promoted, and the one behind it follows",
			Topology: Topology{Servers: 3, Sentinels: 3, Chain: true}, Mode: "everysec", Places: outside, Span: 8 * time.Second,
			Plan: mustPlan("plan 1\nat 1500ms: cut n1 -> n2 both for 4s\nat 3s: kill n1\nat 6s: restart n1\n")},
		Who: "whoever has replicas of replicas, to spare the master the traffic",
	},
	{
		Options: Options{Name: "coordinated-failover", About: "the master hands over to a replica that has everything (FAILOVER), beside Sentinels that know nothing of it: nothing is lost, and they fail over once more",
			Mode: "everysec", Places: outside, Span: 9 * time.Second, Must: MustPromote,
			Plan: mustPlan("plan 1\nat 2s: do n1 FAILOVER\n")},
		Who: "whoever drains a machine for maintenance and uses the command that was made for it",
	},
	{
		Options: Options{Name: "sentinel-failover", About: "a Sentinel is told to fail over (SENTINEL FAILOVER) while the master serves: nothing is handed over",
			Timing: "announced", Mode: "everysec", Places: outside, Span: 9 * time.Second, Must: MustPromote,
			Plan: mustPlan("plan 1\nat 2s: do s1 SENTINEL FAILOVER mymaster\n")},
		Who: "whoever drains a machine for maintenance in the way that Sentinel has for it",
	},
}

// each says one thing of several nodes at one instant, that of the statement before.
func each(verb, nodes string) (text string) {
	for node := range strings.SplitSeq(nodes, ",") {
		text += "at +0s: " + verb + " " + node + "\n"
	}
	return text
}

// Find is a named scenario, or that of the file at path when the name is one of a file's: it
// ends in .yaml or .yml, or has a slash.
func Find(name, path string) (n Named, err error) {
	if strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") || strings.ContainsRune(name, '/') {
		f, err := bounded.Open(path, "a scenario")
		if err != nil {
			return n, err
		}
		defer f.Close()
		n.Options, err = ReadFile(name, f)
		return n, err
	}
	if n, err = spelling.Find("scenario", name, Scenarios, func(n Named) string { return n.Name }); err != nil {
		err = fmt.Errorf("%w; a file's name ends in .yaml", err)
	}
	return n, err
}
