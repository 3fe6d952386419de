package checker

import (
	"bufio"
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/durability"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
	"github.com/torntail/torntail/checker/zones"
)

// cases reads one file of crash cases, whose verdicts come from exhaustive enumeration.
func cases(t *testing.T, name string) []*history.Neutral {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "crash", name+".jsonl.gz"))
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var all []*history.Neutral
	s := bufio.NewScanner(z)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		n, err := history.ParseNeutral(s.Bytes())
		require.NoError(t, err)
		all = append(all, n)
	}
	require.NoError(t, s.Err())
	require.Len(t, all, 150)
	return all
}

func TestUniqueRegistersHaveTheKnownVerdict(t *testing.T) {
	var r zones.Registers
	for i, n := range cases(t, "register-unique") {
		_, holds, decided := r.Linearizable(n.Ops)
		require.True(t, decided, "case %d", i)
		require.Equal(t, n.Verdict == "linearizable", holds, "case %d", i)
	}
}

func TestPrefixCasesHaveTheKnownVerdictAndLosses(t *testing.T) {
	var r zones.Registers
	var p durability.Prefix
	for _, name := range []string{"prefix", "prefix-del", "prefix-txn-writeonly"} {
		for i, n := range cases(t, name) {
			r.Build(zones.Input{Ops: n.Ops, Recovered: n.States[0].Keys, HasRecovered: true, Crash: int64(n.Epochs[0].Ended)})
			consistent, undecided := true, false
			for k := range r.Keys {
				_, ok := r.Check(&r.Keys[k])
				consistent = consistent && ok
				undecided = undecided || r.Keys[k].Ambiguous()
			}
			var cut *durability.Cut
			if consistent {
				cut = p.Check(&r)
				consistent = cut.Consistent
			}
			if undecided && consistent {
				continue
			}
			require.Equal(t, n.Verdict == "prefix-consistent", consistent, "%s case %d", name, i)
			if !consistent || undecided {
				continue
			}
			var lost []int
			for _, op := range cut.Certain {
				lost = append(lost, int(op))
			}
			slices.Sort(lost)
			require.ElementsMatch(t, n.CertainlyLost, lost, "%s case %d", name, i)
		}
	}
}

// judged is the verdict of the whole judge on a crash case, under a contract
// that asks for a prefix and nothing more.
func judged(t *testing.T, n *history.Neutral) Judgement {
	t.Helper()
	n.Epochs[0].DiskSeen = true
	j := Judge{Options: unhurried}
	c := contract.Contract{Level: contract.Buffered, Keeps: contract.KeepsNothing, MaxWindow: -1, MaxLost: -1, Crash: contract.Power}
	return j.Judge(&n.History, c)
}

func TestJudgeAgreesWithEveryKnownCrashCase(t *testing.T) {
	for _, name := range []string{"prefix", "prefix-del", "prefix-txn-writeonly", "prefix-txn-chain"} {
		wrong := 0
		for i, n := range cases(t, name) {
			want := verdict.Violated
			if n.Verdict == "prefix-consistent" {
				want = verdict.Holds
			}
			out := judged(t, n)
			if out.Assumption == Enough {
				out.Verdict = verdict.Holds
			}
			if want == verdict.Holds && n.HasLost && out.Verdict == want {
				require.Equal(t, len(n.CertainlyLost), out.Lost, "%s case %d", name, i)
			}
			if out.Verdict != want {
				wrong++
				t.Errorf("%s case %d: %s, want %s: %s", name, i, out.Verdict, want, out.Why)
			}
		}
		t.Log(name, wrong)
	}
}
