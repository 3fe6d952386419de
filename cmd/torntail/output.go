package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/harness/target"
	"github.com/torntail/torntail/internal/atomicfile"
	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/terminal"
	"github.com/torntail/torntail/reports/wording"
)

// outputFlags say where results go.
type outputFlags struct {
	Out     string   `help:"Directory for all reports; default torntail-out/TIME." placeholder:"DIR"`
	JSON    string   `name:"json" help:"Also write the JSON report here; - prints it instead of the table." placeholder:"FILE"`
	Unknown string   `default:"fail" enum:"fail,warn" help:"Whether an unknown verdict fails (exit status 3) or only warns, as long as something was proved; default ${default}." placeholder:"fail|warn"`
	JUnit   []string `name:"junit" enum:"jenkins,surefire,unknown-skipped" help:"How junit.xml is written: surefire in the form of Maven Surefire instead of Jenkins and Ant, unknown-skipped with unknown verdicts as skipped instead of errors." placeholder:"WORDS"`
	Quiet   bool     `help:"Print verdicts only, no progress."`
	Verbose bool     `help:"Also print the directives of each mode."`
	until   string   // what became of --until; "" without one
}

// The files that programs read, one of them in each report directory.
const (
	resultFile   = "result.json" // of run, suite, policies and splitbrain
	exploreFile  = "explore.json"
	fidelityFile = "fidelity.json"
)

// outRoot holds the directories of runs that name none.
const outRoot = "torntail-out"

// directory makes the directory for reports and failures, and makes sure that
// all that --out and --json name can be written before anything is run. undo
// removes what was made if nothing has been written into it.
func (f *outputFlags) directory(started time.Time) (dir string, undo func(), err error) {
	if f.JSON != "" && f.JSON != "-" {
		if info, err := os.Stat(f.JSON); err == nil && info.IsDir() {
			return "", nil, fmt.Errorf("--json: %s is a directory", f.JSON)
		}
		if err := writable(filepath.Dir(f.JSON)); err != nil {
			return "", nil, fmt.Errorf("--json: %w", err)
		}
	}
	if dir = f.Out; dir == "" {
		if dir, err = freshDir(filepath.Join(outRoot, started.Format("20060102-150405"))); err != nil {
			return "", nil, fmt.Errorf("--out: %w", err)
		}
	}
	_, missing := os.Stat(dir)
	if f.Out == "" {
		missing, rootUsed = fs.ErrNotExist, true // it was made just now
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, fmt.Errorf("--out: %w", err)
	}
	if err := writable(dir); err != nil {
		return "", nil, fmt.Errorf("--out: %w", err)
	}
	if err := occupy(dir); err != nil {
		return "", nil, fmt.Errorf("--out: %w", err)
	}
	return dir, func() {
		if missing != nil {
			os.Remove(dir) // fails, as it should, when there is something in it
		}
		if f.Out == "" {
			os.Remove(outRoot)
		}
	}, nil
}

// rootUsed: this command's results are below outRoot.
var rootUsed bool

// muchOutput is from which size on, in bytes, outRoot is told to be large.
const muchOutput = 1 << 30

// sayLarge says that outRoot has become large, and what makes it smaller. Nothing is
// deleted unasked.
func sayLarge(w io.Writer) {
	if !rootUsed {
		return
	}
	size := int64(0)
	filepath.WalkDir(outRoot, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil // what cannot be read is not counted
		}
		if info, err := e.Info(); err == nil {
			size += info.Size()
		}
		return nil
	})
	if size > muchOutput {
		fmt.Fprintf(w, "torntail: the results in %s have %s; this removes those that are older than a week: find %s -mindepth 1 -maxdepth 1 -mtime +7 -exec rm -r {} +\n",
			outRoot, history.Size(size), outRoot)
	}
}

// freshDir makes dir, or dir-2, dir-3 and so on if that is there already.
func freshDir(dir string) (string, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	name := dir
	for n := 2; ; n++ {
		if err := os.Mkdir(name, 0o755); !errors.Is(err, fs.ErrExist) {
			return name, err
		}
		name = fmt.Sprintf("%s-%d", dir, n)
	}
}

