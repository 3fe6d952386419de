// Gotest runs go test with the arguments it is given and says meanwhile what is
// running, so that nobody looks at a silent terminal for minutes. What go test
// would print on its own is printed as each package ends, and its exit status is
// kept. On a terminal what runs is a line that is drawn again each second; in a
// log it is a line after each half minute of silence.
//
//	gotest -timeout=9m ./...
//
// Arguments that begin with a dash are flags, with their value behind an equals
// sign; the others are packages.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/term"
)

func main() {
	status, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
	}
	os.Exit(status)
}

func run(args []string) (status int, err error) {
	b := &board{out: os.Stdout, total: count(args), terminal: term.IsTerminal(int(os.Stdout.Fd()))}
	if b.terminal {
		if b.width, _, err = term.GetSize(int(os.Stdout.Fd())); err != nil {
			b.width = 80
		}
	}
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return 1, err
	}
	signal.Notify(make(chan os.Signal, 1), os.Interrupt) // go test gets it too, and ends
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	lines := make(chan []byte)
	go func() {
		defer close(lines)
		read(events, lines)
	}()
	b.start(time.Now())
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for lines != nil {
		select {
		case line, ok := <-lines:
			if !ok {
				lines = nil
				break
			}
			b.event(line, time.Now())
		case now := <-tick.C:
			b.tick(now)
		}
	}
	err = cmd.Wait()
	b.end(err == nil)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil // -1: a signal
	} else if err != nil {
		return 1, err
	}
	return 0, nil
}

// read sends the lines of r, however long.
func read(r io.Reader, lines chan<- []byte) {
	for in := bufio.NewReader(r); ; {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			lines <- line
		}
		if err != nil {
			return
		}
	}
}

// count is the number of packages that will be tested, 0 when that is not known.
func count(args []string) int {
	list := []string{"list"}
	for _, a := range args {
		if !strings.HasPrefix(a, "-") {
			list = append(list, a)
		}
	}
	out, err := exec.Command("go", list...).Output()
	if err != nil {
		return 0 // go test says why
	}
	return strings.Count(string(out), "\n")
}

// event is one line of go test -json; see go doc test2json.
type event struct {
	Action, Package, ImportPath, Test, Output string
}

func parse(line []byte) (e event, ok bool) {
	ok = json.Unmarshal(line, &e) == nil && e.Action != ""
	return e, ok
}
