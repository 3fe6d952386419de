package offline

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker"
	"github.com/torntail/torntail/checker/history"
)

// TestTheEndOfTheLongestOrderIsTold: three operations of it, what is left out is
// counted, and an operation is only called left out where one is.
func TestTheEndOfTheLongestOrderIsTold(t *testing.T) {
	h := &history.History{}
	for i := range 5 {
		h.Ops = append(h.Ops, history.Op{Kind: history.Write, Key: "k", Value: fmt.Sprint(i), Outcome: history.Unknown, Return: history.Never})
	}
	const lines = `  at 0s client 0 wrote "k" = "%d", never answered` + "\n"
	line := func(n int) string { return fmt.Sprintf(lines, n) }
	const head = `key "k": no answer within the time and memory given, 0 of 0 acknowledged operations explained`
	for _, tc := range []struct {
		longest []int
		stuck   int
		want    string
	}{
		{nil, -1, ""},
		{nil, 0, "\nand does not explain\n" + line(0)},
		{nil, 4, "\nand does not explain\n" + line(4)},
		{nil, 5, ""},
		{[]int{2}, -1, "\nthe longest order that was found\n" + line(2)},
		{[]int{2, 1, 0}, -1, "\nthe longest order that was found\n" + line(2) + line(1) + line(0)},
		{[]int{3, 2, 1, 0}, 4, "\nthe longest order that was found begins with 1 others\n" + line(2) + line(1) + line(0) + "and does not explain\n" + line(4)},
	} {
		got := partial(h, &checker.Progress{Keys: []string{"k"}, Longest: tc.longest, Stuck: tc.stuck})
		require.Equal(t, head+tc.want, got+map[bool]string{true: "\n"}[tc.want != ""], "%v", tc)
	}
}
