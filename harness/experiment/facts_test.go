package experiment

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/reports/result"
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
	require.True(t, f.oldLogUnsynced(7*time.Millisecond), "the sync of write 4 of the old file comes next")
	require.False(t, f.oldLogUnsynced(7*time.Millisecond+1), "it does not")
	f.lag = time.Millisecond
	require.True(t, f.oldLogUnsynced(8*time.Millisecond), "on a machine with other work it may")
	f.lag = 0
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
	asked := b.call(disk.OpFdatasync, one, 4)
	f.read(redis.Store, b.log, nil, new(history.Epoch))
	require.False(t, f.oldLogUnsynced(0), "the old file is synced now")
	asked.Return = disk.Never
	f.read(redis.Store, b.log, nil, new(history.Epoch))
	require.True(t, f.oldLogUnsynced(time.Minute), "its sync is asked for and has not returned")
	asked.Return, asked.Err = 9*time.Millisecond, 5
	f.read(redis.Store, b.log, nil, new(history.Epoch))
	require.False(t, f.oldLogUnsynced(time.Minute), "it has failed")
	b.call(disk.OpWrite, one, 0)
	f.read(redis.Store, b.log, nil, new(history.Epoch))
	require.False(t, f.oldLogUnsynced(time.Minute), "the server has gone back to the old file; the other is not the log's any more")
	b.log = b.log[:7]
	b.call(disk.OpUnlink, one, 0)
	f.read(redis.Store, b.log, nil, new(history.Epoch))
	require.False(t, f.oldLogUnsynced(0), "the old file is gone")
}

func mode(t *testing.T, name string) product.Mode {
	m, err := redis.ModeByName(name)
	require.NoError(t, err)
	return m
}

// TestFactsOfNames: a name is on its way for as long as the sync of its directory is, and
// a sync that nobody asks for is not.
func TestFactsOfNames(t *testing.T) {
	always, rdb := mode(t, "always"), mode(t, "rdb")
	for _, c := range []struct {
		name string
		mode product.Mode
		dir  string
		call func(b *logBuilder) *disk.Record
	}{
		{"manifest", always, redis.AOFDir, func(b *logBuilder) *disk.Record {
			r := b.call(disk.OpRename, "appendonlydir/temp-appendonly.aof.manifest", 0)
			r.Path2 = "appendonlydir/appendonly.aof.manifest"
			return r
		}},
		{"snapshot", rdb, ".", func(b *logBuilder) *disk.Record {
			r := b.call(disk.OpRename, "temp-7.rdb", 0)
			r.Path2 = "dump.rdb"
			return r
		}},
	} {
		var b logBuilder
		var f facts
		signs := func(at time.Duration) finding.Signs {
			f.read(redis.Store, b.log, nil, new(history.Epoch))
			return f.signs(&c.mode, at)
		}
		b.call(disk.OpCreate, "appendonlydir/appendonly.aof.2.incr.aof", 0)
		c.call(&b) // over at 2.5 ms
		require.True(t, signs(2*time.Millisecond+ms500).RenameUnsynced, c.name)
		require.Equal(t, c.mode.AOF, signs(2*time.Millisecond+ms500).ManifestAhead, c.name)
		require.True(t, signs(2*time.Millisecond+ms500+opensDirectory).RenameUnsynced, "%s: the directory is opened first", c.name)
		require.Zero(t, signs(2*time.Millisecond+ms500+opensDirectory+1), "%s: nobody has asked for the sync", c.name)
		asked := b.call(disk.OpDirSync, c.dir, 0)
		asked.Return = disk.Never
		require.True(t, signs(time.Minute).RenameUnsynced, c.name)
		require.Equal(t, c.mode.AOF, signs(time.Minute).ManifestAhead, c.name)
		asked.Return = 3*time.Millisecond + ms500
		require.Equal(t, finding.Signs{RootSynced: !c.mode.AOF}, signs(3*time.Millisecond+ms500), c.name)
	}
}

// TestASyncOfADirectoryThatFails: it was asked for, and the name stays undecided; what else
// fails there says nothing.
func TestASyncOfADirectoryThatFails(t *testing.T) {
	rdb := mode(t, "rdb")
	for _, c := range []struct {
		kind     disk.OpKind
		path     string
		unsynced bool
	}{{disk.OpDirSync, ".", true}, {disk.OpDirSync, "else", false}, {disk.OpCreate, "temp-8.rdb", false}} {
		var b logBuilder
		b.call(disk.OpRename, "temp-7.rdb", 0).Path2 = "dump.rdb"
		b.call(c.kind, c.path, 0).Err = syscall.EIO
		var f facts
		f.read(redis.Store, b.log, nil, new(history.Epoch))
		require.Equal(t, finding.Signs{RenameUnsynced: c.unsynced}, f.signs(&rdb, time.Minute), "%s %s", c.kind, c.path)
	}
}

