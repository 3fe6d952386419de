package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/workloads"
)

// listed are the names that a list shows, each with the first indented line below it.
func listed(t *testing.T, what string) (names, below []string) {
	t.Helper()
	var out, errs bytes.Buffer
	require.Zero(t, run([]string{"torntail", "list", what}, &out, &errs), errs.String())
	for line := range strings.Lines(out.String()) {
		name, text, ok := strings.Cut(line, " ")
		require.True(t, ok, line)
		text = strings.TrimSpace(text)
		switch {
		case name != "":
			require.NotEmpty(t, text, "%s %s is not explained", what, name)
			names, below = append(names, name), append(below, "")
		case below[len(below)-1] == "":
			below[len(below)-1] = text
		}
	}
	require.NotEmpty(t, names, what)
	return names, below
}

// What is listed must be taken where it is to be used.
func TestListedNamesAreTaken(t *testing.T) {
	taken := map[string]func(name string) error{
		"modes":     func(name string) error { _, err := mode(redis.Store, name); return err },
		"crashes":   func(name string) error { _, err := crash(name); return err },
		"workloads": func(name string) error { w := workloads.Default(); w.Name = name; return w.Check() },
		"plants":    func(name string) error { _, err := clusterPlants(name); return err },
		"scenarios": func(name string) error {
			n, err := splitbrain.Find(name, name)
			if err == nil {
				_, err = splitbrain.New(n.Options)
			}
			return err
		},
		"schedules": func(name string) error { _, err := splitbrain.ScheduleOf(name, 1); return err },
		"profiles":  func(name string) error { _, err := sim.ProfileByName(name); return err },
		"personalities": func(name string) error {
			_, err := disk.PersonalityByName(name)
			return err
		},
	}
	for _, l := range lists {
		names, below := listed(t, l.name)
		for i, name := range names {
			if l.name == "faults" {
				_, err := plan.Parse("plan 1\n" + below[i])
				require.NoError(t, err, "the example of %s", name)
				continue
			}
			require.Contains(t, taken, l.name)
			require.NoError(t, taken[l.name](name))
		}
	}
}

func TestDefaultsAreListed(t *testing.T) {
	for what, defaults := range map[string][]string{"modes": redis.Store.DefaultModes(), "crashes": experiment.DefaultCrashes} {
		names, _ := listed(t, what)
		require.Subset(t, names, defaults)
	}
}
