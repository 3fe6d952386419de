package checker

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/exhaustive"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/checker/verdict"
	"github.com/torntail/torntail/internal/digest"
)

// TestJudgementsAreToldAsBefore compares everything that is said of histories
// with testdata/golden, word by word: verdicts, losses and windows, and the
// evidence, which no slower judge has. -rewrite writes the files anew: then read
// what has changed.
//
//	plant n=3 seed=1 ops=90        a plant of its family, and its smallest part
//	clean family=set seed=1        what a store that does nothing wrong lost in a crash
//	mutilated from=0 to=20         under every mode, and for the clients alone
//	random from=0 to=20            of every kind of operation
//	twice from=0 to=20             two lives of the server, and two crashes
//	given-up steps=40 family=set   searches that may take so few steps
//	digest of=random from=0 to=20  of each history only a number made of all that is
//	                               said; the words of one that differs are had by asking
//	                               for it, before and after. Of shapes as well, with
//	                               clusters (what they decide is left to them), left (as a
//	                               state that a crash may have left), witness (what
//	                               porcupine says) and steps
func TestJudgementsAreToldAsBefore(t *testing.T) {
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			arg := func(key string, def int) int {
				v := def
				if d.HasArg(key) {
					d.ScanArgs(t, key, &v)
				}
				return v
			}
			var name string
			if d.HasArg("family") {
				d.ScanArgs(t, "family", &name)
			}
			j := Judge{Options: Options{Limits: linear.Limits{Steps: 100_000, Workers: 1}}}
			var b strings.Builder
			// judge also tells how many steps searches took: few, where a quicker judge answers.
			judge := func(b *strings.Builder, h *history.History, c contract.Contract) {
				before := j.steps
				all(b, j.Judge(h, c))
				if n := j.steps - before; n > 0 {
					fmt.Fprintf(b, "  steps: %d\n", n)
				}
			}
			switch d.Cmd {
			case "plant":
				n := arg("n", 0)
				s, c, ok := planted(t, n, uint64(arg("seed", 1)), arg("ops", 100), true)
				if !ok {
					return "not planted\n"
				}
				fmt.Fprintf(&b, "%s of %s\n", plants[n].name, plants[n].family)
				judge(&b, s.h, c)
				small, ok := j.Minimize(s.h, c, plants[n].name)
				fmt.Fprintf(&b, "smallest: %v, exact %v, replies %v\n%s\n", ok, small.Exact, small.Replies, small.Anomaly.Story)
			case "clean":
				f := familyOf(name)
				for _, mode := range []string{"always", "everysec", "rdb", "none"} {
					s := newStore(uint64(arg("seed", 1)), f, 60, 4, 3)
					s.crash(f, len(s.effects)-20)
					c, err := contract.For(mode, contract.Power, contract.Config{})
					require.NoError(t, err)
					fmt.Fprintf(&b, "%s: ", mode)
					judge(&b, s.h, c)
				}
			case "given-up":
				f := familyOf(name)
				s := newStore(1, f, 60, 6, 1)
				s.crash(f, 40)
				j.Options.Limits.Steps = int64(arg("steps", 40))
				judge(&b, s.h, contract.Clients())
			case "digest":
				var of string
				d.ScanArgs(t, "of", &of)
				j.noSmall = d.HasArg("clusters")
				j.Options.Limits.Steps = int64(arg("steps", 100_000))
				digest.Each(&b, arg("from", 0), arg("to", 1), func(b *strings.Builder, i int) {
					h := drawnFor(t, of, i)
					for _, c := range contractsFor(t, of, i) {
						judge(b, h, c)
						if d.HasArg("witness") {
							out := j.Judge(h, c)
							seen := j.Witness(h, c, 200)
							fmt.Fprintln(b, seen, Disagreement(&out, seen))
							out.Verdict, out.Anomalies = verdict.Holds, nil // as a judge that sees nothing
							fmt.Fprintln(b, Disagreement(&out, seen))
						}
						if d.HasArg("left") {
							all(b, j.JudgeLeft(h, c, i+1))
							fmt.Fprintln(b, j.explained.is, j.explained.life)
						}
					}
				})
			default:
				for i := arg("from", 0); i < arg("to", 1); i++ {
					last := ""
					for k, c := range contractsFor(t, d.Cmd, i) {
						var one strings.Builder
						judge(&one, drawnFor(t, d.Cmd, i), c)
						fmt.Fprintf(&b, "%d.%d ", i, k)
						if one.String() == last {
							b.WriteString("the same\n")
							continue
						}
						last = one.String()
						b.WriteString(last)
					}
				}
			}
			return b.String()
		})
	})
}

