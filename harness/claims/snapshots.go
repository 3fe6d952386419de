package claims

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
)

// This file measures what snapshots promise (P4, P10 to P12, P14).

func rdbLosesSinceSnapshot(l *lab) Measurement {
	var worst time.Duration
	runs := 0
	for _, power := range []bool{false, true} {
		for _, age := range []time.Duration{300 * time.Millisecond, 900 * time.Millisecond} {
			var old time.Duration
			a := l.written(trial{conf: preset("rdb", `save ""`)}, func(m *computer, _ *ledger) {
				m.Env().Sleep(400 * time.Millisecond)
				forked := m.Env().Now()
				must(m, "BGSAVE")
				idle(m)
				m.Env().Sleep(age)
				if power {
					m.powerCut(disk.Choice{Mode: disk.KeepNone})
				} else {
					m.kill()
				}
				old = m.downAt() - forked
			})
			worst = max(worst, (a.window - old).Abs())
			runs++
			if a.lost == 0 || a.holes > 0 {
				fail("after a snapshot %s old: lost %d, %d behind a survivor", age, a.lost, a.holes)
			}
		}
	}
	return decide(worst < 100*time.Millisecond, runs, "window = age of the last BGSAVE's fork, to within %s", rounded(worst))
}

// savesBlock gives the longest stall of a client during SAVE and BGSAVE.
func savesBlock(l *lab) Measurement {
	figure := ""
	saveBlocks, bgsaveBlocks := false, false
	sizes := []int{10_000, 100_000, 400_000}
	for _, n := range sizes {
		for _, command := range []string{"SAVE", "BGSAVE"} {
			l.on(options{}, func(m *computer) {
				m.start(preset("none", "enable-debug-command local")...)
				must(m, "DEBUG", "POPULATE", fmt.Sprint(n), "key", "100")
				w := write(m, "w", 200*time.Microsecond, 64)
				m.Env().Sleep(100 * time.Millisecond)
				w.longest = 0
				began := m.Env().Now()
				must(m, command)
				idle(m)
				took := m.Env().Now() - began
				stall := w.longest
				w.halt()
				figure += fmt.Sprintf("; %dk keys %s: stall %s of %s", n/1000, command, rounded(stall), rounded(took))
				blocked := stall > took/2 && stall > 5*time.Millisecond
				if command == "SAVE" {
					saveBlocks = saveBlocks || blocked
				} else {
					bgsaveBlocks = bgsaveBlocks || blocked
				}
			})
		}
	}
	return decide(saveBlocks && !bgsaveBlocks, 2*len(sizes), "%s", figure[2:])
}

func bgsaveInterrupted(l *lab) Measurement {
	bad, runs := 0, 0
	for _, keep := range []disk.Choice{{Mode: disk.KeepNone}, {Mode: disk.KeepAll}, {Mode: disk.KeepRandom, Seed: 7}} {
		steps := l.everyCall(preset("rdb", `save ""`), func(m *computer) {
			set(m, "old", 50)
			must(m, "SAVE")
		}, func(m *computer) { must(m, "BGSAVE") }, keep, 60)
		for _, a := range steps {
			runs++
			if a.how != machine.ByItself || a.kept < 50 {
				bad++
			}
		}
	}
	return decide(bad == 0 && runs > 0, runs, "the old snapshot or the new one loaded whole after %d of %d power cuts, one at each disk call", runs-bad, runs)
}

func sigtermLosesNothing(l *lab) Measurement {
	var lost [2]int
	for i, save := range []string{"save 3600 1", `save ""`} {
		l.on(options{}, func(m *computer) {
			m.start(preset("rdb", save)...)
			set(m, "w", 100)
			m.term()
			m.again()
			lost[i] = 100 - int(keys(m))
		})
	}
	if lost[0] == 0 && lost[1] > 0 {
		return depends(2, `lost %d of 100 with save points, %d of 100 with save "" and no AOF`, lost[0], lost[1])
	}
	return decide(lost[0] == 0 && lost[1] == 0, 2, "lost %d and %d of 100", lost[0], lost[1])
}

