package checker

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/exhaustive"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/checker/verdict"
	"github.com/torntail/torntail/checker/zones"
)

// loads are what TestTable measures.
var loads = []struct {
	name  string
	kinds []history.Kind
	as    manner
}{
	{"register", []history.Kind{history.Write, history.Read}, manner{}},
	{"register, deleted", []history.Kind{history.Write, history.Read, history.Delete}, manner{}},
	{"compare-and-set", []history.Kind{history.Write, history.CAS, history.Read}, manner{}},
	{"counter", []history.Kind{history.Incr, history.Read}, manner{}},
	{"appended string", []history.Kind{history.StringAppend, history.Read}, manner{}},
	{"appended list", []history.Kind{history.Push, history.ReadList}, manner{}},
	{"queue", []history.Kind{history.Push, history.Pop}, manner{}},
	{"stack", []history.Kind{history.Push, history.Pop}, manner{stack: true}},
	{"stack, one key", []history.Kind{history.Push, history.Pop}, manner{stack: true, together: true}},
	{"stack, one key, no lengths", []history.Kind{history.Push, history.Pop}, manner{stack: true, together: true, silent: true}},
	{"set that grows", []history.Kind{history.SetAdd, history.ReadSet}, manner{}},
	{"set", []history.Kind{history.SetAdd, history.SetRemove, history.ReadSet}, manner{}},
	{"hash", []history.Kind{history.HashSet, history.HashRemove, history.ReadHash}, manner{}},
	{"sorted set", []history.Kind{history.SortedAdd, history.SortedRemove, history.ReadSorted}, manner{}},
	{"stream", []history.Kind{history.StreamAdd, history.ReadStream}, manner{}},
}

// manner is how a load is made.
type manner struct {
	stack    bool // elements are pushed at the head, from where they are popped
	together bool // all operations are on one key
	silent   bool // pushes are not told how long the list is
}

// load is a good history of one server: clients at once, 200 operations a key.
func load(kinds []history.Kind, as manner, ops, n int) *history.History {
	rng := rand.New(rand.NewPCG(uint64(ops), uint64(kinds[0])))
	keys := max(1, ops/200)
	if as.together {
		keys = 1
	}
	type job struct {
		at time.Duration
		op history.Op
	}
	c := clients{rng, make([]time.Duration, n)}
	jobs := make([]job, ops)
	for i := range jobs {
		op, at := c.op(i, "key:"+strconv.Itoa(rng.IntN(keys)))
		op.Kind, op.More = kinds[rng.IntN(len(kinds))], &history.More{Offset: -1, Head: true}
		unique, few := strconv.Itoa(i), "m"+strconv.Itoa(rng.IntN(8))
		switch op.Kind {
		case history.Write, history.StringAppend:
			op.Value = unique + ";"
		case history.Push:
			op.Value, op.More.Head = unique, as.stack
		case history.Incr:
			op.Value = "1"
		case history.SetAdd:
			if op.Value = few; len(kinds) == 2 {
				op.Value = unique
			}
		case history.CAS:
			op.Value = unique + ";"
		case history.SetRemove, history.SortedRemove:
			op.Value = few
		case history.SortedAdd:
			op.Value, op.More.Score = few, unique
		case history.HashSet:
			op.Value, op.More.Field = unique, few
		case history.HashRemove:
			op.More.Field = few
		case history.StreamAdd:
			op.Value, op.More.Field = unique, "f"
		}
		jobs[i] = job{at, op}
	}
	sort.Slice(jobs, func(i, j int) bool { return jobs[i].at < jobs[j].at })
	k := exhaustive.New()
	for i := range jobs {
		op := &jobs[i].op
		if v := k.Keys[op.Key]; op.Kind == history.CAS && v != nil && rng.IntN(2) == 0 {
			op.More.Expect = *v.Text
		}
		*op = k.Do(*op)
		if op.Kind == history.StringAppend || as.silent && op.Kind == history.Push {
			op.More.Result = "" // as Jepsen's and porcupine's histories have it
		}
	}
	sort.SliceStable(jobs, func(i, j int) bool { return jobs[i].op.Invoke < jobs[j].op.Invoke })
	h := &history.History{}
	for i := range jobs {
		jobs[i].op.ID = i
		h.Ops = append(h.Ops, jobs[i].op)
	}
	return h
}

