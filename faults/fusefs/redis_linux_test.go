package fusefs_test

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/faults/process/redistest"
	"github.com/torntail/torntail/internal/needs"
)

// mode is a Redis persistence mode as directives, all of them stated.
func mode(appendfsync string) []process.Directive {
	return []process.Directive{
		{Name: "appendonly", Args: []string{"yes"}},
		{Name: "appendfsync", Args: []string{appendfsync}},
		{Name: "aof-use-rdb-preamble", Args: []string{"no"}},
		{Name: "save", Args: []string{""}},
		{Name: "enable-debug-command", Args: []string{"yes"}},
	}
}

func needRedis(t testing.TB) {
	t.Helper()
	needs.Program(t, "redis-server")
}

func startRedis(t testing.TB, v *fusefs.Volume, directives []process.Directive) *process.Redis {
	t.Helper()
	r, err := process.StartRedis(context.Background(), process.RedisSpec{Dir: v.Path(), Directives: directives})
	require.NoError(t, err)
	t.Cleanup(func() { r.KillTree(); r.WaitTree() })
	return r
}

func dial(t testing.TB, r *process.Redis) *redistest.Conn {
	t.Helper()
	c, err := redistest.Dial(r.Addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func do(t testing.TB, c *redistest.Conn, args ...string) string {
	t.Helper()
	reply, err := c.Do(args...)
	require.NoError(t, err, strings.Join(args, " "))
	return reply
}

// isIncr says that a call is about the append-only file's growing part.
func isIncr(c *disk.Call) bool { return strings.HasSuffix(c.Path, ".incr.aof") }

// writers set keys until the connection breaks, from several clients at once,
// and return how many each had acknowledged.
func writers(t *testing.T, r *process.Redis, clients int, stop *atomic.Bool) []int {
	acked := make([]int, clients)
	var all sync.WaitGroup
	for i := range clients {
		c := dial(t, r)
		all.Go(func() {
			for n := 0; !stop.Load(); n++ {
				if _, err := c.Do("SET", fmt.Sprintf("c%d:%d", i, n), "v"); err != nil || stop.Load() {
					return
				}
				acked[i] = n + 1
			}
		})
	}
	all.Wait()
	return acked
}

// missing counts the acknowledged writes that are not there.
func missing(t *testing.T, r *process.Redis, acked []int) int {
	c := dial(t, r)
	lost := 0
	for i, n := range acked {
		for k := range n {
			if do(t, c, "EXISTS", fmt.Sprintf("c%d:%d", i, k)) == "0" {
				lost++
			}
		}
	}
	return lost
}

func total(acked []int) int {
	sum := 0
	for _, n := range acked {
		sum += n
	}
	return sum
}

// recoverRedis starts Redis on what a crash left; where it refuses (finding F2: a
// tail of zeroes), its own tool is used first.
func recoverRedis(t *testing.T, v *fusefs.Volume, directives []process.Directive) *process.Redis {
	t.Helper()
	r, err := process.StartRedis(context.Background(), process.RedisSpec{Dir: v.Path(), Directives: directives})
	if err != nil {
		var refused *process.StartError
		require.ErrorAs(t, err, &refused)
		out, exit, err := process.Run(process.Spec{Path: "sh", Dir: v.Path(),
			Args: []string{"-c", "echo y | redis-check-aof --fix appendonlydir/appendonly.aof.manifest"}})
		require.NoError(t, err)
		require.Zero(t, exit.Code, "%s\n%s", refused, out)
		return startRedis(t, v, directives)
	}
	t.Cleanup(func() { r.KillTree(); r.WaitTree() })
	return r
}

func TestAlwaysLosesNothingInTheMiddleOfAnFdatasync(t *testing.T) {
	needRedis(t)
	m := serve(t)
	for _, choice := range []string{"none", "all", "random 1", "random 2", "torn 7"} {
		t.Run(choice, func(t *testing.T) {
			keep, err := disk.ParseChoice(choice)
			require.NoError(t, err)
			var v *fusefs.Volume
			var victim atomic.Pointer[process.Redis]
			var off atomic.Bool
			cut := make(chan disk.Cut, 1)
			syncs := 0
			v = attach(t, m, fusefs.VolumeOptions{
				SyncLatency: func(*disk.Call) time.Duration { return time.Millisecond },
				Hook: func(c *disk.Call) disk.Decision {
					if c.Kind != disk.OpFdatasync || !isIncr(c) {
						return disk.Decision{}
					}
					if syncs++; syncs != 40 {
						return disk.Decision{}
					}
					return disk.Decision{Place: disk.PlaceInFlight, Fraction: 0.5, Strike: func() {
						off.Store(true) // the clients: this instant is tc
						c, err := v.PowerCut(keep, victim.Load())
						if err == nil {
							cut <- c
						}
					}}
				},
			})
			r := startRedis(t, v, mode("always"))
			victim.Store(r)
			acked := writers(t, r, 4, &off)
			struck := <-cut
			require.Len(t, struck.InFlight, 1)
			require.Equal(t, disk.OpFdatasync, struck.InFlight[0].Kind)
			require.Greater(t, total(acked), 40)

			r = recoverRedis(t, v, mode("always"))
			require.Zero(t, missing(t, r, acked))
		})
	}
}

func TestEverysecLosesWhatWasNotSynced(t *testing.T) {
	needRedis(t)
	m := serve(t)
	v := attach(t, m, fusefs.VolumeOptions{
		// The sync never comes to an end, so all that follows is unsynced.
		Hook: func(c *disk.Call) disk.Decision {
			return disk.Decision{Stall: c.Kind == disk.OpFdatasync && isIncr(c)}
		},
	})
	r := startRedis(t, v, mode("everysec"))
	c := dial(t, r)
	for n := range 100 {
		do(t, c, "SET", "c0:"+strconv.Itoa(n), "v")
	}
	cut, err := v.PowerCut(disk.Choice{}, r)
	require.NoError(t, err)
	require.NotZero(t, cut.LostBytes)
	r = recoverRedis(t, v, mode("everysec"))
	require.Equal(t, 100, missing(t, r, []int{100}))
}

func TestEverysecKeepsWhatWasSynced(t *testing.T) {
	needRedis(t)
	m := serve(t)
	v := attach(t, m, fusefs.VolumeOptions{})
	r := startRedis(t, v, mode("everysec"))
	c := dial(t, r)
	do(t, c, "SET", "c0:0", "v")
	eventually(t, "a sync of the incr file has covered the write", func() bool {
		synced := false
		v.With(func(d *disk.Disk) {
			var wrote uint64
			for _, rec := range d.Log() {
				if rec.Kind == disk.OpWrite && isIncr(&rec.Call) {
					wrote = rec.ID
				}
				if rec.Kind == disk.OpFdatasync && isIncr(&rec.Call) && rec.Return != disk.Never && wrote != 0 && rec.Covers >= wrote {
					synced = true
				}
			}
		})
		return synced
	})
	_, err := v.PowerCut(disk.Choice{}, r)
	require.NoError(t, err)
	r = recoverRedis(t, v, mode("everysec"))
	require.Zero(t, missing(t, r, []int{1}))
}

func TestProcessKillKeepsThePageCache(t *testing.T) {
	needRedis(t)
	m := serve(t)
	var victim atomic.Pointer[process.Redis]
	var off atomic.Bool
	writes := 0
	v := attach(t, m, fusefs.VolumeOptions{Hook: func(c *disk.Call) disk.Decision {
		if c.Kind != disk.OpWrite || !isIncr(c) {
			return disk.Decision{}
		}
		if writes++; writes != 100 {
			return disk.Decision{}
		}
		return disk.Decision{Place: disk.PlaceInFlight, Strike: func() { off.Store(true); victim.Load().Kill(true) }}
	}})
	r := startRedis(t, v, mode("no"))
	victim.Store(r)
	acked := writers(t, r, 4, &off)
	r.WaitTree()
	require.NotZero(t, total(acked))
	dirty := 0
	v.With(func(d *disk.Disk) { dirty, _ = d.InPlay() })
	require.NotZero(t, dirty, "nothing was unsynced: a power cut would have lost nothing either")
	r = recoverRedis(t, v, mode("no"))
	require.Zero(t, missing(t, r, acked))
}

func TestRewriteChildOutlivesAKillAndIsWaitedFor(t *testing.T) {
	needRedis(t)
	m := serve(t)
	v := attach(t, m, fusefs.VolumeOptions{})
	delay := process.Directive{Name: "rdb-key-save-delay", Args: []string{"50000"}}
	preamble := process.Directive{Name: "aof-use-rdb-preamble", Args: []string{"yes"}}
	r := startRedis(t, v, append(mode("everysec"), delay, preamble))
	c := dial(t, r)
	for n := range 40 {
		do(t, c, "SET", "c0:"+strconv.Itoa(n), "v")
	}
	do(t, c, "BGREWRITEAOF")
	eventually(t, "the rewrite child has reported a key", func() bool {
		n, err := c.Info("current_save_keys_processed")
		return err == nil && n != "0"
	})
	r.Kill(false)
	r.Wait()
	require.Len(t, r.Children(), 1)
	require.NoError(t, r.WaitChildren(0))
	renamed := ""
	v.With(func(d *disk.Disk) {
		log := d.Log()
		renamed = log[len(log)-1].Path2
	})
	require.Contains(t, renamed, "temp-rewriteaof-bg-", "the orphan's last act is to rename its file")
	r = recoverRedis(t, v, mode("everysec"))
	require.Zero(t, missing(t, r, []int{40}))
}

// cycle is one whole experiment: a fresh disk, a server, 100 pipelined writes,
// a power cut, a restart on the image, a dump.
func cycle(m *fusefs.Mount, name string, directives []process.Directive) error {
	v, err := m.Attach(name, disk.New(disk.Options{KeepLog: true}), fusefs.VolumeOptions{})
	if err != nil {
		return err
	}
	defer v.Detach()
	spec := process.RedisSpec{Dir: v.Path(), Directives: directives}
	r, err := process.StartRedis(context.Background(), spec)
	if err != nil {
		return err
	}
	defer func() { r.KillTree(); r.WaitTree() }()
	c, err := redistest.Dial(r.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	const writes = 100
	for n := range writes {
		c.Queue("SET", "key:"+strconv.Itoa(n), "value")
	}
	if err := c.Flush(); err != nil {
		return err
	}
	for range writes {
		if _, err := c.Receive(); err != nil {
			return err
		}
	}
	if _, err := v.PowerCut(disk.Choice{}, r); err != nil {
		return err
	}
	r, err = process.StartRedis(context.Background(), spec)
	if err != nil {
		return err
	}
	again, err := redistest.Dial(r.Addr)
	if err != nil {
		return err
	}
	defer again.Close()
	keys, err := again.Do("KEYS", "*")
	if err != nil {
		return err
	}
	if n := len(strings.Fields(keys)); n != writes {
		return fmt.Errorf("%d of %d acknowledged writes are there", n, writes)
	}
	return nil
}

// BenchmarkCycle measures whole experiments; several run at once, as in a run
// against a real server.
func BenchmarkCycle(b *testing.B) {
	needRedis(b)
	for _, workers := range []int{1, 4} {
		b.Run(fmt.Sprintf("mode=always/workers=%d", workers), func(b *testing.B) {
			m := serve(b)
			directives := mode("always")
			var next atomic.Int64
			var all sync.WaitGroup
			before := cpu()
			b.ResetTimer()
			for range workers {
				all.Go(func() {
					for {
						n := next.Add(1)
						if n > int64(b.N) {
							return
						}
						if err := cycle(m, fmt.Sprintf("v%d", n), directives); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cycles/s")
			b.ReportMetric((cpu()-before).Seconds()*1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// BenchmarkServer is what clients see of a server on the mount, which logs
// everything, beside the same server on the host's file system. On the mount a
// sync takes no time, so the mode always is no comparison of disks.
func BenchmarkServer(b *testing.B) {
	needRedis(b)
	if _, err := exec.LookPath("redis-benchmark"); err != nil {
		b.Skip("no redis-benchmark: run scripts/setup")
	}
	for _, appendfsync := range []string{"no", "everysec", "always"} {
		for _, on := range []string{"host", "mount"} {
			b.Run("mode="+appendfsync+"/on="+on, func(b *testing.B) {
				dir := b.TempDir()
				if on == "mount" {
					dir = attach(b, serve(b), fusefs.VolumeOptions{}).Path()
				}
				r, err := process.StartRedis(context.Background(), process.RedisSpec{Dir: dir, Directives: mode(appendfsync)})
				require.NoError(b, err)
				defer func() { r.KillTree(); r.WaitTree() }()
				host, port, _ := strings.Cut(r.Addr, ":")
				b.ResetTimer()
				out, err := exec.Command("redis-benchmark", "-h", host, "-p", port, "-c", "50", "-d", "100",
					"-n", strconv.Itoa(b.N), "-q", "set", "key:__rand_int__", "value").CombinedOutput()
				b.StopTimer()
				require.NoError(b, err, string(out))
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
			})
		}
	}
}

// TestPowerCutAtAnyCall lets the power go at each call of a first start, and at
// every ninth from there over the writes into a rewrite, before, in and after
// the call by turns. Whatever the call was, the server must die unaware, the
// volume come back and nothing that was acknowledged be missing.
func TestPowerCutAtAnyCall(t *testing.T) {
	needRedis(t)
	m := serve(t)
	kinds := map[string]bool{}
	for k, step := 1, 1; ; k += step {
		if k > 15 {
			step = 9
		}
		var v *fusefs.Volume
		var victim atomic.Pointer[process.Process]
		var off, struck atomic.Bool
		calls := 0
		done := make(chan error, 1)
		place := disk.Place(k % 3)
		v = attach(t, m, fusefs.VolumeOptions{Hook: func(c *disk.Call) disk.Decision {
			if !c.Kind.Mutates() && !c.Kind.IsSync() {
				return disk.Decision{}
			}
			if calls++; calls != k {
				return disk.Decision{}
			}
			struck.Store(true)
			kinds[c.Kind.Word()] = true
			return disk.Decision{Place: place, Fraction: 0.5, Strike: func() {
				off.Store(true)
				_, err := v.PowerCut(disk.Choice{Mode: disk.KeepRandom, Seed: uint64(k)}, started{&victim})
				done <- err
			}}
		}})
		acked := untilCut(t, v, &victim, &off)
		if !struck.Load() {
			require.Greater(t, k, 150, "the run is too short to say anything")
			break
		}
		require.NoError(t, <-done)
		r := recoverRedis(t, v, mode("always"))
		require.Zero(t, missing(t, r, []int{acked}), "power cut at call %d, place %d", k, place)
		r.KillTree()
		r.WaitTree()
		v.Detach()
	}
	for _, kind := range []string{"write", "fsync", "rename"} {
		require.True(t, kinds[kind], "no cut struck a %s: %v", kind, kinds)
	}
}

// started is a victim that may not have been started when the power goes: then
// it waits until it is.
type started struct {
	p *atomic.Pointer[process.Process]
}

func (s started) KillTree() { s.wait().KillTree() }
func (s started) WaitTree() { s.wait().WaitTree() }

func (s started) wait() *process.Process {
	for s.p.Load() == nil {
		time.Sleep(time.Millisecond)
	}
	return s.p.Load()
}

// untilCut runs a server under always through its first start, writes, and a
// rewrite, until the power goes or all is done, and returns how many writes
// were acknowledged.
func untilCut(t *testing.T, v *fusefs.Volume, victim *atomic.Pointer[process.Process], off *atomic.Bool) (acked int) {
	t.Helper()
	r, err := process.StartRedis(context.Background(), process.RedisSpec{
		Dir: v.Path(), Directives: mode("always"), Started: victim.Store,
	})
	if err != nil {
		require.True(t, off.Load(), "the server ended without a power cut: %v", err)
		return 0
	}
	t.Cleanup(func() { r.KillTree(); r.WaitTree() })
	c := dial(t, r)
	for n := range 60 {
		if n == 20 {
			if _, err := c.Do("BGREWRITEAOF"); err != nil {
				return acked
			}
		}
		if _, err := c.Do("SET", "c0:"+strconv.Itoa(n), "v"); err != nil || off.Load() {
			return acked
		}
		acked++
	}
	eventually(t, "the rewrite is over", func() bool {
		running, err := c.Info("aof_rewrite_in_progress")
		return err != nil || running == "0"
	})
	return acked
}
