package history

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The fields of an operation that only some kinds have, as bits of what it has and may have.
const (
	hasValue = 1 << iota
	hasAbsent
	hasResult
	hasExpect
	hasValues
	hasParts
	hasDeadline
	hasReplaced
	hasField
	hasScore
	hasHead
	hasIndex
	hasTo
	hasToHead
	hasEntry
	hasGroup
	hasConsumer
	hasExpectAbsent
	hasToAbsent
	hasEvicted
)

// fieldNames are their names in history files, in the order of the bits.
var fieldNames = [...]string{"value", "absent", "result", "expect", "values", "parts", "deadline", "replaced", "field",
	"score", "head", "index", "to", "to-head", "entry", "group", "consumer", "expect-absent", "to-absent", "evicted"}

// fields are those that op has, with anything in them.
func (o *Op) fields() (has int) {
	add := func(is bool, field int) {
		if is {
			has |= field
		}
	}
	add(o.Value != "", hasValue)
	add(o.Absent, hasAbsent)
	m := o.More
	if m == nil {
		return has
	}
	add(m.Result != "", hasResult)
	add(m.Expect != "", hasExpect)
	add(m.Values != nil, hasValues)
	add(m.Parts != nil, hasParts)
	add(m.Deadline != 0, hasDeadline)
	add(m.HasReplaced, hasReplaced)
	add(m.Field != "", hasField)
	add(m.Score != "", hasScore)
	add(m.Head, hasHead)
	add(m.Index != 0, hasIndex)
	add(m.To != "", hasTo)
	add(m.ToHead, hasToHead)
	add(m.Entry != "", hasEntry)
	add(m.Group != "", hasGroup)
	add(m.Consumer != "", hasConsumer)
	add(m.ExpectAbsent, hasExpectAbsent)
	add(m.ToAbsent, hasToAbsent)
	add(m.Evicted, hasEvicted)
	return has
}

// sound reports what no operation of its kind has: a field that means nothing there, which
// may have been meant for another, and a form that nothing could reply.
func (o *Op) sound() error {
	row := &kindRows[o.Kind]
	if wrong := o.fields() &^ row.fields; wrong != 0 {
		var names, may []string
		for i, name := range fieldNames {
			if wrong>>i&1 == 1 {
				names = append(names, strconv.Quote(name))
			}
			if row.fields>>i&1 == 1 {
				may = append(may, strconv.Quote(name))
			}
		}
		return fmt.Errorf("operation %q has no %s; besides what all have it may have %s",
			row.word, strings.Join(names, ", "), strings.Join(may, ", "))
	}
	m := o.More
	if m == nil {
		return nil
	}
	if row.turn != nil && len(m.Values)%len(row.turn) != 0 {
		return fmt.Errorf("\"values\" of %q are %s in turn, and there are %d", row.word, strings.Join(row.turn, ", "), len(m.Values))
	}
	for i, name := range row.turn {
		for ; i < len(m.Values); i += len(row.turn) {
			if err := wellFormed(name, m.Values[i]); err != nil {
				return err
			}
		}
	}
	if m.Score != "" {
		return wellFormed("score", m.Score)
	}
	return nil
}

// wellFormed reports what cannot be a score or an entry's ID.
func wellFormed(what, text string) error {
	switch what {
	case "score":
		if f, err := strconv.ParseFloat(text, 64); err != nil && !math.IsInf(f, 0) {
			return fmt.Errorf("score %q: want a number", text)
		}
	case "ID":
		ms, seq, found := strings.Cut(text, "-")
		_, err := strconv.ParseUint(ms, 10, 64)
		if _, err2 := strconv.ParseUint(seq, 10, 64); err != nil || !found || err2 != nil {
			return fmt.Errorf("ID %q: want MILLISECONDS-NUMBER", text)
		}
	}
	return nil
}
