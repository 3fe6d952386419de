package mount

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/faults/vfs/osfs"
	"github.com/torntail/torntail/harness/conduct"
)

// envScript makes the test binary the program of a word: a mount must be used
// by another process than the one that serves it.
const envScript = "MOUNT_TEST_SCRIPT"

type linkingFS struct{ vfs.FS }

func (linkingFS) Symlink(target, name string) error { return os.Symlink(target, name) }

func playScript(script string) int {
	play(script, linkingFS{osfs.New(".")}, func(s string) { fmt.Println("said", s) })
	return 0
}

func TestEveryWordStrikesOnAMount(t *testing.T) {
	needFUSE(t)
	for name, w := range words { // any order: each is a test of its own
		if w.only == "sim" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			p, err := conduct.ParseFaults(w.plan)
			require.NoError(t, err)
			w.check(t, onMount(t, p, w.script, w.failureMode(t)))
		})
	}
}

// onMount lets a process play a script on a mounted disk while a plan is carried out.
func onMount(t *testing.T, p *plan.Plan, script string, failure *disk.FailureMode) (b befallen) {
	self, err := os.Executable()
	require.NoError(t, err)
	record := filepath.Join(t.TempDir(), "record")
	m := open(t, Options{Personality: patient, Failure: failure, Record: record})
	require.NoError(t, p.Check(System(), []string{Node}))
	given := m.plans.Give(p, 0)
	m.plans.Due(m.clock())
	out, _, err := process.Run(process.Spec{Path: self, Env: []string{envScript + "=" + script}, Dir: m.Dir(), Space: m.space})
	require.NoError(t, err)
	lines := bufio.NewScanner(strings.NewReader(out))
	for lines.Scan() {
		text, ok := strings.CutPrefix(lines.Text(), "said ")
		require.True(t, ok, out)
		b.said = append(b.said, text)
	}
	// What follows the program's death by a time of its own has to come yet.
	eventually(t, "every statement has had its instant", func() bool {
		b.report = given.Report()
		return !slices.ContainsFunc(b.report, func(s plan.StatementReport) bool { return s.State == plan.Waiting })
	})
	m.volume.With(func(d *disk.Disk) { b.memory = d.Clone() })
	m.drain()
	for _, line := range m.log.ring {
		if line.event == "" {
			b.log = append(b.log, line.record)
		}
	}
	file, err := os.Open(record)
	require.NoError(t, err)
	defer file.Close()
	sameImages(t, b.memory, file)
	return b
}

// TestWhatAFaultShowsOnAMount: what each fault shows in simulation it shows on a
// mounted disk, and the same.
func TestWhatAFaultShowsOnAMount(t *testing.T) {
	needFUSE(t)
	for _, v := range shownHere() {
		t.Run(v.Name, func(t *testing.T) {
			with, _, err := v.Show()
			require.NoError(t, err)
			simulated, mounted := simulate(t, with, everySort, nil), onMount(t, with, everySort, nil)
			struckAll(t, mounted.report)
			told, took := simulated.story()
			again, tookAgain := mounted.story()
			require.Equal(t, told, again)
			for i := range took {
				require.GreaterOrEqual(t, tookAgain[i], took[i], "call %d of\n%s", i, told)
			}
		})
	}
}
