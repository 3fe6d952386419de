package campaign

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/reports/result"
)

// TestAnExitIsJudged: a server that ends by itself is judged by whether its disk had failed
// it, and told; what it does after a failed sync is judged through the power cut of its
// second life.
func TestAnExitIsJudged(t *testing.T) {
	s := experiment.NewSimulator()
	defer s.Close()
	c := campaignOf(t, 1, 1, []string{"always", "everysec"}, []string{"power", "kill"})
	failing := func(op string, err syscall.Errno) func(d *seeding.Draws) *plan.Plan {
		return func(d *seeding.Draws) *plan.Plan {
			at := d.Between(20*time.Millisecond, 200*time.Millisecond)
			fail := experiment.At(at, &plan.Fail{Target: plan.Target{Call: plan.CallPattern{Op: op, Glob: "*.incr.aof"}}, Err: err})
			fail.Span = plan.Span{Kind: plan.SpanCalls, Calls: 1}
			return &plan.Plan{Statements: []plan.Statement{fail, experiment.At(at+d.Between(100*time.Millisecond, 300*time.Millisecond), experiment.PowerCut(d))}}
		}
	}
	for _, row := range []struct {
		name     string
		plan     func(d *seeding.Draws) *plan.Plan // nil: a drawn one
		plant    string
		want     result.EndKind
		why      string
		violated string // an anomaly that some of the runs must show; "": none may be violated
		finding  string // of those that are
	}{
		{"a failed sync", failing("fsync", syscall.EIO), "", result.EndRight, "after a failed sync of its log", "lost-write", "F7"},
		{"a failed write", failing("write", syscall.ENOSPC), "", result.EndRight, "after a failed write of appendonlydir/appendonly.aof.#.incr.aof: no space left on device", "", ""},
		{"a full disk", func(d *seeding.Draws) *plan.Plan {
			p := failing("write", syscall.ENOSPC)(d)
			p.Statements[0] = experiment.At(40*time.Millisecond, &plan.Full{Node: experiment.Server})
			p.Statements[0].Span = plan.Span{Kind: plan.SpanTime, For: 30 * time.Millisecond}
			return p
		}, "", result.EndRight, "after a failed write of appendonlydir/appendonly.aof.#.incr.aof: no space left on device", "", ""},
		{"a read-only disk", func(d *seeding.Draws) *plan.Plan {
			p := failing("write", syscall.EROFS)(d)
			p.Statements[0] = experiment.At(40*time.Millisecond, &plan.ReadOnly{Node: experiment.Server})
			p.Statements[0].Span = plan.Span{Kind: plan.SpanTime, For: 30 * time.Millisecond}
			return p
		}, "", result.EndRight, "after a failed write of appendonlydir/appendonly.aof.#.incr.aof: read-only file system", "", ""},
		{"an assertion", nil, "rewrite-aborts", result.EndWrong, `exit status 1, after "=== ASSERTION FAILED ==="`, "exited", ""},
	} {
		ended, violated := 0, 0
		for n := range 80 {
			m := &c.Modes[0]
			crash := c.Crashes[0]
			if row.plan == nil {
				m, crash = &c.Modes[1], c.Crashes[n%2]
			}
			x := c.Experiment(m, crash, uint64(n))
			x.Workload.ValueSize = 900 // more than the page that the next write brings back
			var err error
			x.Plants, err = experiment.ParsePlants(row.plant)
			require.NoError(t, err)
			if row.plan != nil {
				x.Plan, x.Asked = row.plan(seeding.NewDraws(x.Seed)), true
			}
			o, err := s.Run(x, nil)
			require.NoError(t, err)
			if len(o.OwnEnds) == 0 {
				require.NotEqual(t, history.Exited, o.History.Epochs[0].How, o.Why+o.Distrust)
				continue
			}
			ended++
			require.Equal(t, result.OwnEnd{How: row.want, Why: row.why, Runs: 1}, o.OwnEnds[0], row.name)
			if o.Verdict == result.Violated {
				require.NotEmpty(t, row.violated, "%s, %d: %v", row.name, n, o.Anomalies)
				require.Equal(t, row.violated, o.Anomalies[0].Name, row.name)
				violated++
				if row.violated == "lost-write" {
					require.Positive(t, o.Lost)
					require.Contains(t, o.Anomalies[0].Story, "acknowledged")
				}
				if row.finding != "" {
					require.Contains(t, o.Findings, row.finding)
				}
			}
			if row.want == result.EndWrong {
				require.Equal(t, result.Violated, o.Verdict, row.name)
			}
		}
		t.Logf("%s: %d ended by themselves, %d of them violated", row.name, ended, violated)
		require.Greater(t, ended, 20, row.name)
		require.Equal(t, row.violated != "", violated > 0, row.name)
	}
}

