package contract

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// row is one line of the table: a mode, and what it promises for each loss of memory.
type row struct {
	mode string
	// log is the policy of the append-only file that replies depend on ("" when there is none).
	log string
	// saves: snapshots are made by save points. points: there are some; the directive
	// "save" decides, whatever the mode is called.
	saves, points bool
}

// The modes of the command line. Where both a log and snapshots are kept, the
// log is what is loaded (redis-facts: "Both enabled: the AOF is loaded"), so the
// contract is the log's.
var rows = []row{
	{mode: "always", log: "always"},
	{mode: "everysec", log: "everysec"},
	{mode: "no", log: "no"},
	{mode: "rdb", saves: true},
	{mode: "hybrid", log: "everysec"},
	{mode: "hybrid-always", log: "always"},
	{mode: "everysec+rdb", log: "everysec", saves: true},
	{mode: "none"},
	{mode: "defaults", saves: true}, // redis 7.0.15: appendonly no, save 3600 1 300 100 60 10000
}

// Modes lists the modes that the table knows, in order.
func Modes() []string {
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = r.mode
	}
	return names
}

// For is the built-in contract of mode for crash.
func For(mode string, crash Crash, conf Config) (Contract, error) {
	if !slices.Contains(Crashes(), crash) {
		return Contract{}, fmt.Errorf("unknown crash kind %q: want one of %s", crash, join(Crashes()))
	}
	i := slices.IndexFunc(rows, func(r row) bool { return r.mode == mode })
	if i < 0 {
		return Contract{}, fmt.Errorf("unknown mode %q: want one of %s", mode, strings.Join(Modes(), ", "))
	}
	r := rows[i]
	r.points = r.saves && conf.SavePoints == nil || len(conf.SavePoints) > 0
	return r.contract(crash, conf.withDefaults()), nil
}

// Clients is the contract that is only about what clients saw: linearizability
// between crashes, and after a crash any prefix.
func Clients() Contract {
	return Contract{Level: Buffered, Keeps: KeepsNothing, MaxWindow: -1, MaxLost: -1, AllowRepair: true, AllowRefusal: true}
}

func join(cs []Crash) string {
	var b strings.Builder
	for i, c := range cs {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(c))
	}
	return b.String()
}

func (r row) contract(crash Crash, conf Config) Contract {
	c := Contract{
		Mode: r.mode, Crash: crash, SyncSlack: conf.Slack + conf.Timer - Timer, Logged: r.log != "",
		MaxWindow: -1, MaxLost: -1,
		// A torn or zeroed tail after a power cut is the product's own finding
		// (F2 of the disk model); its own tool may cut it, and what is lost by
		// the cut is judged like any other loss.
		AllowRepair: true,
	}
	switch r.log {
	case "always":
		c.AfterFailedSync = Stops
	case "everysec":
		c.AfterFailedSync = Refuses
	}
	switch {
	case crash == Term && (r.log != "" || r.points):
		// SHUTDOWN and SIGTERM write and sync the log, and save when save points
		// are set (redis 7.0.15 server.c finishShutdown).
		c.Level, c.Keeps = Durable, KeepsAll
		c.Bounds = zero("SIGTERM flushes the log or saves")
		c.AllowRepair = false
	case r.log == "always":
		c.Level, c.Keeps = Durable, KeepsAll
		c.Bounds = zero("appendfsync always: synced before the reply")
		if conf.NoSyncOnRewrite && crash.LosesPageCache() {
			// What a child has delayed is synced with the next write, or in the next turn of
			// the event loop, which the timer begins (7.0.15 aof.c flushAppendOnlyFile, under
			// try_fsync and where the buffer is empty).
			c.Level, c.Keeps, c.ChildrenMayDelaySync, c.SyncedFirst, c.SyncWithin = Buffered, KeepsSynced, true, true, conf.Timer
			c.Bounds = writeBack(conf)
		}
	case r.log == "everysec" && crash.LosesPageCache():
		c.Level, c.Keeps = Buffered, KeepsSynced
		c.SyncWithin, c.PostponeUpTo = 2*time.Second, 2*time.Second
		c.Bounds = []Bound{
			{"documented", time.Second, "redis.io persistence: \"you may lose 1 second of data\""},
			{"source", 2 * time.Second, "aof.c flushAppendOnlyFile postpones up to 2 s, and a slow fsync adds its own length"},
		}
		if conf.NoSyncOnRewrite {
			c.ChildrenMayDelaySync = true
			c.Bounds = append(c.Bounds, writeBack(conf)...)
		}
	case r.log == "everysec":
		c.Level, c.Keeps = Buffered, KeepsWritten
		c.PostponeUpTo = 2 * time.Second
		c.Bounds = []Bound{
			{"documented", 0, "redis.io persistence: what was written survives the process"},
			{"source", 2 * time.Second, "aof.c flushAppendOnlyFile: the write itself waits up to 2 s behind an fsync in flight"},
		}
	case r.log == "no" && crash.LosesPageCache():
		c.Level, c.Keeps = Buffered, KeepsSynced
		c.Bounds = writeBack(conf)
		if conf.WriteBackKnown {
			c.MaxWindow = c.Bounds[0].Value + c.SyncSlack
		}
	case r.log == "no":
		c.Level, c.Keeps = Durable, KeepsAll
		c.Bounds = zero("what was written survives the process")
	case r.saves || r.points:
		c.Level, c.Keeps = Buffered, KeepsSnapshot
		c.SavePoints = conf.SavePoints
		if crash.LosesPageCache() {
			c.DurableWithin = time.Second // rdb.c rdbSave: the next call after the rename (since 7.0.3)
		}
		c.Bounds = savePointBounds(conf.SavePoints, conf.Writes)
	default:
		c.Level, c.Keeps = Empty, KeepsSync
	}
	if r.log == "" && !crash.LosesPageCache() {
		c.AllowRepair = false
	}
	return c
}

func zero(from string) []Bound { return []Bound{{"documented", 0, from}} }

func writeBack(conf Config) []Bound {
	name := "documented"
	if conf.Modelled {
		name = "modelled"
	}
	return []Bound{{name, conf.WriteBackExpire + conf.WriteBackInterval, "the kernel's write-back: expiry plus flusher interval"}}
}

// savePointBounds gives the shortest span whose number of changes is reached in
// it (any, when it is not known how many writes are made): it fires first. The condition of serverCron is "more than N seconds" on a
// clock of whole seconds, hence the second on top in the source's figure; the
// snapshot's own duration comes on top of both.
func savePointBounds(points []SavePoint, writes float64) []Bound {
	points = slices.DeleteFunc(slices.Clone(points), func(p SavePoint) bool {
		return writes > 0 && writes*p.After.Seconds() < float64(p.Changes)
	})
	if len(points) == 0 {
		return nil
	}
	shortest := slices.MinFunc(points, func(a, b SavePoint) int { return int(a.After - b.After) })
	return []Bound{
		{"documented", shortest.After, fmt.Sprintf("save %d %d", int(shortest.After/time.Second), shortest.Changes)},
		{"source", shortest.After + time.Second, "serverCron: more than N whole seconds; the snapshot's duration comes on top"},
	}
}
