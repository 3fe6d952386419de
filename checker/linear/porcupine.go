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
	// Crash is when everything that was under way ended: an operation without a
	// reply took effect by then or never. history.Never when there was no crash:
	// it may take effect at any later time.
	Crash time.Duration
	// Found, when not nil, is what an atomic read at FoundAt returned.
	Found   *string
	FoundAt time.Duration
	// Inside, when not nil, must have taken effect before that read.
	Inside *history.Op
}

// input is what porcupine hands to a model's step.
type input struct {
	op    *history.Op
	found *string
}

// states are the states a key may be in. There is more than one only after
// operations without a reply, each of which may or may not have taken effect.
type states struct {
	one  string
	more []string // sorted, with one among them; nil when there is only one
	read bool     // the read that returns Problem.Found has been made
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
func (p *Problem) operations() []porcupine.Operation {
	crash := int64(math.MaxInt64)
	if p.Crash != history.Never {
		crash = int64(p.Crash)
	}
	ops := make([]porcupine.Operation, 0, len(p.Ops)+1)
	for _, op := range p.Ops {
		ret := crash
		switch op.Outcome {
		case history.Failed:
			continue
		case history.Unknown:
			if !op.Writes() {
				continue
			}
		default:
			ret = min(ret, int64(op.Return))
		}
		ops = append(ops, porcupine.Operation{ClientId: op.Client, Input: &input{op: op}, Call: int64(op.Invoke), Return: ret})
	}
	if p.Found != nil {
		ops = append(ops, porcupine.Operation{ClientId: finder(ops), Input: &input{found: p.Found}, Call: int64(p.FoundAt), Return: int64(p.FoundAt)})
	}
	return ops
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
		Init: func() any { return &states{one: p.Initial} },
		StepContext: func(_ context.Context, s, in, _ any) (bool, any) {
			if spent.Add(1) >= budget {
				return false, s
			}
			return p.step(s.(*states), in.(*input))
		},
		Equal: func(a, b any) bool {
			x, y := a.(*states), b.(*states)
			return x.one == y.one && x.read == y.read && slices.Equal(x.more, y.more)
		},
		Hash: func(s any) uint64 {
			x := s.(*states)
			h := maphash.String(seed, x.one)
			for _, m := range x.more {
				h = h*31 + maphash.String(seed, m)
			}
			return h
		},
		DescribeOperation: func(in, _ any) string { return describe(in.(*input)) },
		DescribeState: func(s any) string {
			x := s.(*states)
			if x.more == nil {
				return x.one
			}
			return "one of " + pack(x.more)
		},
	}, &spent
}

func (p *Problem) step(s *states, in *input) (bool, any) {
	if in.found != nil {
		if s.one == *in.found || slices.Contains(s.more, *in.found) {
			return true, &states{one: *in.found, read: true}
		}
		return false, s
	}
	if s.read && in.op == p.Inside {
		return false, s
	}
	if s.more == nil && in.op.Outcome == history.OK {
		next, fits := p.Model.Step(s.one, in.op)
		if !fits {
			return false, s
		}
		return true, &states{one: next, read: s.read}
	}
	from := s.more
	if from == nil {
		from = []string{s.one}
	}
	var to []string
	for _, one := range from {
		next, fits := p.Model.Step(one, in.op)
		if fits {
			to = append(to, next)
		}
		if in.op.Outcome != history.OK {
			to = append(to, one) // it may not have taken effect
		}
	}
	slices.Sort(to)
	to = slices.Compact(to)
	switch len(to) {
	case 0:
		return false, s
	case 1:
		return true, &states{one: to[0], read: s.read}
	}
	return true, &states{one: to[0], more: to, read: s.read}
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
