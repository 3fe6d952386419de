package checker

import (
	"fmt"
	"strings"

	"github.com/torntail/torntail/checker/history"
)

// Tell is one operation as a sentence: who did what, and what he was told.
func Tell(op *history.Op) string {
	var b strings.Builder
	fmt.Fprintf(&b, "at %s client %d ", op.Invoke, op.Client)
	if op.Kind == history.Txn {
		b.WriteString("ran a transaction:")
		if op.More != nil {
			for i := range op.More.Parts {
				if i > 0 {
					b.WriteByte(',')
				}
				tellPart(&b, &op.More.Parts[i], op.Outcome == history.OK)
			}
		}
	} else {
		b.WriteString(did(op))
	}
	switch op.Outcome {
	case history.OK:
		if op.Kind != history.Txn {
			b.WriteString(told(op))
		}
		if op.Kind == history.Txn || op.Writes() {
			b.WriteString(", acknowledged")
		}
		if op.More != nil && op.More.Node != "" {
			fmt.Fprintf(&b, " by %s", op.More.Node)
		}
		fmt.Fprintf(&b, " at %s", op.Return)
	case history.Unknown:
		b.WriteString(", never answered")
	case history.Failed:
		b.WriteString(", refused")
		if op.More != nil && op.More.Err != "" {
			fmt.Fprintf(&b, " (%s)", op.More.Err)
		}
	}
	return b.String()
}

// tellPart is one operation of a transaction, in short.
func tellPart(b *strings.Builder, p *history.Op, acked bool) {
	found := p.More
	switch {
	case p.Kind == history.Write && (found == nil || !found.ToAbsent):
		fmt.Fprintf(b, " %q = %q", p.Key, p.Value)
	case p.Kind == history.Read && acked && p.Absent:
		fmt.Fprintf(b, " read %q: nothing", p.Key)
	case p.Kind == history.Read && acked:
		fmt.Fprintf(b, " read %q: %q", p.Key, p.Value)
	case p.Kind == history.ReadList && acked && found != nil:
		fmt.Fprintf(b, " read %q: %q", p.Key, found.Values)
	default:
		b.WriteString(" " + did(p))
		if acked {
			b.WriteString(told(p))
		}
	}
}

// did is what a client asked for.
func did(op *history.Op) string {
	m := op.More
	if m == nil {
		m = &history.More{}
	}
	end := "tail"
	if m.Head {
		end = "head"
	}
	switch op.Kind {
	case history.Read:
		return fmt.Sprintf("read %q", op.Key)
	case history.Write:
		if m.ToAbsent {
			return fmt.Sprintf("wrote nothing to %q", op.Key)
		}
		return fmt.Sprintf("wrote %q = %q", op.Key, op.Value) + until(m)
	case history.Delete:
		return fmt.Sprintf("deleted %q", op.Key)
	case history.Append:
		if m.Head {
			return fmt.Sprintf("pushed %q to the head of %q", op.Value, op.Key)
		}
		return fmt.Sprintf("appended %q to %q", op.Value, op.Key)
	case history.StringAppend:
		return fmt.Sprintf("appended %q to string %q", op.Value, op.Key)
	case history.SetRange:
		return fmt.Sprintf("wrote %q into %q at offset %d", op.Value, op.Key, m.Index)
	case history.GetDelete:
		return fmt.Sprintf("read and deleted %q", op.Key)
	case history.SetBit:
		return fmt.Sprintf("set bit %d of %q to %s", m.Index, op.Key, op.Value)
	case history.GetBit:
		return fmt.Sprintf("read bit %d of %q", m.Index, op.Key)
	case history.Incr:
		return fmt.Sprintf("added %s to %q", op.Value, op.Key)
	case history.CAS:
		from, to := fmt.Sprintf("%q", m.Expect), fmt.Sprintf("%q", op.Value)
		if m.ExpectAbsent {
			from = "nothing"
		}
		if m.ToAbsent {
			to = "nothing"
		}
		return fmt.Sprintf("set %q from %s to %s", op.Key, from, to)
	case history.ReadList:
		return fmt.Sprintf("read list %q", op.Key)
	case history.Push:
		return fmt.Sprintf("pushed %q to the %s of %q", op.Value, end, op.Key)
	case history.Pop:
		return fmt.Sprintf("popped from the %s of %q", end, op.Key)
	case history.ListMove:
		to := "tail"
		if m.ToHead {
			to = "head"
		}
		return fmt.Sprintf("moved the %s of %q to the %s of %q", end, op.Key, to, m.To)
	case history.ListRemove:
		switch {
		case m.Index > 0:
			return fmt.Sprintf("removed the first %d of %q from list %q", m.Index, op.Value, op.Key)
		case m.Index < 0:
			return fmt.Sprintf("removed the last %d of %q from list %q", -m.Index, op.Value, op.Key)
		}
		return fmt.Sprintf("removed all %q from list %q", op.Value, op.Key)
	case history.SetAdd:
		return fmt.Sprintf("added member %q to set %q", op.Value, op.Key)
	case history.SetRemove:
		return fmt.Sprintf("removed member %q from set %q", op.Value, op.Key)
	case history.SetHas:
		return fmt.Sprintf("asked whether set %q has member %q", op.Key, op.Value)
	case history.ReadSet:
		return fmt.Sprintf("read set %q", op.Key)
	case history.HashSet:
		return fmt.Sprintf("set field %q of hash %q to %q", m.Field, op.Key, op.Value)
	case history.HashRemove:
		return fmt.Sprintf("removed field %q from hash %q", m.Field, op.Key)
	case history.HashGet:
		return fmt.Sprintf("read field %q of hash %q", m.Field, op.Key)
	case history.HashIncr:
		return fmt.Sprintf("added %s to field %q of hash %q", op.Value, m.Field, op.Key)
	case history.ReadHash:
		return fmt.Sprintf("read hash %q", op.Key)
	}
	return didMore(op, m)
}

