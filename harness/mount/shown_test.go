package mount

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
)

// This file holds every fault of disks to the statements with which it shows itself
// (plan.Verb.Shown). A new one is held to its own without a row anywhere.

// everySort is a program that makes every sort of call that both worlds have, most of
// them on f. It renames what a fault of f leaves in place: Linux asks for a name before
// a disk hears of the rename.
const everySort = "open f; write k e*5; dirsync .; write f a*6000; fsync f; write f b*6000; read f; overwrite f c*100; fsync f; " +
	"truncate f 9000; allocate f 9100; fsync f; rename k m; link f h; mkdir d; rmdir d; dirsync .; unlink h; dirsync .; " +
	"write f d*10; mkdir x"

// shownHere are the faults that strike a mounted disk and need more than a process.
func shownHere() (list []*plan.Verb) {
	for _, v := range plan.Verbs() {
		ok, _ := v.Available(System())
		if signals, _ := v.Available(onlyProcesses{}); ok && !signals {
			list = append(list, v)
		}
	}
	return list
}

// onlyProcesses is a system without a disk.
type onlyProcesses struct{ plan.Processes }

func (onlyProcesses) Name() string           { return "processes" }
func (onlyProcesses) Lacks(plan.Need) string { return "" }

// story is what befell the program, for whoever knows no clock: what its calls answered,
// which arrived at the disk, what the disk shows and what is durable. took is how long
// each of the calls took that arrived, in whole tens of milliseconds: less is the
// machine's business.
func (b *befallen) story() (text string, took []time.Duration) {
	var arrived []string
	for i := range b.log {
		r := &b.log[i]
		if r.Return == disk.Never || r.Err != 0 {
			continue // of these, what the program heard says enough
		}
		call := ""
		switch word := r.Kind.Word(); word {
		case "write":
			call = fmt.Sprintf("write %d+%d", r.Off, r.Len)
		case "fsync", "dirsync", "truncate", "allocate", "rename", "link", "unlink", "mkdir", "rmdir":
			call = word
		default:
			continue // a kernel looks and reads as it likes
		}
		arrived, took = append(arrived, call), append(took, (r.Return-r.Enter).Truncate(10*time.Millisecond))
	}
	return fmt.Sprintf("heard: %s\narrived: %s\nmemory: %s\ndurable: %s\n", strings.Join(b.said, ", "), strings.Join(arrived, ", "),
		show(b.memory), show(b.durable())), took
}

func struckAll(t *testing.T, report []plan.StatementReport) {
	t.Helper()
	for _, s := range report {
		require.True(t, s.Struck, "%s: %s", s.Text, s.Why)
	}
}

// TestWhatAFaultShows: with a fault's statements the program has another story than
// without them. A fault that does nothing has none to show.
func TestWhatAFaultShows(t *testing.T) {
	require.NotEmpty(t, shownHere())
	for _, v := range shownHere() {
		t.Run(v.Name, func(t *testing.T) {
			with, without, err := v.Show()
			require.NoError(t, err)
			require.Less(t, len(without.Statements), len(with.Statements), "%q is not about %s", v.Shown, v.Name)
			struck, spared := simulate(t, with, everySort, nil), simulate(t, without, everySort, nil)
			struckAll(t, struck.report)
			told, took := struck.story()
			plain, tookPlain := spared.story()
			require.NotEqual(t, fmt.Sprint(plain, tookPlain), fmt.Sprint(told, took), "%s: nothing is seen of it", v.Shown)
			t.Logf("%s\n%s%v", v.Shown, told, took)
		})
	}
}
