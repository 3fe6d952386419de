package transactions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/checker/anomaly"
)

// Model is the name of a consistency model, as Jepsen's documents write it.
type Model string

const (
	StrictSerializable             Model = "strict-serializable"
	StrongSessionSerializable      Model = "strong-session-serializable"
	Serializable                   Model = "serializable"
	StrongSnapshotIsolation        Model = "strong-snapshot-isolation"
	StrongSessionSnapshotIsolation Model = "strong-session-snapshot-isolation"
	SnapshotIsolation              Model = "snapshot-isolation"
	ParallelSnapshotIsolation      Model = "parallel-snapshot-isolation"
	Prefix                         Model = "prefix"
	CausalCerone                   Model = "causal-cerone"
	UpdateSerializable             Model = "update-serializable"
	ForwardConsistentView          Model = "forward-consistent-view"
	ConsistentView                 Model = "consistent-view"
	RepeatableRead                 Model = "repeatable-read"
	CursorStability                Model = "cursor-stability"
	MonotonicView                  Model = "monotonic-view"
	MonotonicSnapshotRead          Model = "monotonic-snapshot-read"
	MonotonicAtomicView            Model = "monotonic-atomic-view"
	UpdateAtomic                   Model = "update-atomic"
	ReadAtomic                     Model = "read-atomic"
	StrongReadCommitted            Model = "strong-read-committed"
	StrongSessionReadCommitted     Model = "strong-session-read-committed"
	ReadCommitted                  Model = "read-committed"
	StrongReadUncommitted          Model = "strong-read-uncommitted"
	StrongSessionReadUncommitted   Model = "strong-session-read-uncommitted"
	ReadUncommitted                Model = "read-uncommitted"
)

// otherNames are Adya's names of the models, and what else they are called.
var otherNames = map[Model]Model{
	"PL-1": ReadUncommitted, "PL-2": ReadCommitted, "PL-CS": CursorStability, "PL-2L": MonotonicView,
	"PL-2+": ConsistentView, "PL-FCV": ForwardConsistentView, "PL-MSR": MonotonicSnapshotRead,
	"PL-2.99": RepeatableRead, "PL-SI": SnapshotIsolation, "PL-3U": UpdateSerializable, "PL-3": Serializable,
	"PL-SS": StrictSerializable, "conflict-serializable": Serializable, "strong-serializable": StrictSerializable,
}

// Names of what only the definitions of models speak of.
const (
	g1  anomaly.Name = "G1" // G1a, G1b or G1c
	g2  anomaly.Name = "G2" // as G2-item, and on predicates
	sib anomaly.Name = "G-SIb"
)

// definition is a model by the models it includes and by what it forbids beside theirs.
type definition struct {
	model    Model
	includes []Model
	forbids  []anomaly.Name
}

// definitions list the models, each before those it includes. Sources: Adya,
// "Weak Consistency" (1999); Bailis and others, "Highly Available Transactions"
// (2013); Cerone, Bernardi and Gotsman, "A Framework for Transactional
// Consistency Models with Atomic Visibility" (2015); Cerone and Gotsman,
// "Analysing Snapshot Isolation" (2016), for G-nonadjacent; Daudjee and Salem
// (2004, 2006) for the sessions; and what Elle makes of them.
var definitions = []definition{
	{StrictSerializable, []Model{StrongSessionSerializable, StrongSnapshotIsolation}, forbid(byRealTime, g1, g2, NoSerialOrder)},
	{StrongSessionSerializable, []Model{Serializable, StrongSessionSnapshotIsolation}, forbid(byProcess, g1, g2, NoSerialOrder)},
	{Serializable, []Model{RepeatableRead, UpdateSerializable, SnapshotIsolation}, forbid(byData, Internal, g1, g2, NoSerialOrder)},
	{StrongSnapshotIsolation, []Model{StrongSessionSnapshotIsolation, StrongReadCommitted}, forbid(byRealTime, g1, GNonadjacent)},
	{StrongSessionSnapshotIsolation, []Model{SnapshotIsolation, StrongSessionReadCommitted}, forbid(byProcess, g1, GNonadjacent)},
	{SnapshotIsolation, []Model{ForwardConsistentView, MonotonicAtomicView, MonotonicSnapshotRead, ParallelSnapshotIsolation, Prefix},
		forbid(byData, Internal, g1, GNonadjacent)},
	{ParallelSnapshotIsolation, []Model{CausalCerone, UpdateAtomic}, nil},
	{Prefix, []Model{CausalCerone}, nil},
	{CausalCerone, []Model{ReadAtomic}, nil},
	{UpdateSerializable, []Model{ForwardConsistentView}, nil},
	{ForwardConsistentView, []Model{ConsistentView}, forbid(byData, sib)},
	{ConsistentView, []Model{CursorStability, MonotonicView}, forbid(byData, GSingle)},
	{RepeatableRead, []Model{CursorStability, MonotonicAtomicView}, forbid(byData, G2Item, LostUpdate)},
	{CursorStability, []Model{ReadCommitted}, forbid(byData, LostUpdate)},
	{MonotonicView, []Model{ReadCommitted}, nil},
	{MonotonicSnapshotRead, []Model{ReadCommitted}, nil},
	{UpdateAtomic, []Model{ReadAtomic}, forbid(byData, LostUpdate)},
	{ReadAtomic, []Model{MonotonicAtomicView}, forbid(byData, Internal, G1a, FutureRead)},
	{MonotonicAtomicView, []Model{ReadCommitted}, nil},
	{StrongReadCommitted, []Model{StrongSessionReadCommitted, StrongReadUncommitted}, forbid(byRealTime, G1c)},
	{StrongSessionReadCommitted, []Model{ReadCommitted, StrongSessionReadUncommitted}, forbid(byProcess, G1c)},
	{ReadCommitted, []Model{ReadUncommitted}, forbid(byData, g1)},
	{StrongReadUncommitted, []Model{StrongSessionReadUncommitted}, forbid(byRealTime, G0)},
	{StrongSessionReadUncommitted, []Model{ReadUncommitted}, forbid(byProcess, G0)},
	{ReadUncommitted, nil, forbid(byData, G0, DuplicateElements, CyclicVersions, anomaly.Phantom)},
}

