// Package offline judges histories that people bring, by whichever judge fits
// what they are about: linearizability and contracts by package checker,
// transactions and banks by package transactions, queues of which only the
// totals count by itself.
package offline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/checker"
	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/checker/transactions"
	"github.com/torntail/torntail/checker/verdict"
)

// TotalQueue is the model of queues that may hand out their elements in any order.
const TotalQueue = "total-queue"

// more are the models beside those of package linear, with the operations that
// they have.
var more = []linear.Model{
	{Name: "cas-register", Kinds: []history.Kind{history.Read, history.Write, history.CAS, history.Delete}},
	{Name: "counter", Kinds: []history.Kind{history.Read, history.Incr}},
	{Name: "queue", Kinds: []history.Kind{history.Append, history.Push, history.Pop}},
	{Name: TotalQueue, Kinds: []history.Kind{history.Append, history.Push, history.Pop}},
	{Name: string(history.ListAppend), Kinds: []history.Kind{history.Append, history.Push, history.Read, history.ReadList}},
	{Name: string(history.RWRegisters), Kinds: []history.Kind{history.Read, history.Write}},
	{Name: string(history.Banks), Kinds: []history.Kind{history.Read, history.Incr}},
}

// Models are the names of the models that Options takes.
func Models() []string {
	var names []string
	for _, m := range linear.Models() {
		names = append(names, m.Name)
	}
	for i := range more {
		if !slices.Contains(names, more[i].Name) {
			names = append(names, more[i].Name)
		}
	}
	return names
}

// Options change what is demanded of a history.
type Options struct {
	// Model is what every key must be, or the transactions are; empty: what the
	// file says, or the operations.
	Model string
	// Initial is what every key holds at the start, empty: nothing, or what the
	// file says. A bank has its accounts, {a 10 b 10}.
	Initial string
	// Promise is what must have survived crashes; contract.Clients() demands
	// what clients can see.
	Promise contract.Contract
	// Consistency are the models that transactions must satisfy; none: strict
	// serializability.
	Consistency []transactions.Model
	Limits      linear.Limits
}

// Verdict is what is known of a history.
type Verdict struct {
	Verdict verdict.Verdict
	Why     string // one sentence
	// As says by what the history was judged, in words.
	As        string
	Anomalies []anomaly.Anomaly
	Notes     []string
	// Partial tells, of each search that ran out of time or memory, how far it came.
	Partial []string
	// Judgement is set when package checker judged here.
	Judgement *checker.Judgement
	// linear: package checker judged, here or during a run.
	linear bool
}

// FromRun is a verdict that package checker has given during a run.
func FromRun(v verdict.Verdict, why string, anomalies []anomaly.Anomaly) Verdict {
	return Verdict{Verdict: v, Why: why, Anomalies: anomalies, As: "the contract of its run", linear: true}
}

// Judge judges a history. An error says why it is not one of the model's.
func Judge(f *history.File, o Options) (Verdict, error) {
	if err := fits(f.History, o.Model); err != nil {
		return Verdict{}, err
	}
	switch kind := kindOf(f, o.Model); kind {
	case history.ListAppend, history.RWRegisters:
		return judgeTransactions(f, kind, o)
	case history.Banks:
		return judgeBank(f, o)
	}
	if o.Initial != "" {
		if err := f.SetInitial(o.Initial); err != nil {
			return Verdict{}, err
		}
	}
	if o.Model == TotalQueue {
		return totalQueue(f.History), nil
	}
	v := linearizable(f, o)
	if v.Verdict == verdict.Violated && v.Anomalies[0].Name == anomaly.Phantom && o.Initial == "" && len(f.States) == 0 {
		v.Notes = append(v.Notes, "keys that hold something before the first operation need --initial VALUE")
	}
	if f.Workload == history.Queues && v.Verdict == verdict.Violated && totalQueue(f.History).Verdict == verdict.Holds {
		v.Notes = append(v.Notes, "nothing is lost, added or doubled: only the order is wrong (--model "+TotalQueue+" does not ask for one)")
	}
	return v, nil
}

// kindOf is the workload that decides which judge is asked.
func kindOf(f *history.File, model string) history.Workload {
	switch w := history.Workload(model); w {
	case "":
		return f.Workload
	case history.ListAppend, history.RWRegisters, history.Banks:
		return w
	}
	return ""
}

func linearizable(f *history.File, o Options) Verdict {
	judge := checker.Judge{Options: checker.Options{Limits: o.Limits}}
	j := judge.Judge(f.History, o.Promise)
	v := Verdict{Verdict: j.Verdict, Why: j.Why, Anomalies: j.Anomalies, Notes: j.Notes, Judgement: &j, linear: true, As: "linearizability"}
	if j.Assumption == checker.Enough && o.Promise.Crash == "" && slices.ContainsFunc(f.Ops, func(op history.Op) bool { return op.Outcome == history.OK }) {
		v.Verdict, v.Why = verdict.Holds, "" // nothing was promised but that the replies fit
		v.Notes = append(v.Notes, "no write was acknowledged, so that nothing could be lost")
	}
	for i := range j.Progress {
		v.Partial = append(v.Partial, partial(f.History, &j.Progress[i]))
	}
	if w := f.Workload; w != "" {
		v.As = fmt.Sprintf("%s: linearizability", w)
	}
	return v
}

