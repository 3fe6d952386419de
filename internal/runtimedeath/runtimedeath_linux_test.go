//go:build amd64 || arm64

package runtimedeath

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// envDeath makes the test binary die the death of that name, with status 4 if it can.
const envDeath = "RUNTIMEDEATH_TEST"

// deaths are the ways in which the runtime ends a program, and what it says of each.
var deaths = []struct {
	name string
	says string
	die  func()
}{
	{"a panic in main", "panic: here", func() { panic("here") }},
	{"a panic in a goroutine", "panic: here", func() { go panic("here"); select {} }},
	{"a panic with an error whose text panics", "panic", func() { panic(worse{}) }},
	{"a panic while a panic unwinds", "panic: second", func() { defer func() { panic("second") }(); panic("first") }},
	{"two panics at once", "panic: ", func() { go panic("one"); go panic("other"); select {} }},
	{"a nil pointer", "nil pointer dereference", func() { println(*(*int)(nil)) }},
	{"an address that is not there", "unexpected fault address", func() {
		println(*(*int)(unmapped()))
	}},
	{"a deadlock", "all goroutines are asleep", func() { select {} }},
	{"the end of main alone", "no goroutines", runtime.Goexit},
	{"two writers of a map", "fatal error: concurrent map", func() {
		m := map[int]int{}
		for range 4 {
			go func() {
				for i := 0; ; i++ {
					m[i%8] = i
				}
			}()
		}
		select {}
	}},
	{"an unlock of what is not locked", "unlock of unlocked mutex", func() { new(sync.Mutex).Unlock() }},
	{"a stack without end", "stack overflow", func() {
		debug.SetMaxStack(1 << 20)
		println(deeper(0))
	}},
	{"no memory", "out of memory|address space collisions for -race", func() {
		limit(syscall.RLIMIT_AS, 1<<30)
		for {
			taken = append(taken, make([]byte, 64<<20))
		}
	}},
	{"no threads", "newosproc|pthread_create failed", func() {
		debug.SetMaxThreads(1 << 20)
		if syscall.Setuid(65534) != nil {
			os.Exit(4) // not tried; NPROC is no limit for root
		}
		limit(6, 4) // RLIMIT_NPROC
		for {
			go func() { runtime.LockOSThread(); select {} }()
		}
	}},
	{"too many threads", "thread exhaustion", func() {
		debug.SetMaxThreads(20)
		for {
			go func() { runtime.LockOSThread(); select {} }()
		}
	}},
	{"SIGQUIT", "SIGQUIT: quit", func() { raise(syscall.SIGQUIT) }},
	{"SIGABRT", "SIGABRT: abort", func() { raise(syscall.SIGABRT) }},
	{"SIGSEGV", "SIGSEGV: segmentation violation", func() { raise(syscall.SIGSEGV) }},
	{"SIGBUS", "SIGBUS: bus error", func() { raise(syscall.SIGBUS) }},
	{"SIGILL", "SIGILL: illegal instruction", func() { raise(syscall.SIGILL) }},
	{"SIGFPE", "SIGFPE: floating-point exception", func() { raise(syscall.SIGFPE) }},
	{"SIGTRAP", "SIGTRAP: trace trap", func() { raise(syscall.SIGTRAP) }},
	{"SIGSYS", "SIGSYS: bad system call", func() { raise(syscall.SIGSYS) }},
}

type worse struct{}

func (worse) Error() string { panic("worse") }

func deeper(n int) int {
	if n < 0 {
		return n
	}
	return deeper(n+1) + 1
}

var taken [][]byte

func limit(what int, n uint64) { syscall.Setrlimit(what, &syscall.Rlimit{Cur: n, Max: n}) }

// raise sends a signal as somebody else would.
func raise(s syscall.Signal) {
	syscall.Kill(os.Getpid(), s)
	time.Sleep(time.Minute)
}

func TestMain(m *testing.M) {
	if name, ok := os.LookupEnv(envDeath); ok {
		if err := ExitWith(4); err != nil {
			println(err.Error())
			os.Exit(100)
		}
		for _, d := range deaths {
			if d.name == name {
				d.die()
				os.Exit(101)
			}
		}
		if name == "SIGABRT that is taken" {
			c := make(chan os.Signal, 1)
			signal.Notify(c, syscall.SIGABRT)
			syscall.Kill(os.Getpid(), syscall.SIGABRT)
			<-c
			os.Exit(7)
		}
		os.Exit(102)
	}
	os.Exit(m.Run())
}

// die starts the test binary to die, and returns how it ended and what it said.
func die(t *testing.T, name string) (state *os.ProcessState, said string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), envDeath+"="+name)
	var out bytes.Buffer
	cmd.Stderr = &out
	require.NoError(t, cmd.Start())
	stuck := time.AfterFunc(3*time.Minute, func() { cmd.Process.Kill() })
	defer stuck.Stop()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil {
		require.True(t, errors.As(err, &exit), "%v", err)
	}
	return cmd.ProcessState, out.String()
}

func TestEveryDeathHasTheStatus(t *testing.T) {
	for _, d := range deaths {
		t.Run(strings.ReplaceAll(d.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			if cgo() && (d.name == "a deadlock" || d.name == "the end of main alone") {
				t.Skip("with cgo the runtime does not look for deadlocks")
			}
			state, said := die(t, d.name)
			require.Equal(t, 4, state.ExitCode(), "%v\n%s", state, said)
			if d.name == "no threads" && said == "" {
				t.Skip("only root may become a user who has too few threads")
			}
			require.Regexp(t, d.says, said)
			if !strings.Contains(said, "pthread_create") { // which C aborts for
				require.Contains(t, said, "goroutine ", "where it was is told")
			}
		})
	}
}

// TestSIGABRTIsLeftToThoseWhoTakeIt: it is an ordinary signal, unless the runtime raises it.
func TestSIGABRTIsLeftToThoseWhoTakeIt(t *testing.T) {
	state, said := die(t, "SIGABRT that is taken")
	require.Equal(t, 7, state.ExitCode(), "%v\n%s", state, said)
}

// unmapped is an address at which nothing is any more.
func unmapped() unsafe.Pointer {
	page, err := syscall.Mmap(-1, 0, os.Getpagesize(), syscall.PROT_READ, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		os.Exit(103)
	}
	at := unsafe.Pointer(&page[0])
	syscall.Munmap(page)
	return at
}

// cgo reports whether the C library starts the threads.
func cgo() bool {
	info, _ := debug.ReadBuildInfo()
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "CGO_ENABLED", Value: "1"})
}
