package persist

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/vfs"
)

func TestCallsOfASnapshot(t *testing.T) {
	r := newRoom(t)
	r.run([]string{"appendonly no"}, func(s *server) {
		require.NoError(t, s.Load())
		require.NoError(t, s.turn("SET a "+filler[:9000]))
		r.calls = nil
		status, err := s.BGSave(false, false)
		require.NoError(t, err)
		require.Equal(t, "Background saving started", status)
		_, err = s.BGSave(false, false)
		require.ErrorIs(t, err, ErrSaveInProgress)
		require.ErrorIs(t, s.Save(), ErrSaveInProgress)
		require.True(t, s.Info().BgsaveInProgress)
		s.settle(t)
		want := `create temp-1001.rdb
write temp-1001.rdb
write temp-1001.rdb
write temp-1001.rdb
write temp-1001.rdb
fsync temp-1001.rdb
rename temp-1001.rdb dump.rdb
open .
dirsync .`
		require.Equal(t, want, strings.Join(r.calls, "\n"))
		r.calls = nil
		require.NoError(t, s.Save())
		require.Equal(t, strings.ReplaceAll(want, "1001", "1000"), strings.Join(r.calls, "\n"))
	})
}

func TestSavePoints(t *testing.T) {
	r := newRoom(t)
	r.run([]string{"save 60 1 10 5"}, func(s *server) {
		require.NoError(t, s.Load())
		require.NoError(t, s.turn("SET a 1"))
		require.NoError(t, s.idle(60*time.Second))
		require.Zero(t, s.Info().Saves, "not before more than 60 s have passed")
		require.NoError(t, s.idle(2*time.Second))
		require.EqualValues(t, 1, s.Info().Saves)
		require.Zero(t, s.Dirty())
		require.True(t, s.logged("1 changes in 60 seconds. Saving..."))
		for range 4 {
			require.NoError(t, s.turn("SET a 1"))
		}
		require.NoError(t, s.idle(20*time.Second))
		require.EqualValues(t, 1, s.Info().Saves)
		require.NoError(t, s.turn("SET a 1"))
		require.NoError(t, s.idle(time.Second))
		require.EqualValues(t, 2, s.Info().Saves)
		require.NoError(t, s.idle(10*time.Minute))
		require.EqualValues(t, 2, s.Info().Saves, "saved without a change")
	})
}

func TestFailedSnapshotStopsWrites(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		stops bool
	}{
		{"with save points", []string{"save 3600 1"}, true},
		{"stop-writes-on-bgsave-error no", []string{"save 3600 1", "stop-writes-on-bgsave-error no"}, false},
		{"without save points", nil, false},
	} {
		for _, f := range []struct {
			kind disk.OpKind
			part string
		}{{disk.OpCreate, "temp-"}, {disk.OpWrite, "temp-"}, {disk.OpFsync, "temp-"}, {disk.OpRename, "temp-"}, {disk.OpDirSync, "."}} {
			r := newRoom(t)
			bad := false
			r.hook = failing(&bad, f.kind, f.part)
			r.run(c.lines, func(s *server) {
				require.NoError(t, s.Load())
				require.NoError(t, s.turn("SET a 1"))
				bad = true
				_, err := s.BGSave(false, false)
				require.NoError(t, err)
				s.settle(t)
				require.False(t, s.Info().LastBgsaveOK)
				require.Equal(t, c.stops, strings.HasPrefix(s.WriteRefusal(), "MISCONF Redis is configured to save RDB snapshots"), c.name)
				require.Equal(t, c.stops, s.WriteRefusal() != "")
				require.ErrorIs(t, s.Save(), syscall.EIO)
				require.EqualValues(t, 1, s.Dirty())
				bad = false
				names, err := s.o.FS.List(".")
				require.NoError(t, err)
				for _, n := range names {
					require.NotContains(t, n, "temp", "%v", f)
				}
				require.NoError(t, s.Save())
				require.Empty(t, s.WriteRefusal(), "a save that succeeds ends it")
			})
		}
	}
}

