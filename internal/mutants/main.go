// Command mutants asks what the tests are worth: it changes one token of the
// source at a time, at places drawn from a seed, and runs the tests, which should
// fail. What survives is a hole in the tests, or makes no difference.
//
// Nothing is written into the source: the tests are built with an overlay.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

type options struct {
	packages, tests, run, skip, seed, edits string
	count, workers                          int
	timeout                                 time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.packages, "packages", "./checker/...", "what is changed")
	flag.StringVar(&o.tests, "tests", "", "what is tested; empty: the packages")
	flag.StringVar(&o.run, "run", "", "only the tests that match (go test -run)")
	flag.StringVar(&o.skip, "skip", "", "not the tests that match (go test -skip)")
	flag.StringVar(&o.seed, "seed", "", "where the changes are drawn from; empty: the commit's hash")
	flag.StringVar(&o.edits, "edits", "", "a file of changes to make instead")
	flag.IntVar(&o.count, "count", 200, "how many changes are tried")
	flag.IntVar(&o.workers, "workers", 2, "how many are tested at once")
	flag.DurationVar(&o.timeout, "timeout", 10*time.Minute, "of the tests of one change; running out of it counts as failing")
	flag.Parse()
	if o.tests == "" {
		o.tests = o.packages
	}
	survived, err := o.try()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	}
	if survived > 0 {
		os.Exit(1)
	}
}

// verdict is what the tests said of a mutant.
type verdict string

const (
	killed   verdict = "killed"
	survived verdict = "SURVIVED"
	timedOut verdict = "killed (out of time)"
	unbuilt  verdict = "does not build"
)

// try changes and tests, and counts what survives. Mutants that do not build
// are no mutants: others take their place.
func (o *options) try() (int, error) {
	mutants, err := o.draw()
	if err != nil {
		return 0, err
	}
	out, err := exec.Command("go", append([]string{"test", "-count=1"}, o.args()...)...).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("the tests fail without any change: %w\n%s", err, out)
	}
	var mu sync.Mutex
	counts := map[verdict]int{}
	next, tried := 0, 0
	var wg sync.WaitGroup
	var failure error
	for range o.workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				mu.Lock()
				if failure != nil || tried >= o.count || next >= len(mutants) {
					mu.Unlock()
					return
				}
				m := &mutants[next]
				next++
				tried++
				mu.Unlock()
				v, err := o.test(m)
				mu.Lock()
				if counts[v]++; err != nil {
					failure = err
				} else if v == unbuilt {
					tried--
				} else {
					fmt.Printf("%-22s %s\n", v, m)
				}
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	dead := counts[killed] + counts[timedOut]
	if total := dead + counts[survived]; total > 0 {
		fmt.Printf("%d of %d killed (%.1f %%), %d survived; %d others did not build\n", dead, total, 100*float64(dead)/float64(total), counts[survived], counts[unbuilt])
	}
	return counts[survived], failure
}

func (o *options) args() []string {
	args := []string{"-timeout", o.timeout.String(), "-failfast"}
	if o.run != "" {
		args = append(args, "-run", o.run)
	}
	if o.skip != "" {
		args = append(args, "-skip", o.skip)
	}
	return append(args, strings.Fields(o.tests)...)
}

// draw lists the mutants in the order in which they are tried.
func (o *options) draw() ([]mutant, error) {
	if o.edits != "" {
		return edits(o.edits)
	}
	files, err := sources(strings.Fields(o.packages))
	if err != nil {
		return nil, err
	}
	var all []mutant
	for _, f := range files {
		list, err := sites(f)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	seed := o.seed
	if seed == "" {
		hash, err := exec.Command("git", "rev-parse", "HEAD").Output()
		if err != nil {
			return nil, fmt.Errorf("the commit's hash as the seed: %w", err)
		}
		seed = strings.TrimSpace(string(hash))
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(seed)) // it never fails
	rng := rand.New(rand.NewPCG(h.Sum64(), 0))
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	fmt.Printf("%d places in %d files, seed %s\n", len(all), len(files), seed)
	return all, nil
}

// sources are the files of packages, without their tests.
func sources(packages []string) ([]string, error) {
	args := append([]string{"list", "-f", "{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}\n{{end}}"}, packages...)
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w", strings.Join(packages, " "), err)
	}
	wd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	var files []string
	for _, f := range strings.Fields(string(out)) {
		rel, err := filepath.Rel(wd, f)
		if err != nil {
			return nil, err
		}
		files = append(files, rel)
	}
	return files, nil
}

// test builds and runs the tests with one change.
func (o *options) test(m *mutant) (verdict, error) {
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
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
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o644); err != nil {
		return "", err
	}
	cmd := exec.Command("go", append([]string{"test", "-count=1", "-overlay", list}, o.args()...)...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch text := string(out); {
	case err == nil:
		return survived, nil
	case !errors.As(err, &exit):
		return "", fmt.Errorf("go test: %w", err)
	case strings.Contains(text, "[build failed]") || strings.Contains(text, "[setup failed]"):
		return unbuilt, nil
	case strings.Contains(text, "panic: test timed out"):
		return timedOut, nil
	}
	return killed, nil
}
