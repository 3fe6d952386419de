package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/harness"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/terminal"
	"github.com/torntail/torntail/workloads"
)

// targetFlags say what is tested and on which disk.
type targetFlags struct {
	Target      string `default:"engine" help:"engine, redis-server, or the path of a server binary." placeholder:"TARGET"`
	Backend     string `help:"sim (the engine) or process (real servers); follows from the target." placeholder:"NAME"`
	Personality string `default:"ext4" help:"What the disk promises about a power cut: posix, ext4, ext4-dioread-lock, xfs, btrfs, prefix."`
	Profile     string `default:"cloud-ssd" help:"How long things take: nvme, cloud-ssd, hdd; with -stall the disk stops now and then."`
}

// workloadFlags say what the clients do.
type workloadFlags struct {
	Workload  string  `default:"registers" help:"What clients do (torntail list workloads)."`
	Clients   int     `default:"4" help:"Number of clients."`
	Rate      float64 `help:"Operations a second of all clients together; 0: what the mode needs." placeholder:"OPS"`
	Pipeline  int     `default:"1" help:"Commands a client sends at once."`
	ValueSize int     `default:"64" help:"Bytes of a value."`
	ReadRatio float64 `default:"0.25" help:"Share of reads."`
	Keys      int     `default:"16" help:"Number of keys."`
}

func (f *workloadFlags) spec() (workloads.Spec, error) {
	w := workloads.Default()
	w.Name, w.Clients, w.Rate, w.Pipeline = f.Workload, f.Clients, f.Rate, f.Pipeline
	w.ValueSize, w.ReadRatio, w.Keys = f.ValueSize, f.ReadRatio, f.Keys
	return w, w.Check()
}

type runCmd struct {
	targetFlags
	workloadFlags
	Mode      []string      `help:"Persistence modes (torntail list modes)." placeholder:"LIST"`
	Crash     []string      `help:"Crash kinds (torntail list crashes)." placeholder:"LIST"`
	Directive []string      `help:"A line of redis.conf as NAME=VALUE, on top of the mode's; may be repeated." placeholder:"N=V" sep:"none"`
	Runs      int           `default:"200" help:"Crashes that must strike, for each pair of mode and crash kind."`
	For       time.Duration `help:"Run so long instead, divided fairly between the pairs." placeholder:"TIME"`
	Span      time.Duration `help:"How long clients write in one experiment; 0: what the mode needs." placeholder:"TIME"`
	Seed      uint64        `default:"1" help:"Seed of everything that is drawn."`
	Plan      string        `help:"A fault plan, as text or file, instead of generated ones." placeholder:"PLAN"`
	Plant     string        `help:"Planted bugs to switch on, to see a failure (torntail list plants)." placeholder:"NAMES"`
	Workers   int           `help:"Experiments side by side; 0: what suits the target." placeholder:"N"`
	Keep      int           `name:"keep-failures" default:"3" help:"Failures to save, for each pair." placeholder:"N"`
	Out       string        `help:"Directory for all reports; default torntail-out/TIME." placeholder:"DIR"`
	JSON      string        `name:"json" help:"Also write the JSON report here." placeholder:"FILE"`
	Quiet     bool          `help:"Print verdicts only."`
	Verbose   bool          `help:"Also print the directives of each mode."`
}

func (c *runCmd) Help() string {
	return `Examples:
  torntail run
  torntail run --target redis-server
  torntail run --mode everysec --crash power --runs 1000 --profile hdd
  torntail run --mode always --plant skip-every-50th-fsync`
}

func (c *runCmd) Run(a *app) error {
	campaign, err := c.campaign()
	if err != nil {
		return usage(err)
	}
	backend, done, err := openTarget(c.Target, c.Backend)
	if err != nil {
		return err
	}
	defer done()
	out := c.Out
	started := time.Now()
	if out == "" {
		out = filepath.Join("torntail-out", started.Format("20060102-150405"))
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return usage(fmt.Errorf("--out: %w", err))
	}
	campaign.Save = func(x *harness.Experiment, o *harness.Outcome) (string, error) {
		dir := filepath.Join(out, "failures", fmt.Sprintf("%s-%s-%d", x.Mode.Name, x.Crash, x.Seed))
		return dir, harness.Save(dir, version, backend, x, o)
	}
	if c.Verbose {
		for _, m := range campaign.Modes {
			fmt.Fprintf(a.stdout, "%-14s %s\n", m.Name, joinDirectives(m.Directives))
		}
	}
	var progress *terminal.Progress
	if !c.Quiet {
		progress = terminal.NewProgress(os.Stderr)
		campaign.Progress = func(p harness.Progress) {
			progress.Update(terminal.State{What: p.What, Done: p.Done, Total: p.Total, Violations: p.Violations, Unknown: p.Unknown})
		}
	}
	results, err := campaign.Run(a.ctx, backend)
	progress.Finish()
	if err != nil {
		return err
	}
	report := &result.Report{
		Schema: result.Schema, Torntail: version, Command: strings.Join(append([]string{"torntail"}, os.Args[1:]...), " "),
		Seed: c.Seed, Started: started.UTC(), ElapsedS: time.Since(started).Seconds(),
		Machine: result.Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU()}, Results: results,
	}
	return c.report(a, report, out)
}

