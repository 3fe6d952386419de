package splitbrain

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/plan"
)

// Schedule is a kind of scenario that is drawn anew from each seed: which nodes, which faults
// of a kind, and when.
type Schedule struct {
	Name, About string
	text        func(r *rand.Rand) string // of the plan
	wait        int                       // replicas each write waits for
	// modes are of persistence: one is drawn for all, and now and then another for one.
	modes []string
}

// everybody but n1, on the other side of a cut.
const everybodyElse = "n2,n3,s1,s2,s3"

// when draws an instant between two.
func when(r *rand.Rand, from, to time.Duration) time.Duration {
	return (from + time.Duration(r.Int64N(int64(to-from)))).Truncate(time.Millisecond)
}

const msec, sec = time.Millisecond, time.Second

// Schedules are the known kinds. What is random in each is drawn from the seed.
var Schedules = []Schedule{
	{Name: "calm", About: "no fault", text: func(*rand.Rand) string { return "" }},
	{Name: "partition", About: "the master is cut off, in one of the ways there are", text: func(r *rand.Rand) string {
		side := [...]string{"n1", "n1", "n1,n2", "n1,s1", "n1,n2,s1"}[r.IntN(5)]
		other := without(strings.Split("n1,"+everybodyElse, ","), strings.Split(side, ","))
		how := [...]string{"", "", " reset", " drop"}[r.IntN(4)]
		both := [...]string{" both", " both", ""}[r.IntN(3)]
		return fmt.Sprintf("at %v: cut %s -> %s%s%s for %v\n", when(r, 500*msec, 3*sec), side, other, how, both, when(r, sec, 6*sec))
	}},
	{Name: "kill", About: "the master is killed and comes back", text: func(r *rand.Rand) string {
		return fmt.Sprintf("at %v: kill n1\nat %v: restart n1\n", when(r, 500*msec, 3*sec), when(r, 6*sec, 8*sec))
	}},
	{Name: "candidates", About: "the master is killed while Sentinels hear of each other late, so that several want to lead", text: func(r *rand.Rand) string {
		late := when(r, 100*msec, 250*msec)
		return fmt.Sprintf("at 200ms: delay s1 -> s2,s3 %v for 7s\nat 200ms: delay s2 -> s1,s3 %v for 7s\nat 200ms: delay s3 -> s1,s2 %v for 7s\nat %v: kill n1\nat %v: restart n1\n",
			late, late, late, when(r, 1*sec, 2*sec), when(r, 7*sec, 8*sec))
	}},
	{Name: "sentinels", About: "Sentinels are killed while they elect, and are back at once", text: func(r *rand.Rand) string {
		late := when(r, 50*msec, 150*msec)
		down := when(r, 1*sec, 1500*msec)
		var b strings.Builder
		fmt.Fprintf(&b, "at 200ms: delay s1 -> s2,s3 %v for 7s\nat 200ms: delay s2 -> s1,s3 %v for 7s\nat 200ms: delay s3 -> s1,s2 %v for 7s\nat %v: kill n1\n", late, late, late, down)
		at := down + when(r, 700*msec, 1500*msec)
		for range 1 + r.IntN(3) {
			n := fmt.Sprintf("s%d", 1+r.IntN(3))
			how := [...]string{"kill " + n, "power-cut " + n + kept(r)}[r.IntN(2)]
			fmt.Fprintf(&b, "at %v: %s\nat %v: restart %s\n", at, how, at+5*msec, n)
			at += when(r, 20*msec, 200*msec)
		}
		fmt.Fprintf(&b, "at %v: restart n1\n", when(r, 7*sec, 8*sec))
		return b.String()
	}},
	{Name: "back-at-once", About: "a master is killed and back before anybody misses it: the first, or whoever was promoted in its place", modes: []string{"rdb", "rdb", "everysec", "always"}, text: func(r *rand.Rand) string {
		at := when(r, 1500*msec, 3*sec)
		if r.IntN(2) == 0 {
			late := ""
			if r.IntN(2) == 0 { // a replica finds it only after a while
				late = fmt.Sprintf("at %v: cut n1 -> %s reset both for %v\n", at, [...]string{"n2", "n3", "n2,n3"}[r.IntN(3)], when(r, 300*msec, 1500*msec))
			}
			return late + fmt.Sprintf("at %v: kill n1\nat %v: restart n1\n", at, at+when(r, 10*msec, 150*msec))
		}
		later := at + when(r, 2500*msec, 4*sec)
		return fmt.Sprintf("at %v: kill n1\nat %v: kill n2\nat %v: kill n3\nat %v: restart n2\nat %v: restart n3\nat %v: restart n1\n",
			at, later, later, later+when(r, 10*msec, 100*msec), later+when(r, 10*msec, 100*msec), later+when(r, 2*sec, 3*sec))
	}},
	{Name: "two-failovers", About: "the master is cut off while its successor is killed", text: func(r *rand.Rand) string {
		victim := [...]string{"n2", "n3"}[r.IntN(2)]
		return fmt.Sprintf("at %v: cut n1 -> %s both for %v\nat %v: kill %s\nat %v: restart %s\n",
			when(r, 500*msec, 1500*msec), everybodyElse, when(r, 9*sec, 11*sec), when(r, 4*sec, 5*sec), victim, when(r, 12*sec, 13*sec), victim)
	}},
	{Name: "lagging-replica", About: "an old master that was synchronised again takes over while another replica lags behind", text: func(r *rand.Rand) string {
		lag := [...]string{"n2", "n3"}[r.IntN(2)]
		master := [...]string{"n3", "n2"}[strings.Index("n2n3", lag)/2]
		return fmt.Sprintf("at 1s: cut n1 -> %s both for %v\nat %v: cut %s -> n2,n3 both for %v\nat %v: kill %s\nat 14s: restart %s\n",
			everybodyElse, 4*sec, when(r, 4*sec, 4500*msec), lag, when(r, 6*sec, 7*sec), when(r, 8*sec, 9*sec), master, master)
	}},
	{Name: "wait-all", About: "the master is cut off while every write waits for all replicas", wait: 2, text: func(r *rand.Rand) string {
		return fmt.Sprintf("at %v: cut n1 -> %s both for %v\n", when(r, 500*msec, 2*sec), everybodyElse, when(r, 2*sec, 5*sec))
	}},
	{Name: "rack-power", About: "the power of all, or of some, goes at one instant; they come back one after the other", modes: everyMode, text: func(r *rand.Rand) string {
		at := when(r, 1*sec, 3*sec)
		nodes := strings.Split("n1,"+everybodyElse, ",")
		if r.IntN(3) == 0 {
			nodes = [][]string{{"n1", "n2"}, {"n1", "s1"}, {"n1", "n2", "n3"}, {"n1", "n3", "s2", "s3"}}[r.IntN(4)]
		}
		text := fmt.Sprintf("at %v: power-cut %s%s\n", at, strings.Join(nodes, ","), kept(r))
		r.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
		for _, n := range nodes {
			at += when(r, 10*msec, 2*sec)
			text += fmt.Sprintf("at %v: restart %s\n", at, n)
		}
		return text
	}},
	{Name: "restarts", About: "servers are killed, or lose their power or their files, and come back at once or late", modes: everyMode, text: func(r *rand.Rand) string {
		at := when(r, 500*msec, 2*sec)
		var b strings.Builder
		saved := map[string]bool{}
		for range 2 + r.IntN(3) {
			n := fmt.Sprintf("n%d", 1+r.IntN(3))
			if r.IntN(3) == 0 {
				fmt.Fprintf(&b, "at %v: backup %s\n", at, n)
				at += when(r, 100*msec, 700*msec)
				saved[n] = true
			}
			how := [...]string{"kill " + n + " tree", "kill " + n, "power-cut " + n + kept(r), "term " + n}[r.IntN(4)]
			fmt.Fprintf(&b, "at %v: %s\n", at, how)
			at += when(r, 1*msec, 100*msec)
			if strings.HasPrefix(how, "term") {
				at += 200 * msec // until it has ended
			}
			switch files := r.IntN(4); {
			case files == 0:
				fmt.Fprintf(&b, "at %v: wipe %s\n", at, n)
			case files == 1 && saved[n]:
				fmt.Fprintf(&b, "at %v: restore %s\n", at, n)
			}
			at += [...]time.Duration{when(r, 1*msec, 200*msec), when(r, 1*msec, 200*msec), when(r, 200*msec, 3*sec)}[r.IntN(3)]
			fmt.Fprintf(&b, "at %v: restart %s\n", at, n)
			at += when(r, 100*msec, 3*sec)
		}
		return b.String()
	}},
	{Name: "disks", About: "a disk is full, slow or fails while the master is cut off or killed", modes: []string{"always", "everysec", "no", "hybrid"}, text: func(r *rand.Rand) string {
		n := fmt.Sprintf("n%d", 1+r.IntN(3))
		at := when(r, 500*msec, 2*sec)
		fault := [...]string{
			fmt.Sprintf("full %s 0", n), fmt.Sprintf("full %s 4000", n), fmt.Sprintf("readonly %s", n),
			fmt.Sprintf("slow %s write(*) %v", n, when(r, 100*msec, 3*sec)), fmt.Sprintf("slow %s fsync(*) %v", n, when(r, 100*msec, 3*sec)),
			fmt.Sprintf("fail %s write(*) EIO with 10%%", n), fmt.Sprintf("fail %s fsync(*) EIO with 10%%", n), fmt.Sprintf("stall %s write(*)", n),
		}[r.IntN(8)]
		text := fmt.Sprintf("at %v: %s for %v\n", at, fault, when(r, 500*msec, 5*sec))
		if r.IntN(2) == 0 {
			return text + fmt.Sprintf("at %v: cut n1 -> %s both for %v\n", at+when(r, 0, sec), everybodyElse, when(r, sec, 4*sec))
		}
		return text
	}},
	{Name: "storm", About: "several faults of all kinds", text: func(r *rand.Rand) string {
		var b strings.Builder
		at := when(r, 500*msec, 1500*msec)
		for range 2 + r.IntN(3) {
			n := fmt.Sprintf("n%d", 1+r.IntN(3))
			others := without(strings.Split("n1,"+everybodyElse, ","), []string{n})
			span := when(r, 200*msec, 4*sec)
			switch r.IntN(6) {
			case 0:
				fmt.Fprintf(&b, "at %v: pause %s for %v\n", at, n, span)
			case 1:
				fmt.Fprintf(&b, "at %v: kill %s\nat %v: restart %s\n", at, n, at+span, n)
			case 2:
				fmt.Fprintf(&b, "at %v: delay %s -> %s %v for %v\n", at, n, others, when(r, msec, 300*msec), span)
			case 3:
				fmt.Fprintf(&b, "at %v: cut %s -> %s reset for %v\n", at, n, others, span)
			case 4:
				fmt.Fprintf(&b, "at %v: flap %s -> %s %v both for %v\n", at, n, others, when(r, 100*msec, 900*msec), span)
			case 5:
				fmt.Fprintf(&b, "at %v: cut %s -> %s both for %v\n", at, n, others, span)
			}
			at += span + when(r, 200*msec, 2*sec)
		}
		return b.String()
	}},
}

