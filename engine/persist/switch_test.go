package persist

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
)

// An append-only file that is switched on while a child runs waits for a snapshot, and
// takes the place of a rewrite; whatever it was, what was written is there afterwards.
func TestSwitchingOnBesideAChild(t *testing.T) {
	for _, kind := range []string{"snapshot", "rewrite"} {
		t.Run(kind, func(t *testing.T) {
			r := newRoom(t)
			r.run([]string{"appendonly no", "appendfsync always"}, func(s *server) {
				require.NoError(t, s.Load())
				require.NoError(t, s.turn("SET a "+filler))
				if kind == "snapshot" {
					_, err := s.BGSave(false, false)
					require.NoError(t, err)
				} else {
					_, err := s.BGRewriteAOF(false)
					require.NoError(t, err)
				}
				s.cfg.AppendOnly = true
				require.NoError(t, s.EnableAOF(false))
				require.NoError(t, s.EnableAOF(false), "it is being switched on")
				require.Equal(t, kind == "snapshot", s.Info().RewriteScheduled)
				require.Equal(t, kind == "snapshot", s.logged("AOF was enabled but there is already another background operation"))
				require.Equal(t, kind == "rewrite", s.logged("Stopping background AOF and starting a rewrite now"))
				require.Equal(t, kind == "rewrite", s.logged("Killing running AOF rewrite child"))
				require.NoError(t, s.turn("SET b 1"))
				require.NoError(t, s.idle(2*time.Second))
				s.settle(t)
				require.Equal(t, aofOn, s.state)
				names, err := s.o.FS.List(".")
				require.NoError(t, err)
				for _, n := range names {
					require.NotContains(t, n, "temp-")
				}
				r.n.PowerCut(disk.Choice{Mode: disk.KeepNone})
			})
			r.run([]string{"appendonly yes"}, func(s *server) {
				require.NoError(t, s.Load())
				require.Equal(t, 2, s.ks.Len())
			})
		})
	}
}

// Where there can be no directory there is no append-only file, and the server goes on as
// before.
func TestSwitchingOnWithoutADirectory(t *testing.T) {
	r := newRoom(t)
	bad := true
	r.hook = failing(&bad, disk.OpMkdir, "appendonlydir")
	r.run([]string{"appendonly no", "save 3600 1"}, func(s *server) {
		require.NoError(t, s.Load())
		require.ErrorIs(t, s.EnableAOF(false), ErrEnableAOF)
		require.True(t, s.AOFOff())
		require.True(t, s.logged("Can't open or create append-only dir appendonlydir: Input/output error"))
		require.True(t, s.logged("Redis needs to enable the AOF but can't trigger a background AOF rewrite operation"))
		require.NoError(t, s.turn("SET a 1"))
		require.Zero(t, s.Info().BufferLength)
		s.DisableAOF() // is off
		bad = false
		require.NoError(t, s.EnableAOF(false))
		s.settle(t)
		require.Equal(t, aofOn, s.state)
		require.NoError(t, s.turn("SET b 1"))
		// What failed before the file was off is no failure of the file that is on again.
		failed := true
		r.hook = failing(&failed, disk.OpFdatasync, ".incr.aof")
		require.NoError(t, s.idle(2*time.Second))
		require.NotEmpty(t, s.WriteRefusal())
		s.DisableAOF()
		require.True(t, s.logged("Fail to fsync the AOF file: Input/output error"))
		failed = false
		require.NoError(t, s.EnableAOF(false))
		require.True(t, s.logged("AOF reopen, just ignore the AOF fsync error in bio job"))
		require.Empty(t, s.WriteRefusal())
		s.settle(t)
		require.Equal(t, aofOn, s.state)
	})
	r.run([]string{"appendonly yes"}, func(s *server) {
		require.NoError(t, s.Load())
		require.Equal(t, 2, s.ks.Len())
	})
}

// SHUTDOWN ends a rewrite; with FORCE also the one that the append-only file waits for.
func TestShutdownEndsARewrite(t *testing.T) {
	r := newRoom(t)
	r.run([]string{"appendonly yes"}, func(s *server) {
		require.NoError(t, s.Load())
		require.NoError(t, s.turn("SET a "+filler))
		_, err := s.BGRewriteAOF(false)
		require.NoError(t, err)
		require.NoError(t, s.turn("SET b 1"))
		require.NoError(t, s.Shutdown(SaveDefault, false))
		require.True(t, s.logged("There is a child rewriting the AOF. Killing it!"))
		require.False(t, s.Busy())
	})
	r.run([]string{"appendonly yes"}, func(s *server) {
		require.NoError(t, s.Load())
		require.Equal(t, 2, s.ks.Len())
		s.DisableAOF()
		require.NoError(t, s.EnableAOF(false))
		require.ErrorIs(t, s.Shutdown(SaveDefault, false), ErrShutdown)
		require.NoError(t, s.Shutdown(SaveDefault, true))
		require.True(t, s.logged("Writing initial AOF. Exit anyway."))
	})
}
