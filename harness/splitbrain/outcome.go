package splitbrain

import (
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/plan"
)

// Note is something a Sentinel announced.
type Note struct {
	At    time.Duration `json:"at_ns"`
	Node  string        `json:"node"`  // the Sentinel
	Event string        `json:"event"` // "+sdown", "+odown", "+switch-master"...
	Text  string        `json:"text"`
}

// Turn is a change of a server's role, as administrative polls saw it.
type Turn struct {
	At     time.Duration `json:"at_ns"`
	Node   string        `json:"node"`
	Master bool          `json:"master"`
	Down   bool          `json:"down,omitempty"` // it did not answer: killed, stopped or stuck
	// Of a promotion: the first offset that its history does not share with that of
	// its predecessor, and the name of that history.
	SecondOffset int64  `json:"second_repl_offset,omitempty"`
	SecondID     string `json:"master_replid2,omitempty"`
}

// Learnt is that a client that looked for the master was told of one.
type Learnt struct {
	At     time.Duration
	Client int
	Node   string
	How    How
}

// How is by what a client learns who is master.
type How string

const (
	Announced How = "subscribed" // +switch-master, which it had subscribed to
	Asked     How = "asked"      // it asked a Sentinel, as it does every second or when its connection breaks
)

// Suffix is the part of an old master's history that the new one's lacks, read
// from the old master before it was wiped.
type Suffix struct {
	Node   string        `json:"node"`
	ReadAt time.Duration `json:"read_at_ns"`
	From   int64         `json:"from"`  // first offset
	Bytes  int64         `json:"bytes"` // so many of it
	Keys   []string      `json:"keys"`  // written in it, in order
	Why    string        `json:"why,omitempty"`
}

// Outcome is what an experiment did, before anybody judges it.
type Outcome struct {
	Seed    uint64
	Version string // the servers'
	History *history.History
	Began   time.Duration // when clients and the plan began, on the clock of the history
	Ended   time.Duration // when clients stopped

	Notes      []Note
	Learnt     []Learnt
	Turns      []Turn // the first of each server is its role at the start
	Suffixes   []Suffix
	Statements []plan.StatementReport
	Refused    map[string]int // writes refused, by the first word of the error

	Healed time.Duration // when the last fault of the plan ended
	// Down are the servers and Sentinels that the plan has left down: the others are judged.
	// Stranded: they cannot converge without those, and Why says it.
	Down []string
	// Itself are those that nobody has ended, or that refused to start again, with their words.
	Itself     map[string]string
	Stranded   bool
	Converged  bool
	TookToHeal time.Duration // from Healed until all servers held the same and all Sentinels agreed; also how long was waited in vain
	Executed   []Executed    // what the files of each server say that it has executed
	// Why says what an experiment lacked that proved nothing.
	Why string

	// Evidence takes what is left of the nodes of a run that does not hold; nil: nobody can.
	Evidence func() ([]Evidence, error)

	Waits    Waits
	Trace    uint64    // in simulation: the hash of everything that happened
	Findings []Finding // what was wrong while it ran, and in simulation what its own judge found
}

// Waits are answers of WAIT that were held against what replicas have acknowledged.
type Waits struct {
	Compared int `json:"compared"`
	TooHigh  int `json:"too_high"` // more replicas than had acknowledged the write
}

// Finding is something that must not happen in any schedule: a bug of the engine,
// not a price of asynchronous replication.
type Finding struct {
	Anomaly string // by the names of the checkers; "liveness" when it does not converge
	Text    string
}

func (f Finding) String() string { return f.Anomaly + ": " + f.Text }

// Executed is what one server's append-only files hold, old files included.
type Executed struct {
	Node string
	Keys []string // in the order of execution, once for each time
	// Before are those that they held before the plan took something from its disk.
	Before []string
	None   bool   // it keeps none
	Err    string // why they could not be read
}