// everyMode are ways to keep data, and not to.
var everyMode = []string{"", "none", "rdb", "everysec", "always", "hybrid"}

// kept draws what survives a power cut.
func kept(r *rand.Rand) string { return [...]string{"", " keep none", " keep all"}[r.IntN(3)] }

func without(list, out []string) string {
	var left []string
next:
	for _, s := range list {
		for _, o := range out {
			if s == o {
				continue next
			}
		}
		left = append(left, s)
	}
	return strings.Join(left, ",")
}

// Draw makes the scenario of a seed: 3 servers and 3 Sentinels.
func (k *Schedule) Draw(seed uint64) (*Scenario, error) {
	r := rand.New(rand.NewPCG(seed, 0))
	p, err := plan.Parse("plan 1\n" + k.text(r))
	if err != nil {
		return nil, fmt.Errorf("schedule %s, seed %d: %w", k.Name, seed, err)
	}
	span := 6 * sec
	for i := range p.Statements {
		s := &p.Statements[i]
		span = max(span, s.At.Time+s.Span.For+3*sec)
	}
	o := Options{Name: k.Name + " schedule", Plan: p, Wait: k.wait, Rate: 100, Clients: 4, Span: span, Routing: "both", Poll: 50 * msec, Expiry: len(p.Statements) > 0}
	if len(k.modes) > 0 {
		o.Mode = k.modes[r.IntN(len(k.modes))]
		if r.IntN(3) == 0 {
			o.Each = []NodeSettings{{Node: fmt.Sprintf("n%d", 1+r.IntN(3)), Mode: k.modes[r.IntN(len(k.modes))]}}
		}
	}
	return New(o)
}

// AnySchedule stands for all schedules that have faults: which it is, is drawn as well.
const AnySchedule = "any"

// ScheduleOf is the schedule that draws the scenario of a seed.
func ScheduleOf(name string, seed uint64) (*Schedule, error) {
	if name == AnySchedule {
		faulty := Schedules[1:] // all but calm
		return &faulty[rand.New(rand.NewPCG(seed, 1)).IntN(len(faulty))], nil
	}
	i := slices.IndexFunc(Schedules, func(k Schedule) bool { return k.Name == name })
	if i < 0 {
		names := []string{AnySchedule}
		for i := range Schedules {
			names = append(names, Schedules[i].Name)
		}
		return nil, fmt.Errorf("unknown schedule %q: want %s", name, strings.Join(names, ", "))
	}
	return &Schedules[i], nil
}
