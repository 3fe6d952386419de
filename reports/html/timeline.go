package html

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/reports/chart"
	"github.com/torntail/torntail/reports/wording"
)

// The timeline of a failure: a lane for each client with its operations, lanes
// for what the disk was told, a line for each fault, and what was found after
// the restart. Time runs to the right. It shows the last stretch before the
// crash in which something was lost, as much of it as can be read.

// Measures of the drawing, in its own units.
const (
	laneLeft    = 84
	laneWidth   = 900
	laneHeight  = 22
	laneTop     = 48
	mostOps     = 300 // operations that are drawn
	mostClients = 16
)

// fate is what became of an operation, as far as the state that was read after
// the restart shows it.
type fate string

const (
	isRead     fate = "read"
	isPending  fate = "pending"      // no reply
	isFailed   fate = "failed"       // surely not executed
	isKept     fate = "kept"         // acknowledged, and there after the restart
	isReplaced fate = "overwritten"  // acknowledged; a later write of its key is there
	isGone     fate = "gone"         // acknowledged, and neither it nor a later write of its key is there
	isExpired  fate = "expired"      // acknowledged; its key had expired when the state was read
	isOpen     fate = "acknowledged" // nothing was read after it, or its effect cannot be told from a value
)

// drawn is an operation on the timeline.
type drawn struct {
	op   *history.Op
	fate fate
}

// timeline draws a history's last crash, nil when nothing was done before it; the
// note says what was left out.
func timeline(h *history.History) (*chart.Drawing, string) {
	crash, after := lastCrash(h)
	ops := fates(h, crash, after)
	if len(ops) == 0 {
		return nil, ""
	}
	shown, note := stretch(ops, crash)
	from, to := shown[0].op.Invoke, crash
	for _, d := range shown {
		if d.op.Return != history.Never && d.op.Outcome != history.Unknown {
			to = max(to, d.op.Return)
		}
	}
	end := to
	for i := range h.Events {
		if e := &h.Events[i]; e.At >= from && (e.Kind == history.Ready || e.Kind == history.Refused) && e.At < crash+2*(crash-from) {
			end = max(end, e.At)
		}
	}
	t := &lanes{from: from, to: end + (end-from)/25 + 1}
	t.draw(h, shown, crash, after)
	return &t.Drawing, note
}

// lastCrash is the instant at which the last life that was followed by a look at
// the state ended, and that state; without one the last instant of the history.
func lastCrash(h *history.History) (at time.Duration, after *history.State) {
	for i := len(h.States) - 1; i >= 0; i-- {
		if s := &h.States[i]; s.Epoch > 0 && s.Epoch <= len(h.Epochs) && !s.Converged {
			return h.Epochs[s.Epoch-1].Ended, s
		}
	}
	for i := len(h.Epochs) - 1; i >= 0; i-- {
		if h.Epochs[i].Ended != history.Never {
			return h.Epochs[i].Ended, nil
		}
	}
	for i := range h.Ops {
		if h.Ops[i].Return != history.Never {
			at = max(at, h.Ops[i].Return)
		}
	}
	return at, nil
}

// writesOf are the single writes of an operation.
func writesOf(op *history.Op) []*history.Op {
	if op.Kind != history.Txn || op.More == nil {
		return []*history.Op{op}
	}
	var list []*history.Op
	for i := range op.More.Parts {
		list = append(list, &op.More.Parts[i])
	}
	return list
}

// fates tells of every operation before the crash what became of it. It judges
// nothing: it looks for the values that were written in the state that was read.
func fates(h *history.History, crash time.Duration, after *history.State) []drawn {
	found := map[string]map[string]bool{} // key: values
	if after != nil {
		for i := range after.Keys {
			kv := &after.Keys[i]
			values := map[string]bool{kv.Value: true}
			for _, v := range kv.List {
				values[v] = true
			}
			found[kv.Key] = values
		}
	}
	survivor := map[string]time.Duration{} // key: invocation of the last write of it that is there
	for i := range h.Ops {
		op := &h.Ops[i]
		for _, w := range writesOf(op) {
			removed := (w.Kind == history.Delete || w.Kind == history.Pop) && found[w.Key] == nil && op.Outcome != history.Failed
			if op.Writes() && (found[w.Key][w.Value] || removed) {
				survivor[w.Key] = max(survivor[w.Key], op.Invoke)
			}
		}
	}
	var list []drawn
	for i := range h.Ops {
		op := &h.Ops[i]
		if op.Invoke > crash {
			continue
		}
		d := drawn{op: op, fate: isOpen}
		switch {
		case !op.Writes():
			d.fate = isRead
		case op.Outcome == history.Failed:
			d.fate = isFailed
		case op.Outcome == history.Unknown:
			d.fate = isPending
		case after != nil:
			d.fate = fateOf(op, found, survivor, after.At)
		}
		list = append(list, d)
	}
	return list
}

