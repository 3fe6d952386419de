package claims

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// This file measures what the three fsync policies lose (P1 to P3, P13).

// loss is what a campaign of one mode and one crash kind lost.
type loss struct {
	runs, lost    int64
	refused       int64
	p50, p99, max time.Duration
	violated      bool
	censored      bool
	anomalies     map[string]int
}

func ms(x float64) time.Duration { return time.Duration(x * float64(time.Millisecond)) }

// campaign crashes a mode many times, as `torntail run` does.
func (l *lab) campaign(mode, crash string, change func(m *product.Mode, c *campaign.Campaign)) loss {
	m := get(redis.ModeByName(mode))
	kind := get(experiment.CrashByName(crash))
	c := &campaign.Campaign{Crashes: []*experiment.CrashKind{kind}, Workload: workloads.Default(), Personality: "ext4", Profile: "cloud-ssd", Seed: l.seed, Runs: 100, Plants: l.target.plants}
	if l.target.real() {
		c.Runs = 40
	}
	if change != nil {
		change(&m, c)
	}
	c.Modes = []product.Mode{m}
	results := get(c.Run(l.ctx, l.target.Backend))
	check(l.ctx.Err())
	r := &results[0]
	if r.Verdict == result.Unknown {
		fail("%s, %s: nothing proved: %s", mode, crash, r.Why)
	}
	out := loss{runs: int64(r.Struck), lost: r.Lost, refused: int64(r.Recovery.Refused), violated: r.Verdict == result.Violated, anomalies: r.Anomalies}
	if w := r.LossWindow; w != nil {
		out.p50, out.p99, out.max, out.censored = ms(w.P50), ms(w.P99), ms(w.Max), w.Censored > 0
	}
	return out
}

func rounded(d time.Duration) string { return d.Round(time.Millisecond).String() }

func alwaysLosesNothing(l *lab) Measurement {
	var runs, lost int64
	for _, crash := range []string{"kill", "power", "kill-in-fsync", "power-in-fsync"} {
		x := l.campaign("always", crash, nil)
		runs, lost = runs+x.runs, lost+x.lost
	}
	return decide(lost == 0, int(runs), "%d acknowledged writes lost in %d crashes", lost, runs)
}

func everysecOneSecond(l *lab) Measurement {
	quick := l.campaign("everysec", "power", nil)
	slow := l.underSlowFsync("everysec", 2*time.Second)
	figure := fmt.Sprintf("window p50 %s, p99 %s, max %s on a quick disk; %s where fsync takes 2 s (source: 2 s + fsync)",
		rounded(quick.p50), rounded(quick.p99), rounded(quick.max), rounded(slow.window))
	if quick.p99 <= 1100*time.Millisecond && slow.window > 1500*time.Millisecond {
		return depends(int(quick.runs)+1, "%s", figure)
	}
	return decide(slow.window <= time.Second && quick.max <= time.Second, int(quick.runs)+1, "%s", figure)
}

// everysecOnKill shows both halves: outside of an fsync nothing, inside one what
// was postponed behind it.
func everysecOnKill(l *lab) Measurement {
	outside, inside := 0, 0
	const rounds = 3
	for range rounds {
		outside += l.killUnderFsync(0)
		inside += l.killUnderFsync(4 * time.Second)
	}
	return decide(outside == 0 && inside == 0, 2*rounds, "%d lost in %d kills with no fsync in flight, %d in %d kills inside one of 4 s", outside, rounds, inside, rounds)
}

// killUnderFsync kills an everysec server 600 ms after an fsync of that length
// has begun; with 0, while none is in flight.
func (l *lab) killUnderFsync(length time.Duration) int {
	slow := false
	a := l.written(trial{conf: preset("everysec")}, func(m *computer, _ *ledger) {
		m.onCall(func(c *disk.Call, d *disk.Decision) {
			if length > 0 && c.Kind == disk.OpFdatasync && !slow {
				slow = true
				d.Delay = length
			}
		})
		from := m.Env().Now()
		for m.Env().Now()-from < 10*time.Second && (length == 0 || !inFlight(m)) {
			m.Env().Sleep(5 * time.Millisecond)
			if length == 0 && m.Env().Now()-from > 1500*time.Millisecond && !inFlight(m) {
				break
			}
		}
		if length > 0 {
			m.Env().Sleep(600 * time.Millisecond)
			if !inFlight(m) {
				fail("no fsync was in flight when the server was to be killed")
			}
		}
		m.kill()
	})
	return a.lost
}

