package linear

import (
	"fmt"
	"io"

	"github.com/anishathalye/porcupine"
)

// Picture writes porcupine's interactive picture (a page of HTML) of how far
// the operations of the problems can be put in order, one row of lanes for each
// problem. It searches again, under the same limits.
func Picture(w io.Writer, problems []*Problem, l Limits) error {
	l = l.withDefaults()
	var all []porcupine.Operation
	var models []porcupine.Model
	for i, p := range problems {
		ops := p.operations()
		budget := l.Memory / int64(len(ops)/8+100)
		model, _ := p.porcupine(budget)
		models = append(models, model)
		for k := range ops {
			ops[k].Metadata = i
			all = append(all, ops[k])
		}
	}
	if len(all) == 0 {
		return fmt.Errorf("picture: no operations")
	}
	step := models[0]
	step.Partition = func(ops []porcupine.Operation) [][]porcupine.Operation {
		parts := make([][]porcupine.Operation, len(problems))
		for _, op := range ops {
			i := op.Metadata.(int)
			parts[i] = append(parts[i], op)
		}
		return parts
	}
	// One model serves all: which problem a step is about is told by its input.
	step.Init = func() any { return &state{key: unset} }
	step.StepContext = nil
	step.Step = func(s, in, _ any) (bool, any) {
		from, what := s.(*state), in.(*input)
		if from.key == unset {
			from = &state{key: what.of.Initial}
		}
		return what.of.step(from, what)
	}
	step.DescribeOperationMetadata = func(any) string { return "" }
	_, info := porcupine.CheckOperationsVerbose(step, all, l.Timeout)
	if err := porcupine.Visualize(step, info, w); err != nil {
		return fmt.Errorf("picture: %w", err)
	}
	return nil
}

// unset is the state before the first step, when it is not known yet which
// problem the state is of. No key has it: packed and plain states never begin so.
const unset = "\x00unset"
