package experiment

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAJudgesPanicIsAnError: a campaign that gets an error tells what it knew before.
func TestAJudgesPanicIsAnError(t *testing.T) {
	r := &Runner{} // whose outcome is nil
	err := r.judge(&Experiment{})
	var p *PanicError
	require.ErrorAs(t, err, &p)
	require.Regexp(t, `^judging panicked: .*nil pointer`, err.Error())
	require.Contains(t, string(p.Stack), "experiment.(*judging).run")
}
