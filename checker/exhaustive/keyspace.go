// Package exhaustive judges a history of a few operations by trying every
// order: the judge of the judges. It shares nothing with them, the models of the
// commands included: a keyspace here is maps and slices, as one would write it
// down, and its replies are held against redis-server.
package exhaustive

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
)

// Keyspace is what a server holds.
type Keyspace struct {
	Keys map[string]*Value
	// Now is the server's clock, for deadlines.
	Now time.Duration
}

// Value is the value of a key: one of its fields is set.
type Value struct {
	Text     *string
	List     []string
	Set      map[string]bool
	Hash     map[string]string
	Scores   map[string]float64
	Stream   *Stream
	Deadline time.Duration // 0: none
}

// Stream is a stream with its groups.
type Stream struct {
	Last    ID
	Entries []Entry
	Groups  map[string]*Group
}

// Entry is an entry of one field.
type Entry struct {
	ID           ID
	Field, Value string
}

// Group is a consumer group.
type Group struct {
	Last    ID
	Pending map[ID]string // and whose it is
}

// ID is the ID of an entry. Unseen numbers the IDs that nobody knows, from 1,
// after the last one before them that is known.
type ID struct {
	MS, Seq uint64
	Unseen  int
}

func parseID(s string) ID {
	var id ID
	left, right, _ := strings.Cut(s, "-")
	id.MS, _ = strconv.ParseUint(left, 10, 64)
	id.Seq, _ = strconv.ParseUint(right, 10, 64)
	return id
}

func (id ID) String() string {
	if id.Unseen > 0 {
		return fmt.Sprintf("unseen %d after %d-%d", id.Unseen, id.MS, id.Seq)
	}
	return fmt.Sprintf("%d-%d", id.MS, id.Seq)
}

func (id ID) after(other ID) bool {
	return cmp.Or(cmp.Compare(id.MS, other.MS), cmp.Compare(id.Seq, other.Seq), cmp.Compare(id.Unseen, other.Unseen)) > 0
}

// New is an empty keyspace.
func New() *Keyspace { return &Keyspace{Keys: map[string]*Value{}} }

// Clone is a copy that shares nothing.
func (k *Keyspace) Clone() *Keyspace {
	c := &Keyspace{Keys: make(map[string]*Value, len(k.Keys)), Now: k.Now}
	for name, v := range k.Keys { // any order: a copy
		c.Keys[name] = v.clone()
	}
	return c
}

func (v *Value) clone() *Value {
	c := *v
	c.List = slices.Clone(v.List)
	c.Set, c.Hash, c.Scores = maps.Clone(v.Set), maps.Clone(v.Hash), maps.Clone(v.Scores)
	if v.Stream != nil {
		s := &Stream{Last: v.Stream.Last, Entries: slices.Clone(v.Stream.Entries), Groups: map[string]*Group{}}
		for name, g := range v.Stream.Groups { // any order: a copy
			s.Groups[name] = &Group{Last: g.Last, Pending: maps.Clone(g.Pending)}
		}
		c.Stream = s
	}
	return &c
}

// Pass lets time pass: what expires is gone.
func (k *Keyspace) Pass(now time.Duration) {
	k.Now = max(k.Now, now)
	for name, v := range k.Keys { // any order: each by itself
		if v.Deadline != 0 && v.Deadline <= k.Now {
			delete(k.Keys, name)
		}
	}
}

// String says all that there is, sorted.
func (k *Keyspace) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(k.Keys)) {
		fmt.Fprintf(&b, "%q: %s; ", name, k.Keys[name])
	}
	return b.String()
}

// String is the value, in one way for each value.
func (v *Value) String() string {
	var b strings.Builder
	switch {
	case v.Text != nil:
		fmt.Fprintf(&b, "%q", *v.Text)
	case v.Set != nil:
		fmt.Fprintf(&b, "set %q", slices.Sorted(maps.Keys(v.Set)))
	case v.Hash != nil:
		fmt.Fprintf(&b, "hash %q", v.fields())
	case v.Scores != nil:
		fmt.Fprintf(&b, "sorted %q", v.ranked())
	case v.Stream != nil:
		fmt.Fprintf(&b, "stream %v %v", v.Stream.Last, v.Stream.Entries)
		for _, name := range slices.Sorted(maps.Keys(v.Stream.Groups)) {
			g := v.Stream.Groups[name]
			fmt.Fprintf(&b, " group %q %v %q", name, g.Last, g.pending())
		}
	default:
		fmt.Fprintf(&b, "list %q", v.List)
	}
	if v.Deadline != 0 {
		fmt.Fprintf(&b, " until %s", v.Deadline)
	}
	return b.String()
}

// fields are the fields and values of a hash in turn, sorted.
func (v *Value) fields() []string {
	var flat []string
	for _, f := range slices.Sorted(maps.Keys(v.Hash)) {
		flat = append(flat, f, v.Hash[f])
	}
	return flat
}

// ranked are the members and scores of a sorted set in turn, in order.
func (v *Value) ranked() []string {
	var flat []string
	for _, m := range v.members() {
		flat = append(flat, m, formatScore(v.Scores[m]))
	}
	return flat
}

func (v *Value) members() []string {
	members := slices.Sorted(maps.Keys(v.Scores))
	sort.SliceStable(members, func(i, j int) bool { return v.Scores[members[i]] < v.Scores[members[j]] })
	return members
}

func formatScore(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.FormatInt(int64(f), 10)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func (s *Stream) flat() []string {
	var flat []string
	for _, e := range s.Entries {
		flat = append(flat, e.ID.String(), e.Field, e.Value)
	}
	return flat
}

func (g *Group) pending() []string {
	ids := make([]ID, 0, len(g.Pending))
	for id := range g.Pending { // any order: sorted below
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool { return ids[j].after(ids[i]) })
	var flat []string
	for _, id := range ids {
		flat = append(flat, id.String(), g.Pending[id])
	}
	return flat
}

// KVs is the keyspace as it is read after a restart.
func (k *Keyspace) KVs() []history.KV {
	var kvs []history.KV
	for _, name := range slices.Sorted(maps.Keys(k.Keys)) {
		v := k.Keys[name]
		kv := history.KV{Key: name}
		switch {
		case v.Text != nil:
			kv.Value = *v.Text
		case v.Set != nil:
			kv.Type, kv.List = "set", slices.Sorted(maps.Keys(v.Set))
		case v.Hash != nil:
			kv.Type, kv.List = "hash", v.fields()
		case v.Scores != nil:
			kv.Type, kv.List = "zset", v.ranked()
		case v.Stream != nil:
			kv.Type, kv.List, kv.GroupsRead = "stream", v.Stream.flat(), true
			if kv.List == nil {
				kv.List = []string{}
			}
			for _, name := range slices.Sorted(maps.Keys(v.Stream.Groups)) {
				g := v.Stream.Groups[name]
				kv.Groups = append(kv.Groups, history.Group{Name: name, Last: g.Last.String(), Pending: g.pending()})
			}
		default:
			kv.List = slices.Clone(v.List)
		}
		if v.Deadline != 0 {
			kv.TTL, kv.Deadline = v.Deadline-k.Now, v.Deadline
		}
		kvs = append(kvs, kv)
	}
	return kvs
}

func parseScore(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return f
}