// fits reports an operation that a model does not have.
func fits(h *history.History, name string) error {
	if name == "" {
		return nil
	}
	kinds := kindsOf(name)
	for i := range h.Ops {
		op := &h.Ops[i]
		parts := []history.Op{*op}
		if op.Kind == history.Txn && op.More != nil {
			parts = op.More.Parts
		} else if name == string(history.ListAppend) || name == string(history.RWRegisters) {
			return fmt.Errorf("operation %d (%s of key %q) is no transaction", i, op.Kind, op.Key)
		}
		for _, p := range parts {
			if !slices.Contains(kinds, p.Kind) {
				return fmt.Errorf("operation %d (%s of key %q) is none of a %s", i, p.Kind, p.Key, name)
			}
		}
	}
	return nil
}

func kindsOf(name string) []history.Kind {
	for _, m := range linear.Models() {
		if m.Name == name {
			return m.Kinds
		}
	}
	return more[slices.IndexFunc(more, func(m linear.Model) bool { return m.Name == name })].Kinds
}

// judgeTransactions judges the transactions of each object of its own.
func judgeTransactions(f *history.File, kind history.Workload, o Options) (Verdict, error) {
	if kind == history.ListAppend && o.Initial != "" {
		return Verdict{}, fmt.Errorf("initial value %q: lists that are appended to begin empty", o.Initial)
	}
	expect := o.Consistency
	if len(expect) == 0 {
		expect = []transactions.Model{transactions.StrictSerializable}
	}
	v := Verdict{As: fmt.Sprintf("%s: %s", kind, join(expect))}
	opts := transactions.Options{Expect: expect}
	// Who promises strict serializability promises that each register by itself
	// is linearizable, and who promises snapshot isolation or more that a
	// transaction writes a later version than it has read: a cycle that follows
	// from that breaks the promise.
	opts.LinearizableKeys = slices.Contains(expect, transactions.StrictSerializable)
	opts.WFRKeys = slices.ContainsFunc(expect, func(m transactions.Model) bool {
		return m != transactions.RepeatableRead && m != transactions.ReadCommitted && m != transactions.ReadUncommitted
	})
	return v, v.each(f, func(g group) (*transactions.Result, []int, error) {
		h, err := txns(f.History, g, kind == history.ListAppend, o.Initial)
		if err != nil {
			return nil, nil, err
		}
		r, err := transactions.Check(h, opts)
		return r, g.ops, err
	})
}

func join(models []transactions.Model) string {
	var names []string
	for _, m := range models {
		names = append(names, string(m))
	}
	return strings.Join(names, ", ")
}

// each puts the results of all groups together.
func (v *Verdict) each(f *history.File, check func(g group) (r *transactions.Result, places []int, err error)) error {
	all := groups(f.History)
	v.Verdict = verdict.Holds
	if len(all) == 0 {
		v.Verdict, v.Why = verdict.Unknown, "no transactions"
	}
	for _, g := range all {
		r, places, err := check(g)
		if err != nil {
			return err
		}
		answer := r.Verdict
		name := ""
		if f.Keyed {
			name = "key " + g.key + ": "
		}
		switch {
		case answer == verdict.Violated && v.Verdict != verdict.Violated,
			answer == verdict.Unknown && v.Verdict == verdict.Holds:
			v.Verdict, v.Why = answer, name+r.Why
		}
		for _, x := range r.Findings {
			a := anomaly.Anomaly{Name: x.Name, Key: x.Key, Rule: x.Rule, Story: x.Story}
			for _, t := range x.Txns {
				a.Ops = append(a.Ops, places[t])
			}
			if f.Keyed && g.key != "" {
				a.Story = "of key " + g.key + "\n" + a.Story
			}
			v.Anomalies = append(v.Anomalies, a)
		}
		v.remarks(name, r)
	}
	return nil
}

// remarks are what is said beside the findings.
func (v *Verdict) remarks(name string, r *transactions.Result) {
	for _, c := range r.Counts {
		n := 0
		for i := range r.Findings {
			if r.Findings[i].Name == c.Name {
				n++
			}
		}
		if n < c.N {
			v.Notes = append(v.Notes, fmt.Sprintf("%s%s: %d in all, %d are shown", name, c.Name, c.N, n))
		}
	}
	if len(r.Not) > 0 {
		v.Notes = append(v.Notes, fmt.Sprintf("%snot %s, nor any model that promises more", name, join(r.Not)))
	}
	for _, u := range r.Undecided {
		v.Notes = append(v.Notes, name+"not decided: "+u)
	}
}
