package markdown

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/reports/result"
)

// The table names what each server shows by its finding and with the cell that shows it most
// often, what no finding names, and what a version cannot read.
func TestServers(t *testing.T) {
	cell := func(target, mode, crash string, v result.Verdict) result.Result {
		return result.Result{Target: target, Version: "9.1.2", Mode: mode, Crash: crash, Workload: "registers", Struck: 20, Verdict: v}
	}
	f10 := cell("valkey-9.1", "hybrid", "power", result.Violated)
	f10.Findings, f10.Anomalies = map[string]int{"F10": 1}, map[string]int{"unrecoverable": 1}
	f10.Causes = &result.Causes{Named: f10.Findings}
	more := cell("valkey-9.1", "hybrid-always", "power-in-rewrite", result.Violated)
	more.Findings, more.Anomalies = map[string]int{"F10": 4}, map[string]int{"unrecoverable": 4}
	more.Causes = &result.Causes{Named: more.Findings}
	hole := cell("./a|b", "always", "kill", result.Violated)
	hole.Anomalies = map[string]int{"hole": 2}
	na := cell("./a|b", "rdb", "kill", result.NotApplicable)
	unread := cell("redis-8.0 then redis-7.0", "rdb", "kill", result.Violated)
	unread.Anomalies = map[string]int{"unrecoverable": 20}
	dim := cell("redis-8.0 then redis-7.0", "always", "kill", result.Holds)
	var b strings.Builder
	require.NoError(t, WriteServers(&b, &result.Report{Seed: 7, Results: []result.Result{f10, more, hole, na, unread, dim}},
		[]result.Finding{{Name: "F10", Title: "a tool"}}))
	for _, want := range []string{
		"| valkey-9.1 | 9.1.2 | 2 | 0 | 2 | 0 | 0 | 40 |",
		"| ./a\\|b | 9.1.2 | 2 | 0 | 1 | 0 | 1 | 40 |",
		"| valkey-9.1 | F10: a tool | 5 of 40 | hybrid, hybrid-always: power, power-in-rewrite | ` torntail run --target valkey-9.1 --mode hybrid-always --crash power-in-rewrite --workload registers --runs 20 --seed 7 ` |",
		"| ./a\\|b | no known finding: hole | 2 of 20 |",
		"| versions | rdb | always | shown by |\n|---|---|---|---|\n",
		"| redis-8.0 then redis-7.0 | unrecoverable in 20 runs of 20 | reads it | ` torntail run --target redis-8.0 --then redis-7.0 --mode rdb",
	} {
		assert.Contains(t, b.String(), want)
	}
	assert.Equal(t, 1, strings.Count(b.String(), "redis-8.0 then redis-7.0"), "a pair is no server")
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "| ./") {
			bare := strings.ReplaceAll(line, `\|`, "")
			assert.Contains(t, []int{6, 9}, strings.Count(bare, "|"), line)
		}
	}
}
