package workloads

import (
	"time"

	"github.com/torntail/torntail/checker/history"
)

// Protocol is how clients ask a store and are answered: operations become bytes, and
// bytes what is known of operations. RESP is one.
type Protocol interface {
	// Has reports whether the store has operations of a kind. Of history.Expire it says
	// whether a Write may have a deadline.
	Has(k history.Kind) bool
	// Ask adds to what a connection will send what asks for an operation; values are
	// padded to size bytes (Padded).
	Ask(c *Conn, op *history.Op, size int)
	// Answer reads all that a store answers to an operation. An error says that there was
	// no answer, or none that the protocol has.
	Answer(c *Conn, op *history.Op) (Answer, error)
	// Dump reads all that there is, while nobody writes: every key (not only those the
	// workload knows: a phantom key must show), its value and its time to live. read is
	// the kind that reads a key. Keys come in any order.
	Dump(c *Conn, read history.Kind, r *Run, timeout time.Duration) ([]history.KV, error)
	// Command sends words of a plan's "do" and reads the answer. An error may be the
	// store's own word, a *ServerError.
	Command(c *Conn, words []string) error
}

// Answer is what a store says of an operation. Bytes are good until the connection's
// next answer.
type Answer struct {
	Refused bool   // it was surely not executed
	Why     string // when refused
	Absent  bool   // a read found nothing
	Value   []byte
	Values  [][]byte // of a read of several, in the order of history.More.Values; nil of another operation
	Result  string   // a reply that is not the value itself
}
