package plan

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReferenceIsTrue reads docs/plans.md: its plans parse and print as they
// stand there, and its table names every verb and every operation.
func TestReferenceIsTrue(t *testing.T) {
	text, err := os.ReadFile("../../docs/plans.md")
	require.NoError(t, err)
	plans := 0
	var block strings.Builder
	for _, line := range append(strings.Split(string(text), "\n"), "") {
		if code, ok := strings.CutPrefix(line, "    "); ok {
			block.WriteString(code + "\n")
			continue
		}
		if b := block.String(); strings.HasPrefix(b, "plan ") {
			p, err := Parse(b)
			require.NoError(t, err, b)
			require.Equal(t, strings.ReplaceAll(b, "in-flight 0.5", "in-flight"), p.String())
			plans++
		}
		block.Reset()
	}
	require.GreaterOrEqual(t, plans, 4)
	for _, v := range Verbs() {
		require.Contains(t, string(text), "| `"+strings.Split(v.Form, " ")[0])
	}
	for _, op := range Ops {
		require.Contains(t, string(text), "`"+op+"`")
	}
	for _, name := range choiceWords {
		require.Contains(t, string(text), "`"+name)
	}
}
