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
	Published *Published
}

func mustPlan(text string) *plan.Plan {
	p, err := plan.Parse(text)
	if err != nil {
		panic(fmt.Sprintf("splitbrain: a plan of its own: %v", err))
	}
	return p
}

var five = Topology{Servers: 5, Sentinels: 5}

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
		Published: &Published{Lost: 1126, Acknowledged: 1998, Where: "Kingsbury, Jepsen: Redis, 2013"},
	},
	{Options: Options{Name: "min-replicas", About: "min-replicas-to-write 1 with max-lag 1, the master alone: it soon refuses writes",
		Directives: lines("min-replicas-to-write", "1", "min-replicas-max-lag", "1"), CutFor: 5 * time.Second}},
	{Options: Options{Name: "min-replicas-with-replica", About: "the same with a replica on the master's side: no protection",
		Partition: "master+replica", Directives: lines("min-replicas-to-write", "1", "min-replicas-max-lag", "1"), CutFor: 5 * time.Second}},
	{Options: Options{Name: "wait-1", About: "WAIT 1 after each write, the master alone", Wait: 1}},
	{Options: Options{Name: "wait-1-with-replica", About: "WAIT 1 with a replica on the master's side: it answers, and is wiped with its master",
		Partition: "master+replica", Wait: 1}},
	{Options: Options{Name: "wait-2", About: "WAIT 2 of 5 servers, one replica on the master's side", Topology: five, Partition: "master+replica", Wait: 2}},
	{Options: Options{Name: "lagging-replica", About: "replicas 200 ms behind when the cut comes: what they had not got yet is lost too, though nobody was cut off when it was acknowledged",
		Lag: 200 * time.Millisecond}},
	{Options: Options{Name: "killed-master", About: "the master is killed, and comes back when another has taken its place: what it had sent still arrives, so next to nothing is lost",
		Places: map[Side]int{Everywhere: 5}, Span: 6 * time.Second,
		Plan: mustPlan("plan 1\nat 2s: kill n1\nat +3s: restart n1\n")}},
	{Options: Options{Name: "paused-master", About: "the master is stopped for 3 s, as by a long fork or a VM migration, and goes on as if nothing had been",
		Places: map[Side]int{Everywhere: 5}, Span: 7 * time.Second, Plan: mustPlan("plan 1\nat 1500ms: pause n1 for 3s\n")}},
	{Options: Options{Name: "default-timing", About: "Sentinel's own defaults: down-after 30 s; two minutes",
		Timing: "conf", Rate: 50, CutAt: 3 * time.Second, CutFor: 55 * time.Second, After: 25 * time.Second}},
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
