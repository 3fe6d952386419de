package claims

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/machine"
)

// This file measures what a rewrite of the append-only file promises (P5a, P8, P9, P18, P20).

func hybridLosesAsLittle(l *lab) Measurement {
	figure := ""
	var worst [2]time.Duration
	runs := 0
	for i, mode := range []string{"everysec", "hybrid"} {
		x := l.campaign(mode, "power", nil)
		worst[i] = x.max
		runs += int(x.runs)
		figure += fmt.Sprintf("; %s: p50 %s, p99 %s, max %s", mode, rounded(x.p50), rounded(x.p99), rounded(x.max))
	}
	return decide(worst[1] <= worst[0]+250*time.Millisecond, runs, "crashes before, in and after a rewrite%s", figure)
}

// inSteps sums up what cuts at each call lost.
func inSteps(steps []account) (lost, holes, refused int, worst time.Duration) {
	for _, a := range steps {
		if a.how == machine.RefusedToStart {
			refused++
			continue
		}
		lost += a.lost + a.wrong
		holes += a.holes
		worst = max(worst, a.window)
	}
	return lost, holes, refused, worst
}

func rewriteInterrupted(l *lab) Measurement {
	figure := ""
	holds := true
	runs := 0
	for _, mode := range []string{"always", "everysec"} {
		steps := l.everyCall(preset(mode), func(m *computer) { set(m, "old", 50) },
			func(m *computer) { must(m, "BGREWRITEAOF") }, disk.Choice{Mode: disk.KeepNone}, 80)
		lost, holes, refused, worst := inSteps(steps)
		runs += len(steps)
		figure += fmt.Sprintf("; %s, a cut at each of %d disk calls: lost %d (%d behind a survivor), window at most %s, %d refused to start", mode, len(steps), lost, holes, rounded(worst), refused)
		if mode == "always" && lost > 0 || worst > 2100*time.Millisecond || refused+holes > 0 {
			holds = false
		}
	}
	return decide(holds, runs, "%s", figure[2:])
}

// noFsyncOnRewrite holds a child up and cuts the power while it works.
func noFsyncOnRewrite(l *lab) Measurement {
	figure := ""
	var always [2]int
	for i, value := range []string{"yes", "no"} {
		for _, mode := range []string{"always", "everysec"} {
			for _, command := range []string{"BGREWRITEAOF", "BGSAVE"} {
				prepare := func(m *computer) {
					set(m, "old", 50)
					m.onCall(func(c *disk.Call, d *disk.Decision) {
						// The child's own file, so that only the child is slow.
						if c.Kind == disk.OpFsync && strings.Contains(c.Path, "temp-") && !strings.Contains(c.Path, "manifest") {
							d.Delay = 3 * time.Second
						}
					})
				}
				a := l.written(trial{conf: preset(mode, "no-appendfsync-on-rewrite "+value), prepare: prepare}, func(m *computer, _ *ledger) {
					m.Env().Sleep(50 * time.Millisecond)
					must(m, command)
					m.Env().Sleep(2500 * time.Millisecond)
					field := "aof_rewrite_in_progress"
					if command == "BGSAVE" {
						field = "rdb_bgsave_in_progress"
					}
					if info(m, field) != "1" {
						fail("%s was over before the power was cut", command)
					}
					m.powerCut(disk.Choice{Mode: disk.KeepNone})
				})
				figure += fmt.Sprintf("; %s, %s, %s: lost %d, window %s", value, mode, command, a.lost, rounded(a.window))
				if mode == "always" {
					always[i] += a.lost
				}
			}
		}
	}
	return decide(always[0] > 0 && always[1] == 0, 8, "%s", figure[2:])
}

