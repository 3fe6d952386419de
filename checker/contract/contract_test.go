package contract_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
)

func get(t *testing.T, mode string, crash contract.Crash, conf contract.Config) contract.Contract {
	t.Helper()
	c, err := contract.For(mode, crash, conf)
	require.NoError(t, err)
	return c
}

func TestTable(t *testing.T) {
	modelled := contract.Config{Modelled: true}
	for _, tc := range []struct {
		mode   string
		crash  contract.Crash
		conf   contract.Config
		level  contract.Level
		keeps  contract.Keeps
		bounds map[string]time.Duration
	}{
		{"always", contract.Kill, modelled, contract.Durable, contract.KeepsAll, map[string]time.Duration{"documented": 0}},
		{"always", contract.PowerInSync, modelled, contract.Durable, contract.KeepsAll, map[string]time.Duration{"documented": 0}},
		{"hybrid-always", contract.Power, modelled, contract.Durable, contract.KeepsAll, map[string]time.Duration{"documented": 0}},
		{"everysec", contract.Power, modelled, contract.Buffered, contract.KeepsSynced, map[string]time.Duration{"documented": time.Second, "source": 2 * time.Second}},
		{"everysec", contract.Kill, modelled, contract.Buffered, contract.KeepsWritten, map[string]time.Duration{"documented": 0, "source": 2 * time.Second}},
		{"hybrid", contract.Power, modelled, contract.Buffered, contract.KeepsSynced, map[string]time.Duration{"documented": time.Second, "source": 2 * time.Second}},
		{"everysec+rdb", contract.Power, modelled, contract.Buffered, contract.KeepsSynced, map[string]time.Duration{"documented": time.Second, "source": 2 * time.Second}},
		{"no", contract.Kill, modelled, contract.Durable, contract.KeepsAll, map[string]time.Duration{"documented": 0}},
		{"no", contract.Power, modelled, contract.Buffered, contract.KeepsSynced, map[string]time.Duration{"modelled": 35 * time.Second}},
		{"no", contract.Power, contract.Config{WriteBackExpire: time.Second, WriteBackInterval: time.Second}, contract.Buffered, contract.KeepsSynced, map[string]time.Duration{"documented": 2 * time.Second}},
		{"rdb", contract.Power, modelled, contract.Buffered, contract.KeepsSnapshot, map[string]time.Duration{"documented": time.Minute, "source": time.Minute + time.Second}},
		{"defaults", contract.Kill, modelled, contract.Buffered, contract.KeepsSnapshot, map[string]time.Duration{"documented": time.Minute, "source": time.Minute + time.Second}},
		{"none", contract.Power, modelled, contract.Empty, contract.KeepsSync, map[string]time.Duration{}},
		{"none", contract.Term, modelled, contract.Empty, contract.KeepsSync, map[string]time.Duration{}},
		{"everysec", contract.Term, modelled, contract.Durable, contract.KeepsAll, map[string]time.Duration{"documented": 0}},
		{"rdb", contract.Term, modelled, contract.Durable, contract.KeepsAll, map[string]time.Duration{"documented": 0}},
		{"always", contract.Power, contract.Config{NoSyncOnRewrite: true}, contract.Buffered, contract.KeepsSynced, map[string]time.Duration{"documented": 35 * time.Second}},
		{"always", contract.Kill, contract.Config{NoSyncOnRewrite: true}, contract.Durable, contract.KeepsAll, map[string]time.Duration{"documented": 0}},
	} {
		c := get(t, tc.mode, tc.crash, tc.conf)
		bounds := map[string]time.Duration{}
		for _, b := range c.Bounds {
			bounds[b.Name] = b.Value
			require.NotEmpty(t, b.From)
		}
		require.Equal(t, tc.level, c.Level, "%s %s", tc.mode, tc.crash)
		require.Equal(t, tc.keeps, c.Keeps, "%s %s", tc.mode, tc.crash)
		require.Equal(t, tc.bounds, bounds, "%s %s", tc.mode, tc.crash)
		require.Negative(t, c.MaxLost)
		require.Negative(t, c.MaxWindow)
	}
}

func TestEveryModeHasAContractForEveryCrash(t *testing.T) {
	for _, mode := range contract.Modes() {
		for _, crash := range contract.Crashes() {
			c := get(t, mode, crash, contract.Config{})
			require.Equal(t, mode, c.Mode)
			require.Equal(t, crash, c.Crash)
			require.NotEmpty(t, c.Level)
		}
	}
}

func TestUnknownWords(t *testing.T) {
	_, err := contract.For("sometimes", contract.Power, contract.Config{})
	require.EqualError(t, err, `unknown mode "sometimes": want one of always, everysec, no, rdb, hybrid, hybrid-always, everysec+rdb, none, defaults`)
	_, err = contract.For("always", "flood", contract.Config{})
	require.EqualError(t, err, `unknown crash kind "flood": want one of kill, power, power-in-fsync, kill-in-fsync, term`)
}

