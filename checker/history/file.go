package history

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// Workload is what the operations of a file are about, where its form says so.
type Workload string

const (
	Registers   Workload = "register"    // :read :write :cas
	Counters    Workload = "counter"     // :read :add of an amount
	Sets        Workload = "set"         // :read :add of an element
	Queues      Workload = "queue"       // :enqueue :dequeue :drain
	ListAppend  Workload = "list-append" // :txn of :append and :r
	RWRegisters Workload = "rw-register" // :txn of :w and :r
	Banks       Workload = "bank"        // :transfer and :read of all accounts
	KeyValue    Workload = "key-value"   // :get :put :append, as porcupine has them
)

// File is a history and what its file says about it.
type File struct {
	*History
	Format Format
	// Part says which of several histories of one file it is ("line 12"); empty
	// when there is only one.
	Part string
	// Workload is empty when only the operations tell.
	Workload Workload
	// Keyed: it is about several objects, each by itself (jepsen.independent).
	// Transactions have the name of theirs as Key.
	Keyed bool
	// Says is the verdict that the file itself gives ("linearizable"); mostly empty.
	Says string
	// assumed: the initial values are those that the form assumes when nobody
	// says anything else.
	assumed bool
}

// Options bound what is read.
type Options struct {
	// Memory is how much the history may take, in bytes; 0 means DefaultMemory.
	// The text, once decompressed, may be four times as long.
	Memory int64
}

// setInitial makes value what the keys of ops hold at the start.
func (f *File) setInitial(value map[string]KV) {
	if len(value) == 0 {
		return
	}
	at := slices.IndexFunc(f.States, func(s State) bool { return s.Epoch == 0 && !s.Converged })
	if at < 0 {
		f.States = slices.Insert(f.States, 0, State{})
		at = 0
	}
	s := &f.States[at]
	for _, kv := range value { // any order: sorted below
		if !slices.ContainsFunc(s.Keys, func(have KV) bool { return have.Key == kv.Key }) {
			s.Keys = append(s.Keys, kv)
		}
	}
	slices.SortFunc(s.Keys, func(a, b KV) int { return cmp.Compare(a.Key, b.Key) })
	if len(f.Ops) > 0 && f.Ops[0].Invoke < s.At {
		s.Began, s.At = f.Ops[0].Invoke, f.Ops[0].Invoke
	}
}

// SetInitial makes value what every key holds before the first operation. A
// history that says so itself for a key keeps what it says. An error names what
// the workload cannot begin with.
func (f *File) SetInitial(value string) error {
	v, err := parseInitial(value)
	if err != nil {
		return fmt.Errorf("initial value %q: %w", value, err)
	}
	all := map[string]KV{}
	err = f.eachKey(func(op *Op) error {
		if _, err := strconv.ParseInt(v.text, 10, 64); op.Kind == Incr && err != nil {
			return fmt.Errorf("initial value %q of %s: want an integer, to which something is added", value, op.Key)
		}
		if _, ok := all[op.Key]; ok {
			return nil
		}
		kv, err := v.of(op)
		if err != nil {
			return fmt.Errorf("initial value %q of %s: %w", value, op.Key, err)
		}
		all[op.Key] = kv
		return nil
	})
	if err != nil {
		return err
	}
	if f.assumed {
		f.States, f.assumed = nil, false
	}
	f.setInitial(all)
	return nil
}
