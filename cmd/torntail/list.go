package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/harness"
	"github.com/torntail/torntail/workloads"
)

type listCmd struct {
	What string `arg:"" help:"modes, crashes, faults, workloads, plants, profiles or personalities." placeholder:"WHAT"`
}

func (c *listCmd) Help() string {
	return `Examples:
  torntail list modes
  torntail list faults`
}

// lists are what can be listed.
var lists = map[string]func(a *app){
	"modes": func(a *app) {
		for _, m := range harness.Modes {
			row(a, m.Name, m.About)
			row(a, "", joinDirectives(m.Directives))
		}
	},
	"crashes": func(a *app) {
		for _, k := range harness.CrashKinds {
			row(a, k.Name, k.About)
		}
	},
	"faults": func(a *app) {
		for _, v := range plan.Verbs() {
			row(a, v.Name, v.Doc)
			row(a, "", v.Example)
			for _, b := range plan.Backends {
				if ok, why := v.Available(b); !ok {
					row(a, "", "not in "+string(b)+": "+why)
				}
			}
		}
	},
	"workloads": func(a *app) {
		for _, n := range workloads.Names() {
			row(a, n[0], n[1])
		}
	},
	"plants": func(a *app) {
		for _, p := range harness.AllPlants() {
			row(a, p.Name, fmt.Sprintf("%s: %s", p.Where, p.Doc))
			row(a, "", "must be reported as "+p.Must)
		}
	},
	"profiles": func(a *app) { fmt.Fprintln(a.stdout, strings.Join(sim.ProfileNames(), "\n")) },
	"personalities": func(a *app) {
		for _, p := range disk.Personalities {
			fmt.Fprintln(a.stdout, p.Name)
		}
	},
}

func row(a *app, name, text string) { fmt.Fprintf(a.stdout, "%-26s %s\n", name, text) }

func (c *listCmd) Run(a *app) error {
	if list := lists[c.What]; list != nil {
		list(a)
		return nil
	}
	var names []string
	for name := range lists {
		names = append(names, name)
	}
	slices.Sort(names)
	return usage(fmt.Errorf("list %q: want one of %s", c.What, strings.Join(names, ", ")))
}

type versionCmd struct{}

func (*versionCmd) Run(a *app) error {
	fmt.Fprintln(a.stdout, "torntail", version)
	return nil
}
