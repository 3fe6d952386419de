package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/cluster"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/harness/simcluster"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/harness/target"
	"github.com/torntail/torntail/harness/until"
	"github.com/torntail/torntail/internal/atomicfile"
	"github.com/torntail/torntail/internal/bounded"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/terminal"
	"github.com/torntail/torntail/reports/wording"
)

type splitbrainCmd struct {
	Name string `arg:"" optional:"" help:"A named scenario (torntail list scenarios), or a scenario's file; flags change what they name." placeholder:"SCENARIO"`

	Target       string         `default:"engine" help:"engine (in simulation), redis-server, a name of torntail servers, or the path of a server binary that also runs as Sentinel; default ${default}." placeholder:"TARGET" group:"What is tested"`
	Topology     string         `help:"Servers and Sentinels: 3+3, 5+5, chain, chain:4+3; default 3+3." placeholder:"N+M" group:"What is tested"`
	Mode         []string       `help:"How servers keep their data: always, everysec, no, rdb, none, ... (torntail list modes); n2:none says it of one; default no." placeholder:"[NODE:]NAME" group:"What is tested"`
	Directive    []string       `help:"A line of redis.conf as NAME=VALUE, or of one server's as n2:NAME=VALUE; of a Sentinel's file as s2:NAME=VALUE (down-after-milliseconds, failover-timeout, parallel-syncs, quorum); may be repeated." placeholder:"N=V" sep:"none" group:"What is tested"`
	Conf         string         `help:"A redis.conf whose lines the servers get; what torntail decides itself is printed." placeholder:"FILE" type:"existingfile" group:"What is tested"`
	SentinelConf string         `help:"A sentinel.conf from which times, parallel-syncs and quorum are taken." placeholder:"FILE" type:"existingfile" group:"What is tested"`
	Discover     bool           `help:"Sentinels find the replicas and each other by themselves, while clients write." group:"What is tested"`
	Timing       string         `help:"quick: Sentinels act within seconds; announced: the same, and failovers that are asked for (SENTINEL FAILOVER) have the time to be announced; conf: their own defaults and what --sentinel-conf says; default quick." placeholder:"NAME" group:"What is tested"`
	Quorum       int            `help:"Sentinels that must agree; default the majority." placeholder:"N" group:"What is tested"`
	Partition    string         `help:"master-alone, master+replica, one-way, flap or clients-outside; default master-alone." placeholder:"NAME" group:"What breaks"`
	CutAt        time.Duration  `help:"When the cut comes; default 1.5s." placeholder:"D" group:"What breaks"`
	CutFor       time.Duration  `help:"How long it lasts; default long enough for a failover." placeholder:"D" group:"What breaks"`
	After        time.Duration  `help:"How long clients go on after the heal; default 2s." placeholder:"D" group:"What breaks"`
	Lag          time.Duration  `help:"How far the replicas are behind until the cut." placeholder:"D" group:"What breaks"`
	Plan         string         `help:"A fault plan instead of the partition, as text or a file; --span says how long clients write." placeholder:"PLAN" group:"What breaks"`
	Span         time.Duration  `help:"With --plan: how long clients write; default 8s." placeholder:"D" group:"What breaks"`
	Schedule     string         `help:"A scenario drawn anew from each seed, of a kind that torntail list schedules tells, or any; says all of what breaks, where, and whom it meets. Only runs that do not hold are saved." placeholder:"NAME" group:"What breaks"`
	Scenario     string         `help:"The same as the argument." placeholder:"FILE" group:"What breaks"`
	Clients      int            `help:"Clients; default 5." placeholder:"N" group:"Clients"`
	Place        map[string]int `help:"Where they are: master=2,majority=2,everywhere=1." placeholder:"SIDE=N" mapsep:"," group:"Clients"`
	Routing      string         `help:"follow (watch the Sentinels), sticky (ask them when the connection breaks) or both; default follow." placeholder:"NAME" group:"Clients"`
	WaitReplicas int            `help:"WAIT for so many replicas after each write." placeholder:"N" group:"Clients"`
	Rate         float64        `help:"Writes a second, over all clients; default 250." placeholder:"N" group:"Clients"`
	Writes       int            `help:"At most so many writes." placeholder:"N" group:"Clients"`
	Runs         *int           `help:"Experiments, of each setting; default 1, with --until 20." placeholder:"N" group:"How many"`
	Until        string         `help:"Run again and again, at most --runs times, until this holds, such as lost>0." placeholder:"COND" group:"How many"`
	Sweep        []string       `help:"A setting and values to try, NAME=A,B,C; twice for a table of two. NAME is a directive, or down-after, failover-timeout, lag, cut-for, wait-replicas, quorum, clients, partition, routing, topology." placeholder:"N=A,B" sep:"none" group:"How many"`
	Plant        string         `help:"Planted bugs of the engine, to see them found (torntail list plants): where nothing says what breaks, by --schedule any, until a run is violated, in at most 2000." placeholder:"NAMES" group:"What is tested"`
	Seed         uint64         `default:"1" help:"Seed of the first run; default ${default}." group:"How many"`
	Out          string         `help:"Directory for all reports; default torntail-out/TIME." placeholder:"DIR" group:"Results"`
	JSON         string         `name:"json" help:"Also write the JSON report here; - prints it instead of the text." placeholder:"FILE" group:"Results"`
	Quiet        bool           `help:"Print one line for each run, no progress." group:"Results"`
	published    *splitbrain.Published
	ignored      []string
}

