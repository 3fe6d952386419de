package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/reports/result"
)

// TestCases runs plans whose verdict was wrong once, in testdata/cases, and siblings of
// theirs. Each must end with its exit status, and every report must say why.
func TestCases(t *testing.T) {
	const few = " --runs 2 --no-shrink"
	for _, c := range []struct {
		name string
		args string // ~ is testdata/cases
		exit int
		says []string // in the table, JSON, Markdown, JUnit and HTML
	}{
		{"unstruck: no file matches", "--mode everysec --crash kill --plan ~/unstruck-silent/no-such-file.plan", result.ExitUnknown,
			[]string{"truncate n1 nosuch* by 7", "did not strike", "no file matches"}},
		{"unstruck: beyond the end", "--mode everysec --crash kill --plan ~/unstruck-silent/beyond-end.plan", result.ExitUnknown,
			[]string{"*.incr.aof bit 100000000", "did not strike", "has no byte 12500000"}},
		{"unstruck: an error for an answer", "--mode everysec --crash kill --plan ~/unstruck-silent/error-reply.plan", result.ExitUnknown,
			[]string{"CONFIG SET appendfsync nonsense", "did not strike", "ERR CONFIG SET failed"}},
		{"unstruck: no call matched", "--mode none --crash kill --plan ~/unstruck-silent/no-call.plan", result.ExitUnknown,
			[]string{"fail n1 fsync(*) EIO for 2 calls", "did not strike", "no call matched"}},
		{"unstruck: after the crash", "--mode everysec --crash kill --plan ~/unstruck-silent/too-late.plan", result.ExitUnknown,
			[]string{"do n1 BGREWRITEAOF", "did not strike", "its instant never came"}},
		{"struck, nothing to lose", "--mode always --crash power --plan ~/unstruck-silent/struck.plan", result.ExitHolds,
			[]string{"holds"}},
		{"refused: a bit", "--mode rdb --crash kill --plan ~/refused-counts-as-kept/bit.plan", result.ExitUnknown,
			[]string{"not served: all 259 writes out of reach"}},
		{"refused: the end of a snapshot", "--mode rdb --crash kill --plan ~/refused-counts-as-kept/truncate.plan", result.ExitUnknown,
			[]string{"not served: all 259 writes out of reach"}},
		{"refused: a page of the base", "--mode hybrid --crash kill --plan ~/refused-counts-as-kept/base-page.plan", result.ExitUnknown,
			[]string{"not served: all 500 writes out of reach"}},
		{"refused, against the user's contract", "--mode rdb --crash kill --plan ~/refused-counts-as-kept/bit.plan --contract ~/refused-counts-as-kept/strict.yaml", result.ExitViolated,
			[]string{"unrecoverable"}},
		{"repaired, against the user's contract", "--mode everysec --crash kill --plan ~/refused-counts-as-kept/middle.plan --contract ~/refused-counts-as-kept/strict.yaml", result.ExitViolated,
			[]string{"unrecoverable"}},
		{"do: DEL", "--mode everysec --crash kill --plan ~/plan-do-not-in-history/del.plan", result.ExitHolds, []string{"holds"}},
		{"do: FLUSHALL", "--mode everysec --crash kill --plan ~/plan-do-not-in-history/flushall.plan", result.ExitHolds, []string{"holds"}},
		{"do: SET", "--mode everysec --crash kill --plan ~/plan-do-not-in-history/set.plan", result.ExitHolds, []string{"holds"}},
		{"do: several, of all workloads and at a power cut", "--mode always,no,rdb,hybrid,none --workload sets --plan ~/plan-do-not-in-history/several.plan", result.ExitHolds, []string{"holds"}},
		{"do: lists", "--mode always,hybrid --workload lists --plan ~/plan-do-not-in-history/lists.plan", result.ExitHolds, []string{"holds"}},
		{"do: appendfsync always from now on", "--mode no --plan ~/plan-do-not-in-history/to-always.plan", result.ExitHolds, []string{"no acknowledged write was lost"}},
		{"do: appendfsync always from now on, and it lies", "--mode no --plan ~/plan-do-not-in-history/to-always.plan --plant reply-before-fsync", result.ExitViolated, []string{"lost-write"}},
		{"do: appendfsync no from now on", "--mode always --plan ~/plan-do-not-in-history/to-no.plan", result.ExitHolds, []string{"over documented bound"}},
		{"do: what is deleted does not hide what is lost", "--mode always --plan ~/plan-do-not-in-history/deleted-and-lost.plan --plant reply-before-fsync", result.ExitViolated, []string{"lost-write"}},
		{"the row of a plan that kills", "--mode everysec --plan ~/plan-default-crash-rows/eagain.plan", result.ExitHolds,
			[]string{"kill", "holds"}},
		{"the span reaches to the plan's end", "--mode always --crash power --plan ~/plan-default-crash-rows/late.plan", result.ExitUnknown,
			[]string{"the server's life ended by exit, not by power-cut"}},
		{"the span of a closed loop reaches to the plan's end", "--mode always --plan ~/plan-default-crash-rows/later.plan", result.ExitHolds,
			[]string{"power", "holds"}},
		{"the row of a plan that strikes in a sync", "--mode everysec --plan ~/plan-default-crash-rows/in-sync.plan", result.ExitHolds,
			[]string{"power-in-fsync"}},
		{"the row of a plan that ends the server in order", "--mode rdb --plan ~/plan-default-crash-rows/term.plan", result.ExitHolds,
			[]string{"term"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			args := append([]string{"torntail", "run", "--out", dir}, strings.Fields(strings.ReplaceAll(c.args, "~", "testdata/cases")+few)...)
			var out, errs bytes.Buffer
			require.Equal(t, c.exit, run(args, &out, &errs), "%s%s", &out, &errs)
			texts := map[string]string{"table": out.String()}
			for _, name := range []string{"result.json", "report.md", "junit.xml", "report.html"} {
				data, err := os.ReadFile(filepath.Join(dir, name))
				require.NoError(t, err)
				texts[name] = string(data)
			}
			for name, text := range texts {
				for _, words := range c.says {
					if name == "result.json" && (strings.Contains(words, "no acknowledged") || strings.Contains(words, "over documented")) {
						continue // sentences, and what words of a verdict add, are no part of it
					}
					require.Contains(t, strings.ToLower(plainly(text)), strings.ToLower(plainly(words)), name)
				}
			}
		})
	}
}

