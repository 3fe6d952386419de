package persist

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/vfs"
)

// A server that loads says what from, as redis-server does: a file of before Redis 7 has
// a tail behind its snapshot, the base of a newer one is whole.
func TestWhatIsLoadedIsTold(t *testing.T) {
	r := newRoom(t)
	var snapshot []byte
	r.run(nil, func(s *server) {
		require.NoError(t, s.Load())
		require.NoError(t, s.turn("SET a 1", "SET b 2"))
		require.NoError(t, s.Save())
		var err error
		snapshot, err = vfs.ReadFile(s.o.FS, "dump.rdb")
		require.NoError(t, err)
	})
	loading := func(s *server) (lines []string) {
		for _, l := range s.lines {
			l = strings.TrimPrefix(l, "* ")
			if strings.HasPrefix(l, "Reading ") {
				lines = append(lines, l)
			}
		}
		return lines
	}
	r = newRoom(t)
	r.run([]string{"appendonly yes"}, func(s *server) {
		require.NoError(t, vfs.WriteFile(s.o.FS, "appendonly.aof", append(snapshot, "*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$1\r\n3\r\n"...)))
		require.NoError(t, s.Load())
		require.Equal(t, []string{"Reading RDB preamble from AOF file...", "Reading the remaining AOF tail..."}, loading(s))
		require.Equal(t, 3, s.ks.DB(0).Len())
		_, err := s.BGRewriteAOF(false)
		require.NoError(t, err)
		s.settle(t)
	})
	r.run([]string{"appendonly yes"}, func(s *server) {
		require.NoError(t, s.Load())
		require.Equal(t, []string{"Reading RDB base file on AOF loading..."}, loading(s))
	})
}

// Others have their turn each time that loading-process-events-interval-bytes were read,
// and at each 1,024th command of an append-only file; who refuses ends the loading.
func TestOthersHaveTheirTurnWhileDataAreLoaded(t *testing.T) {
	const keys = 5000
	r := newRoom(t)
	r.run([]string{"appendonly yes"}, func(s *server) {
		require.NoError(t, s.Load())
		for n := range keys {
			s.do(0, fmt.Sprintf("SET key:%05d %s", n, strings.Repeat("v", 20)))
		}
		require.NoError(t, s.turn())
		require.NoError(t, s.Save())
	})
	for _, log := range []string{"no", "yes"} {
		for _, interval := range []int64{4096, 65536} {
			load := func(turns int) (seen []int64, total int64, err error) {
				r.run([]string{"appendonly " + log}, func(s *server) {
					s.o.Config.LoadingInterval = interval
					s.o.Progress = func() bool {
						_, all, loaded := s.Progress()
						seen, total = append(seen, loaded), all
						return len(seen) != turns
					}
					err = s.Load()
				})
				return seen, total, err
			}
			seen, total, err := load(-1)
			require.NoError(t, err)
			require.True(t, slices.IsSorted(seen))
			if log == "yes" {
				require.Len(t, seen, 2+(keys+1)/1024, "at the first command, behind an empty base and of the other file; SELECT is one")
				require.Equal(t, seen[0], seen[1])
			} else {
				require.Len(t, seen, int(total/interval))
				for i, at := range seen {
					require.EqualValues(t, i+1, at/interval)
				}
			}
			seen, _, err = load(2)
			require.ErrorIs(t, err, ErrStopped)
			require.Len(t, seen, 2)
		}
	}
}
