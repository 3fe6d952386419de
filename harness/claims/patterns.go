package claims

import (
	"fmt"
	"strconv"
	"time"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/product"
)

// This file measures what is said of transactions, deadlines and deletions (D1, D7, D9).

func transactionsWhole(l *lab) (Measurement, error) {
	torn, runs := 0, 0
	for _, mode := range []string{"always", "everysec"} {
		for _, crash := range []string{"kill", "power-in-fsync"} {
			x, err := l.campaign(mode, crash, func(_ *product.Mode, c *campaign.Campaign) {
				c.Workload.Name = "transactions"
				c.Runs /= 2
			})
			if err != nil {
				return Measurement{}, err
			}
			torn, runs = torn+x.anomalies[string(anomaly.TornTransaction)], runs+int(x.runs)
		}
	}
	return decide(torn == 0, runs, "%d torn transactions in %d crashes under always and everysec", torn, runs)
}

func errorsInTransactions(l *lab) (Measurement, error) {
	var cancelled, kept, after bool
	err := l.on(options{}, func(m *computer) error {
		if err := m.start(preset("always")...); err != nil {
			return err
		}
		c, err := dial(m)
		if err != nil {
			return err
		}
		defer c.close()
		var exec [2]reply
		for i, wrong := range [][]string{{"NOSUCHCOMMAND"}, {"LPUSH", "string", "x"}} {
			for _, args := range [][]string{{"SET", "string", "s"}, {"MULTI"}, {"SET", "k" + strconv.Itoa(i), "v"}, wrong, {"EXEC"}} {
				if exec[i], err = c.do(args...); err != nil {
					return err
				}
			}
		}
		look := func() (first, second bool, err error) {
			a, err := do(m, "GET", "k0")
			if err != nil {
				return false, false, err
			}
			b, err := do(m, "GET", "k1")
			return !a.null, !b.null, err
		}
		first, second, err := look()
		if err != nil {
			return err
		}
		cancelled, kept = exec[0].error && !first, !exec[1].error && second
		m.powerCut(disk.Choice{Mode: disk.KeepNone})
		if err := m.again(); err != nil {
			return err
		}
		first, second, err = look()
		after = !first && second
		return err
	})
	if err != nil {
		return Measurement{}, err
	}
	return decide(cancelled && kept && after, 2, "an error while queueing cancels all: %t; one while executing only its command: %t; the same after a power cut: %t", cancelled, kept, after)
}

// deadlinesSurvive restarts a server before and after the deadlines of two keys.
func deadlinesSurvive(l *lab) (Measurement, error) {
	figure := ""
	good := true
	for _, mode := range []string{"rdb", "always", "hybrid-always"} {
		var before, after bool
		err := l.on(options{}, func(m *computer) error {
			if err := m.start(preset(mode, `save ""`)...); err != nil {
				return err
			}
			for _, args := range [][]string{{"SET", "short", "x", "PX", "400"}, {"SET", "long", "x", "PX", "600000"}, {"SAVE"}} {
				if _, err := must(m, args...); err != nil {
					return err
				}
			}
			m.kill()
			m.env().Sleep(500 * time.Millisecond)
			if err := m.again(); err != nil {
				return err
			}
			r, err := must(m, "PTTL", "long")
			if err != nil {
				return err
			}
			before = r.int() > 500_000 && r.int() <= 600_000
			r, err = must(m, "EXISTS", "short")
			after = r.int() == 0
			return err
		})
		if err != nil {
			return Measurement{}, err
		}
		good = good && before && after
		figure += fmt.Sprintf("; %s: kept %t, gone %t", mode, before, after)
	}
	return decide(good, 3, "a key ten minutes before its deadline, one past it%s", figure)
}

// unlinkAsDurable crashes right after the reply to each way of deleting.
func unlinkAsDurable(l *lab) (Measurement, error) {
	figure := ""
	good := true
	rows := [][]string{{"DEL", "k"}, {"UNLINK", "k"}, {"FLUSHALL"}, {"FLUSHALL", "ASYNC"}}
	for _, args := range rows {
		var back bool
		err := l.on(options{}, func(m *computer) error {
			if err := m.start(preset("always")...); err != nil {
				return err
			}
			if _, err := must(m, "SET", "k", "v"); err != nil {
				return err
			}
			if _, err := must(m, args...); err != nil {
				return err
			}
			m.powerCut(disk.Choice{Mode: disk.KeepNone})
			if err := m.again(); err != nil {
				return err
			}
			r, err := must(m, "EXISTS", "k")
			back = r.int() != 0
			return err
		})
		if err != nil {
			return Measurement{}, err
		}
		good = good && !back
		figure += fmt.Sprintf("; %v: back %t", args, back)
	}
	return decide(good, len(rows), "power cut right after the reply, always%s", figure)
}
