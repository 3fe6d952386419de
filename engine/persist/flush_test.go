package persist

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/faults/vfs"
)

// room is a simulated machine with one server on it, whose disk calls a test
// sees, and may decide about.
type room struct {
	t     testing.TB
	w     *sim.World
	n     *sim.Node
	calls []string // since the last clearing, of the server
	hook  func(c *disk.Call) disk.Decision
}

func newRoom(t testing.TB) *room {
	r := &room{t: t}
	p, err := sim.ProfileByName("nvme")
	require.NoError(t, err)
	r.w = sim.New(sim.Options{Seed: 1, Profile: p, Hook: func(_ *sim.Node, c *disk.Call) disk.Decision {
		line := c.Kind.String() + " " + c.Path
		if c.Path2 != "" {
			line += " " + c.Path2
		}
		r.calls = append(r.calls, line)
		if r.hook == nil {
			return disk.Decision{}
		}
		return r.hook(c)
	}})
	t.Cleanup(r.w.Close)
	r.n = r.w.Node("n1", disk.New(disk.Options{}))
	return r
}

// run runs a server's main task to its end, or to the end of the world.
func (r *room) run(lines []string, f func(s *server)) {
	r.n.Start(func(e env.Env, fs vfs.FS) { f(newServer(e, fs, settings(r.t, lines...), 0)) })
	require.NoError(r.t, r.w.Run(r.w.Now()+time.Hour))
}

// turn is one turn of the event loop with some commands.
func (s *server) turn(lines ...string) error {
	for _, l := range lines {
		s.do(0, l)
	}
	return s.BeforeSleep(1)
}

// idle passes time as the event loop does with hz 10.
func (s *server) idle(d time.Duration) error {
	for end := s.env.Now() + d; s.env.Now() < end; {
		s.env.Sleep(min(100*time.Millisecond, end-s.env.Now()))
		if err := s.Cron(); err != nil {
			return err
		}
		if err := s.BeforeSleep(0); err != nil {
			return err
		}
	}
	return nil
}

func isIncrSync(c *disk.Call) bool {
	return c.Kind == disk.OpFdatasync && strings.Contains(c.Path, "incr")
}

func count(calls []string, part string) (n int) {
	for _, c := range calls {
		if strings.HasPrefix(c, part) {
			n++
		}
	}
	return n
}

// A write behind an fsync in flight is answered and not written; a plain kill
// loses it. After two seconds it is written all the same.
func TestEverysecPostponesTheWriteBehindAnFsyncInFlight(t *testing.T) {
	for _, c := range []struct {
		wait time.Duration
		kept bool
	}{{1500 * time.Millisecond, false}, {3200 * time.Millisecond, true}} {
		r := newRoom(t)
		r.hook = func(c *disk.Call) disk.Decision {
			if isIncrSync(c) {
				return disk.Decision{Delay: 10 * time.Second}
			}
			return disk.Decision{}
		}
		acked := false
		r.n.Start(func(e env.Env, fs vfs.FS) {
			s := newServer(e, fs, settings(t, "appendonly yes"), 0)
			require.NoError(t, s.Load())
			require.NoError(t, s.idle(1100*time.Millisecond))
			require.NoError(t, s.turn("SET before 1"))
			require.EqualValues(t, 1, s.Info().PendingBioFsync)
			require.NoError(t, s.turn("SET postponed 1"))
			acked = true
			require.NotZero(t, s.Info().BufferLength)
			require.NoError(t, s.idle(c.wait))
			require.Equal(t, c.kept, s.Info().BufferLength == 0)
			require.Equal(t, c.kept, s.Info().DelayedFsync == 1)
			e.Sleep(time.Hour)
		})
		r.w.At(1200*time.Millisecond+c.wait, func() {
			require.True(t, acked)
			r.n.Kill(true)
		})
		require.NoError(t, r.w.Run(time.Minute))
		r.hook = nil
		r.run([]string{"appendonly yes"}, func(s *server) {
			require.NoError(t, s.Load())
			require.NotNil(t, s.ks.DB(0).Get([]byte("before")))
			require.Equal(t, c.kept, s.ks.DB(0).Get([]byte("postponed")) != nil)
		})
	}
}

