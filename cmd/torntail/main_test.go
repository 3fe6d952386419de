package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/witness"
	"github.com/torntail/torntail/harness/policies"
	"github.com/torntail/torntail/internal/runtimedeath"
	"github.com/torntail/torntail/reports/result"
)

// The test binary is torntail itself when a script calls it, its watchdog when
// torntail starts that, and redis-server when a script calls a link to it so.
func TestMain(m *testing.M) {
	guard.Main()
	blocklog.Main()
	if filepath.Base(os.Args[0]) == "redis-server" || os.Getenv(asTorntail) != "" {
		main()
	}
	testscript.Main(inOwnTemp{m}, map[string]func(){"torntail": main, "torntail-seen": seen, "torntail-mortal": mortal})
}

// inOwnTemp runs the tests with a directory for temporary files of their own: what other
// torntails on the machine have left is told by none of theirs, and theirs leave nothing
// there that others would tell.
type inOwnTemp struct{ *testing.M }

func (m inOwnTemp) Run() int {
	dir, err := os.MkdirTemp("", "tt") // short: paths of sockets are in it
	if err == nil {
		err = os.Setenv("TMPDIR", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	return m.M.Run()
}

// asTorntail in the environment makes the test binary torntail itself.
const asTorntail = "TORNTAIL_TEST_AS_TORNTAIL"

// seen is torntail with an observer, who writes what it does to the world outside
// into the file that SEEN names, an event a line.
func seen() {
	f, err := os.OpenFile(os.Getenv("SEEN"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(4)
	}
	var mu sync.Mutex
	events := json.NewEncoder(f)
	witness.Listen(func(e witness.Event) {
		mu.Lock()
		defer mu.Unlock()
		events.Encode(e)
	})
	main()
}

// mortal is torntail with two planted bugs: SIGUSR1 makes a goroutine panic, SIGUSR2 the
// runtime find a mistake that nobody can recover. It makes the file that BEGUN names as it
// begins: before that, what it ends with is the runtime's.
func mortal() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1, syscall.SIGUSR2)
	if err := runtimedeath.ExitWith(result.ExitInternal); err != nil { // as main does, but before it says so
		fmt.Fprintln(os.Stderr, err)
	}
	if path := os.Getenv("BEGUN"); path != "" {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	go func() {
		if <-asked == syscall.SIGUSR1 {
			panic("a planted bug")
		}
		new(sync.Mutex).Unlock()
	}()
	main()
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			path, err := exec.LookPath("torntail")
			e.Setenv("TORNTAIL", path)
			histories, abs := filepath.Abs(filepath.Join("..", "..", "checker", "history", "testdata"))
			if abs != nil {
				return abs
			}
			e.Setenv("HISTORIES", histories)
			if scripts, abs := filepath.Abs(filepath.Join("..", "..", "scripts")); abs == nil {
				e.Setenv("SCRIPTS", scripts)
			}
			if server, abs := filepath.Abs(filepath.Join("..", "..", "targets")); abs == nil {
				e.Setenv("TARGETS", server)
			}
			if server, err := exec.LookPath("redis-server"); err == nil {
				e.Setenv("SERVER", server)
			}
			return err
		},
		Condition: condition,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"status":       exitStatus,
			"verdicts":     verdicts,
			"same-figures": sameFigures,
			"same-hunt":    sameHunt,
			"freeport":     freePort,
			"await-server": awaitServer,
			"await-topology": func(ts *testscript.TestScript, _ bool, name []string) {
				if !within(30*time.Second, func() bool { return ts.Exec("torntail", append([]string{"topology", "env"}, name...)...) == nil }) {
					ts.Fatalf("no topology came up")
				}
			},
			"nothing-left": func(ts *testscript.TestScript, _ bool, _ []string) {
				if what := leftover(ts.Getenv("WORK"), ts.Getenv("TMPDIR")); what != "" {
					ts.Fatalf("%s", what)
				}
			},
		},
	})
}

// condition is what scripts may depend on beside testscript's own.
func condition(name string) (bool, error) {
	switch name {
	case "realserver":
		return realServers()
	case "root":
		return os.Geteuid() == 0, nil
	case "tmpfs": // at /dev/shm
		return policies.PlaceOf("/dev/shm").FileSystem == "tmpfs", nil
	}
	return false, fmt.Errorf("condition %q is not known", name)
}