func forbid(v variant, names ...anomaly.Name) []anomaly.Name {
	out := make([]anomaly.Name, len(names))
	for i, n := range names {
		if out[i] = n; n != Internal {
			out[i] = v.of(n)
		}
	}
	return out
}

// implies says which anomalies another one is as well.
var implies = implications()

func implications() map[anomaly.Name][]anomaly.Name {
	out := map[anomaly.Name][]anomaly.Name{
		G1a: {g1}, G1b: {g1},
		// Two reads of one list that cannot come from one order of appends: one
		// of them saw what did not last.
		IncompatibleOrder: {G1a},
		DirtyUpdate:       {G1a},
		// A circle of one transaction.
		FutureRead: {G1c},
		LostUpdate: {G2Item},
	}
	for v := range variants {
		for _, names := range [][]anomaly.Name{
			{G0, G1c}, {G1c, g1}, {GSingle, GNonadjacent, sib}, {GNonadjacent, G2Item}, {G2Item, g2}, {g1}, {g2}, {sib}, {NoSerialOrder},
		} {
			n, weaker := names[0], names[1:]
			for _, w := range weaker {
				out[v.of(n)] = append(out[v.of(n)], v.of(w))
			}
			if v+1 < variants {
				out[v.of(n)] = append(out[v.of(n)], (v + 1).of(n))
			}
		}
	}
	return out
}

// forbidden are all anomalies that each model forbids.
var forbidden = func() map[Model][]anomaly.Name {
	out := map[Model][]anomaly.Name{}
	for _, d := range slices.Backward(definitions) {
		all := slices.Clone(d.forbids)
		for _, m := range d.includes {
			all = append(all, out[m]...)
		}
		for _, n := range Anomalies() {
			if slices.ContainsFunc(implied(n), func(w anomaly.Name) bool { return slices.Contains(all, w) }) {
				all = append(all, n)
			}
		}
		slices.Sort(all)
		out[d.model] = slices.Compact(all)
	}
	return out
}()

// implied are n and all that it is as well.
func implied(n anomaly.Name) []anomaly.Name {
	out := []anomaly.Name{n}
	for i := 0; i < len(out); i++ {
		for _, w := range implies[out[i]] {
			if !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
	}
	return out
}

// Models lists the models that Options.Expect takes, each before those it includes.
func Models() []Model {
	out := make([]Model, len(definitions))
	for i, d := range definitions {
		out[i] = d.model
	}
	return out
}

// ParseModel is the model called name, with or without a colon in front; Adya's
// names (PL-3) are understood.
func ParseModel(name string) (Model, error) {
	m := Model(strings.TrimPrefix(name, ":"))
	if other, ok := otherNames[m]; ok {
		m = other
	}
	if !slices.Contains(Models(), m) {
		names := make([]string, len(definitions))
		for i, d := range definitions {
			names[i] = string(d.model)
		}
		return "", fmt.Errorf("no consistency model is called %q: want one of %s", name, strings.Join(names, ", "))
	}
	return m, nil
}

// Forbids reports whether a history with the anomaly called n breaks m.
func (m Model) Forbids(n anomaly.Name) bool { return slices.Contains(forbidden[m], n) }

// Includes reports whether every history that satisfies m satisfies other.
func (m Model) Includes(other Model) bool {
	if m == other {
		return true
	}
	for _, d := range definitions {
		if d.model == m {
			return slices.ContainsFunc(d.includes, func(w Model) bool { return w.Includes(other) })
		}
	}
	return false
}

// variant is the largest variant of cycles that m forbids.
func (m Model) variant() variant {
	for v := variants - 1; v > byData; v-- {
		if slices.ContainsFunc(cycles[:], func(n anomaly.Name) bool { return m.Forbids(v.of(n)) }) {
			return v
		}
	}
	return byData
}

// expected are the models to judge by.
func expected(models []Model) ([]Model, error) {
	if len(models) == 0 {
		return []Model{StrictSerializable}, nil
	}
	out := make([]Model, len(models))
	for i, name := range models {
		m, err := ParseModel(string(name))
		if err != nil {
			return nil, err
		}
		out[i] = m
	}
	return out, nil
}

// boundary are the weakest models that the anomalies rule out, and the others.
func boundary(names []anomaly.Name) (weakest, others []Model) {
	var out []Model
	for _, d := range definitions {
		if slices.ContainsFunc(names, d.model.Forbids) {
			out = append(out, d.model)
		}
	}
	for _, m := range out {
		if slices.ContainsFunc(out, func(w Model) bool { return w != m && m.Includes(w) }) {
			others = append(others, m)
		} else {
			weakest = append(weakest, m)
		}
	}
	return weakest, others
}
