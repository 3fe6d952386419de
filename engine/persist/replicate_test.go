package persist

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/rdb"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/vfs"
)

// of is a snapshot of some keys, at a place in the history of replication.
func of(t testing.TB, place rdb.Place, lines ...string) (file []byte) {
	r := newRoom(t)
	r.run(nil, func(s *server) {
		s.o.Place = func() rdb.Place { return place }
		require.NoError(t, s.Load())
		require.NoError(t, s.turn(lines...))
		require.NoError(t, s.Save())
		var err error
		file, err = vfs.ReadFile(s.o.FS, "dump.rdb")
		require.NoError(t, err)
	})
	return file
}

// A master's snapshot becomes the server's own file, durably, before it is loaded; what
// fails on the way leaves no data that was not the master's.
func TestASnapshotOfTheMasterIsTakenOver(t *testing.T) {
	place := rdb.Place{ID: strings.Repeat("0123456789", 4), Offset: 77, DB: 3}
	whole := of(t, place, "SET a 1", "RPUSH l x y")
	for _, c := range []struct {
		name   string
		lines  []string
		file   []byte
		kind   disk.OpKind // of the call that fails; 0: none
		part   string
		logged string
		wrong  bool
		keys   int
		files  []string
	}{
		{"well", nil, whole, 0, "", "Loading DB in memory", false, 2, []string{"dump.rdb"}},
		{"nothing is to be kept", []string{"rdb-del-sync-files yes"}, whole, 0, "", "Removing the RDB file obtained from the master", false, 2, nil},
		{"there are save points", []string{"rdb-del-sync-files yes", "save 3600 1"}, whole, 0, "", "Loading DB in memory", false, 2, []string{"dump.rdb"}},
		{"not synced", nil, whole, disk.OpFsync, "temp-", "Failed trying to sync the temp DB to disk", true, 0, nil},
		{"not renamed", nil, whole, disk.OpRename, "temp-", "Failed trying to rename the temp DB into dump.rdb", true, 0, nil},
		{"its name is not durable", nil, whole, disk.OpDirSync, "", "Failed trying to sync DB directory", true, 0, nil},
		{"damaged", nil, whole[:len(whole)-12], 0, "", "Failed trying to load the MASTER synchronization DB from disk", true, 0, []string{"dump.rdb"}},
		{"damaged, nothing is to be kept", []string{"rdb-del-sync-files yes"}, whole[:len(whole)-12], 0, "", "Removing the RDB file obtained from the master", true, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRoom(t)
			r.run(c.lines, func(s *server) {
				require.NoError(t, s.Load())
				temp := s.TempSync()
				require.Equal(t, "temp-1767225600.1000.rdb", temp) // the second and the process
				f, err := s.o.FS.Open(temp, vfs.WriteOnly|vfs.Create|vfs.Truncate)
				require.NoError(t, err)
				_, err = writeFull(f, c.file)
				require.NoError(t, err)
				on := true
				r.hook = failing(&on, c.kind, c.part)
				r.calls = nil
				got, err := s.LoadFromMaster(temp, f)
				on = false
				require.NoError(t, f.Close())
				require.Equal(t, c.wrong, err != nil, "%v", err)
				require.True(t, s.logged(c.logged), "%q", s.lines)
				require.Equal(t, c.keys, s.ks.Len())
				require.False(t, s.Loading())
				if c.wrong {
					require.Equal(t, rdb.Place{}, got)
				} else {
					require.Equal(t, place, got)
					require.True(t, strings.HasPrefix(strings.Join(r.calls, "\n"), "fsync "+temp+"\nrename "+temp+" dump.rdb\nopen ."), "%q", r.calls)
					require.True(t, s.AOFOff())
				}
				if c.files != nil || c.kind == 0 {
					names, err := s.o.FS.List(".")
					require.NoError(t, err)
					require.ElementsMatch(t, c.files, names)
				}
			})
		})
	}
}

