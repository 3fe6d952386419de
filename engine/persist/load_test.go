package persist

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
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
		require.NoError(t, s.turn("SET d 4"))
	})
	r.run([]string{"appendonly yes"}, func(s *server) {
		require.NoError(t, s.Load())
		var files []string
		for _, l := range s.lines {
			if what, _, found := strings.Cut(l, " appendonly.aof."); found && strings.HasPrefix(what, "* DB loaded from ") {
				files = append(files, what)
			}
		}
		require.Equal(t, []string{"* DB loaded from base file", "* DB loaded from incr file"}, files)
	})
}

// How many keys of a snapshot were loaded, and how many were left out because they have
// expired, is told of each loading anew.
func TestWhatHasExpiredIsCounted(t *testing.T) {
	r := newRoom(t)
	r.run(nil, func(s *server) {
		require.NoError(t, s.Load())
		require.NoError(t, s.turn("SET a 1", "SET b 2 PXAT 1", "SET c 3 PXAT 2", "SET d 4 PXAT 99999999999999"))
		require.NoError(t, s.Save())
	})
	r.run(nil, func(s *server) {
		require.NoError(t, s.Load())
		require.True(t, s.logged("Done loading RDB, keys loaded: 2, keys expired: 2."), "%q", s.lines)
		require.NoError(t, s.Save())
		s.ks.FlushAll()
		s.lines = nil
		require.NoError(t, s.Load())
		require.True(t, s.logged("Done loading RDB, keys loaded: 2, keys expired: 0."), "%q", s.lines)
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

// What cannot be opened, asked or read ends the start with redis-server's words, and nothing that
// was not loaded whole is served.
func TestWhatCannotBeReadEndsTheStart(t *testing.T) {
	set := func(key string) string { return "*3\r\n$3\r\nSET\r\n$1\r\n" + key + "\r\n$1\r\nv\r\n" }
	for _, c := range []struct {
		name  string
		lines []string
		files map[string]string // besides a directory "appendonlydir"; a name that ends in a slash is a directory
		kind  disk.OpKind
		part  string
		want  string // "": the start succeeds
		keys  int
	}{
		{"whole", nil, nil, 0, "", "", 1},
		{"a file that is not opened", nil, nil, disk.OpOpen, ".1.incr.aof", "Fatal error: can't open the append log file a.1.incr.aof for reading: Input/output error", 0},
		{"a file whose size is not known", nil, nil, disk.OpStat, ".1.incr.aof", "Unable to obtain the AOF file a.1.incr.aof length. stat: Input/output error", 0},
		{"a file that is not read", nil, nil, disk.OpRead, ".1.incr.aof", "Unrecoverable error reading the append only file a.1.incr.aof: Input/output error", 0},
		{"a manifest that is not opened", nil, nil, disk.OpOpen, "manifest", "Fatal error: can't open the AOF manifest file appendonlydir/a.manifest for reading: Input/output error", 0},
		{"a file that is missing", nil, map[string]string{"a.manifest": "file b seq 1 type i\n"}, 0, "", "Unable to obtain the AOF file b length. stat: No such file or directory", 0},
		{"a directory in a file's place", nil, map[string]string{"a.manifest": "file b seq 1 type i\n", "b/": ""}, 0, "", "Unrecoverable error reading the append only file b: Is a directory", 0},
		{"a cut file that is not the last", nil, map[string]string{"a.manifest": "file 1 seq 1 type i\nfile 2 seq 2 type i\n", "1": set("a") + set("b")[:20], "2": set("c")}, 0, "", "Fatal error: the truncated file is not the last file", 0},
		{"a cut file that is not cut back", nil, map[string]string{"a.manifest": "file 1 seq 1 type i\n", "1": set("a") + set("b")[:20]}, disk.OpTruncate, "1", "Unexpected end of file reading the append only file 1. You can: ", 0},
		{"a cut file", nil, map[string]string{"a.manifest": "file 1 seq 1 type i\n", "1": set("a") + set("b")[:20]}, 0, "", "", 1},
		{"a cut file that must be whole", []string{"aof-load-truncated no"}, map[string]string{"a.manifest": "file 1 seq 1 type i\n", "1": set("a") + set("b")[:20]}, 0, "", "Unexpected end of file reading the append only file 1. You can: ", 0},
		{"EXEC alone", nil, map[string]string{"a.manifest": "file 1 seq 1 type i\n", "1": "*1\r\n$4\r\nEXEC\r\n" + set("a")}, 0, "", "", 1},
		{"an old file that is taken over", nil, map[string]string{"a.manifest": "", "../a": set("a") + set("b")}, 0, "", "", 2},
		{"an old file that is taken over again", nil, map[string]string{"a.manifest": "file a seq 1 type b\n", "../a": set("a") + set("b")}, 0, "", "", 2},
		{"an old file beside newer ones", nil, map[string]string{"a.manifest": "file 1 seq 1 type i\n", "1": set("c"), "../a": set("a") + set("b")}, 0, "", "", 1},
		{"an old file that was taken over", nil, map[string]string{"a.manifest": "file a seq 1 type b\n", "a": set("c"), "../a": set("a") + set("b")}, 0, "", "", 1},
		{"an old file that is not moved", nil, map[string]string{"a.manifest": "", "../a": set("a")}, disk.OpRename, "a", "Error trying to ", 0},
		{"a snapshot that is not opened", []string{"appendonly no"}, nil, disk.OpOpen, "dump.rdb", "Fatal error loading the DB: Input/output error. Exiting.", 0},
		{"a snapshot that is a directory", []string{"appendonly no", "dbfilename appendonlydir"}, nil, 0, "", "Short read or OOM", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRoom(t)
			if c.files == nil {
				c.files = map[string]string{"a.manifest": "file a.1.incr.aof seq 1 type i\n", "a.1.incr.aof": set("a"), "../dump.rdb": "REDIS0010"}
			}
			r.run(nil, func(s *server) {
				fs := s.o.FS
				require.NoError(t, fs.Mkdir("appendonlydir"))
				for name, content := range c.files {
					if dir, is := strings.CutSuffix(name, "/"); is {
						require.NoError(t, fs.Mkdir("appendonlydir/"+dir))
					} else if above, is := strings.CutPrefix(name, "../"); is {
						require.NoError(t, vfs.WriteFile(fs, above, []byte(content)))
					} else if content != "" {
						require.NoError(t, vfs.WriteFile(fs, "appendonlydir/"+name, []byte(content)))
					}
				}
			})
			on := true
			r.hook = failing(&on, c.kind, c.part)
			r.run(append([]string{"appendonly yes", "appendfilename a"}, c.lines...), func(s *server) {
				err := s.Load()
				if c.want == "" {
					require.NoError(t, err)
					require.Equal(t, c.keys, s.ks.Len())
					return
				}
				var refused *LoadError
				require.ErrorAs(t, err, &refused)
				require.True(t, s.logged(c.want) || strings.Contains(err.Error(), c.want), "%v %q", err, s.lines)
			})
		})
	}
}

// A child of which nothing is known has done nothing of its work yet.
func TestPercentOfNothing(t *testing.T) {
	require.Zero(t, (&Info{}).Percent())
	require.InDelta(t, 25.0, (&Info{KeysSaved: 1, KeysToSave: 4}).Percent(), 1e-9)
}
