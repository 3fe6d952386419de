package experiment

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// Where versions of a server follow each other, the first writes and crashes, and the second
// starts on what that left: it must find what the mode promises, and no less than the first
// finds there, which is asked on a copy of the files. Each further version starts on what the
// one before it has rewritten and left in an orderly way, and must find what that had.

// successors is a machine whose server is followed by other versions.
type successors interface {
	Followed() bool
	Succeed() bool
	Version() string
	Store() product.Store
	Copied() (machine.Copy, error)
	Aside(ctx context.Context, files machine.Copy, m *product.Mode) (r machine.Return, addr string, end func(), err error)
}

// Unread is what a version of a server could not read that another had left.
type Unread struct {
	Anomaly anomaly.Name `json:"anomaly"`
	Story   string       `json:"story"`
}

// found is what a version made of files.
type found struct {
	by    string // that version
	how   machine.Recovery
	why   string // it refused, or needed its repair tool
	state history.State
}

// followed is the machine, where a version is to follow the one that serves; else nil.
func (r *Runner) followed() successors {
	if s, ok := r.m.(successors); ok && s.Followed() {
		return s
	}
	return nil
}

// handOver has the next version be the one that is brought back, and returns what the one
// that crashed finds in a copy of the files.
func (r *Runner) handOver(ctx context.Context, s successors) (*found, error) {
	if r.Given.CrashPending() {
		return nil, errors.New("the first version is to crash once: the plan has another crash, or it ended before that")
	}
	was := &found{by: s.Version()}
	files, err := s.Copied()
	if err != nil {
		return nil, err
	}
	got, addr, end, err := s.Aside(ctx, files, &r.x.Mode)
	if end != nil {
		defer end()
	}
	if was.how, was.why = got.How, got.Refusal; err == nil && got.How != machine.RefusedToStart {
		was.state, err = r.stateAt(addr)
	}
	s.Succeed()
	return was, err
}

// stateAt reads all that a server has.
func (r *Runner) stateAt(addr string) (history.State, error) {
	conn, err := workloads.Dial(r.m.Env(), addr)
	if err != nil {
		return history.State{}, err
	}
	defer conn.Close()
	return r.run.Dump(conn, product.ReplyLimit)
}

// unread compares what a version found with what was there for the one before; nil: it found all.
func (f *found) unread(was *found, left string) *Unread {
	switch {
	case was.how == machine.RefusedToStart:
		return nil // nobody can
	case f.how == machine.RefusedToStart:
		return &Unread{anomaly.Unrecoverable, fmt.Sprintf("%s cannot read what %s %s, and the latter can: %s", f.by, was.by, left, f.why)}
	case f.how == machine.Repaired && was.how == machine.ByItself:
		return &Unread{anomaly.Unrecoverable, fmt.Sprintf("%s reads what %s %s only after a repair tool has run, and the latter without: %s", f.by, was.by, left, f.why)}
	case was.how != machine.ByItself:
		return nil // where a repair tool has cut, the other may have kept more
	}
	key := Lacks(&f.state, &was.state)
	if key == "" {
		return nil
	}
	return &Unread{anomaly.LostWrite, fmt.Sprintf("%s started on what %s %s and does not have key %q as the latter has it there: %d keys of %d",
		f.by, was.by, left, key, len(f.state.Keys), len(was.state.Keys))}
}

// handOn has each further version start on what the one before it has rewritten.
func (r *Runner) handOn(ctx context.Context) error {
	events, states := len(r.hist.Events), len(r.hist.States)
	defer func() { // these lives are in no history
		r.hist.Events, r.hist.States = r.hist.Events[:events], r.hist.States[:states]
	}()
	for s := r.followed(); s != nil && r.out.Unread == nil; s = r.followed() {
		was := &found{by: s.Version(), how: machine.ByItself}
		err := r.rewritten(s)
		if err == nil {
			was.state, err = r.stateAt(r.m.Addr())
		}
		if err != nil {
			r.out.Blind = fmt.Sprintf("%s was to rewrite its files: %v", was.by, err)
			return nil
		}
		r.m.GiveWay(func() {
			_, err = r.m.Terminate(Server)
		})
		if err != nil {
			return err
		}
		if !r.m.AwaitDown(ctx, r.m.Env().Now()+machine.StartLimit) {
			r.m.GiveUp()
			r.out.Blind = was.by + " did not end when it was asked to"
			return nil
		}
		if err := r.m.Settle(); err != nil {
			return err
		}
		s.Succeed()
		now := &found{by: s.Version()}
		got, err := machine.Recover(ctx, r.m, &r.x.Mode, nil)
		if err != nil {
			r.lose("after the restart: "+err.Error(), err)
			return nil
		}
		if now.how, now.why = got.How, got.Refusal; got.How != machine.RefusedToStart {
			if now.state, err = r.stateAt(r.m.Addr()); err != nil {
				r.out.Blind = fmt.Sprintf("%s: %v", now.by, err)
				return nil
			}
		}
		r.out.Unread = now.unread(was, "has rewritten")
	}
	return nil
}

// rewriteLimit is how long a rewrite of what a run has written may take.
const rewriteLimit = 30 * time.Second

// rewritten has the server rewrite what its mode keeps, and waits until that is over.
func (r *Runner) rewritten(s successors) error {
	command := s.Store().Rewrite(&r.x.Mode)
	if command == nil {
		return nil
	}
	conn, err := workloads.Dial(r.m.Env(), r.m.Addr())
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.Deadline(product.ReplyLimit)
	if err := s.Store().Command(conn, command); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(command, " "), err)
	}
	for end := r.m.Env().Now() + rewriteLimit; r.m.Env().Now() < end; r.m.Env().Sleep(20 * time.Millisecond) {
		reply, err := conn.Do(product.ReplyLimit, "INFO", "persistence")
		if err != nil {
			return err
		}
		info := string(reply.Data)
		if reply.Type != redcon.Bulk || !strings.Contains(info, "rdb_bgsave_in_progress:") {
			return fmt.Errorf("INFO persistence: %q", reply.Raw)
		}
		if !strings.Contains(info, "in_progress:1") && !strings.Contains(info, "scheduled:1") {
			return nil
		}
	}
	return fmt.Errorf("%s was not over after %v", strings.Join(command, " "), rewriteLimit)
}

// takeUnread adds what another version could not read. No known finding excuses that, and what
// looks like one is that.
func (o *Outcome) takeUnread() {
	if o.Unread == nil {
		return
	}
	o.Verdict, o.Why, o.Excused, o.Findings = result.Violated, "", false, nil
	o.Anomalies = append([]Anomaly{{string(o.Unread.Anomaly), o.Unread.Story}}, o.Anomalies...)
}
