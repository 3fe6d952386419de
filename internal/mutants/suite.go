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
	takes    time.Duration // without any change
	blocks   map[string][]block
}

// block is a piece of a file without a branch in it: from and to are lines
// and columns, as the compiler's coverage has them.
type block struct {
	from, to place
	ran      bool
}

type place struct{ line, column int }

func (p place) before(q place) bool {
	return p.line < q.line || p.line == q.line && p.column < q.column
}

// measure runs the tests without any change: how long each package takes, and
// what of the source it reaches. The quickest come first.
func (o *options) measure(ctx context.Context, dir string) ([]*suite, error) {
	lines, err := list("{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}\t{{.Dir}}{{end}}", strings.Fields(o.tests))
	if err != nil {
		return nil, err
	}
	changed, err := list("{{.ImportPath}}", strings.Fields(o.packages))
	if err != nil {
		return nil, err
	}
	var all []*suite
	for i, line := range lines {
		pkg, at, _ := strings.Cut(line, "\t")
		s := &suite{pkg: pkg, dir: at}
		work := filepath.Join(dir, fmt.Sprintf("whole%d", i))
		bin, out, err := o.build(ctx, s, work, "-cover", "-coverpkg="+strings.Join(changed, ","))
		if err != nil {
			return nil, fmt.Errorf("the tests of %s do not build without any change: %w\n%s", s.pkg, err, out)
		}
		profile := filepath.Join(work, "profile")
		began := time.Now()
		if out, err := o.runTests(ctx, s, bin, o.timeout, "-test.coverprofile="+profile); err != nil {
			return nil, fmt.Errorf("the tests of %s fail without any change: %w\n%s", s.pkg, err, out)
		}
		s.takes = time.Since(began)
		if s.blocks, err = readProfile(profile); err != nil {
			return nil, err
		}
		if err := os.RemoveAll(work); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *suite) int { return int(a.takes - b.takes) })
	return all, nil
}

// readProfile reads a coverage profile: the blocks of each file, whose name
// begins with its package.
func readProfile(path string) (map[string][]block, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read what the tests reach: %w", err)
	}
	all := map[string][]block{}
	for n, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if strings.HasPrefix(line, "mode: ") {
			continue
		}
		var b block
		var statements, count int
		colon := strings.LastIndexByte(line, ':')
		if colon < 0 {
			return nil, fmt.Errorf("read what the tests reach: %s:%d: no colon", path, n+1)
		}
		if _, err := fmt.Sscanf(line[colon+1:], "%d.%d,%d.%d %d %d", &b.from.line, &b.from.column, &b.to.line, &b.to.column, &statements, &count); err != nil {
			return nil, fmt.Errorf("read what the tests reach: %s:%d: %w", path, n+1, err)
		}
		b.ran = count > 0
		all[line[:colon]] = append(all[line[:colon]], b)
	}
	return all, nil
}

// reaches reports whether the tests may run what m changes. Conditions of
// cases are in no block: they are reached when their function is.
func (s *suite) reaches(m *mutant) bool {
	if m.at.line == 0 || m.function.from.line == 0 {
		return true
	}
	var blocks []block
	for name, list := range s.blocks {
		if name == m.file || strings.HasSuffix(name, "/"+m.file) {
			blocks = list
		}
	}
	inBlock, inFunction := false, false
	for _, b := range blocks {
		if !m.at.before(b.from) && m.at.before(b.to) {
			if b.ran {
				return true
			}
			inBlock = true
		}
		if !b.from.before(m.function.from) && !m.function.to.before(b.to) {
			inFunction = inFunction || b.ran
		}
	}
	return !inBlock && inFunction
}

// build builds the tests of a package.
func (o *options) build(ctx context.Context, s *suite, dir string, flags ...string) (binary string, out []byte, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, err
	}
	binary = filepath.Join(dir, "tests")
	args := append([]string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-o", binary}, flags...)
	out, err = command(ctx, "", "go", append(args, s.pkg)...)
	return binary, out, err
}

// runTests runs the tests of one package, which were built before. The shell
// bounds their memory: a loop that does not end may also append.
func (o *options) runTests(ctx context.Context, s *suite, binary string, timeout time.Duration, flags ...string) ([]byte, error) {
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
	return command(ctx, s.dir, "sh", append(args, flags...)...)
}

// command runs a command, and ends all that it started when ctx ends.
func command(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	return cmd.CombinedOutput()
}

// test builds and runs the tests with one change, and says which package killed it.
func (o *options) test(ctx context.Context, m *mutant, suites []*suite, dir string) (v verdict, by string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", err
	}
	defer os.RemoveAll(dir)
	overlay, err := m.overlay(dir)
	if err != nil {
		return "", "", err
	}
	tested := 0
	for _, s := range suites {
		if !s.reaches(m) {
			continue
		}
		tested++
		var exit *exec.ExitError
		binary, out, err := o.build(ctx, s, dir, "-overlay", overlay)
		switch {
		case ctx.Err() != nil:
			return "", "", ctx.Err()
		case errors.As(err, &exit):
			return unbuilt, "", nil
		case err != nil:
			return "", "", fmt.Errorf("build the tests of %s: %w", s.pkg, err)
		}
		out, err = o.runTests(ctx, s, binary, min(o.timeout, 30*time.Second+10*s.takes))
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
	text, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	return list, os.WriteFile(list, text, 0o644)
}
