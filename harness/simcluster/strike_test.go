package simcluster

import (
	"cmp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/reports/result"
)

// TestWhatASimulatedClusterCannotSuffer: it is refused before the run, not found out
// after it.
func TestWhatASimulatedClusterCannotSuffer(t *testing.T) {
	const why = "no simulated server makes that call"
	for text, want := range map[string]string{
		"at 2s: fail n2 syncfs(*) EIO":                why,
		"at n1 symlink(*)#3: kill n1":                 why,
		"at 2s: full n2 0 for 6s":                     "",
		"at 2s: slow n1 fsync(*.incr.aof) 6s for 6s":  "",
		"at 2s: stall fsync(*)":                       "",
		"at 2s: readonly n1":                          "",
		"at 2s: corrupt n1 *.aof bit 3":               "",
		"at n1 fsync(*)#3: kill n1":                   "",
		"at 2s: cut n1 -> n2 for until n1 fsync(*)#1": "",
		"at 2s: wipe n1":                              "",
		"at 2s: power-cut all":                        "",
		"at 2s: clock s1 +3s":                         "",
		"at ack#3: cut n1 -> n2,c1":                   "",
		"at 2s: do n1 SHUTDOWN":                       "",
		"at 2s: restart n1":                           "",
	} {
		p, err := plan.Parse("plan 1\n" + text)
		require.NoError(t, err)
		s, err := splitbrain.New(splitbrain.Options{Plan: p})
		require.NoError(t, err)
		c := New()
		err = s.Check(System())
		if want == "" {
			require.NoError(t, err, text)
		} else {
			require.EqualError(t, err, `"`+text+`" cannot strike here: `+want)
			_, err = c.Run(s, Options{Seed: 1})
			require.ErrorContains(t, err, want, "nor does it run")
		}
		c.Close()
	}
}

func TestEveryScenarioCanRunInSimulation(t *testing.T) {
	for _, n := range splitbrain.Scenarios {
		s, err := splitbrain.New(n.Options)
		require.NoError(t, err, n.Name)
		require.NoError(t, s.Check(System()), n.Name)
	}
}

// struck runs a scenario of a plan's.
func struck(t *testing.T, c *Simulator, text string, directives ...splitbrain.Directive) *splitbrain.Report {
	t.Helper()
	p, err := plan.Parse("plan 1\n" + text)
	require.NoError(t, err)
	s := scenario(t, splitbrain.Options{Plan: p, Span: 8 * time.Second, Directives: directives})
	out, err := c.Run(s, Options{Seed: 1})
	require.NoError(t, err)
	out.Findings = c.Judge(out)
	return splitbrain.Judge(s, out)
}

// TestAPowerCutLeavesTheConfiguration, which has been on the disk for long: all come back.
func TestAPowerCutLeavesTheConfiguration(t *testing.T) {
	c := New()
	defer c.Close()
	r := struck(t, c, `at 1s: power-cut all keep none
at +1s: restart n1
at +1ms: restart n2
at +1ms: restart n3
at +1ms: restart s1
at +1ms: restart s2
at +1ms: restart s3`, splitbrain.Directive{Name: "appendfsync", Value: "always"})
	require.GreaterOrEqual(t, r.ConvergeMS, 0.0, r.Why)
	require.Zero(t, r.Lost+r.Unattributed)
	require.Equal(t, result.Unknown, r.Verdict, r.Story)
	require.Contains(t, r.Why, "nobody was promoted", "n1 was back before anybody missed it")
}

// TestANodeThatRefusesIsRepaired, as an operator would, in the course of the experiment.
func TestANodeThatRefusesIsRepaired(t *testing.T) {
	c := New()
	defer c.Close()
	c.Start = func(n *splitbrain.Node) (string, error) {
		var cut error
		_, err := n.Machine.(plan.Disks).OnDisk(n.Name, func(d *disk.Disk) { cut = cutTail(d.FS(nil)) })
		if err = cmp.Or(err, cut); err != nil {
			return "", err
		}
		return c.start(n)
	}
	r := struck(t, c, "at 2s: kill n1\nat +3s: restart n1", splitbrain.Directive{Name: "aof-load-truncated", Value: "no"})
	require.Equal(t, machine.Repaired, c.returns["n1"].How, c.returns["n1"].Refusal)
	require.Equal(t, result.Holds, r.Verdict, r.Why+r.Story)
}

// cutTail takes the end of every incr file.
func cutTail(fsys vfs.FS) error {
	names, err := fsys.List(redis.AOFDir)
	for _, name := range names {
		if redis.Store.Role(name) != product.TheLog || err != nil {
			continue
		}
		var f vfs.File
		if f, err = fsys.Open(redis.AOFDir+"/"+name, vfs.WriteOnly); err != nil {
			return err
		}
		info, failed := f.Stat()
		err = cmp.Or(failed, f.Truncate(info.Size-3), f.Close())
	}
	return err
}