// realServers reports whether real servers can be tested here. In continuous
// integration, where they must be, a machine that cannot is an error.
func realServers() (bool, error) {
	err := fusefs.Available()
	if _, missing := exec.LookPath("redis-server"); err == nil {
		err = missing
	}
	if err == nil {
		return true, nil
	}
	if os.Getenv("CI") == "true" {
		return false, fmt.Errorf("real servers must be testable when CI=true: %w", err)
	}
	return false, nil
}

// exitStatus runs a command and compares its exit status: status CODE COMMAND ARG...
func exitStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE COMMAND ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// verdicts compares what a JSON report says of each pair with words
// MODE/CRASH=VERDICT: verdicts FILE WORD...
func verdicts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: verdicts FILE MODE/CRASH=VERDICT...")
	}
	r, err := result.Load(ts.MkAbs(args[0]))
	ts.Check(err)
	var got []string
	for i := range r.Results {
		got = append(got, fmt.Sprintf("%s/%s=%s", r.Results[i].Mode, r.Results[i].Crash, r.Results[i].Verdict))
	}
	if have, want := strings.Join(got, " "), strings.Join(args[1:], " "); have != want {
		ts.Fatalf("the report says %s, want %s", have, want)
	}
}

// sameFigures compares two reports but for when, where and for how long they
// ran: same-figures DIR DIR [where else failures were saved...]
func sameFigures(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: same-figures DIR DIR...")
	}
	var texts []string
	for _, dir := range args[:2] {
		r, err := result.Load(ts.MkAbs(filepath.Join(dir, "result.json")))
		ts.Check(err)
		text, err := figuresOf(r, args...)
		ts.Check(err)
		texts = append(texts, text)
	}
	if texts[0] != texts[1] {
		ts.Fatalf("%s and %s differ:\n%s", args[0], args[1], cmp.Diff(texts[0], texts[1]))
	}
}

// figuresOf is a report as text, without what says when, where (one of the
// directories) and for how long it ran.
func figuresOf(r *result.Report, dirs ...string) (string, error) {
	c := *r
	c.Started, c.ElapsedS, c.Command = time.Time{}, 0, ""
	c.Results = slices.Clone(r.Results)
	for i := range c.Results {
		c.Results[i].ElapsedS = 0
	}
	text, err := json.MarshalIndent(&c, "", " ")
	out := string(text)
	for _, d := range dirs {
		out = strings.ReplaceAll(out, `"`+d+"/", `"DIR/`)
	}
	return out, err
}

// freePort sets a variable to a port of 127.0.0.1 that nobody uses: freeport NAME
func freePort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: freeport NAME")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	ts.Check(l.Close())
}

// awaitServer waits until a server answers PING: await-server PORT
func awaitServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await-server PORT")
	}
	if !within(3*time.Minute, func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+args[0])
		if err != nil {
			return false
		}
		defer c.Close()
		reply := make([]byte, 7)
		c.SetDeadline(time.Now().Add(time.Second))
		c.Write([]byte("PING\r\n"))
		n, _ := c.Read(reply)
		return string(reply[:n]) == "+PONG\r\n"
	}) {
		ts.Fatalf("no server answers on port %s", args[0])
	}
}

// within polls until a condition holds; false when it does not in time.
func within(limit time.Duration, is func() bool) bool {
	for deadline := time.Now().Add(limit); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// leftover says what commands that ran with the variable WORK=work and the
// temporary directory temp have left behind; "" when nothing. What the watchdog
// removes is gone soon after torntail.
func leftover(work, temp string) string {
	if runtime.GOOS != "linux" {
		return ""
	}
	what := ""
	within(3*time.Minute, func() bool {
		what = leftoverNow(work, temp)
		return what == ""
	})
	return what
}

func leftoverNow(work, temp string) string {
	if list := processesOf(work); len(list) > 0 {
		return "processes: " + strings.Join(list, ", ")
	}
	if mounts, err := os.ReadFile("/proc/self/mounts"); err != nil || strings.Contains(string(mounts), work) {
		return fmt.Sprintf("a mount in %s (%v)", work, err)
	}
	entries, err := os.ReadDir(temp)
	if err != nil {
		return err.Error()
	}
	for _, e := range entries {
		return "a temporary file: " + e.Name()
	}
	return ""
}

// processesOf lists the live processes that have the variable WORK=work.
func processesOf(work string) []string {
	var found []string
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range all {
		env, err := os.ReadFile(path)
		if err != nil || !strings.Contains("\x00"+string(env), "\x00WORK="+work+"\x00") {
			continue // gone, somebody else's, or a zombie, which has no environment
		}
		name, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		found = append(found, strings.TrimSpace(strings.ReplaceAll(string(name), "\x00", " ")))
	}
	return found
}