// fateOf is what became of an acknowledged write: of a transaction, the worst
// that became of a part of it.
func fateOf(op *history.Op, found map[string]map[string]bool, survivor map[string]time.Duration, read time.Duration) fate {
	worst := isKept
	for _, w := range writesOf(op) {
		at, some := survivor[w.Key]
		switch {
		case w.Kind == history.Read || found[w.Key][w.Value]:
		case w.Kind != history.Write && w.Kind != history.Append && w.Kind != history.SetAdd:
			worst = isOpen
		case some && op.Invoke < at:
			if worst == isKept {
				worst = isReplaced
			}
		case w.More != nil && w.More.Deadline > 0 && w.More.Deadline <= read:
			worst = isExpired
		default:
			return isGone
		}
	}
	return worst
}

// stretch is what is drawn: from a little before the first write that is gone to
// the crash, at most so many operations, the latest.
func stretch(ops []drawn, crash time.Duration) (shown []drawn, note string) {
	first := slices.IndexFunc(ops, func(d drawn) bool { return d.fate == isGone })
	if first < 0 {
		first = max(0, len(ops)-mostOps/3)
	}
	first = max(0, first-15)
	if len(ops)-first > mostOps {
		first = len(ops) - mostOps
		note = fmt.Sprintf("The last %d operations before the crash, of %d.", mostOps, len(ops))
	} else if first > 0 {
		note = fmt.Sprintf("From shortly before the first acknowledged write that is gone: the last %d operations of %d.", len(ops)-first, len(ops))
	}
	return ops[first:], note
}

// lanes is the drawing under way.
type lanes struct {
	chart.Drawing
	from, to time.Duration
}

func (t *lanes) x(at time.Duration) float64 {
	at = min(max(at, t.from), t.to)
	return laneLeft + laneWidth*float64(at-t.from)/float64(t.to-t.from)
}

// keys are the colours.
var keys = []chart.Key{
	{Class: "kept", Name: "acknowledged, there after the restart"}, {Class: "overwritten", Name: "overwritten by one that is there"},
	{Class: "gone", Name: "acknowledged and gone"}, {Class: "pending", Name: "no reply"}, {Class: "failed", Name: "refused"}, {Class: "read", Name: "read"},
}

func (t *lanes) draw(h *history.History, shown []drawn, crash time.Duration, after *history.State) {
	var clients []int
	for _, d := range shown {
		if !slices.Contains(clients, d.op.Client) {
			clients = append(clients, d.op.Client)
		}
	}
	slices.Sort(clients)
	clients = clients[:min(len(clients), mostClients)]
	rows := len(clients) + 2 // and the disk's two
	lane := func(n int) float64 { return laneTop + float64(n)*laneHeight }
	bottom := lane(rows)
	t.Width, t.Height = laneLeft+laneWidth+10, bottom+44
	t.Class, t.Steps, t.Title = "timeline", true, "Timeline of the failure"
	t.Legend(keys, 0, 2, t.Width)
	for i, c := range clients {
		t.Text("", 0, lane(i)+14, chart.Start, fmt.Sprintf("client %d", c))
		t.Line("grid", laneLeft, lane(i)+laneHeight-2, laneLeft+laneWidth, lane(i)+laneHeight-2, "")
	}
	t.Text("", 0, lane(len(clients))+14, chart.Start, "log writes")
	t.Text("", 0, lane(len(clients)+1)+14, chart.Start, "syncs")
	t.disk(h, lane(len(clients)), lane(len(clients)+1))
	for _, d := range shown {
		if n := slices.Index(clients, d.op.Client); n >= 0 {
			t.operation(d, lane(n), crash)
		}
	}
	t.events(h, bottom)
	for i := range 6 {
		at := t.from + time.Duration(i)*(t.to-t.from)/5
		t.Text("", t.x(at), bottom+15, []chart.Anchor{chart.Start, chart.Middle, chart.Middle, chart.Middle, chart.Middle, chart.End}[i], before(crash-at))
	}
	t.Text("", laneLeft, bottom+36, chart.Start, foundAfter(after))
}

