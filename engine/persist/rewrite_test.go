package persist

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
)

// The orders of calls are those of traces of redis-server 7.0.15.

func TestCallsOfTheFirstStart(t *testing.T) {
	r := newRoom(t)
	r.run([]string{"appendonly yes"}, func(s *server) {
		require.NoError(t, s.Load())
		require.Equal(t, `stat appendonlydir
stat appendonly.aof
stat appendonlydir
mkdir appendonlydir
create temp-rewriteaof-1000.aof
write temp-rewriteaof-1000.aof
write temp-rewriteaof-1000.aof
fsync temp-rewriteaof-1000.aof
rename temp-rewriteaof-1000.aof appendonlydir/appendonly.aof.1.base.rdb
create appendonlydir/appendonly.aof.1.incr.aof
create appendonlydir/temp-appendonly.aof.manifest
write appendonlydir/temp-appendonly.aof.manifest
fdatasync appendonlydir/temp-appendonly.aof.manifest
rename appendonlydir/temp-appendonly.aof.manifest appendonlydir/appendonly.aof.manifest
open appendonlydir
dirsync appendonlydir
stat appendonlydir/appendonly.aof.1.incr.aof`, strings.Join(r.calls, "\n"))
	})
}

func TestCallsOfARewrite(t *testing.T) {
	r := newRoom(t)
	r.run([]string{"appendonly yes", "aof-use-rdb-preamble no", "appendfsync no"}, func(s *server) {
		require.NoError(t, s.Load())
		require.NoError(t, s.turn("SET a 1"))
		s.do(0, "SET b 1")
		r.calls = nil
		status, err := s.BGRewriteAOF(false)
		require.NoError(t, err)
		require.Equal(t, "Background append only file rewriting started", status)
		_, err = s.BGRewriteAOF(false)
		require.ErrorIs(t, err, ErrRewriteInProgress)
		require.NoError(t, s.turn("SET c 1"))
		s.settle(t)
		var main, child, bio []string
		for _, c := range r.calls {
			switch {
			case strings.HasPrefix(c, "fdatasync appendonlydir/appendonly.aof.1.incr"):
				bio = append(bio, c)
			case strings.Contains(c, "temp-rewriteaof-1001") || strings.Contains(c, "temp-rewriteaof-bg-1001") && !strings.Contains(c, "base") && !strings.Contains(c, "unlink"):
				child = append(child, c)
			default:
				main = append(main, c)
			}
		}
		require.Equal(t, []string{"fdatasync appendonlydir/appendonly.aof.1.incr.aof"}, bio)
		require.Equal(t, []string{
			"create temp-rewriteaof-1001.aof", "write temp-rewriteaof-1001.aof", "fsync temp-rewriteaof-1001.aof",
			"rename temp-rewriteaof-1001.aof temp-rewriteaof-bg-1001.aof", "unlink temp-rewriteaof-1001.aof"}, child)
		require.Equal(t, `stat appendonlydir
write appendonlydir/appendonly.aof.1.incr.aof
create appendonlydir/appendonly.aof.2.incr.aof
create appendonlydir/temp-appendonly.aof.manifest
write appendonlydir/temp-appendonly.aof.manifest
fdatasync appendonlydir/temp-appendonly.aof.manifest
rename appendonlydir/temp-appendonly.aof.manifest appendonlydir/appendonly.aof.manifest
open appendonlydir
dirsync appendonlydir
write appendonlydir/appendonly.aof.2.incr.aof
rename temp-rewriteaof-bg-1001.aof appendonlydir/appendonly.aof.2.base.aof
create appendonlydir/temp-appendonly.aof.manifest
write appendonlydir/temp-appendonly.aof.manifest
fdatasync appendonlydir/temp-appendonly.aof.manifest
rename appendonlydir/temp-appendonly.aof.manifest appendonlydir/appendonly.aof.manifest
open appendonlydir
dirsync appendonlydir
stat appendonlydir/appendonly.aof.2.base.aof
unlink appendonlydir/appendonly.aof.1.incr.aof
unlink appendonlydir/appendonly.aof.1.base.aof
create appendonlydir/temp-appendonly.aof.manifest
write appendonlydir/temp-appendonly.aof.manifest
fdatasync appendonlydir/temp-appendonly.aof.manifest
rename appendonlydir/temp-appendonly.aof.manifest appendonlydir/appendonly.aof.manifest
open appendonlydir
dirsync appendonlydir
unlink temp-rewriteaof-bg-1001.aof`, strings.Join(main, "\n"))
	})
}