// bgsaveFailure fails snapshots and gives when writes are refused and taken again.
func bgsaveFailure(l *lab) Measurement {
	type row struct {
		conf  []string
		errno syscall.Errno
		want  bool // refused
	}
	rows := []row{
		{[]string{"save 1 1", "stop-writes-on-bgsave-error yes"}, syscall.EIO, true},
		{[]string{"save 1 1", "stop-writes-on-bgsave-error yes"}, syscall.ENOSPC, true},
		{[]string{"save 1 1", "stop-writes-on-bgsave-error no"}, syscall.EIO, false},
		{[]string{`save ""`, "stop-writes-on-bgsave-error yes"}, syscall.EIO, false},
	}
	asSaid := true
	figure := ""
	for _, r := range rows {
		l.on(options{}, func(m *computer) {
			m.start(preset("rdb", r.conf...)...)
			failed := 0
			failing := true
			m.onCall(func(c *disk.Call, d *disk.Decision) {
				if failing && strings.HasSuffix(c.Path, ".rdb") && c.Kind == disk.OpFsync {
					failed++
					d.Err = r.errno
				}
			})
			set(m, "w", 5)
			must(m, "BGSAVE")
			await(m, "rdb_last_bgsave_status", "err")
			if failed == 0 {
				fail("no fsync of a snapshot came to fail")
			}
			stopped := refused(get(do(m, "SET", "x", "1")))
			from := m.Env().Now()
			failing = false
			var again time.Duration
			for stopped {
				get(do(m, "BGSAVE"))
				m.Env().Sleep(20 * time.Millisecond)
				if !refused(get(do(m, "SET", "x", "2"))) {
					again = m.Env().Now() - from
					break
				}
				if m.Env().Now()-from > replyLimit {
					fail("writes are refused for ever")
				}
			}
			asSaid = asSaid && stopped == r.want
			figure += fmt.Sprintf("; %s, %s: refused %t", strings.Join(r.conf, ", "), r.errno.Error(), stopped)
			if again > 0 {
				figure += ", taken again after the next good snapshot"
			}
		})
	}
	return decide(asSaid, len(rows), "%s", figure[2:])
}

// flips starts a server on files of which one random bit is wrong: how many of
// the starts were refused, and how many served wrong data.
func (l *lab) flips(conf []string, glob string, n int) (refusals, silent int) {
	const written = 200
	l.on(options{}, func(m *computer) {
		m.start(conf...)
		w := write(m, "w", 0, 100)
		for len(w.acked) < written {
			m.Env().Sleep(5 * time.Millisecond)
		}
		w.halt()
		if strings.Contains(strings.Join(conf, " "), "appendonly yes") {
			if strings.Contains(glob, "base") {
				rewritten(m)
			}
		} else {
			must(m, "SAVE")
		}
		m.powerCut(disk.Choice{Mode: disk.KeepAll})
		var name string
		var whole []byte
		m.files(func(d *disk.Disk) { name, whole = fileLike(d, glob) })
		if len(whole) == 0 {
			fail("there is no file %s", glob)
		}
		for range n {
			bit := m.Env().Uint64() % uint64(8*len(whole))
			m.change(func(d *disk.Disk) error { return d.CorruptAt(name, int64(bit/8), 1<<(bit%8)) })
			if !m.starts() {
				refusals++
			} else {
				a := w.audit(m.downAt())
				if n := keys(m); a.wrong > 0 || a.lost > 0 || int(n) != len(w.acked) {
					silent++
				}
				m.kill()
			}
			// A start may rewrite or cut the file: put the whole one back.
			m.change(func(d *disk.Disk) error { return vfs.WriteFile(d.FS(nil), name, whole) })
		}
	})
	return refusals, silent
}

// fileLike is the path and content of the first file whose path contains what.
func fileLike(d *disk.Disk, what string) (string, []byte) {
	all := filesIn(d.FS(nil), ".")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if strings.Contains(name, what) && len(all[name]) > 0 {
			return name, all[name]
		}
	}
	return "", nil
}

