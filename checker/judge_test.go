package checker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/verdict"
)

func TestVerdicts(t *testing.T) {
	saves := contract.Config{SavePoints: []contract.SavePoint{{After: 2 * time.Second, Changes: 2}}}
	noSync := contract.Config{NoSyncOnRewrite: true}
	for _, tc := range []struct {
		name    string
		mode    string
		crash   contract.Crash
		conf    contract.Config
		script  string
		verdict verdict.Verdict
		anomaly anomaly.Name // the first one
		assume  Assumption
		check   func(t *testing.T, out Judgement)
	}{
		{name: "always keeps what it acknowledged", mode: "always", crash: contract.Power,
			script: `c1 set a 1 10-20
				c2 set b 2 30-?
				crash power-cut 40
				found a=1`,
			verdict: verdict.Holds},
		{name: "always may keep what it did not acknowledge", mode: "always", crash: contract.Power,
			script: `c1 set a 1 10-20
				c2 set b 2 30-?
				crash power-cut 40
				found a=1 b=2`,
			verdict: verdict.Holds},
		{name: "always loses one", mode: "always", crash: contract.Power,
			script: `c1 set a 1 10-20
				c1 set b 2 21-25
				crash power-cut 40
				found a=1`,
			verdict: verdict.Violated, anomaly: anomaly.LostWrite,
			check: func(t *testing.T, out Judgement) {
				require.Equal(t, 1, out.Lost)
				require.Equal(t, 15*time.Millisecond, out.WindowCertain)
				require.Equal(t, []int{1}, out.Anomalies[0].Ops)
			}},
		{name: "always loses an unanswered write that was read", mode: "always", crash: contract.Power,
			script: `c1 set a 1 10-20
				c1 set b 2 30-?
				c2 get b 2 32-35
				crash power-cut 40
				found a=1`,
			verdict: verdict.Violated, anomaly: anomaly.LostWrite,
			check: func(t *testing.T, out Judgement) {
				require.Zero(t, out.Lost, "nobody had acknowledged it")
				require.Equal(t, []int{2}, out.Anomalies[0].Ops)
			}},
		{name: "an acknowledged overwrite of the lost value explains nothing", mode: "always", crash: contract.Kill,
			script: `c1 set a 1 10-20
				c1 set a 2 21-25
				c1 set a 3 26-29
				crash kill 40
				found a=1`,
			verdict: verdict.Violated, anomaly: anomaly.LostWrite,
			check: func(t *testing.T, out Judgement) { require.Equal(t, 2, out.Lost) }},
		{name: "a hole is no prefix", mode: "everysec", crash: contract.Power,
			script: `c1 set a 1 10-20
				c1 set b 2 21-25
				write 12-13
				crash power-cut 40
				found b=2`,
			verdict: verdict.Violated, anomaly: anomaly.Hole,
			check: func(t *testing.T, out Judgement) { require.Equal(t, []int{0, 1}, out.Anomalies[0].Ops) }},
		{name: "everysec loses what no sync covers", mode: "everysec", crash: contract.Power,
			script: `c1 set a 1 10-20
				write 12-13
				sync 14-19 covers 13
				c1 set b 2 21-25
				write 22-23
				crash power-cut 40
				found a=1`,
			verdict: verdict.Holds,
			check: func(t *testing.T, out Judgement) {
				require.Equal(t, 1, out.Lost)
				require.Equal(t, 1, out.PossiblyLost)
				require.False(t, out.Censored)
				require.Equal(t, 15*time.Millisecond, out.WindowCertain)
			}},
		{name: "all of it lost: the window is only known to be longer", mode: "everysec", crash: contract.Power,
			script: `c1 set a 1 10-20
				write 12-13
				crash power-cut 40
				found nothing`,
			verdict: verdict.Holds,
			check:   func(t *testing.T, out Judgement) { require.True(t, out.Censored) }},
		{name: "everysec loses what a returned sync covers", mode: "everysec", crash: contract.Power,
			script: `c1 set a 1 10-20
				write 12-13
				c1 set b 2 21-25
				write 22-23
				sync 26-30 covers 23
				crash power-cut 40
				found nothing`,
			verdict: verdict.Violated, anomaly: anomaly.LostWrite,
			check: func(t *testing.T, out Judgement) { require.Equal(t, []int{0}, out.Anomalies[0].Ops) }},
		{name: "a sync in flight covers nothing yet", mode: "everysec", crash: contract.PowerInSync,
			script: `c1 set a 1 10-20
				write 12-13
				sync 26-? covers 13
				crash power-cut 40
				found nothing`,
			verdict: verdict.Holds},
		{name: "everysec that never syncs", mode: "everysec", crash: contract.Power,
			script: `c1 set a 1 10-20
				write 12-13
				c1 set b 1 3000-3010
				write 3001-3002
				crash power-cut 3500
				found a=1 b=1`,
			verdict: verdict.Violated, anomaly: anomaly.LateSync},
		{name: "everysec that never syncs, and waited for a processor", mode: "everysec", crash: contract.Power,
			script: `c1 set a 1 10-20
				write 12-13
				c1 set b 1 3000-3010
				write 3001-3002
				waits 2000-2100 by 1000
				crash power-cut 3500
				found a=1 b=1`,
			verdict: verdict.Unknown, assume: Scheduled},
		{name: "a wait that is too short to explain it", mode: "everysec", crash: contract.Power,
			script: `c1 set a 1 10-20
				write 12-13
				c1 set b 1 3000-3010
				write 3001-3002
				waits 2000-2100 by 900
				crash power-cut 3500
				found a=1 b=1`,
			verdict: verdict.Violated, anomaly: anomaly.LateSync},
		{name: "a wait at another time explains nothing", mode: "everysec", crash: contract.Power,
			script: `c1 set a 1 10-20
				write 12-13
				waits 4000-4100 by 9000
				sync 3000-3100 covers 13
				crash power-cut 4200
				found a=1`,
			verdict: verdict.Violated, anomaly: anomaly.LateSync},
		{name: "the wait explains the first that is late, and not the second", mode: "everysec", crash: contract.Power,
			script: `c1 set a 1 10-20
				write 12-13
				waits 1000-1100 by 9000
				sync 3000-3100 covers 13
				c1 set b 1 4000-4010
				write 4001-4002
				crash power-cut 7000
				found a=1 b=1`,
			verdict: verdict.Violated, anomaly: anomaly.LateSync},
		{name: "everysec with a long sync in flight is not late", mode: "everysec", crash: contract.Power,
			script: `c1 set a 1 10-20
				write 12-13
				sync 500-4500 covers 13
				c1 set b 1 600-610
				write 601-602
				crash power-cut 5000
				found a=1`,
			verdict: verdict.Holds,
			check:   func(t *testing.T, out Judgement) { require.True(t, out.OverDocumented) }},
		{name: "after the long sync the next one is late", mode: "everysec", crash: contract.Power,
			script: `c1 set a 1 10-20
				write 12-13
				sync 500-4500 covers 13
				c1 set b 1 600-610
				write 601-602
				crash power-cut 9000
				found a=1`,
			verdict: verdict.Violated, anomaly: anomaly.LateSync},
		{name: "a failing sync is not a late one", mode: "everysec", crash: contract.Power,
			script: `c1 set a 1 10-20
				write 12-13
				sync 500-510 covers 13 failed
				c1 set b 1 600-610
				write 601-602
				crash power-cut 9000
				found a=1`,
			verdict: verdict.Holds},
		{name: "kill under everysec loses nothing that was written", mode: "everysec", crash: contract.Kill,
			script: `c1 set a 1 10-20
				write 12-13
				crash kill 40
				found nothing`,
			verdict: verdict.Violated, anomaly: anomaly.LostWrite},
		{name: "kill under everysec may lose a write postponed behind a sync", mode: "everysec", crash: contract.Kill,
			script: `c1 set a 1 10-20
				write 12-13
				sync 500-? covers 13
				c1 set b 1 600-610
				crash kill 1000
				found a=1`,
			verdict: verdict.Holds,
			check: func(t *testing.T, out Judgement) {
				require.Equal(t, 1, out.Lost)
				require.Equal(t, 1, out.PostponedLost)
				require.True(t, out.OverDocumented)
			}},
		{name: "but not one postponed for longer than the source waits", mode: "everysec", crash: contract.Kill,
			script: `c1 set a 1 10-20
				write 12-13
				sync 500-? covers 13
				c1 set b 1 600-610
				crash kill 4000
				found a=1`,
			verdict: verdict.Violated, anomaly: anomaly.LostWrite},
		{name: "unless it waited for a processor meanwhile", mode: "everysec", crash: contract.Kill,
			script: `c1 set a 1 10-20
				write 12-13
				sync 500-? covers 13
				c1 set b 1 600-610
				waits 2000-2100 by 1000
				crash kill 4000
				found a=1`,
			verdict: verdict.Unknown, assume: Scheduled},
		{name: "and not without a sync in flight, whatever it waited", mode: "everysec", crash: contract.Kill,
			script: `c1 set a 1 10-20
				write 12-13
				c1 set b 1 600-610
				waits 500-900 by 9000
				crash kill 1000
				found a=1`,
			verdict: verdict.Violated, anomaly: anomaly.LostWrite},
		{name: "and not without a sync in flight", mode: "everysec", crash: contract.Kill,
			script: `c1 set a 1 10-20
				write 12-13
				c1 set b 1 600-610
				crash kill 1000
				found a=1`,
			verdict: verdict.Violated, anomaly: anomaly.LostWrite},
		{name: "no loses nothing to a kill", mode: "no", crash: contract.Kill,
			script: `c1 set a 1 10-20
				write 12-13
				crash kill 40
				found nothing`,
			verdict: verdict.Violated, anomaly: anomaly.LostWrite},
		{name: "no may lose everything to a power cut", mode: "no", crash: contract.Power,
			script: `c1 set a 1 10-20
				write 12-13
				crash power-cut 40000
				found nothing`,
			verdict: verdict.Holds,
			check:   func(t *testing.T, out Judgement) { require.True(t, out.OverDocumented) }},
		{name: "rdb keeps what was acknowledged before the fork", mode: "rdb", crash: contract.Power, conf: saves,
			script: `c1 set a 1 10-20
				snapshot fork 30 began 31 renamed 50 durable 60
				c1 set b 1 35-40
				crash power-cut 100
				found a=1`,
			verdict: verdict.Holds,
			check:   func(t *testing.T, out Judgement) { require.Equal(t, 60*time.Millisecond, out.WindowCertain) }},
		{name: "rdb loses a durable snapshot", mode: "rdb", crash: contract.Power, conf: saves,
			script: `c1 set a 1 10-20
				snapshot fork 30 began 31 renamed 50 durable 60
				crash power-cut 100
				found nothing`,
			verdict: verdict.Violated, anomaly: anomaly.LostWrite},
		{name: "rdb may lose a snapshot that is only renamed", mode: "rdb", crash: contract.Power, conf: saves,
			script: `c1 set a 1 10-20
				snapshot fork 30 began 31 renamed 50 durable ?
				crash power-cut 100
				found nothing`,
			verdict: verdict.Holds},
		{name: "but not to a kill", mode: "rdb", crash: contract.Kill, conf: saves,
			script: `c1 set a 1 10-20
				snapshot fork 30 began 31 renamed 50 durable ?
				crash kill 100
				found nothing`,
			verdict: verdict.Violated, anomaly: anomaly.LostWrite},
		{name: "rdb that never saves", mode: "rdb", crash: contract.Power, conf: saves,
			script: `c1 set a 1 10-20
				c1 set a 2 30-40
				crash power-cut 5000
				found nothing`,
			verdict: verdict.Violated, anomaly: anomaly.LateSync},
		{name: "rdb that never saves, and waited for a processor", mode: "rdb", crash: contract.Power, conf: saves,
			script: `c1 set a 1 10-20
				c1 set a 2 30-40
				waits 1000-4000 by 3000
				crash power-cut 5000
				found nothing`,
			verdict: verdict.Unknown, assume: Scheduled},
		{name: "a change that was sent before the fork may be in the snapshot", mode: "rdb", crash: contract.Power, conf: saves,
			script: `c1 set a 1 10-20
				c2 set b 1 25-40
				c1 set a 2 50-60
				snapshot fork 30 began 31 renamed 35 durable 37
				crash power-cut 5000
				found a=1`,
			verdict: verdict.Holds},
		{name: "one that was sent after it is not", mode: "rdb", crash: contract.Power, conf: saves,
			script: `c1 set a 1 10-20
				c2 set b 1 35-40
				c1 set a 2 50-60
				snapshot fork 30 began 31 renamed 35 durable 37
				crash power-cut 5000
				found a=1`,
			verdict: verdict.Violated, anomaly: anomaly.LateSync},
		{name: "without save points SIGTERM saves nothing", mode: "rdb", crash: contract.Term, conf: contract.Config{SavePoints: []contract.SavePoint{}},
			script: `c1 set a 1 10-20
				crash term 50
				found nothing`,
			verdict: verdict.Holds},
		{name: "with save points it saves, whatever the mode is called", mode: "none", crash: contract.Term, conf: saves,
			script: `c1 set a 1 10-20
				crash term 50
				found a=1`,
			verdict: verdict.Holds},
		{name: "and must", mode: "none", crash: contract.Term, conf: saves,
			script: `c1 set a 1 10-20
				crash term 50
				found nothing`,
			verdict: verdict.Violated, anomaly: anomaly.LostWrite},
		{name: "rdb with too few changes need not save", mode: "rdb", crash: contract.Power, conf: saves,
			script: `c1 set a 1 10-20
				crash power-cut 5000
				found nothing`,
			verdict: verdict.Holds},
		{name: "none comes back empty", mode: "none", crash: contract.Kill,
			script: `c1 set a 1 10-20
				crash kill 50
				found nothing`,
			verdict: verdict.Holds,
			check: func(t *testing.T, out Judgement) {
				require.Equal(t, 1, out.Lost)
				require.True(t, out.Censored)
			}},
		{name: "none that remembers did not crash", mode: "none", crash: contract.Kill,
			script: `c1 set a 1 10-20
				crash kill 50
				found a=1`,
			verdict: verdict.Violated, anomaly: anomaly.Resurrection},
		{name: "a value nobody wrote", mode: "everysec", crash: contract.Power,
			script: `c1 set a 1 10-20
				write 12-13
				crash power-cut 50
				found a=7`,
			verdict: verdict.Violated, anomaly: anomaly.Phantom},
		{name: "a value that a recovery did not have is back after the next", mode: "everysec", crash: contract.Power,
			script: `c1 set a 1 10-20
				write 12-13
				crash power-cut 50
				found nothing
				c1 set b 2 80-90
				write 81-82
				crash power-cut 150
				found a=1`,
			verdict: verdict.Violated, anomaly: anomaly.Resurrection},
		{name: "what one recovery had the next has too", mode: "everysec", crash: contract.Power,
			script: `c1 set a 1 10-20
				write 12-13
				crash power-cut 50
				found a=1
				c1 set b 2 80-90
				write 81-82
				crash power-cut 150
				found nothing`,
			verdict: verdict.Violated, anomaly: anomaly.LostWrite},
		{name: "a power cut soon after a kill reaches back behind it", mode: "everysec", crash: contract.Power,
			script: `c1 set a 1 10-20
				write 12-13
				sync 14-15 covers 13
				c1 set b 2 30-40
				write 32-33
				crash kill 50
				found a=1 b=2
				c1 set c 3 80-90
				write 81-82
				crash power-cut 150
				found a=1`,
			verdict: verdict.Holds,
			check: func(t *testing.T, out Judgement) {
				require.Equal(t, 2, out.Lost)
				require.Equal(t, 110*time.Millisecond, out.WindowCertain)
				require.Equal(t, []string{acrossNote}, out.Notes)
			}},
		{name: "but not behind a sync", mode: "everysec", crash: contract.Power,
			script: `c1 set a 1 10-20
				write 12-13
				sync 14-15 covers 13
				c1 set b 2 30-40
				write 32-33
				crash kill 50
				found a=1 b=2
				c1 set c 3 80-90
				write 81-82
				sync 83-84 covers 82
				crash power-cut 150
				found a=1`,
			verdict: verdict.Violated, anomaly: anomaly.LostWrite},
		{name: "and not with a hole", mode: "everysec", crash: contract.Power,
			script: `c1 set a 1 10-20
				write 12-13
				c1 set b 2 30-40
				write 32-33
				crash kill 50
				found a=1 b=2
				c1 set c 3 80-90
				write 81-82
				crash power-cut 150
				found b=2 c=3`,
			verdict: verdict.Violated, anomaly: anomaly.LostWrite},
		{name: "a server that will not start", mode: "always", crash: contract.Power,
			script: `c1 set a 1 10-20
				crash power-cut 50
				refused Bad file format`,
			verdict: verdict.Violated, anomaly: anomaly.Unrecoverable,
			check: func(t *testing.T, out Judgement) {
				require.Equal(t, Refused, out.Recovery)
				require.Contains(t, out.Anomalies[0].Story, "Bad file format")
			}},
		{name: "a repaired tail is allowed after a power cut", mode: "always", crash: contract.Power,
			script: `c1 set a 1 10-20
				crash power-cut 50
				repaired
				found a=1`,
			verdict: verdict.Holds,
			check:   func(t *testing.T, out Judgement) { require.Equal(t, Repaired, out.Recovery) }},
		{name: "a transaction in half", mode: "everysec", crash: contract.Power,
			script: `c1 txn a=1,b=1 10-20
				write 12-13
				crash power-cut 50
				found a=1`,
			verdict: verdict.Violated, anomaly: anomaly.TornTransaction},
		{name: "a transaction overwritten in one key", mode: "everysec", crash: contract.Power,
			script: `c1 txn a=1,b=1 10-20
				c2 set b 2 15-25
				write 12-13
				crash power-cut 50
				found a=1 b=2`,
			verdict: verdict.Holds},
		{name: "a list without its middle", mode: "everysec", crash: contract.Power,
			script: `c1 push l a 10-20
				c1 push l b 21-25
				c1 push l c 26-30
				c1 list l a,b,c 31-35
				write 12-13
				crash power-cut 50
				found l=[a,c]`,
			verdict: verdict.Violated, anomaly: anomaly.SilentTruncation,
			check: func(t *testing.T, out Judgement) { require.Equal(t, []int{1}, out.Anomalies[0].Ops) }},
		{name: "a list without its end", mode: "everysec", crash: contract.Power,
			script: `c1 push l a 10-20
				c1 push l b 21-25
				c1 push l c 26-30
				c1 list l a,b,c 31-35
				write 12-13
				crash power-cut 50
				found l=[a]`,
			verdict: verdict.Holds,
			check:   func(t *testing.T, out Judgement) { require.Equal(t, 2, out.Lost) }},
		{name: "a read of an old value", mode: "always", crash: contract.Kill,
			script: `c1 set a 1 10-20
				c1 set a 2 30-40
				c2 get a 1 50-60
				crash kill 100
				found a=2`,
			verdict: verdict.Violated, anomaly: anomaly.StaleRead},
		{name: "a read of a value nobody wrote", mode: "always", crash: contract.Kill,
			script: `c2 get a 1 50-60
				crash kill 100
				found nothing`,
			verdict: verdict.Violated, anomaly: anomaly.Phantom},
		{name: "while a child runs, always may lose", mode: "always", crash: contract.Power, conf: noSync,
			script: `c1 set a 1 10-20
				write 12-13
				sync 14-19 covers 13
				child 30-?
				c1 set b 1 40-50
				write 41-42
				crash power-cut 100
				found a=1`,
			verdict: verdict.Holds},
		{name: "but not before it", mode: "always", crash: contract.Power, conf: noSync,
			script: `c1 set a 1 10-20
				write 12-13
				child 30-?
				c1 set b 1 40-50
				write 41-42
				crash power-cut 100
				found nothing`,
			verdict: verdict.Violated, anomaly: anomaly.LostWrite},
		{name: "a counter cut short is a prefix", mode: "everysec", crash: contract.Power,
			script: `c1 incr n 2 2 10-20
				c1 incr n 3 5 30-40
				write 12-13
				crash power-cut 100
				found n=2`,
			verdict: verdict.Holds,
			check:   func(t *testing.T, out Judgement) { require.Equal(t, 1, out.Lost) }},
		{name: "a counter without its middle is not", mode: "everysec", crash: contract.Power,
			script: `c1 incr n 2 2 10-20
				c1 incr n 3 5 30-40
				c1 incr n 4 9 50-60
				write 12-13
				crash power-cut 100
				found n=6`,
			verdict: verdict.Violated, anomaly: anomaly.Hole},

		{name: "what is appended to a key that is read as a string makes it longer", mode: "always", crash: contract.Kill,
			script: `c1 push a x 10-20
				c1 get a x 30-40
				c1 push a y 50-60
				crash kill 100
				found a=xy`,
			verdict: verdict.Holds},
		{name: "a key that may have expired by the dump may be gone", mode: "always", crash: contract.Power,
			script: `c1 setpx a 1 100 10-20
				crash power-cut 200
				found nothing`,
			verdict: verdict.Holds},
		{name: "a write that nobody acknowledged may have been there, and have expired", mode: "always", crash: contract.Power,
			script: `c1 set a 1 10-20
				c2 setpx a 2 161 150-?
				crash power-cut 160
				found nothing`,
			verdict: verdict.Holds},
		{name: "a write that nobody acknowledged and that lives on explains no absence", mode: "always", crash: contract.Power,
			script: `c1 set a 1 10-20
				c2 setpx a 2 10000 150-?
				crash power-cut 160
				found nothing`,
			verdict: verdict.Violated, anomaly: anomaly.LostWrite},
		{name: "a key that may not have expired by the dump may not", mode: "always", crash: contract.Power,
			script: `c1 setpx a 1 10000 10-20
				crash power-cut 200
				found nothing`,
			verdict: verdict.Violated, anomaly: anomaly.LostWrite},
		{name: "a read that finds nothing before the deadline", mode: "always", crash: contract.Power,
			script: `c1 setpx a 1 10000 10-20
				c1 get a - 30-40
				crash power-cut 200
				found a=1`,
			verdict: verdict.Violated, anomaly: anomaly.StaleRead},
		{name: "a read that finds nothing after the deadline", mode: "always", crash: contract.Power,
			script: `c1 setpx a 1 100 10-20
				c1 get a - 130-140
				crash power-cut 200
				found nothing`,
			verdict: verdict.Holds},

		{name: "no crash", mode: "always", crash: contract.Power,
			script:  `c1 set a 1 10-20`,
			verdict: verdict.Unknown, assume: Struck},
		{name: "another crash than asked for", mode: "always", crash: contract.Power,
			script: `c1 set a 1 10-20
				crash kill 50
				found a=1`,
			verdict: verdict.Unknown, assume: Struck},
		{name: "no sync in flight where one was asked for", mode: "always", crash: contract.PowerInSync,
			script: `c1 set a 1 10-20
				crash power-cut 50
				found a=1`,
			verdict: verdict.Unknown, assume: Struck},
		{name: "nothing acknowledged", mode: "always", crash: contract.Power,
			script: `c1 set a 1 10-?
				crash power-cut 50
				found nothing`,
			verdict: verdict.Unknown, assume: Enough},
		{name: "nothing read after the crash", mode: "always", crash: contract.Power,
			script: `c1 set a 1 10-20
				crash power-cut 50`,
			verdict: verdict.Unknown, assume: Reopened},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := contract.For(tc.mode, tc.crash, tc.conf)
			require.NoError(t, err)
			j := Judge{Options: unhurried}
			out := j.Judge(script(t, tc.script), c)
			require.Equal(t, tc.verdict, out.Verdict, "%s %+v", out.Why, out.Anomalies)
			require.Equal(t, tc.assume, out.Assumption)
			if tc.anomaly != "" {
				require.Equal(t, tc.anomaly, out.Anomalies[0].Name, out.Anomalies[0].Story)
				require.NotEmpty(t, out.Anomalies[0].Story)
				require.NotEmpty(t, out.Why)
			}
			if tc.check != nil {
				tc.check(t, out)
			}
		})
	}
}
