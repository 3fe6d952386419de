package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/spelling"
	"github.com/torntail/torntail/workloads"
)

func known(flag, word string, names []string) error { return spelling.Known(flag, word, names) }

func nearest(word string, names []string) string { return spelling.Nearest(word, names) }

// namesOf are the names of what a list holds.
func namesOf[T any](list []T, name func(*T) string) []string {
	names := make([]string, len(list))
	for i := range list {
		names[i] = name(&list[i])
	}
	return names
}

func modeNames() []string {
	return namesOf(product.Modes, func(m *product.Mode) string { return m.Name })
}

func crashNames() []string {
	return namesOf(experiment.CrashKinds, func(c **experiment.CrashKind) string { return (*c).Name })
}

func workloadNames() []string {
	return namesOf(workloads.Names(), func(n *[2]string) string { return n[0] })
}

func personalityNames() []string {
	return namesOf(disk.Personalities, func(p **disk.Personality) string { return (*p).Name })
}

func profileNames() []string { return sim.ProfileNames() }

func modelNames() []string {
	return namesOf(linear.Models(), func(m **linear.Model) string { return (*m).Name })
}

func mode(name string) (product.Mode, error) {
	if err := known("--mode", name, modeNames()); err != nil {
		return product.Mode{}, err
	}
	return product.ModeByName(name)
}

func crash(name string) (*experiment.CrashKind, error) {
	if err := known("--crash", name, crashNames()); err != nil {
		return nil, err
	}
	return experiment.CrashByName(name)
}

// crashKinds are those of --crash, or others when it names none.
func crashKinds(names, otherwise []string) (list []*experiment.CrashKind, err error) {
	if len(names) == 0 {
		names = otherwise
	}
	for _, name := range names {
		kind, err := crash(name)
		if err != nil {
			return nil, err
		}
		list = append(list, kind)
	}
	return list, nil
}

// plants reads --plant.
func plants(text string) (experiment.Plants, error) {
	names := namesOf(experiment.AllPlants(), func(p *experiment.Plant) string { return p.Name })
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		if near := nearest(word, names); near == "" {
			return experiment.Plants{}, fmt.Errorf("--plant %q is not known (torntail list plants)", word)
		} else if near != word {
			return experiment.Plants{}, fmt.Errorf("--plant %q is not known: did you mean %q?", word, near)
		}
	}
	return experiment.ParsePlants(text)
}

func directiveNames() (names []string) {
	config.Default().Each(func(name, _ string) { names = append(names, name) })
	return names
}

// directives reads --directive NAME=VALUE and checks each by itself.
func directives(texts []string) ([]product.Directive, error) {
	var list []product.Directive
	for _, t := range texts {
		name, value, ok := strings.Cut(t, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--directive %q: want NAME=VALUE, such as appendfsync=always", t)
		}
		d := product.Directive{Name: strings.ToLower(name), Value: value}
		if slices.Contains(product.Own, d.Name) {
			return nil, fmt.Errorf("--directive %q: torntail decides on %s itself", t, d.Name)
		}
		alone := product.Mode{Directives: []product.Directive{d}}
		if err := alone.Check(); err != nil {
			var unknown *config.UnknownError
			if near := nearest(d.Name, directiveNames()); errors.As(err, &unknown) && near != "" {
				return nil, fmt.Errorf("--directive: %q is no directive of redis.conf: did you mean %q?", d.Name, near)
			}
			return nil, fmt.Errorf("--directive: %w", err)
		}
		list = append(list, d)
	}
	return list, nil
}
