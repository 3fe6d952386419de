package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/fusefs/control"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/cluster"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/mount"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/workloads"
)

// holding is what a process holds, in the order of soakColumns.
type holding [5]float64

var soakColumns = [len(holding{})]string{"memory, MiB", "descriptors", "goroutines", "threads", "temporary files"}

// held is what this process holds now. Memory is what it keeps when all garbage has been
// given back; pages of its own program are not of it, which come as code is first needed.
func held(temp string) (f holding) {
	debug.FreeOSMemory()
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		n, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		switch name {
		case "RssAnon":
			f[0] = n / 1024
		case "Threads":
			f[3] = n
		}
	}
	fds, _ := os.ReadDir("/proc/self/fd")
	f[1], f[2] = float64(len(fds)), float64(runtime.NumGoroutine())
	filepath.WalkDir(temp, func(string, os.DirEntry, error) error { f[4]++; return nil })
	return f
}

// classes says what Go's runtime holds its memory for, in KiB: objects that are reached, rests of
// spans, stacks, and its own books, which keep the size of the busiest moment.
func classes() string {
	names := []string{"heap/objects", "heap/unused", "heap/stacks", "os-stacks", "metadata/mcache/inuse", "metadata/mspan/inuse", "metadata/other", "profiling/buckets", "other"}
	samples := make([]metrics.Sample, len(names))
	for i, name := range names {
		samples[i].Name = "/memory/classes/" + name + ":bytes"
	}
	metrics.Read(samples)
	var parts []string
	for i, name := range names {
		parts = append(parts, fmt.Sprintf("%s %d", name, samples[i].Value.Uint64()/1024))
	}
	return strings.Join(parts, ", ")
}

// soaking are the loops that go on side by side, each a round of it.
func soaking(t *testing.T) map[string]func(ctx context.Context, round int) error {
	everysec, err := redis.ModeByName("everysec")
	require.NoError(t, err)
	power, err := experiment.CrashByName("power")
	require.NoError(t, err)
	server, err := clusterServer("redis-server")
	require.NoError(t, err)
	scenario := func(o splitbrain.Options) *splitbrain.Scenario {
		s, err := splitbrain.New(o)
		require.NoError(t, err)
		return s
	}
	named, err := splitbrain.Find("aphyr-2013", "")
	require.NoError(t, err)
	split := scenario(named.Options)
	stays := scenario(splitbrain.Options{Clients: 1})
	dir := t.TempDir()
	return map[string]func(context.Context, int) error{
		"run": func(ctx context.Context, round int) error {
			backend, done, err := openTarget("redis-server", "fuse")
			if err != nil {
				return err
			}
			defer done()
			k := &campaign.Campaign{Modes: []product.Mode{everysec}, Crashes: []*experiment.CrashKind{power}, Workload: workloads.Default(),
				Personality: "ext4", Profile: "cloud-ssd", Seed: uint64(round), Runs: 2, Workers: 1}
			_, err = k.Run(ctx, backend)
			return err
		},
		"mount": func(_ context.Context, round int) error {
			m, err := mount.Open(mount.Options{Dir: dir, Seed: uint64(round)})
			if err != nil {
				return err
			}
			// Whoever serves a file system does not use it: others write.
			out, err := exec.Command("sh", "-c", `cd "$0" && for i in 1 2 3 4 5 6 7 8; do dd if=/dev/zero of=f$i bs=64k count=16 conv=fsync 2>&1 || exit 1; done`, dir).CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%w: %s", err, out)
			}
			if _, cerr := control.Call(m.Socket(), "power-cut", "keep", "none"); err == nil {
				err = cerr
			}
			if cerr := m.Close(); err == nil {
				err = cerr
			}
			return err
		},
		"topology": func(ctx context.Context, round int) error {
			up, err := cluster.Up(ctx, stays, cluster.Options{Server: server.Rig, Seed: uint64(round), Anybody: true, Host: true})
			if err != nil {
				return err
			}
			return up.Close()
		},
		"splitbrain": func(ctx context.Context, round int) error {
			_, err := cluster.Run(ctx, split, cluster.Options{Server: server.Rig, Seed: uint64(round)})
			return err
		},
	}
}

// soaked is what a process held in one minute: in the mean while it worked, and when all
// rounds of that minute had ended and no other had begun.
type soaked struct {
	minute     float64 // since the start, at its end
	work, rest holding
}