func (c *splitbrainCmd) Help() string {
	return `Partitions a master while its Sentinels watch and clients write, heals, and accounts
for every acknowledged write: on the embedded engine in simulation, or on real servers
and Sentinels behind proxies, which need redis-server, and FUSE for faults of disks. Examples:
  torntail splitbrain
  torntail splitbrain aphyr-2013 --target redis-server
  torntail splitbrain --partition master+replica --directive min-replicas-to-write=1
  torntail splitbrain --directive min-replicas-to-write=1 --sweep min-replicas-max-lag=0,1,3,10 --sweep down-after=500ms,5s
  torntail splitbrain incident.yaml --until 'lost>0'
  torntail splitbrain --schedule any --runs 100
  torntail splitbrain --plant vote-twice`
}

// mostListed is how many lost writes of each run are in the report of several.
const mostListed = 200

// mostRuns bounds --until when --runs is not given, and mostHunted the search for a planted bug.
const (
	mostRuns   = 20
	mostHunted = 2000
)

func (c *splitbrainCmd) Run(a *app) error {
	o, err := c.options()
	if err != nil {
		return usage(err)
	}
	condition, most := c.Until, mostRuns
	if c.Plant != "" && c.Schedule == "" && len(c.Sweep) == 0 && c.Until == "" && c.Runs == nil && reflect.DeepEqual(o, splitbrain.Options{}) {
		c.Schedule, condition, most = splitbrain.AnySchedule, "violations>0", mostHunted
	}
	var sweeps []splitbrain.Sweep
	for _, text := range c.Sweep {
		s, err := splitbrain.ParseSweep(text)
		if err != nil {
			return usage(err)
		}
		sweeps = append(sweeps, s)
	}
	if len(sweeps) > 2 {
		return usage(fmt.Errorf("%d sweeps: want at most two", len(sweeps)))
	}
	var cells []*splitbrain.Cell
	if c.Schedule != "" {
		if len(sweeps) > 0 || !reflect.DeepEqual(o, splitbrain.Options{}) {
			return usage(errors.New("--schedule draws all of a scenario: it goes with no scenario, and with nothing that changes one"))
		}
		cells, err = c.scheduled()
	} else {
		cells, err = splitbrain.Cells(o, sweeps)
	}
	if err != nil {
		return usage(err)
	}
	var stopAt *until.Condition[*splitbrain.Report]
	runs := 1
	if condition != "" {
		if stopAt, err = splitbrain.ParseUntil(condition); err != nil {
			return usage(fmt.Errorf("--until: %w", err))
		}
		runs = most
	}
	if c.Runs != nil {
		runs = *c.Runs
	}
	if runs < 1 {
		return usage(fmt.Errorf("--runs %d: want at least 1", runs))
	}
	backend, done, err := splitbrainBackend(c.Target, c.Plant)
	if err != nil {
		return err
	}
	defer done()
	for _, cell := range cells {
		if err := cell.Scenario.Check(backend.System); err != nil {
			return usage(err)
		}
	}
	started := time.Now()
	flags := outputFlags{Out: c.Out, JSON: c.JSON, Quiet: c.Quiet}
	out, undo, err := flags.directory(started)
	if err != nil {
		return usage(err)
	}
	ctx, stop := a.interruptible()
	defer stop()
	for _, text := range c.ignored {
		fmt.Fprintln(a.stderr, "torntail: left out:", text)
	}
	b := &splitbrainRun{a: a, c: c, backend: backend, until: stopAt, runs: runs, out: out, started: started, progress: c.progress(), total: runs * len(cells)}
	err = b.all(ctx, cells)
	b.progress.Finish()
	if ctx.Err() != nil {
		err = nil // what is known is reported, as unknown for the rest
	}
	if err != nil && b.done == 0 {
		undo()
		return asUsage(err)
	}
	return withFailure(b.report(sweeps, cells, splitbrain.Remarks(o, sweeps)), err)
}

