package transactions

import (
	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/verdict"
)

// Options change what Check assumes and demands. The zero Options demand strict
// serializability and assume nothing about how registers order their versions.
type Options struct {
	// Expect are the consistency models that the history must satisfy; none
	// means StrictSerializable. Findings that all of them allow are reported and
	// do not make a history violated.
	Expect []Model
	// WFRKeys: a transaction that reads a register and then writes it wrote a
	// later version than it read (Elle's :wfr-keys?). Every serializable store
	// and snapshot isolation do so.
	WFRKeys bool
	// SequentialKeys: each register by itself is sequentially consistent, so that
	// the order of a process orders its versions (Elle's :sequential-keys?).
	SequentialKeys bool
	// LinearizableKeys: each register by itself is linearizable, so that real
	// time orders its versions (Elle's :linearizable-keys?).
	LinearizableKeys bool
	// Limit is how many findings of each name carry evidence; 0 means 8. All are counted.
	Limit int
}

// Result is what is wrong with a history.
type Result struct {
	// Verdict is Violated when a finding is forbidden by an expected model,
	// Unknown when nothing is and nothing committed or a search gave up.
	Verdict verdict.Verdict
	// Why is one sentence: what is violated, or why nothing is known.
	Why string
	// Findings are in order of severity, then of their first transaction.
	Findings []Finding
	// Counts says how often each name was found, in order of severity. Cycles are
	// counted once for each strongly connected component.
	Counts []Count
	// Not are the weakest models that the findings rule out, AlsoNot the stronger
	// ones that fall with them (Elle's :not and :also-not).
	Not, AlsoNot []Model
	// Undecided names the anomalies whose search was given up, with the reason.
	Undecided []string
}

// Count is how often one anomaly was found.
type Count struct {
	Name anomaly.Name
	N    int
}

// Finding is one thing found wrong, with its evidence.
type Finding struct {
	Name anomaly.Name
	// Key is the key it is about, as the history writes it; empty for cycles.
	Key string
	// Txns are places in History.Txns (for a bank: in Bank.Reads): of a cycle in
	// its order, otherwise the transaction that saw it first.
	Txns []int
	// Edges of a cycle: Edges[i] leads from Txns[i] to the next, the last to Txns[0].
	Edges []Edge
	// Rule is the rule that is broken, one sentence.
	Rule string
	// Story tells it in lines, without a newline at the end.
	Story string
}

// Kind is why one transaction comes before another.
type Kind uint8

const (
	WW       Kind = iota + 1 // the second wrote the version after the first's
	WR                       // the second read what the first wrote
	RW                       // the second wrote the version after the one that the first read
	Process                  // the same client ran the second after the first
	RealTime                 // the first had returned when the second was invoked
)

func (k Kind) String() string {
	return [...]string{"", "ww", "wr", "rw", "process", "realtime"}[k]
}

// Edge is one step of a cycle.
type Edge struct {
	Kind     Kind
	From, To int // places in History.Txns
	// Key, Value and Next say what the edge goes by, as the history writes them:
	// the version written or read by From, and for WW and RW the next one, by To.
	Key, Value, Next string
	// Why is one sentence about it.
	Why string
}
