package zones

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/torntail/torntail/checker/history"
)

// list is what is known of a key that is only appended to: unique elements, so
// that each list read names the order of all the appends before it. The key is
// then a register whose versions are its prefixes, in a known order.
type list struct {
	initial   []string
	longest   []string // the longest list that was read
	read      int32    // the read that found it, or -1
	recovered []string
}

func (r *Registers) listOf(k *Key, n int32) *list {
	if !k.Chain {
		k.Chain = true
		k.list = int32(len(r.lists))
		r.lists = append(r.lists, list{read: none})
	}
	return &r.lists[k.list]
}

// addLists gives each append its rank, its list's reads, and each list its
// recovered version.
func (r *Registers) addLists() {
	if len(r.lists) == 0 {
		return
	}
	for n := range r.Keys {
		k := &r.Keys[n]
		if !k.Chain {
			continue
		}
		if k.Unattributed() {
			continue
		}
		l := &r.lists[k.list]
		for at := k.From + 1; at < k.To; at++ {
			r.Clusters[at].Rank = Unranked
		}
		if k.Forked = r.rank(int32(n), l.initial, l.longest, l.read); k.Forked < 0 && k.Unwritten < 0 {
			r.rankByReply(k, l)
			r.recoverList(int32(n), l)
		}
	}
	r.addListReads()
}

// rank gives the elements of a list that was read their places in it. It returns
// the read when the list cannot have been: its beginning is not the initial
// list, or an element is there twice. An element that nobody appended goes to Unwritten.
func (r *Registers) rank(n int32, initial, values []string, read int32) (forked int32) {
	k := &r.Keys[n]
	if read < 0 && len(values) == 0 {
		return none
	}
	if len(values) < len(initial) || !slices.Equal(values[:len(initial)], initial) {
		return read
	}
	for i, e := range values[len(initial):] {
		at, _, _ := r.findValue(n, e)
		if at < 0 {
			k.Unwritten = read
			return none
		}
		rank := int32(len(initial) + i + 1)
		if c := &r.Clusters[at]; c.Rank != Unranked && c.Rank != rank {
			return read
		} else {
			c.Rank = rank
		}
	}
	return none
}

// rankByReply ranks appends by the length that their replies gave.
func (r *Registers) rankByReply(k *Key, l *list) {
	known := int32(max(len(l.initial), len(l.longest)))
	k.known = known
	longest, ranked := known, known
	for at := k.From + 1; at < k.To; at++ {
		c := &r.Clusters[at]
		op := r.OpOf(c)
		if !c.Acked || op.More == nil || op.More.Result == "" {
			continue
		}
		length, err := strconv.ParseInt(op.More.Result, 10, 32)
		if err != nil {
			continue
		}
		rank := int32(length)
		if c.Rank == Unranked && rank > known {
			c.Rank = rank
			ranked++
			longest = max(longest, rank)
		} else if c.Rank != rank {
			k.Forked = c.Write
			return
		}
	}
	k.Gaps = ranked != longest
}

// recoverList finds the version that was recovered. It is Scrambled when it
// does not continue, or is not a beginning of, what is known of the list, or when
// its elements cannot have been there in that order, or without another.
func (r *Registers) recoverList(n int32, l *list) {
	k := &r.Keys[n]
	if !r.In.HasRecovered {
		return
	}
	got := l.recovered
	k.Recovered = Scrambled
	defer func() {
		if k.Recovered == Scrambled {
			r.survivors(n, got)
		}
	}()
	if len(got) < len(l.initial) || !slices.Equal(got[:len(l.initial)], l.initial) {
		return
	}
	known := min(len(got), len(l.longest))
	if !slices.Equal(got[:known], l.longest[:known]) {
		return
	}
	taken := map[int32]int32{} // ranks that replies gave, of what no read showed
	for at := k.From + 1; at < k.To; at++ {
		if rank := r.Clusters[at].Rank; rank != Unranked && rank > k.known {
			taken[rank] = at
		}
	}
	last := k.From
	var fresh []int32 // what nobody had read
	for i := len(l.initial); i < len(got); i++ {
		at, _, _ := r.findValue(n, got[i])
		if at < 0 {
			k.Recovered, k.RecoveredValue = Unwritten, got[i]
			return
		}
		c := &r.Clusters[at]
		rank := int32(i + 1)
		if other, is := taken[rank]; is && other != at {
			return // what was answered that it is there is not
		}
		if c.Rank == Unranked {
			c.Rank = rank
			fresh = append(fresh, at)
		} else if c.Rank != rank {
			return // an element before it is missing, or it is there twice
		}
		c.Observed = true
		last = at
	}
	if r.outOfTime(k, fresh) {
		for _, at := range fresh {
			r.Clusters[at].Rank, r.Clusters[at].Observed = Unranked, false
		}
		return
	}
	k.Recovered = last
	k.known = max(k.known, int32(len(got)))
}