func (c *splitbrainCmd) progress() *terminal.Progress {
	if c.Quiet {
		return nil
	}
	return terminal.NewProgress(os.Stderr)
}

// splitbrainBackend is where a target's experiments run; done releases it.
func splitbrainBackend(name, planted string) (b splitbrain.Backend, done func(), err error) {
	where, err := backendOf(name, "")
	if err != nil {
		return b, nil, usage(err)
	}
	p, err := clusterPlants(planted)
	if err == nil && (p.Disk != 0 || p.ReopenUncrashed || p.ClientLies || where != plan.Sim && p.Engine != 0) {
		err = fmt.Errorf("--plant %s: only bugs of the engine can be planted, in the engine", planted)
	}
	if err != nil {
		return b, nil, usage(err)
	}
	if where == plan.Sim {
		b, done = simcluster.Backend(p.Engine)
		return b, done, nil
	}
	server, err := clusterServer(name)
	if err != nil {
		return b, nil, err
	}
	return cluster.Backend(server), func() {}, nil
}

// clusterServer finds a server of which there are to be several, and Sentinels.
func clusterServer(name string) (*target.Server, error) {
	s, err := findServer(name)
	if err != nil {
		return nil, err
	}
	if why := s.Alone(); why != "" {
		return nil, usage(fmt.Errorf("target %s: it cannot be one of several that Sentinels watch: %s", name, why))
	}
	return s, nil
}

// clusterPlants are plants, and the bugs that show only among several servers.
func clusterPlants(text string) (p experiment.Plants, err error) {
	var among bugs.Set
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	words = slices.DeleteFunc(words, func(word string) bool {
		b, known := bugs.ByName(word)
		if known = known && b.Replicated(); known {
			among |= b.Bit
		}
		return known
	})
	p, err = plants(strings.Join(words, ","))
	p.Engine |= among
	return p, err
}