// Cron writes what was postponed, and leaves the rest to the turn's end, before which
// nobody is answered.
func TestCronWritesOnlyWhatWasPostponed(t *testing.T) {
	r := newRoom(t)
	r.run([]string{"appendonly yes"}, func(s *server) {
		require.NoError(t, s.Load())
		s.do(0, "SET a 1")
		r.calls = nil
		require.NoError(t, s.Cron())
		require.Empty(t, r.calls)
		require.NoError(t, s.BeforeSleep(1))
		require.NotEmpty(t, r.calls)
	})
}

func TestEverysecSyncsOnceMoreWhenIdle(t *testing.T) {
	r := newRoom(t)
	r.run([]string{"appendonly yes"}, func(s *server) {
		require.NoError(t, s.Load())
		require.NoError(t, s.idle(1100*time.Millisecond))
		r.calls = nil
		require.NoError(t, s.turn("SET a 1"))
		require.NoError(t, s.turn("SET b 1")) // in the same second: no sync of its own
		require.NoError(t, s.idle(300*time.Millisecond))
		require.Equal(t, 1, count(r.calls, "fdatasync"))
		require.NoError(t, s.idle(3*time.Second))
		require.Equal(t, 2, count(r.calls, "fdatasync"), "once more for b, and then no more")
	})
}

func TestNoNeverSyncsButAtShutdown(t *testing.T) {
	r := newRoom(t)
	r.run([]string{"appendonly yes", "appendfsync no"}, func(s *server) {
		require.NoError(t, s.Load())
		r.calls = nil
		for range 50 {
			require.NoError(t, s.turn("SET a 1"))
			require.NoError(t, s.idle(100*time.Millisecond))
		}
		require.Zero(t, count(r.calls, "fdatasync"))
		require.Equal(t, 50, count(r.calls, "write"))
		require.NoError(t, s.Shutdown(SaveDefault, false))
		require.Equal(t, 1, count(r.calls, "fdatasync"))
	})
}

func TestFailedSyncs(t *testing.T) {
	eio := func(r *room, from, to time.Duration) func(c *disk.Call) disk.Decision {
		return func(c *disk.Call) disk.Decision {
			if now := r.w.Now(); isIncrSync(c) && now >= from && now < to {
				return disk.Decision{Err: syscall.EIO}
			}
			return disk.Decision{}
		}
	}
	const misconf = "MISCONF Errors writing to the AOF file: Input/output error"
	t.Run("always", func(t *testing.T) {
		r := newRoom(t)
		r.hook = eio(r, 0, time.Hour)
		r.run([]string{"appendonly yes", "appendfsync always"}, func(s *server) {
			require.NoError(t, s.Load())
			err := s.turn("SET a 1")
			var fatal *FatalError
			require.ErrorAs(t, err, &fatal)
			require.EqualError(t, err, "Can't persist AOF for fsync error when the AOF fsync policy is 'always': Input/output error. Exiting...")
			r.calls = nil
			require.Error(t, s.turn("SET b 1"), "nothing is written any more")
			require.Empty(t, r.calls)
		})
	})
	t.Run("everysec", func(t *testing.T) {
		r := newRoom(t)
		r.hook = eio(r, 1500*time.Millisecond, 2500*time.Millisecond)
		r.run([]string{"appendonly yes"}, func(s *server) {
			require.NoError(t, s.Load())
			require.NoError(t, s.idle(1600*time.Millisecond))
			require.NoError(t, s.turn("SET a 1"), "acknowledged, though its sync will fail")
			require.Empty(t, s.WriteRefusal())
			require.NoError(t, s.idle(100*time.Millisecond))
			require.Equal(t, misconf, s.WriteRefusal())
			require.False(t, s.Info().LastWriteOK)
			// Nothing new to sync: only the next write, which is refused, or a
			// rewrite would start another.
			require.NoError(t, s.idle(3*time.Second))
			require.Equal(t, misconf, s.WriteRefusal())
			require.NoError(t, s.turn("SET b 1")) // such as an expiry's DEL
			require.NoError(t, s.idle(100*time.Millisecond))
			require.Empty(t, s.WriteRefusal())
		})
	})
	t.Run("no", func(t *testing.T) {
		r := newRoom(t)
		r.hook = eio(r, 0, time.Hour)
		r.run([]string{"appendonly yes", "appendfsync no"}, func(s *server) {
			require.NoError(t, s.Load())
			require.NoError(t, s.turn("SET a 1"))
			require.NoError(t, s.idle(3*time.Second))
			require.Empty(t, s.WriteRefusal())
		})
	})
}

