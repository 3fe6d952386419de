package osenv_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/faults/vfs/osfs"
	"github.com/torntail/torntail/faults/vfs/vfstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// enter makes the test a task of a new environment.
func enter(t *testing.T) *osenv.Env {
	e := osenv.New("n1", 1)
	e.Enter()
	t.Cleanup(e.Leave)
	return e
}

// Tasks must not run at the same time: without the lock the race detector and
// the count both complain.
func TestOneTaskAtATime(t *testing.T) {
	e := enter(t)
	n, inside := 0, 0
	var tasks []env.Task
	for range 8 {
		tasks = append(tasks, e.Go("counter", func() {
			for range 100 {
				inside++
				assert.Equal(t, 1, inside)
				n++
				inside--
				e.Sleep(0)
			}
		}))
	}
	assert.False(t, tasks[0].Done(), "a task starts when its maker gives way")
	for _, task := range tasks {
		task.Wait()
		assert.True(t, task.Done())
		task.Wait() // again: returns at once
	}
	assert.Equal(t, 800, n)
}

func TestCondWakesInOrder(t *testing.T) {
	e := enter(t)
	c := e.NewCond()
	var order []int
	var tasks []env.Task
	for i := range 3 {
		waiting := false
		tasks = append(tasks, e.Go("waiter", func() {
			waiting = true
			c.Wait()
			order = append(order, i)
		}))
		for !waiting {
			e.Sleep(time.Millisecond)
		}
	}
	for i := range 3 {
		c.Signal()
		for len(order) <= i {
			e.Sleep(time.Millisecond)
		}
	}
	assert.Equal(t, []int{0, 1, 2}, order)
	c.Signal() // nobody waits: lost, as with any condition
	for _, task := range tasks {
		task.Wait()
	}
	assert.False(t, c.WaitFor(time.Millisecond))
}

func TestCondTimeout(t *testing.T) {
	e := enter(t)
	c := e.NewCond()
	assert.False(t, c.WaitFor(0))
	assert.False(t, c.WaitFor(-time.Second))
	woken := false
	task := e.Go("waiter", func() { woken = c.WaitFor(time.Hour) })
	for range 2 {
		e.Sleep(time.Millisecond)
	}
	c.Broadcast()
	task.Wait()
	assert.True(t, woken)
}

// Timeouts and signals that meet must neither lose a signal nor count one twice.
func TestCondTimeoutsAndSignals(t *testing.T) {
	e := enter(t)
	c := e.NewCond()
	wakeUps, sent := 0, 0
	var tasks []env.Task
	for range 8 {
		tasks = append(tasks, e.Go("waiter", func() {
			for range 200 {
				if c.WaitFor(20 * time.Microsecond) {
					wakeUps++
				}
			}
		}))
	}
	running := func() bool {
		for _, task := range tasks {
			if !task.Done() {
				return true
			}
		}
		return false
	}
	for running() {
		c.Signal()
		sent++
		e.Sleep(10 * time.Microsecond)
	}
	assert.LessOrEqual(t, wakeUps, sent)
	assert.False(t, c.WaitFor(time.Millisecond), "no wake-up is left over")
}

func TestConnections(t *testing.T) {
	e := enter(t)
	l, err := e.Listen("127.0.0.1:0")
	require.NoError(t, err)
	server := e.Go("server", func() {
		for {
			c, err := l.Accept()
			if err != nil {
				assert.ErrorIs(t, err, env.ErrClosed)
				return
			}
			buf := make([]byte, 100)
			n, err := c.Read(buf)
			assert.NoError(t, err)
			_, err = c.Write(buf[:n])
			assert.NoError(t, err)
			assert.NoError(t, c.Close())
		}
	})
	c, err := e.Dial(l.Addr())
	require.NoError(t, err)
	assert.Equal(t, l.Addr(), c.RemoteAddr())
	c.SetReadDeadline(e.Now() + 5*time.Millisecond)
	_, err = c.Read(make([]byte, 1))
	assert.ErrorIs(t, err, env.ErrTimeout)
	c.SetReadDeadline(0)
	_, err = c.Write([]byte("hello"))
	require.NoError(t, err)
	got, err := io.ReadAll(c)
	assert.NoError(t, err)
	assert.Equal(t, "hello", string(got))
	require.NoError(t, c.Close())
	_, err = c.Read(make([]byte, 1))
	assert.ErrorIs(t, err, env.ErrClosed)

	require.NoError(t, l.Close())
	server.Wait()
	_, err = e.Dial(l.Addr())
	assert.ErrorIs(t, err, env.ErrRefused)
}

func TestOnlyLoopback(t *testing.T) {
	e := enter(t)
	for _, addr := range []string{"0.0.0.0:0", "192.0.2.1:80", "example.com:80", ":0", "nonsense"} {
		_, err := e.Listen(addr)
		assert.Error(t, err, addr)
		_, err = e.Dial(addr)
		assert.Error(t, err, addr)
	}
}

func TestFileSystemConformance(t *testing.T) {
	e := osenv.New("n1", 1)
	vfstest.Run(t, func(t *testing.T) vfs.FS {
		e.Enter()
		t.Cleanup(e.Leave)
		return e.FS(osfs.New(t.TempDir()))
	})
}

// While a task waits for the disk, another one must be able to run.
func TestFileSystemReleasesTheLock(t *testing.T) {
	e := enter(t)
	slow := &slowFS{FS: osfs.New(t.TempDir()), entered: make(chan struct{}), release: make(chan struct{})}
	fsys := e.FS(slow)
	task := e.Go("disk", func() {
		_, err := fsys.List(".")
		assert.ErrorIs(t, err, errSlow)
	})
	e.Leave()
	<-slow.entered
	e.Enter() // possible only when the call above does not hold the lock
	assert.False(t, task.Done())
	close(slow.release)
	task.Wait()
}

var errSlow = errors.New("slow")

type slowFS struct {
	vfs.FS
	entered, release chan struct{}
}

func (f *slowFS) List(string) ([]string, error) {
	close(f.entered)
	<-f.release
	return nil, errSlow
}

func TestSameSeedSameNumbers(t *testing.T) {
	a, b, c := osenv.New("n1", 7), osenv.New("n2", 7), osenv.New("n1", 8)
	x, y, z := a.Uint64(), b.Uint64(), c.Uint64()
	assert.Equal(t, x, y)
	assert.NotEqual(t, x, z)
}
