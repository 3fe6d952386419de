package linear

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/torntail/torntail/checker/history"
)

// stream is the value of a stream. As a state it is packed: the last ID, how
// many entries there are and how many groups, each entry's ID, field and value,
// and of each group the name, the ID delivered last, how many entries are
// pending, and each of these with its consumer.
type stream struct {
	last    string
	entries []entry
	groups  []group
}

type entry struct{ id, field, value string }

type group struct {
	name, last string
	pending    []delivery
}

type delivery struct{ id, consumer string }

// applyStream are the operations of a stream. (redis 7.0.15 t_stream.c)
func applyStream(kind history.Kind, body string, op *history.Op, m *history.More, acked bool) (string, effect) {
	if body != absent && body[0] != typeStream {
		return body, refused
	}
	if kind == history.StreamAdd {
		if next, e, ok := addToTail(body, op, m, acked); ok {
			return next, e
		}
	}
	s := unpackStream(body)
	switch kind {
	case history.ReadStream:
		return body, when(!acked || slices.Equal(m.Values, s.flat()))
	case history.StreamAdd:
		id, ok := idOf(m, acked, s.last)
		if !ok {
			return body, refused
		}
		s.entries = append(s.entries, entry{id, m.Field, op.Value})
		s.last = id
		return s.pack(), when(!acked || m.Result == "" || fullID(m.Result) == id)
	case history.StreamRemove:
		i := slices.IndexFunc(s.entries, func(e entry) bool { return e.id == fullID(m.Entry) })
		e := answered(acked, m.Result, digit(i >= 0))
		if i < 0 {
			return body, e
		}
		s.entries = slices.Delete(s.entries, i, i+1)
		return s.pack(), e
	case history.GroupCreate:
		if slices.ContainsFunc(s.groups, func(g group) bool { return g.name == m.Group }) {
			return body, refused // BUSYGROUP
		}
		from := s.last
		if m.Entry != "$" {
			from = fullID(m.Entry)
		}
		i, _ := slices.BinarySearchFunc(s.groups, m.Group, func(g group, name string) int { return cmp.Compare(g.name, name) })
		s.groups = slices.Insert(s.groups, i, group{name: m.Group, last: from})
		return s.pack(), fits
	case history.GroupAck:
		g := s.group(m.Group)
		i := -1
		if g != nil {
			i = slices.IndexFunc(g.pending, func(d delivery) bool { return d.id == fullID(m.Entry) })
		}
		e := answered(acked, m.Result, digit(i >= 0))
		if i < 0 {
			return body, e
		}
		g.pending = slices.Delete(g.pending, i, i+1)
		return s.pack(), e
	}
	g := s.group(m.Group)
	if g == nil {
		return body, refused // NOGROUP
	}
	if kind == history.ReadPending {
		return body, when(!acked || slices.Equal(m.Values, g.flat()))
	}
	// history.GroupRead
	var got []string
	for _, e := range s.entries {
		if compareIDs(e.id, g.last) <= 0 || m.Index > 0 && int64(len(got)) == 3*m.Index {
			continue
		}
		got = append(got, e.id, e.field, e.value)
	}
	for i := 0; i < len(got); i += 3 {
		g.last = got[i]
		g.deliver(got[i], m.Consumer)
	}
	return s.pack(), when(!acked || slices.Equal(m.Values, got))
}

// addToTail is StreamAdd to a stream without groups, without taking it apart; ok
// is false when it has some.
func addToTail(body string, op *history.Op, m *history.More, acked bool) (next string, e effect, ok bool) {
	last, entries, rest := noEntry, 0, ""
	if body != absent {
		words := [3]string{}
		rest = body[1:]
		for i := range words {
			words[i], rest = nextItem(rest)
		}
		if words[2] != "0" {
			return "", 0, false
		}
		last = words[0]
		entries, _ = strconv.Atoi(words[1])
	}
	id, ok := idOf(m, acked, last)
	if !ok {
		return body, refused, true
	}
	last = id
	b := make([]byte, 0, len(rest)+len(last)+len(id)+len(m.Field)+len(op.Value)+40)
	b = append(b, typeStream)
	for _, s := range [3]string{last, strconv.Itoa(entries + 1), "0"} {
		b = appendItem(b, s)
	}
	b = append(b, rest...)
	for _, s := range [3]string{id, m.Field, op.Value} {
		b = appendItem(b, s)
	}
	return string(b), when(!acked || m.Result == "" || fullID(m.Result) == id), true
}

