package keyspace_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/engine/rdb"
)

// picture is all that a stream is made of, as text: the commands that rebuild it
// and its form in a snapshot.
func picture(o *keyspace.Object) string {
	var b strings.Builder
	o.Rebuild([]byte("k"), func(argv [][]byte) { fmt.Fprintf(&b, "%q\n", argv) })
	fmt.Fprintf(&b, "%q", o.Dump(false))
	return b.String()
}

// drawStreamID draws one of few.
func drawStreamID(t *rapid.T) keyspace.StreamID {
	return keyspace.StreamID{Ms: uint64(rapid.IntRange(0, 60).Draw(t, "ms")), Seq: uint64(rapid.IntRange(0, 2).Draw(t, "seq"))}
}

// changeStream changes a stream in some way.
func changeStream(t *rapid.T, s *keyspace.EntryLog) {
	name := []byte(rapid.SampledFrom([]string{"g", "h"}).Draw(t, "group"))
	consumer := []byte(rapid.SampledFrom([]string{"alice", "bob"}).Draw(t, "consumer"))
	g := s.EditGroup(name)
	switch what := rapid.IntRange(0, 19).Draw(t, "what"); {
	case what < 8:
		id, _ := s.Last.Next()
		if rapid.Bool().Draw(t, "later") {
			id = keyspace.StreamID{Ms: id.Ms + 1}
		}
		fields := [][]byte{[]byte("f"), []byte("v")}
		for range rapid.IntRange(0, 2).Draw(t, "fields") {
			fields = append(fields, []byte("g"), []byte(strings.Repeat("w", rapid.IntRange(0, 90).Draw(t, "length"))))
		}
		s.Append(id, fields)
	case what < 10:
		s.Delete([]keyspace.StreamID{drawStreamID(t), drawStreamID(t), {Ms: s.Last.Ms}})
	case what == 10:
		s.Trim(&keyspace.Trim{MaxLen: max(s.Len()-rapid.IntRange(0, 4).Draw(t, "fewer"), 0), Whole: rapid.Bool().Draw(t, "whole")})
	case what == 11:
		s.Trim(&keyspace.Trim{ByID: true, MinID: drawStreamID(t), Limit: rapid.IntRange(0, 5).Draw(t, "limit")})
	case g == nil:
		s.NewGroup(name, drawStreamID(t), keyspace.UnknownRead)
	case what == 12:
		s.DropGroup(name)
	case what == 13:
		g.DropConsumer(consumer)
	case what == 14:
		g.Drop(drawStreamID(t))
	default:
		g.NewConsumer(consumer, 5)
		for range rapid.SampledFrom([]int{1, 2, 150}).Draw(t, "pending") {
			g.Set(keyspace.Pending{ID: drawStreamID(t), Consumer: string(consumer), DeliveredMs: 7, Deliveries: 1})
		}
	}
}

