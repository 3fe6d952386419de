package fidelity

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/faults/vfs/script"
)

// model answers what a personality allows.
type model struct {
	p     *disk.Personality
	mu    sync.Mutex
	known map[string]map[string]bool // images, by program
}

func newModel(p *disk.Personality) *model {
	return &model{p: p, known: map[string]map[string]bool{}}
}

// allowed are the images of a power cut when so many steps have returned: the next
// one may be anywhere between its beginning and its end.
func (m *model) allowed(base, steps []string, returned int) (map[string]bool, error) {
	all, err := m.images(base, steps[:returned])
	if err != nil || returned == len(steps) {
		return all, err
	}
	all = maps.Clone(all)
	next := []string{steps[returned]}
	// A synchronous write has written before it has synced.
	if word, rest, _ := strings.Cut(next[0], " "); word == "swrite" || word == "dwrite" {
		next = append(next, "write "+rest)
	}
	for _, step := range next {
		more, err := m.images(base, append(slices.Clone(steps[:returned]), step))
		if err != nil {
			return nil, err
		}
		maps.Copy(all, more)
	}
	return all, nil
}

// images are what a power cut after a program may leave.
func (m *model) images(base, run []string) (map[string]bool, error) {
	key := strings.Join(base, ";") + "|" + strings.Join(run, ";")
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.known[key]; known != nil {
		return known, nil
	}
	d := disk.New(disk.Options{Personality: m.p})
	fsys := whole{d.FS(nil), d}
	for _, step := range slices.Concat(base, []string{"sync"}, run) {
		if err := script.Run(fsys, step); err != nil {
			return nil, fmt.Errorf("the model: %s: %w", step, err)
		}
	}
	choices, _ := d.All()
	images, image := map[string]bool{}, &disk.Disk{}
	seen := map[uint64]bool{}
	for choice := range choices {
		d.Image(image, choice)
		h := image.Hash()
		if seen[h] {
			continue
		}
		seen[h] = true
		text, err := script.Tree(image.FS(nil), disk.OldBytesText)
		if err != nil {
			return nil, fmt.Errorf("the model: %w", err)
		}
		images[text] = true
	}
	m.known[key] = images
	return images, nil
}

// whole is a disk with a sync of everything.
type whole struct {
	vfs.FS
	d *disk.Disk
}

func (w whole) SyncAll() error {
	c := disk.Call{Kind: disk.OpSyncFS}
	w.d.Begin(&c)
	defer w.d.End(&c)
	if e := w.d.EndSync(w.d.BeginSync(&c), 0, nil); e != 0 {
		return e
	}
	return nil
}
