package workloads

import (
	"time"

	"github.com/torntail/torntail/checker/history"
)

// Recorder collects the operations of all clients of one environment. It is
// used under that environment's exclusion (see package env).
type Recorder struct {
	H      *history.History
	acks   int
	last   int // place of the operation acknowledged last
	cut    time.Duration
	isCut  bool
	OnAck  func(n int) // called after the n-th acknowledgement; may be nil
	lie    func(id int) bool
	forget func(id int) bool
	late   int
	closed bool
}

// Reset starts a new record in h.
func (r *Recorder) Reset(h *history.History) { *r = Recorder{H: h} }

// Invoke records that an operation begins and returns its place.
func (r *Recorder) Invoke(op history.Op) int {
	id := len(r.H.Ops)
	op.ID, op.Return, op.Outcome = id, history.Never, history.Unknown
	r.H.Ops = append(r.H.Ops, op)
	return id
}

// lies reports whether the record is to claim that an operation, which was
// never sent, was acknowledged; and if so claims it.
func (r *Recorder) lies(id int, at time.Duration) bool {
	if r.lie == nil || !r.lie(id) {
		return false
	}
	r.Complete(id, at, history.OK)
	return true
}

// Complete records the reply of an operation and returns the operation so that
// its result can be filled in; nil when the record is closed for it.
//
// A reply that was under way when the crash struck still counts as an
// acknowledgement, but the operation took effect before the crash: its return
// is set to the instant of the crash, so that no checker orders it after.
func (r *Recorder) Complete(id int, at time.Duration, outcome history.Outcome) *history.Op {
	if r.closed {
		r.late++
		return nil
	}
	if r.forget != nil && r.forget(id) {
		return nil
	}
	op := &r.H.Ops[id]
	if r.isCut && at > r.cut {
		at = max(r.cut, op.Invoke)
	}
	op.Outcome = outcome
	if outcome != history.Unknown {
		op.Return = at
	}
	if outcome == history.OK {
		r.acks++
		r.last = id
		if r.OnAck != nil {
			r.OnAck(r.acks)
		}
	}
	return op
}

// BesideSent records what a client beside the workload's sends and returns its place.
func (r *Recorder) BesideSent(b history.Beside) int {
	b.Answered = history.Never
	r.H.Beside = append(r.H.Beside, b)
	return len(r.H.Beside) - 1
}

// BesideAnswered records that it was answered; a closed record stays as it is.
func (r *Recorder) BesideAnswered(place int, at time.Duration, refused bool) {
	if r.closed || r.isCut && at > r.cut {
		return
	}
	r.H.Beside[place].Answered, r.H.Beside[place].Refused = at, refused
}

// Settle says that what nobody had asked for is as durable as a reply, and reports whether
// that counts. It is no acknowledgement.
func (r *Recorder) Settle(id int, at time.Duration) bool {
	if r.closed || r.isCut {
		return false
	}
	op := &r.H.Ops[id]
	op.Outcome, op.Return = history.OK, at
	return true
}

// Cut says that the server was cut down at that instant; see Complete.
func (r *Recorder) Cut(at time.Duration) { r.cut, r.isCut = at, true }

// Seal closes the record: what is still open stays unknown. The harness seals
// it before the server is started again, so that no reply of the next life can
// complete an operation of this one.
func (r *Recorder) Seal() { r.closed = true }

// Unseal opens the record again for the next life of the server. Operations of
// the last life stay as they are: their clients have ended.
func (r *Recorder) Unseal() { r.closed, r.isCut = false, false }

// Acked is the number of acknowledged operations so far.
func (r *Recorder) Acked() int { return r.acks }

// LastAcked is the place in the record of the operation acknowledged last.
func (r *Recorder) LastAcked() int { return r.last }

// Late is the number of replies that came when the record was closed for them.
func (r *Recorder) Late() int { return r.late }

// PlantForget leaves the replies to the operations that forget says out of the record. It
// is a planted bug of the harness: a run with it must never come out as holding.
func (r *Recorder) PlantForget(forget func(id int) bool) { r.forget = forget }

// PlantLie makes clients record an acknowledgement, and send nothing, for the
// operations that lie says. It is a planted bug of the harness: a run with it
// must never come out as holding.
func (r *Recorder) PlantLie(lie func(id int) bool) { r.lie = lie }