// options gathers what the user says: a scenario, and what flags change of it.
func (c *splitbrainCmd) options() (o splitbrain.Options, err error) {
	if c.Name != "" && c.Scenario != "" {
		return o, fmt.Errorf("two scenarios: %s and %s", c.Name, c.Scenario)
	}
	if name := c.Name + c.Scenario; name != "" {
		n, err := splitbrain.Find(name, name)
		if err != nil {
			return o, err
		}
		o, c.published = n.Options, n.Published
	}
	if c.Topology != "" {
		if o.Topology, err = splitbrain.ParseTopology(c.Topology); err != nil {
			return o, err
		}
	}
	set(&o.Partition, c.Partition)
	set(&o.Timing, c.Timing)
	set(&o.Routing, c.Routing)
	set(&o.Quorum, c.Quorum)
	set(&o.Clients, c.Clients)
	set(&o.Rate, c.Rate)
	set(&o.Writes, c.Writes)
	set(&o.Wait, c.WaitReplicas)
	set(&o.Lag, c.Lag)
	set(&o.Discover, c.Discover)
	set(&o.CutAt, c.CutAt)
	set(&o.CutFor, c.CutFor)
	set(&o.After, c.After)
	set(&o.Span, c.Span)
	if c.Clients > 0 || c.Routing != "" || len(c.Place) > 0 {
		o.Placed = nil
	}
	if len(c.Place) > 0 || c.Clients > 0 {
		o.Places = nil
	}
	for side, n := range c.Place { // any order: into a map
		if err := known("--place", side, []string{"master", "majority", "everywhere"}); err != nil {
			return o, err
		}
		if n < 0 {
			return o, fmt.Errorf("--place %s=%d: want a number from 0", side, n)
		}
		if o.Places == nil {
			o.Places = map[splitbrain.Side]int{}
		}
		o.Places[splitbrain.Side(side)] = n
	}
	if c.Plan != "" {
		if o.Plan, err = campaign.ReadPlan(c.Plan, c.Plan); err != nil {
			return o, fmt.Errorf("--plan: %w", err)
		}
		if o.Span == 0 {
			o.Span = 8 * time.Second
		}
	}
	return o, c.directives(&o)
}

// set takes what a flag says when it says something.
func set[T comparable](into *T, v T) {
	var zero T
	if v != zero {
		*into = v
	}
}

// directives adds the lines of files and flags.
func (c *splitbrainCmd) directives(o *splitbrain.Options) error {
	if c.Conf != "" {
		conf, err := redis.ReadConf(c.Conf, c.Target != "engine", splitbrain.Own)
		if err != nil {
			return fmt.Errorf("--conf: %w", err)
		}
		o.Directives = append(o.Directives, conf.Directives...)
		for _, line := range conf.Overridden {
			c.ignored = append(c.ignored, line.String())
		}
	}
	for _, text := range c.Mode {
		node, name := splitbrain.OfNode(text)
		if _, err := redis.ModeByName(name); err != nil {
			return fmt.Errorf("--mode %s: %w", text, err)
		}
		if node == "" {
			o.Mode = name
		} else {
			o.Settings(node).Mode = name
		}
	}
	for _, text := range c.Directive {
		node, text := splitbrain.OfNode(text)
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return fmt.Errorf("--directive %q: want NAME=VALUE, such as min-replicas-to-write=1", text)
		}
		d := splitbrain.Directive{Name: strings.ToLower(name), Value: value}
		if strings.HasPrefix(node, "s") { // what a Sentinel may be told is checked with the scenario
			of := o.Settings(node)
			of.Sentinel = append(slices.Clone(of.Sentinel), d)
			continue
		}
		if slices.Contains(splitbrain.Own, d.Name) {
			return fmt.Errorf("--directive %q: torntail decides on %s itself", text, d.Name)
		}
		if near := nearest(d.Name, directiveNames()); near != "" && near != d.Name {
			return fmt.Errorf("--directive: %q is no directive of redis.conf: did you mean %q?", d.Name, near)
		}
		if node == "" {
			o.Directives = append(o.Directives, d)
		} else {
			of := o.Settings(node)
			of.Redis = append(slices.Clone(of.Redis), d)
		}
	}
	if c.SentinelConf != "" {
		list, left, err := sentinelLines(c.SentinelConf)
		if err != nil {
			return err
		}
		for _, d := range list {
			if d.Name != "quorum" {
				o.Sentinel = append(o.Sentinel, d)
			} else if n, err := strconv.Atoi(d.Value); err == nil && o.Quorum == 0 {
				o.Quorum = n
			}
		}
		c.ignored = append(c.ignored, left...)
	}
	return nil
}

// sentinelLines reads the lines of a sentinel.conf that say how a master is watched; left
// are the others.
func sentinelLines(path string) (list []splitbrain.Directive, left []string, err error) {
	text, err := bounded.Text(path, "a sentinel.conf")
	if err != nil {
		return nil, nil, err
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if d, ok := splitbrain.SentinelLine(line); ok {
			list = append(list, d)
		} else {
			left = append(left, fmt.Sprintf("%s:%d: %s", path, n, line))
		}
	}
	return list, left, nil
}