// inFlight reports whether a sync of the log is under way.
func inFlight(m *computer) (is bool) {
	m.files(func(d *disk.Disk) {
		log := d.Log()
		for i := len(log) - 1; i >= 0 && i > len(log)-4000; i-- {
			c := &log[i].Call
			if c.Kind == disk.OpFdatasync && c.Return == disk.Never {
				is = true
				return
			}
		}
	})
	return is
}

func kernelFlushes(l *lab) Measurement {
	x := l.campaign("no", "power", nil)
	if l.target.real() {
		return decide(x.max > 2*time.Second, int(x.runs), "window p50 %s, max >=%s (the run is short; only the block backend measures the kernel's write-back)", rounded(x.p50), rounded(x.max))
	}
	return decide(x.max > 20*time.Second && x.max <= 40*time.Second, int(x.runs), "window p50 %s, p99 %s, max %s (modelled: 30 s expiry + 5 s flusher + 5 s journal)", rounded(x.p50), rounded(x.p99), rounded(x.max))
}

// noLosesMost cuts the power at different times of a run at one rate.
func noLosesMost(l *lab) Measurement {
	modes := []string{"always", "everysec", "no"}
	const cuts = 6
	var lost [3]float64
	for i, mode := range modes {
		for k := range cuts {
			a := l.written(trial{options: options{profile: "cloud-ssd"}, conf: preset(mode), every: 2 * time.Millisecond}, func(m *computer, _ *ledger) {
				m.Env().Sleep(3*time.Second + time.Duration(k)*170*time.Millisecond)
				m.powerCut(disk.Choice{Mode: disk.KeepNone})
			})
			lost[i] += float64(a.lost) / cuts
		}
	}
	return decide(lost[2] > lost[1] && lost[1] > lost[0], len(modes)*cuts, "lost in a power cut at up to 500 writes/s after 3 to 4 s: always %.0f, everysec %.0f, no %.0f", lost[0], lost[1], lost[2])
}

// slowFsync gives the longest stall of a client and the window for each length.
func slowFsync(l *lab) Measurement {
	figure := ""
	refuted := false
	runs := 0
	for _, mode := range []string{"always", "everysec", "no"} {
		for _, length := range []time.Duration{100 * time.Millisecond, time.Second, 3 * time.Second} {
			a := l.underSlowFsync(mode, length)
			runs++
			figure += fmt.Sprintf("; %s %s: stall %s, window %s", mode, length, rounded(a.longest), rounded(a.window))
			if mode == "everysec" && a.window > 2*time.Second {
				refuted = true
			}
		}
	}
	return decide(!refuted, runs, "fsync of%s", figure[1:])
}

// underSlowFsync cuts the power of a server whose fsyncs take that long, in the
// middle of one.
func (l *lab) underSlowFsync(mode string, length time.Duration) account {
	return l.written(trial{options: options{latency: length}, conf: preset(mode)}, func(m *computer, _ *ledger) {
		m.Env().Sleep(3*length + 2500*time.Millisecond)
		m.powerCut(disk.Choice{Mode: disk.KeepNone})
	})
}

// failedFsync fails the k-th fsync of the log once, and cuts the power a second later.
func failedFsync(l *lab) Measurement {
	figure := ""
	alwaysHeld, othersLost := true, false
	runs := 0
	for _, mode := range []string{"always", "everysec", "no"} {
		exited, failed := false, false
		a := l.written(trial{conf: preset(mode), size: 512}, func(m *computer, _ *ledger) {
			m.Env().Sleep(1500 * time.Millisecond)
			m.onCall(func(c *disk.Call, d *disk.Decision) {
				if !failed && (c.Kind == disk.OpFdatasync || c.Kind == disk.OpFsync) && isIncr(c.Path) {
					failed = true
					d.Err = syscall.EIO
				}
			})
			if mode == "no" {
				// Only closing the old log syncs it.
				must(m, "BGREWRITEAOF")
			}
			exited = m.awaitDown(2500 * time.Millisecond)
			m.powerCut(disk.Choice{Mode: disk.KeepNone})
			if !failed {
				fail("%s: no fsync of the log came to fail", mode)
			}
		})
		itself := a.how == machine.ByItself
		runs++
		figure += fmt.Sprintf("; %s: exits %t, lost %d of %d (%d behind a survivor), starts by itself %t", mode, exited, a.lost, a.acked, a.holes, itself)
		if mode == "always" {
			alwaysHeld = exited && a.lost == 0
		} else {
			othersLost = othersLost || a.holes > 0 || !itself || a.lost > 0
		}
	}
	if alwaysHeld && othersLost {
		return depends(runs, "holds for always, refuted for the others%s", figure)
	}
	return decide(alwaysHeld, runs, "%s", figure[2:])
}

func isIncr(path string) bool { return strings.HasSuffix(path, ".incr.aof") }
