package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// classes is how often which class of outcome came of each plan on a real server,
// where no two runs are the same: what can come of it must not change.
type classes struct {
	Binary string                    `json:"binary"` // SHA-256
	Server string                    `json:"server"` // its version
	Plans  map[string]map[string]int `json:"plans"`  // by name: how often each class
}

// recordClasses runs each of the fixed plans so many times on redis-server, and adds
// what comes of them to a file, which it makes when there is none. The file is saved
// after each round, so that it can be interrupted and taken up again.
func recordClasses(binary, file string, times int, o options) error {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	all := classes{Binary: fmt.Sprintf("%x", sha256.Sum256(program)), Plans: map[string]map[string]int{}}
	if data, err := os.ReadFile(file); err == nil {
		var have classes
		if err := json.Unmarshal(data, &have); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if have.Binary != all.Binary {
			return fmt.Errorf("%s was recorded with another binary", file)
		}
		all = have
	}
	groups, err := plans(false)
	if err != nil {
		return err
	}
	for range times {
		if err := all.round(binary, groups, o); err != nil {
			return err
		}
		data, err := json.MarshalIndent(all, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(file+".new", append(data, '\n'), 0o644); err != nil {
			return err
		}
		if err := os.Rename(file+".new", file); err != nil {
			return err
		}
	}
	return nil
}

// round runs each plan once more, with the next seed.
func (c *classes) round(binary string, groups []group, o options) error {
	var (
		mu   sync.Mutex
		errs []error
		work = make(chan group)
		wg   sync.WaitGroup
	)
	for range max(1, o.workers) {
		wg.Go(func() {
			for g := range work {
				mu.Lock()
				seed := 1
				for _, n := range c.Plans[g.name] { // any order: a sum
					seed += n
				}
				mu.Unlock()
				class, server, err := classOf(binary, g, seed)
				mu.Lock()
				if err != nil {
					errs = append(errs, fmt.Errorf("%s, seed %d: %w", g.name, seed, err))
				} else {
					if c.Plans[g.name] == nil {
						c.Plans[g.name] = map[string]int{}
					}
					c.Plans[g.name][class]++
					c.Server = server
				}
				if o.progress != nil {
					fmt.Fprintf(o.progress, "%s, seed %d: %s\n", g.name, seed, class)
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
	return errors.Join(errs...)
}

// classOf runs a plan once on redis-server and says what came of it, in words.
func classOf(binary string, g group, seed int) (class, server string, err error) {
	dir, err := os.MkdirTemp("", "torntail-matrix-")
	if err != nil {
		return "", "", err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "plan.txt"), g.files["plan.txt"], 0o644); err != nil {
		return "", "", err
	}
	args := append(slices.Clone(g.args), "--target", "redis-server", "--profile", "nvme", "--runs", "1", "--seed", strconv.Itoa(seed), "--out", out, "--json", "-", "--quiet")
	cmd := exec.Command(binary, args...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		return "", "", err
	}
	var report struct {
		Results []outcome `json:"results"`
	}
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil || len(report.Results) != 1 {
		return "", "", fmt.Errorf("exit status %d and no result: %s", cmd.ProcessState.ExitCode(), stderr.Bytes())
	}
	r := &report.Results[0]
	return r.class(), r.Version, nil
}

// outcome is what of a result makes its class.
type outcome struct {
	Version      string         `json:"version"`
	Struck       int            `json:"struck"`
	Acknowledged int            `json:"acknowledged"`
	Lost         int            `json:"lost"`
	Anomalies    map[string]int `json:"anomalies"`
	Findings     map[string]int `json:"findings"`
	Recovery     map[string]int `json:"recovery"`
	Verdict      string         `json:"verdict"`
	Why          string         `json:"why"`
}

// class is the outcome without its figures.
func (o *outcome) class() string {
	words := []string{o.Verdict}
	if o.Struck == 0 {
		words = append(words, "not struck")
	}
	switch {
	case o.Lost == 0:
		words = append(words, "nothing lost")
	case o.Lost < o.Acknowledged:
		words = append(words, "some lost")
	default:
		words = append(words, "all lost")
	}
	for what, counts := range map[string]map[string]int{"anomaly": o.Anomalies, "finding": o.Findings, "came back": o.Recovery} { // any order: sorted below
		for name, n := range counts { // any order: sorted below
			if n > 0 {
				words = append(words, what+" "+name)
			}
		}
	}
	slices.Sort(words[1:])
	if o.Why != "" {
		words = append(words, "because "+digits.ReplaceAllString(o.Why, "N"))
	}
	return strings.Join(words, ", ")
}

// chance is how seldom a difference between two counts must be, when nothing has
// changed, to be taken for one: thirty plans have some hundred classes.
const chance = 0.001

// compareClasses prints which plans came to something that they had not come to
// before, or did not any more, and how likely that is when nothing has changed. It is
// an errDiffer when one is less likely than chance, or breaks a contract that held.
func compareClasses(from, to string, w io.Writer) error {
	var a, b classes
	for file, into := range map[string]*classes{from: &a, to: &b} { // any order: each is read
		data, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(data, into)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	if len(a.Plans) == 0 {
		return fmt.Errorf("%s: no plan was run", from)
	}
	if a.Server != b.Server {
		fmt.Fprintf(w, "redis-server %s, now %s\n", a.Server, b.Server)
	}
	names := slices.Compact(slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(a.Plans)), slices.Collect(maps.Keys(b.Plans))...))))
	differ, changed := 0, 0
	for _, name := range names {
		was, is := a.Plans[name], b.Plans[name]
		lines, beyond := classesThatDiffer(was, is)
		if len(lines) == 0 {
			continue
		}
		differ++
		if beyond {
			changed++
		}
		fmt.Fprintf(w, "%s\n%s\n", name, strings.Join(lines, "\n"))
	}
	fmt.Fprintf(w, "%d of %d plans came to something else, %d of them by more than chance\n", differ, len(names), changed)
	if changed > 0 {
		return errDiffer
	}
	return nil
}

// classesThatDiffer are the lines of a plan whose classes are not the same, or came
// much more or less often. beyond: one of them by more than chance.
func classesThatDiffer(was, is map[string]int) (lines []string, beyond bool) {
	all := slices.Compact(slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(was)), slices.Collect(maps.Keys(is))...))))
	differs := false
	beyond = len(was) == 0 || len(is) == 0 // it was not run
	for _, class := range all {
		p := fisher(was[class], sum(was), is[class], sum(is))
		what := "both"
		switch {
		case was[class] == 0:
			what = "new"
			beyond = beyond || strings.HasPrefix(class, "violated")
		case is[class] == 0:
			what = "gone"
		}
		differs = differs || what != "both" || p < chance
		beyond = beyond || p < chance
		lines = append(lines, fmt.Sprintf("  %-4s %2d of %d, now %2d of %d (p %.2g): %s", what, was[class], sum(was), is[class], sum(is), p, class))
	}
	if !differs {
		return nil, false
	}
	return lines, beyond
}

// fisher is the probability that a of n and b of m, or counts that are as unlikely,
// come of two equal shares (Fisher's exact test, two-sided).
func fisher(a, n, b, m int) float64 {
	k := a + b
	of := func(x int) float64 { // the logarithm of the probability that x of the k are among the n
		return choose(n, x) + choose(m, k-x) - choose(n+m, k)
	}
	p, seen := 0.0, of(a)
	for x := max(0, k-m); x <= min(n, k); x++ {
		if l := of(x); l <= seen+1e-9 {
			p += math.Exp(l)
		}
	}
	return min(p, 1)
}

// choose is the logarithm of a binomial coefficient.
func choose(n, k int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts { // any order: a sum
		n += c
	}
	return n
}
