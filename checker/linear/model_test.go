package linear

import (
	"bytes"
	"cmp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
)

func ok(kind history.Kind, value string, m *history.More) *history.Op {
	return &history.Op{Kind: kind, Key: "k", Value: value, Outcome: history.OK, Return: 1, More: m}
}

func nothing(kind history.Kind, m *history.More) *history.Op {
	op := ok(kind, "", m)
	op.Absent = true
	return op
}

// TestModels runs operations on each model one after another; the last one's
// reply is wrong when fits is false.
func TestModels(t *testing.T) {
	type more = history.More
	list := func(v ...string) *more { return &more{Values: v} }
	result := func(r string) *more { return &more{Result: r} }
	for _, tc := range []struct {
		name  string
		model *Model
		ops   []*history.Op
		fits  bool
	}{
		{"a missing key reads as nothing", Register, []*history.Op{nothing(history.Read, nil)}, true},
		{"a missing key has no value", Register, []*history.Op{ok(history.Read, "", nil)}, false},
		{"an empty string is there", Register, []*history.Op{ok(history.Write, "", nil), ok(history.Read, "", nil)}, true},
		{"an empty string is not nothing", Register, []*history.Op{ok(history.Write, "", nil), nothing(history.Read, nil)}, false},
		{"deleted", Register, []*history.Op{ok(history.Write, "1", nil), ok(history.Delete, "", nil), nothing(history.Read, nil)}, true},
		{"a delete that deleted nothing", Register, []*history.Op{ok(history.Write, "1", nil), ok(history.Delete, "", result("0"))}, false},
		{"compare and set", Register, []*history.Op{ok(history.Write, "1", nil), ok(history.CAS, "2", &more{Expect: "1", Result: "1"}), ok(history.Read, "2", nil)}, true},
		{"compare and set, another value", Register, []*history.Op{ok(history.Write, "1", nil), ok(history.CAS, "2", &more{Expect: "3", Result: "1"})}, false},
		{"compare and set refused for no reason", Register, []*history.Op{ok(history.Write, "1", nil), ok(history.CAS, "2", &more{Expect: "1", Result: "0"})}, false},
		{"set returns what it replaced", Register, []*history.Op{ok(history.Write, "1", nil), ok(history.Write, "2", &more{HasReplaced: true, Replaced: "1"})}, true},
		{"set returns something else", Register, []*history.Op{ok(history.Write, "1", nil), ok(history.Write, "2", &more{HasReplaced: true, Replaced: "3"})}, false},
		{"counter", Register, []*history.Op{ok(history.Incr, "2", result("2")), ok(history.Incr, "-3", result("-1"))}, true},
		{"counter, wrong sum", Register, []*history.Op{ok(history.Incr, "2", result("2")), ok(history.Incr, "3", result("3"))}, false},
		{"counter on text", Register, []*history.Op{ok(history.Write, "x", nil), ok(history.Incr, "3", result("3"))}, false},
		{"append to a string", Register, []*history.Op{ok(history.Append, "ab", result("2")), ok(history.Append, "c", result("3")), ok(history.Read, "abc", nil)}, true},
		{"list", List, []*history.Op{ok(history.Append, "a", result("1")), ok(history.Append, "b", &more{Result: "2", Head: true}), ok(history.ReadList, "", list("b", "a"))}, true},
		{"list, wrong length", List, []*history.Op{ok(history.Append, "a", result("2"))}, false},
		{"elements that look alike", List, []*history.Op{ok(history.Append, "1:a", nil), ok(history.ReadList, "", list("1", "a"))}, false},
		{"queue", List, []*history.Op{ok(history.Append, "a", nil), ok(history.Append, "b", nil), ok(history.Pop, "", &more{Head: true, Result: "a"}), ok(history.Pop, "", result("b")), nothing(history.Pop, nil)}, true},
		{"queue, wrong end", List, []*history.Op{ok(history.Append, "a", nil), ok(history.Append, "b", nil), ok(history.Pop, "", &more{Head: true, Result: "b"})}, false},
		{"popped from nothing", List, []*history.Op{ok(history.Pop, "", result("a"))}, false},
		{"found nothing in a list that has one", List, []*history.Op{ok(history.Append, "a", nil), nothing(history.Pop, nil)}, false},
		{"set", Set, []*history.Op{ok(history.SetAdd, "b", result("1")), ok(history.SetAdd, "a", nil), ok(history.SetAdd, "b", result("0")), ok(history.ReadSet, "", list("a", "b"))}, true},
		{"set, removed", Set, []*history.Op{ok(history.SetAdd, "a", nil), ok(history.SetRemove, "a", result("1")), ok(history.ReadSet, "", list())}, true},
		{"set, removed twice", Set, []*history.Op{ok(history.SetAdd, "a", nil), ok(history.SetRemove, "a", nil), ok(history.SetRemove, "a", result("1"))}, false},
		{"hash", Hash, []*history.Op{ok(history.HashSet, "1", &more{Field: "f"}), ok(history.HashSet, "2", &more{Field: "e"}), ok(history.HashSet, "3", &more{Field: "f"}), ok(history.ReadHash, "", list("e", "2", "f", "3"))}, true},
		{"hash, removed", Hash, []*history.Op{ok(history.HashSet, "1", &more{Field: "f"}), ok(history.HashRemove, "", &more{Field: "f"}), ok(history.ReadHash, "", list())}, true},
		{"hash, old value", Hash, []*history.Op{ok(history.HashSet, "1", &more{Field: "f"}), ok(history.HashSet, "3", &more{Field: "f"}), ok(history.ReadHash, "", list("f", "1"))}, false},
		{"sorted set, by number", Sorted, []*history.Op{ok(history.SortedAdd, "a", &more{Score: "10"}), ok(history.SortedAdd, "b", &more{Score: "9"}), ok(history.SortedAdd, "c", &more{Score: "9"}), ok(history.ReadSorted, "", list("b", "9", "c", "9", "a", "10"))}, true},
		{"sorted set, new score", Sorted, []*history.Op{ok(history.SortedAdd, "a", &more{Score: "1"}), ok(history.SortedAdd, "a", &more{Score: "2"}), ok(history.SortedRemove, "b", nil), ok(history.ReadSorted, "", list("a", "2"))}, true},
		{"sorted set, wrong order", Sorted, []*history.Op{ok(history.SortedAdd, "a", &more{Score: "2"}), ok(history.SortedAdd, "b", &more{Score: "1"}), ok(history.ReadSorted, "", list("a", "2", "b", "1"))}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			state := ""
			for i, op := range tc.ops {
				next, fits := step(state, as(tc.model, op), true)
				if i < len(tc.ops)-1 {
					require.True(t, fits, "operation %d", i)
				} else {
					require.Equal(t, tc.fits, fits)
				}
				state = next
			}
		})
	}
}

