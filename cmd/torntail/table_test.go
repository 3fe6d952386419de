package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/reports/reporttest"
	"github.com/torntail/torntail/reports/terminal"
)

// TestEveryCrashKindHasARowOfOneLine: at 80 columns no name pushes its figures onto another line.
func TestEveryCrashKindHasARowOfOneLine(t *testing.T) {
	r := reporttest.Report()
	for _, k := range experiment.CrashKinds {
		r.Results = append(r.Results, reporttest.Cell("everysec", nil, k.Name))
	}
	var b strings.Builder
	require.NoError(t, terminal.Write(&b, r, terminal.Options{}))
	for _, k := range experiment.CrashKinds {
		require.Regexp(t, `(?m)^  `+k.Name+` +200 .* holds$`, b.String())
	}
	for line := range strings.Lines(b.String()) {
		require.LessOrEqual(t, len(strings.TrimRight(line, "\n")), 80)
	}
}
