package experiment

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
)

// log builds a disk log of calls to named files, one a millisecond.
type logBuilder struct {
	log  []disk.Record
	inos map[string]disk.Ino
}

func (b *logBuilder) call(kind disk.OpKind, path string, covers uint64) *disk.Record {
	if b.inos == nil {
		b.inos = map[string]disk.Ino{}
	}
	if b.inos[path] == 0 {
		b.inos[path] = disk.Ino(len(b.inos) + 2)
	}
	n := len(b.log) + 1
	at := time.Duration(n) * time.Millisecond
	b.log = append(b.log, disk.Record{Call: disk.Call{ID: uint64(n), Kind: kind, Path: path, Ino: b.inos[path], Len: 100,
		Enter: at, Return: at + 500*time.Microsecond}, Covers: covers})
	return &b.log[n-1]
}

const ms500 = 500 * time.Microsecond

func TestFactsOfTheLog(t *testing.T) {
	const one, two = "appendonlydir/appendonly.aof.1.incr.aof", "appendonlydir/appendonly.aof.2.incr.aof"
	var b logBuilder
	b.call(disk.OpCreate, one, 0)        // 1
	b.call(disk.OpWrite, one, 0)         // 2
	b.call(disk.OpFdatasync, one, 2)     // 3
	b.call(disk.OpWrite, one, 0)         // 4
	b.call(disk.OpCreate, two, 0)        // 5
	b.call(disk.OpWrite, "other.aof", 0) // 6
	b.call(disk.OpWrite, two, 0)         // 7
	last := b.call(disk.OpFdatasync, two, 7)
	last.Return = disk.Never

	var f facts
	var e history.Epoch
	f.read(redis.Store, b.log, nil, &e)
	require.Len(t, e.LogWrites, 3, "writes to other files are not the log's")
	require.Equal(t, []history.DiskSync{
		{Enter: 3 * time.Millisecond, Return: 3*time.Millisecond + ms500, Covers: 2*time.Millisecond + ms500},
		{Enter: 8 * time.Millisecond, Return: history.Never, Covers: 7*time.Millisecond + ms500},
	}, e.LogSyncs)
	require.True(t, f.oldLogUnsynced(), "write 4 of the old file has no sync")
	require.Equal(t, int64(100), f.unsynced(9*time.Millisecond, false), "write 4; write 7 is covered by a sync in flight")
	require.Equal(t, int64(200), f.unsynced(9*time.Millisecond, true))
	require.Zero(t, f.unsynced(time.Minute, true), "the kernel may have written it back")

	f.carries = true
	f.read(redis.Store, b.log, nil, &e)
	require.Zero(t, f.unsynced(9*time.Millisecond, false), "the sync in flight may have carried write 4")
	require.Equal(t, int64(200), f.unsynced(9*time.Millisecond, true), "one that has done nothing yet has not")
	b.call(disk.OpSyncFS, "", 0).ID = 0
	f.read(redis.Store, b.log, nil, &e)
	require.Zero(t, f.unsynced(10*time.Millisecond, true), "a commit of the kernel's carries what came before")
	b.call(disk.OpWrite, two, 0)
	f.read(redis.Store, b.log, nil, &e)
	require.Equal(t, int64(100), f.unsynced(11*time.Millisecond, false), "and not what comes after")
	f.carries = false
	b.log = b.log[:len(b.log)-2]
	f.read(redis.Store, b.log, nil, &e)
	require.True(t, syncInFlight(b.log, 9*time.Millisecond))
	require.False(t, syncInFlight(b.log[:7], 9*time.Millisecond))

	b.log = b.log[:7]
	b.call(disk.OpFdatasync, one, 4)
	f.read(redis.Store, b.log, nil, new(history.Epoch))
	require.False(t, f.oldLogUnsynced(), "the old file is synced now")
	b.log = b.log[:7]
	b.call(disk.OpUnlink, one, 0)
	f.read(redis.Store, b.log, nil, new(history.Epoch))
	require.False(t, f.oldLogUnsynced(), "the old file is gone")
}

func TestFactsOfSnapshots(t *testing.T) {
	var b logBuilder
	b.call(disk.OpCreate, "temp-7.rdb", 0)      // at 1 ms, announced at 0.9 ms
	b.call(disk.OpFsync, "temp-7.rdb", 0)       // 2
	r := b.call(disk.OpRename, "temp-7.rdb", 0) // 3
	r.Path2 = "dump.rdb"
	b.call(disk.OpDirSync, ".", 0)                // 4
	b.call(disk.OpCreate, "temp-8.rdb", 0)        // 5: SAVE, nothing announced
	b.call(disk.OpFsync, "temp-8.rdb", 0).Err = 5 // 6
	var f facts
	var e history.Epoch
	f.read(redis.Store, b.log, []time.Duration{900 * time.Microsecond}, &e)
	require.Equal(t, []history.Snapshot{
		{Fork: 900 * time.Microsecond, Began: time.Millisecond, Renamed: 3*time.Millisecond + ms500, Durable: 4*time.Millisecond + ms500},
		{Fork: 5 * time.Millisecond, Began: 5 * time.Millisecond, Renamed: history.Never, Durable: history.Never},
	}, e.Snapshots)
}

func TestServerLog(t *testing.T) {
	var l product.Heard
	l.Line(redis.Store, 1, "10 changes in 2 seconds. Saving...")
	l.Line(redis.Store, 2, "Background saving started by pid 77")
	require.True(t, l.Working)
	l.Line(redis.Store, 3, "DB saved on disk")
	require.True(t, l.Working)
	l.Line(redis.Store, 4, "Background saving terminated with success")
	require.False(t, l.Working)
	l.Line(redis.Store, 5, "Background append only file rewriting started by pid 78")
	l.Line(redis.Store, 6, "Background AOF rewrite terminated with success")
	require.True(t, l.Working, "the hand-over goes on")
	l.Line(redis.Store, 7, "Background AOF rewrite finished successfully")
	require.False(t, l.Working)
	require.Equal(t, []time.Duration{2}, l.Forks)
}
