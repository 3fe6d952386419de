package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// test is one test function.
type test struct {
	of      *suite
	name    string
	takes   time.Duration // of processor time, without any change
	reached map[int]bool  // numbers of the mutants that it runs
}

// suite is the tests of one package.
type suite struct {
	pkg, dir string
	binary   string          // with the switchboard
	takes    time.Duration   // of processor time, without any change
	imports  map[string]bool // what they are built of
}

// place is a line and a column, from 1.
type place struct{ line, column int }

// measure builds the tests with the switchboard and runs each without any change:
// how long it takes, and what it reaches. The quickest come first.
func (o *options) measure(ctx context.Context, b *switchboard) (suites []*suite, tests []*test, err error) {
	// Packages built for a test are called "package [its.test]".
	lines, err := list("{{if eq .Name \"main\"}}{{.ImportPath}}\t{{.Dir}}\t{{join .Deps \"\t\"}}{{end}}", strings.Fields(o.tests), "-test")
	if err != nil {
		return nil, nil, err
	}
	for i, line := range lines {
		words := strings.Split(line, "\t")
		s := &suite{pkg: strings.TrimSuffix(words[0], ".test"), dir: words[1], binary: filepath.Join(b.dir, fmt.Sprintf("tests%d", i)), imports: map[string]bool{}}
		for _, dep := range words[2:] {
			dep, _, _ = strings.Cut(dep, " ")
			s.imports[dep] = true
		}
		if out, err := build(ctx, s, s.binary, b.overlay); err != nil {
			return nil, nil, fmt.Errorf("the tests of %s do not build without any change: %w\n%s", s.pkg, err, out)
		}
		found, err := o.measureEach(ctx, s)
		if err != nil {
			return nil, nil, err
		}
		suites, tests = append(suites, s), append(tests, found...)
	}
	slices.SortFunc(suites, func(a, b *suite) int { return int(a.takes - b.takes) })
	slices.SortFunc(tests, func(a, b *test) int { return int(a.takes - b.takes) })
	return suites, tests, nil
}

// measureEach runs the tests of one package, one after another.
func (o *options) measureEach(ctx context.Context, s *suite) ([]*test, error) {
	pattern := o.run
	if pattern == "" {
		pattern = "."
	}
	out, _, err := command(ctx, s.dir, nil, s.binary, "-test.list", pattern)
	if err != nil {
		return nil, fmt.Errorf("list the tests of %s: %w\n%s", s.pkg, err, out)
	}
	var all []*test
	for _, name := range strings.Fields(string(out)) {
		if !strings.HasPrefix(name, "Test") && !strings.HasPrefix(name, "Fuzz") && !strings.HasPrefix(name, "Example") {
			continue // a benchmark, or the word ok
		}
		t := &test{of: s, name: name, reached: map[int]bool{}}
		reached := s.binary + "." + name
		out, took, err := o.runTests(ctx, s, s.binary, name, time.Hour, envReached+"="+reached)
		if err != nil { // one with a real server may fail on a busy machine
			out, took, err = o.runTests(ctx, s, s.binary, name, time.Hour, envReached+"="+reached)
		}
		if err != nil {
			return nil, fmt.Errorf("%s of %s fails twice without any change: %w\n%s", name, s.pkg, err, out)
		}
		t.takes = took
		s.takes += t.takes
		numbers, err := os.ReadFile(reached)
		if err != nil && !os.IsNotExist(err) {
			return nil, fmt.Errorf("read what %s of %s reaches: %w", name, s.pkg, err)
		}
		for _, text := range strings.Fields(string(numbers)) {
			n, err := strconv.Atoi(text)
			if err != nil {
				return nil, fmt.Errorf("read what %s of %s reaches: %w", name, s.pkg, err)
			}
			t.reached[n] = true
		}
		all = append(all, t)
	}
	return all, nil
}

// build builds the tests of a package, with other files as an overlay says.
func build(ctx context.Context, s *suite, binary, overlay string) ([]byte, error) {
	out, _, err := command(ctx, "", nil, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, s.pkg)
	return out, err
}

