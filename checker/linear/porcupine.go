package linear

import (
	"context"
	"hash/maphash"
	"math"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"
	"golang.org/x/sync/errgroup"

	"github.com/torntail/torntail/checker/history"
)

// Limits bound a search. The zero Limits take the defaults.
type Limits struct {
	Workers int           // searches at once; default one a CPU
	Timeout time.Duration // of one search; default 5 s
	// Memory is what one search may remember, in bytes; default 256 MiB. Porcupine
	// keeps a bit set of all operations for each state it has visited.
	Memory int64
}

func (l Limits) withDefaults() Limits {
	if l.Workers == 0 {
		l.Workers = runtime.GOMAXPROCS(0)
	}
	if l.Timeout == 0 {
		l.Timeout = 5 * time.Second
	}
	if l.Memory == 0 {
		l.Memory = 256 << 20
	}
	return l
}

// Answer is what a search found.
type Answer uint8

const (
	Unknown Answer = iota // out of time or memory: nothing is known
	Yes                   // linearizable
	No                    // not linearizable
)

func (a Answer) String() string {
	return [...]string{"unknown", "linearizable", "not linearizable"}[a]
}

// Problem is one register, list, ... with its operations.
type Problem struct {
	Key   string
	Model *Model
	// Ops are the operations of the key; failed ones and unanswered reads are left out.
	Ops []*history.Op
	// Initial is the state at the start: "" when the key was not there.
	Initial string
	// Crash is when everything that was under way ended: history.Never when there
	// was no crash. Nothing of the problem may come after it.
	Crash time.Duration
	// Found, when not nil, is what one read of everything returned that took
	// place at some instant from FoundFrom to FoundTo.
	Found              *string
	FoundFrom, FoundTo time.Duration
	// Inside, when not nil, must have taken effect before that read.
	Inside *history.Op
}

// input is what porcupine hands to a model's step.
type input struct {
	op    *history.Op
	found *string
	of    *Problem
}

// state is what a key holds, and whether the read after the crash was made.
type state struct {
	key  string
	read bool
}

// Check searches for a linearization.
func (p *Problem) Check(l Limits) Answer {
	answer, _ := p.check(l, false)
	return answer
}

func (p *Problem) check(l Limits, verbose bool) (Answer, porcupine.LinearizationInfo) {
	l = l.withDefaults()
	ops := p.operations()
	if len(ops) == 0 {
		return Yes, porcupine.LinearizationInfo{}
	}
	// Each visited state costs a bit an operation and about 100 bytes beside.
	budget := l.Memory / int64(len(ops)/8+100)
	model, spent := p.porcupine(budget)
	var result porcupine.CheckResult
	var info porcupine.LinearizationInfo
	if verbose {
		result, info = porcupine.CheckOperationsVerbose(model, ops, l.Timeout)
	} else {
		result = porcupine.CheckOperationsTimeout(model, ops, l.Timeout)
	}
	switch {
	case result == porcupine.Ok:
		return Yes, info
	case result == porcupine.Illegal && spent.Load() < budget:
		return No, info
	}
	return Unknown, info
}

// operations are the problem's operations as porcupine takes them.
//
// One without a reply may take effect at any time from its invocation on. That
// it never did is the same as its taking effect after everything else, the read
// after the crash included: nothing in the problem comes later. So it needs no
// state of its own.
//
// Porcupine tries operations in order of invocation. Those without a reply
// should be tried last: they explain what others do not. What an operation must
// follow is only told by the returns before its invocation, so its invocation
// may be put off to just before the next return, behind the invocations of the
// others that could come as well. For that instants are replaced by their rank,
// with room in between.
func (p *Problem) operations() []porcupine.Operation {
	crash := int64(math.MaxInt64)
	if p.Crash != history.Never {
		crash = int64(p.Crash)
	}
	ops := make([]porcupine.Operation, 0, len(p.Ops)+1)
	for _, op := range p.Ops {
		ret := int64(math.MaxInt64)
		switch op.Outcome {
		case history.Failed:
			continue
		case history.Unknown:
			if !op.Writes() {
				continue
			}
		default:
			ret = min(crash, int64(op.Return))
		}
		ops = append(ops, porcupine.Operation{ClientId: op.Client, Input: &input{op: op, of: p}, Call: int64(op.Invoke), Return: ret})
	}
	if p.Found != nil {
		ops = append(ops, porcupine.Operation{ClientId: finder(ops), Input: &input{found: p.Found, of: p}, Call: int64(p.FoundFrom), Return: int64(p.FoundTo)})
	}
	rank(ops)
	return ops
}

