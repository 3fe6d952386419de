package target_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/target"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// followed runs a crash of the first of some servers, on what the others start.
func followed(t *testing.T, mode string, names ...string) result.Result {
	var rig *machine.Rig
	for i, name := range names {
		s, err := target.Find(name)
		require.NoError(t, err)
		if i == 0 {
			rig, err = s.Rig(machine.HostDirs(""))
			require.NoError(t, err)
			defer func() { require.NoError(t, rig.Close()) }()
			continue
		}
		require.NoError(t, rig.Follow(s.Rig))
	}
	m, err := product.ModeByName(rig.Store, mode)
	require.NoError(t, err)
	c := &campaign.Campaign{Modes: []product.Mode{m}, Crashes: []*experiment.CrashKind{experiment.MustCrash("kill")}, Workload: workloads.Default(),
		Personality: experiment.HostDisk, Profile: "nvme", Seed: 1, Runs: 1, Keep: 1}
	results, err := c.Run(t.Context(), campaign.RealServer(rig, "?"))
	require.NoError(t, err)
	return results[0]
}

// scripted writes a target file of redis-server behind a script.
func scripted(t *testing.T, script string) string {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "start"), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "target.yaml"), []byte(`target: 1
name: other
command: [./start, "{{dir}}", --port, "{{port}}", --bind, "{{addr}}", --dir, "{{dir}}", "{{directives}}"]
version: [redis-server, --version]
repair: [redis-check-aof, --fix, "{{log}}"]
`), 0o644))
	return dir
}

// TestAnotherVersionStartsOnWhatIsLeft: one that reads it is judged as the first would be; one
// that refuses it, or starts without what the first finds there, is named.
func TestAnotherVersionStartsOnWhatIsLeft(t *testing.T) {
	needs.Program(t, "redis-server")
	version, err := process.Version("redis-server")
	require.NoError(t, err)
	old := filepath.Join(filepath.Dir(describedAs(t, strange)), "old-server")
	refuses := `if [ -e "$1/appendonlydir" ]; then echo "no such version"; exit 1; fi; shift; exec redis-server "$@"`
	forgets := `rm -rf "$1/appendonlydir"; shift; exec redis-server "$@"`
	for name, row := range map[string]struct {
		mode     string
		versions []string
		says     string // of what was not read; "": all was
	}{
		"the same":                             {"always", []string{"redis-server", "redis-server"}, ""},
		"an upgrade of a single log":           {"always", []string{old, "redis-server"}, ""},
		"and back, when it has been rewritten": {"always", []string{"redis-server", "redis-server", "redis-server"}, ""},
		"a snapshot, and back":                 {"rdb", []string{"redis-server", "redis-server", "redis-server"}, ""},
		"one that looks elsewhere":             {"always", []string{"redis-server", old}, `old-server (3.2.12) started on what redis-server (VERSION) has left after its crash and does not have key`},
		"one that refuses":                     {"always", []string{"redis-server", scripted(t, refuses)}, `cannot read what redis-server (VERSION) has left after its crash, and the latter can: no such version`},
		"one that refuses what is rewritten":   {"always", []string{"redis-server", "redis-server", scripted(t, refuses)}, `cannot read what redis-server (VERSION) has rewritten, and the latter can: no such version`},
		"one that forgets what is rewritten":   {"always", []string{"redis-server", "redis-server", scripted(t, forgets)}, `started on what redis-server (VERSION) has rewritten and does not have key`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := followed(t, row.mode, row.versions...)
			if row.says == "" {
				require.NotEqual(t, result.Violated, r.Verdict, "%s %v", r.Why, r.Failures)
				require.Equal(t, 1, r.Struck, r.Why)
				return
			}
			require.Equal(t, result.Violated, r.Verdict, r.Why)
			require.Contains(t, r.Failures[0].Story, strings.ReplaceAll(row.says, "VERSION", version))
		})
	}
}

// TestWhatEachVersionLacks: a mode that one of them does not have is n/a, by its name.
func TestWhatEachVersionLacks(t *testing.T) {
	needs.Program(t, "redis-server")
	old := filepath.Join(filepath.Dir(describedAs(t, strange)), "old-server")
	r := followed(t, "hybrid", "redis-server", old)
	require.Equal(t, result.NotApplicable, r.Verdict)
	require.Equal(t, old+": the server has no directive aof-use-rdb-preamble", r.Why)
}
