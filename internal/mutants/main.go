// Command mutants asks what the tests are worth: it changes one token of the
// source at a time, at places drawn from a seed, and runs the tests, which should
// fail. What survives is a hole in the tests, or makes no difference.
//
// Nothing is written into the source: the tests are built with an overlay, once
// with all changes side by side, of which a number in the environment chooses
// one; only what does not build in this way is built alone. Only the tests are run
// that reach the change (a run without any change tells), the quickest first, until
// one fails. Every verdict is written down at once: a run that was
// interrupted goes on where it was when started again.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"go/importer"
	"go/token"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

type options struct {
	packages, files, tests, run, skip, seed, edits, log string
	count, workers, memory                              int
	short                                               bool
	timeout                                             time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.packages, "packages", "./checker/...", "what is changed")
	flag.StringVar(&o.files, "files", "", "only files whose path this regular expression matches are changed")
	flag.StringVar(&o.tests, "tests", "", "what is tested; empty: the packages")
	flag.StringVar(&o.run, "run", "", "only the tests that match (go test -run)")
	flag.StringVar(&o.skip, "skip", "", "not the tests that match (go test -skip)")
	flag.StringVar(&o.seed, "seed", "", "where the changes are drawn from; empty: the commit's hash")
	flag.StringVar(&o.edits, "edits", "", "a file of changes to make instead")
	flag.StringVar(&o.log, "log", "", "a file of verdicts: those in it are not asked for again, new ones are added")
	flag.IntVar(&o.count, "count", 200, "how many changes are tried")
	flag.IntVar(&o.workers, "workers", 2, "how many are tested at once")
	flag.IntVar(&o.memory, "memory", 4096, "address space that the tests of one change may take, in MiB; running out of it counts as failing")
	flag.BoolVar(&o.short, "short", false, "run the tests with -short")
	flag.DurationVar(&o.timeout, "timeout", time.Hour, "of one test, by the clock; that, and five times the processor time that it takes without a change, count as failing")
	flag.Parse()
	if o.tests == "" {
		o.tests = o.packages
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	survived, err := o.tryAll(ctx)
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

// tryAll changes and tests, and counts what survives. Mutants that do not build
// are no mutants: others take their place.
func (o *options) tryAll(ctx context.Context) (int, error) {
	mutants, err := o.draw()
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	known, err := openLog(o.log)
	if err != nil {
		return 0, err
	}
	defer known.close()
	began := time.Now()
	// Some of those at the beginning do not build: more than count are tried.
	board, err := newSwitchboard(ctx, dir, mutants[:min(len(mutants), o.count+o.count/5)])
	if err != nil {
		return 0, err
	}
	suites, tests, err := o.measure(ctx, board)
	if err != nil {
		return 0, err
	}
	fmt.Printf("%d changes side by side; built, and %d tests of %d packages run without any change: %s\n", len(board.number), len(tests), len(suites), time.Since(began).Round(time.Second))

	var mu sync.Mutex
	counts := map[verdict]int{}
	next, tried := 0, 0
	var wg sync.WaitGroup
	var failure error
	for worker := range o.workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				mu.Lock()
				if failure != nil || ctx.Err() != nil || tried >= o.count || next >= len(mutants) {
					mu.Unlock()
					return
				}
				m := &mutants[next]
				next++
				tried++
				v, old := known.verdicts[m.String()]
				mu.Unlock()
				var by string
				var err error
				if !old {
					v, by, err = o.try(ctx, m, board, suites, tests, filepath.Join(dir, fmt.Sprint(worker)))
				}
				mu.Lock()
				switch {
				case err != nil && ctx.Err() != nil: // nothing was learned of this one
				case err != nil:
					failure = err
				default:
					counts[v]++
					if v == unbuilt {
						tried--
					} else if !old {
						fmt.Printf("%-22s %s%s\n", v, m, by)
					}
					if !old {
						failure = known.add(m, v)
					}
				}
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	for i := range mutants[:next] {
		if m := &mutants[i]; known.verdicts[m.String()] == survived {
			fmt.Println("survived:", m)
		}
	}
	dead := counts[killed] + counts[timedOut]
	if total := dead + counts[survived]; total > 0 {
		fmt.Printf("%d of %d killed (%.1f %%), %d survived; %d others did not build; %s\n", dead, total, 100*float64(dead)/float64(total), counts[survived], counts[unbuilt], time.Since(began).Round(time.Second))
	}
	if failure == nil && ctx.Err() != nil {
		failure = errors.New("interrupted")
	}
	return counts[survived], failure
}

// draw lists the mutants in the order in which they are tried.
func (o *options) draw() ([]mutant, error) {
	if o.edits != "" {
		return edits(o.edits)
	}
	packages, err := sources(strings.Fields(o.packages))
	if err != nil {
		return nil, err
	}
	wanted, err := regexp.Compile(o.files)
	if err != nil {
		return nil, fmt.Errorf("-files: %w", err)
	}
	var all []mutant
	files := 0
	for _, p := range packages {
		for i := range p.files {
			if !wanted.MatchString(p.names[i]) {
				continue
			}
			list, err := p.sites(i)
			if err != nil {
				return nil, err
			}
			all = append(all, list...)
			files++
		}
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
	fmt.Printf("%d places in %d files, seed %s\n", len(all), files, seed)
	return all, nil
}

// sources reads packages, without their tests.
func sources(packages []string) ([]*source, error) {
	exports, err := list("{{.ImportPath}}\t{{.Export}}", packages, "-deps", "-export")
	if err != nil {
		return nil, err
	}
	export := map[string]string{}
	for _, line := range exports {
		path, file, _ := strings.Cut(line, "\t")
		export[path] = file
	}
	importer := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(export[path]) })
	lines, err := list("{{.ImportPath}}\t{{.Dir}}\t{{join .GoFiles \"\t\"}}", packages)
	if err != nil {
		return nil, err
	}
	wd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	var all []*source
	for _, line := range lines {
		words := strings.Split(line, "\t")
		dir, err := filepath.Rel(wd, words[1])
		if err != nil {
			return nil, err
		}
		var names []string
		for _, name := range words[2:] {
			names = append(names, filepath.Join(dir, name))
		}
		s, err := parse(words[0], names, importer)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// list is what go list says of packages, the lines that are not empty.
func list(format string, packages []string, flags ...string) ([]string, error) {
	args := append([]string{"list", "-f", format}, flags...)
	out, err := exec.Command("go", append(args, packages...)...).Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w", strings.Join(packages, " "), err)
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' }), nil
}