// contractsFor are those that history number i of a command is judged by.
func contractsFor(t *testing.T, cmd string, i int) []contract.Contract {
	list := []contract.Contract{contract.Clients()}
	modes := []string{"always", "everysec", "rdb", "none"}
	_, drawn := shapes[cmd]
	if _, clusters := clusterShapes[cmd]; drawn || clusters {
		i = 0 // nothing is known of syncs and snapshots
	}
	if cmd == "random" {
		return list
	}
	for _, crash := range []contract.Crash{contract.Kill, contract.Power} {
		c, err := contract.For(modes[i%len(modes)], crash, contract.Config{})
		require.NoError(t, err)
		list = append(list, c)
	}
	return list
}

// drawnFor is history number i of a command.
func drawnFor(t *testing.T, cmd string, i int) *history.History {
	rng := rand.New(rand.NewPCG(uint64(i), 78))
	f := families[i%len(families)]
	shape, is := shapes[cmd]
	small, clusters := clusterShapes[cmd]
	switch {
	case clusters:
		return rapid.Custom(func(t *rapid.T) *history.History {
			m := withoutUnrun(small.make(dice{t}))
			return m.history(small)
		}).Example(i)
	case is, cmd == "random":
		if !is {
			shape = exhaustive.Small
		}
		return rapid.Custom(func(t *rapid.T) *history.History {
			q := shape.History(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "") })
			return q.History()
		}).Example(i)
	case cmd == "mutilated":
		s := newStore(uint64(i), f, 14, 3, 2)
		s.crash(f, 4+rng.IntN(10))
		mutilate(rng, s.h)
		return s.h
	case cmd == "long":
		s := newStore(uint64(i), f, 60, 4, 3)
		s.crash(f, 40+rng.IntN(20))
		if i%3 == 0 {
			mutilate(rng, s.h)
		}
		return s.h
	case cmd == "twice":
		s := newStore(uint64(i), f, 30, 3, 2)
		s.crash(f, 30-rng.IntN(8))
		life := &s.h.Epochs[0]
		mid := s.h.Ops[15].Invoke
		first := *life
		first.Ended, first.How = mid, []history.EventKind{history.ProcessKill, history.PowerCut, history.Exited}[i%3]
		life.Began = mid
		s.h.Epochs = append([]history.Epoch{first}, *life)
		s.h.States[0].Epoch = 2
		found := s.found(f, s.effects[10+rng.IntN(6)].after)
		found.Epoch, found.Began, found.At = 1, mid, mid
		for k := range s.h.Ops[:15] {
			if op := &s.h.Ops[k]; op.Return > mid {
				op.Outcome, op.Return = history.Unknown, history.Never
			}
		}
		s.h.States = append([]history.State{found}, s.h.States...)
		return s.h
	}
	t.Fatalf("unknown command %q", cmd)
	return nil
}

// all writes everything that a judgement says.
func all(b *strings.Builder, out Judgement) {
	fmt.Fprintln(b, strings.TrimSuffix(fmt.Sprintf("%s: %s", out.Verdict, out.Why), ": "))
	if out.Assumption != "" {
		fmt.Fprintf(b, "  assumption %s, unanswered %d\n", out.Assumption, out.Unanswered)
	}
	if out.Verdict != verdict.Unknown || out.Acked > 0 {
		fmt.Fprintf(b, "  acked %d, lost %d to %d (%d bytes), postponed %d, windows %s to %s", out.Acked, out.Lost, out.PossiblyLost, out.LostBytes, out.PostponedLost,
			out.WindowCertain.Round(time.Microsecond), out.WindowPessimistic.Round(time.Microsecond))
		fmt.Fprintf(b, ", censored %v, over %v, crashes %d, recovery %q\n", out.Censored, out.OverDocumented, out.Crashes, out.Recovery)
	}
	for i := range out.Progress {
		p := &out.Progress[i]
		fmt.Fprintf(b, "  %s; longest %v, stuck %d\n", p, p.Longest, p.Stuck)
	}
	for _, a := range out.Anomalies {
		fmt.Fprintf(b, "  %s of %q, life %d, operations %v: %s\n", a.Name, a.Key, a.Epoch, a.Ops, a.Rule)
		for line := range strings.Lines(a.Story) {
			fmt.Fprintf(b, "    %s\n", strings.TrimRight(line, "\n"))
		}
	}
	for _, n := range out.Notes {
		fmt.Fprintf(b, "  note: %s\n", n)
	}
}
