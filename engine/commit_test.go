package engine_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/faults/vfs/osfs"
)

// syncFS lets a test hold and fail the data syncs of the append-only file.
type syncFS struct {
	vfs.FS
	entered chan struct{} // one for each sync that has begun
	result  chan error    // what it returns, when the test says so
}

func (f *syncFS) Open(name string, flag vfs.Flag) (vfs.File, error) {
	file, err := f.FS.Open(name, flag)
	if err != nil || !strings.HasSuffix(name, ".incr.aof") {
		return file, err
	}
	return &syncFile{file, f}, nil
}

type syncFile struct {
	vfs.File
	fs *syncFS
}

func (f *syncFile) SyncData() error {
	f.fs.entered <- struct{}{}
	return <-f.fs.result
}

func startSyncWorld(t *testing.T) (*world, *syncFS) {
	dir := t.TempDir()
	cfg := config.Default()
	require.NoError(t, cfg.Set("save", ""))
	require.NoError(t, cfg.Set("appendonly", "yes"))
	require.NoError(t, cfg.Set("appendfsync", "always"))
	fs := &syncFS{FS: osfs.New(dir), entered: make(chan struct{}, 100), result: make(chan error)}
	w := &world{t: t, dir: dir, env: osenv.New("n1", 1), code: make(chan int, 1)}
	w.env.Enter()
	w.server = engine.New(engine.Options{Env: w.env, FS: w.env.FS(fs), Config: cfg})
	require.NoError(t, w.server.Load())
	w.env.Go("main", func() { w.code <- w.server.Run() })
	w.env.Leave()
	return w, fs
}

// Under `always` no reply goes out before the sync has returned, and the
// writes that arrive during one sync share the next.
func TestGroupCommit(t *testing.T) {
	w, fs := startSyncWorld(t)
	const clients = 8
	replies := make(chan string, clients+1)
	set := func(i int) {
		c := w.connect()
		go func() { replies <- c.do("SET", fmt.Sprint("k", i), "v") }()
	}
	set(0)
	<-fs.entered
	assert.Empty(t, replies, "answered before the sync returned")
	for i := range clients {
		set(i + 1)
	}
	// They are all in the queue once the engine's lock says so.
	for queued := 0; queued < clients; {
		w.env.Enter()
		queued = w.server.Waiting()
		w.env.Leave()
	}
	fs.result <- nil
	assert.Equal(t, "+OK\r\n", <-replies)
	<-fs.entered
	assert.Empty(t, replies, "answered before the second sync returned")
	fs.result <- nil
	for range clients {
		assert.Equal(t, "+OK\r\n", <-replies)
	}
	assert.Empty(t, fs.entered, "one sync for all")
	go func() { // the shutdown syncs once more
		for range fs.entered {
			fs.result <- nil
		}
	}()
	assert.Equal(t, 0, w.stop())
	close(fs.entered)
}

// When the sync fails under `always`, the server exits with 1 and nobody is
// answered: neither the writer nor a reader of the same turn.
func TestFailedSyncEndsTheServerWithoutReply(t *testing.T) {
	w, fs := startSyncWorld(t)
	c, other := w.connect(), w.connect()
	reply, otherReply := make(chan string, 1), make(chan string, 1)
	go func() { reply <- c.do("SET", "k", "v") }()
	<-fs.entered
	go func() { otherReply <- other.do("GET", "k") }()
	fs.result <- syscall.EIO
	assert.Equal(t, 1, <-w.code)
	assert.Equal(t, "<closed>", <-reply)
	assert.Equal(t, "<closed>", <-otherReply)
	assert.Equal(t, "<closed>", c.do("PING"))
}
