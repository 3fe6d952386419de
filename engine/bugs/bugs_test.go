package bugs

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryBugIsDescribedAndDistinct(t *testing.T) {
	anomalies := []string{"lost-write", "hole", "torn-transaction", "phantom", "resurrection", "unrecoverable", "silent-truncation", "late-sync", "refused", "exited", "divergence", "full-sync", "two-leaders", "two-masters", "wait-count", "liveness"}
	var all Set
	names := map[string]bool{}
	for _, b := range All() {
		require.Equal(t, Set(0), all&b.Bit, "%s shares its bit", b.Name)
		require.False(t, names[b.Name], "two bugs are called %s", b.Name)
		all |= b.Bit
		names[b.Name] = true
		require.NotEmpty(t, b.Doc)
		require.NotEmpty(t, b.Breaks, b.Name)
		require.NotEmpty(t, b.Under, b.Name)
		require.NotEmpty(t, b.Kind, b.Name)
		require.Equal(t, b.Replicated(), b.Kind == Replicated, b.Name)
		if b.Bit == EverysecTwoSeconds {
			require.Empty(t, b.Anomaly)
			continue
		}
		require.Contains(t, anomalies, b.Anomaly, b.Name)
	}
	require.Equal(t, EpochNotRaised<<1-1, all, "a constant is missing from the registry")
}

func TestNamesAreFound(t *testing.T) {
	for _, s := range []Set{0, AlwaysSkips50th, AlwaysSkips50th | SplitTransaction, BacklogKept, SplitTransaction<<1 - 1} {
		var got Set
		for name := range strings.FieldsFuncSeq(s.String(), func(r rune) bool { return r == ',' }) {
			b, ok := ByName(name)
			require.True(t, ok, name)
			got |= b.Bit
		}
		require.Equal(t, s, got)
	}
	_, ok := ByName("nonsense")
	require.False(t, ok)
}
