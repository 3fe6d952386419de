// Package anomaly names what can be wrong with a history, and carries the
// evidence for it. Every checker reports in these words, and so do the reports.
package anomaly

// Name is the name of a kind of anomaly, as users see it.
type Name string

const (
	// LostWrite: acknowledged, absent after recovery, beyond what the contract allows.
	LostWrite Name = "lost-write"
	// Hole: a later operation survived and an earlier one did not; no prefix explains the state.
	Hole Name = "hole"
	// TornTransaction: part of a MULTI/EXEC survived.
	TornTransaction Name = "torn-transaction"
	// Phantom: a value nobody wrote, or a deadline that nobody gave it.
	Phantom Name = "phantom"
	// AbortedRead: a value whose only writer was told that it failed.
	AbortedRead Name = "aborted-read"
	// Resurrection: deleted, expired or overwritten data is back.
	Resurrection Name = "resurrection"
	// Unrecoverable: the server does not start on what the crash left.
	Unrecoverable Name = "unrecoverable"
	// SilentTruncation: it starts, says nothing, and has dropped acknowledged data from the middle.
	SilentTruncation Name = "silent-truncation"
	// StaleRead: a read returned a value that a newer one had already replaced.
	StaleRead Name = "stale-read"
	// NonLinearizable: no order of the operations explains what the clients saw.
	NonLinearizable Name = "non-linearizable"
	// SplitBrainWrite: acknowledged by a master that another master had already replaced.
	SplitBrainWrite Name = "split-brain-write"
	// Divergence: replicas differ after convergence.
	Divergence Name = "divergence"
	// Refused: writes refused that were promised to be taken, or the other way round.
	Refused Name = "refused"
	// Exited: the server ended by itself, and nothing had failed it.
	Exited Name = "exited"
	// LateSync: no sync was started for written data in the time the contract
	// gives. Nothing need be lost yet: it is the contract's clause that is broken.
	LateSync Name = "late-sync"
)

// Names lists every anomaly, in the order in which reports show them.
func Names() []Name {
	return []Name{
		LostWrite, Hole, TornTransaction, Phantom, AbortedRead, Resurrection, Unrecoverable, SilentTruncation,
		StaleRead, NonLinearizable, SplitBrainWrite, Divergence, Refused, Exited, LateSync,
	}
}

var meanings = map[Name]string{
	LostWrite:        "a write that its client was told is done was gone after the recovery",
	Hole:             "a later write survived and an earlier one did not, so that no moment of the past is what came back",
	TornTransaction:  "part of a transaction survived, and part did not",
	Phantom:          "a value was read that nobody wrote",
	AbortedRead:      "a value was read whose only writer had been told that it failed",
	Resurrection:     "what had been deleted, had expired or had been overwritten was back",
	Unrecoverable:    "the server did not start on what the crash left",
	SilentTruncation: "the server started without a word, and had dropped acknowledged data from the middle",
	StaleRead:        "a read returned a value that a newer one had already replaced",
	NonLinearizable:  "no order of the operations explains what the clients saw",
	SplitBrainWrite:  "a master acknowledged a write although another had already replaced it",
	Divergence:       "replicas went on with other data than their master",
	Refused:          "writes were refused that were promised to be taken, or the other way round",
	Exited:           "the server ended by itself, and nothing had failed it",
	LateSync:         "no sync was started for written data in the time that the contract gives",
}

// Meaning says what an anomaly is, as a clause; "" of a name that is none.
func (n Name) Meaning() string { return meanings[n] }

// Anomaly is one thing found wrong, with its evidence.
type Anomaly struct {
	Name  Name
	Epoch int    // the life of the server in which it happened; 0 is the first
	Key   string // empty when it is not about one key
	// Ops are the places in History.Ops of the operations that show it, in order
	// of invocation.
	Ops []int
	// Rule is the rule that is broken, one sentence.
	Rule string
	// Story tells it: who wrote what and when, what was read after recovery.
	// Lines, without a newline at the end.
	Story string
}