// Whatever becomes of a stream, a snapshot shows what there was when it was
// taken, a copy what there was when it was made, and its forms are read back as
// they were written.
func TestSnapshotsAndCopiesOfStreams(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limits := keyspace.Limits{StreamNode: int64(rapid.IntRange(0, 4).Draw(rt, "entries")), StreamBytes: int64(rapid.SampledFrom([]int{0, 100, 4096}).Draw(rt, "bytes"))}
		ks := keyspace.New()
		ks.SetLimits(&limits)
		db := ks.DB(0)
		key, copied := []byte("k"), []byte("copy")
		db.NewStream(key)
		type frozen struct {
			s    *keyspace.Snapshot
			want map[string]string
		}
		var snaps []frozen
		now := map[string]string{"k": picture(db.Get(key))}
		for range rapid.IntRange(1, 120).Draw(rt, "steps") {
			switch rapid.IntRange(0, 20).Draw(rt, "step") {
			case 0:
				f := frozen{s: ks.Snapshot(), want: map[string]string{}}
				for k, v := range now {
					f.want[k] = v
				}
				snaps = append(snaps, f)
			case 1:
				if len(snaps) > 0 {
					snaps[0].s.Release()
					snaps = snaps[1:]
				}
			case 2:
				db.Set(copied, ks.Clone(db.Get(key)))
				now["copy"] = picture(db.Get(copied))
				require.Equal(rt, now["k"], now["copy"])
			case 3, 4, 5:
				if s := db.EditStream(copied); s != nil {
					changeStream(rt, s)
					now["copy"] = picture(db.Get(copied))
				}
			default:
				changeStream(rt, db.EditStream(key))
				now["k"] = picture(db.Get(key))
			}
		}
		for k, want := range now {
			require.Equal(rt, want, picture(db.Get([]byte(k))))
		}
		for _, f := range snaps {
			got := map[string]string{}
			_ = f.s.Each(func(_ int, key string, o *keyspace.Object, _ int64) error {
				got[key] = picture(o)
				return nil
			})
			require.Equal(rt, f.want, got)
		}
		payload := db.Get(key).Dump(false)
		d, kind, err := rdb.OpenPayload(payload)
		require.NoError(rt, err)
		o := keyspace.LoadObject(d, kind, &limits)
		require.NoError(rt, d.Err())
		require.Equal(rt, now["k"], picture(&o))
	})
}

// streamForm is a stream of three entries, one of them deleted, with a group, in
// the form of a type, without it.
func streamForm(kind byte) []byte {
	node := "\x02\x01\x01\x01" + // two entries, one deleted; the first one's fields: one
		"\x01\x01\x81f\x02\x00\x01" + // "f"
		"\x02\x01\x00\x01\x00\x01\x81v\x02\x04\x01" + // 5-1, the same field
		"\x03\x01\x00\x01\x01\x01\x81w\x02\x04\x01" + // 5-2, deleted
		"\x00\x01\x02\x01\x00\x01\x01\x01\x81g\x02\x81x\x02\x06\x01" // 7-1, another field
	pack := string([]byte{byte(6 + len(node) + 1), 0, 0, 0, 22, 0}) + node + "\xff"
	id := func(ms, seq byte) string {
		return strings.Repeat("\x00", 7) + string(ms) + strings.Repeat("\x00", 7) + string(seq)
	}
	form := "\x01\x10" + id(5, 1) + string(rune(len(pack))) + pack + "\x02\x07\x01"
	if kind != rdb.TypeStream {
		form += "\x05\x01\x05\x02\x04" // first, highest deleted, four entries ever
	}
	form += "\x01\x01g\x05\x02" // a group that has come to 5-2
	if kind != rdb.TypeStream {
		form += "\x02" // entries read
	}
	form += "\x01" + id(5, 1) + "\x10\x00\x00\x00\x00\x00\x00\x00\x03" // pending since 16, delivered three times
	form += "\x01\x05alice\x20\x00\x00\x00\x00\x00\x00\x00"            // seen at 32
	if kind == rdb.TypeStream3 {
		form += "\x30\x00\x00\x00\x00\x00\x00\x00"
	}
	return []byte(form + "\x01" + id(5, 1))
}

var streamKinds = []byte{rdb.TypeStream, rdb.TypeStream2, rdb.TypeStream3}

