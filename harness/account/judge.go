package account

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
)

// Fate is what became of an acknowledged write.
type Fate string

const (
	There    Fate = "there"    // what it wrote is there
	Replaced Fate = "replaced" // by another write that may have come later
	NotTold  Fate = "not told" // a command that is not followed, or an expiry, may have taken it
	Lost     Fate = "lost"
)

// Account is what became of the writes of a source.
type Account struct {
	Schema       int          `json:"schema"`
	Source       string       `json:"source"` // "the proxies' record", or the journals
	From         string       `json:"read_from"`
	Writes       int          `json:"writes"`
	Acknowledged int          `json:"acknowledged"`
	Refused      int          `json:"refused"`
	Unknown      int          `json:"unknown"` // no reply
	Fates        map[Fate]int `json:"fates"`   // of the acknowledged
	// RefusedThere and UnknownThere are there all the same.
	RefusedThere int `json:"refused_there,omitempty"`
	UnknownThere int `json:"unknown_there,omitempty"`
	// Sums are counters: what their acknowledged changes add up to, and what there is.
	Sums []Sum `json:"sums,omitempty"`
	// LostBy counts the lost writes by what took them.
	LostBy map[string]int `json:"lost_by,omitempty"`
	Lost   []LostWrite    `json:"lost,omitempty"`
	// NotFollowed are commands that are not followed, by name.
	NotFollowed map[string]int `json:"not_followed,omitempty"`
	Disagree    []Disagreement `json:"disagreements,omitempty"`
	Remarks     []string       `json:"remarks,omitempty"`
}

// Schema is the version of the JSON form of an Account.
const Schema = 1

// LostWrite is one.
type LostWrite struct {
	ID      string  `json:"id"`
	Journal string  `json:"journal,omitempty"`
	Line    int     `json:"line,omitempty"` // of the journal
	Command string  `json:"command"`
	Node    string  `json:"node,omitempty"` // that acknowledged it
	AtMS    float64 `json:"at_ms"`          // since the topology is up; -1: not known
	By      string  `json:"by,omitempty"`
}

// Sum is a counter of which a part is missing.
type Sum struct {
	Key   string `json:"key"`
	Field string `json:"field,omitempty"`
	Acked int64  `json:"acknowledged"` // what its acknowledged changes add up to
	There int64  `json:"there"`
}

// until is how late something may have happened, by the sources of writes, each of which has
// an order of its own.
type until map[int]int64

func (u *until) may(w *Write) {
	if *u == nil {
		*u = until{}
	}
	end := w.End
	if end == 0 {
		end = math.MaxInt64
	}
	(*u)[w.Source] = max((*u)[w.Source], end)
}

func (u *until) too(of until) {
	for source, end := range of { // any order: the latest of each
		if *u == nil {
			*u = until{}
		}
		(*u)[source] = max((*u)[source], end)
	}
}

// after reports whether it may have happened after a write began. Writes of two journals may
// have come in any order.
func (u until) after(w *Write) bool {
	for source, end := range u { // any order: one is enough
		if source != w.Source || end > w.Begin {
			return true
		}
	}
	return false
}

// ref is an effect of a write on a key.
type ref struct {
	w *Write
	effect
}

