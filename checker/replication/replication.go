// Package replication accounts for what replication and failover did to a
// history: which acknowledged writes were lost and why, how long two masters
// served at once, whether the replicas converged, and how old the reads of
// replicas were.
//
// A lost write is attributed exactly. The recording client learns with each
// acknowledgement which node gave it and that node's replication offset; a
// promotion records the new master's second_repl_offset, the first offset that
// its history does not share with its predecessor's. A write acknowledged by
// another master at or above that offset is not in the new master's history:
// lost, if it was made under a term that the promotion ended.
package replication

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
)

// Phase is when a lost write was acknowledged, relative to the partition that
// cost it. The phases are disjoint.
type Phase string

const (
	BeforeCut      Phase = "before the cut"     // an unreplicated tail
	CutToDown      Phase = "cut to odown"       // nobody had noticed
	DownToPromoted Phase = "odown to promotion" // noticed, and not replaced yet
	AfterPromotion Phase = "after promotion"    // by a deposed master: a split-brain write
	// StaleMaster is by the rightful master, whose history ended with it: the one that it
	// had replaced was promoted again, and never had its writes.
	StaleMaster Phase = "the stale former master was promoted again"
	// RestartedWithout is by a master whom nobody had replaced when it was started again, on
	// files without them: not synced, not kept at all, or taken away.
	RestartedWithout Phase = "the master restarted without it"
	// LostOnDisk is by the rightful master, who had handed them on to the server that was
	// promoted after it; that one was started again meanwhile on files without them.
	LostOnDisk Phase = "lost on disk by the replica that was promoted"
)

// Phases lists the phases in order of time.
func Phases() []Phase {
	return []Phase{BeforeCut, CutToDown, DownToPromoted, AfterPromotion, StaleMaster, RestartedWithout, LostOnDisk}
}

// LostWrite is one acknowledged write that a promotion cost.
type LostWrite struct {
	Op        int // place in History.Ops
	Phase     Phase
	Promotion int // place in History.Events
}

// Divergence is a key on which nodes differ after convergence.
type Divergence struct {
	Key    string
	Nodes  [2]string
	Values [2]string // "" with the other's, where it is missing: see Absent
	Absent [2]bool
}

// StaleRead is a read of a replica that returned a replaced value.
type StaleRead struct {
	Op int
	// Age is how long before the read began the value's successor had been acknowledged.
	Age time.Duration
}

// Account is what happened.
type Account struct {
	Acked      int // writes
	Lost       []LostWrite
	Promotions []Promotion
	// SplitBrain are the writes that a deposed master acknowledged, with their fate.
	SplitBrain []SplitBrainWrite
	// DualMaster is for how long two masters were up and answered polls of ROLE as such,
	// and DualAcked how many writes each node acknowledged in that time.
	DualMaster time.Duration
	DualAcked  map[string]int
	Diverged   []Divergence
	Stale      []StaleRead
	Anomalies  []anomaly.Anomaly
	// Unattributed counts acknowledged writes without node or offset: nothing is
	// said about them.
	Unattributed int
}

// SplitBrainWrite is a write acknowledged by a master that another had replaced already.
type SplitBrainWrite struct {
	Op   int
	Lost bool
}

// Of accounts for h. master is the node that was master when the history began.
func Of(h *history.History, master string) Account {
	a := accountant{h: h, terms: terms(h, master), left: leftMaster(h)}
	a.lives()
	a.line = a.lineage()
	a.writes()
	a.promotions()
	a.dualMasters()
	a.divergence()
	a.staleReads()
	return a.out
}

// term is the time of one master, from its promotion to the next one's.
type term struct {
	node     string
	from, to time.Duration
	event    int // that began it; -1 for the first
	// returned: it had been down, and began a history of its own, with new offsets, on
	// what its disk held. One that was replaced meanwhile is stale: its term is over when
	// it begins.
	returned bool
	// resumed: its successor follows it again. It goes on with the history that it had.
	resumed    bool
	heir       int    // the term that ended it; -1: none
	notShared  int64  // first offset not shared with the history that it branched from
	id, of     string // name of its history, and of that; "" when not known
	cut, odown time.Duration
}