// TestSoak runs experiments, mounts, topologies and split brains in one process, side by side,
// for TORNTAIL_SOAK minutes. Each minute all stop between two rounds: what is held then does not
// depend on how fast the machine is, and in the last third it is at most 2 % above what it was
// from the sixth part to the half.
func TestSoak(t *testing.T) {
	minutes, _ := strconv.Atoi(os.Getenv("TORNTAIL_SOAK"))
	if minutes == 0 {
		t.Skip("for make prove-soak")
	}
	needs.Program(t, "redis-server")
	needs.Working(t, fusefs.Available())
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("XDG_RUNTIME_DIR", temp)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var all sync.WaitGroup
	var rounds sync.RWMutex // a round holds it for reading, who wants them all to rest for writing
	done, failed := map[string]*atomic.Int64{}, new(atomic.Int64)
	for name, round := range soaking(t) {
		n := new(atomic.Int64)
		done[name] = n
		all.Go(func() {
			for i := 1; ctx.Err() == nil; i++ {
				rounds.RLock()
				err := round(ctx, i)
				rounds.RUnlock()
				// On a machine with much else to do a server may not start in its time.
				if err != nil && ctx.Err() == nil {
					t.Logf("%s, round %d: %v", name, i, err)
					failed.Add(1)
					continue
				}
				n.Add(1)
			}
		})
	}
	var table []soaked
	for began := time.Now(); time.Since(began) < time.Duration(minutes)*time.Minute; {
		var m soaked
		n := 0.0
		for end := time.Now().Add(time.Minute); n == 0 || time.Now().Before(end); time.Sleep(2 * time.Second) {
			for i, v := range held(temp) {
				m.work[i] += v
			}
			n++
		}
		for i := range m.work {
			m.work[i] /= n
		}
		rounds.Lock()
		m.rest = settledHolding(temp)
		rounds.Unlock()
		m.minute = time.Since(began).Minutes()
		table = append(table, m)
		t.Logf("minute %.1f: at work %.1f, at rest %.1f, of its memory %s", m.minute, m.work, m.rest, classes())
	}
	stop()
	all.Wait()
	var text strings.Builder
	fmt.Fprintf(&text, "# Soak\n\nWritten by `make prove-soak`: in one process, side by side, experiments with power cuts of a\nreal server, mounted disks, topologies and split brains, for %d minutes. Each minute: means\nwhile it worked (every two seconds, after a collection of garbage; they hang on how fast the\nmachine was), then, in bold, what it held when all rounds had ended and none had begun.\n\n| minute |", minutes)
	for _, what := range soakColumns {
		fmt.Fprintf(&text, " %s | at rest |", what)
	}
	text.WriteString("\n|--:|" + strings.Repeat("--:|", 2*len(soakColumns)) + "\n")
	for _, m := range table {
		fmt.Fprintf(&text, "| %.1f |", m.minute)
		for i := range soakColumns {
			fmt.Fprintf(&text, " %.1f | **%.1f** |", m.work[i], m.rest[i])
		}
		text.WriteString("\n")
	}
	text.WriteString("\nRounds:")
	for _, name := range []string{"run", "mount", "topology", "splitbrain"} {
		require.Positive(t, done[name].Load(), name)
		fmt.Fprintf(&text, " %s %d", name, done[name].Load())
	}
	fmt.Fprintf(&text, "; failed, of all, %d.\n", failed.Load())
	mean := func(from, to, i int) (sum float64) {
		n := 0.0
		for _, m := range table {
			if m.minute > float64(from) && m.minute <= float64(to)+1 {
				sum += m.rest[i]
				n++
			}
		}
		return sum / n
	}
	fmt.Fprintf(&text, "\nAt rest, in the mean of minutes %d to %d and of the last %d:\n", minutes/6, minutes/2, minutes/3)
	for i, what := range soakColumns {
		fmt.Fprintf(&text, "- %s: %.2f, then %.2f\n", what, mean(minutes/6, minutes/2, i), mean(minutes-minutes/3, minutes, i))
	}
	t.Log(text.String())
	if path := os.Getenv("TORNTAIL_TABLE"); path != "" {
		require.NoError(t, os.WriteFile(path, []byte(text.String()), 0o644))
	}
	if minutes < 6 {
		return
	}
	for i, what := range soakColumns {
		before, after := mean(minutes/6, minutes/2, i), mean(minutes-minutes/3, minutes, i)
		require.LessOrEqual(t, after, before*1.02, "%s: %.2f, then %.2f", what, before, after)
	}
}

// settledHolding is what the process holds when it holds no less than half a second before:
// connections that their other end has closed take a moment to be noticed.
func settledHolding(temp string) holding {
	before := held(temp)
	for began := time.Now(); time.Since(began) < 20*time.Second; {
		time.Sleep(500 * time.Millisecond)
		now := held(temp)
		if now[1] >= before[1] && now[2] >= before[2] {
			return now
		}
		before = now
	}
	return before
}
