package experiment

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// What a server evicts is a deletion that nobody has asked for. The engine tells of each as it
// happens (machine.Watch.Evicted). A real server tells it on a connection that is used for
// nothing else, in the order of its replies; marks are asked for on it all the time, so that
// it is known between which two instants each key went. It explains that this key is
// missing from then on, and no other. What a server that is killed could not tell any more is
// in its log, or has not survived.

// evictions are those of one life of a real server.
type evictions struct {
	conn, counting *workloads.Conn
	heard          []eviction
	sent           []time.Duration // marks that were asked for
	answered       int             // and answered
	counted        int             // by the server itself, at the last look
	why            string          // why not all were heard
	before         int             // deletions that the log had held before this life
}

// eviction is one of a key, between two instants.
type eviction struct {
	key      string
	from, to time.Duration
}

// betweenMarks is how often a mark is asked for.
const betweenMarks = 5 * time.Millisecond

// tellsEvictions is who tells of evictions on a connection; nil where the mode has none, or
// the machine tells of each.
func (r *Runner) tellsEvictions() product.TellsEvictions {
	if _, exact := r.m.(*machine.Simulated); exact {
		return nil
	}
	if p, err := r.x.Mode.Store.Policy(&r.x.Mode); err != nil || !p.Evicts {
		return nil
	}
	tells, _ := r.x.Mode.Store.(product.TellsEvictions)
	return tells
}

// unlimited is the mode without its limit of memory: a server that is started again is read
// first, and what it would evict for those who read is not what it came back with.
func unlimited(m *product.Mode) *product.Mode {
	without := m.With([]product.Directive{{Name: "maxmemory", Value: "0"}})
	return &without
}

// hearEvictions begins to listen, before the clients of a life begin to write.
func (r *Runner) hearEvictions(tells product.TellsEvictions) {
	e := &r.evicted
	*e = evictions{before: e.before, heard: e.heard[:0], sent: e.sent[:0]}
	var err error
	if e.conn, err = workloads.Dial(r.m.Env(), r.m.Addr()); err == nil {
		err = tells.HearEvictions(e.conn, product.ReplyLimit)
	}
	if err == nil {
		e.counting, err = workloads.Dial(r.m.Env(), r.m.Addr())
	}
	if err == nil && len(r.hist.Epochs) > 1 {
		err = tells.LimitMemory(e.counting, product.ReplyLimit, r.x.Mode.Get("maxmemory"))
	}
	if err != nil {
		e.why = "the server did not say that it tells of evictions: " + err.Error()
		return
	}
	clients := r.m.Clients()
	life := len(r.hist.Epochs)
	clients.Go("evictions", func() {
		defer e.conn.Close()
		for {
			key, mark, err := tells.NextEviction(e.conn)
			switch {
			case err != nil:
				if !r.over && life == len(r.hist.Epochs) {
					e.why = fmt.Sprintf("from %s on the server told of no evictions: %v", clients.Now(), err)
				}
				return
			case mark:
				e.answered++
			default:
				e.heard = append(e.heard, eviction{r.run.Key([]byte(key)), e.lastMark(), clients.Now()})
			}
		}
	})
	clients.Go("marks of evictions", func() {
		defer e.counting.Close()
		for n := 0; !r.over; n++ {
			clients.Sleep(betweenMarks)
			e.sent = append(e.sent, clients.Now())
			if tells.MarkEvictions(e.conn) != nil {
				return
			}
			if n%10 == 0 {
				counted, err := tells.CountEvictions(e.counting, product.ReplyLimit)
				if err != nil {
					return
				}
				e.counted = counted
			}
		}
	})
}

// lastMark is when the last mark was asked for that was answered.
func (e *evictions) lastMark() time.Duration {
	if e.answered == 0 {
		return 0
	}
	return e.sent[e.answered-1]
}

// takeEvictions puts those of the life that has ended on record.
func (r *Runner) takeEvictions(life *history.Epoch) {
	if r.tellsEvictions() == nil {
		return
	}
	e := &r.evicted
	from := 0 // where the operations of the life begin
	for from < len(r.hist.Ops) && r.hist.Ops[from].Invoke < life.Began {
		from++
	}
	var ops []history.Op
	add := func(v eviction, o history.Outcome) {
		ops = append(ops, history.Op{Client: evictor, Kind: history.Delete, Key: v.key, Invoke: min(max(v.from, life.Began), life.Ended), Return: v.to, Outcome: o,
			More: &history.More{Offset: history.NoOffset, Evicted: true}})
	}
	for _, v := range e.heard {
		v.to = min(v.to, life.Ended)
		add(v, history.OK)
		r.commandReplies++
	}
	deleted := r.deletedByLog()
	for _, key := range unheard(e.heard, deleted[min(e.before, len(deleted)):]) {
		add(eviction{key, e.lastMark(), history.Never}, history.Unknown)
	}
	e.before = len(deleted)
	if e.why == "" && e.counted > len(e.heard) {
		e.why = fmt.Sprintf("the server says that it evicted %d keys, and told of %d", e.counted, len(e.heard))
	}
	if r.out.Untold == "" {
		r.out.Untold = e.why
	}
	if len(ops) == 0 {
		return
	}
	r.hist.Ops = append(r.hist.Ops, ops...)
	slices.SortStableFunc(r.hist.Ops[from:], func(a, b history.Op) int { return cmp.Compare(a.Invoke, b.Invoke) })
	for i := from; i < len(r.hist.Ops); i++ {
		op := &r.hist.Ops[i]
		if at := slices.Index(r.flushes, op.ID); at >= 0 && op.Client != evictor {
			r.flushes[at] = i
		}
		op.ID = i
	}
	r.out.Evicted += len(ops)
}

// deletedByLog are the keys that the log of the mode deletes, in order.
func (r *Runner) deletedByLog() (keys []string) {
	if tells := r.tellsEvictions(); r.x.Mode.AOF && r.m.Files(func(fsys vfs.FS) { keys = tells.Deleted(fsys) }) != nil {
		return nil
	}
	for i, key := range keys {
		keys[i] = r.run.Key([]byte(key))
	}
	return keys
}

// unheard are the deletions of a life's log after the last that was heard of. What the log
// had held before a rewrite is not in it: then the first one of the same key counts.
func unheard(heard []eviction, deleted []string) []string {
	if len(heard) == 0 {
		return deleted
	}
	last := heard[len(heard)-1].key
	left := 0
	for i := range heard {
		if heard[i].key == last {
			left++
		}
	}
	first := -1
	for i, key := range deleted {
		if key != last {
			continue
		}
		if first < 0 {
			first = i
		}
		if left--; left == 0 {
			return deleted[i+1:]
		}
	}
	return deleted[first+1:]
}

// missing are what an eviction that nobody has heard of can look like.
var missing = []anomaly.Name{anomaly.LostWrite, anomaly.Hole, anomaly.Resurrection, anomaly.SilentTruncation, anomaly.StaleRead, anomaly.NonLinearizable}

// untold makes a run unknown whose keys may be missing because they were evicted, and nobody
// was told of all that were.
func (o *Outcome) untold() {
	if o.Untold == "" || o.Verdict != result.Violated || len(o.Anomalies) == 0 || !slices.Contains(missing, anomaly.Name(o.Anomalies[0].Name)) {
		return
	}
	o.Verdict, o.Why = result.Unknown, o.Untold+", so that evicted keys cannot be told from lost ones"
	o.Anomalies = nil
}
