package main

import (
	"fmt"
	"strings"

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

func modeNames(s product.Store) []string {
	return namesOf(s.Modes(), func(m *product.Mode) string { return m.Name })
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

func mode(s product.Store, name string) (product.Mode, error) {
	if err := known("--mode", name, modeNames(s)); err != nil {
		return product.Mode{}, err
	}
	return product.ModeByName(s, name)
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

// directives reads --directive NAME=VALUE of a store and checks each by itself.
func directives(s product.Store, texts []string) ([]product.Directive, error) {
	var list []product.Directive
	for _, t := range texts {
		name, value, ok := strings.Cut(t, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--directive %q: want NAME=VALUE, such as appendfsync=always", t)
		}
		d := product.Directive{Name: strings.ToLower(name), Value: value}
		if err := s.Check(d); err != nil {
			return nil, fmt.Errorf("--directive %q: %w", t, err)
		}
		list = append(list, d)
	}
	return list, nil
}
