package checker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/contract"
)

// TestWhatFailedIsNamed: a value that only operations can have made which were told
// that they failed is no phantom, and they are named.
func TestWhatFailedIsNamed(t *testing.T) {
	for _, tc := range []struct {
		name, script string
		want         anomaly.Name
		ops          []int
		says         string
	}{
		{"a count", `
			c1 incr n 5 - failed 1-2
			c2 get n 5 3-4`, anomaly.AbortedRead, []int{0, 1}, `can have made value "5"`},
		{"two of them", `
			c1 incr n 5 - failed 1-2
			c1 incr n -2 - failed 3-4
			c2 get n 3 5-6`, anomaly.AbortedRead, []int{0, 1, 2}, `can have made value "3"`},
		{"more than they can make", `
			c1 incr n 5 - failed 1-2
			c2 get n 9 3-4`, anomaly.Phantom, []int{1}, ""},
		{"less", `
			c1 incr n -5 - failed 1-2
			c2 get n -9 3-4`, anomaly.Phantom, []int{1}, ""},
		{"no number", `
			c1 incr n 5 - failed 1-2
			c2 get n x 3-4`, anomaly.Phantom, []int{1}, ""},
		{"a count with what took place", `
			c1 incr n 5 - failed 1-2
			c1 incr n 1 1 3-4
			c2 get n 6 5-6`, anomaly.AbortedRead, []int{0, 2}, "allows 1 to 1; with what was told that it failed it is 6"},
		{"one that failed after it was read", `
			c1 incr n 1 1 1-2
			c2 get n 6 3-4
			c1 incr n 5 - failed 5-6`, anomaly.NonLinearizable, []int{1}, "allows 1 to 1"},
		{"more than it explains", `
			c1 incr n 5 - failed 1-2
			c1 incr n 1 1 3-4
			c2 get n 7 5-6`, anomaly.NonLinearizable, []int{2}, "allows 1 to 1"},
		{"an APPEND", `
			c1 string-append s ab failed 1-2
			c2 get s ab 3-4`, anomaly.AbortedRead, []int{0, 1}, `"ab"`},
		{"APPENDs", `
			c1 string-append s ab failed 1-2
			c1 string-append s cd failed 3-4
			c2 get s abcd 5-6`, anomaly.AbortedRead, []int{0, 1, 2}, `can have made value "abcd"`},
		{"one that is not in it", `
			c1 string-append s ab failed 1-2
			c2 get s xy 3-4`, anomaly.Phantom, []int{1}, ""},
		{"a field", `
			c1 hash-set h v field=g 1-2
			c1 hash-incr h 3 field=f failed 3-4
			c2 hash-get h 3 field=f 5-6`, anomaly.AbortedRead, []int{1, 2}, `field "f"`},
		{"another field", `
			c1 hash-set h v field=g 1-2
			c1 hash-incr h 3 field=e failed 3-4
			c2 hash-get h 3 field=f 5-6`, anomaly.Phantom, []int{2}, ""},
		{"a member", `
			c1 sorted-add z a score=1 1-2
			c1 sorted-incr z m score=3 failed 3-4
			c2 sorted-score z m result=3 5-6`, anomaly.AbortedRead, []int{1, 2}, `member "m"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			j := Judge{Options: unhurried}
			out := j.Judge(script(t, tc.script), contract.Clients())
			require.NotEmpty(t, out.Anomalies, out.Why)
			a := out.Anomalies[0]
			require.Equal(t, tc.want, a.Name, a.Story)
			require.Equal(t, tc.ops, a.Ops, a.Story)
			require.Contains(t, a.Story, tc.says)
			if tc.want == anomaly.AbortedRead {
				require.Contains(t, a.Story, "refused")
			}
		})
	}
}
