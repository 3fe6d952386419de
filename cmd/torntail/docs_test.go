package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
)

// The contract that the documentation shows is one that torntail reads.
func TestDocumentedContractIsRead(t *testing.T) {
	text, err := os.ReadFile("../../docs/check.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(text), "```yaml\n")
	require.True(t, ok)
	example, _, ok := strings.Cut(rest, "```")
	require.True(t, ok)
	f, err := contract.Parse([]byte(example))
	require.NoError(t, err)
	for _, m := range contract.Modes() {
		for _, crash := range contract.Crashes() {
			_, err := f.For(m, crash, contract.Config{})
			require.NoError(t, err)
		}
	}
}