// terms cuts time up by the promotions, and by masters that come back from the dead. A cut
// and an ODOWN belong to the term of the acting master when they are about it.
func terms(h *history.History, master string) []term {
	all := []term{{node: master, to: history.Never, event: -1, heir: -1, cut: history.Never, odown: history.Never}}
	acting := 0
	for _, i := range inTime(h, func(*history.Event) bool { return true }) {
		ev := &h.Events[i]
		next := term{node: ev.Node, from: ev.At, to: history.Never, event: i, heir: -1, cut: history.Never, odown: history.Never}
		switch is := all[acting].node == ev.Node; ev.Kind {
		case history.Promoted:
			next.of, next.id, _ = strings.Cut(ev.Text, " ")
			if is && (next.id == "" || next.id == all[acting].id) {
				continue // elected twice: it is master already
			}
			next.notShared = ev.Offset
		case history.Resumed:
			of := before(all, len(all), ev.Node)
			if is || of < 0 {
				continue
			}
			next.resumed, next.id = true, all[of].id
		case history.Began:
			if of := before(all, len(all), ev.Node); of >= 0 {
				all[of].id = ev.Text
			}
			continue
		case history.Returned:
			next.returned, next.id = true, ev.Text
			if !is {
				next.to, next.heir, next.cut = ev.At, acting, ev.At
				all = append(all, next)
				continue
			}
		case history.CutOff:
			if is {
				all[acting].cut = min(all[acting].cut, ev.At)
			}
			continue
		case history.DownSeen:
			if is {
				all[acting].odown = min(all[acting].odown, ev.At)
			}
			continue
		default:
			continue
		}
		all[acting].to, all[acting].heir = ev.At, len(all)
		acting = len(all)
		all = append(all, next)
	}
	return all
}

// inTime are the places of some events, in the order of time.
func inTime(h *history.History, of func(*history.Event) bool) (places []int) {
	for i := range h.Events {
		if of(&h.Events[i]) {
			places = append(places, i)
		}
	}
	sort.SliceStable(places, func(i, j int) bool { return h.Events[places[i]].At < h.Events[places[j]].At })
	return places
}

// lastPromoted is the term that nobody has ended.
func lastPromoted(all []term) int {
	return slices.IndexFunc(all, func(t term) bool { return t.heir < 0 })
}

// before is the last term of a node before the t-th; -1: there is none.
func before(all []term, t int, node string) int {
	for t--; t >= 0 && all[t].node != node; t-- {
	}
	return t
}

type accountant struct {
	h     *history.History
	terms []term
	line  []int  // see lineage
	left  string // see leftMaster
	// lacks are the keys of acknowledged writes that the master of a term did not hold when
	// it began; nil where nobody looked.
	lacks    []map[string]bool
	lookedAt []time.Duration
	// restarts are the starts of a server after its first, in the order of time.
	restarts map[string][]history.Event
	out      Account
}

// writes attributes each acknowledged write.
func (a *accountant) writes() {
	for i := range a.h.Ops {
		op := &a.h.Ops[i]
		if !op.Acked() || !op.Writes() {
			continue
		}
		a.out.Acked++
		if op.More == nil || op.More.Node == "" || op.More.Offset < 0 {
			a.out.Unattributed++
			continue
		}
		t := a.termOf(op)
		if t < 0 {
			a.out.Unattributed++
			continue
		}
		lost, by, phase := a.lost(op, t)
		deposed := a.terms[t].to <= op.Invoke
		if deposed {
			a.out.SplitBrain = append(a.out.SplitBrain, SplitBrainWrite{Op: i, Lost: lost})
			a.splitBrain(i, t, lost)
		}
		if lost {
			a.out.Lost = append(a.out.Lost, LostWrite{Op: i, Phase: phase, Promotion: a.terms[by].event})
		}
	}
}

// termOf is the last term of the node that acknowledged op that had begun by then.
func (a *accountant) termOf(op *history.Op) int {
	for t := len(a.terms) - 1; t >= 0; t-- {
		if a.terms[t].node == op.More.Node && a.terms[t].from <= op.Return {
			return t
		}
	}
	return -1
}