func (s *stream) group(name string) *group {
	for i := range s.groups {
		if s.groups[i].name == name {
			return &s.groups[i]
		}
	}
	return nil
}

// deliver makes an entry pending for a consumer, taking it over from another.
func (g *group) deliver(id, consumer string) {
	i, there := slices.BinarySearchFunc(g.pending, id, func(d delivery, id string) int { return compareIDs(d.id, id) })
	if there {
		g.pending[i].consumer = consumer
		return
	}
	g.pending = slices.Insert(g.pending, i, delivery{id, consumer})
}

func (s *stream) flat() []string {
	var flat []string
	for _, e := range s.entries {
		flat = append(flat, e.id, e.field, e.value)
	}
	return flat
}

func (g *group) flat() []string {
	var flat []string
	for _, d := range g.pending {
		flat = append(flat, d.id, d.consumer)
	}
	return flat
}

// unnamed marks the ID of an entry that nobody answered for and nobody saw: the
// server chose one, and all that matters is that it comes after the IDs before it
// and before those after it. "5-0?2" is the second such after 5-0.
const unnamed = "?"

// unnamedAfter is the next such ID after the last one of a stream.
func unnamedAfter(last string) string {
	id, count, _ := strings.Cut(last, unnamed)
	n, _ := strconv.Atoi(count)
	return id + unnamed + strconv.Itoa(n+1)
}

// idOf is the ID that an entry gets; last is the stream's last one. ok is false
// when the server refuses it.
func idOf(m *history.More, acked bool, last string) (id string, ok bool) {
	switch {
	case m.Entry != "" && m.Entry != "*":
		id = fullID(m.Entry)
	case acked && m.Result != "":
		id = fullID(m.Result)
	default:
		return unnamedAfter(last), true
	}
	return id, compareIDs(id, last) > 0
}

// fullID is an ID with its sequence number: "5" is "5-0".
func fullID(id string) string {
	if id == "" || strings.ContainsRune(id, '-') {
		return id
	}
	return id + "-0"
}

// compareIDs compares two IDs as the pairs of numbers that they are, and unnamed
// ones after the same ID by their count. What is no ID comes after all that are.
func compareIDs(a, b string) int {
	a, aCount, _ := strings.Cut(a, unnamed)
	b, bCount, _ := strings.Cut(b, unnamed)
	a1, a2 := parseID(a)
	b1, b2 := parseID(b)
	if order := cmp.Or(cmp.Compare(a1, b1), cmp.Compare(a2, b2)); order != 0 || aCount == bCount {
		return order
	}
	aNumber, _ := strconv.Atoi(aCount)
	bNumber, _ := strconv.Atoi(bCount)
	return cmp.Compare(aNumber, bNumber)
}

func parseID(id string) (ms, seq uint64) {
	if id == "" {
		return 0, 0
	}
	left, right, _ := strings.Cut(id, "-")
	ms, err := strconv.ParseUint(left, 10, 64)
	if err != nil {
		return math.MaxUint64, math.MaxUint64
	}
	seq, err = strconv.ParseUint(right, 10, 64)
	if err != nil && right != "" {
		return math.MaxUint64, math.MaxUint64
	}
	return ms, seq
}

const noEntry = "0-0"

func unpackStream(body string) stream {
	s := stream{last: noEntry}
	if body == absent {
		return s
	}
	words, _ := unpack(typeStream, body)
	take := func() string {
		w := words[0]
		words = words[1:]
		return w
	}
	number := func() int {
		n, _ := strconv.Atoi(take())
		return n
	}
	s.last = take()
	entries, groups := number(), number()
	for range entries {
		s.entries = append(s.entries, entry{take(), take(), take()})
	}
	for range groups {
		g := group{name: take(), last: take()}
		for range number() {
			g.pending = append(g.pending, delivery{take(), take()})
		}
		s.groups = append(s.groups, g)
	}
	return s
}

// pack is the stream as a state. Without entries it is still there.
func (s *stream) pack() string {
	words := []string{s.last, strconv.Itoa(len(s.entries)), strconv.Itoa(len(s.groups))}
	words = append(words, s.flat()...)
	for i := range s.groups {
		g := &s.groups[i]
		words = append(words, g.name, g.last, strconv.Itoa(len(g.pending)))
		words = append(words, g.flat()...)
	}
	return pack(typeStream, words)
}