// TestTable judges good histories of every model with torntail and with
// porcupine and prints what that takes: the table of docs/proof/histories.md. Each
// is the median of five; what takes long is done once, and what porcupine does not
// answer in a minute is not tried with more operations. TORNTAIL_TABLE is the largest
// number of operations, 1,000 without it, and TORNTAIL_MODEL the only model.
func TestTable(t *testing.T) {
	most, err := strconv.Atoi(os.Getenv("TORNTAIL_TABLE"))
	if err != nil {
		most = 1000
	}
	const limit = time.Minute
	t.Log("| model | operations | torntail | memory | porcupine | memory |")
	for _, l := range loads {
		if only := os.Getenv("TORNTAIL_MODEL"); only != "" && only != l.name {
			continue
		}
		tired := false
		for n := 1000; n <= most; n *= 10 {
			h := load(l.kinds, l.as, n, 10)
			took, memory := measured(func() {
				var j Judge
				out := j.Judge(h, contract.Clients())
				require.Equal(t, verdict.Holds, out.Verdict, "%s of %d operations: %s", l.name, n, out.Why)
			})
			row := fmt.Sprintf("| %s | %d | %s | %s |", l.name, n, took, memory)
			if tired {
				t.Log(row + " not tried | |")
				continue
			}
			answer := linear.Yes
			took, memory = measured(func() {
				began := time.Now()
				j := Judge{h: h, out: &Judgement{}}
				e := &epoch{life: &endless, to: len(h.Ops)}
				j.regs.Build(zones.Input{Ops: h.Ops, Crash: zones.Late})
				j.e = e
				for _, c := range j.components(e, true) {
					if left := limit - time.Since(began); left <= 0 || c.problem.ByPorcupine(linear.Limits{Timeout: left}) != linear.Yes {
						answer = linear.Unknown
						break
					}
				}
			})
			if answer != linear.Yes {
				tired, took = true, "over "+limit.String()
			}
			t.Log(row + fmt.Sprintf(" %s | %s |", took, memory))
		}
	}
}

// measured is how long f takes, the median of five times (of one with -short) unless
// it takes long, and all the memory that it asks for, which is more than it holds at once.
func measured(f func()) (took, memory string) {
	const long = 2 * time.Second
	tries := 5
	if testing.Short() {
		tries = 1
	}
	var times []time.Duration
	var asked uint64
	for len(times) < tries {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		f()
		times = append(times, time.Since(began))
		runtime.ReadMemStats(&after)
		if asked = after.TotalAlloc - before.TotalAlloc; times[0] > long {
			break
		}
	}
	slices.Sort(times)
	return times[len(times)/2].Round(10 * time.Microsecond).String(), fmt.Sprintf("%.1f MB", float64(asked)/1e6)
}

func TestPorcupineIsAWitness(t *testing.T) {
	for n, p := range plants {
		if p.name != anomaly.NonLinearizable && p.name != anomaly.StaleRead {
			continue
		}
		for _, with := range []bool{true, false} {
			s, c, ok := planted(t, n, 3, 90, with)
			if !ok {
				continue
			}
			j := Judge{Options: unhurried}
			out := j.Judge(s.h, c)
			testimony := j.Witness(s.h, c, 0)
			require.NotEmpty(t, testimony)
			require.Empty(t, Disagreement(&out, testimony), "%s of %s", p.name, p.family)
			if !with {
				continue
			}
			// A judge that saw nothing, and one that saw what is not there.
			blind := Judgement{}
			require.NotEmpty(t, Disagreement(&blind, testimony), "%s of %s", p.name, p.family)
			clean, _, _ := planted(t, n, 3, 90, false)
			require.NotEmpty(t, Disagreement(&Judgement{Anomalies: out.Anomalies[:1]}, j.Witness(clean.h, c, 0)), "%s of %s", p.name, p.family)
		}
	}
}