// lineage are the terms whose histories led to the one that is left, oldest first.
// A promotion is not always one of them: a Sentinel may call a failover off, or be
// overruled, and the promoted server goes back to the old master.
func (a *accountant) lineage() []int {
	all, left := a.terms, a.left
	t := lastPromoted(all)
	if left != "" && left != all[t].node {
		t = max(0, before(all, len(all), left))
	}
	line := []int{t}
	for t > 0 {
		own, from := before(all, t, all[t].node), t-1
		switch {
		case own >= 0 && (all[t].returned || all[t].of == "" && all[t].notShared < 1):
			from = own // it went on with what it had
		case all[t].of != "":
			for from > 0 && all[from].id != all[t].of {
				from--
			}
			if before := slices.IndexFunc(all, func(b term) bool { return b.heir == t }); all[from].id != all[t].of && before >= 0 && a.restarted(all[t].node, 0, all[t].from) != nil {
				from = before // nobody knows the name of the history that it began with itself
			}
		}
		t = from
		line = append(line, t)
	}
	slices.Reverse(line)
	return line
}

// leftMaster is the only server whose role was last seen as master; "" when there is
// not exactly one.
func leftMaster(h *history.History) string {
	type seen struct {
		at     time.Duration
		master bool
	}
	last := map[string]seen{}
	for i := range h.Events {
		if ev := &h.Events[i]; ev.Kind == history.RoleSeen && ev.At >= last[ev.Node].at {
			last[ev.Node] = seen{ev.At, ev.Text == "master"}
		}
	}
	left := ""
	for node, s := range last { // any order: more than one is none
		switch {
		case s.master && left != "":
			return ""
		case s.master:
			left = node
		}
	}
	return left
}

// lives takes the starts of servers, and what masters lacked.
func (a *accountant) lives() {
	a.lacks, a.lookedAt, a.restarts = make([]map[string]bool, len(a.terms)), make([]time.Duration, len(a.terms)), map[string][]history.Event{}
	for _, i := range inTime(a.h, func(ev *history.Event) bool { return ev.Kind == history.Lacks || ev.Kind == history.Restarted }) {
		ev := &a.h.Events[i]
		if ev.Kind == history.Restarted {
			a.restarts[ev.Node] = append(a.restarts[ev.Node], *ev)
			continue
		}
		for t := len(a.terms) - 1; t >= 0; t-- {
			if a.terms[t].node != ev.Node || a.terms[t].from > ev.At || a.terms[t].resumed {
				continue
			}
			if a.lacks[t] == nil {
				a.lacks[t], a.lookedAt[t] = map[string]bool{}, ev.At
				for _, key := range strings.Fields(ev.Text) {
					a.lacks[t][key] = true
				}
			}
			break
		}
	}
}

// restarted is the first start of a server after an instant, and not after another.
func (a *accountant) restarted(node string, after, until time.Duration) *history.Event {
	list := a.restarts[node]
	for i := range list {
		if list[i].At > after && list[i].At <= until {
			return &list[i]
		}
	}
	return nil
}

// lost reports whether the history that is left lacks op, which term of it began without
// (its own, when nothing of it is left), and why.
func (a *accountant) lost(op *history.Op, t int) (bool, int, Phase) {
	at := slices.Index(a.line, t)
	if at < 0 {
		if again := a.again(t); again >= 0 {
			return true, again, a.phase(op, t)
		}
		return true, t, a.phase(op, t)
	}
	// From the first term on that began on files, offsets are others than that of op: what
	// counts then is what its master was seen to lack. One that began on files, or on a
	// history that branches from none that its predecessor has ever had, may hold what a
	// master before it had lost.
	by, phase, others := -1, Phase(""), false
	for i, later := range a.line[at+1:] {
		term, before := &a.terms[later], &a.terms[a.line[at+i]]
		start := a.restarted(term.node, op.Return, term.from)
		own := a.lacks[later] != nil && (start != nil || before.id != "" && term.of != "" && term.of != before.id)
		others = others || own || term.returned
		lacks := a.lacks[later] != nil && (op.Return > a.lookedAt[later] || a.lacks[later][op.Key])
		switch {
		case own && !lacks:
			by = -1
		case by >= 0 || others && !lacks:
		case others && term.returned:
			by, phase = later, RestartedWithout
		case others && start != nil && start.Offset >= op.More.Offset:
			by, phase = later, LostOnDisk
		// Below 1 it is not known: a history begins with offset 1.
		case others || term.notShared >= 1 && op.More.Offset >= term.notShared:
			by, phase = later, a.phase(op, t)
		}
	}
	return by >= 0, by, phase
}

