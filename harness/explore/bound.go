package explore

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/torntail/torntail/faults/disk"
)

// Bound says which crash states of a moment are tried.
type Bound struct {
	Name string
	// About is what is tried, Left what is not.
	About, Left string

	triad bool // each call missing, alone and in part
	size  int  // sets of up to so many micro-operations missing, and surviving alone
	all   bool
}

// Bounds are all of them, from the fewest states to the most.
var Bounds = []Bound{
	{Name: "prefix", About: "the first k operations in play survive, for every k, the last write also torn at every sector",
		Left: "states in which an operation survives without one before it"},
	{Name: "triad", triad: true, About: "prefixes; and each operation missing, alone, and in each of its partial states (data without size, size without data, the first half)",
		Left: "states in which two or more operations are missing that are not the last ones"},
	{Name: "1", triad: true, size: 1, About: "triad; and each single micro-operation missing, and alone",
		Left: "sets of two and more micro-operations"},
	{Name: "2", triad: true, size: 2, About: "triad; and sets of up to 2 micro-operations missing, and alone",
		Left: "sets of three and more micro-operations; of sets of two, those that are not of the first or the last of a class (the same operation on files of the same role)"},
	{Name: "5", triad: true, size: 5, About: "triad; and sets of up to 5 micro-operations missing, and alone",
		Left: "sets of six and more micro-operations; of sets of two and more, those that are not of the first or the last of a class (the same operation on files of the same role)"},
	{Name: "all", triad: true, size: 2, all: true, About: "every set of micro-operations that the personality allows",
		Left: "nothing where at most 10 operations are in play or at most 16384 sets are possible; elsewhere sets of three and more"},
}

// allSets is up to how many sets of a moment bound "all" tries, if more than
// disk.ExhaustiveLimit operations are in play; with fewer it tries any number.
const allSets = 1 << 14

// left says what has been left out, now that it is known.
func (b *Bound) left(cut, moments int) string {
	switch {
	case !b.all:
		return b.Left
	case cut == 0:
		return fmt.Sprintf("nothing: every set was tried at each of the %d moments", moments)
	}
	return fmt.Sprintf("at %d of the %d moments, at which more than %d operations were in play and more than %d sets possible: sets of three and more micro-operations; elsewhere nothing",
		cut, moments, disk.ExhaustiveLimit, allSets)
}

// BoundByName finds one of Bounds.
func BoundByName(name string) (Bound, error) {
	names := make([]string, len(Bounds))
	for i, b := range Bounds {
		if b.Name == name {
			return b, nil
		}
		names[i] = b.Name
	}
	return Bound{}, fmt.Errorf("bound %q is not known: want one of %s", name, strings.Join(names, ", "))
}

// enumerator yields the choices of one moment after the other. It keeps its
// memory from one to the next.
type enumerator struct {
	bound Bound
	// class tells micro-operations apart for "one representative for each class":
	// same class, same part in what may go wrong.
	class func(p *disk.Part) string

	parts []disk.Part
	calls []span
	ids   []disk.PartID
	reps  []int
	saved Saved
	most  int // operations in play at the fullest moment
	cut   int // moments at which "all" was too much
}

// Saved is how many states were left out by each kind of pruning.
type Saved struct {
	Instants int `json:"instants"` // moments at which nothing had changed
	Partial  int `json:"partial"`  // partial states of calls that the triad leaves out
	Sets     int `json:"sets"`     // sets that stand for another of the same classes
	Most     int `json:"most"`     // micro-operations in play at the fullest moment, whose sets the bound cuts off at a size
}

// span is the parts of one call: parts[from:to].
type span struct{ from, to int }

// choices calls try for every choice of the moment. Choices may repeat each
// other's images.
func (e *enumerator) choices(d *disk.Disk, try func(disk.Choice)) {
	e.parts = d.Parts(e.parts[:0])
	e.calls = e.calls[:0]
	for i := range e.parts {
		if i == 0 || e.parts[i].ID.Call != e.parts[i-1].ID.Call {
			e.calls = append(e.calls, span{i, i})
		}
		e.calls[len(e.calls)-1].to = i + 1
	}
	e.most = max(e.most, len(e.calls))
	e.saved.Most = max(e.saved.Most, len(e.parts))
	stale := d.Personality().Has(disk.OldBytes)
	both := func(c disk.Choice) {
		try(c)
		if stale && c.Mode != disk.KeepAll {
			c.Stale = true
			try(c)
		}
	}
	both(disk.Choice{Mode: disk.KeepAll})
	if e.bound.all {
		every, few := d.All()
		if few || atMost(every, allSets) {
			every(func(c disk.Choice) bool { try(c); return true })
			for c := range d.Tears(disk.SectorSize) {
				both(c)
			}
			return
		}
		e.cut++
	}
	for k := range e.calls {
		both(disk.Choice{Mode: disk.KeepPrefix, K: int64(k)})
	}
	for c := range d.Tears(disk.SectorSize) {
		both(c)
	}
	if e.bound.triad {
		e.triad(both)
	}
	if e.bound.size > 0 {
		e.sets(both)
	}
}