// After a failure save points wait five seconds.
func TestFailedSnapshotIsTriedAgain(t *testing.T) {
	r := newRoom(t)
	bad := true
	r.hook = failing(&bad, disk.OpFsync, "temp-")
	r.run([]string{"save 1 1"}, func(s *server) {
		require.NoError(t, s.Load())
		require.NoError(t, s.turn("SET a 1"))
		require.NoError(t, s.idle(3*time.Second))
		require.EqualValues(t, 1, s.Info().Saves)
		require.NoError(t, s.idle(3*time.Second))
		require.EqualValues(t, 1, s.Info().Saves)
		bad = false
		require.NoError(t, s.idle(3*time.Second))
		require.EqualValues(t, 2, s.Info().Saves)
		require.Empty(t, s.WriteRefusal())
	})
}

func TestFlushAllSavesWithSavePointsOnly(t *testing.T) {
	for _, points := range []bool{true, false} {
		r := newRoom(t)
		lines := []string{"appendonly no"}
		if points {
			lines = append(lines, "save 3600 1")
		}
		r.run(lines, func(s *server) {
			require.NoError(t, s.Load())
			require.NoError(t, s.turn("SET a "+filler))
			require.NoError(t, s.Save())
			_, err := s.BGSave(false, false)
			require.NoError(t, err)
			s.ks.FlushAll()
			s.FlushAll()
			s.settle(t)
			if points {
				require.True(t, s.Info().LastBgsaveOK, "a snapshot that was told to stop is no failure")
			}
		})
		r.run(lines, func(s *server) {
			require.NoError(t, s.Load())
			require.Equal(t, points, s.ks.Len() == 0)
			names, err := s.o.FS.List(".")
			require.NoError(t, err)
			require.Equal(t, []string{"dump.rdb"}, names)
		})
	}
}

func TestShutdown(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		mode  SaveMode
		kept  bool
	}{
		{"save points", []string{"save 3600 1"}, SaveDefault, true},
		{"no save points", nil, SaveDefault, false},
		{"no save points, SAVE", nil, SaveForce, true},
		{"save points, NOSAVE", []string{"save 3600 1"}, SaveNever, false},
		{"AOF no", []string{"appendonly yes", "appendfsync no"}, SaveDefault, true},
		{"AOF everysec, NOSAVE", []string{"appendonly yes"}, SaveNever, true},
	} {
		r := newRoom(t)
		r.run(c.lines, func(s *server) {
			require.NoError(t, s.Load())
			require.NoError(t, s.idle(time.Second))
			require.NoError(t, s.turn("SET a 1"))
			s.do(0, "SET b 1") // fed and not flushed yet
			_, err := s.BGSave(false, false)
			require.NoError(t, err)
			require.NoError(t, s.Shutdown(c.mode, false))
			r.n.PowerCut(disk.Choice{Mode: disk.KeepNone})
		})
		r.run(c.lines, func(s *server) {
			require.NoError(t, s.Load())
			n := 0
			if c.kept {
				n = 2
			}
			require.Equal(t, n, s.ks.Len(), c.name)
		})
	}
}

func TestShutdownThatCannotSave(t *testing.T) {
	r := newRoom(t)
	bad := true
	r.hook = failing(&bad, disk.OpFsync, "temp-")
	r.run([]string{"save 3600 1"}, func(s *server) {
		require.NoError(t, s.Load())
		require.NoError(t, s.turn("SET a 1"))
		require.ErrorIs(t, s.Shutdown(SaveDefault, false), ErrShutdown)
		require.True(t, s.logged("Error trying to save the DB, can't exit."))
		require.NoError(t, s.Shutdown(SaveDefault, true), "FORCE")
	})
}

func TestShutdownWaitsForTheFirstRewrite(t *testing.T) {
	r := newRoom(t)
	r.run([]string{"appendonly no"}, func(s *server) {
		require.NoError(t, s.Load())
		require.NoError(t, s.EnableAOF(false))
		require.ErrorIs(t, s.Shutdown(SaveDefault, false), ErrShutdown)
		s.settle(t)
		require.NoError(t, s.Shutdown(SaveDefault, false))
	})
}