// rank replaces the times of ops by ranks. The stretch of rank n holds the
// invocations at that instant, then those put off to it, then its returns.
func rank(ops []porcupine.Operation) {
	times := make([]int64, 0, 2*len(ops))
	var returns []int64
	for i := range ops {
		times = append(times, ops[i].Call, ops[i].Return)
		if ops[i].Return != math.MaxInt64 {
			returns = append(returns, ops[i].Return)
		}
	}
	slices.Sort(times)
	times = slices.Compact(times)
	slices.Sort(returns)
	room := int64(len(ops) + 3)
	at := func(t int64) int64 {
		n, _ := slices.BinarySearch(times, t)
		return int64(n) * room
	}
	for i := range ops {
		op := &ops[i]
		call := at(op.Call)
		if op.Return == math.MaxInt64 {
			if n, _ := slices.BinarySearch(returns, op.Call); n < len(returns) {
				call = at(returns[n]) + 1 + int64(i)
			}
		}
		op.Call, op.Return = call, at(op.Return)+room-1
	}
}

// finder is a client number of its own for the read after the crash.
func finder(ops []porcupine.Operation) int {
	n := 0
	for i := range ops {
		n = max(n, ops[i].ClientId+1)
	}
	return n
}

// porcupine is the problem's model. Once the budget of steps is spent every
// step fails, which ends the search at once; its answer is then worth nothing.
func (p *Problem) porcupine(budget int64) (porcupine.Model, *atomic.Int64) {
	var spent atomic.Int64
	seed := maphash.MakeSeed()
	return porcupine.Model{
		Init: func() any { return &state{key: p.Initial} },
		StepContext: func(_ context.Context, s, in, _ any) (bool, any) {
			if spent.Add(1) >= budget {
				return false, s
			}
			return p.step(s.(*state), in.(*input))
		},
		Equal:             func(a, b any) bool { return *a.(*state) == *b.(*state) },
		Hash:              func(s any) uint64 { return maphash.String(seed, s.(*state).key) },
		DescribeOperation: func(in, _ any) string { return describe(in.(*input)) },
		DescribeState:     func(s any) string { return s.(*state).key },
	}, &spent
}

func (p *Problem) step(s *state, in *input) (bool, any) {
	if in.found != nil {
		return s.key == *in.found, &state{key: s.key, read: true}
	}
	if s.read && in.op == p.Inside {
		return false, s
	}
	next, fits := p.Model.Step(s.key, in.op)
	if !fits {
		// Without a reply there is nothing that would not fit: it did nothing.
		return in.op.Outcome != history.OK, s
	}
	if next == s.key {
		return true, s
	}
	return true, &state{key: next, read: s.read}
}

// CheckAll searches each problem, Limits.Workers at a time. It is No as soon as
// one is, and then says which; Unknown when none is No and one is unknown.
func CheckAll(problems []*Problem, l Limits) (answer Answer, which int) {
	l = l.withDefaults()
	answers := make([]Answer, len(problems))
	var broken atomic.Bool
	var g errgroup.Group
	g.SetLimit(l.Workers)
	for i, p := range problems {
		g.Go(func() error {
			if broken.Load() {
				return nil
			}
			answers[i] = p.Check(l)
			if answers[i] == No {
				broken.Store(true)
			}
			return nil
		})
	}
	_ = g.Wait() // the functions return no errors
	if i := slices.Index(answers, No); i >= 0 {
		return No, i
	}
	if i := slices.Index(answers, Unknown); i >= 0 {
		return Unknown, i
	}
	return Yes, -1
}
