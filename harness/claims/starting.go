package claims

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/vfs"
)

// This file measures what a start makes of the files there are (P5c, P5d, P6, P7, P16, P17, P19).

func hybridNeedsBoth(l *lab) (Measurement, error) {
	var head []byte
	err := l.on(options{}, func(m *computer) error {
		if err := m.start(preset("hybrid")...); err != nil {
			return err
		}
		if err := set(m, "w", 10); err != nil {
			return err
		}
		if err := rewritten(m); err != nil {
			return err
		}
		m.files(func(d *disk.Disk) { _, head = fileLike(d, ".base.") })
		return nil
	})
	if err != nil {
		return Measurement{}, err
	}
	return decide(!bytes.HasPrefix(head, []byte("REDIS")), 1, `with save "" the base begins with %q`, head[:min(9, len(head))])
}

func hybridIsSwitchedOn(l *lab) (Measurement, error) {
	var value string
	err := l.on(options{}, func(m *computer) error {
		if err := m.start("appendonly yes"); err != nil {
			return err
		}
		r, err := must(m, "CONFIG", "GET", "aof-use-rdb-preamble")
		if len(r.list) == 2 {
			value = r.list[1]
		}
		return err
	})
	if err != nil {
		return Measurement{}, err
	}
	return decide(value == "no", 1, "aof-use-rdb-preamble is %s by default", value)
}

func aofWins(l *lab) (Measurement, error) {
	var value string
	err := l.on(options{}, func(m *computer) error {
		if err := m.start(preset("always", "save 3600 1")...); err != nil {
			return err
		}
		if _, err := must(m, "SET", "who", "rdb"); err != nil {
			return err
		}
		if _, err := must(m, "SAVE"); err != nil {
			return err
		}
		if _, err := must(m, "SET", "who", "aof"); err != nil {
			return err
		}
		m.kill()
		if err := m.again(); err != nil {
			return err
		}
		r, err := must(m, "GET", "who")
		value = r.text
		return err
	})
	if err != nil {
		return Measurement{}, err
	}
	return decide(value == "aof", 1, "dump.rdb and AOF differ: the value is the one of the %s", value)
}

// damaged starts a server on files that change has damaged, restoring them
// between: for each change the outcome of the start.
type damage struct {
	what string
	do   func(d *disk.Disk) error
}

type started struct {
	what             string
	itself, repaired bool
	kept             int64
}

