package checker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/verdict"
)

// TestAnAppendIsWhatItsReplyAndTheKeyTell: "append" is said of RPUSH and of APPEND, and
// the wrong one of them explains no reply.
func TestAnAppendIsWhatItsReplyAndTheKeyTell(t *testing.T) {
	for _, tc := range []struct {
		name, script string
		want         verdict.Verdict
	}{
		{"RPUSH to a key that had been a string", `
			c1 set k x 1-2
			c1 del k 3-4
			c1 append k abc result=1 5-6`, verdict.Holds},
		{"in a transaction", `
			c1 set k x 1-2
			c1 del k 3-4
			c1 append k abc 5-?
			c2 append k def result=2 7-8`, verdict.Holds},
		{"APPEND, and nothing else is known of the key", `
			c1 append k abc result=3 5-6
			c1 append k de result=5 7-8`, verdict.Holds},
		{"APPEND whose length is wrong", `
			c1 append k abc result=4 5-6`, verdict.Violated},
		{"a length that neither gives", `
			c1 set k x 1-2
			c1 append k abc result=1 5-6`, verdict.Violated},
		{"a key that was one and then the other", `
			c1 set k xyz 1-2
			c1 append k abc result=6 3-4
			c1 get k xyzabc 5-6
			c1 del k 7-8
			c1 append k abc result=1 9-10
			c1 append k abc result=2 11-12
			c1 list k abc,abc 13-14`, verdict.Holds},
		{"the other way round", `
			c1 append k abc result=1 1-2
			c1 del k 3-4
			c1 append k abc result=3 5-6
			c1 append k abc result=6 7-8
			c1 get k abcabc 9-10`, verdict.Holds},
		{"only a length says that it was a string, and a read that it is a list", `
			c1 append k abc result=3 1-2
			c1 del k 3-4
			c1 append k abc result=1 5-6
			c1 list k abc 7-8`, verdict.Violated},
		{"a list that tells too great a length", `
			c1 append k a result=2 1-2
			c1 list k a 3-4`, verdict.Violated},
		{"a list with more at the start than was appended", `
			began k=[a,b,c]
			c1 append k d result=4 1-2`, verdict.Holds},
		{"a list that elements were moved to", `
			c1 push l a result=1 1-2
			c1 push l b result=2 3-4
			c1 list-move l - to=k head result=a 5-6
			c1 list-move l - to=k head result=b 7-8
			c1 append k d result=3 9-10`, verdict.Holds},
		{"found as a string", `
			c1 append k x 1-2
			crash power-cut 40
			found k=x`, verdict.Holds},
		{"found as a list", `
			c1 append k x 1-2
			crash power-cut 40
			found k=[x]`, verdict.Holds},
		{"LPUSH says so", `
			c1 set k x 1-2
			c1 del k 3-4
			c1 append k a head 5-6
			c1 append k b head 7-8`, verdict.Holds},
	} {
		t.Run(tc.name, func(t *testing.T) {
			j := Judge{Options: unhurried}
			out := j.Judge(script(t, tc.script), contract.Clients())
			require.Equal(t, tc.want, out.Verdict, "%s %v", out.Why, out.Anomalies)
		})
	}
}