func TestFullDisk(t *testing.T) {
	const misconf = "MISCONF Errors writing to the AOF file: No space left on device"
	for _, policy := range []string{"always", "everysec", "no"} {
		for _, free := range []int64{0, 10} { // nothing is written, or a part that must be cut off again
			t.Run(fmt.Sprintf("%s, %d bytes free", policy, free), func(t *testing.T) {
				r := newRoom(t)
				lines := []string{"appendonly yes", "appendfsync " + policy}
				r.run(lines, func(s *server) {
					require.NoError(t, s.Load())
					require.NoError(t, s.turn("SET a 1"))
					size := s.Info().CurrentSize
					r.n.Disk().SetFree(free)
					err := s.turn("SET b 1")
					info, _ := s.o.FS.Stat(s.aofPath(s.manifest.Incr[0].Name))
					require.Equal(t, size, info.Size, "a part of the command was left")
					if policy == "always" {
						require.EqualError(t, err, "Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...")
						return
					}
					require.NoError(t, err)
					require.Equal(t, misconf, s.WriteRefusal())
					require.NoError(t, s.idle(2*time.Second))
					require.Equal(t, misconf, s.WriteRefusal())
					r.n.Disk().SetFree(-1)
					require.NoError(t, s.idle(1100*time.Millisecond))
					require.Empty(t, s.WriteRefusal(), "tried again within a second")
					require.True(t, s.logged("AOF write error looks solved"))
					require.NoError(t, s.Shutdown(SaveDefault, false))
				})
				r.run(lines, func(s *server) {
					require.NoError(t, s.Load())
					require.Equal(t, policy != "always", s.ks.DB(0).Get([]byte("b")) != nil)
				})
			})
		}
	}
}

// The file that a rewrite opens is not in append mode (redis 7.0.15
// openNewIncrAofForAppend): a short write that is cut off again leaves the
// position behind the cut, and the next write a hole of zeroes.
func TestShortWriteAfterARewriteLeavesAHole(t *testing.T) {
	r := newRoom(t)
	lines := []string{"appendonly yes", "appendfsync no"}
	r.run(lines, func(s *server) {
		require.NoError(t, s.Load())
		require.NoError(t, s.turn("SET a 1"))
		_, err := s.BGRewriteAOF(false)
		require.NoError(t, err)
		s.settle(t)
		require.NoError(t, s.turn("SET b 1"))
		r.n.Disk().SetFree(10)
		require.NoError(t, s.turn("SET c 1"))
		require.NotEmpty(t, s.WriteRefusal())
		r.n.Disk().SetFree(-1)
		require.NoError(t, s.idle(time.Second))
		require.Empty(t, s.WriteRefusal())
		require.NoError(t, s.Shutdown(SaveDefault, false))
	})
	r.run(lines, func(s *server) {
		require.ErrorContains(t, s.Load(), "Bad file format")
	})
}

func TestNoAppendfsyncOnRewrite(t *testing.T) {
	for _, policy := range []string{"always", "everysec"} {
		r := newRoom(t)
		slow := false
		r.hook = func(c *disk.Call) disk.Decision {
			if slow && c.Kind == disk.OpFsync {
				return disk.Decision{Delay: 3 * time.Second}
			}
			return disk.Decision{}
		}
		r.run([]string{"appendonly yes", "no-appendfsync-on-rewrite yes", "appendfsync " + policy}, func(s *server) {
			require.NoError(t, s.Load())
			require.NoError(t, s.turn("SET a 1"))
			require.NoError(t, s.idle(1100*time.Millisecond))
			slow = true
			_, err := s.BGSave(false, false)
			require.NoError(t, err)
			r.calls = nil
			require.NoError(t, s.turn("SET b 1"))
			require.NoError(t, s.idle(2*time.Second))
			require.NotNil(t, s.child)
			require.Zero(t, count(r.calls, "fdatasync"), "%s: synced while a child runs", policy)
			s.settle(t)
			require.NoError(t, s.idle(1100*time.Millisecond))
			require.Equal(t, 1, count(r.calls, "fdatasync appendonlydir"), "%s: not caught up", policy)
		})
	}
}

func TestAlwaysCatchesUpWhenSwitchedOn(t *testing.T) {
	r := newRoom(t)
	r.run([]string{"appendonly yes", "appendfsync no"}, func(s *server) {
		require.NoError(t, s.Load())
		require.NoError(t, s.turn("SET a 1"))
		require.NoError(t, s.cfg.Set("appendfsync", "always"))
		r.calls = nil
		require.NoError(t, s.turn())
		require.Equal(t, []string{"fdatasync appendonlydir/appendonly.aof.1.incr.aof"}, r.calls)
		require.NoError(t, s.turn())
		require.Len(t, r.calls, 1)
	})
}