// didMore is did for sorted sets, streams and expiry.
func didMore(op *history.Op, m *history.More) string {
	switch op.Kind {
	case history.SortedAdd:
		return fmt.Sprintf("added member %q to sorted set %q with score %s", op.Value, op.Key, m.Score)
	case history.SortedRemove:
		return fmt.Sprintf("removed member %q from sorted set %q", op.Value, op.Key)
	case history.SortedIncr:
		return fmt.Sprintf("added %s to the score of member %q of sorted set %q", m.Score, op.Value, op.Key)
	case history.SortedScore:
		return fmt.Sprintf("read the score of member %q of sorted set %q", op.Value, op.Key)
	case history.SortedPop:
		which := "highest"
		if m.Head {
			which = "lowest"
		}
		return fmt.Sprintf("popped the %s member of sorted set %q", which, op.Key)
	case history.ReadSorted:
		return fmt.Sprintf("read sorted set %q", op.Key)
	case history.StreamAdd:
		id := ""
		if m.Entry != "" && m.Entry != "*" {
			id = m.Entry + " "
		}
		return fmt.Sprintf("added entry %s(%q = %q) to stream %q", id, m.Field, op.Value, op.Key)
	case history.StreamRemove:
		return fmt.Sprintf("removed entry %s from stream %q", m.Entry, op.Key)
	case history.ReadStream:
		return fmt.Sprintf("read stream %q", op.Key)
	case history.GroupCreate:
		return fmt.Sprintf("created group %q of stream %q at %s", m.Group, op.Key, m.Entry)
	case history.GroupRead:
		return fmt.Sprintf("read new entries of stream %q as consumer %q of group %q", op.Key, m.Consumer, m.Group)
	case history.GroupAck:
		return fmt.Sprintf("acknowledged entry %s of stream %q in group %q", m.Entry, op.Key, m.Group)
	case history.ReadPending:
		return fmt.Sprintf("read what is pending in group %q of stream %q", m.Group, op.Key)
	case history.Expire:
		return fmt.Sprintf("set a deadline for %q", op.Key) + until(m)
	case history.Persist:
		return fmt.Sprintf("took the deadline off %q", op.Key)
	case history.ReadExpiry:
		return fmt.Sprintf("read the deadline of %q", op.Key)
	}
	return fmt.Sprintf("did %s to %q", op.Kind, op.Key)
}

func until(m *history.More) string {
	if m.Deadline == 0 {
		return ""
	}
	return fmt.Sprintf(" until %s", m.Deadline)
}

// told is what the client was told in return, beside that it is done.
func told(op *history.Op) string {
	m := op.More
	if m == nil {
		m = &history.More{}
	}
	if m.Err != "" {
		return fmt.Sprintf(", answered %q", m.Err)
	}
	switch op.Kind {
	case history.Write:
		switch {
		case m.HasReplaced && op.Absent:
			return ", where nothing was"
		case m.HasReplaced:
			return fmt.Sprintf(", in place of %q", m.Replaced)
		}
		return ""
	case history.Read, history.GetBit, history.HashGet:
		if op.Absent {
			return ", found nothing"
		}
		return fmt.Sprintf(", found %q", op.Value)
	case history.GetDelete, history.SortedScore:
		if op.Absent {
			return ", found nothing"
		}
		return fmt.Sprintf(", found %q", m.Result)
	case history.Pop, history.ListMove:
		if op.Absent {
			return ", got nothing"
		}
		return fmt.Sprintf(", got %q", gotFrom(op, m))
	case history.SortedPop:
		if op.Absent || len(m.Values) < 2 {
			return ", got nothing"
		}
		return fmt.Sprintf(", got %q with score %s", m.Values[0], m.Values[1])
	case history.ReadList, history.ReadSet, history.ReadHash, history.ReadSorted, history.ReadStream, history.GroupRead, history.ReadPending:
		return fmt.Sprintf(", found %q", m.Values)
	case history.ReadExpiry:
		switch {
		case op.Absent:
			return ", found no key"
		case m.Deadline == 0:
			return ", found none"
		}
		return fmt.Sprintf(", found %s", m.Deadline)
	case history.CAS:
		if m.Result == "0" {
			return ", found another value"
		}
		return ""
	}
	if m.Result == "" {
		return ""
	}
	return fmt.Sprintf(", answered %s", m.Result)
}

// gotFrom is the element that a pop or a move answered.
func gotFrom(op *history.Op, m *history.More) string {
	if m.Result == "" {
		return op.Value // as some histories have it
	}
	return m.Result
}