// step is the state of a key after an operation of one key, and whether the
// operation's reply fits. An operation that is not acked has no reply; one that
// the server would have refused then has no effect.
func step(state string, op *history.Op, acked bool) (next string, fit bool) {
	next, e := apply(op.Kind, state, op, acked)
	return settle(state, next, e, op, acked)
}

// as is the operation that an Append is on a key of the model.
func as(m *Model, op *history.Op) *history.Op {
	o := *op
	if o.Kind == history.Append {
		if o.Kind = history.Push; m == Register {
			o.Kind = history.StringAppend
		}
	}
	return &o
}

// TestEveryTypeRefusesTheOthersOperations: an operation of one type of value has
// no effect on another, and its acknowledgement does not fit.
func TestEveryTypeRefusesTheOthersOperations(t *testing.T) {
	values := map[*Model]*history.KV{
		Register: {Value: "1"}, List: {List: []string{"1"}},
		Hash: {Type: "hash", List: []string{"f", "1"}}, Sorted: {Type: "zset", List: []string{"m", "1"}}, Stream: {Type: "stream", List: []string{"1-0", "f", "1"}},
	}
	for _, m := range Models() {
		if values[m] == nil {
			values[m] = &history.KV{Type: m.of, List: []string{"1"}}
		}
		require.Equal(t, m, TypeOfValue(values[m]))
		state := Load(values[m], &history.State{})
		for k := history.Read; k <= history.LastKind; k++ {
			other := TypeOf(k)
			if other == nil || other == m || k == history.Write || k == history.ListMove || k == history.Txn {
				continue
			}
			op := &history.Op{Kind: k, Value: "1", More: &history.More{Field: "f", Score: "1", Group: "g", Entry: "2-0"}}
			next, fit := step(state, op, true)
			require.False(t, fit, "%s is a %s, and %s fits", values[m].Type, m.Name, k)
			require.Equal(t, state, next)
			next, fit = step(state, op, false)
			require.True(t, fit, "%s without a reply", k)
			require.Equal(t, state, next, "%s without a reply", k)
			op.More.Err = "WRONGTYPE"
			_, fit = step(state, op, true)
			require.True(t, fit, "%s that was answered with an error", k)
		}
	}
	require.Nil(t, TypeOf(history.Append))
	require.Nil(t, TypeOf(history.Delete))
	require.Equal(t, List, TypeOf(history.Pop))
}