// again is the term of the history that is left by which somebody who had been master
// before the t-th took its place; -1: there is none. One that resumed took nothing: the t-th
// was called off.
func (a *accountant) again(t int) int {
	found := -1
	for _, later := range a.line {
		if later > t && !a.terms[later].resumed && before(a.terms, t, a.terms[later].node) >= 0 {
			if found = later; !a.terms[later].returned {
				break
			}
		}
	}
	return found
}

func (a *accountant) phase(op *history.Op, t int) Phase {
	term := &a.terms[t]
	switch {
	case op.Return >= term.to:
		return AfterPromotion
	case !slices.Contains(a.line, t):
		if a.again(t) >= 0 {
			return StaleMaster
		}
		return AfterPromotion
	case op.Return >= term.odown:
		return DownToPromoted
	case op.Return >= term.cut:
		return CutToDown
	}
	return BeforeCut
}

func (a *accountant) splitBrain(i, t int, lost bool) {
	op := &a.h.Ops[i]
	next := &a.terms[a.terms[t].heir]
	fate := "survived"
	if lost {
		fate = fmt.Sprintf("is lost: the history of %s is its own from offset %d on", next.node, next.notShared)
	}
	a.out.Anomalies = append(a.out.Anomalies, anomaly.Anomaly{
		Name: anomaly.SplitBrainWrite, Key: op.Key, Ops: []int{i},
		Rule: "a master that another has replaced acknowledges nothing",
		Story: fmt.Sprintf("at %s %s was promoted in place of %s\nat %s %s acknowledged %q = %q at offset %d\nthe write %s",
			next.from, next.node, op.More.Node, op.Return, op.More.Node, op.Key, op.Value, op.More.Offset, fate),
	})
}

// dualMasters adds up for how long polls found two masters. Between two polls
// of a node its role is taken to be that of the earlier one.
func (a *accountant) dualMasters() {
	polls := inTime(a.h, func(ev *history.Event) bool { return ev.Kind == history.RoleSeen })
	masters := map[string]bool{}
	var spans []history.Interval
	for n, i := range polls {
		ev := &a.h.Events[i]
		delete(masters, ev.Node)
		if ev.Text == "master" {
			masters[ev.Node] = true
		}
		if len(masters) > 1 && n+1 < len(polls) {
			if to := a.h.Events[polls[n+1]].At; to > ev.At {
				a.out.DualMaster += to - ev.At
				spans = append(spans, history.Interval{From: ev.At, To: to})
			}
		}
	}
	a.out.DualAcked = map[string]int{}
	for i := range a.h.Ops {
		op := &a.h.Ops[i]
		if !op.Acked() || !op.Writes() || op.More == nil || op.More.Node == "" {
			continue
		}
		n := sort.Search(len(spans), func(n int) bool { return spans[n].To > op.Return })
		if n < len(spans) && spans[n].From <= op.Return {
			a.out.DualAcked[op.More.Node]++
		}
	}
}

// divergence compares the converged states with that of the last master (or
// the first state read, when the master's is not there).
func (a *accountant) divergence() {
	var states []*history.State
	for i := range a.h.States {
		if s := &a.h.States[i]; s.Converged {
			states = append(states, s)
		}
	}
	if len(states) < 2 {
		return
	}
	master := a.terms[lastPromoted(a.terms)].node
	first := max(0, slices.IndexFunc(states, func(s *history.State) bool { return s.Node == master }))
	states[0], states[first] = states[first], states[0]
	for _, s := range states[1:] {
		a.compare(states[0], s)
	}
}

func (a *accountant) compare(x, y *history.State) {
	i, k := 0, 0
	for i < len(x.Keys) || k < len(y.Keys) {
		var order int
		switch {
		case i == len(x.Keys):
			order = 1
		case k == len(y.Keys):
			order = -1
		default:
			order = cmp.Compare(x.Keys[i].Key, y.Keys[k].Key)
		}
		d := Divergence{Nodes: [2]string{x.Node, y.Node}}
		switch {
		case order < 0:
			d.Key, d.Values[0], d.Absent[1] = x.Keys[i].Key, content(&x.Keys[i]), true
			i++
		case order > 0:
			d.Key, d.Values[1], d.Absent[0] = y.Keys[k].Key, content(&y.Keys[k]), true
			k++
		default:
			d.Key, d.Values = x.Keys[i].Key, [2]string{content(&x.Keys[i]), content(&y.Keys[k])}
			i++
			k++
			if d.Values[0] == d.Values[1] {
				continue
			}
		}
		a.out.Diverged = append(a.out.Diverged, d)
		a.out.Anomalies = append(a.out.Anomalies, anomaly.Anomaly{
			Name: anomaly.Divergence, Key: d.Key,
			Rule:  "after the faults have healed every replica holds the master's data",
			Story: fmt.Sprintf("%s\n%s", d.side(0), d.side(1)),
		})
	}
}

