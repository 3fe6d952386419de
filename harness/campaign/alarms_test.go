package campaign

import (
	"cmp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// TestWhatPlansOfManyEndsShow: experiments with what a hunt draws (more than one end, faults
// that stay, the operator's commands). First those of the clean engine that were accused, each
// with what is right now; then what Redis does, which must be named.
func TestWhatPlansOfManyEndsShow(t *testing.T) {
	for _, c := range []struct {
		name, mode, plan string
		workload         string // "": registers
		personality      string // "": ext4
		directives       []product.Directive
		phases           []workloads.Phase
		rate             float64
		span             time.Duration
		beside           bool
		plants           experiment.Plants
		seeds            int // of which one at least must be as said; 0: each of five
		verdict          result.Verdict
		anomaly, finding string
	}{
		{name: "each life is judged by what ended it", mode: "everysec", span: 3 * time.Second,
			plan: "at 1.2s: term n1\nat n1 fsync(*.incr.aof)#1 after 1.3s in-flight 0.5: kill n1", verdict: result.Holds},
		{name: "a setting is forgotten with its life", mode: "everysec", span: 4 * time.Second,
			plan: "at 400ms: do n1 CONFIG SET appendfsync always\nat 700ms: kill n1\nat +1.5s: power-cut n1 keep none", verdict: result.Holds},
		{name: "what the second life sets counts there", mode: "always", span: 2 * time.Second,
			plan: "at 300ms: kill n1\nat +200ms: do n1 CONFIG SET appendfsync no\nat +400ms: power-cut n1 keep none", verdict: result.Holds},
		{name: "a power cut after a kill may take the directory (F1)", mode: "always", personality: "posix",
			plan: "at 200ms: kill n1\nat +200ms: power-cut n1 keep none", verdict: result.Holds, finding: "F1"},
		{name: "one after a power cut may", mode: "always", personality: "posix", span: time.Second,
			plan: "at 200ms: power-cut n1 keep none\nat +100ms: kill n1\nat +300ms: kill n1", verdict: result.Holds, finding: "F1"},
		{name: "a start that the disk fails", mode: "always",
			plan: "at 200ms: readonly n1\nat 500ms: kill n1", verdict: result.Unknown},
		{name: "a manifest that cannot be opened", mode: "always",
			plan: "at 200ms: fail n1 open(*.manifest) EIO for 4 calls\nat 500ms: kill n1", verdict: result.Unknown},
		{name: "a stopped server is late with nothing", mode: "everysec", rate: 7, span: 9 * time.Second,
			plan: "at ack#5: pause n1 for until ack#41\nat 8s: power-cut n1 keep none", verdict: result.Unknown},
		{name: "a fork that is refused is tried again after 5 s", mode: "rdb", rate: 10, span: 9 * time.Second,
			plan: "at 3s: refuse-fork n1 for 2s\nat 8s: power-cut n1 keep none", verdict: result.Holds},
		{name: "a fork that is refused in the life after as well", mode: "rdb", rate: 10, span: 9 * time.Second,
			plan: "at 900ms: refuse-fork n1 for 6s\nat 1s: power-cut n1 keep none\nat +7.5s: kill n1", verdict: result.Holds},
		{name: "what is cut at rest is missing whatever was set", mode: "hybrid-always", workload: "hashes", rate: 100, span: 2 * time.Second,
			plan: "at 250ms: do n1 CONFIG SET appendfsync always\nat 900ms: kill n1\nat +0s: truncate *.incr.aof by 33\nat +400ms: kill n1\nat +400ms: kill n1", verdict: result.Holds},
		{name: "hz decides how often the server looks", mode: "rdb", rate: 1, span: 12 * time.Second,
			plan: "at 1s: do n1 CONFIG SET hz 1\nat 10s: kill n1", directives: []product.Directive{{Name: "hz", Value: "500"}}, verdict: result.Holds},
		{name: "FLUSHALL deletes the keys of the client beside, too", mode: "everysec", beside: true, span: 2 * time.Second,
			plan: "at 700ms: do n1 FLUSHALL\nat 1.5s: kill n1", verdict: result.Holds},
		{name: "a small snapshot outlives its killed server", mode: "none",
			plan: "at 300ms: do n1 BGSAVE\nat n1 write(temp-*.rdb)#1 after 300ms return: kill n1", verdict: result.Holds},
		{name: "a cut middle of the log is nobody's to see", mode: "no", rate: 100, span: 2 * time.Second, directives: slowChild,
			plan: "at 800ms: do n1 BGREWRITEAOF\nat 900ms: kill n1\nat +0s: truncate *.incr.aof by 30", verdict: result.Unknown},
		{name: "no sync is begun while the log cannot be written", mode: "everysec", rate: 40, span: 9 * time.Second,
			plan: "at 3.2s: readonly n1 for 3s\nat 8s: power-cut n1 keep none", verdict: result.Holds},
		{name: "what was written and taken back had not to survive", mode: "everysec", rate: 100, span: 3 * time.Second,
			plan: "at 300ms: full n1 1000 for 1.5s\nat 2.5s: power-cut n1 keep none", verdict: result.Holds},

		{name: "a save whose directory cannot be synced has failed, and is tried again after 5 s", mode: "rdb", rate: 10, span: 9 * time.Second,
			plan: "at 2.5s: fail dirsync(*) EIO for 1 calls\nat 8.4s: kill n1", verdict: result.Holds},
		{name: "always keeps not what a child delays", mode: "everysec", rate: 100, span: 3 * time.Second,
			directives: []product.Directive{{Name: "no-appendfsync-on-rewrite", Value: "yes"}, {Name: "rdb-key-save-delay", Value: "20000"}},
			plan:       "at 1s: do n1 CONFIG SET appendfsync always\nat 2s: do n1 BGREWRITEAOF\nat 2.2s: power-cut n1 keep none", verdict: result.Holds},
		{name: "a rename that takes long keeps the server from all else", mode: "everysec", rate: 100, span: 6 * time.Second,
			plan: "at 0s: slow rename(*.manifest) 2.6s for 1 calls\nat 1.5s: do n1 BGREWRITEAOF\nat 5s: power-cut n1 keep none", verdict: result.Holds},
		{name: "after a failed sync keys are evicted all the same", mode: "everysec", rate: 60, span: 9 * time.Second,
			directives: []product.Directive{{Name: "maxmemory", Value: evictingLimit}, {Name: "maxmemory-policy", Value: "allkeys-random"}},
			plan:       "at 3s: fail fsync(*.incr.aof) EIO for 2 calls\nat 8s: kill n1", verdict: result.Holds},
		{name: "what a command lets children delay", mode: "always", rate: 100, span: 3 * time.Second, directives: slowChild,
			plan: "at 1s: do n1 CONFIG SET no-appendfsync-on-rewrite yes\nat 1.5s: do n1 BGREWRITEAOF\nat 1.7s: power-cut n1 keep none", verdict: result.Holds},
		{name: "no snapshot is begun while a rewrite goes on", mode: "rdb", rate: 10, span: 9 * time.Second,
			plan: "at 1.9s: slow fsync(temp-rewriteaof*) 3s\nat 2s: do n1 BGREWRITEAOF\nat 8s: kill n1", verdict: result.Holds},
		{name: "of what was taken back a power cut takes nothing", mode: "everysec", rate: 100, span: 4 * time.Second,
			plan: "at 1.1s: full n1 10\nat 2.95s: power-cut n1 keep none", verdict: result.Holds},
		{name: "a server that is struck while it starts", mode: "none",
			plan: "at n1 open(*)#1 after 500ms: kill n1\nat 700ms: kill n1", verdict: result.Unknown},

		{name: "removing what is not there may take long", mode: "everysec", rate: 100, span: 8 * time.Second,
			plan: "at 700ms: do n1 BGREWRITEAOF\nat n1 write(*.manifest)#2 after 700ms: slow unlink(*) 1.3s for 4 calls\nat 7s: power-cut n1 keep none", verdict: result.Holds},
		{name: "a directory that opens slowly", mode: "rdb", rate: 10, span: 9 * time.Second,
			plan: "at 2s: slow open(.) 3s for 4 calls\nat 8.4s: power-cut n1 keep none", verdict: result.Holds},
		{name: "a save whose directory cannot be opened has failed", mode: "rdb", rate: 10, span: 9 * time.Second,
			plan: "at 2s: fail open(.) EIO for 1 calls\nat 8.4s: kill n1", verdict: result.Holds},
		{name: "a save that failed, and whose name a later one made durable", mode: "rdb", rate: 2, span: 12 * time.Second,
			plan: "at 2s: fail dirsync(*) EDQUOT for 1 calls\nat 9s: slow dirsync(*) 1s for 3 calls\nat 11.5s: power-cut n1 keep none", verdict: result.Holds},
		{name: "no snapshot is begun while the one before hangs", mode: "rdb", rate: 10, span: 16 * time.Second,
			plan: "at 2s: stall rename(*.rdb) for 9s\nat 15s: kill n1", verdict: result.Holds},
		{name: "FLUSHALL ends a child that hangs in its sync", mode: "rdb", workload: "hashes", rate: 100, span: 5 * time.Second,
			plan: "at 800ms: do n1 BGSAVE\nat 700ms: stall fsync(*) for 2.7s\nat 1.8s: do n1 FLUSHALL\nat 4.6s: power-cut n1 keep none", verdict: result.Holds},
		{name: "a client beside that was refused for a moment", mode: "no", beside: true, span: 2 * time.Second,
			plan: "at 600ms: fail write(*.incr.aof) EDQUOT for 4 calls\nat 700ms: kill n1", verdict: result.Holds},
		{name: "FLUSHALL waits until all has been read", mode: "always", workload: "lists", rate: 100, span: 2 * time.Second,
			plan: "at 400ms: kill n1\nat 452ms: do n1 FLUSHALL\nat +700ms: kill n1", verdict: result.Holds},
		{name: "the sync of a log of the life before fails, and nobody hears of it", mode: "everysec", rate: 100, span: 4 * time.Second,
			plan: "at 950ms: power-cut n1 keep all\nat 1.1s: fail fsync(*.1.incr.aof) EIO for 1 calls\nat 1.2s: do n1 BGREWRITEAOF\nat 2.9s: kill n1", verdict: result.Holds},
		{name: "a server that is struck while it starts, and then repaired", mode: "everysec", rate: 100, span: 2 * time.Second,
			plan: "at 300ms: kill n1\nat +50.05ms: power-cut n1 keep none", verdict: result.Unknown},
		{name: "of what a failed sync has taken from memory a power cut takes nothing", mode: "everysec", personality: "btrfs", rate: 20, span: 4 * time.Second,
			plan: "at 1.5s: fail fsync(*.incr.aof) EIO\nat 3.9s: power-cut n1 keep none", verdict: result.Holds},

		{name: "a CONFIG SET whose server is gone before it answers sets nothing in the next life", mode: "no", workload: "hashes", rate: 100, span: 2 * time.Second,
			plan: "at 100ms: slow fsync(*.incr.aof) 1s\nat 300ms: do n1 CONFIG SET appendfsync always\nat 310ms: power-cut n1 keep none\nat 1.4s: power-cut n1 keep none", verdict: result.Holds},

		{name: "what the second of two lives loses", mode: "always", span: 2 * time.Second, plants: experiment.Plants{Disk: disk.PlantIgnoreSync},
			plan: "at 200ms: kill n1\nat +600ms: power-cut n1 keep none", verdict: result.Violated, anomaly: "lost-write"},
		{name: "a late sync in the second of two lives", mode: "everysec", rate: 50, span: 6 * time.Second, plants: experiment.Plants{Engine: bugs.EverysecNeverSyncs},
			plan: "at 200ms: kill n1\nat +5s: power-cut n1 keep all", verdict: result.Violated, anomaly: "late-sync"},
		{name: "a torn transaction stays open", mode: "everysec", workload: "transactions", rate: 100, seeds: 40, span: 3 * time.Second,
			plan:    "at 1.5s: kill n1\nat +886ms: power-cut n1 keep torn 168\nat +300ms: kill n1\nat +500ms: kill n1",
			verdict: result.Violated, finding: "F12"},
		{name: "what was loaded is not synced", mode: "everysec", span: 9 * time.Second, phases: []workloads.Phase{{For: 5 * time.Second, Rate: workloads.Silent}, {For: time.Minute, Rate: 50}},
			plan: "at 5.9s: kill n1\nat +4s: power-cut n1 keep none", verdict: result.Violated, finding: "F13"},
		{name: "the name of the index is not synced once the server was killed in its rename", mode: "always", personality: "btrfs", rate: 100, seeds: 20, span: 4 * time.Second,
			plan:    "at 210ms: stall rename(*.manifest) for 1s\nat 220ms: do n1 BGREWRITEAOF\nat 600ms: kill n1\nat +572ms: power-cut n1 keep none",
			verdict: result.Violated, anomaly: "lost-write", finding: "F13"},
		{name: "a server that ends although its last sync failed", mode: "everysec", rate: 100, seeds: 20, span: 4 * time.Second,
			plan:    "at 300ms: fail fsync(*.incr.aof) EIO\nat 700ms: term n1\nat +100ms: power-cut n1 keep none",
			verdict: result.Violated, finding: "F13"},
		{name: "a failed sync of a disk whose memory forgets, and a kill", mode: "everysec", personality: "btrfs", rate: 100, span: 3 * time.Second,
			plan: "at 700ms: fail fsync(*.incr.aof) EIO for 1 calls\nat 2.5s: kill n1", verdict: result.Violated, finding: "F7"},
		{name: "syncs that fail and do not say so", mode: "everysec", personality: "ext4-journal", rate: 20, span: 4 * time.Second,
			plan: "at 100ms: fail fsync(*.incr.aof) EIO\nat 3.5s: power-cut n1 keep none", verdict: result.Violated, finding: "F16"},
		{name: "a manifest that has its name, and whose directory could not be opened", mode: "everysec", rate: 100, seeds: 60, span: 3 * time.Second,
			plan:    "at 300ms: fail n1 open(appendonlydir) EIO for 3 calls\nat 400ms: do n1 BGREWRITEAOF\nat 2.3s: power-cut n1 keep random 3",
			verdict: result.Violated, anomaly: "unrecoverable", finding: "F18"},
		{name: "a rewrite that begins on a full disk", mode: "everysec", workload: "lists", rate: 100, span: 3 * time.Second,
			plan:    "at 300ms: fail write(*.incr.aof) ENOSPC for 700ms\nat 700ms: do n1 BGREWRITEAOF\nat 2.5s: kill n1",
			verdict: result.Violated, anomaly: "silent-truncation", finding: "F19"},
		{name: "the write that meets a full disk, and one in flight", mode: "no", rate: 100, span: 2 * time.Second,
			plan: "at 500ms: full n1 100\nat n1 write(*.incr.aof)#1 after 700ms in-flight 0.5: kill n1", seeds: 20, verdict: result.Violated, finding: "F14"},
		{name: "the write that meets a full disk", mode: "no", rate: 100, span: 2 * time.Second,
			plan: "at 500ms: full n1 100\nat 1s: kill n1", verdict: result.Violated, anomaly: "lost-write", finding: "F14"},
		{name: "after a rewrite, a full disk leaves a hole", mode: "everysec", rate: 100, span: 3 * time.Second,
			plan:    "at 300ms: do n1 BGREWRITEAOF\nat 800ms: full n1 2000 for 500ms\nat 2.5s: kill n1",
			verdict: result.Violated, finding: "F15"},
		{name: "a manifest that has its name, and whose directory was not synced", mode: "everysec", rate: 100, seeds: 60, span: 3 * time.Second,
			plan:    "at 300ms: fail n1 dirsync(*) EIO for 3 calls\nat 400ms: do n1 BGREWRITEAOF\nat 2.3s: power-cut n1 keep random 3",
			verdict: result.Violated, anomaly: "unrecoverable", finding: "F18"},
		{name: "a manifest whose sync failed and did not say so", mode: "hybrid", personality: "ext4-journal", seeds: 40, span: 3 * time.Second,
			plan:    "at 500ms: do n1 BGREWRITEAOF\nat 400ms: fail n1 fsync(*.manifest) EIO for 300ms\nat 1.5s: power-cut n1 keep none",
			verdict: result.Violated, finding: "F16"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := experiment.NewSimulator()
			defer s.Close()
			m, err := redis.ModeByName(c.mode)
			require.NoError(t, err)
			m = m.With(c.directives)
			m.Rate, m.Span = cmp.Or(c.rate, m.Rate), cmp.Or(c.span, m.Span)
			p, err := plan.Parse("plan 1\n" + c.plan + "\n")
			require.NoError(t, err)
			crash, err := experiment.KindOf(p)
			require.NoError(t, err)
			w := workloads.Default()
			w.Name, w.Rate, w.Phases, w.Beside = cmp.Or(c.workload, w.Name), m.Rate, c.phases, c.beside
			as := 0
			for seed := range uint64(cmp.Or(c.seeds, 5)) {
				x := &experiment.Experiment{Mode: m, Crash: crash, Workload: w, Personality: cmp.Or(c.personality, "ext4"), Profile: "cloud-ssd", Seed: seed, Plan: p, Plants: c.plants}
				o, err := s.Run(x, nil)
				require.NoError(t, err)
				require.Empty(t, o.Distrust)
				if c.seeds > 0 && o.Verdict != c.verdict {
					continue
				}
				require.Equal(t, c.verdict, o.Verdict, "seed %d: %s %v %v", seed, o.Why, o.Anomalies, o.Findings)
				if c.finding != "" {
					require.Contains(t, o.Findings, c.finding, "seed %d: %v", seed, o.Anomalies)
				}
				if c.anomaly != "" {
					require.Equal(t, c.anomaly, o.Anomalies[0].Name)
				}
				as++
			}
			require.Positive(t, as, "in none of the runs")
		})
	}
}