// TestTheCrashPointInASnapshot: its calls are counted from the file that it begins with, and
// what is written to the log meanwhile is none of them.
func TestTheCrashPointInASnapshot(t *testing.T) {
	const draft = "temp-7.rdb"
	var b logBuilder
	b.call(disk.OpWrite, draft, 0)  // 1: of one that began before the log of calls did
	b.call(disk.OpDirSync, ".", 0)  // 2: of none
	b.call(disk.OpCreate, draft, 0) // 3
	b.call(disk.OpWrite, draft, 0)  // 4
	b.call(disk.OpWrite, "appendonlydir/appendonly.aof.1.incr.aof", 0)
	b.call(disk.OpDirSync, "else", 0)                  // 6
	b.call(disk.OpFsync, draft, 4)                     // 7
	b.call(disk.OpRename, draft, 0).Path2 = "dump.rdb" // 8
	b.call(disk.OpDirSync, ".", 0)                     // 9
	b.call(disk.OpCreate, "temp-8.rdb", 0)             // 10
	for at, want := range map[time.Duration]string{
		2*time.Millisecond + ms500:   "",
		3 * time.Millisecond:         "in create temp-#.rdb #1 since 0s",
		3*time.Millisecond + ms500:   "after create temp-#.rdb #1",
		4*time.Millisecond + ms500:   "after write temp-#.rdb #2",
		5*time.Millisecond + ms500:   "after write temp-#.rdb #2",
		7*time.Millisecond + ms500/2: "in fsync temp-#.rdb #3 since 250µs",
		8*time.Millisecond + ms500:   "after rename temp-#.rdb #4",
		9*time.Millisecond + ms500:   "after dirsync . #5",
		time.Minute:                  "after create temp-#.rdb #1",
	} {
		require.Equal(t, want, crashPoint(redis.Store, b.log, at), "%s", at)
	}
}

// TestFactsOfStrayBytes: those where a returned sync covers the append are nobody's
// unfinished one.
func TestFactsOfStrayBytes(t *testing.T) {
	const one = "appendonlydir/appendonly.aof.1.incr.aof"
	var b logBuilder
	b.call(disk.OpCreate, one, 0)
	b.call(disk.OpWrite, one, 0) // 2: 0 to 100
	b.call(disk.OpWrite, one, 0).Off = 100
	b.call(disk.OpFdatasync, one, 2)
	b.call(disk.OpWrite, one, 0).Off = 200
	var f facts
	f.read(redis.Store, b.log, nil, new(history.Epoch))
	require.True(t, f.durable(product.Stray{one: 99}))
	require.False(t, f.durable(product.Stray{one: 100}), "write 3 was under way when the sync entered")
	b.call(disk.OpFdatasync, one, 5)
	f.read(redis.Store, b.log, nil, new(history.Epoch))
	require.True(t, f.durable(product.Stray{one: 299}))
	require.False(t, f.durable(product.Stray{one: 300}))
	require.False(t, f.durable(nil))
	b.call(disk.OpTruncate, one, 0).Len = 150
	f.read(redis.Store, b.log, nil, new(history.Epoch))
	require.False(t, f.durable(product.Stray{one: 150}))
}