// startOn writes keys w0..w(n-1), ends the server in an orderly way and starts it
// on each damage in turn, of the same whole files.
func (l *lab) startOn(conf []string, n int, rewrite bool, repair bool, damages func(d *disk.Disk) []damage) ([]started, error) {
	var out []started
	err := l.on(options{limit: time.Hour}, func(m *computer) error {
		if err := m.start(conf...); err != nil {
			return err
		}
		if err := set(m, "w", n/2); err != nil {
			return err
		}
		if rewrite {
			if err := rewritten(m); err != nil {
				return err
			}
		}
		if err := set(m, "x", n-n/2); err != nil {
			return err
		}
		m.kill()
		whole := map[string][]byte{}
		var list []damage
		m.files(func(d *disk.Disk) {
			list = damages(d)
			names, _ := d.FS(nil).List("appendonlydir")
			for _, name := range names {
				data, err := vfs.ReadFile(d.FS(nil), "appendonlydir/"+name)
				if err == nil {
					whole[name] = data
				}
			}
		})
		for _, dm := range list {
			var err error
			m.files(func(d *disk.Disk) { err = dm.do(d) })
			if err != nil {
				return fmt.Errorf("%s: %w", dm.what, err)
			}
			st := started{what: dm.what}
			err = m.again()
			if err != nil && !refused(err) {
				return err
			}
			st.itself = err == nil
			if err != nil && repair {
				fixed, ferr := m.repair()
				if ferr != nil {
					return ferr
				}
				if fixed {
					if err = m.again(); err != nil && !refused(err) {
						return err
					}
					st.repaired = err == nil
				}
			}
			if st.itself || st.repaired {
				if st.kept, err = keys(m); err != nil {
					return err
				}
				m.kill()
			}
			out = append(out, st)
			m.files(func(d *disk.Disk) { err = putBack(d.FS(nil), whole) })
			if err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// putBack makes appendonlydir hold these files and no others.
func putBack(fsys vfs.FS, whole map[string][]byte) error {
	if _, err := fsys.Stat("appendonlydir"); err != nil {
		if err := fsys.Mkdir("appendonlydir"); err != nil {
			return err
		}
	}
	names, err := fsys.List("appendonlydir")
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, ok := whole[name]; !ok {
			if err := fsys.Remove("appendonlydir/" + name); err != nil {
				return err
			}
		}
	}
	for _, name := range sortedNames(whole) {
		if err := vfs.WriteFile(fsys, "appendonlydir/"+name, whole[name]); err != nil {
			return err
		}
	}
	return nil
}

func truncatedStarts(l *lab) (Measurement, error) {
	const n = 6
	cuts := func(d *disk.Disk) []damage {
		name, data := fileLike(d, ".incr.aof")
		var list []damage
		for by := 1; by < len(data); by++ {
			list = append(list, damage{fmt.Sprintf("cut by %d", by), func(d *disk.Disk) error { return d.TruncateAtRest(name, int64(by)) }})
		}
		list = append(list, damage{"NUL tail", func(d *disk.Disk) error {
			return vfs.WriteFile(d.FS(nil), name, append(append([]byte(nil), data...), make([]byte, 100)...))
		}})
		return list
	}
	yes, err := l.startOn(preset("always"), n, false, false, cuts)
	if err != nil {
		return Measurement{}, err
	}
	no, err := l.startOn(preset("always", "aof-load-truncated no"), n, false, false, cuts)
	if err != nil {
		return Measurement{}, err
	}
	started, refusals, last := 0, 0, int64(n)
	inOrder := true
	for _, s := range yes[:len(yes)-1] {
		if s.itself {
			started++
			inOrder = inOrder && s.kept <= last
			last = s.kept
		}
	}
	for _, s := range no[:len(no)-1] {
		if !s.itself {
			refusals++
		}
	}
	all := len(yes) - 1
	nul := yes[all].itself
	figure := fmt.Sprintf("cut after every byte: yes starts on %d of %d with fewer keys each time, no refuses %d (the others end at a whole command); NUL tail starts %t", started, all, refusals, nul)
	if started == all && inOrder && refusals > 0 && !nul {
		return depends(len(yes)+len(no), "%s", figure)
	}
	return decide(started == all && inOrder && nul, len(yes)+len(no), "%s", figure)
}

func checkAOFRepairs(l *lab) (Measurement, error) {
	const n = 40
	got, err := l.startOn(preset("hybrid"), n, true, true, func(d *disk.Disk) []damage {
		incr, log := fileLike(d, ".incr.aof")
		baseName, _ := fileLike(d, ".base.rdb")
		middle := int64(bytes.Index(log[len(log)/2:], []byte("\r\n*3")) + len(log)/2 + 2)
		return []damage{
			{"tail cut", func(d *disk.Disk) error { return d.TruncateAtRest(incr, 5) }},
			{"NUL tail", func(d *disk.Disk) error {
				return vfs.WriteFile(d.FS(nil), incr, append(append([]byte(nil), log...), make([]byte, 64)...))
			}},
			{"flip in the middle", func(d *disk.Disk) error { return d.CorruptAt(incr, middle, 1) }},
			{"base cut", func(d *disk.Disk) error { return d.TruncateAtRest(baseName, 5) }},
			{"manifest lost", func(d *disk.Disk) error { return d.FS(nil).Remove("appendonlydir/appendonly.aof.manifest") }},
		}
	})
	if err != nil {
		return Measurement{}, err
	}
	figure := ""
	tail, other := true, true
	for i, s := range got {
		how := "not at all"
		switch {
		case s.itself:
			how = fmt.Sprintf("by itself with %d of %d keys", s.kept, n)
		case s.repaired:
			how = fmt.Sprintf("repaired with %d of %d keys", s.kept, n)
		}
		figure += fmt.Sprintf("; %s: starts %s", s.what, how)
		whole := (s.itself || s.repaired) && s.kept >= n-1
		if i < 2 {
			tail = tail && whole
		} else {
			other = other && whole
		}
	}
	if tail && !other {
		return depends(len(got), "only the tail of the last file%s", figure)
	}
	return decide(tail && other, len(got), "%s", figure[2:])
}

func nothingByDefault(l *lab) (Measurement, error) {
	var save, aof string
	var killed, termed int64
	err := l.on(options{}, func(m *computer) error {
		if err := m.start(); err != nil {
			return err
		}
		r, err := must(m, "CONFIG", "GET", "save")
		if err != nil {
			return err
		}
		save = r.list[1]
		if r, err = must(m, "CONFIG", "GET", "appendonly"); err != nil {
			return err
		}
		aof = r.list[1]
		if err := set(m, "w", 50); err != nil {
			return err
		}
		m.kill()
		if err := m.again(); err != nil {
			return err
		}
		if killed, err = keys(m); err != nil {
			return err
		}
		if err := set(m, "w", 50); err != nil {
			return err
		}
		m.term()
		if err := m.again(); err != nil {
			return err
		}
		termed, err = keys(m)
		return err
	})
	if err != nil {
		return Measurement{}, err
	}
	return decide(save == "" && termed == 0, 2, "save %q, appendonly %s: %d of 50 keys after kill -9, %d of 50 after SIGTERM", save, aof, killed, termed)
}

func switchByRestart(l *lab) (Measurement, error) {
	var edited, configured int64
	for _, first := range []bool{false, true} {
		err := l.on(options{}, func(m *computer) error {
			if err := m.start(preset("rdb", "save 3600 1")...); err != nil {
				return err
			}
			if err := set(m, "w", 50); err != nil {
				return err
			}
			if first {
				if _, err := must(m, "CONFIG", "SET", "appendonly", "yes"); err != nil {
					return err
				}
				if err := idle(m); err != nil {
					return err
				}
			}
			m.term()
			if err := m.start(preset("everysec", "save 3600 1")...); err != nil {
				return err
			}
			n, err := keys(m)
			if first {
				configured = n
			} else {
				edited = n
			}
			return err
		})
		if err != nil {
			return Measurement{}, err
		}
	}
	return decide(edited == 50, 2, "edit and restart: %d of 50 keys; CONFIG SET appendonly yes first: %d of 50", edited, configured)
}

// copyIsBackup copies the files one after the other while clients write and a
// rewrite goes on, as cp -r does, and starts on the copy.
func copyIsBackup(l *lab) (Measurement, error) {
	var quietOK, busyOK, rounds int
	const n = 12
	for i := range n {
		for _, busy := range []bool{false, true} {
			var good bool
			err := l.on(options{}, func(m *computer) error {
				if err := m.start(preset("everysec")...); err != nil {
					return err
				}
				if err := set(m, "old", 200); err != nil {
					return err
				}
				w := write(m, "w", 200*time.Microsecond, 64)
				m.env().Sleep(20 * time.Millisecond)
				if busy {
					m.onCall(func(c *disk.Call) disk.Decision {
						if c.Kind.IsSync() || c.Kind == disk.OpRename || c.Kind == disk.OpUnlink {
							return disk.Decision{Delay: 5 * time.Millisecond}
						}
						return disk.Decision{}
					})
					if _, err := must(m, "BGREWRITEAOF"); err != nil {
						return err
					}
					m.env().Sleep(time.Duration(i) * 3 * time.Millisecond)
				}
				copied := map[string][]byte{}
				var names []string
				m.files(func(d *disk.Disk) { names, _ = d.FS(nil).List("appendonlydir") })
				acked := len(w.acked)
				for _, name := range names {
					m.env().Sleep(4 * time.Millisecond) // a copy takes time
					m.files(func(d *disk.Disk) {
						if data, err := vfs.ReadFile(d.FS(nil), "appendonlydir/"+name); err == nil {
							copied[name] = data
						}
					})
				}
				m.kill()
				w.halt()
				m.onCall(nil)
				var err error
				m.files(func(d *disk.Disk) { err = putBack(d.FS(nil), copied) })
				if err != nil {
					return err
				}
				err = m.again()
				if refused(err) {
					return nil
				}
				if err != nil {
					return err
				}
				have, err := keys(m)
				good = int(have) >= 200+acked
				return err
			})
			if err != nil {
				return Measurement{}, err
			}
			switch {
			case good && busy:
				busyOK++
			case good:
				quietOK++
			}
		}
		rounds++
	}
	figure := fmt.Sprintf("started with every write acknowledged before the copy: %d of %d copies during writes, %d of %d during a rewrite", quietOK, rounds, busyOK, rounds)
	if quietOK == rounds && busyOK < rounds {
		return depends(2*rounds, "%s", figure)
	}
	return decide(quietOK == rounds && busyOK == rounds, 2*rounds, "%s", figure)
}

func sortedNames(files map[string][]byte) []string { return slices.Sorted(maps.Keys(files)) }