// content is a value in a form in which equal values are equal.
func content(kv *history.KV) string {
	if kv.List == nil {
		return kv.Value
	}
	return kv.Type + "[" + strings.Join(kv.List, " ") + "]"
}

func (d *Divergence) side(i int) string {
	if d.Absent[i] {
		return fmt.Sprintf("%s has no %q", d.Nodes[i], d.Key)
	}
	return fmt.Sprintf("%s has %q = %q", d.Nodes[i], d.Key, d.Values[i])
}

// staleReads finds reads that returned a value whose successor had been
// acknowledged before they began. Writes must be unique; the age is measured
// from the earliest acknowledgement among the writes that came after.
func (a *accountant) staleReads() {
	type write struct{ invoke, ret time.Duration }
	written := map[[2]string]write{}
	byKey := map[string][]write{}
	deleted := map[string]bool{} // where nothing can be found for several reasons
	for i := range a.h.Ops {
		op := &a.h.Ops[i]
		if op.Kind == history.Delete {
			deleted[op.Key] = true
		}
		if op.Kind != history.Write || op.Outcome == history.Failed {
			continue
		}
		w := write{op.Invoke, op.Return}
		if op.Outcome != history.OK {
			w.ret = history.Never
		}
		written[[2]string{op.Key, op.Value}] = w
		if op.Acked() {
			byKey[op.Key] = append(byKey[op.Key], w)
		}
	}
	// successor[i] is the earliest return among the writes of a key from place i on.
	successor := map[string][]time.Duration{}
	for key, ws := range byKey { // any order: each key is by itself
		sort.Slice(ws, func(i, j int) bool { return ws[i].invoke < ws[j].invoke })
		first := make([]time.Duration, len(ws)+1)
		first[len(ws)] = history.Never
		for i := len(ws) - 1; i >= 0; i-- {
			first[i] = min(first[i+1], ws[i].ret)
		}
		successor[key] = first
	}
	for i := range a.h.Ops {
		op := &a.h.Ops[i]
		if op.Kind != history.Read || !op.Acked() || deleted[op.Key] {
			continue
		}
		ws := byKey[op.Key]
		after := time.Duration(-1) // writes invoked after it replaced what was read
		if !op.Absent {
			w, ok := written[[2]string{op.Key, op.Value}]
			if !ok || w.ret == history.Never {
				continue
			}
			after = w.ret
		}
		n := sort.Search(len(ws), func(n int) bool { return ws[n].invoke > after })
		if n == len(ws) {
			continue
		}
		if replaced := successor[op.Key][n]; replaced < op.Invoke {
			a.out.Stale = append(a.out.Stale, StaleRead{Op: i, Age: op.Invoke - replaced})
			a.stale(i, replaced)
		}
	}
}

func (a *accountant) stale(i int, replaced time.Duration) {
	op := &a.h.Ops[i]
	node := ""
	if op.More != nil && op.More.Node != "" {
		node = " from " + op.More.Node
	}
	found := fmt.Sprintf("%q", op.Value)
	if op.Absent {
		found = "nothing"
	}
	a.out.Anomalies = append(a.out.Anomalies, anomaly.Anomaly{
		Name: anomaly.StaleRead, Key: op.Key, Ops: []int{i},
		Rule: "a read does not return a value that was replaced before it began",
		Story: fmt.Sprintf("at %s a newer value of %q had been acknowledged\nat %s client %d read %q%s and found %s, %s old",
			replaced, op.Key, op.Invoke, op.Client, op.Key, node, found, op.Invoke-replaced),
	})
}

// LostBy counts the lost writes of each phase.
func (a *Account) LostBy() map[Phase]int {
	n := map[Phase]int{}
	for _, l := range a.Lost {
		n[l.Phase]++
	}
	return n
}
