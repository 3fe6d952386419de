package image

import (
	"context"
	"errors"
	"fmt"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
)

// starter starts a server on an image and reads it.
type starter interface {
	machine.Startable
	// cutOff is the file of which the last start said that it had cut the torn tail off;
	// "": none.
	cutOff() string
	dump() (history.State, error)
}

// bringBack starts a server on an image, with its repair tool if it refuses, and says
// what it made of it.
func bringBack(ctx context.Context, s starter, m *product.Mode) (r experiment.Recovered, err error) {
	if err := s.Files(func(fsys vfs.FS) { r.NoData, r.NoDir = product.Missing(fsys, m) }); err != nil {
		return r, err
	}
	got, err := machine.Recover(ctx, s, m, nil)
	if err = r.Take(m.Store, got, err); err != nil || r.How == machine.RefusedToStart {
		return r, err
	}
	r.Truncated = s.cutOff() != ""
	if r.State, err = s.dump(); err == nil && m.AOF && r.Stray == nil {
		err = s.Files(func(fsys vfs.FS) { r.Stray = m.Store.Stray(fsys) })
	}
	return r, err
}

// survivor is a starter whose server can be used, killed and started once more.
type survivor interface {
	starter
	// probe makes one write; refusal is what is wrong with the answer.
	probe() (refusal string, err error)
	// shortened reports whether the start has cut a file of the image.
	shortened(file string) bool
	kill()
}

// SecondLife is what became of a server that came back from a crash, took one
// write, was killed and started again.
type SecondLife struct {
	// Wrong is "", or what went wrong in it.
	Wrong string
	// Cut is the file of which the first start said that it had cut the torn tail
	// off; Truncated, whether it did so.
	Cut       string
	Truncated bool
}

// liveAgain is the second life of a server that has come back with r.
func liveAgain(ctx context.Context, s survivor, r *experiment.Recovered) (l SecondLife, err error) {
	l.Cut = s.cutOff()
	l.Truncated = l.Cut == "" || s.shortened(l.Cut)
	refusal, err := s.probe()
	if err != nil || refusal != "" {
		l.Wrong = "it came back and refuses a write: " + refusal
		return l, err
	}
	s.kill()
	var refused *machine.Refusal
	switch err := s.Start(ctx); {
	case errors.As(err, &refused):
		l.Wrong = "it came back, took a write, was killed, and would not start again: " + refused.Words
		return l, nil
	case err != nil:
		return l, err
	}
	after, err := s.dump()
	if err != nil {
		return l, err
	}
	if missing := experiment.Lacks(&after, &r.State); missing != "" {
		l.Wrong = fmt.Sprintf("it came back with key %q, took a write of another key, was killed, and came back without it", missing)
	}
	return l, nil
}