// occupied are the directories that reports go to, locked as long as this process lives.
var occupied []*os.File

// occupy makes sure that no other torntail puts its reports into dir meanwhile: two would
// write over each other.
func occupy(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		d.Close()
		return fmt.Errorf("another torntail writes into %s", dir)
	}
	occupied = append(occupied, d) // where files cannot be locked nobody is kept out
	return nil
}

// writable reports why no file can be made in dir.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".torntail-*")
	if err != nil {
		var reason *fs.PathError
		if errors.As(err, &reason) {
			err = reason.Err // the name of the file that was tried says nothing
		}
		return fmt.Errorf("cannot write into %s: %w", dir, err)
	}
	f.Close()
	return os.Remove(f.Name())
}

// form is a command's own JSON form.
type form interface {
	Write(w io.Writer) error
}

// json saves a command's form as the file of that name in dir, and where --json
// says; text is where the command prints, for what reads the JSON wants nothing else.
func (f *outputFlags) json(a *app, x form, dir, name string) (text io.Writer, err error) {
	if err := atomicfile.Write(filepath.Join(dir, name), x.Write); err != nil {
		return nil, err
	}
	switch f.JSON {
	case "":
		return a.stdout, nil
	case "-":
		return a.stderr, x.Write(a.stdout)
	}
	if err := atomicfile.Write(f.JSON, x.Write); err != nil {
		if err = fmt.Errorf("--json: %w", err); takenAway(err) {
			return nil, environment(err)
		}
		return nil, usage(err)
	}
	return a.stdout, nil
}

// reports writes what every format says of what was found, and tells GitHub.
func (f *outputFlags) reports(w io.Writer, x found, dir string) (*model.Report, error) {
	m, err := x.report(dir)
	if err == nil {
		m.Choices = f.JUnit
		err = writeReports(m, dir, saved.Evidence)
	}
	if err == nil {
		err = onGitHub(w, m)
	}
	return m, err
}

// report writes and prints the result of a run and turns it into the exit status.
func (f *outputFlags) report(a *app, r *result.Report, dir string) error {
	table, err := f.json(a, r, dir, resultFile)
	if err != nil {
		return err
	}
	if err := terminal.Write(table, r, terminal.Options{Color: coloured(table), Width: widthOf(table), Out: dir, Quiet: f.Quiet, Until: f.until, Findings: finding.Catalogue(target.Findings())}); err != nil {
		return err
	}
	m, err := f.reports(table, foundRun{r}, dir)
	if err != nil {
		return err
	}
	return f.exit(a, m)
}

// exit turns what was found into the exit status, by --unknown.
func (f *outputFlags) exit(a *app, m *model.Report) error {
	code := m.Exit(false)
	if code == result.ExitUnknown && f.Unknown == "warn" {
		if code = m.Exit(true); code == result.ExitHolds {
			fmt.Fprintln(a.stderr, "torntail: warning: not everything was proved (the verdicts that say unknown)")
		}
	}
	if code != result.ExitHolds {
		return status(code)
	}
	return nil
}

// asked is where a line for people goes: not to where --json - prints JSON.
func (a *app) asked(json string) io.Writer {
	if json == "-" {
		return a.stderr
	}
	return a.stdout
}

// notMet adds to what a command reports that what --until waits for was not seen.
func notMet(reported error, met bool) error {
	var s status
	if met || reported != nil && !errors.As(reported, &s) {
		return reported
	}
	return status(result.Worst(int(s), result.ExitUntil))
}

// verdict prints the last line and gives the exit status that belongs to it.
func (a *app) verdict(v result.Verdict, why string) error {
	fmt.Fprintln(a.stdout, wording.Clean(verdictText(v, why), false))
	if code := result.Exit([]result.Verdict{v}, false); code != result.ExitHolds {
		return status(code)
	}
	return nil
}

// writeAsked makes a file that a flag names: one that cannot be made is the
// user's to correct.
func writeAsked(path string, write func(io.Writer) error) error {
	err := atomicfile.Write(path, write)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return usage(err)
	}
	return err
}
