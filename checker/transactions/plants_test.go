package transactions

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// plants are wrong rules, each a change of one place of the source.
var plants = []struct{ what, file, right, wrong string }{
	{"an element that nobody saw is not known to come after those that were seen", "lists.go",
		"a.complete(atEnd[k], l.later[k], rw)", "_, _ = atEnd, k"},
	{"aborted transactions take part", "index.go",
		"t != none && x.committed[t]", "t != none"},
	{"an unanswered transaction never counts", "index.go",
		"x.h.Txns[t].Outcome == history.Unknown {", "false {"},
	{"what returns at the instant of an invocation came before it", "orders.go",
		"txns[returned[next]].Return < txns[i].Invoke", "txns[returned[next]].Return <= txns[i].Invoke"},
	{"rw edges may follow each other in a G-nonadjacent", "graph.go",
		"case k == rw && afterRW == 0:", "case k == rw:"},
	{"reading one's own intermediate write is a G1b", "reads.go",
		"w != none && w != t && !", "w != none && !"},
	{"a read after a read of one's own need not agree with it", "reads.go",
		" && (!s.read || slices.Equal(mop.List[:n], s.list))", ""},
	{"an update is lost only when three read one version", "reads.go",
		"if to-from > 1 {", "if to-from > 2 {"},
	{"where reads contradict each other the longest is right", "index.go",
		"list.forked = true\n\t\t\tlist.agreed = min(list.agreed, int32(n))", "list.forked = true"},
	{"the initial value of a register is not known to come first", "registers.go",
		"a.complete(r.readersOf(v), all[x.versions[at].key], rw)", ""},
	{"orders of versions that contradict each other stay in use", "registers.go",
		"if !bad[x.versions[o.to].key] {", "if true {"},
	{"a list's reader is before the element after the next one", "lists.go",
		"next := l.after[k][len(mop.List)]\n\t\tif next == none {", "next := l.after[k][min(len(mop.List)+1, len(l.after[k])-1)]\n\t\tif next == none {"},
	{"a process's last transaction is the one that was invoked last", "orders.go",
		"if t.Outcome == history.OK && (!ok ||", "if t.Outcome != history.Failed && (!ok ||"},
	{"only the first component of a history is searched", "cycles.go",
		"\t\tcomp.search(most)\n", "\t\tcomp.search(most)\n\t\tbreak\n"},
	{"an rw edge inside a cycle of others is on no G-single", "cycles.go",
		"f.rank[to] <= f.rank[n]", "f.rank[to] < f.rank[n]"},
	{"when every order is tried, what returns at the instant of an invocation came before it", "serial.go",
		"a.Return < b.Invoke && (v == byRealTime ||", "a.Return <= b.Invoke && (v == byRealTime ||"},
	{"a G-single hides a G1c", "cycles.go",
		"if !c.has(G0, v) && !c.has(G1c, v) {\n\t\t\tc.within(", "if !c.has(G0, v) && !c.has(G1c, v) && !c.single(v) {\n\t\t\tc.within("},
}

// TestPlantedRulesAreFound: the comparisons with the slower judges fail when a
// rule is wrong. Building takes seconds for each, so that an ordinary run tries
// one; TORNTAIL_PLANTS=all tries them all.
func TestPlantedRulesAreFound(t *testing.T) {
	tried := plants[:1]
	if os.Getenv("TORNTAIL_PLANTS") == "all" {
		tried = plants
	}
	for _, p := range plants {
		source, err := os.ReadFile(p.file)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(source), p.right), "%s: %s is there once", p.file, p.right)
	}
	for _, p := range tried {
		t.Run(p.what, func(t *testing.T) {
			source, err := os.ReadFile(p.file)
			require.NoError(t, err)
			dir := t.TempDir()
			planted := filepath.Join(dir, p.file)
			require.NoError(t, os.WriteFile(planted, []byte(strings.Replace(string(source), p.right, p.wrong, 1)), 0o600))
			file, err := filepath.Abs(p.file)
			require.NoError(t, err)
			overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{file: planted}})
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600))
			cmd := exec.Command("go", "test", "-count=1", "-overlay", filepath.Join(dir, "overlay.json"), "-vet=off", "-failfast",
				"-run", "Agree", "-rapid.nofailfile", "-rapid.shrinktime=1s", ".")
			// However many histories this run draws, the sample must do.
			cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TORNTAIL_") })
			out, err := cmd.CombinedOutput()
			require.Error(t, err, "nothing failed:\n%s", out)
			require.Contains(t, string(out), "--- FAIL: Test", "it was built and a test failed")
			t.Logf("%s", firstFailure(string(out)))
		})
	}
}

// firstFailure are the lines of the output that name the failed tests.
func firstFailure(out string) string {
	var lines []string
	for _, line := range strings.Split(out, "\n") {
		if strings.HasPrefix(line, "--- FAIL") || strings.Contains(line, "[rapid] failed after") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, "\n")
}
