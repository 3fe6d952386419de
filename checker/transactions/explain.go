package transactions

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
)

const (
	// tellElements is how many last elements of a list are written out.
	tellElements = 12
	// tellMops is how many operations of a transaction are written out.
	tellMops = 12
	// tellTxns is how many transactions of a finding are written out.
	tellTxns = 12
)

// list writes a list; of a long one the end.
func (h *History) list(list []Value) string {
	var b strings.Builder
	b.WriteByte('[')
	if n := len(list) - tellElements; n > 0 {
		fmt.Fprintf(&b, "(%d more) ", n)
		list = list[n:]
	}
	for i, v := range list {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(h.Names.Text(v))
	}
	b.WriteByte(']')
	return b.String()
}

// mop writes an operation as Jepsen does: [:r x [1 2]].
func (h *History) mop(m *Mop) string {
	name, value := ":r", h.Names.Text(m.Value)
	switch {
	case m.Func == Append:
		name = ":append"
	case m.Func == Write:
		name = ":w"
	case !m.Known:
		value = "?"
	case h.Lists:
		value = h.list(m.List)
	}
	return fmt.Sprintf("[%s %s %s]", name, h.Names.Text(m.Key), value)
}

func returned(t time.Duration) string {
	if t == history.Never {
		return "no reply"
	}
	return t.String()
}

func atLine(line int) string {
	if line == 0 {
		return ""
	}
	return fmt.Sprintf(", line %d", line)
}

// describe names a transaction by what a reader can find in the history.
func (h *History) describe(t int) string {
	txn := &h.Txns[t]
	return fmt.Sprintf("the transaction of process %d invoked at %s%s", txn.Process, txn.Invoke, atLine(txn.Line))
}

// line writes a transaction out.
func (h *History) line(t int) string {
	txn := &h.Txns[t]
	var mops []string
	for m := range txn.Mops[:min(len(txn.Mops), tellMops)] {
		mops = append(mops, h.mop(&txn.Mops[m]))
	}
	if n := len(txn.Mops) - tellMops; n > 0 {
		mops = append(mops, fmt.Sprintf("and %d more", n))
	}
	how := map[history.Outcome]string{history.Unknown: ", unknown", history.Failed: ", aborted"}[txn.Outcome]
	return fmt.Sprintf("process %d, %s to %s%s%s: %s", txn.Process, txn.Invoke, returned(txn.Return), how, atLine(txn.Line), strings.Join(mops, " "))
}

// lines writes transactions out as T1, T2 and so on.
func (h *History) lines(txns []int) []string {
	var lines []string
	for i, t := range txns[:min(len(txns), tellTxns)] {
		lines = append(lines, fmt.Sprintf("T%d: %s", i+1, h.line(t)))
	}
	if n := len(txns) - tellTxns; n > 0 {
		lines = append(lines, fmt.Sprintf("and %d more transactions", n))
	}
	return lines
}

// about is a finding about one key. The words call the transactions T1, T2 and
// so on; one that is in the list twice keeps its first number.
func (c *check) about(name Value, txns []int32, words string, args ...any) Finding {
	f := Finding{Key: c.x.h.Names.Text(name)}
	for _, t := range txns {
		f.Txns = append(f.Txns, int(t))
	}
	lines := append(c.x.h.lines(f.Txns), "key "+f.Key+": "+fmt.Sprintf(words, args...))
	f.Story = strings.Join(lines, "\n")
	return f
}

// tell is the finding of a cycle in the component.
func (c *component) tell(path []step) Finding {
	var f Finding
	for _, s := range path {
		f.Txns = append(f.Txns, int(c.nodes[s.from]))
	}
	// A cycle has no beginning: start with what was invoked first.
	first := slices.Index(f.Txns, slices.Min(f.Txns))
	f.Txns = append(slices.Clone(f.Txns[first:]), f.Txns[:first]...)
	path = append(slices.Clone(path[first:]), path[:first]...)
	lines := c.x.h.lines(f.Txns)
	for i, s := range path {
		next := (i + 1) % len(path)
		e := c.because(f.Txns[i], f.Txns[next], s.kind, i+1, next+1)
		f.Edges = append(f.Edges, e)
		if i < tellTxns {
			lines = append(lines, fmt.Sprintf("T%d before T%d (%s): %s", i+1, next+1, e.Kind, e.Why))
		}
	}
	if n := len(path) - tellTxns; n > 0 {
		lines = append(lines, fmt.Sprintf("and %d more steps, back to T1", n))
	}
	f.Story = strings.Join(lines, "\n")
	return f
}

// because explains the edge from a to b, which the story calls Ti and Tj.
func (c *check) because(a, b int, kind uint8, i, j int) Edge {
	h := c.x.h
	e := Edge{From: a, To: b}
	switch kind {
	case process:
		e.Kind = Process
		e.Why = fmt.Sprintf("process %d ran T%d and then T%d", h.Txns[a].Process, i, j)
		return e
	case realtime:
		e.Kind = RealTime
		e.Why = fmt.Sprintf("T%d had returned at %s, %s before T%d was invoked", i, h.Txns[a].Return, h.Txns[b].Invoke-h.Txns[a].Return, j)
		return e
	}
	var ok bool
	if c.lists != nil {
		e, ok = c.lists.because(int32(a), int32(b), kind)
	} else {
		e, ok = c.registers.because(int32(a), int32(b), kind)
	}
	if !ok {
		panic(fmt.Sprintf("transactions: no reason for an edge from %d to %d", a, b))
	}
	e.From, e.To = a, b
	switch {
	case e.Kind == WW && h.Lists:
		e.Why = fmt.Sprintf("T%d appended %s to %s, and T%d appended %s after it", i, e.Value, e.Key, j, e.Next)
	case e.Kind == WW:
		e.Why = fmt.Sprintf("T%d wrote %s = %s, and T%d wrote %s, a later version", i, e.Key, e.Value, j, e.Next)
	case e.Kind == WR && h.Lists:
		e.Why = fmt.Sprintf("T%d appended %s to %s, which T%d saw", i, e.Value, e.Key, j)
	case e.Kind == WR:
		e.Why = fmt.Sprintf("T%d wrote %s = %s, which T%d read", i, e.Key, e.Value, j)
	case h.Lists:
		e.Why = fmt.Sprintf("T%d read %s = %s, without what T%d appended: %s", i, e.Key, e.Value, j, e.Next)
	default:
		e.Why = fmt.Sprintf("T%d read %s = %s, and T%d wrote %s, a later version", i, e.Key, e.Value, j, e.Next)
	}
	return e
}