func TestReloadAndLoadAOF(t *testing.T) {
	r := newRoom(t)
	r.run([]string{"appendonly yes"}, func(s *server) {
		require.NoError(t, s.Load())
		require.NoError(t, s.turn("SET a 1", "RPUSH l 1 2 3"))
		want := dump(s.ks)
		s.do(0, "SET b 1")
		require.NoError(t, s.LoadAOF(), "with a command that is not written yet")
		require.NotNil(t, s.ks.DB(0).Get([]byte("b")))
		require.Zero(t, s.Dirty())
		s.do(0, "DEL b")
		require.NoError(t, s.Reload(true, true, false))
		require.Equal(t, want, dump(s.ks))
		require.ErrorContains(t, s.Reload(false, false, false), "duplicated key")
		// What goes on is appended where the file ends.
		require.NoError(t, s.Reload(false, true, false))
		require.NoError(t, s.turn("SET c 1"))
		require.NoError(t, s.LoadAOF())
		require.NotNil(t, s.ks.DB(0).Get([]byte("c")))
		f, err := s.o.FS.Open(s.aofPath(s.manifest.Incr[0].Name), vfs.WriteOnly)
		require.NoError(t, err)
		info, err := f.Stat()
		require.NoError(t, err)
		require.NoError(t, f.Truncate(info.Size-3))
		var refused *LoadError
		require.ErrorAs(t, s.LoadAOF(), &refused, "redis-server exits")
	})
}

// A child goes on after its parent was killed and may rename its file: the
// snapshot is the one of the fork.
func TestChildOutlivesItsParent(t *testing.T) {
	r := newRoom(t)
	r.hook = func(c *disk.Call) disk.Decision {
		if c.Kind == disk.OpFsync {
			return disk.Decision{Delay: time.Second}
		}
		return disk.Decision{}
	}
	r.run([]string{"appendonly no"}, func(s *server) {
		require.NoError(t, s.Load())
		require.NoError(t, s.turn("SET a 1"))
		_, err := s.BGSave(false, false)
		require.NoError(t, err)
		require.NoError(t, s.turn("SET b 1"))
		s.env.Sleep(10 * time.Millisecond)
		r.n.Kill(false)
	})
	require.Zero(t, r.n.Children(), "the world ran on until the child had ended")
	r.run([]string{"appendonly no"}, func(s *server) {
		require.NoError(t, s.Load())
		require.Equal(t, 1, s.ks.Len())
	})
}

func TestLargeSnapshotsAreSyncedOnTheWay(t *testing.T) {
	for _, on := range []string{"yes", "no"} {
		r := newRoom(t)
		r.run([]string{"rdbcompression no", "rdb-save-incremental-fsync " + on}, func(s *server) {
			require.NoError(t, s.Load())
			for i := range 13 {
				s.do(0, "SET k"+strings.Repeat("x", i)+" "+strings.Repeat("v", 1<<20))
			}
			r.calls = nil
			require.NoError(t, s.Save())
			want := 0
			if on == "yes" {
				want = 2
			}
			require.Equal(t, want, count(r.calls, "syncrange"))
		})
	}
}

// What is not pushed to the disk on the way is not written (redis 7.0.15 rio.c
// rioFileWrite): the snapshot fails.
func TestLargeSnapshotThatIsNotSyncedOnTheWay(t *testing.T) {
	r := newRoom(t)
	bad := true
	r.hook = failing(&bad, disk.OpSyncRange, "temp-")
	r.run([]string{"rdbcompression no"}, func(s *server) {
		require.NoError(t, s.Load())
		for i := range 13 {
			s.do(0, "SET k"+strings.Repeat("x", i)+" "+strings.Repeat("v", 1<<20))
		}
		require.ErrorIs(t, s.Save(), syscall.EIO)
		require.NotContains(t, strings.Join(r.calls, "\n"), "rename")
		bad = false
		require.NoError(t, s.Save())
	})
}
