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
	self, err := os.Executable()
	require.NoError(t, err)
	for name, w := range words { // any order: each is a test of its own
		if w.only == "sim" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			record := filepath.Join(t.TempDir(), "record")
			m := open(t, Options{Personality: patient, Failure: w.failureMode(t), Record: record})
			p, err := conduct.ParseFaults(w.plan)
			require.NoError(t, err)
			require.NoError(t, p.Check(System(), []string{Node}))
			given := m.plans.Give(p, 0)
			m.plans.Due(m.clock())
			out, _, err := process.Run(process.Spec{Path: self, Env: []string{envScript + "=" + w.script}, Dir: m.Dir(), Space: m.space})
			require.NoError(t, err)
			var said []string
			lines := bufio.NewScanner(strings.NewReader(out))
			for lines.Scan() {
				text, ok := strings.CutPrefix(lines.Text(), "said ")
				require.True(t, ok, out)
				said = append(said, text)
			}
			// What follows the program's death by a time of its own has to come yet.
			var report []plan.StatementReport
			eventually(t, "every statement has had its instant", func() bool {
				report = given.Report()
				return !slices.ContainsFunc(report, func(s plan.StatementReport) bool { return s.State == plan.Waiting })
			})
			var after *disk.Disk
			m.volume.With(func(d *disk.Disk) { after = d.Clone() })
			m.drain()
			var log []disk.Record
			for _, line := range m.log.ring {
				if line.event == "" {
					log = append(log, line.record)
				}
			}
			file, err := os.Open(record)
			require.NoError(t, err)
			defer file.Close()
			sameImages(t, after, file)
			w.check(t, said, after, log, report)
		})
	}
}