func TestFormsOfStreams(t *testing.T) {
	const rest = `["XADD" "k" "5-1" "f" "v"]
["XADD" "k" "7-1" "g" "x"]
["XSETID" "k" "7-1" "ENTRIESADDED" %s]
["XGROUP" "CREATE" "k" "g" "5-2" "ENTRIESREAD" %s]
["XCLAIM" "k" "g" "alice" "0" "5-1" "TIME" "16" "RETRYCOUNT" "3" "JUSTID" "FORCE"]
`
	for kind, want := range map[byte]string{
		rdb.TypeStream:  fmt.Sprintf(rest, `"2" "MAXDELETEDID" "0-0"`, `"-1"`),
		rdb.TypeStream2: fmt.Sprintf(rest, `"4" "MAXDELETEDID" "5-2"`, `"2"`),
		rdb.TypeStream3: fmt.Sprintf(rest, `"4" "MAXDELETEDID" "5-2"`, `"2"`),
	} {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			form := streamForm(kind)
			o, err := load(kind, form)
			require.NoError(t, err)
			got, _, _ := strings.Cut(picture(&o), "\"\\x13")
			require.Equal(t, want, got)
			require.EqualValues(t, 32, o.Stream().Group([]byte("g")).Consumer([]byte("alice")).SeenMs)
			if kind == rdb.TypeStream2 {
				dumped := o.Dump(false)
				require.Equal(t, form, dumped[1:len(dumped)-10], "written as it was read")
			}
			for n := range form {
				_, err := load(kind, form[:n])
				require.Error(t, err, "cut to %d bytes", n)
			}
			for i := range form {
				for bit := range 8 {
					damaged := bytes.Clone(form)
					damaged[i] ^= 1 << bit
					exercise(t, kind, damaged)
				}
			}
		})
	}
}

// exercise loads a form and, if it is one, does everything to the stream that
// commands do.
func exercise(t *testing.T, kind byte, form []byte) {
	o, err := load(kind, form)
	if err != nil || o.Kind == keyspace.None {
		return
	}
	first := picture(&o)
	again := o.Dump(true)
	d, kind, err := rdb.OpenPayload(again)
	require.NoError(t, err)
	o2 := keyspace.LoadObject(d, kind, &keyspace.DefaultLimits)
	require.NoError(t, d.Err(), first)
	require.Equal(t, first, picture(&o2))
	s := o.Stream()
	entries := 0
	for _, backwards := range []bool{false, true} {
		s.Range(keyspace.StreamID{}, keyspace.MaxStreamID, backwards, func(e *keyspace.StreamEntry) bool {
			entries += len(e.Names) - len(e.Values) + 1
			return true
		})
	}
	require.LessOrEqual(t, entries, 2*s.Len())
	s.RadixNodes()
	for _, g := range s.Groups() {
		s.Lag(g)
		g := s.EditGroup([]byte(g.Name))
		for p := g.FirstFrom(keyspace.StreamID{}); p != nil; p = g.FirstFrom(keyspace.StreamID{}) {
			require.NotNil(t, g.Consumer([]byte(p.Consumer)))
			require.True(t, g.Drop(p.ID))
		}
		require.Zero(t, g.Pending())
	}
	if id, ok := s.Last.Next(); ok {
		s.Append(id, [][]byte{[]byte("f"), []byte("v")})
		s.Delete([]keyspace.StreamID{id, s.First})
	}
	s.Trim(&keyspace.Trim{MaxLen: 1})
	s.Trim(&keyspace.Trim{ByID: true, MinID: keyspace.MaxStreamID})
}

func FuzzStream(f *testing.F) {
	for _, kind := range streamKinds {
		f.Add(kind, streamForm(kind))
	}
	f.Add(byte(rdb.TypeStream2), []byte("\x00\x00\x00\x01\x00\x00\x00\x00\x01\x00"))
	f.Fuzz(func(t *testing.T, kind byte, form []byte) {
		exercise(t, streamKinds[int(kind)%len(streamKinds)], form)
	})
}

