package claims

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/internal/quantile"
)

// This file measures time, memory and size (P5b, P15, P21, P22). Only a real
// server has any to speak of.

// restartTimes gives how long a server takes to start on n keys of 100 bytes,
// kept in different files, and how large the files are.
type kept struct {
	name  string
	took  time.Duration
	bytes int64
}

// fill writes n keys of 100 bytes through commands, so that they are in the log.
func fill(m *computer, prefix string, n int) {
	c := get(m.dial())
	defer c.Close()
	value := strings.Repeat("v", 100)
	check(c.Many(replyLimit, n, 500, func(i int) []string { return []string{"SET", prefix + strconv.Itoa(i), value} }))
}

func (l *lab) keptAs(name string, conf []string, n int, prepare func(m *computer)) kept {
	k := kept{name: name}
	l.on(options{limit: time.Hour}, func(m *computer) {
		m.start(conf...)
		prepare(m)
		m.term()
		m.files(func(d *disk.Disk) { k.bytes = d.Used() })
		var took []time.Duration
		for range 3 {
			from := m.Env().Now()
			m.again()
			took = append(took, m.Env().Now()-from)
			if have := keys(m); int(have) != n {
				fail("%s: %d of %d keys after the restart", name, have, n)
			}
			m.kill()
		}
		k.took = slices.Min(took)
	})
	return k
}

// sizedKeys is how many keys the measurements of time and size have.
const sizedKeys = 300_000

func restartTimes(l *lab) Measurement {
	rdb := l.keptAs("RDB", preset("rdb", "save 3600 1"), sizedKeys, func(m *computer) { fill(m, "k", sizedKeys) })
	hybrid := l.keptAs("hybrid", preset("hybrid"), sizedKeys, func(m *computer) {
		fill(m, "k", sizedKeys)
		rewritten(m)
	})
	half := l.keptAs("hybrid, incr = base", preset("hybrid"), sizedKeys, func(m *computer) {
		fill(m, "k", sizedKeys/2)
		rewritten(m)
		fill(m, "l", sizedKeys/2)
	})
	aof := l.keptAs("AOF", preset("everysec"), sizedKeys, func(m *computer) { fill(m, "k", sizedKeys) })
	figure := fmt.Sprintf("%dk keys of 100 bytes, best of 3: RDB %s, hybrid after a rewrite %s, with as much in the incr %s, AOF %s",
		sizedKeys/1000, rounded(rdb.took), rounded(hybrid.took), rounded(half.took), rounded(aof.took))
	if aof.took > hybrid.took && aof.took > rdb.took && (hybrid.took-rdb.took).Abs() < rdb.took/4 {
		return depends(12, "RDB and hybrid alike, AOF slower; %s", figure)
	}
	return decide(rdb.took < hybrid.took && hybrid.took < aof.took, 12, "%s", figure)
}

func hybridStartsAsFast(l *lab) Measurement {
	const n = sizedKeys
	rdb := l.keptAs("RDB", preset("rdb", "save 3600 1"), n, func(m *computer) { fill(m, "k", n) })
	figure := fmt.Sprintf("RDB %s; hybrid with incr/base of about", rounded(rdb.took))
	var ratio [3]float64
	for i, share := range []int{0, 10, 100} { // incr in percent of the base
		base := n * 100 / (100 + share)
		k := l.keptAs("hybrid", preset("hybrid"), n, func(m *computer) {
			fill(m, "k", base)
			rewritten(m)
			fill(m, "l", n-base)
		})
		ratio[i] = float64(k.took) / float64(rdb.took)
		figure += fmt.Sprintf(" %g: %s,", float64(share)/100, rounded(k.took))
	}
	k := l.keptAs("hybrid", preset("hybrid"), n/10, func(m *computer) {
		fill(m, "k", n/10)
		rewritten(m)
		for range 9 { // ten times the base, of the same keys
			fill(m, "k", n/10)
		}
	})
	figure += fmt.Sprintf(" and 10 (a tenth of the keys, overwritten): %s", rounded(k.took))
	if ratio[0] < 1.25 && (ratio[2] > 1.15 || float64(k.took)/float64(rdb.took) > 0.5) {
		return depends(15, "only just after a rewrite: %s", figure)
	}
	return decide(ratio[2] < 1.15, 15, "%s", figure)
}

func fileSizes(l *lab) Measurement {
	const n = 50_000
	figure := ""
	var size [3]int64
	for i, x := range []struct {
		name    string
		conf    []string
		rewrite bool
	}{{"RDB", preset("rdb", "save 3600 1"), false}, {"AOF", preset("everysec"), false}, {"AOF rewritten", preset("everysec"), true}} {
		k := l.keptAs(x.name, x.conf, n, func(m *computer) {
			for range 2 { // each key written twice
				fill(m, "k", n)
			}
			if x.rewrite {
				rewritten(m)
			}
		})
		size[i] = k.bytes
		figure += fmt.Sprintf("; %s %.1f MB", x.name, float64(k.bytes)/1e6)
	}
	plain := l.keptAs("RDB uncompressed", preset("rdb", "save 3600 1", "rdbcompression no"), n, func(m *computer) { fill(m, "k", n) })
	return decide(size[0] < size[2] && plain.bytes < size[2] && size[2] < size[1], 4, "%dk keys of 100 bytes, written twice%s; RDB with rdbcompression no %.1f MB", n/1000, figure, float64(plain.bytes)/1e6)
}

