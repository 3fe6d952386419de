package linear

import (
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
)

// Found is what was read of one key after a crash.
type Found struct {
	body string
	ttl  time.Duration
	// deadline is when it expires; 0: nobody knows, or it does not.
	deadline time.Duration
	// groups: a stream's groups were read as well.
	groups bool
	to     time.Duration // when it had been read
}

// Slack is how far a deadline on the server's clock, which counts milliseconds,
// may be from the history's.
const Slack = 2 * time.Millisecond

// FoundIn is what a state holds of a key; kv is nil when it is not there.
func FoundIn(kv *history.KV, s *history.State) Found {
	f := Found{to: max(s.Began, s.At)}
	if kv != nil {
		f.body, f.ttl, f.deadline, f.groups = bodyOf(kv), kv.TTL, kv.Deadline, kv.GroupsRead
	}
	return f
}

// Load is an observed key as the state that a life begins with. Where only the
// time that it has left was read, its deadline may be earlier by as long as that took.
func Load(kv *history.KV, s *history.State) string {
	switch {
	case kv.Deadline != 0:
		return join(kv.Deadline, bodyOf(kv))
	case kv.TTL == 0:
		return bodyOf(kv)
	}
	return join(max(s.Began, s.At)+kv.TTL, bodyOf(kv))
}

func bodyOf(kv *history.KV) string { return TypeOfValue(kv).load(kv) }

func loadStream(kv *history.KV) string {
	s := stream{last: noEntry}
	later := func(id string) {
		if compareIDs(id, s.last) > 0 {
			s.last = id
		}
	}
	for i := 0; i+2 < len(kv.List); i += 3 {
		s.entries = append(s.entries, entry{fullID(kv.List[i]), kv.List[i+1], kv.List[i+2]})
		later(fullID(kv.List[i]))
	}
	for i := range kv.Groups {
		g := &kv.Groups[i]
		loaded := group{name: g.Name, last: fullID(g.Last)}
		for k := 0; k+1 < len(g.Pending); k += 2 {
			loaded.pending = append(loaded.pending, delivery{fullID(g.Pending[k]), g.Pending[k+1]})
			later(fullID(g.Pending[k]))
		}
		later(loaded.last)
		s.groups = append(s.groups, loaded)
	}
	return s.pack()
}

// in reports whether a key in the given state at the cut could be read so
// later. Until then only its time may have run out.
func (f *Found) in(state string) bool {
	deadline, body := split(state)
	if f.body == absent {
		return body == absent || deadline != 0 && deadline <= f.to+Slack
	}
	// How long it has left is not compared: the server that was read may run at
	// another time than the history did.
	if f.deadline != 0 && (f.deadline-deadline).Abs() > Slack {
		return false
	}
	return body != absent && f.sameBody(body) && (f.ttl == 0) == (deadline == 0)
}

func (f *Found) sameBody(body string) bool {
	if f.body == body {
		return true
	}
	if !strings.HasPrefix(f.body, string(typeStream)) || body[0] != typeStream {
		return false
	}
	// The last ID of a stream is not read, and its groups may not have been.
	a, b := unpackStream(f.body), unpackStream(body)
	same := func(x, y group) bool {
		return x.name == y.name && x.last == y.last && slices.Equal(x.pending, y.pending)
	}
	return slices.Equal(a.entries, b.entries) && (!f.groups || slices.EqualFunc(a.groups, b.groups, same))
}