func TestFactsOfSnapshots(t *testing.T) {
	var b logBuilder
	b.call(disk.OpCreate, "temp-7.rdb", 0)      // at 1 ms, announced at 0.9 ms
	b.call(disk.OpFsync, "temp-7.rdb", 0)       // 2
	r := b.call(disk.OpRename, "temp-7.rdb", 0) // 3
	r.Path2, r.Return = "dump.rdb", 4*time.Millisecond
	b.call(disk.OpDirSync, ".", 0)                // 4: at the instant at which the rename returns
	b.call(disk.OpCreate, "temp-8.rdb", 0)        // 5: SAVE, nothing announced
	b.call(disk.OpFsync, "temp-8.rdb", 0).Err = 5 // 6
	var f facts
	var e history.Epoch
	f.read(redis.Store, b.log, []time.Duration{900 * time.Microsecond}, &e)
	require.Equal(t, []history.Snapshot{
		{Fork: 900 * time.Microsecond, Began: time.Millisecond, Renamed: 4 * time.Millisecond, Durable: 4*time.Millisecond + ms500},
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

// TestTheFileThatWasLeft: a sync of a file that the server has gone on from is marked, and
// one of it that fails is over: nothing is asked for any more.
func TestTheFileThatWasLeft(t *testing.T) {
	const one, two = "appendonlydir/appendonly.aof.1.incr.aof", "appendonlydir/appendonly.aof.2.incr.aof"
	var b logBuilder
	b.call(disk.OpCreate, one, 0)                      // 1
	b.call(disk.OpWrite, one, 0)                       // 2
	b.call(disk.OpFdatasync, one, 2)                   // 3
	b.call(disk.OpWrite, one, 0)                       // 4
	b.call(disk.OpCreate, two, 0)                      // 5
	b.call(disk.OpFdatasync, one, 4).Err = syscall.EIO // 6
	b.call(disk.OpFdatasync, two, 0)                   // 7
	var f facts
	var e history.Epoch
	f.read(redis.Store, b.log, nil, &e)
	require.Len(t, e.LogSyncs, 3)
	for i, want := range []bool{false, true, false} {
		require.Equal(t, want, e.LogSyncs[i].Left, i)
		require.Equal(t, want, e.LogSyncs[i].Failed, i)
	}
	require.False(t, f.oldLogUnsynced(5*time.Millisecond), "its sync has failed, and does not come again")
	b.call(disk.OpUnlink, one, 0)
	f.read(redis.Store, b.log, nil, &history.Epoch{})
	require.Len(t, f.logs, 1)
	require.Equal(t, two, f.logs[0].path)
}

// TestWhatIsOfARewrite: of the log's directory only its syncs.
func TestWhatIsOfARewrite(t *testing.T) {
	require.True(t, ofRewrite(&disk.Call{Kind: disk.OpDirSync}, product.LogDir))
	require.False(t, ofRewrite(&disk.Call{Kind: disk.OpMkdir}, product.LogDir))
	require.False(t, ofRewrite(&disk.Call{Kind: disk.OpDirSync}, product.Other))
	require.False(t, ofRewrite(&disk.Call{Kind: disk.OpWrite}, product.TheLog))
	for _, k := range []disk.OpKind{disk.OpCreate, disk.OpUnlink} {
		require.True(t, ofRewrite(&disk.Call{Kind: k}, product.TheLog))
		require.False(t, ofRewrite(&disk.Call{Kind: k}, product.Other))
	}
	require.True(t, ofRewrite(&disk.Call{Kind: disk.OpWrite}, product.Draft))
}

// TestBytesThatNobodyHasSynced: they are counted from the first of them on, until the kernel
// may have written them back by itself.
func TestBytesThatNobodyHasSynced(t *testing.T) {
	const one = "appendonlydir/appendonly.aof.1.incr.aof"
	expire := disk.DefaultWriteBack.Expire
	var b logBuilder
	var f facts
	read := func() { f.read(redis.Store, b.log, nil, new(history.Epoch)) }
	b.call(disk.OpCreate, one, 0)
	b.call(disk.OpWrite, one, 0)
	b.call(disk.OpWrite, one, 0)
	read()
	require.EqualValues(t, 200, f.unsynced(2*time.Millisecond+expire-1, false))
	require.Zero(t, f.unsynced(2*time.Millisecond+expire, false))
	b.call(disk.OpFdatasync, one, 3)
	b.call(disk.OpWrite, one, 0) // 5
	read()
	require.EqualValues(t, 100, f.unsynced(5*time.Millisecond+expire-1, false))
	require.Zero(t, f.unsynced(5*time.Millisecond+expire, false))
	b.call(disk.OpFdatasync, one, 3)
	read()
	require.EqualValues(t, 100, f.unsynced(10*time.Millisecond, false), "a sync that does not cover the last")

	// Those of a rewritten log that is one file, too.
	f = facts{}
	var single logBuilder
	single.call(disk.OpCreate, "temp-rewriteaof-bg-7.aof", 0)
	single.call(disk.OpWrite, "temp-rewriteaof-bg-7.aof", 0)
	single.call(disk.OpWrite, "temp-rewriteaof-bg-7.aof", 0)
	single.call(disk.OpRename, "temp-rewriteaof-bg-7.aof", 0).Path2 = "appendonly.aof"
	f.read(redis.Of("redis", "6.0.16"), single.log, nil, new(history.Epoch))
	require.EqualValues(t, 200, f.unsynced(2*time.Millisecond+expire-1, false))
	require.Zero(t, f.unsynced(2*time.Millisecond+expire, false))

	for end, want := range map[int64]int64{100: 100, 99: 99, 40: 40, 0: 0} { // all writes are to the beginning of the file
		cut := b.call(disk.OpTruncate, one, 0)
		cut.Len = end
		read()
		require.Equal(t, want, f.unsynced(10*time.Millisecond, false), "cut to %d", end)
		b.log = b.log[:len(b.log)-1]
	}
}

// TestTheDirectoryThatHoldsTheLogs: what was synced before the log's own directory was made
// says nothing of that.
func TestTheDirectoryThatHoldsTheLogs(t *testing.T) {
	always := mode(t, "always")
	var b logBuilder
	var f facts
	synced := func() bool {
		f.read(redis.Store, b.log, nil, new(history.Epoch))
		return f.signs(&always, time.Minute).RootSynced
	}
	b.call(disk.OpDirSync, ".", 0).Return = disk.Never
	require.False(t, synced())
	b.call(disk.OpDirSync, ".", 0)
	require.True(t, synced())
	b.call(disk.OpMkdir, "else", 0)
	require.True(t, synced())
	b.call(disk.OpMkdir, redis.AOFDir, 0)
	require.False(t, synced())
	b.call(disk.OpDirSync, redis.AOFDir, 0)
	require.False(t, synced())
	b.call(disk.OpDirSync, ".", 0)
	require.True(t, synced())
}

// TestWhenTheManifestIsAhead: while its name and that of a file it speaks of, which is new,
// wait for one sync; once that has returned the next manifest speaks of nothing new. From then
// on the old log's sync is what comes next.
func TestWhenTheManifestIsAhead(t *testing.T) {
	const one, two = "appendonlydir/appendonly.aof.1.incr.aof", "appendonlydir/appendonly.aof.2.incr.aof"
	always := mode(t, "always")
	var b logBuilder
	var f facts
	ahead := func(at time.Duration) bool {
		f.read(redis.Store, b.log, nil, new(history.Epoch))
		return f.signs(&always, at).ManifestAhead
	}
	manifest := func() {
		b.call(disk.OpRename, "appendonlydir/temp-appendonly.aof.manifest", 0).Path2 = "appendonlydir/appendonly.aof.manifest"
	}
	b.call(disk.OpCreate, one, 0)
	b.call(disk.OpWrite, one, 0)
	b.call(disk.OpCreate, two, 0)
	b.call(disk.OpWrite, "appendonlydir/temp-appendonly.aof.manifest", 0)
	b.call(disk.OpRename, "appendonlydir/temp-rewriteaof-bg-6.aof", 0).Path2 = "appendonlydir/appendonly.aof.1.base.rdb"
	manifest()
	b.log[5].Err = syscall.EIO
	require.False(t, ahead(6*time.Millisecond+ms500))
	require.False(t, f.signs(&always, 6*time.Millisecond+ms500).RenameUnsynced, "neither a base nor a rename that fails gives the manifest its name")
	b.log = b.log[:3]
	manifest() // 4
	b.call(disk.OpDirSync, ".", 0)
	require.True(t, ahead(6*time.Millisecond), "it is another directory's sync")
	b.log = b.log[:3]
	b.call(disk.OpWrite, "appendonlydir/temp-appendonly.aof.manifest", 0)
	manifest()
	require.True(t, ahead(5*time.Millisecond+ms500), "what is written into it")
	b.log = b.log[:3]
	manifest() // 4
	require.True(t, ahead(4*time.Millisecond+ms500))
	dir := b.call(disk.OpDirSync, redis.AOFDir, 0) // 5
	dir.Return = disk.Never
	require.True(t, ahead(time.Minute))
	require.True(t, f.oldLogUnsynced(time.Minute), "it comes next, once the index is durable")
	dir.Return = 5*time.Millisecond + ms500
	require.False(t, ahead(6*time.Millisecond))
	require.True(t, f.oldLogUnsynced(5*time.Millisecond+ms500), "it is what comes next")
	require.False(t, f.oldLogUnsynced(5*time.Millisecond+ms500+1), "it has not come")
	manifest() // 6
	require.False(t, ahead(6*time.Millisecond+ms500), "no file in it is new")
	b.call(disk.OpRename, "appendonlydir/temp-rewriteaof-bg-7.aof", 0).Path2 = "appendonlydir/appendonly.aof.2.base.rdb" // 7
	manifest()                                                                                                           // 8
	require.True(t, ahead(8*time.Millisecond+ms500))
	b.call(disk.OpUnlink, one, 0) // 9
	manifest()                    // 10
	require.False(t, ahead(10*time.Millisecond+ms500), "what was new is removed again, or what is gone was old")
	b.call(disk.OpCreate, one, 0)
	b.call(disk.OpDirSync, redis.AOFDir, 0)
	manifest() // 13
	require.False(t, ahead(13*time.Millisecond+ms500), "it was durable before")
	require.False(t, f.halfway)
	b.call(disk.OpDirSync, redis.AOFDir, 0).Err = syscall.EIO // 14
	require.False(t, ahead(time.Minute))
	require.True(t, f.halfway)
}

// TestStatementsThatDidNotStrike: all but a restart after a crash that did.
func TestStatementsThatDidNotStrike(t *testing.T) {
	p, err := plan.Parse("plan 1\nat 1s: kill n1\nat +1s: truncate n1 x by 7\nat +1s: restart n1\nat +1s: restart n1\n")
	require.NoError(t, err)
	reports := []plan.StatementReport{{Text: "kill", Struck: true}, {Text: "truncate", Why: "no file"}, {Text: "restart"}, {Text: "again", Struck: true}}
	require.Equal(t, []result.Unstruck{{Statement: "truncate", Why: "no file", Runs: 1}}, unstruck(p, reports))
	reports[0].Struck = false
	require.Len(t, unstruck(p, reports), 3)
}

// TestASlowSync: one in flight at the crash is, and one that took as long as was added.
func TestASlowSync(t *testing.T) {
	for _, c := range []struct {
		sync history.DiskSync
		want bool
	}{
		{history.DiskSync{Enter: time.Second, Return: history.Never}, true},
		{history.DiskSync{Enter: time.Second, Return: time.Second + slowSync}, true},
		{history.DiskSync{Enter: time.Second, Return: time.Second + slowSync - 1}, false},
	} {
		require.Equal(t, c.want, syncWasSlow(&history.Epoch{LogSyncs: []history.DiskSync{c.sync}}))
	}
}

// TestFactsOfASingleLog: a rewrite makes a file that takes the log's name (redis 6.0 aof.c
// backgroundRewriteDoneHandler). What had been written to the log is in it, and its sync is
// one of that, too; there is no file before it whose end could be missing.
func TestFactsOfASingleLog(t *testing.T) {
	const theLog, draft = "appendonly.aof", "temp-rewriteaof-bg-7.aof"
	old := redis.Of("redis", "6.0.16")
	var b logBuilder
	b.call(disk.OpCreate, theLog, 0)
	b.call(disk.OpWrite, theLog, 0) // 2
	b.call(disk.OpCreate, draft, 0)
	b.call(disk.OpWrite, draft, 0)  // 4
	b.call(disk.OpWrite, theLog, 0) // 5: the last that goes to the old file
	b.call(disk.OpWrite, draft, 0)  // 6: and what came meanwhile
	b.call(disk.OpRename, draft, 0).Path2 = theLog
	b.inos[theLog] = b.inos[draft]
	var f facts
	var e history.Epoch
	f.read(old, b.log, nil, &e)
	require.Len(t, e.LogWrites, 2, "what a rewrite writes is no write of the log")
	require.Equal(t, int64(200), f.unsynced(8*time.Millisecond, false), "of the new file nothing is durable")
	require.False(t, f.oldLogUnsynced(time.Minute), "there is no old file")
	m := product.Mode{AOF: true}
	require.True(t, f.signs(&m, 7*time.Millisecond+ms500).RenameUnsynced)
	require.True(t, f.signs(&m, time.Minute).DraftTookOver, "write 6 is not synced")

	b.call(disk.OpFdatasync, theLog, 6) // 8
	f.read(old, b.log, nil, &e)
	require.False(t, f.signs(&m, time.Minute).DraftTookOver, "all that it held is synced, and no more")
	b.call(disk.OpWrite, theLog, 0)     // 9
	b.call(disk.OpFdatasync, theLog, 9) // 10
	e = history.Epoch{}
	f.read(old, b.log, nil, &e)
	require.Equal(t, []time.Duration{5*time.Millisecond + ms500, 9*time.Millisecond + ms500}, []time.Duration{e.LogSyncs[0].Covers, e.LogSyncs[1].Covers})
	require.Zero(t, f.unsynced(11*time.Millisecond, true))
	require.False(t, f.signs(&m, time.Minute).DraftTookOver)
	require.Equal(t, "in write temp-rewriteaof-bg-#.aof #2 since 0s", crashPoint(old, b.log, 4*time.Millisecond))
	require.Equal(t, "after rename temp-rewriteaof-bg-#.aof #4", crashPoint(old, b.log, time.Minute))
	// The calls of the rewrite after that are counted anew, from its first file on.
	b = logBuilder{}
	b.call(disk.OpCreate, draft, 0)
	b.call(disk.OpRename, draft, 0).Path2 = "temp-rewriteaof-7.aof"
	b.call(disk.OpRename, draft, 0).Path2 = theLog
	b.call(disk.OpWrite, draft, 0) // of one that is not known to have begun
	require.Equal(t, "after rename temp-rewriteaof-bg-#.aof #2", crashPoint(old, b.log, 2*time.Millisecond+ms500))
	require.Equal(t, "after rename temp-rewriteaof-bg-#.aof #3", crashPoint(old, b.log, time.Minute))
	b.call(disk.OpCreate, draft, 0)
	b.call(disk.OpCreate, draft, 0)
	require.Equal(t, "after create temp-rewriteaof-bg-#.aof #2", crashPoint(old, b.log, time.Minute))
}

// TestTheNameOfASingleLog: the name of a rewritten log that is one file is durable with a sync
// of its directory, an fsync (no fdatasync) of it, or what carries all that came before.
func TestTheNameOfASingleLog(t *testing.T) {
	const theLog, draft = "appendonly.aof", "temp-rewriteaof-bg-7.aof"
	old := redis.Of("redis", "6.0.16")
	for _, c := range []struct {
		name    string
		call    func(b *logBuilder)
		carries bool
		unnamed bool
	}{
		{"nothing", func(*logBuilder) {}, false, true},
		{"a sync of its directory", func(b *logBuilder) { b.call(disk.OpDirSync, ".", 0) }, false, false},
		{"one that fails", func(b *logBuilder) { b.call(disk.OpDirSync, ".", 0).Err = syscall.EIO }, false, true},
		{"one that has not returned", func(b *logBuilder) { b.call(disk.OpDirSync, ".", 0).Return = disk.Never }, false, true},
		{"a sync of another directory", func(b *logBuilder) { b.call(disk.OpDirSync, "else", 0) }, false, true},
		{"fdatasync", func(b *logBuilder) { b.call(disk.OpFdatasync, theLog, 4) }, false, true},
		{"fsync", func(b *logBuilder) { b.call(disk.OpFsync, theLog, 4) }, false, false},
		{"fsync of another file", func(b *logBuilder) { b.call(disk.OpFsync, "else", 4) }, false, true},
		{"what was written since is synced", func(b *logBuilder) {
			b.call(disk.OpWrite, theLog, 0)
			b.call(disk.OpFdatasync, theLog, uint64(len(b.log)))
		}, false, false},
		{"a commit of something else that carries all before it", func(b *logBuilder) { b.call(disk.OpFdatasync, "else", 4) }, true, false},
		{"a write", func(b *logBuilder) { b.call(disk.OpWrite, theLog, 0) }, true, true},
	} {
		var b logBuilder
		b.call(disk.OpCreate, theLog, 0)
		b.call(disk.OpWrite, theLog, 0)
		b.call(disk.OpCreate, draft, 0)
		b.call(disk.OpWrite, draft, 0) // 4
		b.call(disk.OpRename, draft, 0).Path2 = theLog
		b.inos[theLog] = b.inos[draft]
		b.call(disk.OpFdatasync, theLog, 4)
		c.call(&b)
		f := facts{}
		f.read(old, b.log, nil, new(history.Epoch))
		f.carries = c.carries
		if c.carries { // of which only what comes after the log's own sync is asked for here
			f.named = false
			f.naming(&b.log[len(b.log)-1])
		}
		require.Equal(t, c.unnamed, f.signs(&product.Mode{AOF: true}, time.Minute).NameUnsynced, c.name)
	}
}

// TestADraftThatIsSyncedFirst: a server that syncs a rewritten log before it takes the log's
// name looks like one of F8 to whoever sees a loss, and is not.
func TestADraftThatIsSyncedFirst(t *testing.T) {
	const theLog, draft = "appendonly.aof", "temp-rewriteaof-bg-7.aof"
	old := redis.Of("redis", "6.0.16")
	var b logBuilder
	b.call(disk.OpCreate, theLog, 0)
	b.call(disk.OpWrite, theLog, 0) // 2: the only one
	b.call(disk.OpCreate, draft, 0)
	b.call(disk.OpWrite, draft, 0) // 4
	b.call(disk.OpFdatasync, draft, 4)
	b.call(disk.OpRename, draft, 0).Path2 = theLog
	b.inos[theLog] = b.inos[draft]
	var f facts
	var e history.Epoch
	f.read(old, b.log, nil, &e)
	require.False(t, f.signs(&product.Mode{AOF: true}, time.Minute).DraftTookOver)
	require.Zero(t, f.unsynced(8*time.Millisecond, false))

	b.call(disk.OpFdatasync, theLog, 4)
	e = history.Epoch{}
	f.read(old, b.log, nil, &e)
	require.Equal(t, 2*time.Millisecond+ms500, e.LogSyncs[0].Covers, "what the file before had is in it")
}

// TestTheLogOfRedis7IsSeveralFiles: its rewrites sync directories and remove files, and plans
// strike there.
func TestTheLogOfRedis7IsSeveralFiles(t *testing.T) {
	require.False(t, isSingle(redis.Store))
	require.True(t, isSingle(redis.Of("redis", "6.0.16")))
	m := redis.Store.Modes()[0]
	require.Contains(t, callsOfRewrite(&m), "dirsync")
}

// TestFactsOfSyncsThatWait: a file that the server has left is synced by a thread that does one
// after the other, behind whatever sync of it is in flight.
func TestFactsOfSyncsThatWait(t *testing.T) {
	const one, two, three = "appendonlydir/appendonly.aof.1.incr.aof", "appendonlydir/appendonly.aof.2.incr.aof", "appendonlydir/appendonly.aof.3.incr.aof"
	always := mode(t, "everysec")
	signs := func(b *logBuilder) finding.Signs {
		var f facts
		f.read(redis.Store, b.log, nil, new(history.Epoch))
		return f.signs(&always, time.Minute)
	}
	var b logBuilder
	b.call(disk.OpCreate, one, 0)
	b.call(disk.OpWrite, one, 0)
	b.call(disk.OpFdatasync, one, 0) // of nothing: it entered before the write had returned
	b.call(disk.OpCreate, two, 0)
	b.call(disk.OpWrite, two, 0)
	require.False(t, signs(&b).OldIncrUnsynced, "nobody has asked for the sync")
	b.log[2].Return = disk.Never
	require.True(t, signs(&b).OldIncrUnsynced, "it waits behind the one in flight")

	b = logBuilder{}
	b.call(disk.OpCreate, one, 0)
	b.call(disk.OpWrite, one, 0)
	b.call(disk.OpCreate, two, 0)
	b.call(disk.OpWrite, two, 0)
	b.call(disk.OpUnlink, one, 0)
	b.call(disk.OpCreate, three, 0)
	b.call(disk.OpWrite, three, 0)
	require.False(t, signs(&b).OldIncrUnsynced)
	b.call(disk.OpFdatasync, one, 2).Return = disk.Never
	require.True(t, signs(&b).OldIncrUnsynced, "the sync of the second waits behind that of the first, which has no name any more")
}

// TestFactsOfAServerThatHadNoTime: what is asked for next is asked for later by what the server
// has waited since, and by no more.
func TestFactsOfAServerThatHadNoTime(t *testing.T) {
	const one, two = "appendonlydir/appendonly.aof.1.incr.aof", "appendonlydir/appendonly.aof.2.incr.aof"
	everysec := mode(t, "everysec")
	var b logBuilder
	b.call(disk.OpCreate, one, 0)
	b.call(disk.OpWrite, one, 0)
	b.call(disk.OpCreate, two, 0)
	turned := b.call(disk.OpWrite, two, 0).Enter
	for _, c := range []struct {
		name  string
		waits []history.Wait
		open  bool
	}{
		{"it had time", nil, false},
		{"it waited before", []history.Wait{{From: 0, To: turned, By: time.Hour}}, false},
		{"it hung all the time", []history.Wait{{From: turned, To: turned + 3*time.Second, By: 3 * time.Second}}, true},
		{"it waited for a part", []history.Wait{{From: turned, To: turned + 3*time.Second, By: time.Second}}, false},
	} {
		f := facts{lag: time.Millisecond, waits: c.waits}
		f.read(redis.Store, b.log, nil, new(history.Epoch))
		require.Equal(t, c.open, f.signs(&everysec, turned+3*time.Second).OldIncrUnsynced, c.name)
		f.ahead = owed{is: true, since: turned}
		require.Equal(t, c.open, f.ahead.open(turned+3*time.Second, &f), c.name)
	}
}

// TestFactsOfALogOfALifeBefore: a file that nobody has written to in this life is left when
// another is begun.
func TestFactsOfALogOfALifeBefore(t *testing.T) {
	const one, two = "appendonlydir/appendonly.aof.1.incr.aof", "appendonlydir/appendonly.aof.2.incr.aof"
	var b logBuilder
	b.call(disk.OpFdatasync, one, 0)
	b.call(disk.OpCreate, two, 0)
	b.call(disk.OpFdatasync, one, 0)
	b.call(disk.OpWrite, two, 0)
	b.call(disk.OpFdatasync, two, 4)
	var f facts
	var e history.Epoch
	f.read(redis.Store, b.log, nil, &e)
	var left []bool
	for _, s := range e.LogSyncs {
		left = append(left, s.Left)
	}
	require.Equal(t, []bool{false, true, false}, left)
}

// TestFactsOfWritesThatAreTakenBack: what the disk took in part had not to survive, and while
// the server cannot write it is blocked.
func TestFactsOfWritesThatAreTakenBack(t *testing.T) {
	const one = "appendonlydir/appendonly.aof.1.incr.aof"
	var b logBuilder
	b.call(disk.OpCreate, one, 0)
	b.call(disk.OpWrite, one, 0)           // 0 to 100
	b.call(disk.OpWrite, one, 0).Off = 100 // short
	b.call(disk.OpTruncate, one, 0).Len = 100
	read := func() (f facts, e history.Epoch) {
		f.read(redis.Store, b.log, nil, &e)
		return f, e
	}
	f, e := read()
	require.Len(t, e.LogWrites, 1)
	require.EqualValues(t, 100, f.unsynced(time.Second, false))
	require.True(t, f.refused)
	require.Equal(t, []history.Interval{{From: 4 * time.Millisecond, To: history.Never}}, e.Blocked)
	b.call(disk.OpWrite, one, 0).Err = syscall.ENOSPC
	b.call(disk.OpWrite, one, 0).Off = 100
	f, e = read()
	require.Len(t, e.LogWrites, 2)
	require.False(t, f.refused || f.gap)
	require.Equal(t, []history.Interval{{From: 4 * time.Millisecond, To: 6*time.Millisecond + ms500}}, e.Blocked)
	b.log[len(b.log)-1].Off = 140
	f, _ = read()
	require.True(t, f.gap, "it was written behind the end of the file")

	// What is cut behind the last write was of no write of this life.
	b = logBuilder{}
	b.call(disk.OpTruncate, one, 0).Len = 0
	b.call(disk.OpWrite, one, 0).Off = 100
	b.call(disk.OpTruncate, one, 0).Len = 101
	_, e = read()
	require.Len(t, e.LogWrites, 1)
	b.log[2].Len = 100
	_, e = read()
	require.Empty(t, e.LogWrites)
}

// TestFactsOfLogsOfLivesBefore: what a life leaves unsynced in a file before the last stays so,
// until that is synced or removed, or the power is cut.
func TestFactsOfLogsOfLivesBefore(t *testing.T) {
	const one, two = "appendonlydir/appendonly.aof.1.incr.aof", "appendonlydir/appendonly.aof.2.incr.aof"
	left := func(f *facts, calls func(b *logBuilder)) finding.Signs {
		b := logBuilder{inos: map[string]disk.Ino{one: 4, two: 5}}
		calls(&b)
		f.read(redis.Store, b.log, nil, &history.Epoch{})
		return f.signs(&product.Mode{AOF: true}, time.Second)
	}
	begin := func() *facts { // a rewrite has gone on to the second, and the sync of the first has not returned
		f := new(facts)
		s := left(f, func(b *logBuilder) {
			b.call(disk.OpWrite, one, 0)
			b.call(disk.OpCreate, two, 0)
			b.call(disk.OpFdatasync, one, 1).Return = disk.Never
		})
		require.False(t, s.EarlierUnsynced, "the life that does it is no life before")
		f.over(false)
		return f
	}
	write := func(b *logBuilder) { b.call(disk.OpWrite, two, 0) }
	f := begin()
	require.True(t, left(f, write).EarlierUnsynced)
	require.True(t, left(f, write).EarlierUnsynced, "reading it again changes nothing")
	f.over(false)
	require.True(t, left(f, func(*logBuilder) {}).EarlierUnsynced, "a life in which nothing is written")
	require.False(t, left(f, func(b *logBuilder) { b.call(disk.OpFdatasync, one, 0) }).EarlierUnsynced, "it is synced")

	f = begin()
	require.False(t, left(f, func(b *logBuilder) { b.call(disk.OpUnlink, one, 0) }).EarlierUnsynced, "it is removed")
	f = begin()
	f.over(true)
	require.False(t, left(f, write).EarlierUnsynced, "what is there after a power cut is durable")

	f = new(facts) // the last file is the next life's to sync
	left(f, func(b *logBuilder) { b.call(disk.OpWrite, one, 0) })
	f.over(false)
	require.False(t, left(f, func(*logBuilder) {}).EarlierUnsynced)
	f.over(false)
	require.True(t, left(f, write).EarlierUnsynced, "until it has gone on to another")
}

// TestFactsOfTheNameOfAnIndexOfALifeBefore: nobody syncs it when it is loaded.
func TestFactsOfTheNameOfAnIndexOfALifeBefore(t *testing.T) {
	const index, dir = "appendonlydir/appendonly.aof.manifest", "appendonlydir"
	f := new(facts)
	reads := func(calls func(b *logBuilder)) bool {
		var b logBuilder
		calls(&b)
		f.read(redis.Store, b.log, nil, &history.Epoch{})
		return f.signs(&product.Mode{AOF: true}, time.Second).EarlierUnsynced
	}
	nothing := func(*logBuilder) {}
	named := func(b *logBuilder) {
		c := b.call(disk.OpRename, "appendonlydir/temp-appendonly.aof.manifest", 0)
		c.Path2, c.Return = index, disk.Never
	}
	require.False(t, reads(named), "this life may still do it")
	f.over(false)
	require.True(t, reads(nothing))
	require.False(t, reads(func(b *logBuilder) { b.call(disk.OpDirSync, dir, 0) }))
	require.False(t, reads(named))
	f.over(true)
	require.False(t, reads(nothing), "what is there after a power cut is durable")
}

// TestFactsOfMemoryThatForgets: a failed sync of a file that is there, where the disk does so.
func TestFactsOfMemoryThatForgets(t *testing.T) {
	const one = "appendonlydir/appendonly.aof.1.incr.aof"
	b := logBuilder{inos: map[string]disk.Ino{one: 4}}
	b.call(disk.OpWrite, one, 0)
	b.call(disk.OpFdatasync, one, 1).Err = syscall.EIO
	fails := b.log
	reads := func(f *facts, log []disk.Record) bool {
		f.read(redis.Store, log, nil, &history.Epoch{})
		return f.signs(&product.Mode{AOF: true}, time.Second).Reverted
	}
	require.False(t, reads(new(facts), fails), "memory keeps it")
	f := &facts{reverts: true}
	require.True(t, reads(f, fails))
	require.Zero(t, f.unsynced(time.Second, true), "what memory has lost a power cut does not take")
	f.over(false)
	require.True(t, reads(f, nil), "in the next life as well")
	b.log = nil
	b.call(disk.OpUnlink, one, 0)
	require.False(t, reads(f, b.log), "until it is removed")

	f = &facts{reverts: true} // of a life before, in which nothing was seen of it
	b.log = nil
	b.call(disk.OpFdatasync, one, 0).Err = syscall.EIO
	require.True(t, reads(f, b.log))
}

// TestFactsOfWritesThatWait: what the disk has not taken into one log goes into the next.
func TestFactsOfWritesThatWait(t *testing.T) {
	const one, two = "appendonlydir/appendonly.aof.1.incr.aof", "appendonlydir/appendonly.aof.2.incr.aof"
	signs := func(calls func(b *logBuilder)) finding.Signs {
		var b logBuilder
		b.call(disk.OpWrite, one, 0)
		calls(&b)
		var f facts
		f.read(redis.Store, b.log, nil, &history.Epoch{})
		return f.signs(&product.Mode{AOF: true}, time.Second)
	}
	refused := func(b *logBuilder, path string) { b.call(disk.OpWrite, path, 0).Err = syscall.ENOSPC }
	require.True(t, signs(func(b *logBuilder) { refused(b, one); refused(b, two); b.call(disk.OpWrite, two, 0) }).CarriedOver)
	require.False(t, signs(func(b *logBuilder) { refused(b, one); b.call(disk.OpWrite, one, 0); b.call(disk.OpWrite, two, 0) }).CarriedOver, "it was written before")
	require.False(t, signs(func(b *logBuilder) { refused(b, two); b.call(disk.OpWrite, two, 0) }).CarriedOver, "it is of the new one")
	require.True(t, signs(func(b *logBuilder) { refused(b, one); b.call(disk.OpWrite, one, 0).Return = disk.Never }).WriteRefused, "one in flight has not been taken")
	require.False(t, signs(func(b *logBuilder) { refused(b, one); b.call(disk.OpWrite, one, 0) }).WriteRefused)
}