// throughput is commands a second of n SETs through that many connections.
func throughput(m *computer, clients, n int) float64 {
	e := m.Env()
	from := e.Now()
	left, ended := clients, e.NewCond()
	var failed error
	for i := range clients {
		e.Go("load", func() {
			defer func() {
				left--
				ended.Broadcast()
			}()
			err := attempt(func() {
				c := get(m.dial())
				defer c.Close()
				check(c.Many(replyLimit, n/clients, 1, func(k int) []string {
					return []string{"SET", "t" + strconv.Itoa(i) + ":" + strconv.Itoa(k%1000), "value of some bytes to write"}
				}))
			})
			if err != nil {
				failed = err
			}
		})
	}
	for left > 0 {
		ended.WaitFor(replyLimit)
	}
	check(failed)
	return float64(n) / (e.Now() - from).Seconds()
}

func policySpeed(l *lab) Measurement {
	figure := ""
	var rate [2][3]float64
	for i, clients := range []int{1, 50} {
		figure += fmt.Sprintf("; %d clients:", clients)
		for j, mode := range []string{"always", "everysec", "no"} {
			for range 3 {
				l.on(options{profile: "cloud-ssd"}, func(m *computer) {
					m.start(preset(mode)...)
					rate[i][j] = max(rate[i][j], throughput(m, clients, 600*clients))
				})
			}
			figure += fmt.Sprintf(" %s %.1fk/s", mode, rate[i][j]/1000)
		}
	}
	figure = "closed loop, fsync as a cloud SSD's (p50 1.2 ms)" + figure
	slowest := rate[0][0] < rate[0][1] && rate[0][0] < rate[0][2]
	if slowest && rate[0][0] < rate[0][1]/2 {
		return depends(18, "on clients and disk; always is %.0f times slower with 1 client, %.1f times with 50; %s", rate[0][1]/rate[0][0], rate[1][1]/rate[1][0], figure)
	}
	return decide(slowest, 18, "%s", figure)
}

func loggedAfterwards(l *lab) Measurement {
	var p50 [2]time.Duration
	for i, mode := range []string{"none", "always"} {
		l.on(options{latency: 10 * time.Millisecond}, func(m *computer) {
			m.start(preset(mode)...)
			c := get(m.dial())
			defer c.Close()
			var took []time.Duration
			for range 101 {
				from := m.Env().Now()
				get(c.Do(replyLimit, "SET", "k", "v"))
				took = append(took, m.Env().Now()-from)
			}
			slices.Sort(took)
			p50[i] = quantile.Median(took)
		})
	}
	return decide(p50[1] < p50[0]+5*time.Millisecond, 202, "fsync of 10 ms: SET takes %s under always, %s without a log", p50[1].Round(time.Microsecond), p50[0].Round(time.Microsecond))
}

// forkCosts gives fork time and peak memory at three sizes, and the memory with
// all keys written during the snapshot.
func forkCosts(l *lab) Measurement {
	var forks []int64
	figure := ""
	var growth float64
	sizes := []int{50_000, 200_000, 800_000}
	for i, n := range sizes {
		l.on(options{}, func(m *computer) {
			m.start(preset("rdb", `save ""`, "enable-debug-command local")...)
			must(m, "DEBUG", "POPULATE", strconv.Itoa(n), "k", "100")
			before := m.Resident()
			best := int64(1 << 62)
			for range 3 {
				must(m, "BGSAVE")
				idle(m)
				best = min(best, number(m, "latest_fork_usec"))
			}
			forks = append(forks, best)
			figure += fmt.Sprintf("; %dk keys, %d MB: fork %.1f ms", n/1000, before>>20, float64(best)/1000)
			if i != len(sizes)-1 {
				return
			}
			// The child is held up in its fsync while every key is written.
			m.onCall(func(c *disk.Call, d *disk.Decision) {
				if c.Kind == disk.OpFsync && strings.HasSuffix(c.Path, ".rdb") {
					d.Delay = 8 * time.Second
				}
			})
			must(m, "BGSAVE")
			fill(m, "k:", n)
			if info(m, "rdb_bgsave_in_progress") != "1" {
				fail("the snapshot was over before every key had been written")
			}
			growth = float64(m.Resident()) / float64(before)
			figure += fmt.Sprintf("; with every key written during the snapshot memory is %.2f times as large", growth)
		})
	}
	return decide(forks[len(forks)-1] > 2*forks[0] && growth > 1.5, len(sizes), "%s", figure[2:])
}