// Judge says what became of the writes of a source, by what there is. Their order is that of
// the source. others are writes that are not accounted for and may have replaced some.
func Judge(source, from string, writes, others []*Write, state State) *Account {
	a := &Account{Schema: Schema, Source: source, From: from, Writes: len(writes), Fates: map[Fate]int{}, NotFollowed: map[string]int{}}
	keys := map[place][]ref{}
	emptied, taken := map[int]*until{}, map[int]*until{} // by database, until when all keys may have been deleted, or changed
	at := func(m map[int]*until, db int) *until {
		if m[db] == nil {
			m[db] = new(until)
		}
		return m[db]
	}
	for i, w := range slices.Concat(writes, others) {
		w.fate = ""
		if i < len(writes) && !w.followed() {
			a.NotFollowed[strings.ToUpper(w.Args[0])]++
		}
		for _, e := range w.effects() {
			switch {
			case w.Outcome == history.Failed && e.what != holds && e.what != has:
			case e.what == flushed:
				at(emptied, w.DB).may(w)
			case e.what == touched && e.unit.key == "":
				at(taken, w.DB).may(w)
			default:
				of := place{w.DB, e.unit.key}
				keys[of] = append(keys[of], ref{w, e})
			}
		}
	}
	for of, refs := range keys { // any order: each is by itself
		k := &key{at: of, held: state[of], refs: refs}
		k.emptied.too(*at(emptied, of.db))
		k.touched.too(*at(taken, of.db))
		k.judge(a)
	}
	for _, w := range writes {
		a.count(w)
	}
	slices.SortFunc(a.Sums, func(x, y Sum) int { return cmp.Or(strings.Compare(x.Key, y.Key), strings.Compare(x.Field, y.Field)) })
	return a
}

func (a *Account) count(w *Write) {
	switch w.Outcome {
	case history.Failed:
		a.Refused++
		if w.fate == There {
			a.RefusedThere++
		}
	case history.Unknown:
		a.Unknown++
		if w.fate == There {
			a.UnknownThere++
		}
	case history.OK:
		a.Acknowledged++
		if w.fate == "" { // it had no effect, or only such that are not followed
			w.fate = There
			if !w.followed() {
				w.fate = NotTold
			}
		}
		a.Fates[w.fate]++
		if w.fate == Lost {
			at := -1.0
			if w.Node != "" {
				at = float64(w.At.Microseconds()) / 1000
			}
			a.Lost = append(a.Lost, LostWrite{ID: w.ID, Journal: w.Journal, Line: w.Line, Command: text(w.Args), Node: w.Node, AtMS: at})
		}
	}
}

// worse is the fate of a write that has had several effects: one of them lost is lost.
func (w *Write) worse(f Fate) {
	order := []Fate{"", There, Replaced, NotTold, Lost}
	if slices.Index(order, f) > slices.Index(order, w.fate) {
		w.fate = f
	}
}

// key is one that was written, and what is there of it.
type key struct {
	at   place
	held *held // nil: it is not there
	refs []ref
	// Until when it may have been deleted with all others, and changed in a way that is not followed.
	emptied, touched until
	expires          bool
}

// judge gives each effect on the key its fate.
func (k *key) judge(a *Account) {
	unreadable := strings.HasPrefix(k.at.key, cutOff) || k.held != nil && commandOf[k.held.kind] == nil
	deleted := k.emptied // until when it may have been, as a whole
	var became until     // until when it may have become the string that it is
	units := map[string][]ref{}
	for _, r := range k.refs {
		done := r.w.Outcome != history.Failed
		switch {
		case r.what == touched && done:
			k.touched.may(r.w)
			continue
		case r.what == gone && r.unit.field == "":
			deleted.may(r.w)
		case r.what == holds && done && k.held != nil && k.held.kind == "string" && k.held.text == r.value:
			became.may(r.w)
		}
		k.expires = k.expires || r.lives
		if r.what == touched {
			continue
		}
		unit := r.unit.field
		if r.what == pushed {
			unit = "\x00" + unit
		}
		units[unit] = append(units[unit], r)
	}
	for field, refs := range units { // any order: each is by itself
		switch {
		case unreadable:
			for _, r := range refs {
				r.w.worse(NotTold)
			}
		case refs[0].what == pushed:
			k.elements(refs, deleted)
		case slices.ContainsFunc(refs, func(r ref) bool { return r.what == added }):
			k.sum(a, field, refs, deleted)
		default:
			k.unit(field, refs, deleted, became)
		}
	}
}