func at(op *history.Op, from, to time.Duration) *history.Op {
	op.Invoke, op.Return = from, to
	return op
}

func pending(op *history.Op, from time.Duration) *history.Op {
	op.Invoke, op.Return, op.Outcome = from, history.Never, history.Unknown
	return op
}

func TestAnOperationWithoutAReplyMayTakeEffectLateOrNever(t *testing.T) {
	one := func(ops ...*history.Op) Answer {
		p := Problem{Keys: []Key{{Name: "k"}}, Crash: history.Never, Ops: ops}
		return p.Check(Limits{})
	}
	early, late := pending(ok(history.Write, "1", nil), 0), pending(ok(history.Write, "1", nil), 25)
	there := func(from, to time.Duration) *history.Op { return at(ok(history.Read, "1", nil), from, to) }
	gone := func(from, to time.Duration) *history.Op { return at(nothing(history.Read, nil), from, to) }
	require.Equal(t, Yes, one(early, gone(10, 20), there(30, 40)), "late")
	require.Equal(t, Yes, one(early, gone(10, 20), gone(30, 40)), "never")
	require.Equal(t, No, one(early, there(10, 20), gone(30, 40)), "not there and gone again")
	require.Equal(t, No, one(there(10, 20), late, there(30, 40)), "not before it was invoked")
}

func TestWhatIsFoundAfterTheCrash(t *testing.T) {
	found := func(v string) Found { return FoundIn(&history.KV{Value: v}, &history.State{Began: 200, At: 200}) }
	p := Problem{Keys: []Key{{Name: "k", String: true}}, Crash: 100, Ops: []*history.Op{at(ok(history.Write, "1", nil), 10, 20), at(ok(history.Write, "2", nil), 30, 40)}}
	p.Keys[0].Found, p.Find, p.FoundFrom, p.FoundTo = found("1"), true, 100, 100
	require.Equal(t, No, p.Check(Limits{}))
	p.FoundFrom, p.FoundTo = 40, 40
	require.Equal(t, Yes, p.Check(Limits{}), "intervals are closed: the second write may come after the read")
	p.Inside = p.Ops[1]
	require.Equal(t, No, p.Check(Limits{}), "but not when it has to be inside")
	p.Keys[0].Found = found("2")
	require.Equal(t, Yes, p.Check(Limits{}))
}

// hard is a bad history in which nothing can be ruled out early.
func hard(n int) *Problem {
	p := &Problem{Keys: []Key{{Name: "k", String: true}}, Crash: history.Never}
	for i := range n {
		p.Ops = append(p.Ops, at(ok(history.Incr, []string{"1", "2", "5", "7"}[i%4], nil), time.Duration(i), 1000))
	}
	p.Ops = append(p.Ops, at(ok(history.Read, "-1", nil), 2000, 2001))
	return p
}

func TestASearchThatIsCutShortSaysUnknown(t *testing.T) {
	require.Equal(t, No, hard(6).Check(Limits{}))
	require.Equal(t, Unknown, hard(40).Check(Limits{Timeout: 30 * time.Millisecond}), "out of time")
	require.Equal(t, Unknown, hard(40).Check(Limits{Memory: 1 << 20, Timeout: time.Minute}), "out of memory")
	require.Equal(t, Unknown, hard(40).Check(Limits{Steps: 1000}), "out of steps")
	all := SearchAll([]*Problem{hard(40), hard(5)}, Limits{Steps: 1000, Workers: 2})
	require.Equal(t, Unknown, all[0].Answer)
	require.Equal(t, No, all[1].Answer)
	all = SearchAll([]*Problem{hard(5), hard(40)}, Limits{Workers: 1})
	require.True(t, all[1].Skipped, "one that is broken is enough")
	require.Empty(t, SearchAll(nil))
}

