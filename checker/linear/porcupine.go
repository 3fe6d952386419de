package linear

import (
	"context"
	"encoding/binary"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"
)

// ByPorcupine is the answer that porcupine gives to the same problem: a witness
// for Search, with which it shares the models and nothing else. It knows nothing
// of choices that a server made and nobody saw (see chooseIDs): such a problem is
// Unknown. Limits.Steps bounds the steps of the model that it may try.
func (p *Problem) ByPorcupine(l Limits) Answer {
	l = l.withDefaults()
	ops := p.operations()
	switch {
	case len(ops) == 0:
		return Yes
	case p.compile().groups > 0:
		return Unknown
	}
	// Each visited state costs a bit an operation and about 100 bytes beside.
	budget := l.Memory / int64(len(ops)/8+100)
	if l.Steps > 0 {
		budget = min(budget, l.Steps)
	}
	model, spent := p.porcupine(budget)
	result := porcupine.CheckOperationsTimeout(model, ops, l.Timeout)
	switch {
	case result == porcupine.Ok:
		return Yes
	case result == porcupine.Illegal && spent.Load() < budget:
		return No
	}
	return Unknown
}

// input is what porcupine hands to a model's step.
type input struct {
	of   *Problem
	task int32
}

// operations are the problem's tasks as porcupine takes them: times are the
// places of their events in order.
//
// One without a reply may take effect at any time from its invocation on. That
// it never did is the same as its taking effect after everything else, the read
// after the crash included: nothing in the problem comes later. So it needs no
// state of its own.
func (p *Problem) operations() []porcupine.Operation {
	var s search
	s.begin(p, Limits{}.withDefaults())
	ops := make([]porcupine.Operation, len(s.tasks))
	client := 0
	for i := range s.tasks {
		ops[i] = porcupine.Operation{Input: &input{p, int32(i)}, Return: math.MaxInt64}
		if op := s.tasks[i].op; op != nil {
			ops[i].ClientId = op.Client
			client = max(client, op.Client+1)
		}
	}
	for i := range s.tasks {
		if s.tasks[i].op == nil {
			ops[i].ClientId = client
			client++
		}
	}
	for at, e := range s.events {
		switch {
		case at == 0:
		case e.class == 2:
			ops[e.task].Return = int64(at)
		default:
			ops[e.task].Call = int64(at)
		}
	}
	return ops
}

// state is the state of a problem, and whether the read after the crash was made.
type state struct {
	id   int32
	read bool
}

// porcupine is the problem's model. Once the budget of steps is spent every
// step fails, which ends the search at once; its answer is then worth nothing.
func (p *Problem) porcupine(budget int64) (porcupine.Model, *atomic.Int64) {
	var spent atomic.Int64
	w := p.newWitness()
	return porcupine.Model{
		Init: func() any { return state{} },
		StepContext: func(_ context.Context, from, in, _ any) (bool, any) {
			if spent.Add(1) >= budget {
				return false, from
			}
			return w.step(from.(state), in.(*input).task)
		},
		Equal: func(a, b any) bool { return a.(state) == b.(state) },
		Hash: func(of any) uint64 {
			st := of.(state)
			h := mix(uint64(st.id))
			if st.read {
				h = ^h
			}
			return h
		},
		DescribeOperation: func(in, _ any) string { return w.describe(in.(*input).task) },
		DescribeState:     func(of any) string { return w.describeState(of.(state).id) },
	}, &spent
}

// witness takes porcupine's steps. It numbers the states of a problem: those of
// its keys and the last deadline that has passed.
type witness struct {
	search
	whole  []rows
	byRows map[string]int32
	buf    []byte
}

type rows struct {
	row []int32
	now time.Duration
}

func (p *Problem) newWitness() *witness {
	w := &witness{byRows: map[string]int32{}}
	w.begin(p, Limits{}.withDefaults())
	w.number()
	return w
}

// number is the number of the present state.
func (w *witness) number() int32 {
	w.buf = w.buf[:0]
	for _, id := range w.states.row {
		w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(id))
	}
	w.buf = binary.LittleEndian.AppendUint64(w.buf, uint64(w.states.now))
	if id, ok := w.byRows[string(w.buf)]; ok {
		return id
	}
	id := int32(len(w.whole))
	w.whole = append(w.whole, rows{slices.Clone(w.states.row), w.states.now})
	w.byRows[string(w.buf)] = id
	return id
}

func (w *witness) step(from state, i int32) (bool, state) {
	if i == w.inside && from.read || i == w.outside && !from.read {
		return false, from
	}
	at := &w.whole[from.id]
	for key, id := range at.row {
		w.states.set(int32(key), id)
	}
	w.states.tick(at.now)
	w.states.undo = w.states.undo[:0]
	if !w.states.step(&w.tasks[i]) {
		return false, from
	}
	return true, state{w.number(), from.read || i == w.found}
}