// failing makes the calls of one kind on paths with a part fail while on is set.
func failing(on *bool, kind disk.OpKind, part string) func(c *disk.Call) disk.Decision {
	return func(c *disk.Call) disk.Decision {
		if *on && c.Kind == kind && strings.Contains(c.Path, part) {
			return disk.Decision{Err: syscall.EIO}
		}
		return disk.Decision{}
	}
}

// Whatever step of a rewrite fails, nothing is lost, the server goes on, and the
// next rewrite repairs it.
func TestFailedRewrites(t *testing.T) {
	for _, c := range []struct {
		name string
		kind disk.OpKind
		part string
	}{
		{"the new incr file cannot be opened", disk.OpCreate, "incr"},
		{"the manifest cannot be written", disk.OpWrite, "manifest"},
		{"the manifest cannot be synced", disk.OpFdatasync, "manifest"},
		{"the manifest cannot be renamed", disk.OpRename, "manifest"},
		{"the directory cannot be synced", disk.OpDirSync, "appendonlydir"},
		{"the base cannot be made", disk.OpCreate, "temp-rewriteaof"},
		{"the base cannot be written", disk.OpWrite, "temp-rewriteaof"},
		{"the base cannot be synced", disk.OpFsync, "temp-rewriteaof"},
		{"the base cannot be renamed", disk.OpRename, "temp-rewriteaof-bg"},
		{"the child cannot rename", disk.OpRename, "temp-rewriteaof-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRoom(t)
			bad := false
			r.hook = failing(&bad, c.kind, c.part)
			lines := []string{"appendonly yes", "appendfsync always"}
			var want string
			r.run(lines, func(s *server) {
				require.NoError(t, s.Load())
				require.NoError(t, s.turn("SET a 1"))
				bad = true
				_, _ = s.BGRewriteAOF(false)
				require.NoError(t, s.turn("SET b 1"))
				s.settle(t)
				bad = false
				require.False(t, s.Info().LastRewriteOK)
				require.NoError(t, s.turn("SET c 1"))
				want = dump(s.ks)
			})
			r.run(lines, func(s *server) {
				require.NoError(t, s.Load(), "after the failed rewrite")
				require.Equal(t, want, dump(s.ks))
				_, err := s.BGRewriteAOF(false)
				require.NoError(t, err)
				s.settle(t)
				require.True(t, s.Info().LastRewriteOK)
				require.Len(t, s.manifest.Incr, 1)
			})
			r.run(lines, func(s *server) {
				require.NoError(t, s.Load())
				require.Equal(t, want, dump(s.ks))
				names, err := s.o.FS.List("appendonlydir")
				require.NoError(t, err)
				base, incr := s.manifest.Base.Name, s.manifest.Incr[0].Name
				require.Contains(t, names, base)
				require.Contains(t, names, incr)
				root, err := s.o.FS.List(".")
				require.NoError(t, err)
				require.Equal(t, []string{"appendonlydir"}, root, "temporary files were left")
			})
		})
	}
}

func TestRewriteStartsByItselfAndPausesAfterFailures(t *testing.T) {
	r := newRoom(t)
	bad := false
	r.hook = failing(&bad, disk.OpFsync, "temp-rewriteaof")
	r.run([]string{"appendonly yes", "auto-aof-rewrite-percentage 100", "auto-aof-rewrite-min-size 4000", "appendfsync no"}, func(s *server) {
		require.NoError(t, s.Load())
		value := strings.Repeat("v", 1000)
		for range 4 {
			require.NoError(t, s.turn("SET a "+value))
			require.NoError(t, s.idle(500*time.Millisecond))
		}
		require.EqualValues(t, 1, s.Info().Rewrites, "beyond the minimum size, and twice the base")
		require.NoError(t, s.idle(time.Second))
		base := s.Info().BaseSize
		require.Less(t, base, int64(2000))
		bad = true
		for s.Info().CurrentSize <= max(2*base, 4000) {
			require.NoError(t, s.turn("SET a "+value))
		}
		require.NoError(t, s.idle(5*time.Second))
		require.EqualValues(t, 3, s.Info().ConsecutiveFails, "three tries, then a pause")
		require.True(t, s.logged("will retry in 1 minutes"))
		require.NoError(t, s.idle(50*time.Second))
		require.EqualValues(t, 3, s.Info().ConsecutiveFails)
		require.NoError(t, s.idle(15*time.Second))
		require.EqualValues(t, 4, s.Info().ConsecutiveFails)
		require.True(t, s.logged("will retry in 2 minutes"))
		require.NoError(t, s.idle(4*time.Hour))
		require.True(t, s.logged("will retry in 32 minutes"))
		require.True(t, s.logged("will retry in 60 minutes"))
		require.EqualValues(t, 11, s.Info().ConsecutiveFails, "an hour is the longest pause")
		bad = false
		require.NoError(t, s.idle(time.Hour))
		require.EqualValues(t, 0, s.Info().ConsecutiveFails)
		require.True(t, s.Info().LastRewriteOK)
	})
}