// filesIn are the files in a directory and below it, by their paths.
func filesIn(fsys vfs.FS, dir string) map[string][]byte {
	all := map[string][]byte{}
	check(vfs.Walk(fsys, dir, func(name string, info vfs.Info) (err error) {
		if !info.Dir {
			all[name], err = vfs.ReadFile(fsys, name)
		}
		return err
	}))
	return all
}

func rdbChecksumFinds(l *lab) Measurement {
	const n = 40
	with, silentWith := l.flips(preset("rdb", `save ""`), "dump.rdb", n)
	without, silent := l.flips(preset("rdb", `save ""`, "rdbchecksum no"), "dump.rdb", n)
	if with == n && silent > 0 {
		return depends(2*n, "with rdbchecksum %d of %d flipped bits refused; without %d refused, %d loaded wrong without a word", with, n, without, silent)
	}
	return decide(with == n, 2*n, "with rdbchecksum %d of %d flipped bits refused, %d loaded wrong; without %d and %d", with, n, silentWith, without, silent)
}

func aofFindsDamage(l *lab) Measurement {
	const n = 40
	incrRefused, incrSilent := l.flips(preset("everysec"), "incr.aof", n)
	baseRefused, baseSilent := l.flips(preset("hybrid"), "base.rdb", n)
	if incrSilent > 0 && baseRefused == n {
		return depends(2*n, "incr: %d of %d flipped bits refused, %d loaded wrong without a word; RDB base: %d of %d refused", incrRefused, n, incrSilent, baseRefused, n)
	}
	return decide(incrSilent == 0 && baseSilent == 0, 2*n, "incr: %d refused, %d silent; base: %d refused, %d silent, of %d each", incrRefused, incrSilent, baseRefused, baseSilent, n)
}

func flushallSaves(l *lab) Measurement {
	type row struct{ save, command, option string }
	rows := []row{{"save 3600 1", "FLUSHALL", ""}, {"save 3600 1", "FLUSHALL", "ASYNC"}, {"save 3600 1", "FLUSHDB", ""}, {`save ""`, "FLUSHALL", ""}}
	var wrote []bool
	figure := ""
	for _, r := range rows {
		l.on(options{}, func(m *computer) {
			m.start(preset("rdb", r.save)...)
			set(m, "w", 10)
			args := []string{r.command}
			if r.option != "" {
				args = append(args, r.option)
			}
			must(m, args...)
			idle(m)
			m.files(func(d *disk.Disk) {
				_, err := d.FS(nil).Stat("dump.rdb")
				wrote = append(wrote, err == nil)
			})
			figure += fmt.Sprintf("; %s with %s: %t", strings.Join(args, " "), r.save, wrote[len(wrote)-1])
		})
	}
	if wrote[0] && wrote[1] && !wrote[2] && !wrote[3] {
		return depends(len(rows), "a snapshot is written%s", figure[1:])
	}
	return decide(wrote[0] && wrote[1] && wrote[2] && wrote[3], len(rows), "a snapshot is written%s", figure[1:])
}

// savePointsBound scales "save 3600 1" down to "save 2 1" where time is real.
func savePointsBound(l *lab) Measurement {
	var worst time.Duration
	runs := 0
	figure := ""
	for _, rate := range []float64{1, 40, 400} {
		x := l.campaign("rdb", "kill", func(m *product.Mode, c *campaign.Campaign) {
			m.Rate = rate
			c.Runs /= 2
			c.Workload.ReadRatio = 0
		})
		worst = max(worst, x.max)
		runs += int(x.runs)
		figure += fmt.Sprintf("; %g writes/s: max %s", rate, rounded(x.max))
	}
	// More than 2 whole seconds, a look each 100 ms, and the snapshot itself.
	return decide(worst <= 3500*time.Millisecond, runs, "save 2 1%s (condition: more than 2 whole seconds)", figure)
}
