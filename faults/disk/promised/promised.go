// Package promised holds small programs and, for each personality of the disk
// model, the images that a power cut after the program may leave, written down by
// hand. Two things are held against them: the model's enumeration (the tests of
// faults/disk), and real file systems (harness/fidelity).
package promised

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/faults/vfs/script"
)

//go:embed images.txt
var text string

// Program is one small program.
type Program struct {
	Name string
	Line int      // of images.txt
	Base []string // steps whose effect is durable before it begins
	Run  []string // its own steps
	// Images are the images that each personality allows, sorted, and Why the
	// reason given.
	Images map[string][]string
	Why    map[string]string
}

// Programs are all of them.
func Programs() []Program {
	all, err := parse(text)
	if err != nil {
		panic("images.txt: " + err.Error()) // it is part of the binary, and tested
	}
	return all
}

// parse reads images.txt; its head says how it is written.
func parse(text string) ([]Program, error) {
	var all []Program
	var names []string
	for i, line := range strings.Split(text, "\n") {
		head, rest, colon := strings.Cut(line, ":")
		if line == "" || line[0] == '#' {
			continue
		}
		if strings.HasPrefix(line, "== ") {
			all = append(all, Program{Name: line[3:], Line: i + 1, Images: map[string][]string{}, Why: map[string]string{}})
			names = nil
			continue
		}
		if len(all) == 0 {
			return nil, fmt.Errorf("line %d: %q comes before the first program", i+1, line)
		}
		p := &all[len(all)-1]
		switch {
		case strings.HasPrefix(line, "  "):
			for _, name := range names {
				p.Images[name] = append(p.Images[name], line[2:])
			}
		case colon && head == "base":
			p.Base = script.Steps(rest)
		case colon && head == "run":
			p.Run = script.Steps(rest)
		case colon:
			names = strings.Split(head, ", ")
			for _, name := range names {
				if p.Images[name] != nil || p.Why[name] != "" {
					return nil, fmt.Errorf("line %d: %q is given twice", i+1, name)
				}
				p.Why[name] = strings.TrimSpace(rest)
			}
		default:
			return nil, fmt.Errorf("line %d: %q is neither a heading nor an image", i+1, line)
		}
	}
	for i := range all {
		p := &all[i]
		for _, step := range slices.Concat(p.Base, p.Run) {
			if err := script.Check(step); err != nil {
				return nil, fmt.Errorf("line %d: %s: %w", p.Line, p.Name, err)
			}
		}
		for _, images := range p.Images { // any order: each is sorted by itself
			slices.Sort(images)
		}
	}
	return all, nil
}