// report writes the reports and turns the results into the exit status.
func (c *runCmd) report(a *app, report *result.Report, out string) error {
	if err := report.Save(filepath.Join(out, "result.json")); err != nil {
		return err
	}
	if c.JSON != "" {
		if err := report.Save(c.JSON); err != nil {
			return usage(fmt.Errorf("--json: %w", err))
		}
	}
	color := false
	if f, ok := a.stdout.(*os.File); ok {
		color = terminal.UseColor(f)
	}
	if err := terminal.Write(a.stdout, report, terminal.Options{Color: color, Out: out, Quiet: c.Quiet}); err != nil {
		return err
	}
	if code := result.ExitCode(report.Results); code != result.ExitHolds {
		return status(code)
	}
	return nil
}

// campaign checks the flags and makes a campaign of them.
func (c *runCmd) campaign() (*harness.Campaign, error) {
	w, err := c.spec()
	if err != nil {
		return nil, err
	}
	if c.Runs < 1 {
		return nil, fmt.Errorf("--runs %d: want 1 or more", c.Runs)
	}
	if c.For < 0 || c.Span < 0 || c.Workers < 0 || c.Keep < 0 {
		return nil, errors.New("--for, --span, --workers and --keep-failures take 0 or more")
	}
	k := &harness.Campaign{Workload: w, Personality: c.Personality, Profile: c.Profile, Seed: c.Seed,
		Runs: c.Runs, For: c.For, Workers: c.Workers, Keep: c.Keep}
	if _, err := disk.PersonalityByName(c.Personality); err != nil {
		return nil, err
	}
	if _, err := sim.ProfileByName(c.Profile); err != nil {
		return nil, err
	}
	if k.Plants, err = harness.ParsePlants(c.Plant); err != nil {
		return nil, err
	}
	directives, err := parseDirectives(c.Directive)
	if err != nil {
		return nil, err
	}
	names := c.Mode
	if len(names) == 0 {
		names = harness.DefaultModes
	}
	for _, name := range names {
		m, err := harness.ModeByName(name)
		if err != nil {
			return nil, err
		}
		if c.Span > 0 {
			m.Span = c.Span
		}
		m = m.With(directives)
		if err := m.Check(); err != nil {
			return nil, err
		}
		k.Modes = append(k.Modes, m)
	}
	names = c.Crash
	if len(names) == 0 {
		names = harness.DefaultCrashes
	}
	for _, name := range names {
		crash, err := harness.CrashByName(name)
		if err != nil {
			return nil, err
		}
		k.Crashes = append(k.Crashes, crash)
	}
	if c.Plan != "" {
		if k.Plan, err = readPlan(c.Plan, planBackend(c.Target)); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// parseDirectives reads NAME=VALUE.
func parseDirectives(texts []string) ([]harness.Directive, error) {
	var list []harness.Directive
	for _, t := range texts {
		name, value, ok := strings.Cut(t, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--directive %q: want NAME=VALUE, such as appendfsync=always", t)
		}
		list = append(list, harness.Directive{Name: strings.ToLower(name), Value: value})
	}
	return list, nil
}

func joinDirectives(list []harness.Directive) string {
	words := make([]string, len(list))
	for i, d := range list {
		words[i] = d.String()
	}
	return strings.Join(words, "; ")
}

// readPlan reads a plan that is given as text, or as the name of a file.
func readPlan(text string, b plan.Backend) (*plan.Plan, error) {
	name := "--plan"
	if !strings.HasPrefix(strings.TrimSpace(text), "plan ") {
		data, err := os.ReadFile(text)
		if err != nil {
			return nil, fmt.Errorf("--plan: neither a plan (first line \"plan 1\") nor a file: %w", err)
		}
		name, text = text, string(data)
	}
	p, err := plan.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := p.Check(b, []string{harness.Server}); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

func planBackend(target string) plan.Backend {
	if target == "engine" {
		return plan.Sim
	}
	return plan.Process
}

// openTarget prepares the backend for a target; done releases it.
func openTarget(target, name string) (b harness.Backend, done func(), err error) {
	want := "process"
	if target == "engine" {
		want = "sim"
	}
	switch name {
	case "", want:
	case "sim", "process":
		return b, nil, usage(fmt.Errorf("--backend %s cannot run target %s: want %s", name, target, want))
	default:
		return b, nil, usage(fmt.Errorf("--backend %q: want sim or process", name))
	}
	if target == "engine" {
		return harness.Simulation(), func() {}, nil
	}
	if _, err := exec.LookPath(target); err != nil {
		return b, nil, environment(fmt.Errorf("target %s: %w", target, lacking(target, err)))
	}
	if err := fusefs.Available(); err != nil {
		return b, nil, environment(fmt.Errorf("the fault disk: %w", err))
	}
	v, err := process.Version(target)
	if err != nil {
		return b, nil, environment(fmt.Errorf("target %s: %w", target, err))
	}
	rig, err := harness.NewRig(target)
	if err != nil {
		return b, nil, environment(fmt.Errorf("the fault disk: %w", err))
	}
	return harness.RealServer(rig, v), func() { rig.Close() }, nil
}

// lacking says how to get a server that is not there.
func lacking(target string, err error) error {
	if strings.ContainsRune(target, '/') {
		return err
	}
	if target == "redis-server" {
		return errors.New("not found in PATH; scripts/setup installs it (Debian and Ubuntu: apt-get install redis-server)")
	}
	return fmt.Errorf("%w; targets are engine, redis-server, or the path of a server binary", err)
}
