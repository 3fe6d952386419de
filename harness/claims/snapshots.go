package claims

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/product"
)

// This file measures what snapshots promise (P4, P10 to P12, P14).

func rdbLosesSinceSnapshot(l *lab) (Measurement, error) {
	var worst time.Duration
	runs := 0
	for _, power := range []bool{false, true} {
		for _, age := range []time.Duration{300 * time.Millisecond, 900 * time.Millisecond} {
			err := l.on(options{}, func(m *computer) error {
				if err := m.start(preset("rdb", `save ""`)...); err != nil {
					return err
				}
				w := write(m, "w", time.Millisecond, 64)
				m.env().Sleep(400 * time.Millisecond)
				forked := m.env().Now()
				if _, err := must(m, "BGSAVE"); err != nil {
					return err
				}
				if err := idle(m); err != nil {
					return err
				}
				m.env().Sleep(age)
				if power {
					m.powerCut(disk.Choice{Mode: disk.KeepNone})
				} else {
					m.kill()
				}
				w.halt()
				if err := m.again(); err != nil {
					return err
				}
				a, err := w.audit(m.downAt())
				off := (a.window - (m.downAt() - forked)).Abs()
				worst = max(worst, off)
				runs++
				if a.lost == 0 || a.holes > 0 {
					return fmt.Errorf("after a snapshot %s old: lost %d, %d behind a survivor", age, a.lost, a.holes)
				}
				return err
			})
			if err != nil {
				return Measurement{}, err
			}
		}
	}
	return decide(worst < 100*time.Millisecond, runs, "window = age of the last BGSAVE's fork, to within %s", rounded(worst))
}

// savesBlock gives the longest stall of a client during SAVE and BGSAVE.
func savesBlock(l *lab) (Measurement, error) {
	figure := ""
	saveBlocks, bgsaveBlocks := false, false
	sizes := []int{10_000, 100_000, 400_000}
	for _, n := range sizes {
		for _, command := range []string{"SAVE", "BGSAVE"} {
			err := l.on(options{}, func(m *computer) error {
				if err := m.start(preset("none", "enable-debug-command local")...); err != nil {
					return err
				}
				if _, err := must(m, "DEBUG", "POPULATE", fmt.Sprint(n), "key", "100"); err != nil {
					return err
				}
				w := write(m, "w", 200*time.Microsecond, 64)
				m.env().Sleep(100 * time.Millisecond)
				w.longest = 0
				began := m.env().Now()
				if _, err := must(m, command); err != nil {
					return err
				}
				if err := idle(m); err != nil {
					return err
				}
				took := m.env().Now() - began
				stall := w.longest
				w.halt()
				figure += fmt.Sprintf("; %dk keys %s: stall %s of %s", n/1000, command, rounded(stall), rounded(took))
				blocked := stall > took/2 && stall > 5*time.Millisecond
				if command == "SAVE" {
					saveBlocks = saveBlocks || blocked
				} else {
					bgsaveBlocks = bgsaveBlocks || blocked
				}
				return nil
			})
			if err != nil {
				return Measurement{}, err
			}
		}
	}
	return decide(saveBlocks && !bgsaveBlocks, 2*len(sizes), "%s", figure[2:])
}

func bgsaveInterrupted(l *lab) (Measurement, error) {
	bad, runs := 0, 0
	for _, keep := range []disk.Choice{{Mode: disk.KeepNone}, {Mode: disk.KeepAll}, {Mode: disk.KeepRandom, Seed: 7}} {
		steps, err := l.everyCall(options{}, preset("rdb", `save ""`), func(m *computer) error {
			if err := set(m, "old", 50); err != nil {
				return err
			}
			_, err := must(m, "SAVE")
			return err
		}, func(m *computer) error {
			_, err := must(m, "BGSAVE")
			return err
		}, keep, 60)
		if err != nil {
			return Measurement{}, err
		}
		for _, st := range steps {
			runs++
			if st.refused || st.fixed || st.kept < 50 {
				bad++
			}
		}
	}
	return decide(bad == 0 && runs > 0, runs, "the old snapshot or the new one loaded whole after %d of %d power cuts, one at each disk call", runs-bad, runs)
}

