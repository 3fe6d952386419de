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

func transactionsWhole(l *lab) Measurement {
	torn, runs := 0, 0
	for _, mode := range []string{"always", "everysec"} {
		for _, crash := range []string{"kill", "power-in-fsync"} {
			x := l.campaign(mode, crash, func(_ *product.Mode, c *campaign.Campaign) {
				c.Workload.Name = "transactions"
				c.Runs /= 2
			})
			torn, runs = torn+x.anomalies[string(anomaly.TornTransaction)], runs+int(x.runs)
		}
	}
	return decide(torn == 0, runs, "%d torn transactions in %d crashes under always and everysec", torn, runs)
}

func errorsInTransactions(l *lab) Measurement {
	var cancelled, kept, after bool
	l.on(options{}, func(m *computer) {
		m.start(preset("always")...)
		c := get(m.dial())
		defer c.Close()
		var exec [2]bool // refused
		for i, wrong := range [][]string{{"NOSUCHCOMMAND"}, {"LPUSH", "string", "x"}} {
			for _, args := range [][]string{{"SET", "string", "s"}, {"MULTI"}, {"SET", "k" + strconv.Itoa(i), "v"}, wrong, {"EXEC"}} {
				exec[i] = refused(get(c.Do(replyLimit, args...)))
			}
		}
		look := func() (first, second bool) { return !absent(get(do(m, "GET", "k0"))), !absent(get(do(m, "GET", "k1"))) }
		first, second := look()
		cancelled, kept = exec[0] && !first, !exec[1] && second
		m.powerCut(disk.Choice{Mode: disk.KeepNone})
		m.again()
		first, second = look()
		after = !first && second
	})
	return decide(cancelled && kept && after, 2, "an error while queueing cancels all: %t; one while executing only its command: %t; the same after a power cut: %t", cancelled, kept, after)
}

// deadlinesSurvive restarts a server before and after the deadlines of two keys.
func deadlinesSurvive(l *lab) Measurement {
	figure := ""
	good := true
	for _, mode := range []string{"rdb", "always", "hybrid-always"} {
		var before, after bool
		l.on(options{}, func(m *computer) {
			m.start(preset(mode, `save ""`)...)
			for _, args := range [][]string{{"SET", "short", "x", "PX", "400"}, {"SET", "long", "x", "PX", "600000"}, {"SAVE"}} {
				must(m, args...)
			}
			m.kill()
			m.Env().Sleep(500 * time.Millisecond)
			m.again()
			r := must(m, "PTTL", "long")
			before = r.Int() > 500_000 && r.Int() <= 600_000
			r = must(m, "EXISTS", "short")
			after = r.Int() == 0
		})
		good = good && before && after
		figure += fmt.Sprintf("; %s: kept %t, gone %t", mode, before, after)
	}
	return decide(good, 3, "a key ten minutes before its deadline, one past it%s", figure)
}

// unlinkAsDurable crashes right after the reply to each way of deleting.
func unlinkAsDurable(l *lab) Measurement {
	figure := ""
	good := true
	rows := [][]string{{"DEL", "k"}, {"UNLINK", "k"}, {"FLUSHALL"}, {"FLUSHALL", "ASYNC"}}
	for _, args := range rows {
		var back bool
		l.on(options{}, func(m *computer) {
			m.start(preset("always")...)
			must(m, "SET", "k", "v")
			must(m, args...)
			m.powerCut(disk.Choice{Mode: disk.KeepNone})
			m.again()
			r := must(m, "EXISTS", "k")
			back = r.Int() != 0
		})
		good = good && !back
		figure += fmt.Sprintf("; %v: back %t", args, back)
	}
	return decide(good, len(rows), "power cut right after the reply, always%s", figure)
}