func TestFeedSelectsAndAnnotates(t *testing.T) {
	r := newRoom(t)
	r.run([]string{"appendonly yes", "aof-timestamp-enabled yes", "aof-use-rdb-preamble no"}, func(s *server) {
		require.NoError(t, s.Load())
		s.Feed(3, [][]byte{[]byte("MULTI")})
		s.do(3, "SET a 1")
		s.do(3, "SET b 1")
		s.Feed(3, [][]byte{[]byte("EXEC")})
		s.do(0, "SET c 1")
		require.Equal(t, "#TS:1767225600\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"+
			"*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n1\r\n*1\r\n$4\r\nEXEC\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$1\r\n1\r\n", string(s.buf))
	})
}

func BenchmarkTurn(b *testing.B) {
	r := newRoom(b)
	r.run([]string{"appendonly yes", "appendfsync no"}, func(s *server) {
		if err := s.Load(); err != nil {
			b.Error(err)
			return
		}
		argv := [][]byte{[]byte("SET"), []byte("key:1"), []byte("value of a client")}
		b.ReportAllocs()
		for b.Loop() {
			s.Feed(0, argv)
			s.Feed(0, argv)
			s.buf = s.buf[:0] // the disk is not what is measured
			_ = s.BeforeSleep(2)
		}
	})
}

// What a simulated experiment pays for each life of a server.
func BenchmarkFirstStart(b *testing.B) {
	p, _ := sim.ProfileByName("nvme")
	w := sim.New(sim.Options{Seed: 1, Profile: p})
	defer w.Close()
	d := disk.New(disk.Options{})
	cfg := settings(b, "appendonly yes", "appendfsync always", "aof-use-rdb-preamble no")
	b.ReportAllocs()
	for b.Loop() {
		w.Reset(sim.Options{Seed: 1, Profile: p})
		d.Reset(disk.Options{})
		n := w.Node("n1", d)
		n.Start(func(e env.Env, fs vfs.FS) {
			if err := newServer(e, fs, cfg, 0).Load(); err != nil {
				b.Error(err)
			}
		})
		if err := w.Run(time.Hour); err != nil {
			b.Fatal(err)
		}
	}
}

// The main thread may close the file under a background fsync: no failure.
func TestFileClosedUnderItsSync(t *testing.T) {
	r := newRoom(t)
	r.hook = func(c *disk.Call) disk.Decision {
		if isIncrSync(c) {
			return disk.Decision{Delay: 700 * time.Millisecond}
		}
		return disk.Decision{}
	}
	r.run([]string{"appendonly yes"}, func(s *server) {
		require.NoError(t, s.Load())
		require.NoError(t, s.idle(1100*time.Millisecond))
		require.NoError(t, s.turn("SET a 1"))
		s.syncer.submit(s.incr) // a second one, which finds the file closed
		s.DisableAOF()
		require.NoError(t, s.idle(3*time.Second))
		require.Zero(t, s.Info().PendingBioFsync)
		require.NoError(t, s.bioErr)
		require.NoError(t, s.EnableAOF(false))
		require.NoError(t, s.idle(3*time.Second))
		require.Empty(t, s.WriteRefusal())
		s.Close()
	})
}

// TestAPlantedReplyBeforeTheSyncIsAGroups: with the bug planted the sync comes behind the
// replies when two clients have written in one turn, and before them when one has.
func TestAPlantedReplyBeforeTheSyncIsAGroups(t *testing.T) {
	r := newRoom(t)
	r.n.Start(func(e env.Env, fs vfs.FS) {
		s := newServer(e, fs, settings(t, "appendonly yes", "appendfsync always"), bugs.GroupReplyBeforeSync)
		require.NoError(t, s.Load())
		for clients, synced := range map[int]int{1: 1, 2: 0, 3: 0} { // any order: a turn each
			s.do(0, "SET a 1")
			r.calls = nil
			require.NoError(t, s.BeforeSleep(clients))
			require.Equal(t, synced, count(r.calls, "fdatasync"), "%d clients", clients)
		}
	})
	require.NoError(t, r.w.Run(r.w.Now()+time.Hour))
}
