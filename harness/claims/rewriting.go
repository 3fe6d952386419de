package claims

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/torntail/torntail/faults/disk"
)

// This file measures what a rewrite of the append-only file promises (P5a, P8, P9, P18, P20).

func hybridLosesAsLittle(l *lab) (Measurement, error) {
	figure := ""
	var worst [2]time.Duration
	runs := 0
	for i, mode := range []string{"everysec", "hybrid"} {
		x, err := l.campaign(mode, "power", nil)
		if err != nil {
			return Measurement{}, err
		}
		worst[i] = x.max
		runs += int(x.runs)
		figure += fmt.Sprintf("; %s: p50 %s, p99 %s, max %s", mode, rounded(x.p50), rounded(x.p99), rounded(x.max))
	}
	return decide(worst[1] <= worst[0]+250*time.Millisecond, runs, "crashes before, in and after a rewrite%s", figure)
}

// inSteps sums up what cuts at each call lost.
func inSteps(steps []step) (lost, holes, refused int, worst time.Duration) {
	for _, s := range steps {
		lost += s.account.lost + s.account.wrong
		holes += s.account.holes
		worst = max(worst, s.account.window)
		if s.refused {
			refused++
		}
	}
	return lost, holes, refused, worst
}

func rewriteInterrupted(l *lab) (Measurement, error) {
	figure := ""
	holds := true
	runs := 0
	for _, mode := range []string{"always", "everysec"} {
		steps, err := l.everyCall(options{}, preset(mode), func(m *computer) error { return set(m, "old", 50) },
			func(m *computer) error {
				_, err := must(m, "BGREWRITEAOF")
				return err
			}, disk.Choice{Mode: disk.KeepNone}, 80)
		if err != nil {
			return Measurement{}, err
		}
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
func noFsyncOnRewrite(l *lab) (Measurement, error) {
	figure := ""
	var always [2]int
	for i, value := range []string{"yes", "no"} {
		for _, mode := range []string{"always", "everysec"} {
			for _, command := range []string{"BGREWRITEAOF", "BGSAVE"} {
				err := l.on(options{}, func(m *computer) error {
					if err := m.start(preset(mode, "no-appendfsync-on-rewrite "+value)...); err != nil {
						return err
					}
					if err := set(m, "old", 50); err != nil {
						return err
					}
					m.onCall(func(c *disk.Call) disk.Decision {
						// The child's own file, so that only the child is slow.
						if c.Kind == disk.OpFsync && strings.Contains(c.Path, "temp-") && !strings.Contains(c.Path, "manifest") {
							return disk.Decision{Delay: 3 * time.Second}
						}
						return disk.Decision{}
					})
					w := write(m, "w", time.Millisecond, 64)
					m.env().Sleep(50 * time.Millisecond)
					if _, err := must(m, command); err != nil {
						return err
					}
					m.env().Sleep(2500 * time.Millisecond)
					field := "aof_rewrite_in_progress"
					if command == "BGSAVE" {
						field = "rdb_bgsave_in_progress"
					}
					if at, err := info(m, field); err != nil || at != "1" {
						return fmt.Errorf("%s was over before the power was cut (%v)", command, err)
					}
					m.powerCut(disk.Choice{Mode: disk.KeepNone})
					m.onCall(nil)
					w.halt()
					if err := m.again(); err != nil {
						return err
					}
					a, err := w.audit(m.downAt())
					figure += fmt.Sprintf("; %s, %s, %s: lost %d, window %s", value, mode, command, a.lost, rounded(a.window))
					if mode == "always" {
						always[i] += a.lost
					}
					return err
				})
				if err != nil {
					return Measurement{}, err
				}
			}
		}
	}
	return decide(always[0] > 0 && always[1] == 0, 8, "%s", figure[2:])
}

// rewriteBlocks gives the device to the child: while that writes, a sync of the
// log takes three seconds.
func rewriteBlocks(l *lab) (Measurement, error) {
	var stall [2]time.Duration
	for k := range 6 {
		i, value := k%2, [...]string{"yes", "no"}[k%2]
		// On an HDD most writes to a file wait for a sync of it.
		err := l.on(options{profile: "hdd"}, func(m *computer) error {
			if err := m.start(preset("everysec", "no-appendfsync-on-rewrite "+value)...); err != nil {
				return err
			}
			if err := set(m, "old", 50); err != nil {
				return err
			}
			var working atomic.Bool
			m.onCall(func(c *disk.Call) disk.Decision {
				switch {
				case c.Kind == disk.OpFsync && strings.Contains(c.Path, "temp-rewriteaof"):
					working.Store(true)
					return disk.Decision{Delay: 7 * time.Second}
				case c.Kind == disk.OpFdatasync && isIncr(c.Path) && working.Load():
					return disk.Decision{Delay: 3 * time.Second}
				}
				return disk.Decision{}
			})
			w := write(m, "w", time.Millisecond, 64)
			m.env().Sleep(100 * time.Millisecond)
			w.longest = 0
			if err := rewritten(m); err != nil {
				return err
			}
			stall[i] = max(stall[i], w.longest)
			w.halt()
			return nil
		})
		if err != nil {
			return Measurement{}, err
		}
	}
	return decide(stall[1] > 2*stall[0] && stall[1] > 300*time.Millisecond, 6,
		"longest stall during a rewrite under everysec, a sync of the log taking 3 s meanwhile: %s with no, %s with yes", rounded(stall[1]), rounded(stall[0]))
}

// appendonlyOn cuts the power at each disk call of CONFIG SET appendonly yes,
// and counts writes that were acknowledged after its OK.
func appendonlyOn(l *lab) (Measurement, error) {
	after := 0
	runs, worst := 0, 0
	for k := 1; k <= 60; k++ {
		over := false
		err := l.on(options{}, func(m *computer) error {
			if err := m.start(preset("none", "appendfsync always")...); err != nil {
				return err
			}
			if err := set(m, "old", 20); err != nil {
				return err
			}
			n, hit := 0, false
			m.onCall(func(c *disk.Call) disk.Decision {
				if !c.Kind.Mutates() && !c.Kind.IsSync() {
					return disk.Decision{}
				}
				if n++; n != k {
					return disk.Decision{}
				}
				hit = true
				return m.cutAt(disk.PlaceEnter, disk.Choice{Mode: disk.KeepNone})
			})
			r, err := do(m, "CONFIG", "SET", "appendonly", "yes")
			ok := err == nil && !r.error && r.text == "OK"
			var w *ledger
			if ok {
				w = write(m, "w", time.Millisecond, 64)
			}
			if err == nil && idle(m) == nil && !hit {
				over = true
				if w != nil {
					w.halt()
				}
				return nil
			}
			if !m.awaitDown(replyLimit) {
				return fmt.Errorf("the power was cut at call %d, and the server lives", k)
			}
			m.onCall(nil)
			runs++
			if w == nil {
				return nil
			}
			w.halt()
			// As its administrator would start it now: the file says what CONFIG SET said.
			err = m.start(preset("always")...)
			if refused(err) {
				after += len(w.acked)
				worst = max(worst, len(w.acked))
				return nil
			}
			if err != nil {
				return err
			}
			a, err := w.audit(m.downAt())
			after += a.lost
			worst = max(worst, a.lost)
			return err
		})
		if err != nil {
			return Measurement{}, err
		}
		if over {
			break
		}
	}
	return decide(after == 0, runs, "cuts at each of %d disk calls until the first rewrite ended, always: %d writes acknowledged after the OK are lost, up to %d in one", runs, after, worst)
}

// autoRewriteSizes scales the defaults, 100 % and 64 MB, down to 64 kB.
func autoRewriteSizes(l *lab) (Measurement, error) {
	const minimum = 64 << 10
	var first, base, second int64
	err := l.on(options{}, func(m *computer) error {
		if err := m.start(preset("no", "auto-aof-rewrite-percentage 100", "auto-aof-rewrite-min-size 64kb")...); err != nil {
			return err
		}
		var err error
		if first, base, err = nextRewrite(m, 60); err != nil {
			return err
		}
		second, _, err = nextRewrite(m, 60)
		return err
	})
	if err != nil {
		return Measurement{}, err
	}
	holds := func(at, threshold int64) bool { return at >= threshold && at < threshold*5/4 }
	return decide(holds(first, minimum) && holds(second, max(2*base, minimum)), 2,
		"minimum 64 kB: the first rewrite starts at %d kB and leaves %d kB, the next starts at %d kB", first>>10, base>>10, second>>10)
}

// nextRewrite overwrites so many keys in turn until the server rewrites its log
// by itself: the log's size before, and that of the base it leaves.
func nextRewrite(m *computer, keys int) (size, base int64, err error) {
	c, err := dial(m)
	if err != nil {
		return 0, 0, err
	}
	defer c.close()
	value := strings.Repeat("x", 1000)
	for n := range 2000 {
		if r, err := c.do("SET", "k"+strconv.Itoa(n%keys), value); err != nil || r.error {
			return 0, 0, fmt.Errorf("SET: %s %w", r.text, err)
		}
		if n%3 != 2 {
			continue
		}
		before := number(m, "aof_current_size")
		m.env().Sleep(250 * time.Millisecond) // serverCron has looked
		if err := idle(m); err != nil {
			return 0, 0, err
		}
		if number(m, "aof_current_size") < before {
			return before, number(m, "aof_base_size"), nil
		}
	}
	return 0, 0, fmt.Errorf("no rewrite started by itself")
}

// number reads a field of INFO as a number; 0 when it is not there.
func number(m *computer, field string) int64 {
	text, err := info(m, field)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}
