package transactions

import "github.com/torntail/torntail/checker/anomaly"

// What Check finds without a graph. Names are Elle's where it has one.
const (
	DuplicateElements anomaly.Name = "duplicate-elements"
	IncompatibleOrder anomaly.Name = "incompatible-order"
	CyclicVersions    anomaly.Name = "cyclic-versions"
	DirtyUpdate       anomaly.Name = "dirty-update"
	Internal          anomaly.Name = "internal"
	FutureRead        anomaly.Name = "future-read"
	G1a               anomaly.Name = "G1a"
	G1b               anomaly.Name = "G1b"
	LostUpdate        anomaly.Name = "lost-update"
)

// The cycles, worst first; each also ends in -process and -realtime.
const (
	G0           anomaly.Name = "G0"
	G1c          anomaly.Name = "G1c"
	GSingle      anomaly.Name = "G-single"
	GNonadjacent anomaly.Name = "G-nonadjacent"
	G2Item       anomaly.Name = "G2-item"
)

// NoSerialOrder is told where every order was tried and nothing that has a name
// explains why none is right. It, too, ends in -process and -realtime. It is not Elle's.
const NoSerialOrder anomaly.Name = "no-serial-order"

// What CheckBank finds. Names are those of Jepsen's bank checker.
const (
	UnexpectedKey anomaly.Name = "unexpected-key"
	NilBalance    anomaly.Name = "nil-balance"
	WrongTotal    anomaly.Name = "wrong-total"
	NegativeValue anomaly.Name = "negative-value"
)

// variant is which order of clients a cycle needs beside the data.
type variant uint8

const (
	byData variant = iota
	byProcess
	byRealTime
	variants
)

func (v variant) of(n anomaly.Name) anomaly.Name {
	return n + [...]anomaly.Name{"", "-process", "-realtime"}[v]
}

// kinds are the edges that a variant adds. What one client did one after another
// is in the order of real time as well.
func (v variant) kinds() uint8 { return [...]uint8{0, process, process | realtime}[v] }

// cycles are their names in order of severity: a cycle in the data is worse than
// one that takes the order of a process, and that worse than one of real time.
var cycles = [...]anomaly.Name{G0, G1c, GSingle, GNonadjacent, G2Item}

// Anomalies lists everything that Check can find, in order of severity.
func Anomalies() []anomaly.Name {
	names := []anomaly.Name{anomaly.Phantom, DuplicateElements, IncompatibleOrder, CyclicVersions, DirtyUpdate, Internal, FutureRead, G1a, G1b, LostUpdate}
	for v := range variants {
		for _, n := range cycles {
			names = append(names, v.of(n))
		}
		names = append(names, v.of(NoSerialOrder))
	}
	return names
}

// rules say what each anomaly breaks.
var rules = map[anomaly.Name]string{
	anomaly.Phantom:   "every value that is read was written by somebody",
	DuplicateElements: "each element was appended once, so that a list holds it at most once",
	IncompatibleOrder: "a list only grows at its end, so that of any two reads of it one is a prefix of the other",
	CyclicVersions:    "the versions of a key come one after another, so that none comes before itself",
	DirtyUpdate:       "what an aborted transaction wrote is not there for a committed one to build on",
	Internal:          "a transaction sees its own writes, and nobody else's after its first read of a key",
	FutureRead:        "a transaction does not see what it is yet to write",
	G1a:               "nobody reads what an aborted transaction wrote (aborted read)",
	G1b:               "nobody reads what a transaction overwrote itself before it committed (intermediate read)",
	LostUpdate:        "of two transactions that read the same version of a key and then write the key, one must fail",
	G0:                "writes do not form a cycle (dirty write)",
	G1c:               "information does not flow in a circle: no cycle of writes and of reads of what was written",
	GSingle:           "no cycle has exactly one read of a version that another transaction of it replaced (read skew)",
	GNonadjacent:      "no cycle has, between any two reads of a replaced version, a step of another kind",
	G2Item:            "no cycle has reads of replaced versions in it (write skew on items)",
	NoSerialOrder:     "some order of the transactions, one after another, explains every read",
	UnexpectedKey:     "only the accounts of the bank are read",
	NilBalance:        "every account has a balance",
	WrongTotal:        "transfers keep the total of all accounts as it is",
	NegativeValue:     "no account is overdrawn",
}

// rule is what the anomaly called n breaks.
func rule(n anomaly.Name) string {
	for v := range variants {
		for _, c := range append(cycles[:], NoSerialOrder) {
			if n != v.of(c) {
				continue
			}
			return rules[c] + [...]string{"", ", with the order counted in which each client ran its own", ", with the order of real time counted in"}[v]
		}
	}
	return rules[n]
}