func TestPicture(t *testing.T) {
	p := hard(3)
	p.Crash, p.Find, p.FoundFrom, p.FoundTo = 3000, true, 3000, 3000
	p.Keys[0].Found = FoundIn(&history.KV{Value: "9"}, &history.State{Began: 3001})
	var page bytes.Buffer
	require.NoError(t, Picture(&page, []*Problem{p, hard(2)}, Limits{}))
	require.Contains(t, page.String(), "incrby k 5")
	require.Contains(t, page.String(), "after the crash")
	require.ErrorContains(t, Picture(&page, nil, Limits{}), "no operations")
}

func TestHowFarASearchCame(t *testing.T) {
	p := &Problem{Keys: []Key{{Name: "k"}}, Crash: history.Never, Ops: []*history.Op{
		at(ok(history.Write, "1", nil), 0, 10), at(ok(history.Read, "1", nil), 20, 30), at(ok(history.Write, "2", nil), 40, 50), at(ok(history.Read, "1", nil), 60, 70)}}
	r := p.Search(Limits{})
	require.Equal(t, No, r.Answer)
	require.Equal(t, []int{0, 1, 2}, r.Longest)
	require.Equal(t, 3, r.Stuck)
	require.Equal(t, 3, r.Explained)
	require.Equal(t, 4, r.Acked)
	core, wrong := p.Core(Limits{})
	require.Equal(t, 3, wrong, "the last reply completed the contradiction")
	require.Equal(t, []int{1, 2, 3}, core)
	r = hard(40).Search(Limits{Steps: 5000})
	require.Equal(t, Unknown, r.Answer)
	require.NotEmpty(t, r.Longest)
	require.Equal(t, 41, r.Acked)
}

func TestOrdersSayWhereTheCutCanLie(t *testing.T) {
	p := Problem{Keys: []Key{{Name: "k"}}, Crash: 100, Ops: []*history.Op{at(ok(history.Write, "1", nil), 10, 20), at(ok(history.Write, "2", nil), 30, 40)}}
	p.Keys[0].Found = FoundIn(&history.KV{Value: "1"}, &history.State{Began: 200, At: 200})
	p.Find, p.FoundFrom, p.FoundTo = true, -1, 100
	r := p.Search(Limits{})
	require.Equal(t, Yes, r.Answer)
	require.Equal(t, []bool{true, false}, r.Before)
	require.EqualValues(t, 10, r.From)
	require.EqualValues(t, 40, r.To)
	p.Outside = p.Ops[0]
	require.Equal(t, No, p.Check(Limits{}))
}

// TestStreamIDsAreOrdered: as pairs of decimal numbers, those that nobody
// saw after the one before them, whatever is no ID last.
func TestStreamIDsAreOrdered(t *testing.T) {
	ordered := []string{"", "0-0?1", "0-1", "1", "1-0?1", "1-0?2", "1-0?10", "1-1", "1-2", "1-10", "2-0", "9-99", "10-3", "99-0", "18446744073709551614-0", "a-1"}
	for i, a := range ordered {
		for k, b := range ordered {
			require.Equal(t, cmp.Compare(i, k), compareIDs(a, b), "%q and %q", a, b)
		}
	}
	for _, none := range []string{"a-0", "0-a", "1-b", "-", "a", "18446744073709551616-0"} {
		require.Zero(t, compareIDs("a-1", none), "%q is no ID", none)
	}
}

// TestAKindThatNobodyKnowsFitsNowhere.
func TestAKindThatNobodyKnowsFitsNowhere(t *testing.T) {
	for _, k := range []history.Kind{history.LastKind + 1, history.LastKind + 2, history.Txn} {
		_, e := apply(k, absent, &history.Op{Kind: k, Key: "k"}, true)
		require.Equal(t, misfits, e)
	}
}
