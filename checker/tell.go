package checker

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/torntail/torntail/checker/history"
)

// Tell is one operation as a sentence: who did what, and what he was told.
func Tell(op *history.Op) string {
	var b strings.Builder
	if op.Evicts() {
		fmt.Fprintf(&b, "at %s the server evicted %q", op.Invoke, op.Key)
		if op.Outcome == history.OK {
			fmt.Fprintf(&b, ", durably as its replies at %s", op.Return)
		}
		return b.String()
	}
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

// asked is what a client asks for with each kind of operation, where one sentence
// serves; see words for what stands in it.
var asked = [history.LastKind + 1]string{
	history.Read:         "read {key}",
	history.Delete:       "deleted {key}",
	history.StringAppend: "appended {value} to string {key}",
	history.SetRange:     "wrote {value} into {key} at offset {index}",
	history.GetDelete:    "read and deleted {key}",
	history.SetBit:       "set bit {index} of {key} to {amount}",
	history.GetBit:       "read bit {index} of {key}",
	history.Incr:         "added {amount} to {key}",
	history.ReadList:     "read list {key}",
	history.Push:         "pushed {value} to the {end} of {key}",
	history.Pop:          "popped from the {end} of {key}",
	history.ListMove:     "moved the {end} of {key} to the {to-end} of {to}",
	history.SetAdd:       "added member {value} to set {key}",
	history.SetRemove:    "removed member {value} from set {key}",
	history.SetHas:       "asked whether set {key} has member {value}",
	history.ReadSet:      "read set {key}",
	history.HashSet:      "set field {field} of hash {key} to {value}",
	history.HashRemove:   "removed field {field} from hash {key}",
	history.HashGet:      "read field {field} of hash {key}",
	history.HashIncr:     "added {amount} to field {field} of hash {key}",
	history.ReadHash:     "read hash {key}",
	history.SortedAdd:    "added member {value} to sorted set {key} with score {score}",
	history.SortedRemove: "removed member {value} from sorted set {key}",
	history.SortedIncr:   "added {score} to the score of member {value} of sorted set {key}",
	history.SortedScore:  "read the score of member {value} of sorted set {key}",
	history.ReadSorted:   "read sorted set {key}",
	history.StreamRemove: "removed entry {entry} from stream {key}",
	history.ReadStream:   "read stream {key}",
	history.GroupCreate:  "created group {group} of stream {key} at {entry}",
	history.GroupRead:    "read new entries of stream {key} as consumer {consumer} of group {group}",
	history.GroupAck:     "acknowledged entry {entry} of stream {key} in group {group}",
	history.ReadPending:  "read what is pending in group {group} of stream {key}",
	history.Persist:      "took the deadline off {key}",
	history.ReadExpiry:   "read the deadline of {key}",
}

// words are what stands in the sentences of asked: strings quoted, numbers as they are.
func words(op *history.Op, m *history.More) *strings.Replacer {
	end := map[bool]string{false: "tail", true: "head"}
	return strings.NewReplacer("{key}", strconv.Quote(op.Key), "{value}", strconv.Quote(op.Value), "{amount}", op.Value,
		"{index}", fmt.Sprint(m.Index), "{end}", end[m.Head], "{to}", strconv.Quote(m.To), "{to-end}", end[m.ToHead],
		"{field}", strconv.Quote(m.Field), "{score}", m.Score, "{entry}", m.Entry, "{group}", strconv.Quote(m.Group), "{consumer}", strconv.Quote(m.Consumer))
}

// did is what a client asked for.
func did(op *history.Op) string {
	m := op.More
	if m == nil {
		m = &history.More{}
	}
	switch op.Kind {
	case history.Write:
		if m.ToAbsent {
			return fmt.Sprintf("wrote nothing to %q", op.Key)
		}
		return fmt.Sprintf("wrote %q = %q", op.Key, op.Value) + until(m)
	case history.Append:
		if m.Head {
			return fmt.Sprintf("pushed %q to the head of %q", op.Value, op.Key)
		}
		return fmt.Sprintf("appended %q to %q", op.Value, op.Key)
	case history.CAS:
		from, to := fmt.Sprintf("%q", m.Expect), fmt.Sprintf("%q", op.Value)
		if m.ExpectAbsent {
			from = "nothing"
		}
		if m.ToAbsent {
			to = "nothing"
		}
		return fmt.Sprintf("set %q from %s to %s", op.Key, from, to)
	case history.ListRemove:
		switch {
		case m.Index > 0:
			return fmt.Sprintf("removed the first %d of %q from list %q", m.Index, op.Value, op.Key)
		case m.Index < 0:
			return fmt.Sprintf("removed the last %d of %q from list %q", -m.Index, op.Value, op.Key)
		}
		return fmt.Sprintf("removed all %q from list %q", op.Value, op.Key)
	case history.SortedPop:
		which := "highest"
		if m.Head {
			which = "lowest"
		}
		return fmt.Sprintf("popped the %s member of sorted set %q", which, op.Key)
	case history.StreamAdd:
		id := ""
		if m.Entry != "" && m.Entry != "*" {
			id = m.Entry + " "
		}
		return fmt.Sprintf("added entry %s(%q = %q) to stream %q", id, m.Field, op.Value, op.Key)
	case history.Expire:
		return fmt.Sprintf("set a deadline for %q", op.Key) + until(m)
	}
	if int(op.Kind) < len(asked) && asked[op.Kind] != "" {
		return words(op, m).Replace(asked[op.Kind])
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
