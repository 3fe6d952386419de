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
func fill(m *computer, prefix string, n int) error {
	c, err := dial(m)
	if err != nil {
		return err
	}
	defer c.close()
	value := strings.Repeat("v", 100)
	ok, err := c.pipeline(n, func(i int) []string { return []string{"SET", prefix + strconv.Itoa(i), value} })
	if err == nil && ok != n {
		err = fmt.Errorf("%d of %d writes were refused", n-ok, n)
	}
	return err
}

func (l *lab) keptAs(name string, conf []string, n int, prepare func(m *computer) error) (kept, error) {
	k := kept{name: name}
	err := l.on(options{limit: time.Hour}, func(m *computer) error {
		if err := m.start(conf...); err != nil {
			return err
		}
		if err := prepare(m); err != nil {
			return err
		}
		m.term()
		m.files(func(d *disk.Disk) { k.bytes = d.Used() })
		var took []time.Duration
		for range 3 {
			from := m.env().Now()
			if err := m.again(); err != nil {
				return err
			}
			took = append(took, m.env().Now()-from)
			have, err := keys(m)
			if err != nil {
				return err
			}
			if int(have) != n {
				return fmt.Errorf("%s: %d of %d keys after the restart", name, have, n)
			}
			m.kill()
		}
		k.took = slices.Min(took)
		return nil
	})
	return k, err
}

// sizedKeys is how many keys the measurements of time and size have.
const sizedKeys = 300_000

func restartTimes(l *lab) (Measurement, error) {
	rdb, err := l.keptAs("RDB", preset("rdb", "save 3600 1"), sizedKeys, func(m *computer) error { return fill(m, "k", sizedKeys) })
	if err != nil {
		return Measurement{}, err
	}
	hybrid, err := l.keptAs("hybrid", preset("hybrid"), sizedKeys, func(m *computer) error {
		if err := fill(m, "k", sizedKeys); err != nil {
			return err
		}
		return rewritten(m)
	})
	if err != nil {
		return Measurement{}, err
	}
	half, err := l.keptAs("hybrid, incr = base", preset("hybrid"), sizedKeys, func(m *computer) error {
		if err := fill(m, "k", sizedKeys/2); err != nil {
			return err
		}
		if err := rewritten(m); err != nil {
			return err
		}
		return fill(m, "l", sizedKeys/2)
	})
	if err != nil {
		return Measurement{}, err
	}
	aof, err := l.keptAs("AOF", preset("everysec"), sizedKeys, func(m *computer) error { return fill(m, "k", sizedKeys) })
	if err != nil {
		return Measurement{}, err
	}
	figure := fmt.Sprintf("%dk keys of 100 bytes, best of 3: RDB %s, hybrid after a rewrite %s, with as much in the incr %s, AOF %s",
		sizedKeys/1000, rounded(rdb.took), rounded(hybrid.took), rounded(half.took), rounded(aof.took))
	if aof.took > hybrid.took && aof.took > rdb.took && (hybrid.took-rdb.took).Abs() < rdb.took/4 {
		return depends(12, "RDB and hybrid alike, AOF slower; %s", figure)
	}
	return decide(rdb.took < hybrid.took && hybrid.took < aof.took, 12, "%s", figure)
}

