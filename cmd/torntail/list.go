package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/torntail/torntail/engine"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/harness/cluster"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/mount"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/simcluster"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/reports/terminal"
	"github.com/torntail/torntail/workloads"
)

type listCmd struct {
	What string `arg:"" help:"modes, crashes, faults, workloads, plants, scenarios, profiles or personalities." placeholder:"WHAT"`
}

func (c *listCmd) Help() string {
	return `Names stand at the beginning of a line; what is indented explains them. Examples:
  torntail list modes
  torntail list faults`
}

// lists are what can be listed.
var lists = []struct {
	name  string
	print func(a *app)
}{
	{"modes", func(a *app) {
		for _, m := range redis.Store.Modes() {
			row(a, m.Name, m.About)
			row(a, "", joinDirectives(m.Directives))
		}
	}},
	{"crashes", func(a *app) {
		for _, k := range experiment.CrashKinds {
			row(a, k.Name, k.About)
		}
	}},
	{"faults", func(a *app) {
		for _, v := range plan.Verbs() {
			row(a, v.Name, v.Doc)
			row(a, "", v.Example)
			for _, not := range unavailable(v) {
				row(a, "", not)
			}
		}
	}},
	{"workloads", func(a *app) {
		for _, n := range workloads.Names() {
			row(a, n[0], n[1])
		}
	}},
	{"plants", func(a *app) {
		for _, p := range experiment.AllPlants() {
			row(a, p.Name, fmt.Sprintf("%s: %s", p.Where, p.Doc))
			if p.Must != "" {
				row(a, "", "must be reported as "+p.Must)
			}
		}
		for _, b := range bugs.All() {
			if b.Replicated() {
				row(a, b.Name, fmt.Sprintf("engine, for splitbrain: %s (%s)", b.Doc, b.Under))
				row(a, "", "must be reported as "+b.Anomaly)
			}
		}
	}},
	{"scenarios", func(a *app) {
		for _, s := range splitbrain.Scenarios {
			row(a, s.Name, s.About)
			row(a, "", "who meets it: "+s.Who)
		}
		for _, p := range splitbrain.Partitions {
			row(a, "", "--partition "+p.Name+": "+p.About)
		}
	}},
	{"schedules", func(a *app) {
		row(a, splitbrain.AnySchedule, "each of those with faults, drawn as well")
		for _, k := range splitbrain.Schedules {
			row(a, k.Name, k.About)
		}
	}},
	{"profiles", func(a *app) {
		for _, name := range sim.ProfileNames() {
			row(a, name, profileAbout(name))
		}
	}},
	{"personalities", func(a *app) {
		for _, p := range disk.Personalities {
			row(a, p.Name, personalityAbout(p))
			for _, r := range p.Rules {
				row(a, "", r.Rule.String()+": "+r.Reason)
			}
		}
	}},
}

// systems are what plans strike, as torntail runs, splitbrain, topology and mount have it.
var systems = func() []plan.System {
	list := []plan.System{machine.Kinds[0].System, simcluster.System()}
	for _, k := range machine.Kinds[1:] {
		list = append(list, k.System)
	}
	return append(list, mount.System(), cluster.System(), cluster.ControlSystem())
}()

// unavailable are the systems in which a fault cannot strike, a line for each reason.
func unavailable(v *plan.Verb) (lines []string) {
	in := map[string]int{} // line of a reason
	for _, s := range systems {
		ok, why := v.Available(s)
		if ok {
			continue
		}
		at, known := in[why]
		if !known {
			in[why] = len(lines)
			lines = append(lines, "not in "+s.Name()+": "+why)
			continue
		}
		names, _, _ := strings.Cut(lines[at], ": ")
		lines[at] = names + ", " + s.Name() + ": " + why
	}
	return lines
}

// profileAbout says what a profile is like: how long a sync takes.
func profileAbout(name string) string {
	p, err := sim.ProfileByName(name) // a listed name is known
	if err != nil {
		return err.Error()
	}
	about := fmt.Sprintf("fsync %s, one in a thousand %s", p.Sync.P50, p.Sync.P999)
	if p.Stalls != (sim.Stalls{}) {
		about += fmt.Sprintf("; every %s or so none returns for %s", p.Stalls.Every.P50, p.Stalls.Last.P50)
	}
	return about
}

// personalityAbout says when a file system writes metadata unasked.
func personalityAbout(p *disk.Personality) string {
	if p.Commit == 0 {
		return "no metadata is ever written unasked"
	}
	return fmt.Sprintf("metadata is written within %s", p.Commit)
}

// nameWidth is the column of names.
const nameWidth = 26

func row(a *app, name, text string) { printRow(a, nameWidth, name, text) }

// wideRow prints a long name, such as a cell's, with a text.
func wideRow(a *app, name, text string) { printRow(a, 60, name, text) }

// printRow prints a name and a text, in as many lines as the terminal needs; elsewhere on a line,
// for grep.
func printRow(a *app, width int, name, text string) {
	screen := 0
	if f, ok := unshown(a.stdout).(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		screen = terminal.WidthOf(f)
	}
	for _, l := range rowLines(width, screen, name, text) {
		fmt.Fprintln(a.stdout, l)
	}
}

// rowLines are a name and a text side by side on a screen so wide, the text in a column of its
// own; on one of width 0 they are one line.
func rowLines(width, screen int, name, text string) []string {
	if screen > 0 && width > screen/2 { // no room beside it
		return append([]string{name}, terminal.FillTo(screen, "    ", text)...)
	}
	line := fmt.Sprintf("%-*s %s", width, name, text)
	if screen == 0 || utf8.RuneCountInString(line) <= screen {
		return []string{line}
	}
	var lines []string
	if utf8.RuneCountInString(name) > width {
		lines, name = append(lines, name), ""
	}
	indent := strings.Repeat(" ", width+1)
	for i, l := range terminal.FillTo(screen, indent, text) {
		if i == 0 {
			l = fmt.Sprintf("%-*s %s", width, name, l[len(indent):])
		}
		lines = append(lines, l)
	}
	return lines
}

func (c *listCmd) Run(a *app) error {
	var names []string
	for _, l := range lists {
		if l.name == c.What {
			l.print(a)
			return nil
		}
		names = append(names, l.name)
	}
	return usage(known("list", c.What, names))
}

type versionCmd struct{}

func (*versionCmd) Help() string { return "Example:\n  torntail version" }

func (*versionCmd) Run(a *app) error {
	fmt.Fprintf(a.stdout, "torntail %s (engine as redis %s, %s, %s/%s)\n", version, engine.RedisVersion,
		strings.TrimPrefix(runtime.Version(), "go version "), runtime.GOOS, runtime.GOARCH)
	return nil
}
