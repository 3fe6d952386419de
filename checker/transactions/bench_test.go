package transactions

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
)

// serialHistory is n transactions of three operations that ran one after another,
// by ten clients whose transactions overlap. A key is used for 64 writes, as
// Elle's generator does. Every stale-th transaction reads a state ten
// transactions old; 0 means that none does, atLast that the last one reads the
// initial state of a key, which puts the whole history into one component.
func serialHistory(n int, lists bool, stale int) *History {
	const clients, perKey, pool = 10, 64, 16
	h := &History{Lists: lists, Txns: make([]Txn, n)}
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	state := map[Value][]Value{}
	var keys [pool]int64
	for i := range keys {
		keys[i] = int64(i)
	}
	next := int64(pool)
	var old [11]map[Value][]Value
	for i := range n {
		t := &h.Txns[i]
		*t = Txn{Process: i % clients, Invoke: time.Duration(10 * i), Return: time.Duration(10*(i+clients) - 5), Outcome: history.OK, Mops: make([]Mop, 3)}
		from := state
		if stale > 0 {
			old[i%len(old)] = copied(state)
			if then := old[(i+1)%len(old)]; i%stale == stale-1 && then != nil {
				from = then
			}
		}
		for m := range t.Mops {
			at := rng.IntN(pool)
			key := h.Names.Int(keys[at])
			list := state[key]
			if rng.IntN(2) == 0 {
				mop := Mop{Func: Read, Known: true, Key: key}
				if list = from[key]; lists {
					mop.List = list
				} else if len(list) > 0 {
					mop.Value = list[len(list)-1]
				}
				t.Mops[m] = mop
				continue
			}
			mop := Mop{Func: Write, Key: key, Value: h.Names.Int(int64(len(list) + 1))}
			if lists {
				mop.Func = Append
			}
			t.Mops[m] = mop
			if state[key] = append(list, mop.Value); len(state[key]) == perKey {
				delete(state, key)
				keys[at] = next
				next++
			}
		}
	}
	if stale == atLast {
		h.Txns[n-1].Process = clients
		h.Txns[n-1].Mops = []Mop{{Func: Read, Known: true, Key: h.Names.Int(0)}}
	}
	return h
}

const atLast = -1

func copied(state map[Value][]Value) map[Value][]Value {
	out := make(map[Value][]Value, len(state))
	for k, v := range state {
		out[k] = v
	}
	return out
}

// TestTheBenchmarkHistories: what the benchmarks judge has the verdict it should.
func TestTheBenchmarkHistories(t *testing.T) {
	for _, lists := range []bool{true, false} {
		r, err := Check(serialHistory(5000, lists, 0), Options{WFRKeys: true, LinearizableKeys: true})
		require.NoError(t, err)
		require.Equal(t, verdict.Holds, r.Verdict, r.Why)
		r, err = Check(serialHistory(5000, lists, 100), Options{WFRKeys: true})
		require.NoError(t, err)
		require.Equal(t, verdict.Violated, r.Verdict, r.Why)
		r, err = Check(serialHistory(5000, lists, atLast), Options{WFRKeys: true})
		require.NoError(t, err)
		require.Equal(t, []Count{{"G-single-realtime", 1}}, r.Counts)
	}
}

// cpu is the processor time that the process has taken: on a machine with other
// work the time on the wall says little.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkCheck(b *testing.B) {
	for _, lists := range []bool{true, false} {
		form := map[bool]string{true: "list-append", false: "rw-register"}[lists]
		for _, stale := range []int{0, 2, atLast} {
			for _, n := range []int{1_000, 10_000, 100_000, 1_000_000} {
				b.Run(fmt.Sprintf("%s/stale=%d/transactions=%d", form, stale, n), func(b *testing.B) {
					h := serialHistory(n, lists, stale)
					b.ReportAllocs()
					before := cpu()
					for b.Loop() {
						r, err := Check(h, Options{WFRKeys: true})
						if err != nil || (stale == 0) != (r.Verdict == verdict.Holds) || len(r.Undecided) > 0 {
							b.Fatal(err, r.Why)
						}
					}
					b.ReportMetric(float64(cpu()-before)/float64(b.N)/1e6, "cpu-ms/op")
				})
			}
		}
	}
}
