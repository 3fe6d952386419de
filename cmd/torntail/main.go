// Command torntail tells which acknowledged writes a Redis-like store loses
// after a fault, how far back the loss reaches, and whether that was allowed.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/sys/unix"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/internal/runtimedeath"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/terminal"
	"github.com/torntail/torntail/reports/wording"
)

// version is torntail's own; replay compares it.
const version = "0.1.0"

// cli is every command and its flags.
type cli struct {
	Run      runCmd      `cmd:"" help:"Crash experiments: modes by crash kinds, many times each; prints the loss table."`
	Suite    suiteCmd    `cmd:"" help:"Run a YAML file of experiments and expectations, as a nightly job does."`
	Merge    mergeCmd    `cmd:"" help:"Put the shards of a suite together."`
	Explore  exploreCmd  `cmd:"" help:"Record one run, then judge every crash state that it could have left."`
	Hunt     huntCmd     `cmd:"" help:"Search for durability bugs that nobody has named, and make a dossier of each."`
	Policies policiesCmd `cmd:"" help:"Persistence settings side by side: what each costs and what it can lose; advice for stated limits."`
	Report   reportCmd   `cmd:"" help:"Write the HTML, Markdown and JUnit reports of a saved result again."`
	Replay   replayCmd   `cmd:"" help:"Run a saved failure again: exit 1 the same anomaly, 0 gone, 3 the trace differs."`
	Shrink   shrinkCmd   `cmd:"" help:"Reduce a saved failure to a small one that shows the same anomaly."`
	Check    checkCmd    `cmd:"" help:"Judge saved histories again, offline; also those of Jepsen."`
	Compare  compareCmd  `cmd:"" help:"What got worse between two results, and how sure that is."`
	Mount    mountCmd    `cmd:"" help:"Serve the fault disk at an empty directory, for any program."`
	Image    imageCmd    `cmd:"" help:"Make the files that a power cut leaves of a recorded disk."`
	Fault    faultCmd    `cmd:"" help:"Let faults strike on a mounted disk."`
	PowerCut powerCutCmd `cmd:"" help:"Cut the power of a mounted disk's machine."`
	Save     saveCmd     `cmd:"" help:"Put a mounted disk into its backing directory as it is now."`
	Status   statusCmd   `cmd:"" help:"What of a mounted disk is not durable, by file."`
	Log      logCmd      `cmd:"" help:"The calls on a mounted disk."`

	Splitbrain splitbrainCmd `cmd:"" help:"Partition a master with Sentinels watching, heal, and account for every acknowledged write."`
	Topology   topologyCmd   `cmd:"" help:"Servers, Sentinels and proxies that stay, for your own client."`

	Server   serverCmd   `cmd:"" help:"Run the embedded engine as a server, with redis-server's arguments." passthrough:""`
	CheckAOF checkAOFCmd `cmd:"" name:"check-aof" help:"Check an append-only file, or cut its damaged tail off, as redis-check-aof does."`
	Selftest selftestCmd `cmd:"" help:"Plant each known fault and show that it is found, and that the clean engine stays silent."`
	Fidelity fidelityCmd `cmd:"" help:"Hold the disk model against real ext4, xfs and btrfs (root)."`
	Servers  serversCmd  `cmd:"" help:"The servers that can be tested here, and how to get others."`
	Doctor   doctorCmd   `cmd:"" help:"What this machine can do, and how to get the rest."`
	List     listCmd     `cmd:"" help:"List modes, crashes, faults, workloads, plants, scenarios, profiles or personalities."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// app is what commands share.
type app struct {
	stdout, stderr io.Writer
	// signal, once it is not 0, is the number of the one that interrupted the command.
	signal atomic.Int32
}

// failure is an error with the exit status it ends torntail with.
type failure struct {
	status int
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// usage is bad input; environment is something this machine lacks.
func usage(err error) error       { return &failure{result.ExitUsage, err} }
func environment(err error) error { return &failure{result.ExitEnvironment, err} }

// status ends torntail with an exit status and no message of its own.
type status int

func (s status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

func main() {
	guard.Main()
	blocklog.Main()
	if err := runtimedeath.ExitWith(result.ExitInternal); err != nil {
		fmt.Fprintln(os.Stderr, "torntail:", err)
		os.Exit(result.ExitInternal)
	}
	// The search is short-lived garbage around a small live heap: collecting it
	// four times less often costs little memory.
	debug.SetGCPercent(400)
	if servesDisks(os.Args[1:]) {
		if err := guard.ServeDisks(); err != nil {
			fmt.Fprintln(os.Stderr, "torntail: serve disks:", err)
			os.Exit(result.ExitInternal)
		}
	}
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}

// servesDisks reports whether a command line may lead to disks under real file systems:
// the block backend, and the commands that find it in a file, or need no word of it. It is
// asked before flags are understood, and may be wrong where that costs no more than a start.
func servesDisks(args []string) bool {
	if len(args) == 0 {
		return false
	}
	switch args[0] {
	case "fidelity", "suite", "replay":
		return true
	case "server":
		return false
	}
	return slices.Contains(args, "--backend=block") || slices.Contains(args, "--backend") && slices.Contains(args, "block")
}

// calledAsServer reports whether the program goes by redis-server's name.
func calledAsServer(path string) bool {
	name := filepath.Base(path)
	return name == "redis-server" || name == "redis-sentinel"
}

// run is main without the process: it returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	out, said := terminal.NewShown(stdout, coloured(stdout)), terminal.NewShown(stderr, coloured(stderr))
	defer out.Close()
	defer said.Close()
	a := &app{stdout: out, stderr: said}
	if calledAsServer(args[0]) {
		args = append([]string{args[0], "server"}, args[1:]...)
	}
	var c cli
	code := -1
	parser, err := kong.New(&c, kong.Name("torntail"), diskVars(), kong.Writers(a.stdout, a.stderr),
		kong.Description("Which acknowledged writes are gone after this fault, how far back does the loss reach, and was that allowed?\n\n"+
			"Exit status: "+result.ExitStatuses+".\n\n"+
			"Examples:\n\n  torntail run\n  torntail run --target redis-server --mode always,everysec"),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Exit(func(status int) { code = status }), kong.Bind(a))
	if err != nil {
		fmt.Fprintln(a.stderr, "torntail:", err)
		return result.ExitInternal
	}
	if len(args) < 2 {
		args = append(args[:1:1], "--help")
	}
	k, err := parser.Parse(args[1:])
	if code >= 0 {
		return code // --help has been printed
	}
	if err != nil {
		fmt.Fprintf(a.stderr, "torntail: %s (%s)\n", mistaken(err), helpFor(err))
		return result.ExitUsage
	}
	switch strings.Fields(k.Command())[0] {
	case "doctor", "server", "check-aof", "version": // the second and third are redis's own tools to others
	default:
		sayLeft(a.stderr)
	}
	err = k.Run()
	sayLarge(a.stderr)
	var s status
	var f *failure
	interrupted := 0
	if s := syscall.Signal(a.signal.Load()); deadly(s) {
		interrupted = result.ExitInternal
	} else if s != 0 {
		interrupted = 128 + int(s)
	}
	switch {
	case err == nil:
		return interrupted
	case errors.As(err, &s):
		return cmp.Or(interrupted, int(s))
	case errors.As(err, &f):
		sayWhy(a.stderr, f.err)
		return f.status
	case interrupted != 0 && errors.Is(err, context.Canceled):
		return interrupted
	}
	sayWhy(a.stderr, err)
	if takenAway(err) {
		return result.ExitEnvironment
	}
	return result.ExitInternal
}

// coloured reports whether what is printed to w is shown in colours.
func coloured(w io.Writer) bool {
	f, ok := unshown(w).(*os.File)
	return ok && terminal.UseColor(f)
}

// widthOf is how many columns fit into where w prints to.
func widthOf(w io.Writer) int {
	if f, ok := unshown(w).(*os.File); ok {
		return terminal.WidthOf(f)
	}
	return terminal.Width
}

// unshown is where w prints to, for what is no text, and for what GitHub is to obey.
func unshown(w io.Writer) io.Writer {
	if s, ok := w.(*terminal.Shown); ok {
		return s.Unwrap()
	}
	return w
}

// sayWhy says why a command has failed; of a bug of torntail's also where it is.
func sayWhy(w io.Writer, err error) {
	fmt.Fprintln(w, "torntail:", oneLine(err))
	var p *experiment.PanicError
	if errors.As(err, &p) {
		w.Write(p.Stack)
	}
}

var (
	negative = regexp.MustCompile(`^(--\S+): expected (\S+) value but got "(-[0-9]\S*)" \(short flag\)`)
	lonely   = regexp.MustCompile(`^unknown flag (-[0-9])`)
)

// mistaken words a mistake on the command line. A number below zero is no flag.
func mistaken(err error) string {
	text := err.Error()
	if m := negative.FindStringSubmatch(text); m != nil {
		if m[2] == "string" {
			return fmt.Sprintf("%s %s: a word that begins with - is taken for a flag: %s=%s is a value", m[1], m[3], m[1], m[3])
		}
		return fmt.Sprintf("%s %s: want a number that is not below 0", m[1], m[3])
	}
	if m := lonely.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("%s is no flag: a number needs the flag that it is for before it, such as --runs %s", m[1], m[1][1:])
	}
	return text
}

// helpFor names the command whose --help explains a mistake on the command line.
func helpFor(err error) string {
	var p *kong.ParseError
	if errors.As(err, &p) && p.Context != nil {
		if n := p.Context.Selected(); n != nil {
			return "torntail " + n.Name + " --help"
		}
	}
	return "torntail --help lists the commands"
}

// oneLine is an error as one line that a terminal can show, whatever it quotes.
func oneLine(err error) string {
	line := strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), " / ")
	if len(line) > longestError {
		line = line[:longestError/2] + " ... " + line[len(line)-longestError/2:]
	}
	return wording.Clean(line, false)
}

// longestError is how many bytes of an error are shown: it may quote what somebody made.
const longestError = 1000

// deadlySignals are those with which Go tells of a mistake of its own, or of the machine's.
// Somebody else who sends one, such as a service manager that has waited too long, wants
// torntail to end, and to know where it was.
var deadlySignals = []os.Signal{syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGILL, syscall.SIGFPE, syscall.SIGTRAP, syscall.SIGSYS}

func deadly(s os.Signal) bool { return slices.Contains(deadlySignals, s) }

// interruptible returns a context that the first Ctrl-C (or SIGTERM, or the end of the
// terminal) ends, so that what is known so far can be reported; the exit status is that
// of a program which the signal ended. A deadly signal does the same once it has had the
// stacks of all goroutines printed; the status is that of torntail's own failure. The second
// signal ends torntail as if nothing watched: servers, mounts and directories are the
// watchdog's then.
func (a *app) interruptible() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	signal.Notify(signals, deadlySignals...)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			a.signal.Store(int32(s.(syscall.Signal)))
			by := "interrupted"
			if deadly(s) {
				pprof.Lookup("goroutine").WriteTo(a.stderr, 2)
				by = "ended by " + unix.SignalName(s.(syscall.Signal))
			}
			fmt.Fprintf(a.stderr, "\ntorntail: %s; what is known so far follows (again: end at once)\n", by)
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel()
	}
}
