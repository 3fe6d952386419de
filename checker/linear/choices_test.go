package linear

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
)

// TestWhatIsFoundDoesNotTakeAnIDAway: whether the replies have an order does not hang on what
// was found after the crash. An addition that nobody answered has made another one's ID too
// small, so the server chose one that is at least as large; that the state has an entry of
// that ID, which is another's, is no reason to think that it did not.
func TestWhatIsFoundDoesNotTakeAnIDAway(t *testing.T) {
	add := func(id, value string, more history.More) *history.Op {
		more.Entry, more.Field, more.Offset = id, "f", history.NoOffset
		return &history.Op{Kind: history.StreamAdd, Key: "a", Value: value, Outcome: history.OK, More: &more}
	}
	entries := func(flat ...string) Found {
		return FoundIn(&history.KV{Key: "a", Type: "stream", List: flat}, &history.State{})
	}
	read := &history.Op{Kind: history.ReadStream, Key: "a", Outcome: history.OK, More: &history.More{Values: []string{"1-0", "f", "1", "2-0", "f", "2"}}}
	tooSmall := add("2-0", "3", history.More{Err: "ERR The ID specified in XADD is equal or smaller than the target stream top item"})
	refused := &history.Op{Kind: history.Txn, Outcome: history.OK, More: &history.More{Parts: []history.Op{*tooSmall}}}
	unanswered := add("*", "2", history.More{})
	unanswered.Outcome = history.Unknown
	for _, tc := range []struct {
		name  string
		ops   []*history.Op
		found []string
		want  Answer
	}{
		{"nothing found", []*history.Op{add("1-0", "1", history.More{}), unanswered, refused}, nil, Yes},
		{"its ID found with another's value", []*history.Op{add("1-0", "1", history.More{}), unanswered, refused}, []string{"1-0", "f", "1", "2-0", "f", "3"}, Yes},
		{"the same, and it was read before", []*history.Op{add("1-0", "1", history.More{}), unanswered, read}, []string{"1-0", "f", "1", "2-0", "f", "3"}, Yes},
		{"a read that has another's value", []*history.Op{add("1-0", "1", history.More{}), unanswered, {Kind: read.Kind, Key: "a", Outcome: history.OK, More: &history.More{Values: []string{"2-0", "f", "3"}}}}, nil, No},
		{"nobody made it too small", []*history.Op{add("1-0", "1", history.More{}), refused}, []string{"1-0", "f", "1", "2-0", "f", "3"}, No},
	} {
		p := &Problem{Keys: []Key{{Name: "a", Initial: absent}}, Crash: 100}
		if tc.found != nil {
			p.Keys[0].Found = entries(tc.found...)
		}
		for i, op := range tc.ops {
			o := *op
			o.ID, o.Invoke, o.Return = i, time.Duration(10*i), history.Never
			if o.Outcome == history.OK {
				o.Return = o.Invoke + 1
			}
			p.Ops = append(p.Ops, &o)
		}
		require.Equal(t, tc.want, p.Check(Limits{}), tc.name)
	}
}
