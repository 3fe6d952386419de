package transactions

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
)

// TestTheOneLongGSingleIsFound: a single G-single of a thousand transactions in a
// component of thirty thousand, in which every way off it leads back over two rw
// edges in a row. The search must not end in the dark branches.
func TestTheOneLongGSingleIsFound(t *testing.T) {
	const ring, branch = 1000, 30
	h := &History{Lists: true}
	name := h.Names.Of
	add := func(mops ...Mop) {
		h.Txns = append(h.Txns, Txn{Process: len(h.Txns), Return: time.Second, Outcome: history.OK, Mops: mops})
	}
	appends := func(key string, i int) Mop { return Mop{Func: Append, Key: name(key), Value: h.Names.Int(int64(i))} }
	reads := func(key string, n int) Mop {
		m := Mop{Func: Read, Known: true, Key: name(key)}
		for i := range n {
			m.List = append(m.List, h.Names.Int(int64(i)))
		}
		return m
	}
	key := func(prefix string, i int) string { return prefix + string(rune(0x4e00+i)) }
	for i := range ring {
		second := appends(key("branch", i), 0)
		switch i {
		case 0:
			second = appends("once", 0)
		case ring - 1:
			second = reads("once", 0)
		}
		add(appends("ring", i), second)
	}
	add(reads("ring", ring))
	for i := 1; i < ring-1; i++ {
		for j := 1; j < branch-2; j++ {
			add(appends(key("branch", i), j))
		}
		add(reads(key("branch", i), branch-2), reads(key("end", i), 0))
		add(appends(key("end", i), 0), reads("ring", 0))
	}
	r, err := Check(h, Options{Expect: []Model{SnapshotIsolation}})
	require.NoError(t, err)
	require.Equal(t, []Count{{GSingle, 1}}, r.Counts)
	require.Len(t, r.Findings[0].Txns, ring)
	require.Empty(t, r.Undecided)
}
