package fidelity

import (
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/faults/blocklog"
)

// workDir is the directory in which programs run; what mkfs leaves in the root
// does not disturb there.
const workDir = "w"

// junk is what free blocks hold, so that an image which shows them is recognised.
const junk = "J"

// prepare is a file system with an empty work directory, whose free blocks have
// been used before.
func prepare(h *blocklog.Host, fs blocklog.FS) (*blocklog.Image, error) {
	plain := blocklog.FS{Kind: fs.Kind}
	empty, err := h.Format(plain, fs.SmallestSize())
	if err != nil {
		return nil, err
	}
	d := blocklog.NewDevice(empty, blocklog.DeviceOptions{})
	v, err := h.Mount(d, plain)
	if err != nil {
		return nil, err
	}
	for _, step := range []string{"mkdir " + workDir, "create junk", "write junk " + junk + "*4000000", "sync", "unlink junk", "sync"} {
		if err := v.Step(".", step); err != nil {
			v.Unmount()
			return nil, err
		}
	}
	if err := v.Unmount(); err != nil {
		return nil, err
	}
	log := d.PowerCut()
	return log.Image(blocklog.Crash{At: log.Len(), Keep: log.InPlay(log.Len())}), nil
}

// recording is a program's run as the device saw it.
type recording struct {
	base, steps []string
	log         *blocklog.Log
	start       int   // position at which the base was durable
	marks       []int // marks[i]: position just behind which step i had returned
}

// record runs a program on a file system.
func record(h *blocklog.Host, fs blocklog.FS, empty *blocklog.Image, p Program, steps []string, ignoreFlush bool) (*recording, error) {
	r := &recording{base: p.Base, steps: steps}
	d := blocklog.NewDevice(empty, blocklog.DeviceOptions{KeepLog: true, IgnoreFlush: ignoreFlush})
	v, err := h.Mount(d, fs)
	if err != nil {
		return nil, err
	}
	err = func() error {
		for _, step := range slices.Concat(p.Base, []string{"sync"}) {
			if err := v.Step(workDir, step); err != nil {
				return fmt.Errorf("base: %s: %w", step, err)
			}
		}
		d.Mark("base")
		for _, step := range r.steps {
			if err := v.Step(workDir, step); err != nil {
				return fmt.Errorf("%s: %w", step, err)
			}
			d.Mark(step)
		}
		return nil
	}()
	r.log = d.PowerCut()
	if uerr := v.Unmount(); err == nil {
		err = uerr
	}
	if err != nil {
		return nil, err
	}
	began := false
	for i := range r.log.Len() {
		if rec := r.log.Record(i); rec.Kind == blocklog.Mark {
			if !began {
				began, r.start = true, i+1
				continue
			}
			r.marks = append(r.marks, i)
		}
	}
	if len(r.marks) != len(r.steps) {
		return nil, fmt.Errorf("%d of %d steps left a mark: %s", len(r.marks), len(r.steps), strings.Join(r.steps, "; "))
	}
	return r, nil
}

// positions are where the writes in play are the most: before each flush, before
// each step's return, and at the end. What another position may leave, one of
// them may leave as well, where all subsets are tried.
func (r *recording) positions() []int {
	var at []int
	for i := r.start; i < r.log.Len(); i++ {
		if kind := r.log.Record(i).Kind; kind != blocklog.Write {
			at = append(at, i)
		}
	}
	return append(at, r.log.Len())
}

// returned is how many steps had returned at a position.
func (r *recording) returned(at int) int {
	n := 0
	for n < len(r.marks) && r.marks[n] < at {
		n++
	}
	return n
}