func sigtermLosesNothing(l *lab) (Measurement, error) {
	var lost [2]int
	for i, save := range []string{"save 3600 1", `save ""`} {
		err := l.on(options{}, func(m *computer) error {
			if err := m.start(preset("rdb", save)...); err != nil {
				return err
			}
			if err := set(m, "w", 100); err != nil {
				return err
			}
			m.term()
			if err := m.again(); err != nil {
				return err
			}
			n, err := keys(m)
			lost[i] = 100 - int(n)
			return err
		})
		if err != nil {
			return Measurement{}, err
		}
	}
	if lost[0] == 0 && lost[1] > 0 {
		return depends(2, `lost %d of 100 with save points, %d of 100 with save "" and no AOF`, lost[0], lost[1])
	}
	return decide(lost[0] == 0 && lost[1] == 0, 2, "lost %d and %d of 100", lost[0], lost[1])
}

// bgsaveFailure fails snapshots and gives when writes are refused and taken again.
func bgsaveFailure(l *lab) (Measurement, error) {
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
		err := l.on(options{}, func(m *computer) error {
			if err := m.start(preset("rdb", r.conf...)...); err != nil {
				return err
			}
			failed := 0
			failing := true
			m.onCall(func(c *disk.Call) disk.Decision {
				if failing && strings.HasSuffix(c.Path, ".rdb") && c.Kind == disk.OpFsync {
					failed++
					return disk.Decision{Err: r.errno}
				}
				return disk.Decision{}
			})
			if err := set(m, "w", 5); err != nil {
				return err
			}
			if _, err := must(m, "BGSAVE"); err != nil {
				return err
			}
			if err := await(m, "rdb_last_bgsave_status", "err"); err != nil {
				return err
			}
			if failed == 0 {
				return fmt.Errorf("no fsync of a snapshot came to fail")
			}
			refusedWrite, err := do(m, "SET", "x", "1")
			if err != nil {
				return err
			}
			from := m.env().Now()
			failing = false
			var again time.Duration
			for refusedWrite.error {
				if _, err := do(m, "BGSAVE"); err != nil {
					return err
				}
				m.env().Sleep(20 * time.Millisecond)
				x, err := do(m, "SET", "x", "2")
				if err != nil {
					return err
				}
				if !x.error {
					again = m.env().Now() - from
					break
				}
				if m.env().Now()-from > replyLimit {
					return fmt.Errorf("writes are refused for ever")
				}
			}
			asSaid = asSaid && refusedWrite.error == r.want
			figure += fmt.Sprintf("; %s, %s: refused %t", strings.Join(r.conf, ", "), r.errno.Error(), refusedWrite.error)
			if again > 0 {
				figure += ", taken again after the next good snapshot"
			}
			return nil
		})
		if err != nil {
			return Measurement{}, err
		}
	}
	return decide(asSaid, len(rows), "%s", figure[2:])
}

// flips starts a server on files of which one random bit is wrong: how many of
// the starts were refused, and how many served wrong data.
func (l *lab) flips(conf []string, glob string, n int) (refusals, silent int, err error) {
	const written = 200
	err = l.on(options{}, func(m *computer) error {
		if err := m.start(conf...); err != nil {
			return err
		}
		w := write(m, "w", 0, 100)
		for len(w.acked) < written {
			m.env().Sleep(5 * time.Millisecond)
		}
		w.halt()
		if strings.Contains(strings.Join(conf, " "), "appendonly yes") {
			if strings.Contains(glob, "base") {
				if err := rewritten(m); err != nil {
					return err
				}
			}
		} else if _, err := must(m, "SAVE"); err != nil {
			return err
		}
		m.powerCut(disk.Choice{Mode: disk.KeepAll})
		var name string
		var whole []byte
		m.files(func(d *disk.Disk) { name, whole = fileLike(d, glob) })
		if len(whole) == 0 {
			return fmt.Errorf("there is no file %s", glob)
		}
		for range n {
			bit := m.env().Uint64() % uint64(8*len(whole))
			flip := func(d *disk.Disk) { err = d.CorruptAt(name, int64(bit/8), 1<<(bit%8)) }
			m.files(flip)
			if err != nil {
				return err
			}
			switch err := m.again(); {
			case refused(err):
				refusals++
			case err != nil:
				return err
			default:
				a, err := w.audit(m.downAt())
				if err != nil {
					return err
				}
				if n, err := keys(m); err != nil {
					return err
				} else if a.wrong > 0 || a.lost > 0 || int(n) != len(w.acked) {
					silent++
				}
				m.kill()
			}
			// A start may rewrite or cut the file: put the whole one back.
			m.files(func(d *disk.Disk) { err = vfs.WriteFile(d.FS(nil), name, whole) })
			if err != nil {
				return err
			}
		}
		return nil
	})
	return refusals, silent, err
}