// unit judges what is on one string, field or member, or on the key as a whole.
func (k *key) unit(field string, refs []ref, deleted, became until) {
	value, there := k.value(refs[0])
	matches := func(r ref) bool {
		switch r.what {
		case gone:
			return !there
		case holds, has:
			return there && r.value == value
		}
		return false
	}
	var by until // until when there may have been a write that made it what it is
	if by.too(became); !there {
		by.too(deleted)
	}
	for _, r := range refs {
		if r.w.Outcome != history.Failed && matches(r) {
			by.may(r.w)
		}
	}
	whole := field == "" && there && k.held.kind != "string"
	for _, r := range refs {
		switch {
		case r.w.Outcome == history.Failed && (len(by) > 0 || !matches(r)): // somebody else's is there
		case matches(r):
			r.w.worse(There)
		case r.what == holds && whole:
			r.w.worse(k.otherwise(r, deleted))
		case r.what == gone && whole: // somebody has made it again
			r.w.worse(k.otherwise(r, k.latest(func(o ref) bool { return o.what != gone })))
		default:
			r.w.worse(k.otherwise(r, by))
		}
	}
}

// otherwise is the fate of an effect that is not there, where something that explains what is
// there may have come until then.
func (k *key) otherwise(r ref, by until) Fate {
	switch {
	case by.after(r.w):
		return Replaced
	case k.touched.after(r.w), k.held == nil && k.expires:
		return NotTold
	}
	return Lost
}

// latest is until when one of the effects on the key may have come.
func (k *key) latest(of func(r ref) bool) (u until) {
	for _, r := range k.refs {
		if r.w.Outcome != history.Failed && of(r) {
			u.may(r.w)
		}
	}
	return u
}

// value is what is there of the unit of an effect.
func (k *key) value(r ref) (value string, there bool) {
	switch {
	case k.held == nil:
		return "", false
	case r.unit.field != "" || r.what == has:
		value, there = k.held.fields[r.unit.field]
		return value, there
	}
	return k.held.text, true
}

// elements judges the pushes of one element of a list. What is there is of those that came
// after every deletion first; so many of the latest of them are lost as are missing.
func (k *key) elements(refs []ref, deleted until) {
	there := 0
	if k.held != nil {
		there = k.held.count[refs[0].unit.field]
	}
	taken := false // a command that is not followed may have taken one, whichever
	var acked []ref
	for _, r := range refs {
		taken = taken || k.touched.after(r.w)
		switch {
		case r.w.Outcome == history.OK:
			acked = append(acked, r)
		case there >= len(refs):
			r.w.worse(There)
		}
	}
	slices.SortStableFunc(acked, func(x, y ref) int {
		if x, y := deleted.after(x.w), deleted.after(y.w); x != y {
			return map[bool]int{true: 1, false: -1}[x]
		}
		return cmp.Compare(x.w.End, y.w.End)
	})
	for i, r := range acked {
		switch {
		case i < there:
			r.w.worse(There)
		case deleted.after(r.w):
			r.w.worse(Replaced)
		case taken:
			r.w.worse(NotTold)
		default:
			r.w.worse(k.otherwise(r, nil))
		}
	}
}

// sum judges changes of a counter. What they add up to and is not there is missing; which of
// them it is, only those tell that were answered with more than there is.
func (k *key) sum(a *Account, field string, refs []ref, deleted until) {
	text, there := k.value(refs[0])
	value, err := strconv.ParseInt(text, 10, 64)
	simple := !there || err == nil
	var acked, most int64
	for _, r := range refs {
		simple = simple && r.what == added && r.n > 0
		switch r.w.Outcome {
		case history.OK:
			acked += r.n
		case history.Unknown:
			most += r.n
		}
	}
	if simple && value >= acked && value <= acked+most {
		for _, r := range refs {
			if r.w.Outcome == history.OK {
				r.w.worse(There)
			}
		}
		return
	}
	if simple && value < acked && len(deleted) == 0 && len(k.touched) == 0 {
		a.Sums = append(a.Sums, Sum{k.at.key, field, acked, value})
	}
	for _, r := range refs {
		reply, err := strconv.ParseInt(r.w.Reply, 10, 64)
		switch {
		case r.w.Outcome != history.OK:
		case simple && err == nil && reply > value:
			r.w.worse(k.otherwise(r, deleted))
		default:
			r.w.worse(NotTold)
		}
	}
}

