package claims

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/machine"
)

// This file measures what a start makes of the files there are (P5c, P5d, P6, P7, P16, P17, P19).

func hybridNeedsBoth(l *lab) Measurement {
	var head []byte
	l.on(options{}, func(m *computer) {
		m.start(preset("hybrid")...)
		set(m, "w", 10)
		rewritten(m)
		m.files(func(d *disk.Disk) { _, head = fileLike(d, ".base.") })
	})
	return decide(!bytes.HasPrefix(head, []byte("REDIS")), 1, `with save "" the base begins with %q`, head[:min(9, len(head))])
}

func hybridIsSwitchedOn(l *lab) Measurement {
	var value string
	l.on(options{}, func(m *computer) {
		m.start("appendonly yes")
		value = directive(m, "aof-use-rdb-preamble")
	})
	return decide(value == "no", 1, "aof-use-rdb-preamble is %s by default", value)
}

func aofWins(l *lab) Measurement {
	var value string
	l.on(options{}, func(m *computer) {
		m.start(preset("always", "save 3600 1")...)
		must(m, "SET", "who", "rdb")
		must(m, "SAVE")
		must(m, "SET", "who", "aof")
		m.kill()
		m.again()
		value = string(must(m, "GET", "who").Data)
	})
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
func (l *lab) startOn(conf []string, n int, rewrite bool, repair bool, damages func(d *disk.Disk) []damage) (out []started) {
	l.on(options{limit: time.Hour}, func(m *computer) {
		m.start(conf...)
		set(m, "w", n/2)
		if rewrite {
			rewritten(m)
		}
		set(m, "x", n-n/2)
		m.kill()
		var whole map[string][]byte
		var list []damage
		m.files(func(d *disk.Disk) {
			list = damages(d)
			whole = filesIn(d.FS(nil), "appendonlydir")
		})
		for _, dm := range list {
			m.change(dm.do)
			st := started{what: dm.what}
			if repair {
				how := m.recover()
				st.itself, st.repaired = how == machine.ByItself, how == machine.Repaired
			} else {
				st.itself = m.starts()
			}
			if st.itself || st.repaired {
				st.kept = keys(m)
				m.kill()
			}
			out = append(out, st)
			m.change(func(d *disk.Disk) error { return putBack(d.FS(nil), whole) })
		}
	})
	return out
}

// putBack makes appendonlydir hold these files and no others.
func putBack(fsys vfs.FS, whole map[string][]byte) error {
	if _, err := fsys.Stat("appendonlydir"); err != nil {
		if err := fsys.Mkdir("appendonlydir"); err != nil {
			return err
		}
	}
	for name := range filesIn(fsys, "appendonlydir") { // any order: they are removed
		if whole[name] == nil {
			if err := fsys.Remove(name); err != nil {
				return err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(whole)) {
		if err := vfs.WriteFile(fsys, name, whole[name]); err != nil {
			return err
		}
	}
	return nil
}

func truncatedStarts(l *lab) Measurement {
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
	yes := l.startOn(preset("always"), n, false, false, cuts)
	no := l.startOn(preset("always", "aof-load-truncated no"), n, false, false, cuts)
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

func checkAOFRepairs(l *lab) Measurement {
	const n = 40
	got := l.startOn(preset("hybrid"), n, true, true, func(d *disk.Disk) []damage {
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

func nothingByDefault(l *lab) Measurement {
	var save, aof string
	var killed, termed int64
	l.on(options{}, func(m *computer) {
		m.start()
		save = directive(m, "save")
		aof = directive(m, "appendonly")
		set(m, "w", 50)
		m.kill()
		m.again()
		killed = keys(m)
		set(m, "w", 50)
		m.term()
		m.again()
		termed = keys(m)
	})
	return decide(save == "" && termed == 0, 2, "save %q, appendonly %s: %d of 50 keys after kill -9, %d of 50 after SIGTERM", save, aof, killed, termed)
}

func switchByRestart(l *lab) Measurement {
	var edited, configured int64
	for _, first := range []bool{false, true} {
		l.on(options{}, func(m *computer) {
			m.start(preset("rdb", "save 3600 1")...)
			set(m, "w", 50)
			if first {
				must(m, "CONFIG", "SET", "appendonly", "yes")
				idle(m)
			}
			m.term()
			m.start(preset("everysec", "save 3600 1")...)
			if first {
				configured = keys(m)
			} else {
				edited = keys(m)
			}
		})
	}
	return decide(edited == 50, 2, "edit and restart: %d of 50 keys; CONFIG SET appendonly yes first: %d of 50", edited, configured)
}

// copyIsBackup copies the files one after the other while clients write and a
// rewrite goes on, as cp -r does, and starts on the copy.
func copyIsBackup(l *lab) Measurement {
	var quietOK, busyOK, rounds int
	const n = 12
	for i := range n {
		for _, busy := range []bool{false, true} {
			var good bool
			l.on(options{}, func(m *computer) {
				m.start(preset("everysec")...)
				set(m, "old", 200)
				w := write(m, "w", 200*time.Microsecond, 64)
				m.Env().Sleep(20 * time.Millisecond)
				if busy {
					m.onCall(func(c *disk.Call, d *disk.Decision) {
						if c.Kind.IsSync() || c.Kind == disk.OpRename || c.Kind == disk.OpUnlink {
							d.Delay = 5 * time.Millisecond
						}
					})
					must(m, "BGREWRITEAOF")
					m.Env().Sleep(time.Duration(i) * 3 * time.Millisecond)
				}
				copied := map[string][]byte{}
				var names []string
				m.files(func(d *disk.Disk) { names, _ = d.FS(nil).List("appendonlydir") })
				acked := len(w.acked)
				for _, name := range names {
					m.Env().Sleep(4 * time.Millisecond) // a copy takes time
					m.files(func(d *disk.Disk) {
						if data, err := vfs.ReadFile(d.FS(nil), "appendonlydir/"+name); err == nil {
							copied["appendonlydir/"+name] = data
						}
					})
				}
				m.kill()
				w.halt()
				m.onCall(nil)
				m.change(func(d *disk.Disk) error { return putBack(d.FS(nil), copied) })
				good = m.starts() && int(keys(m)) >= 200+acked
			})
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
