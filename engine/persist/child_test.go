package persist

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
)

// filled loads a server and gives it keys.
func (s *server) filled(t *testing.T, keys int) {
	require.NoError(t, s.Load())
	for i := range keys {
		s.do(0, fmt.Sprintf("SET k%d v", i))
	}
	require.NoError(t, s.BeforeSleep(1))
}

// A child looks whether its parent is there behind the first key and behind each 1,024th,
// once a second: what it cannot report ends it and stays under its temporary name.
func TestOrphansEndWhenTheyCannotReport(t *testing.T) {
	for _, tt := range []struct {
		name   string
		keys   int
		delay  int // microseconds a key
		killed time.Duration
		ends   bool
	}{
		{"before its first key", 3, 50_000, 10 * time.Millisecond, true},
		{"behind it, few keys", 1000, 5_000, time.Second, false},
		{"behind it, many", 2100, 1_000, 500 * time.Millisecond, true},
		{"many, in less than a second", 2100, 300, 500 * time.Millisecond, false},
		{"many, while it writes the last of them", 2100, 1_000, 2090 * time.Millisecond, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, rewrite := range []bool{false, true} {
				r := newRoom(t)
				lines := []string{"appendonly no", fmt.Sprintf("rdb-key-save-delay %d", tt.delay)}
				if rewrite {
					lines[0] = "appendonly yes"
				}
				r.run(lines, func(s *server) {
					s.filled(t, tt.keys)
					if r.calls = nil; rewrite {
						require.True(t, s.startRewrite())
					} else {
						require.True(t, s.startBgsave())
					}
					s.env.Sleep(tt.killed)
					r.n.Kill(false)
				})
				require.Zero(t, r.n.Children(), "the world ran on until the child had ended")
				renamed := strings.Contains(strings.Join(r.calls, "\n"), "rename temp-")
				require.Equal(t, !tt.ends, renamed, "rewrite %v", rewrite)
				names, err := r.n.Disk().FS(nil).List(".")
				require.NoError(t, err)
				require.Equal(t, tt.ends || rewrite, strings.Contains(strings.Join(names, " "), "temp-"), "nobody removes it: %v", names)
			}
		})
	}
}

// A child that is killed alone is a failure, one that the server ends is none.
func TestChildrenKilledAlone(t *testing.T) {
	r := newRoom(t)
	r.run([]string{"appendonly yes", "rdb-key-save-delay 1000"}, func(s *server) {
		s.filled(t, 100)
		dirty, saved := s.dirty, s.lastSave
		s.env.Sleep(1500 * time.Millisecond)

		require.True(t, s.startBgsave())
		s.env.Sleep(20 * time.Millisecond)
		require.Equal(t, 1, r.n.KillChildren())
		require.NoError(t, s.Cron())
		require.Contains(t, s.lines, "# Background saving terminated by signal 9")
		require.False(t, s.bgsaveOK)
		require.Equal(t, dirty, s.dirty)
		require.Equal(t, saved, s.lastSave)

		require.True(t, s.startRewrite())
		s.env.Sleep(20 * time.Millisecond)
		require.Equal(t, 1, r.n.KillChildren())
		require.NoError(t, s.Cron())
		require.Contains(t, s.lines, "# Background AOF rewrite terminated by signal 9")
		require.False(t, s.rewriteOK)
		require.Len(t, s.manifest.Incr, 2, "the old log stays in force")
		names, err := r.n.Disk().FS(nil).List(".")
		require.NoError(t, err)
		require.NotContains(t, strings.Join(names, " "), "temp-", "the parent removes what its children leave")
	})
}

// What is asked for fails when there can be no child, and is tried again as redis-server
// does: a scheduled snapshot after five seconds, a rewrite at once.
func TestForksThatFail(t *testing.T) {
	r := newRoom(t)
	r.run([]string{"appendonly yes"}, func(s *server) {
		s.filled(t, 1)
		r.n.RefuseForks(true)
		_, err := s.BGSave(false, false)
		require.Equal(t, ErrFailed, err)
		require.Contains(t, s.lines, "# Can't save in background: fork: Resource temporarily unavailable")
		require.False(t, s.bgsaveOK)

		_, err = s.BGRewriteAOF(false)
		require.Equal(t, ErrRewrite, err)
		require.Contains(t, s.lines, "# Can't rewrite append only file in background: fork: Resource temporarily unavailable")
		require.False(t, s.rewriteOK)
		require.Len(t, s.manifest.Incr, 2, "the new log had been opened before")

		s.bgsaveScheduled = true
		require.NoError(t, s.Cron())
		require.True(t, s.bgsaveScheduled)
		s.env.Sleep(7 * time.Second)
		require.NoError(t, s.Cron())
		require.True(t, s.bgsaveScheduled, "it fails again")
		require.False(t, s.SaveForReplicas(nil))
		r.n.RefuseForks(false)
		s.env.Sleep(7 * time.Second)
		require.NoError(t, s.Cron())
		require.False(t, s.bgsaveScheduled)
		require.True(t, s.childIs(rdbChild))
	})
}

// A child that is told to end while it hangs in a call ends as that returns: what it had
// synced by then does not get its final name over what its parent has saved meanwhile.
func TestTheSignalIsTakenAsACallReturns(t *testing.T) {
	for _, call := range []disk.OpKind{disk.OpFsync, disk.OpCreate} {
		r := newRoom(t)
		r.hook = func(c *disk.Call) disk.Decision {
			if c.Kind == call && strings.HasPrefix(c.Path, "temp-") && count(r.calls, call.String()+" temp-") == 1 {
				return disk.Decision{Delay: time.Second}
			}
			return disk.Decision{}
		}
		r.run([]string{"appendonly no", "save 3600 1"}, func(s *server) {
			s.filled(t, 3)
			r.calls = nil
			require.True(t, s.startBgsave())
			s.env.Sleep(100 * time.Millisecond)
			s.ks.FlushAll()
			s.FlushAll()
			s.env.Sleep(2 * time.Second)
			require.NoError(t, s.Cron())
		})
		require.Equal(t, 1, count(r.calls, "rename temp-"), "%s: %v", call, r.calls)
	}
}