func TestRewriteWaitsForASnapshot(t *testing.T) {
	r := newRoom(t)
	r.run([]string{"appendonly yes"}, func(s *server) {
		require.NoError(t, s.Load())
		require.NoError(t, s.turn("SET a 1"))
		_, err := s.BGSave(false, false)
		require.NoError(t, err)
		status, err := s.BGRewriteAOF(false)
		require.NoError(t, err)
		require.Equal(t, "Background append only file rewriting scheduled", status)
		require.True(t, s.Info().RewriteScheduled)
		require.NoError(t, s.idle(time.Second))
		require.EqualValues(t, 1, s.Info().Rewrites)
		require.Equal(t, "appendonly.aof.2.base.rdb", s.manifest.Base.Name)
		// And the other way round.
		_, err = s.BGRewriteAOF(false)
		require.NoError(t, err)
		_, err = s.BGSave(false, false)
		require.ErrorIs(t, err, ErrOtherChild)
		status, err = s.BGSave(true, false)
		require.NoError(t, err)
		require.Equal(t, "Background saving scheduled", status)
		require.NoError(t, s.idle(time.Second))
		require.EqualValues(t, 2, s.Info().Saves)
	})
}

func TestRewriteWithTheFileOff(t *testing.T) {
	r := newRoom(t)
	r.run([]string{"appendonly no"}, func(s *server) {
		require.NoError(t, s.Load())
		require.NoError(t, s.turn("SET a 1"))
		_, err := s.BGRewriteAOF(false)
		require.NoError(t, err)
		s.settle(t)
		require.Nil(t, s.incr)
		require.Equal(t, "appendonly.aof.1.base.rdb", s.manifest.Base.Name)
	})
	r.run([]string{"appendonly yes"}, func(s *server) {
		require.NoError(t, s.Load())
		require.NotNil(t, s.ks.DB(0).Get([]byte("a")))
	})
}

// Switched on at run time, the file holds everything once the first rewrite has
// ended, the writes made meanwhile included; a restart before that loads nothing.
func TestSwitchingOnAndOff(t *testing.T) {
	for _, ended := range []bool{false, true} {
		r := newRoom(t)
		r.run([]string{"appendonly no", "appendfsync always"}, func(s *server) {
			require.NoError(t, s.Load())
			require.NoError(t, s.turn("SET a 1"))
			s.cfg.AppendOnly = true
			require.NoError(t, s.EnableAOF(false))
			require.NoError(t, s.turn("SET b 1"))
			require.True(t, s.Info().AofEnabled)
			if ended {
				s.settle(t)
				require.NoError(t, s.turn("SET c 1"))
				require.Equal(t, aofOn, s.state)
			}
			r.n.PowerCut(disk.Choice{Mode: disk.KeepNone})
		})
		r.run([]string{"appendonly yes", "appendfsync always"}, func(s *server) {
			require.NoError(t, s.Load())
			n := 0
			if ended {
				n = 3
			}
			require.Equal(t, n, s.ks.Len())
			if !ended {
				return
			}
			require.NoError(t, s.turn("SET d 1"))
			r.calls = nil
			s.DisableAOF()
			require.Equal(t, []string{"fdatasync appendonlydir/appendonly.aof.1.incr.aof"}, r.calls)
			require.NoError(t, s.turn("SET e 1"))
			require.Len(t, r.calls, 1, "written with the file off")
			require.NoError(t, s.EnableAOF(true))
			require.True(t, s.Info().RewriteScheduled, "in a transaction it must wait")
			require.NoError(t, s.turn("SET f 1"))
			require.NoError(t, s.idle(time.Second))
			require.Equal(t, aofOn, s.state)
			require.NoError(t, s.turn("SET g 1"))
		})
		if ended {
			r.n.PowerCut(disk.Choice{Mode: disk.KeepNone})
			r.run([]string{"appendonly yes"}, func(s *server) {
				require.NoError(t, s.Load())
				require.Equal(t, 7, s.ks.Len())
			})
		}
	}
}