// Damage that would make a stream answer nonsense is told by name.
func TestDamagedStreamsAreRefused(t *testing.T) {
	whole := string(streamForm(rdb.TypeStream2))
	at := strings.LastIndex(whole, "alice")
	for _, c := range []struct{ old, damaged, want string }{
		{"\x02\x01\x01\x01\x01\x01\x81f", "\x03\x01\x01\x01\x01\x01\x81f", "integrity check failed"},
		{"\xff\x02\x07\x01", "\xff\x03\x07\x01", "length inconsistent"},
		{"\x01\x05alice", "\x00\x05alice", "PEL entry without consumer"},
		{whole[at:], whole[at:at+13] + "\x00", "PEL entry without consumer"},
		{whole[at:], whole[at:at+13] + "\x01" + strings.Repeat("\x01", 16), "not found in group global PEL"},
		{"\x01\x05alice", "\x02" + "\x05" + whole[at:] + "\x05alice", "Duplicate stream consumer"},
	} {
		damaged := strings.Replace(whole, c.old, c.damaged, 1)
		require.NotEqual(t, whole, damaged)
		_, err := load(rdb.TypeStream2, []byte(damaged))
		require.ErrorContains(t, err, c.want)
	}
	// A node that is there twice.
	require.Equal(t, byte(16), whole[1])
	require.Less(t, whole[18], byte(64), "the length of the first node")
	first := whole[1 : 19+int(whole[18])]
	_, err := load(rdb.TypeStream2, []byte(string(rune(whole[0]+1))+first+whole[1:]))
	require.ErrorContains(t, err, "Listpack re-added with existing key")

	// Groups of a stream without entries.
	const (
		empty = "\x00\x00\x00\x01\x00\x00\x00\x00\x01" // no nodes; its identifiers
		group = "\x01g\x00\x01\x01"                    // the name, the last identifier, how many were read
		time  = "\x01\x02\x03\x04\x05\x06\x07\x00"
	)
	id := func(n byte) string { return strings.Repeat("\x00", 15) + string(rune(n)) }
	pending := func(n byte) string { return id(n) + time + "\x01" }
	for _, c := range []struct{ form, want string }{
		{empty + "\x02" + group + "\x00\x00" + strings.Replace(group, "g", "h", 1) + "\x00\x00", ""},
		{empty + "\x02" + group + "\x00\x00" + group + "\x00\x00", "Duplicated consumer group name g"},
		{empty + "\x01" + group + "\x02" + pending(1) + pending(2) + "\x02\x01a" + time + "\x01" + id(1) + "\x01b" + time + "\x01" + id(2), ""},
		{empty + "\x01" + group + "\x02" + pending(1) + pending(1) + "\x01\x01a" + time + "\x01" + id(1), "Duplicated global PEL entry loading stream consumer group"},
		{empty + "\x01" + group + "\x01" + pending(1) + "\x02\x01a" + time + "\x01" + id(1) + "\x01b" + time + "\x01" + id(1), "Duplicated consumer PEL entry"},
		{empty + "\x01" + group + "\x02" + pending(1) + pending(2) + "\x01\x01a" + time + "\x01" + id(1), "Stream CG PEL entry without consumer"},
	} {
		_, err := load(rdb.TypeStream2, []byte(c.form))
		if c.want == "" {
			require.NoError(t, err, "%q", c.form)
		} else {
			require.ErrorContains(t, err, c.want)
		}
	}
}

// A snapshot of a large stream that is written meanwhile costs what is touched.
func TestOnlyWhatIsTouchedOfAStreamIsCopied(t *testing.T) {
	const n = 100_000
	ks := keyspace.New()
	db := ks.DB(0)
	key := []byte("k")
	s := db.NewStream(key)
	g := s.NewGroup([]byte("g"), keyspace.StreamID{}, 0)
	g.NewConsumer([]byte("alice"), 1)
	add := func() {
		s := db.EditStream(key)
		id, _ := s.Last.Next()
		s.Append(id, [][]byte{[]byte("field"), []byte("value")})
		s.EditGroup([]byte("g")).Set(keyspace.Pending{ID: id, Consumer: "alice", DeliveredMs: 1, Deliveries: 1})
	}
	for range n {
		add()
	}
	touched := bytesAllocated(func() {
		s := ks.Snapshot()
		add()
		s.Release()
	})
	// The lists of nodes and leaves, the last node and leaf of each; the entries
	// alone are 72 bytes each, what is pending 64.
	require.Less(t, touched, int64(n*(72+64)/8), "bytes to take a snapshot, add an entry and make it pending")
}