// A snapshot that was made for replicas alone is removed once none needs it, where nothing is to
// be kept and the configuration says so.
func TestASnapshotForReplicasIsRemoved(t *testing.T) {
	for _, c := range []struct {
		name   string
		lines  []string
		needed bool
		asked  bool // BGSAVE by a client, not for replicas
		gone   bool
	}{
		{"not needed", []string{"rdb-del-sync-files yes"}, false, false, true},
		{"needed", []string{"rdb-del-sync-files yes"}, true, false, false},
		{"kept by configuration", nil, false, false, false},
		{"save points", []string{"rdb-del-sync-files yes", "save 3600 1"}, false, false, false},
		{"a client asked", []string{"rdb-del-sync-files yes"}, false, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			newRoom(t).run(c.lines, func(s *server) {
				ended := 0
				s.o.SnapshotEnded = func(ok bool) {
					require.True(t, ok)
					ended++
				}
				require.NoError(t, s.Load())
				require.NoError(t, s.turn("SET a 1"))
				require.False(t, s.Busy())
				if c.asked {
					_, err := s.BGSave(false, false)
					require.NoError(t, err)
				} else {
					s.SaveForReplicas(nil)
				}
				require.True(t, s.Busy())
				s.settle(t)
				require.Equal(t, !c.asked, ended == 1)
				for range 2 {
					s.RemoveReplicaFile(func() bool { return c.needed })
					_, err := s.o.FS.Stat("dump.rdb")
					require.Equal(t, c.gone, err != nil)
				}
				require.Equal(t, c.gone, s.logged("Removing the RDB file used to feed replicas"))
			})
		})
	}
}

// deaf is a sink that takes nothing.
type deaf struct{}

func (deaf) Write([]byte) (int, error) { return 0, errors.New("nobody reads") }

// A snapshot that goes to replicas without a file is the data at its beginning; it is no
// snapshot of the server's own, and ends when nobody reads it any more.
func TestASnapshotWithoutAFile(t *testing.T) {
	for _, how := range []string{"well", "nobody reads", "stopped"} {
		newRoom(t).run(nil, func(s *server) {
			var ends []bool
			s.o.SnapshotEnded = func(ok bool) { ends = append(ends, ok) }
			require.NoError(t, s.Load())
			require.NoError(t, s.turn("SET a 1", "RPUSH l x y"))
			want := dump(s.ks)
			saved := s.LastSave()
			var got bytes.Buffer
			switch how {
			case "well":
				s.SaveForReplicas(&got)
			case "nobody reads":
				s.SaveForReplicas(deaf{})
			case "stopped":
				s.o.Config.RdbKeySaveDelay = 1e6
				s.SaveForReplicas(&got)
				s.StopReplicaSave()
			}
			require.True(t, s.logged("Background RDB transfer started by pid"))
			require.NoError(t, s.turn("SET later 1"))
			s.settle(t)
			require.Equal(t, []bool{how == "well"}, ends)
			require.True(t, s.logged(map[string]string{"well": "Background RDB transfer terminated with success", "nobody reads": "Background transfer error",
				"stopped": "Background transfer terminated by signal 10"}[how]), "%q", s.lines)
			require.EqualValues(t, 3, s.Dirty(), "what is not saved counts on")
			require.Equal(t, saved, s.LastSave())
			names, err := s.o.FS.List(".")
			require.NoError(t, err)
			require.Empty(t, names)
			if how != "well" {
				require.Empty(t, got.Bytes())
				return
			}
			r := newRoom(t)
			r.run(nil, func(other *server) {
				require.NoError(t, vfs.WriteFile(other.o.FS, "dump.rdb", got.Bytes()))
				require.NoError(t, other.Load())
				require.Equal(t, want, dump(other.ks))
			})
			s.StopReplicaSave() // there is none: nothing happens
			require.False(t, s.logged("killing fork child"))
		})
	}
}