// splitbrainRun is the experiments of one command.
type splitbrainRun struct {
	a        *app
	c        *splitbrainCmd
	backend  splitbrain.Backend
	until    *until.Condition[*splitbrain.Report]
	runs     int
	total    int
	out      string
	started  time.Time
	progress *terminal.Progress
	done     int
	state    terminal.State
	met      bool // --until
}

// all runs every cell as often as is asked for.
func (b *splitbrainRun) all(ctx context.Context, cells []*splitbrain.Cell) error {
	for _, cell := range cells {
		for n := range b.runs {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			seed, s := b.c.Seed+uint64(n), cell.Scenario
			if b.c.Schedule != "" {
				k, err := splitbrain.ScheduleOf(b.c.Schedule, seed)
				if err == nil {
					s, err = k.Draw(seed)
				}
				if err != nil {
					return err
				}
			}
			b.state.What, b.state.Unit, b.state.Done, b.state.Total = cell.Name(), "experiments", b.done, b.total
			b.progress.Update(b.state)
			r, o, err := b.backend.Experiment(ctx, s, seed)
			if err != nil {
				return err
			}
			r.Plants = b.c.Plant
			b.done++
			dir := b.out
			if b.total > 1 {
				dir = filepath.Join(b.out, fmt.Sprintf("run%03d", b.done))
			}
			if b.c.Schedule == "" || r.Verdict != result.Holds {
				if err := splitbrain.Save(dir, s, o, r); err != nil {
					return err
				}
				r.Dir = dir
			} else {
				r.Suffixes, r.Exposure, r.Moves, r.LostWrites = nil, nil, nil, nil // of thousands that hold
			}
			if b.total > 1 { // all of them are in the run's own file
				r.LostWrites = r.LostWrites[:min(len(r.LostWrites), mostListed)]
			}
			cell.Reports = append(cell.Reports, r)
			switch r.Verdict {
			case result.Violated:
				b.state.Violations++
			case result.Unknown:
				b.state.Unknown++
			}
			if b.total > 1 && (b.c.Schedule == "" || r.Verdict != result.Holds) {
				b.progress.Print(r.Line())
			}
			if b.until != nil && b.until.Holds(r) {
				b.met = true
				break
			}
		}
	}
	return nil
}

// scheduled is the cell of all scenarios that a schedule draws.
func (c *splitbrainCmd) scheduled() ([]*splitbrain.Cell, error) {
	k, err := splitbrain.ScheduleOf(c.Schedule, c.Seed)
	if err != nil {
		return nil, err
	}
	s, err := k.Draw(c.Seed)
	if err != nil {
		return nil, err
	}
	s.Name = c.Schedule + " schedule"
	return []*splitbrain.Cell{{Scenario: s}}, nil
}

