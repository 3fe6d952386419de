package linear

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/torntail/torntail/checker/history"
)

// Picture writes porcupine's interactive picture (a page of HTML) of how far
// the operations of the problems can be put in order, one row of lanes for each
// problem. It searches again, under the same limits.
func Picture(w io.Writer, problems []*Problem, l Limits) error {
	l = l.withDefaults()
	var all []porcupine.Operation
	witnesses := map[*Problem]*witness{}
	for i, p := range problems {
		witnesses[p] = p.newWitness()
		for _, op := range p.operations() {
			op.Metadata = i
			all = append(all, op)
		}
	}
	moved := ownLanes(all)
	if len(all) == 0 {
		return errors.New("picture: no operations")
	}
	// One model serves all: which problem a step is about is told by its input.
	type of struct {
		state
		p *Problem
	}
	model := porcupine.Model{
		Partition: func(ops []porcupine.Operation) [][]porcupine.Operation {
			parts := make([][]porcupine.Operation, len(problems))
			for _, op := range ops {
				i := op.Metadata.(int)
				parts[i] = append(parts[i], op)
			}
			return parts
		},
		Init: func() any { return of{} },
		Step: func(from, in, _ any) (bool, any) {
			at, what := from.(of), in.(*input)
			ok, next := witnesses[what.of].step(at.state, what.task)
			return ok, of{next, what.of}
		},
		Equal: func(a, b any) bool { return a.(of).state == b.(of).state },
		DescribeOperation: func(in, _ any) string {
			what := in.(*input)
			text := witnesses[what.of].describe(what.task)
			if client, is := moved[what]; is {
				text += fmt.Sprintf(" (client %d)", client)
			}
			return text
		},
		DescribeOperationMetadata: func(any) string { return "" },
		DescribeState: func(at any) string {
			if st := at.(of); st.p != nil {
				return witnesses[st.p].describeState(st.id)
			}
			return ""
		},
	}
	// The steps of different problems are taken by different goroutines, and each
	// has its states to itself.
	_, info := porcupine.CheckOperationsVerbose(model, all, l.Timeout)
	if err := porcupine.Visualize(model, info, w); err != nil {
		return fmt.Errorf("picture: %w", err)
	}
	return nil
}

// ownLanes gives an operation that nobody answered a lane of its own when its client
// went on: in the client's, what came later would cover it. It returns the clients of
// these operations.
func ownLanes(ops []porcupine.Operation) map[*input]int {
	invoked := func(op *porcupine.Operation) time.Duration {
		in := op.Input.(*input)
		if t := in.of.compile().tasks; int(in.task) < len(t) && t[in.task].op != nil {
			return t[in.task].op.Invoke
		}
		return -1 // nobody's
	}
	last := map[int]time.Duration{} // invocation of each client
	lane := 0
	for i := range ops {
		op := &ops[i]
		last[op.ClientId] = max(last[op.ClientId], invoked(op))
		lane = max(lane, op.ClientId+1)
	}
	moved := map[*input]int{}
	several := map[*history.Op]bool{} // operations of which there are as many as choices
	for i := range ops {
		op := &ops[i]
		if at := invoked(op); at >= 0 && op.Return == math.MaxInt64 {
			in := op.Input.(*input)
			of := in.of.compile().tasks[in.task].op
			if at < last[op.ClientId] || several[of] {
				moved[in] = op.ClientId
				op.ClientId = lane
				lane++
			}
			several[of] = true
		}
	}
	return moved
}
