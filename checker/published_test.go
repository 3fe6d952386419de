package checker

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
)

// verdictOf judges a published history by what its clients saw.
func verdictOf(h *history.History) Judgement {
	j := Judge{Options: unhurried}
	return j.Judge(h, contract.Clients())
}

func TestPublishedHistoriesHaveTheirKnownVerdict(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "histories", "index.json"))
	require.NoError(t, err)
	var index []struct{ File, Verdict string }
	require.NoError(t, json.Unmarshal(text, &index))
	require.Len(t, index, 56)
	for _, entry := range index {
		text, err := os.ReadFile(filepath.Join("testdata", "histories", entry.File))
		require.NoError(t, err)
		n, err := history.ParseNeutral(text)
		require.NoError(t, err)
		want := verdict.Violated
		if entry.Verdict == "linearizable" {
			want = verdict.Holds
		}
		out := verdictOf(&n.History)
		require.Equal(t, want, out.Verdict, "%s: %s", entry.File, out.Why)
	}
}

// module is the directory of a dependency, whose own test data is read where it is.
func module(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", path).Output()
	require.NoError(t, err)
	dir := strings.TrimSpace(string(out))
	require.NotEmpty(t, dir, "module %s is not downloaded", path)
	return dir
}

// The Jepsen logs that porcupine ships, and its tests' verdicts: these are
// linearizable, the others are not; 95 is empty.
var linearizableEtcd = []int{2, 5, 7, 18, 25, 31, 38, 45, 48, 49, 51, 53, 56, 67, 75, 76, 80, 87, 92, 98, 100, 101, 102}

func TestPorcupinesJepsenLogs(t *testing.T) {
	dir := filepath.Join(module(t, "github.com/anishathalye/porcupine"), "test_data", "jepsen")
	for n := range 103 {
		f, err := os.Open(filepath.Join(dir, fmt.Sprintf("etcd_%03d.log", n)))
		require.NoError(t, err)
		h, err := history.DecodeJepsenLog(f)
		f.Close()
		if n == 95 {
			require.ErrorContains(t, err, "no operations found")
			continue
		}
		require.NoError(t, err)
		want := verdict.Violated
		if slices.Contains(linearizableEtcd, n) {
			want = verdict.Holds
		}
		out := verdictOf(h)
		require.Equal(t, want, out.Verdict, "etcd_%03d: %s", n, out.Why)
	}
}

func TestPorcupinesKeyValueLogs(t *testing.T) {
	dir := filepath.Join(module(t, "github.com/anishathalye/porcupine"), "test_data", "kv")
	for name, want := range map[string]verdict.Verdict{ // any order: each is judged by itself
		"c01-ok": verdict.Holds, "c01-bad": verdict.Violated, "c10-ok": verdict.Holds,
		"c10-bad": verdict.Violated, "c50-ok": verdict.Holds, "c50-bad": verdict.Violated,
	} {
		f, err := os.Open(filepath.Join(dir, name+".txt"))
		require.NoError(t, err)
		h, err := history.DecodeEDN(f)
		f.Close()
		require.NoError(t, err)
		out := verdictOf(h)
		require.Equal(t, want, out.Verdict, "%s: %s", name, out.Why)
	}
}