// Attribute says of each lost write what took it, and of all how many.
func (a *Account) Attribute(by func(node string, at time.Duration) string) {
	a.LostBy = map[string]int{}
	for i := range a.Lost {
		l := &a.Lost[i]
		l.By = "the journal alone tells of it"
		if l.Node != "" {
			l.By = by(l.Node, time.Duration(l.AtMS*float64(time.Millisecond)))
		}
		a.LostBy[l.By]++
	}
}

// Together are the writes of several journals.
func Together(names []string, journals [][]*Write) (all []*Write) {
	for i, list := range journals {
		for _, w := range list {
			w.Source = i
			if len(journals) > 1 {
				w.Journal = names[i]
			}
		}
		all = append(all, list...)
	}
	return all
}

// Disagreement is a command of which a journal and the record tell different things.
type Disagreement struct {
	Command string `json:"command"`
	Line    int    `json:"line,omitempty"` // of the journal; 0: it does not have it
	What    string `json:"what"`
}

// What journal and record may disagree about.
const (
	OnlyJournal  = "acknowledged in the journal, and no acknowledgement passed the proxies"
	OnlyRecord   = "acknowledged at the proxies, and in the journal refused"
	NotInJournal = "acknowledged at the proxies, and not in the journal"
)

// whole is the command as one word.
func (w *Write) whole() string {
	return strings.ToUpper(w.Args[0]) + "\x00" + strings.Join(w.Args[1:], "\x00")
}

// Compare holds a journal's writes against what was heard, tells each of them who acknowledged
// it and when, and says where the two disagree. That no reply has reached the client that
// passed the proxies is none: it may have given up before; nor that its library has sent a
// command again. others are the writes that the journal does not have.
func Compare(journal, heard []*Write) (disagree []Disagreement, others []*Write, remarks []string) {
	byText := map[string][]*Write{}
	for _, w := range heard {
		if w.Outcome == history.OK {
			byText[w.whole()] = append(byText[w.whole()], w)
		}
	}
	late, again := 0, 0
	var rest []*Write // of the journal, without an acknowledgement
	for _, w := range journal {
		if w.Outcome != history.OK {
			rest = append(rest, w)
			continue
		}
		k := w.whole()
		list := byText[k]
		if len(list) == 0 {
			disagree = append(disagree, Disagreement{text(w.Args), w.Line, OnlyJournal})
			continue
		}
		w.Node, w.At = list[0].Node, list[0].At
		if w.Reply == "" {
			w.Reply = list[0].Reply
		}
		byText[k] = list[1:]
	}
	known := map[string]bool{}
	for _, w := range journal {
		known[w.whole()] = true
	}
	for _, w := range rest {
		k := w.whole()
		list := byText[k]
		if len(list) == 0 {
			continue
		}
		byText[k] = list[1:]
		if w.Outcome == history.Failed {
			disagree = append(disagree, Disagreement{text(w.Args), w.Line, OnlyRecord})
		} else {
			late++
		}
	}
	for _, w := range heard {
		if !known[w.whole()] {
			one := *w
			one.Source = -1
			others = append(others, &one)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(byText)) {
		for _, w := range byText[k] {
			if known[k] {
				again++
			} else {
				disagree = append(disagree, Disagreement{text(w.Args), 0, NotInJournal})
			}
		}
	}
	if late > 0 {
		remarks = append(remarks, strconv.Itoa(late)+" writes without an outcome in the journal were acknowledged at the proxies: the client did not wait for it, or did not hear it")
	}
	if again > 0 {
		remarks = append(remarks, strconv.Itoa(again)+" acknowledgements more than the journal has: the client's library sent commands again")
	}
	return disagree, others, remarks
}
