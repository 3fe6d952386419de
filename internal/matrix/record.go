package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

type options struct {
	sample   bool
	workers  int
	only     string    // prefix of the names of groups
	progress io.Writer // nil is silent
}

// record writes the matrix of a binary into a directory that does not exist or is empty.
func record(binary, dir string, o options) error {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	if left, err := os.ReadDir(dir); err == nil && len(left) > 0 {
		return fmt.Errorf("%s is not empty", dir)
	}
	all, err := groupsOf(binary, o.sample)
	if err != nil {
		return err
	}
	var groups []group
	for _, g := range all {
		if strings.HasPrefix(g.name, o.only) {
			groups = append(groups, g)
		}
	}
	if len(groups) == 0 {
		return fmt.Errorf("no group's name begins with %q", o.only)
	}
	var (
		mu   sync.Mutex
		errs []error
		done int
		work = make(chan group)
		wg   sync.WaitGroup
	)
	for range max(1, o.workers) {
		wg.Go(func() {
			for g := range work {
				err := g.record(binary, filepath.Join(dir, filepath.FromSlash(g.name)))
				mu.Lock()
				done++
				if err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", g.name, err))
				}
				if o.progress != nil {
					fmt.Fprintf(o.progress, "%d/%d %s\n", done, len(groups), g.name)
				}
				mu.Unlock()
			}
		})
	}
	for _, g := range groups {
		work <- g
	}
	close(work)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	digest, err := digests(dir)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, digestFile), []byte(digest), 0o644)
}

// out is where torntail puts its reports, relative to where it is called: so
// that no path in them says where that is.
const out = "out"

// record runs the group's commands and keeps in dir what they say and save.
func (g *group) record(binary, dir string) error {
	work, err := os.MkdirTemp("", "torntail-matrix-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	for _, name := range slices.Sorted(mapKeys(g.files)) {
		if err := os.WriteFile(filepath.Join(work, name), g.files[name], 0o644); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	args := g.args
	if args[0] != "selftest" {
		args = append(slices.Clone(args), "--out", out)
	}
	said, err := say(binary, work, args)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "text.txt"), said, 0o644); err != nil {
		return err
	}
	if err := keep(filepath.Join(work, out), filepath.Join(dir, out)); err != nil {
		return err
	}
	if !g.again {
		return nil
	}
	return g.recordAgain(binary, work, dir)
}

// recordAgain records what torntail says of the failures that it saved.
func (g *group) recordAgain(binary, work, dir string) error {
	var saved []string
	histories := map[string]bool{}
	err := filepath.WalkDir(filepath.Join(work, out), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(work, filepath.Dir(path))
		if err != nil {
			return err
		}
		switch d.Name() {
		case "experiment.json", "scenario.yaml":
			saved = append(saved, rel)
		case "history.jsonl":
			histories[rel] = true
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	slices.Sort(saved)
	var all bytes.Buffer
	for i, d := range saved {
		if i == mostAgain {
			fmt.Fprintf(&all, "%d more\n", len(saved)-i)
			break
		}
		commands := [][]string{{"replay", d}}
		if histories[d] {
			commands = append(commands, []string{"check", filepath.Join(d, "history.jsonl")})
		}
		for _, args := range commands {
			said, err := say(binary, work, args)
			if err != nil {
				return err
			}
			all.Write(said)
		}
	}
	if len(saved) > 0 && g.args[0] == "run" {
		said, err := say(binary, work, []string{"shrink", saved[0], "--out", "shrunk"})
		if err != nil {
			return err
		}
		all.Write(said)
	}
	return os.WriteFile(filepath.Join(dir, "again.txt"), all.Bytes(), 0o644)
}

// mostAgain is how many failures of a group are replayed.
const mostAgain = 6

// say runs torntail and returns what it printed, and how it ended. What it prints
// as progress is left out; a failure to run, and bad input, is not.
func say(binary, dir string, args []string) ([]byte, error) {
	c := exec.Command(binary, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "TMPDIR="+dir) // what others on the machine have left is none of ours
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := c.Run(); err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "$ torntail %s\n%s", strings.Join(args, " "), text(stdout.Bytes()))
	switch code := c.ProcessState.ExitCode(); code {
	case 2, 4, 5, -1:
		fmt.Fprintf(&b, "%s", text(stderr.Bytes()))
		fallthrough
	default:
		fmt.Fprintf(&b, "exit status %d\n\n", code)
	}
	return b.Bytes(), nil
}

// keep copies what torntail saved, in the form in which it is compared.
func keep(from, to string) error {
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, kept, err := normal(rel, data)
		if err != nil {
			return fmt.Errorf("%s: %w", rel, err)
		}
		target := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, kept, 0o644)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was saved
	}
	return err
}

// digestFile has the digest of each group.
const digestFile = "digest.txt"

// drawn reports whether a file is a report in another form than JSON: it says nothing
// that the others do not, and changes whenever somebody finds better words for it.
func drawn(file string) bool {
	name := filepath.Base(file)
	return strings.HasPrefix(name, "report.") || name == "junit.xml" || strings.Contains(name, ".svg")
}

// digests is a line for each group: the SHA-256 of its files and their names, but for
// those that are drawn, and its name.
func digests(dir string) (string, error) {
	files, err := filesBelow(dir)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for i := 0; i < len(files); {
		group := groupOf(files[i])
		h := sha256.New()
		for ; i < len(files) && groupOf(files[i]) == group; i++ {
			if drawn(files[i]) {
				continue
			}
			data, err := os.ReadFile(filepath.Join(dir, files[i]))
			if err != nil {
				return "", err
			}
			fmt.Fprintf(h, "%s %d\n%s", files[i], len(data), data)
		}
		fmt.Fprintf(&b, "%x  %s\n", h.Sum(nil), group)
	}
	return b.String(), nil
}

// groupOf is the group that a file of a record belongs to.
func groupOf(file string) string {
	for dir := file; ; {
		parent, name := filepath.Split(filepath.Clean(dir))
		if name == out || name == "text.txt" || name == "again.txt" || parent == "" {
			return filepath.ToSlash(filepath.Clean(parent))
		}
		dir = parent
	}
}

// filesBelow are the files of a record, sorted by group and name.
func filesBelow(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if rel != digestFile {
			files = append(files, rel)
		}
		return err
	})
	slices.SortFunc(files, func(a, b string) int {
		if c := strings.Compare(groupOf(a), groupOf(b)); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	return files, err
}
