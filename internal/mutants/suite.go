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

// suite is the tests of one package.
type suite struct {
	pkg, dir string
	binary   string          // with the switchboard
	takes    time.Duration   // without any change
	reached  map[int]bool    // numbers of the mutants that they run
	imports  map[string]bool // what they are built of
}

// place is a line and a column, from 1.
type place struct{ line, column int }

// measure builds the tests with the switchboard and runs them without any
// change: how long each package takes, and what it reaches. The quickest come first.
func (o *options) measure(ctx context.Context, b *switchboard) ([]*suite, error) {
	// Packages built for a test are called "package [its.test]".
	lines, err := list("{{if eq .Name \"main\"}}{{.ImportPath}}\t{{.Dir}}\t{{join .Deps \"\t\"}}{{end}}", strings.Fields(o.tests), "-test")
	if err != nil {
		return nil, err
	}
	var all []*suite
	for i, line := range lines {
		words := strings.Split(line, "\t")
		s := &suite{pkg: strings.TrimSuffix(words[0], ".test"), dir: words[1], binary: filepath.Join(b.dir, fmt.Sprintf("tests%d", i)), reached: map[int]bool{}, imports: map[string]bool{}}
		for _, dep := range words[2:] {
			dep, _, _ = strings.Cut(dep, " ")
			s.imports[dep] = true
		}
		if out, err := build(ctx, s, s.binary, b.overlay); err != nil {
			return nil, fmt.Errorf("the tests of %s do not build without any change: %w\n%s", s.pkg, err, out)
		}
		reached := s.binary + ".reached"
		began := time.Now()
		if out, err := o.runTests(ctx, s, s.binary, o.timeout, envReached+"="+reached); err != nil {
			return nil, fmt.Errorf("the tests of %s fail without any change: %w\n%s", s.pkg, err, out)
		}
		s.takes = time.Since(began)
		numbers, err := os.ReadFile(reached)
		if err != nil && !os.IsNotExist(err) {
			return nil, fmt.Errorf("read what the tests reach: %w", err)
		}
		for _, text := range strings.Fields(string(numbers)) {
			n, err := strconv.Atoi(text)
			if err != nil {
				return nil, fmt.Errorf("read what the tests reach: %w", err)
			}
			s.reached[n] = true
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *suite) int { return int(a.takes - b.takes) })
	return all, nil
}

// build builds the tests of a package, with other files as an overlay says.
func build(ctx context.Context, s *suite, binary, overlay string) ([]byte, error) {
	return command(ctx, "", nil, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, s.pkg)
}

// runTests runs the tests of one package, which were built before. The shell
// bounds their memory: a loop that does not end may also append.
func (o *options) runTests(ctx context.Context, s *suite, binary string, timeout time.Duration, env string) ([]byte, error) {
	args := []string{"-c", `ulimit -v "$0" 2>/dev/null; exec "$@"`, strconv.Itoa(o.memory << 10), binary, "-test.failfast", "-test.timeout=" + timeout.String()}
	if o.short {
		args = append(args, "-test.short")
	}
	if o.run != "" {
		args = append(args, "-test.run="+o.run)
	}
	if o.skip != "" {
		args = append(args, "-test.skip="+o.skip)
	}
	return command(ctx, s.dir, []string{env}, "sh", args...)
}

// command runs a command with more in its environment, and ends all that it
// started when ctx ends.
func command(ctx context.Context, dir string, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	return cmd.CombinedOutput()
}

// test runs the tests with one change, and says in which package they fail.
func (o *options) test(ctx context.Context, m *mutant, b *switchboard, suites []*suite, dir string) (v verdict, by string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", err
	}
	defer os.RemoveAll(dir)
	number := b.number[m]
	overlay := ""
	if number == 0 {
		if overlay, err = m.overlay(dir); err != nil {
			return "", "", err
		}
	}
	tested := 0
	for _, s := range suites {
		var exit *exec.ExitError
		binary := s.binary
		if number == 0 {
			if m.pkg != "" && !s.imports[m.pkg] {
				continue
			}
			binary = filepath.Join(dir, "tests")
			switch _, err := build(ctx, s, binary, overlay); {
			case ctx.Err() != nil:
				return "", "", ctx.Err()
			case errors.As(err, &exit):
				return unbuilt, "", nil
			case err != nil:
				return "", "", fmt.Errorf("build the tests of %s: %w", s.pkg, err)
			}
		} else if !s.reached[number] {
			continue
		}
		tested++
		out, err := o.runTests(ctx, s, binary, min(o.timeout, 30*time.Second+10*s.takes), envNumber+"="+strconv.Itoa(number))
		switch {
		case ctx.Err() != nil:
			return "", "", ctx.Err()
		case err == nil:
			continue
		case !errors.As(err, &exit):
			return "", "", fmt.Errorf("run the tests of %s: %w", s.pkg, err)
		case bytes.Contains(out, []byte("panic: test timed out")):
			v = timedOut
		default:
			v = killed
		}
		return v, " (" + filepath.Base(s.dir) + ")", nil
	}
	if tested == 0 {
		return survived, " (no test reaches it)", nil
	}
	return survived, "", nil
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