// report prints what was found and turns it into the exit status.
func (b *splitbrainRun) report(sweeps []splitbrain.Sweep, cells []*splitbrain.Cell, remarks []string) error {
	file := &splitbrain.File{Schema: splitbrain.Schema, Torntail: version, Command: result.CommandLine(append([]string{"torntail"}, os.Args[1:]...)), Seed: b.c.Seed,
		Started: b.started.UTC(), Sweeps: sweeps, Cells: cells, Remarks: remarks}
	flags := outputFlags{JSON: b.c.JSON}
	text, err := flags.json(b.a, file, b.out, resultFile)
	if err != nil {
		return err
	}
	fmt.Fprintf(text, "torntail %s, seed %d, took %s\n\n", version, b.c.Seed, time.Since(b.started).Round(10*time.Millisecond))
	last := cells[len(cells)-1]
	switch {
	case len(sweeps) > 0:
		splitbrain.WriteSweep(text, sweeps, cells, remarks)
		err := atomicfile.Write(filepath.Join(b.out, "sweep.svg"), func(w io.Writer) error { return splitbrain.WritePlot(w, sweeps, cells) })
		if err != nil {
			return err
		}
	case len(last.Reports) == 0:
		fmt.Fprintln(text, "no experiment was finished")
	default:
		r := last.Reports[len(last.Reports)-1]
		if b.c.Quiet {
			for _, one := range last.Reports {
				fmt.Fprintln(text, one.Line())
			}
		} else {
			r.WriteText(text)
			b.beside(text, r)
		}
		if len(last.Reports) > 1 {
			splitbrain.WriteSummary(text, last.Reports)
		}
	}
	switch {
	case b.c.Until != "":
		word := map[bool]string{true: "met", false: "not met"}[b.met]
		fmt.Fprintf(text, "%s: %s in %s\n", b.c.Until, word, wording.Times(b.done, "run"))
	case b.until != nil && b.met:
		fmt.Fprintf(text, "planted %s: found with seed %d, in %s\n", b.c.Plant, b.c.Seed+uint64(b.done)-1, wording.Times(b.done, "run"))
	case b.until != nil:
		fmt.Fprintf(text, "planted %s: not found in %s\n", b.c.Plant, wording.Times(b.done, "run"))
	}
	fmt.Fprintln(text, "Reports:", b.out)
	if b.total == 1 && len(last.Reports) == 1 && last.Reports[0].Lost > 0 {
		fmt.Fprintln(text, "Again:  ", (&result.Failure{Dir: b.out}).ReplayCommand(b.c.Target))
	}
	m, err := flags.reports(text, foundSplitBrain{file}, b.out)
	if err != nil {
		return err
	}
	return notMet(exit(m), b.until == nil || b.met)
}

// beside prints the published figures of a scenario beside ours.
func (b *splitbrainRun) beside(w io.Writer, r *splitbrain.Report) {
	if p := b.c.published; p != nil && r.Acknowledged > 0 {
		fmt.Fprintf(w, "published (%s): %d of %d acknowledged writes lost, %.0f %%; here: %d of %d, %.0f %%\n",
			p.Where, p.Lost, p.Acknowledged, 100*float64(p.Lost)/float64(p.Acknowledged), r.Lost, r.Acknowledged, 100*float64(r.Lost)/float64(r.Acknowledged))
	}
}

// splitbrain runs a saved experiment of torntail splitbrain again: exit 1 when what it
// showed is there again, 0 when it is gone, 3 when nothing was proved.
func (c *replayCmd) splitbrain(a *app) error {
	if c.Trace != "" {
		return usage(fmt.Errorf("--trace: only the simulated world has a trace"))
	}
	s, before, err := splitbrain.Load(c.Dir)
	if err != nil {
		return usage(err)
	}
	if before.Target, err = c.target(before.Target); err != nil {
		return usage(err)
	}
	for _, d := range s.AllDirectives() {
		if err := redis.Takes(d, splitbrain.Own); err != nil {
			return usage(fmt.Errorf("%s: %w", c.Dir, err))
		}
	}
	if err := saved.TrustPlan(s.Plan, redis.Store); err != nil {
		return usage(fmt.Errorf("%s: %w", c.Dir, err))
	}
	more := splitbrainCmd{Directive: c.Directive}
	var o splitbrain.Options
	if err := more.directives(&o); err != nil {
		return usage(err)
	}
	s.Directives = append(s.Directives, o.Directives...)
	for _, more := range o.Each {
		of := s.Settings(more.Node)
		of.Redis = append(of.Redis, more.Redis...)
	}
	backend, done, err := splitbrainBackend(before.Target, before.Plants)
	if err != nil {
		return err
	}
	defer done()
	ctx, stop := a.interruptible()
	defer stop()
	r, _, err := backend.Experiment(ctx, s, before.Seed)
	switch {
	case err != nil && ctx.Err() != nil:
		return status(result.ExitUnknown)
	case err != nil:
		return asUsage(err)
	}
	r.WriteText(a.stdout)
	same, word := r.Again(before)
	fmt.Fprintln(a.stdout, word)
	switch {
	case r.Verdict == result.Unknown:
		return status(result.ExitUnknown)
	case same && (r.Lost > 0 || r.Verdict == result.Violated):
		return status(result.ExitViolated)
	}
	return nil
}
