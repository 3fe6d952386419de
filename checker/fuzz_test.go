package checker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/exhaustive"
	"github.com/torntail/torntail/checker/verdict"
)

// FuzzJudgeAgreesWithEveryOrder is TestJudgeAgreesWithEveryOrder with the choices
// that the fuzzer makes.
func FuzzJudgeAgreesWithEveryOrder(f *testing.F) {
	f.Add([]byte{0, 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6, 2, 6, 4, 3, 3, 8, 3, 2, 7, 9, 5, 0, 2, 8, 8, 4, 1, 9, 7, 1})
	f.Fuzz(func(t *testing.T, choices []byte) {
		q := exhaustive.Small.History(func(n int) int {
			if len(choices) == 0 {
				return 0
			}
			c := int(choices[0])
			choices = choices[1:]
			return c % n
		})
		want := exhaustive.Judge(q)
		j := Judge{Options: unhurried}
		out := j.Judge(q.History(), contract.Clients())
		if out.Assumption == Enough {
			out.Verdict = verdict.Holds
		}
		good := want.Linearizable && (q.Found == nil || want.Consistent)
		require.Equal(t, good, out.Verdict == verdict.Holds, "%s\n%v\n%s", out.Why, out.Anomalies, q)
		if good && q.Found != nil {
			require.Equal(t, len(want.Certain), out.Lost, "certainly lost %v\n%s", want.Certain, q)
			require.Equal(t, len(want.Possible), out.PossiblyLost, "possibly lost %v\n%s", want.Possible, q)
		}
	})
}