// rewriteBlocks gives the device to the child: while that writes, a sync of the
// log takes three seconds.
func rewriteBlocks(l *lab) Measurement {
	var stall [2]time.Duration
	for k := range 6 {
		i, value := k%2, [...]string{"yes", "no"}[k%2]
		// On an HDD most writes to a file wait for a sync of it.
		l.on(options{profile: "hdd"}, func(m *computer) {
			m.start(preset("everysec", "no-appendfsync-on-rewrite "+value)...)
			set(m, "old", 50)
			var working atomic.Bool
			m.onCall(func(c *disk.Call, d *disk.Decision) {
				switch {
				case c.Kind == disk.OpFsync && strings.Contains(c.Path, "temp-rewriteaof"):
					working.Store(true)
					d.Delay = 7 * time.Second
				case c.Kind == disk.OpFdatasync && isIncr(c.Path) && working.Load():
					d.Delay = 3 * time.Second
				}
			})
			w := write(m, "w", time.Millisecond, 64)
			m.Env().Sleep(100 * time.Millisecond)
			w.longest = 0
			rewritten(m)
			stall[i] = max(stall[i], w.longest)
			w.halt()
		})
	}
	return decide(stall[1] > 2*stall[0] && stall[1] > 300*time.Millisecond, 6,
		"longest stall during a rewrite under everysec, a sync of the log taking 3 s meanwhile: %s with no, %s with yes", rounded(stall[1]), rounded(stall[0]))
}

// appendonlyOn cuts the power at each disk call of CONFIG SET appendonly yes,
// and counts writes that were acknowledged after its OK.
func appendonlyOn(l *lab) Measurement {
	after := 0
	runs, worst := 0, 0
	for k := 1; k <= 60; k++ {
		over := false
		l.on(options{}, func(m *computer) {
			m.start(preset("none", "appendfsync always")...)
			set(m, "old", 20)
			at := m.cutAtCall(k, disk.PlaceEnter, disk.Choice{Mode: disk.KeepNone}, func(*disk.Call) bool { return true })
			r, err := do(m, "CONFIG", "SET", "appendonly", "yes")
			var w *ledger
			if err == nil && string(r.Data) == "OK" {
				w = write(m, "w", time.Millisecond, 64)
			}
			if err == nil && attempt(func() { idle(m) }) == nil && *at == "" {
				over = true
				if w != nil {
					w.halt()
				}
				return
			}
			if !m.awaitDown(replyLimit) {
				fail("the power was cut at %s, and the server lives", *at)
			}
			m.onCall(nil)
			runs++
			if w == nil {
				return
			}
			w.halt()
			// As its administrator would start it now: the file says what CONFIG SET said.
			m.configure(preset("always")...)
			lost := len(w.acked)
			if m.starts() {
				lost = w.audit(m.downAt()).lost
			}
			after += lost
			worst = max(worst, lost)
		})
		if over {
			break
		}
	}
	return decide(after == 0, runs, "cuts at each of %d disk calls until the first rewrite ended, always: %d writes acknowledged after the OK are lost, up to %d in one", runs, after, worst)
}

// autoRewriteSizes scales the defaults, 100 % and 64 MB, down to 64 kB.
func autoRewriteSizes(l *lab) Measurement {
	const minimum = 64 << 10
	var first, base, second int64
	l.on(options{}, func(m *computer) {
		m.start(preset("no", "auto-aof-rewrite-percentage 100", "auto-aof-rewrite-min-size 64kb")...)
		first, base = nextRewrite(m, 60)
		second, _ = nextRewrite(m, 60)
	})
	holds := func(at, threshold int64) bool { return at >= threshold && at < threshold*5/4 }
	return decide(holds(first, minimum) && holds(second, max(2*base, minimum)), 2,
		"minimum 64 kB: the first rewrite starts at %d kB and leaves %d kB, the next starts at %d kB", first>>10, base>>10, second>>10)
}

// nextRewrite overwrites so many keys in turn until the server rewrites its log
// by itself: the log's size before, and that of the base it leaves.
func nextRewrite(m *computer, keys int) (size, base int64) {
	c := get(m.dial())
	defer c.Close()
	value := strings.Repeat("x", 1000)
	for n := range 2000 {
		if r := get(c.Do(replyLimit, "SET", "k"+strconv.Itoa(n%keys), value)); refused(r) {
			fail("SET: %s", r.Data)
		}
		if n%3 != 2 {
			continue
		}
		before := number(m, "aof_current_size")
		m.Env().Sleep(250 * time.Millisecond) // serverCron has looked
		idle(m)
		if number(m, "aof_current_size") < before {
			return before, number(m, "aof_base_size")
		}
	}
	fail("no rewrite started by itself")
	return 0, 0
}

// number reads a field of INFO as a number.
func number(m *computer, field string) int64 {
	return get(strconv.ParseInt(info(m, field), 10, 64))
}
