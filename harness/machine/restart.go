package machine

import (
	"context"
	"errors"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/product"
)

// Recovery is how a server came back.
type Recovery uint8

const (
	NotRestarted Recovery = iota
	ByItself
	Repaired // with the product's own tool
	RefusedToStart
)

func (r Recovery) String() string {
	return [...]string{"not restarted", "by itself", "repaired", "refused"}[r]
}

// Startable is what a server is brought back on: a Machine, or a crash image and
// somebody who starts on it.
type Startable interface {
	Start(ctx context.Context) error
	Repair(ctx context.Context) (fixed bool, said string, err error)
	Files(f func(fsys vfs.FS)) error
}

// Return is how a server came back on what it found.
type Return struct {
	How     Recovery
	Refusal string // the first start's, if it refused
	// Stray is where the log held stray bytes when it refused.
	Stray product.Stray
	// Tool is the last of what the repair tool said that did not mend it; "": it did, or
	// was not called.
	Tool string
	// Said is all that the repair tool said; "": it was not called, or keeps silent.
	Said string
}

// Recover starts a server on what a crash left, as an operator would: if it refuses,
// and what it keeps is an append-only file, its repair tool is run on that, and it is
// started once more. tell, when not nil, hears of each step as it is over: Refused,
// Repaired, Ready. An error says nothing about the server.
func Recover(ctx context.Context, s Startable, m *product.Mode, tell func(kind history.EventKind, text string)) (r Return, err error) {
	if tell == nil {
		tell = func(history.EventKind, string) {}
	}
	err = s.Start(ctx)
	var refusal *Refusal
	switch {
	case err == nil:
		r.How = ByItself
		tell(history.Ready, "")
		return r, nil
	case !errors.As(err, &refusal):
		return r, err
	}
	tell(history.Refused, refusal.Words)
	r.How, r.Refusal = RefusedToStart, refusal.Words
	if !m.AOF || refusal.ByDisk {
		return r, nil
	}
	if err := s.Files(func(fsys vfs.FS) { r.Stray = m.Store.Stray(fsys) }); err != nil {
		return r, err
	}
	fixed, said, err := s.Repair(ctx)
	if r.Said = said; said == "" {
		if s, keeps := s.(interface{ ToolSaid() string }); keeps {
			r.Said = s.ToolSaid()
		}
	}
	if err != nil || !fixed {
		r.Tool = said
		return r, err
	}
	err = s.Start(ctx)
	switch {
	case err == nil:
		r.How = Repaired
		tell(history.Repaired, "")
		tell(history.Ready, "")
	case errors.As(err, &refusal):
		err = nil
	}
	return r, err
}