// atMost reports whether a sequence has at most n choices.
func atMost(every iter.Seq[disk.Choice], n int) bool {
	for range every {
		if n--; n < 0 {
			return false
		}
	}
	return true
}

// triad tries each call missing, alone, and in part with all else there.
func (e *enumerator) triad(try func(disk.Choice)) {
	for _, c := range e.calls {
		whole := disk.PartID{Call: e.parts[c.from].ID.Call, Part: -1}
		try(disk.Choice{Mode: disk.KeepBut, IDs: []disk.PartID{whole}})
		try(disk.Choice{Mode: disk.KeepOnly, IDs: []disk.PartID{whole}})
		n := c.to - c.from
		if n < 2 {
			continue
		}
		tried := 0
		for _, which := range [...]func(i int) bool{
			func(i int) bool { return e.parts[i].Data },
			func(i int) bool { return e.parts[i].Size },
			func(i int) bool { return i >= c.from+(n+1)/2 },
		} {
			if e.ids = e.pick(c, which); len(e.ids) > 0 && len(e.ids) < n {
				try(disk.Choice{Mode: disk.KeepBut, IDs: slices.Clone(e.ids)})
				tried++
			}
		}
		e.saved.Partial += max(0, 1<<min(n, 30)-2-tried)
	}
}

func (e *enumerator) pick(c span, which func(i int) bool) []disk.PartID {
	ids := e.ids[:0]
	for i := c.from; i < c.to; i++ {
		if which(i) {
			ids = append(ids, e.parts[i].ID)
		}
	}
	return ids
}

// sets tries sets of micro-operations: every single one, and larger sets of
// one representative for each class (two, where two of a class are in play: the
// first and the last), unless the bound is "all".
func (e *enumerator) sets(try func(disk.Choice)) {
	for i := range e.parts {
		e.try(try, []int{i})
	}
	if e.bound.size < 2 {
		return
	}
	e.reps = e.reps[:0]
	if e.bound.all {
		for i := range e.parts {
			e.reps = append(e.reps, i)
		}
	} else {
		e.representatives()
	}
	for k := 2; k <= e.bound.size; k++ {
		e.saved.Sets += 2 * (binomial(len(e.parts), k) - binomial(len(e.reps), k))
	}
	pick := make([]int, 0, e.bound.size)
	var from func(at int)
	from = func(at int) {
		if len(pick) >= 2 {
			e.try(try, pick)
		}
		if len(pick) == e.bound.size {
			return
		}
		for ; at < len(e.reps); at++ {
			pick = append(pick, e.reps[at])
			from(at + 1)
			pick = pick[:len(pick)-1]
		}
	}
	from(0)
}

func (e *enumerator) try(try func(disk.Choice), at []int) {
	ids := make([]disk.PartID, len(at))
	for i, k := range at {
		ids[i] = e.parts[k].ID
	}
	try(disk.Choice{Mode: disk.KeepBut, IDs: ids})
	try(disk.Choice{Mode: disk.KeepOnly, IDs: ids})
}

// representatives are the first and the last part in play of each class.
func (e *enumerator) representatives() {
	type ends struct{ first, last int }
	at := make(map[string]int)
	var classes []ends
	for i := range e.parts {
		name := e.class(&e.parts[i])
		k, ok := at[name]
		if !ok {
			k = len(classes)
			at[name] = k
			classes = append(classes, ends{i, i})
		}
		classes[k].last = i
	}
	for _, c := range classes {
		e.reps = append(e.reps, c.first)
		if c.last != c.first {
			e.reps = append(e.reps, c.last)
		}
	}
	slices.Sort(e.reps)
}

// binomial is n over k, at most 1<<40.
func binomial(n, k int) int {
	r := 1
	for i := range k {
		if r = r * (n - i) / (i + 1); r > 1<<40 {
			return 1 << 40
		}
	}
	return max(r, 0)
}