// TestAnExitIsTold: of a campaign whose server aborts in some runs, the result names it and
// does not hold; before, other runs took their place.
func TestAnExitIsTold(t *testing.T) {
	c := campaignOf(t, 1, 20, []string{"everysec"}, []string{"kill"})
	plants, err := experiment.ParsePlants("rewrite-aborts")
	require.NoError(t, err)
	c.Plants = plants
	results, err := c.Run(context.Background(), Simulation())
	require.NoError(t, err)
	require.Equal(t, result.Violated, results[0].Verdict)
	require.Len(t, results[0].OwnEnds, 1)
	require.Equal(t, results[0].Anomalies["exited"], results[0].OwnEnds[0].Runs)
}

// TestAServerThatAborts is the same of real servers: what ends itself is judged by how, and
// what was ended from outside says nothing.
func TestAServerThatAborts(t *testing.T) {
	newRig(t) // it can be run here
	// A server that is sent a signal once it has logged 200 bytes; the one that is started on
	// what it leaves is not.
	server := func(send string) string {
		path := filepath.Join(t.TempDir(), "server")
		require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `#!/bin/sh
dir=${*#*--dir }
find "${dir%%%% *}" -name '*.incr.aof' -size +0c 2>/dev/null | grep -q . && exec redis-server "$@"
(while kill -0 $$; do for f in /proc/$$/fd/*; do case "$(readlink $f)" in *.incr.aof)
	[ "$(stat -Lc %%s $f)" -gt 200 ] && kill -%s $$ && exit;; esac; done; sleep 0.05; done) </dev/null >/dev/null 2>&1 &
exec redis-server "$@"
`, send), 0o755))
		return path
	}
	for _, row := range []struct {
		send    string
		want    result.EndKind
		verdict result.Verdict
		why     string
	}{
		// The signal is not always 6: before it dies, the server tests its memory (7.0.15 debug.c
		// memtest_test_linux_anonymous_maps), which may fault where address space is limited.
		{"ABRT", result.EndWrong, result.Violated, "killed by signal"},
		{"KILL", "", result.Unknown, "killed by signal 9"},
		{"TERM", "", result.Unknown, "asked to end by a signal that torntail did not send"},
	} {
		rig, err := machine.NewRig(redis.Store, server(row.send), machine.FaultDisks)
		require.NoError(t, err)
		c := campaignOf(t, 1, 1, []string{"everysec"}, []string{"kill"})
		x := c.Experiment(&c.Modes[0], c.Crashes[0], 1)
		x.Plan = &plan.Plan{Statements: []plan.Statement{experiment.At(6*time.Second, &plan.Kill{Node: experiment.Server})}}
		r := experiment.NewRunner(rig.Machine())
		o, err := r.Run(context.Background(), x)
		r.Close()
		require.NoError(t, errors.Join(err, rig.Close()))
		require.Equal(t, row.verdict, o.Verdict, "%s: %s %v", row.send, o.Why, o.Anomalies)
		if row.want == "" {
			require.Empty(t, o.OwnEnds)
			require.Contains(t, o.Outside, row.why)
			continue
		}
		require.Len(t, o.OwnEnds, 1, row.send)
		require.Equal(t, row.want, o.OwnEnds[0].How, row.send)
		require.Contains(t, o.OwnEnds[0].Why, row.why)
	}
}