func hybridStartsAsFast(l *lab) (Measurement, error) {
	const n = sizedKeys
	rdb, err := l.keptAs("RDB", preset("rdb", "save 3600 1"), n, func(m *computer) error { return fill(m, "k", n) })
	if err != nil {
		return Measurement{}, err
	}
	figure := fmt.Sprintf("RDB %s; hybrid with incr/base of about", rounded(rdb.took))
	var ratio [3]float64
	for i, share := range []int{0, 10, 100} { // incr in percent of the base
		base := n * 100 / (100 + share)
		k, err := l.keptAs("hybrid", preset("hybrid"), n, func(m *computer) error {
			if err := fill(m, "k", base); err != nil {
				return err
			}
			if err := rewritten(m); err != nil {
				return err
			}
			return fill(m, "l", n-base)
		})
		if err != nil {
			return Measurement{}, err
		}
		ratio[i] = float64(k.took) / float64(rdb.took)
		figure += fmt.Sprintf(" %g: %s,", float64(share)/100, rounded(k.took))
	}
	k, err := l.keptAs("hybrid", preset("hybrid"), n/10, func(m *computer) error {
		if err := fill(m, "k", n/10); err != nil {
			return err
		}
		if err := rewritten(m); err != nil {
			return err
		}
		for range 9 { // ten times the base, of the same keys
			if err := fill(m, "k", n/10); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Measurement{}, err
	}
	figure += fmt.Sprintf(" and 10 (a tenth of the keys, overwritten): %s", rounded(k.took))
	if ratio[0] < 1.25 && (ratio[2] > 1.15 || float64(k.took)/float64(rdb.took) > 0.5) {
		return depends(15, "only just after a rewrite: %s", figure)
	}
	return decide(ratio[2] < 1.15, 15, "%s", figure)
}

func fileSizes(l *lab) (Measurement, error) {
	const n = 50_000
	figure := ""
	var size [3]int64
	for i, x := range []struct {
		name    string
		conf    []string
		rewrite bool
	}{{"RDB", preset("rdb", "save 3600 1"), false}, {"AOF", preset("everysec"), false}, {"AOF rewritten", preset("everysec"), true}} {
		k, err := l.keptAs(x.name, x.conf, n, func(m *computer) error {
			for range 2 { // each key written twice
				if err := fill(m, "k", n); err != nil {
					return err
				}
			}
			if x.rewrite {
				return rewritten(m)
			}
			return nil
		})
		if err != nil {
			return Measurement{}, err
		}
		size[i] = k.bytes
		figure += fmt.Sprintf("; %s %.1f MB", x.name, float64(k.bytes)/1e6)
	}
	plain, err := l.keptAs("RDB uncompressed", preset("rdb", "save 3600 1", "rdbcompression no"), n, func(m *computer) error { return fill(m, "k", n) })
	if err != nil {
		return Measurement{}, err
	}
	return decide(size[0] < size[2] && plain.bytes < size[2] && size[2] < size[1], 4, "%dk keys of 100 bytes, written twice%s; RDB with rdbcompression no %.1f MB", n/1000, figure, float64(plain.bytes)/1e6)
}

// throughput is commands a second of n SETs through that many connections.
func throughput(m *computer, clients, n int) (float64, error) {
	e := m.env()
	from := e.Now()
	left, ended := clients, e.NewCond()
	var failed error
	for i := range clients {
		e.Go("load", func() {
			defer func() {
				left--
				ended.Broadcast()
			}()
			c, err := dial(m)
			if err != nil {
				failed = err
				return
			}
			defer c.close()
			for k := range n / clients {
				if _, err := c.do("SET", "t"+strconv.Itoa(i)+":"+strconv.Itoa(k%1000), "value of some bytes to write"); err != nil {
					failed = err
					return
				}
			}
		})
	}
	for left > 0 {
		ended.WaitFor(replyLimit)
	}
	return float64(n) / (e.Now() - from).Seconds(), failed
}

func policySpeed(l *lab) (Measurement, error) {
	figure := ""
	var rate [2][3]float64
	for i, clients := range []int{1, 50} {
		figure += fmt.Sprintf("; %d clients:", clients)
		for j, mode := range []string{"always", "everysec", "no"} {
			for range 3 {
				err := l.on(options{profile: "cloud-ssd"}, func(m *computer) error {
					if err := m.start(preset(mode)...); err != nil {
						return err
					}
					r, err := throughput(m, clients, 600*clients)
					rate[i][j] = max(rate[i][j], r)
					return err
				})
				if err != nil {
					return Measurement{}, err
				}
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

func loggedAfterwards(l *lab) (Measurement, error) {
	var p50 [2]time.Duration
	for i, mode := range []string{"none", "always"} {
		err := l.on(options{latency: 10 * time.Millisecond}, func(m *computer) error {
			if err := m.start(preset(mode)...); err != nil {
				return err
			}
			c, err := dial(m)
			if err != nil {
				return err
			}
			defer c.close()
			var took []time.Duration
			for range 101 {
				from := m.env().Now()
				if _, err := c.do("SET", "k", "v"); err != nil {
					return err
				}
				took = append(took, m.env().Now()-from)
			}
			slices.Sort(took)
			p50[i] = quantile.Median(took)
			return nil
		})
		if err != nil {
			return Measurement{}, err
		}
	}
	return decide(p50[1] < p50[0]+5*time.Millisecond, 202, "fsync of 10 ms: SET takes %s under always, %s without a log", p50[1].Round(time.Microsecond), p50[0].Round(time.Microsecond))
}

// forkCosts gives fork time and peak memory at three sizes, and the memory with
// all keys written during the snapshot.
func forkCosts(l *lab) (Measurement, error) {
	var forks []int64
	figure := ""
	var growth float64
	sizes := []int{50_000, 200_000, 800_000}
	for i, n := range sizes {
		err := l.on(options{}, func(m *computer) error {
			if err := m.start(preset("rdb", `save ""`, "enable-debug-command local")...); err != nil {
				return err
			}
			if _, err := must(m, "DEBUG", "POPULATE", strconv.Itoa(n), "k", "100"); err != nil {
				return err
			}
			before := m.resident()
			best := int64(1 << 62)
			for range 3 {
				if _, err := must(m, "BGSAVE"); err != nil {
					return err
				}
				if err := idle(m); err != nil {
					return err
				}
				best = min(best, number(m, "latest_fork_usec"))
			}
			forks = append(forks, best)
			figure += fmt.Sprintf("; %dk keys, %d MB: fork %.1f ms", n/1000, before>>20, float64(best)/1000)
			if i != len(sizes)-1 {
				return nil
			}
			// The child is held up in its fsync while every key is written.
			m.onCall(func(c *disk.Call) disk.Decision {
				if c.Kind == disk.OpFsync && strings.HasSuffix(c.Path, ".rdb") {
					return disk.Decision{Delay: 8 * time.Second}
				}
				return disk.Decision{}
			})
			if _, err := must(m, "BGSAVE"); err != nil {
				return err
			}
			c, err := dial(m)
			if err != nil {
				return err
			}
			defer c.close()
			value := strings.Repeat("w", 100)
			if _, err := c.pipeline(n, func(i int) []string { return []string{"SET", "k:" + strconv.Itoa(i), value} }); err != nil {
				return err
			}
			busy, err := info(m, "rdb_bgsave_in_progress")
			if err != nil {
				return err
			}
			if busy != "1" {
				return fmt.Errorf("the snapshot was over before every key had been written")
			}
			growth = float64(m.resident()) / float64(before)
			figure += fmt.Sprintf("; with every key written during the snapshot memory is %.2f times as large", growth)
			return nil
		})
		if err != nil {
			return Measurement{}, err
		}
	}
	return decide(forks[len(forks)-1] > 2*forks[0] && growth > 1.5, len(sizes), "%s", figure[2:])
}