// TestPlansThatCannotBeFollowed: what cannot strike is refused before anything is run.
func TestPlansThatCannotBeFollowed(t *testing.T) {
	for args, says := range map[string]string{
		"--plan ~/plan-do-not-in-history/lpush.plan":                            `"at 1s: do n1 LPUSH k1 a": LPUSH changes data in a way that is not put on record (DEL, FLUSHALL`,
		"--plan ~/plan-do-not-in-history/eval.plan":                             "EVAL changes data in a way that is not put on record",
		"--plan ~/plan-do-not-in-history/save.plan":                             "after a CONFIG SET of save it is not known what is promised",
		"--workload lists --plan ~/plan-do-not-in-history/set.plan":             "beside workload lists it cannot be told from what clients do",
		"--plan ~/plan-default-crash-rows/no-crash.plan":                        "nothing in it ends the server's life: want kill, power-cut or term in it",
		"--mode always --span 500ms --plan ~/plan-default-crash-rows/late.plan": "the plan's last instant, 6.1s, is past the span of 500ms: want a span of 7.1s, or none",
	} {
		var out, errs bytes.Buffer
		require.Equal(t, result.ExitUsage, run(append([]string{"torntail", "run"}, strings.Fields(strings.ReplaceAll(args, "~", "testdata/cases"))...), &out, &errs))
		require.Contains(t, errs.String(), says)
	}
}

// plainly is a text without line breaks, and without what formats put around its characters.
func plainly(text string) string {
	text = strings.NewReplacer(`\"`, `"`, `\\`, "", `\`, "", "&#34;", `"`, "&#39;", "'", "&quot;", `"`, "**", "").Replace(text)
	return strings.Join(strings.Fields(text), " ")
}
