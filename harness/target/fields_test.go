package target_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/target"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// strange describes a server that has no INFO, no KEYS and no PTTL, keeps its log in a file of
// another name in a directory that a variable tells, and wants a password.
const strange = `target: 1
command: [./old-server, --port, "{{port}}", --bind, "{{addr}}", --without, INFO, KEYS, PTTL, --appendfilename, x.log, --requirepass, s, "{{directives}}"]
version: [./old-server, --version]
repair: [./old-check-aof, --fix, "{{log}}"]
directory: env DATA_DIR
ready: ping
log: x.log
lacks: [aof-use-rdb-preamble]
dump: scan
types: [strings]
says: nothing
password: s
`

// built is where targets/singlelog is.
var built = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "stub"); err == nil {
		buildDir = dir
		err = exec.Command("go", "build", "-o", filepath.Join(dir, "old-server"), "../../targets/singlelog").Run()
	}
	return dir, err
})

var buildDir string // "": nothing was built

func removeBuilt() {
	if buildDir != "" {
		os.RemoveAll(buildDir)
	}
}

// describedAs writes a target file beside the stub, some of whose lines are others.
func describedAs(t *testing.T, text string, instead ...string) string {
	needs.Program(t, "go")
	at, err := built()
	require.NoError(t, err)
	dir := t.TempDir()
	for _, name := range []string{"old-server", "old-check-aof"} {
		require.NoError(t, os.Symlink(filepath.Join(at, "old-server"), filepath.Join(dir, name)))
	}
	for i := 0; i < len(instead); i += 2 {
		require.Contains(t, text, instead[i])
		text = strings.ReplaceAll(text, instead[i], instead[i+1])
	}
	file := filepath.Join(dir, "target.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	return file
}

// lacks are what the target's cells of a mode say that are n/a; "": they are not.
func lacks(t *testing.T, s *target.Server, mode string) string {
	rig, err := s.Rig(machine.HostDirs(""))
	require.NoError(t, err)
	defer func() { require.NoError(t, rig.Close()) }()
	m, err := product.ModeByName(s.Store, mode)
	require.NoError(t, err)
	m = rig.Store.On(m)
	return rig.LacksMode(&m)
}

// TestAStrangeServerIsTested: with all that is said of it, it is struck, brought back and judged.
func TestAStrangeServerIsTested(t *testing.T) {
	s, err := target.Find(describedAs(t, strange))
	require.NoError(t, err)
	require.NoError(t, s.Try(t.Context()))
	rig, err := s.Rig(machine.HostDirs(""))
	require.NoError(t, err)
	defer func() { require.NoError(t, rig.Close()) }()
	m, err := product.ModeByName(s.Store, product.Always)
	require.NoError(t, err)
	c := &campaign.Campaign{Modes: []product.Mode{m}, Crashes: []*experiment.CrashKind{experiment.MustCrash("kill")}, Workload: workloads.Default(),
		Personality: experiment.HostDisk, Profile: "nvme", Seed: 1, Runs: 2}
	results, err := c.Run(t.Context(), campaign.RealServer(rig, s.Version))
	require.NoError(t, err)
	assert.Equal(t, result.Holds, results[0].Verdict, results[0].Why)
	assert.Positive(t, results[0].Acknowledged)
}

// TestEachFieldHasAnEffect: without a field, or with another value of it, the trial says what
// is wrong, or a mode cannot be judged, and why.
func TestEachFieldHasAnEffect(t *testing.T) {
	for name, row := range map[string]struct {
		instead []string
		wrong   string            // what the trial says; "": nothing
		lacks   map[string]string // modes that are n/a, and why; others are not
	}{
		"all": {lacks: map[string]string{"always": "", "hybrid": "the server has no directive aof-use-rdb-preamble", "rdb": "when a snapshot begins (says, snapshot)"}},
		"lacks": {instead: []string{"lacks: [aof-use-rdb-preamble]\n", ""},
			wrong: `exit status 1; its last line: "Bad directive or wrong number of arguments"`},
		"lacks appendfsync": {instead: []string{"lacks: [", "lacks: [appendfsync, "}, lacks: map[string]string{"always": "the server has no directive appendfsync", "none": ""}},
		"dump keys":         {instead: []string{"dump: scan", "dump: keys"}, wrong: `dump: KEYS: the server answered "-ERR unknown command 'KEYS'\r\n"`},
		"dump known":        {instead: []string{"dump: scan", "dump: known", "PTTL,", "PTTL, SCAN,"}, lacks: map[string]string{"always": ""}},
		"no scan":           {instead: []string{"PTTL,", "PTTL, SCAN,"}, wrong: "dump: SCAN: the server answered"},
		"password":          {instead: []string{"password: s", "password: other"}, wrong: `AUTH: the server answers "-ERR invalid password"`},
		"no password":       {instead: []string{"password: s\n", ""}, wrong: "it wants a password, which the target does not have"},
		"log":               {instead: []string{"log: x.log\n", "log: y.log\n"}, lacks: map[string]string{"always": "it wrote nothing to y.log, which is said to be its log (log); in its directory there is x.log", "none": ""}},
		"no log":            {instead: []string{"log: x.log\n", ""}, lacks: map[string]string{"always": "it wrote nothing to *.incr.aof, which is said to be its log (log); in its directory there is x.log", "none": ""}},
		"says":              {instead: []string{"says: nothing\n", "says: {snapshot: Saving}\n"}, lacks: map[string]string{"rdb": "it made no snapshot: BGSAVE: ERR unknown command"}},
		"directory": {instead: []string{"directory: env DATA_DIR", "directory: working"},
			lacks: map[string]string{"always": ""}},
		"another variable": {instead: []string{"directory: env DATA_DIR", "directory: env OTHER"},
			lacks: map[string]string{"always": "it wrote nothing to x.log, which is said to be its log (log); its directory is empty"}},
		"one mode, fixed": {instead: []string{`"{{directives}}"`, "--appendonly, 'yes', --appendfsync, always", "says: nothing", "modes: always"},
			lacks: map[string]string{"always": "", "everysec": "has no mode everysec"}},
		"a write that is refused": {instead: []string{"INFO,", "INFO, SET,"}, wrong: `it refuses a write: "ERR unknown command 'SET'"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := target.Find(describedAs(t, strange, row.instead...))
			require.NoError(t, err)
			err = s.Try(t.Context())
			if row.wrong != "" {
				require.ErrorContains(t, err, row.wrong)
				require.NotContains(t, err.Error(), "\n")
				return
			}
			require.NoError(t, err)
			for mode, why := range row.lacks {
				got := lacks(t, s, mode)
				if why == "" {
					require.Empty(t, got, mode)
				} else {
					require.Contains(t, got, why, mode)
				}
			}
		})
	}
}

// TestTypesThatItHas: workloads of others are refused, with what is lacking.
func TestTypesThatItHas(t *testing.T) {
	s, err := target.Load(describedAs(t, strange))
	require.NoError(t, err)
	for name, why := range map[string]string{"registers": "", "lists": "there is no operation", "transactions": "there is no operation", "mixed": "there is no operation"} {
		w := workloads.Default()
		w.Name = name
		require.Contains(t, w.Lacks(s.Store), why, name)
		if why == "" {
			require.Empty(t, w.Lacks(s.Store))
		}
	}
}

// TestWordsOfALog: another server's words are heard, and Redis's are not.
func TestWordsOfALog(t *testing.T) {
	s, err := target.Parse("x.yaml", []byte("target: 1\ncommand: [a, '{{port}}', '{{dir}}', '{{conf}}']\nsays: {snapshot: Dump begins, rewrite: Compaction begins, ended: [Done], sync: For a replica}"))
	require.NoError(t, err)
	for msg, want := range map[string]product.Said{"Dump begins (pid 7)": product.SnapshotForked, "Compaction begins": product.RewriteBegan, "Done.": product.ChildEnded,
		"For a replica": product.SyncWritten, "Background saving started by pid 7": product.Nothing} {
		what, _ := s.Store.Says(msg)
		require.Equal(t, want, what, msg)
	}
}