// An entry may hold a gigabyte and no byte more; the fields may share their bytes.
func TestEntriesThatAreTooLarge(t *testing.T) {
	megabyte := make([]byte, 1<<20)
	fields := make([][]byte, 1024)
	for i := range fields {
		fields[i] = megabyte
	}
	require.False(t, keyspace.TooLarge(nil))
	require.False(t, keyspace.TooLarge(fields))
	require.True(t, keyspace.TooLarge(append(fields, []byte("x"))))
}

// The identifiers beside another, and that there are none before the first and after the last.
func TestNeighboursOfIdentifiers(t *testing.T) {
	type ID = keyspace.StreamID
	for _, c := range []struct {
		id, next, previous ID
		last, first        bool
	}{
		{ID{}, ID{Seq: 1}, keyspace.MaxStreamID, false, true},
		{ID{Seq: 1}, ID{Seq: 2}, ID{}, false, false},
		{ID{Ms: 1}, ID{Ms: 1, Seq: 1}, ID{Seq: math.MaxUint64}, false, false},
		{ID{Ms: 1, Seq: math.MaxUint64}, ID{Ms: 2}, ID{Ms: 1, Seq: math.MaxUint64 - 1}, false, false},
		{keyspace.MaxStreamID, ID{}, ID{Ms: math.MaxUint64, Seq: math.MaxUint64 - 1}, true, false},
	} {
		next, ok := c.id.Next()
		require.Equal(t, !c.last, ok)
		require.Equal(t, c.next, next)
		previous, ok := c.id.Previous()
		require.Equal(t, !c.first, ok)
		require.Equal(t, c.previous, previous)
	}
}

// How far a group has read, and what it lacks, beside a count of all entries that there were;
// unknown only where entries were deleted, or the stream cannot tell.
func TestWhatAGroupLacks(t *testing.T) {
	s := keyspace.New().DB(0).NewStream([]byte("k"))
	id := func(n uint64) keyspace.StreamID { return keyspace.StreamID{Ms: n} }
	require.Zero(t, s.ReadUpTo(id(5)))
	g := s.NewGroup([]byte("g"), keyspace.StreamID{}, 0)
	lag := func(want int64, known bool) {
		t.Helper()
		got, ok := s.Lag(g)
		require.Equal(t, known, ok)
		if known {
			require.Equal(t, want, got)
		}
	}
	lag(0, true)
	for n := range uint64(10) {
		s.Append(id(n+1), [][]byte{[]byte("f"), []byte("v")})
	}
	lag(10, true)
	require.EqualValues(t, 1, s.ReadUpTo(id(1)))
	require.EqualValues(t, 0, s.ReadUpTo(id(0)))
	require.EqualValues(t, 10, s.ReadUpTo(id(10)))
	require.Equal(t, int64(keyspace.UnknownRead), s.ReadUpTo(id(5)))
	require.Equal(t, int64(keyspace.UnknownRead), s.ReadUpTo(id(11)))
	for n := range uint64(4) {
		s.Deliver(g, id(n+1))
		require.EqualValues(t, n+1, g.Read)
		lag(int64(9-n), true)
	}
	s.Delete([]keyspace.StreamID{id(2)}) // behind the group: it has been read
	lag(6, true)
	s.Deliver(g, id(5))
	require.EqualValues(t, 5, g.Read)
	s.Delete([]keyspace.StreamID{id(8)}) // before it: how many are left cannot be told
	lag(0, false)
	s.Deliver(g, id(6))
	require.Equal(t, int64(keyspace.UnknownRead), g.Read)
	s.Deliver(g, id(10)) // the last one
	require.EqualValues(t, 10, g.Read)
	lag(0, true)
}