// before is an instant by its distance from the crash.
func before(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case d == 0:
		return "crash"
	case d < 0:
		return "+" + wording.Latency(-ms)
	}
	return "-" + wording.Latency(ms)
}

func foundAfter(after *history.State) string {
	if after == nil {
		return "Nothing was read after the crash."
	}
	if len(after.Keys) == 1 {
		return "Read after the restart: 1 key."
	}
	return fmt.Sprintf("Read after the restart: %d keys.", len(after.Keys))
}

// operation is a bar from invocation to return; one without a reply ends at the crash.
func (t *lanes) operation(d drawn, y float64, crash time.Duration) {
	end := d.op.Return
	if end == history.Never {
		end = max(crash, d.op.Invoke)
	}
	x := t.x(d.op.Invoke)
	height := 12.0
	if d.fate == isRead {
		height = 6
	}
	t.Rect("op "+string(d.fate), x, y+(laneHeight-2-height)/2, max(1.5, t.x(end)-x), height, clean(describe(d, crash)))
}

// describe is an operation in words.
func describe(d drawn, crash time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "client %d: %s", d.op.Client, d.op.Kind)
	for i, w := range writesOf(d.op) {
		if i > 0 || d.op.Kind == history.Txn {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, " %s", w.Key)
		if w.Value != "" {
			fmt.Fprintf(&b, " = %s", w.Value)
		}
		if i == 5 {
			b.WriteString(", ...")
			break
		}
	}
	fmt.Fprintf(&b, "; sent %s", before(crash-d.op.Invoke))
	if d.op.Return != history.Never {
		fmt.Fprintf(&b, ", answered %s", before(crash-d.op.Return))
	}
	fmt.Fprintf(&b, "; %s", map[fate]string{
		isRead: "a read", isPending: "no reply: it may have taken effect or not", isFailed: "refused", isKept: "acknowledged, and there after the restart",
		isReplaced: "acknowledged; a later write of its key is there after the restart", isGone: "acknowledged, and gone after the restart", isOpen: "acknowledged",
		isExpired: "acknowledged; its key had expired when the state was read",
	}[d.fate])
	return b.String()
}

// disk draws what the disk was told: writes to the log as ticks, syncs as bars.
func (t *lanes) disk(h *history.History, writes, syncs float64) {
	const mostTicks = 600
	ticks := 0
	for i := range h.Epochs {
		e := &h.Epochs[i]
		for j := range e.LogWrites {
			if w := &e.LogWrites[j]; w.Enter >= t.from && w.Enter <= t.to && ticks < mostTicks {
				ticks++
				t.Rect("write", t.x(w.Enter), writes+4, 1.2, 12, fmt.Sprintf("write of %d bytes to the log", w.Bytes))
			}
		}
		for j := range e.LogSyncs {
			s := &e.LogSyncs[j]
			end, class, words := s.Return, "sync", "sync of the log"
			if s.Failed {
				class, words = "sync failed", "sync of the log: failed"
			}
			if end == history.Never {
				end, class, words = e.Ended, "sync pending", "sync of the log, in flight when the crash struck"
			}
			if end < t.from || s.Enter > t.to {
				continue
			}
			t.Rect(class, t.x(s.Enter), syncs+4, max(1.5, t.x(end)-t.x(s.Enter)), 12, words+", "+wording.Latency(float64(end-s.Enter)/float64(time.Millisecond)))
		}
		for j := range e.Snapshots {
			s := &e.Snapshots[j]
			if s.Fork >= t.from && s.Fork <= t.to {
				t.Rect("sync", t.x(s.Fork), syncs+laneHeight-6, max(2, t.x(min(s.Durable, t.to))-t.x(s.Fork)), 5, "snapshot or rewrite")
			}
		}
	}
}

// events are vertical lines with their words on top; where these would cover each
// other, the line's title has them.
func (t *lanes) events(h *history.History, bottom float64) {
	shelves := chart.NewShelves(2)
	for i := range h.Events {
		e := &h.Events[i]
		if e.At < t.from || e.At > t.to || e.Kind == history.RoleSeen {
			continue
		}
		words := string(e.Kind)
		if e.Kind == history.FaultStruck {
			words = "fault"
		}
		x, width := t.x(e.At), chart.TextWidth(words)
		t.Line("event", x, laneTop-6, x, bottom, clean(words+" "+e.Node+" "+e.Text))
		left := min(max(x-width/2, laneLeft), t.Width-width)
		if row, ok := shelves.Place(left, left+width+6); ok {
			t.Text("", left, laneTop-9-12*float64(row), chart.Start, words)
		}
	}
}
