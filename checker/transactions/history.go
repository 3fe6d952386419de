// Package transactions judges histories of transactions as Elle does (Kingsbury
// and Alvaro, VLDB 2020): it infers from what the clients saw in which order the
// versions of each key came, builds Adya's dependency graph of the transactions
// (write-write, write-read and read-write edges; process and real-time order),
// and names the cycles in it: G0, G1c, G-single, G-nonadjacent, G2-item. Beside
// them it names what needs no graph: aborted, intermediate and impossible reads,
// lost updates, orders that contradict each other. Names and consistency models
// are those that users of Jepsen know. It also judges histories of bank accounts.
package transactions

import (
	"strconv"
	"time"

	"github.com/torntail/torntail/checker/history"
)

// Value is a key, or a value of a key: a place in History.Names. Two of them are
// the same when the history writes them the same.
type Value int32

// Nil is what Jepsen's histories call nil, as the value of a register usually its
// initial state. No text has it: Names.Of("nil") is the text of three letters. A
// list that nobody has appended to is empty, not Nil.
const Nil Value = 0

// Func is what a micro-operation does.
type Func uint8

const (
	Read   Func = iota + 1 // [:r k v]
	Write                  // [:w k v]: sets a register
	Append                 // [:append k v]: adds an element at the end of a list
)

// Mop is one micro-operation of a transaction.
type Mop struct {
	Func Func
	// Known: the Read returned; without it Value and List say nothing.
	Known bool
	Key   Value
	Value Value   // written, appended, or read from a register
	List  []Value // read from a list, first element first
}

// Txn is one transaction of one client.
type Txn struct {
	Process int
	Invoke  time.Duration
	Return  time.Duration // history.Never when there was no reply
	// Outcome is OK for committed, Failed for aborted, Unknown for anything else
	// (:info). An Unknown transaction counts as committed once a committed one has
	// seen a write of it, and not at all before.
	Outcome history.Outcome
	Line    int // where the history has it, for the reader; 0 when it comes from no file
	Mops    []Mop
}

// History is the transactions of one test, all over lists or all over registers.
type History struct {
	// Lists: the keys hold lists, and transactions Append and Read them. Otherwise
	// they hold registers, which transactions Write and Read.
	Lists bool
	// Initial is what every register holds before the first write; lists are empty.
	Initial Value
	Txns    []Txn // in order of Invoke
	// Names says how the history wrote each Value.
	Names Names
}

// Names are the keys and values of a history. The zero Names is empty and ready.
type Names struct {
	texts []string
	ints  []Value // of small integers: one more than the Value, so that 0 is none
	other map[string]Value
}

// smallInts bounds the integers that are found without hashing.
const smallInts = 1 << 24

// Of is the Value written as text: 3, :x, "a", [1 2] as the history has them.
// Different texts are different values, and none of them is Nil.
func (n *Names) Of(text string) Value {
	if n.texts == nil {
		n.texts = append(n.texts, "nil")
	}
	i, small := smallInt(text)
	if small && i < len(n.ints) && n.ints[i] != 0 {
		return n.ints[i] - 1
	}
	v, ok := n.other[text]
	if !ok {
		v = Value(len(n.texts))
		n.texts = append(n.texts, text)
	}
	switch {
	case small && i < len(n.ints):
		n.ints[i] = v + 1
	case small && i < 4*len(n.texts)+1024: // one large integer does not make the table large
		n.ints = append(n.ints, make([]Value, max(i+1, 2*len(n.ints))-len(n.ints))...)
		n.ints[i] = v + 1
	case !ok:
		if n.other == nil {
			n.other = map[string]Value{}
		}
		n.other[text] = v
	}
	return v
}

// Int is the Value of an integer.
func (n *Names) Int(i int64) Value {
	if 0 <= i && i < int64(len(n.ints)) && n.ints[i] != 0 {
		return n.ints[i] - 1
	}
	return n.Of(strconv.FormatInt(i, 10))
}

// smallInt is the integer that text is the usual way of writing.
func smallInt(text string) (int, bool) {
	if len(text) == 0 || len(text) > 8 || text[0] == '0' && len(text) > 1 {
		return 0, false
	}
	i := 0
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
		i = 10*i + int(c-'0')
	}
	return i, i < smallInts
}

// Text is how the history wrote v.
func (n *Names) Text(v Value) string {
	if v == Nil {
		return "nil"
	}
	return n.texts[v]
}

// Len is one more than the largest Value.
func (n *Names) Len() int { return max(1, len(n.texts)) }