// outOfTime reports whether appends that were ranked by nothing but what was
// recovered returned before one of lower rank was invoked, or whether one that is
// missing did.
func (r *Registers) outOfTime(k *Key, fresh []int32) bool {
	latest := int64(Early)
	for _, at := range fresh {
		c := &r.Clusters[at]
		if c.Return < latest {
			return true
		}
		latest = max(latest, c.Invoke)
	}
	for at := k.From + 1; at < k.To; at++ {
		if c := &r.Clusters[at]; c.Rank == Unranked && c.Return < latest {
			return true
		}
	}
	return false
}

// survivors marks the appends whose elements are in a list that makes no sense.
func (r *Registers) survivors(n int32, got []string) {
	for _, e := range got {
		if at, _, _ := r.findValue(n, e); at >= 0 {
			r.Clusters[at].Survived = true
		}
	}
}

// addListReads puts each read into the cluster of the last element it found.
func (r *Registers) addListReads() {
	for i := range r.In.Ops {
		op := &r.In.Ops[i]
		if op.Outcome != history.OK {
			continue
		}
		if n := r.KeyOf[i]; n >= 0 {
			r.addListRead(n, op, int32(i))
		} else if op.Kind == history.Txn && op.More != nil {
			for p := range op.More.Parts {
				part := &op.More.Parts[p]
				r.addListRead(r.lookup(part.Key), part, int32(i))
			}
		}
	}
	// Whoever read an element saw those before it as well.
	for n := range r.Keys {
		k := &r.Keys[n]
		if !k.Chain || k.Unattributed() {
			continue
		}
		l := &r.lists[k.list]
		for _, e := range l.longest[min(len(l.initial), len(l.longest)):] {
			if at, _, _ := r.findValue(int32(n), e); at >= 0 {
				r.Clusters[at].Observed = true
			}
		}
	}
}

func (r *Registers) addListRead(n int32, op *history.Op, i int32) {
	k := &r.Keys[n]
	if op.Kind != history.ReadList || k.Unattributed() || k.Forked >= 0 || k.Unwritten >= 0 {
		return
	}
	l := &r.lists[k.list]
	var values []string
	if op.More != nil {
		values = op.More.Values
	}
	if len(values) < len(l.initial) || !slices.Equal(values, l.longest[:len(values)]) {
		k.Forked = i
		return
	}
	at := k.From
	if len(values) > len(l.initial) {
		at, _, _ = r.findValue(n, values[len(values)-1])
	}
	r.observe(at, i)
}

// checkChain judges a key whose versions are ranked: no version may have to
// come before one of lower rank.
func (r *Registers) checkChain(k *Key) (Conflict, bool) {
	longest := r.lists[k.list].read
	if k.Forked >= 0 {
		return Conflict{Shape: ForkedList, A: none, B: none, Read: k.Forked, Longest: longest}, false
	}
	r.sorted = r.sorted[:0]
	for at := k.From; at < k.To; at++ {
		c := &r.Clusters[at]
		if !c.Present {
			continue
		}
		if c.First < c.Invoke {
			return Conflict{Shape: ReadBeforeWrite, A: at, B: none, Read: c.FirstOp}, false
		}
		r.sorted = append(r.sorted, at)
	}
	slices.SortFunc(r.sorted, func(a, b int32) int {
		return cmp.Or(cmp.Compare(r.Clusters[a].Rank, r.Clusters[b].Rank), cmp.Compare(a, b))
	})
	latest := int32(none) // the cluster of lower rank with the latest Last
	listed := int32(none) // the same among the elements of lists that were seen
	for i := 0; i < len(r.sorted); {
		j := i
		if r.Clusters[r.sorted[i]].Rank == Unranked {
			latest = listed // nobody knows the order of the others and these
		}
		for ; j < len(r.sorted) && r.Clusters[r.sorted[j]].Rank == r.Clusters[r.sorted[i]].Rank; j++ {
			if c := &r.Clusters[r.sorted[j]]; latest >= 0 && c.First < r.Clusters[latest].Last {
				return Conflict{Shape: OutOfOrder, A: latest, B: r.sorted[j], Read: none, Longest: longest}, false
			}
		}
		if r.Clusters[r.sorted[i]].Rank != Unranked && j-i > 1 {
			return Conflict{Shape: OutOfOrder, A: r.sorted[i], B: r.sorted[i+1], Read: none, Longest: longest}, false
		}
		for ; i < j; i++ {
			if latest < 0 || r.Clusters[r.sorted[i]].Last > r.Clusters[latest].Last {
				latest = r.sorted[i]
			}
			if r.Clusters[r.sorted[i]].Rank <= k.known {
				listed = latest
			}
		}
	}
	return Conflict{}, true
}