func TestFileChangesWhatItNames(t *testing.T) {
	f, err := contract.Parse([]byte(`
contract: 1
name: ours
rules:
  - mode: everysec
    crash: [power, power-in-fsync]
    max-loss-window: 1500ms
    bounds: {documented: 500ms, modelled: 3s}
    sync-within: 1s
  - mode: "*"
    recovery: by-itself
  - mode: rdb
    level: durable
    save: ["5 1", "60 100"]
    max-lost: 3
  - mode: none
    recovery: refused
`))
	require.NoError(t, err)
	c, err := f.For("everysec", contract.Power, contract.Config{})
	require.NoError(t, err)
	require.Equal(t, 1500*time.Millisecond, c.MaxWindow)
	require.Equal(t, time.Second, c.SyncWithin)
	require.False(t, c.AllowRepair)
	require.Equal(t, contract.KeepsSynced, c.Keeps, "what the rule does not name stays")
	d, ok := c.Documented()
	require.True(t, ok)
	require.Equal(t, 500*time.Millisecond, d)
	require.Len(t, c.Bounds, 2)

	c, err = f.For("everysec", contract.Kill, contract.Config{})
	require.NoError(t, err)
	require.Negative(t, c.MaxWindow, "the rule is about power cuts")

	c, err = f.For("rdb", contract.Kill, contract.Config{})
	require.NoError(t, err)
	require.Equal(t, contract.KeepsAll, c.Keeps)
	require.Equal(t, 3, c.MaxLost)
	require.Equal(t, []contract.SavePoint{{After: 5 * time.Second, Changes: 1}, {After: time.Minute, Changes: 100}}, c.SavePoints)

	c, err = f.For("none", contract.Kill, contract.Config{})
	require.NoError(t, err)
	require.True(t, c.AllowRefusal, "later rules win")
}

// TestTheLeastSavePoint: one change in one second.
func TestTheLeastSavePoint(t *testing.T) {
	f, err := contract.Parse([]byte("contract: 1\nrules:\n  - {mode: rdb, save: [\"1 1\"]}\n"))
	require.NoError(t, err)
	c, err := f.For("rdb", contract.Power, contract.Config{})
	require.NoError(t, err)
	require.Equal(t, []contract.SavePoint{{After: time.Second, Changes: 1}}, c.SavePoints)
}

// TestNothingIsALimitAsWell: no loss at all may be what somebody wants.
func TestNothingIsALimitAsWell(t *testing.T) {
	f, err := contract.Parse([]byte("contract: 1\nrules:\n  - {max-loss-window: 0s, max-lost: 0, max-refused: 0, sync-within: 0s}\n"))
	require.NoError(t, err)
	c, err := f.For("everysec", contract.Power, contract.Config{})
	require.NoError(t, err)
	require.Zero(t, c.MaxWindow)
	require.Zero(t, c.MaxLost)
	require.Zero(t, *c.MaxRefused)
	require.Zero(t, c.SyncWithin)
}

func TestFileErrors(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"empty", "", `empty: want "contract: 1" and rules`},
		{"no version", "name: x\nrules: [{mode: no}]", `"contract: 0" is not a version this program reads: want "contract: 1"`},
		{"later version", "contract: 2\nrules: [{mode: no}]", `"contract: 2" is not a version`},
		{"no rules", "contract: 1", "no rules"},
		{"unknown field", "contract: 1\nrules:\n  - mod: no", "line 3: field mod not found here"},
		{"unknown mode", "contract: 1\nrules:\n  - mode: sometimes", `rule 1: mode "sometimes": want one of always`},
		{"unknown crash", "contract: 1\nrules:\n  - crash: flood", `rule 1: crash "flood": want one of kill`},
		{"unknown level", "contract: 1\nrules:\n  - level: good", `rule 1: level "good": want one of durable, buffered, empty`},
		{"unknown keeps", "contract: 1\nrules:\n  - keeps: most", `rule 1: keeps "most": want one of nothing, synced`},
		{"unknown recovery", "contract: 1\nrules:\n  - recovery: slow", `rule 1: recovery "slow": want one of by-itself, repaired, refused`},
		{"unknown bound", "contract: 1\nrules:\n  - bounds: {hoped: 1s}", `rule 1: bound "hoped": want one of documented, source, modelled`},
		{"bad duration", "contract: 1\nrules:\n  - max-loss-window: soon", `line 3: "soon" is not a duration: want for example 250ms, 1s, 2m`},
		{"negative duration", "contract: 1\nrules:\n  - max-loss-window: -1s", `"-1s" is not a duration`},
		{"bad save point", "contract: 1\nrules:\n  - save: [\"5\"]", `line 3: "5" is not a save point: want "SECONDS CHANGES"`},
		{"save point with more", "contract: 1\nrules:\n  - save: [\"5 1 x\"]", `line 3: "5 1 x" is not a save point`},
		{"save point at once", "contract: 1\nrules:\n  - save: [\"0 1\"]", `line 3: "0 1" is not a save point`},
		{"save point without a change", "contract: 1\nrules:\n  - save: [\"5 0\"]", `line 3: "5 0" is not a save point`},
		{"negative refusals", "contract: 1\nrules:\n  - max-refused: -1", "rule 1: max-refused -1: want 0 or more"},
		{"negative count", "contract: 1\nrules:\n  - max-lost: -1", "rule 1: max-lost -1: want 0 or more"},
		{"not yaml", "contract: [", "did not find"},
		{"wrong shape", "contract: 1\nrules: 5", "cannot unmarshal"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := contract.Parse([]byte(tc.text))
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "contract.", "the reader of the file does not know our types")
		})
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	_, err := contract.Load(path)
	require.ErrorContains(t, err, "c.yaml")
	require.NoError(t, os.WriteFile(path, []byte("contract: 9"), 0o600))
	_, err = contract.Load(path)
	require.ErrorContains(t, err, "c.yaml")
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("contract: 1\nrules:\n  - mode: everysec\n    save: [\"5 1\"]\n    bounds: {source: 1s}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := contract.Parse(text)
		if err != nil {
			return
		}
		for _, mode := range contract.Modes() {
			for _, crash := range contract.Crashes() {
				_, err := file.For(mode, crash, contract.Config{})
				require.NoError(t, err)
			}
		}
	})
}