// runTests runs one test of a package, or all of them, which were built before, and
// says how much processor time they took. The shell bounds that, however busy the
// machine is, and their memory: a loop that does not end may also append.
func (o *options) runTests(ctx context.Context, s *suite, binary, name string, limit time.Duration, env string) ([]byte, time.Duration, error) {
	shell := fmt.Sprintf(`ulimit -v %d 2>/dev/null; ulimit -t %d; exec "$0" "$@"`, o.memory<<10, int(limit.Seconds()))
	args := []string{"-c", shell, binary, "-test.failfast", "-test.timeout=" + o.timeout.String()}
	if o.short {
		args = append(args, "-test.short")
	}
	switch {
	case name != "":
		args = append(args, "-test.run=^"+name+"$")
	case o.run != "":
		args = append(args, "-test.run="+o.run)
	}
	if o.skip != "" {
		args = append(args, "-test.skip="+o.skip)
	}
	return command(ctx, s.dir, []string{env}, "sh", args...)
}

// command runs a command with more in its environment, and ends all that it
// started when ctx ends. It returns what was printed, and the processor time taken.
func command(ctx context.Context, dir string, env []string, name string, args ...string) ([]byte, time.Duration, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	took := time.Duration(0)
	if cmd.ProcessState != nil {
		took = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	return out, took, err
}

// try runs the tests with one change until one fails, and says which did.
func (o *options) try(ctx context.Context, m *mutant, b *switchboard, suites []*suite, tests []*test, dir string) (v verdict, by string, err error) {
	number := b.number[m]
	if number == 0 {
		return o.tryAlone(ctx, m, suites, dir)
	}
	tested := 0
	for _, t := range tests {
		if !t.reached[number] {
			continue
		}
		tested++
		v, err := o.ask(ctx, t.of, t.of.binary, t.name, t.takes, number)
		if err != nil || v != survived {
			return v, " (" + t.name + ")", err
		}
	}
	if tested == 0 {
		return survived, " (no test reaches it)", nil
	}
	return survived, "", nil
}

// tryAlone is try for a change that does not build beside what was there.
func (o *options) tryAlone(ctx context.Context, m *mutant, suites []*suite, dir string) (v verdict, by string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", err
	}
	defer os.RemoveAll(dir)
	overlay, err := m.overlay(dir)
	if err != nil {
		return "", "", err
	}
	for _, s := range suites {
		if m.pkg != "" && !s.imports[m.pkg] {
			continue
		}
		var exit *exec.ExitError
		binary := filepath.Join(dir, "tests")
		switch _, err := build(ctx, s, binary, overlay); {
		case ctx.Err() != nil:
			return "", "", ctx.Err()
		case errors.As(err, &exit):
			return unbuilt, "", nil
		case err != nil:
			return "", "", fmt.Errorf("build the tests of %s: %w", s.pkg, err)
		}
		v, err := o.ask(ctx, s, binary, "", s.takes, 0)
		if err != nil || v != survived {
			return v, " (" + filepath.Base(s.dir) + ")", err
		}
	}
	return survived, "", nil
}

// ask runs one test, or all of a package, with one mutant.
func (o *options) ask(ctx context.Context, s *suite, binary, name string, takes time.Duration, number int) (verdict, error) {
	out, _, err := o.runTests(ctx, s, binary, name, 10*time.Second+5*takes, envNumber+"="+strconv.Itoa(number))
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err == nil:
		return survived, nil
	case !errors.As(err, &exit):
		return "", fmt.Errorf("run the tests of %s: %w", s.pkg, err)
	case bytes.Contains(out, []byte("panic: test timed out")), bytes.Contains(out, []byte("SIGXCPU")), !exit.Exited():
		return timedOut, nil
	}
	return killed, nil
}

// overlay writes the file with the change into dir, and what tells the
// compiler to take it for the original.
func (m *mutant) overlay(dir string) (string, error) {
	src, err := m.apply()
	if err != nil {
		return "", err
	}
	changed := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(changed, src, 0o644); err != nil {
		return "", err
	}
	original, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	return list, writeOverlay(list, map[string]string{original: changed})
}

// writeOverlay writes what the compiler is to take for what (go help build, -overlay).
func writeOverlay(path string, replace map[string]string) error {
	text, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