// fileLike is the path and content of the first file whose path contains what.
func fileLike(d *disk.Disk, what string) (string, []byte) {
	fsys := d.FS(nil)
	for _, dir := range []string{".", "appendonlydir"} {
		names, err := fsys.List(dir)
		if err != nil {
			continue
		}
		for _, n := range names {
			path := n
			if dir != "." {
				path = dir + "/" + n
			}
			if strings.Contains(n, what) {
				if data, err := vfs.ReadFile(fsys, path); err == nil && len(data) > 0 {
					return path, data
				}
			}
		}
	}
	return "", nil
}

func rdbChecksumFinds(l *lab) (Measurement, error) {
	const n = 40
	with, silentWith, err := l.flips(preset("rdb", `save ""`), "dump.rdb", n)
	if err != nil {
		return Measurement{}, err
	}
	without, silent, err := l.flips(preset("rdb", `save ""`, "rdbchecksum no"), "dump.rdb", n)
	if err != nil {
		return Measurement{}, err
	}
	if with == n && silent > 0 {
		return depends(2*n, "with rdbchecksum %d of %d flipped bits refused; without %d refused, %d loaded wrong without a word", with, n, without, silent)
	}
	return decide(with == n, 2*n, "with rdbchecksum %d of %d flipped bits refused, %d loaded wrong; without %d and %d", with, n, silentWith, without, silent)
}

func aofFindsDamage(l *lab) (Measurement, error) {
	const n = 40
	incrRefused, incrSilent, err := l.flips(preset("everysec"), "incr.aof", n)
	if err != nil {
		return Measurement{}, err
	}
	baseRefused, baseSilent, err := l.flips(preset("hybrid"), "base.rdb", n)
	if err != nil {
		return Measurement{}, err
	}
	if incrSilent > 0 && baseRefused == n {
		return depends(2*n, "incr: %d of %d flipped bits refused, %d loaded wrong without a word; RDB base: %d of %d refused", incrRefused, n, incrSilent, baseRefused, n)
	}
	return decide(incrSilent == 0 && baseSilent == 0, 2*n, "incr: %d refused, %d silent; base: %d refused, %d silent, of %d each", incrRefused, incrSilent, baseRefused, baseSilent, n)
}

func flushallSaves(l *lab) (Measurement, error) {
	type row struct{ save, command, option string }
	rows := []row{{"save 3600 1", "FLUSHALL", ""}, {"save 3600 1", "FLUSHALL", "ASYNC"}, {"save 3600 1", "FLUSHDB", ""}, {`save ""`, "FLUSHALL", ""}}
	var wrote []bool
	figure := ""
	for _, r := range rows {
		err := l.on(options{}, func(m *computer) error {
			if err := m.start(preset("rdb", r.save)...); err != nil {
				return err
			}
			if err := set(m, "w", 10); err != nil {
				return err
			}
			args := []string{r.command}
			if r.option != "" {
				args = append(args, r.option)
			}
			if _, err := must(m, args...); err != nil {
				return err
			}
			if err := idle(m); err != nil {
				return err
			}
			m.files(func(d *disk.Disk) {
				_, err := d.FS(nil).Stat("dump.rdb")
				wrote = append(wrote, err == nil)
			})
			figure += fmt.Sprintf("; %s with %s: %t", strings.Join(args, " "), r.save, wrote[len(wrote)-1])
			return nil
		})
		if err != nil {
			return Measurement{}, err
		}
	}
	if wrote[0] && wrote[1] && !wrote[2] && !wrote[3] {
		return depends(len(rows), "a snapshot is written%s", figure[1:])
	}
	return decide(wrote[0] && wrote[1] && wrote[2] && wrote[3], len(rows), "a snapshot is written%s", figure[1:])
}

// savePointsBound scales "save 3600 1" down to "save 2 1" where time is real.
func savePointsBound(l *lab) (Measurement, error) {
	var worst time.Duration
	runs := 0
	figure := ""
	for _, rate := range []float64{1, 40, 400} {
		x, err := l.campaign("rdb", "kill", func(m *product.Mode, c *campaign.Campaign) {
			m.Rate = rate
			c.Runs /= 2
			c.Workload.ReadRatio = 0
		})
		if err != nil {
			return Measurement{}, err
		}
		worst = max(worst, x.max)
		runs += int(x.runs)
		figure += fmt.Sprintf("; %g writes/s: max %s", rate, rounded(x.max))
	}
	// More than 2 whole seconds, a look each 100 ms, and the snapshot itself.
	return decide(worst <= 3500*time.Millisecond, runs, "save 2 1%s (condition: more than 2 whole seconds)", figure)
}