func TestFailedSwitchOnIsTriedAgain(t *testing.T) {
	r := newRoom(t)
	bad := true
	r.hook = failing(&bad, disk.OpFsync, "temp-rewriteaof")
	r.run([]string{"appendonly no", "appendfsync always"}, func(s *server) {
		require.NoError(t, s.Load())
		require.NoError(t, s.turn("SET a 1"))
		require.NoError(t, s.EnableAOF(false))
		require.NoError(t, s.turn("SET b 1"))
		s.settle(t)
		require.Equal(t, aofWait, s.state)
		require.True(t, s.Info().RewriteScheduled)
		names, err := s.o.FS.List("appendonlydir")
		require.NoError(t, err)
		require.Empty(t, names, "the temporary incr file was left")
		require.ErrorIs(t, s.Shutdown(SaveDefault, false), nil)
		require.NoError(t, s.turn("SET c 1"))
		bad = false
		require.NoError(t, s.idle(time.Second))
		require.Equal(t, aofOn, s.state)
		require.NoError(t, s.turn("SET d 1"))
	})
	r.n.PowerCut(disk.Choice{Mode: disk.KeepNone})
	r.run([]string{"appendonly yes"}, func(s *server) {
		require.NoError(t, s.Load())
		require.Equal(t, 4, s.ks.Len())
	})
}

// A rewrite writes all that waits to the old log first, also behind an fsync in flight: in
// the new log it would be once more what the snapshot has.
func TestRewriteWritesWhatWaitsForAnFsync(t *testing.T) {
	r := newRoom(t)
	r.hook = func(c *disk.Call) disk.Decision {
		if isIncrSync(c) {
			return disk.Decision{Delay: 5 * time.Second}
		}
		return disk.Decision{}
	}
	lines := []string{"appendonly yes", "auto-aof-rewrite-percentage 0"}
	r.run(lines, func(s *server) {
		require.NoError(t, s.Load())
		require.NoError(t, s.idle(1100*time.Millisecond))
		require.NoError(t, s.turn("RPUSH l 1"))
		require.NoError(t, s.turn("RPUSH l 2"))
		require.NotZero(t, s.Info().BufferLength, "it waits behind the fsync")
		_, err := s.BGRewriteAOF(false)
		require.NoError(t, err)
		require.Zero(t, s.Info().BufferLength)
		s.settle(t)
		require.NoError(t, s.turn("RPUSH l 3"))
		require.NoError(t, s.idle(20*time.Second))
		require.NoError(t, s.Shutdown(SaveDefault, false))
	})
	r.run(lines, func(s *server) {
		require.NoError(t, s.Load())
		require.Equal(t, `0 "l" expire 0: ["1"] ["2"] ["3"]`, dump(s.ks))
	})
}

// So do DEBUG LOADAOF, the end of the server, and CONFIG SET appendonly no: what waits is
// not lost.
func TestWhatWaitsForAnFsyncIsWrittenFirst(t *testing.T) {
	for name, action := range map[string]func(s *server) error{
		"LOADAOF": func(s *server) error { return s.LoadAOF() }, "shutdown": func(s *server) error { return s.Shutdown(SaveDefault, false) },
		"switched off": func(s *server) error { s.DisableAOF(); return nil },
	} {
		r := newRoom(t)
		r.hook = func(c *disk.Call) disk.Decision {
			if isIncrSync(c) {
				return disk.Decision{Delay: 5 * time.Second}
			}
			return disk.Decision{}
		}
		lines := []string{"appendonly yes"}
		const all = `0 "l" expire 0: ["1"] ["2"]`
		r.run(lines, func(s *server) {
			require.NoError(t, s.Load())
			require.NoError(t, s.idle(1100*time.Millisecond))
			require.NoError(t, s.turn("RPUSH l 1"))
			require.NoError(t, s.turn("RPUSH l 2"))
			require.NotZero(t, s.Info().BufferLength, "it waits behind the fsync")
			require.NoError(t, action(s), name)
			require.Equal(t, all, dump(s.ks), name)
		})
		r.hook = nil
		r.run(lines, func(s *server) {
			require.NoError(t, s.Load())
			require.Equal(t, all, dump(s.ks), name)
		})
	}
}
