package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"time"
)

// Neutral is a history in the neutral JSON form in which published histories
// with known verdicts are collected: one object with its operations, and for
// crash cases the crash time and what was recovered.
type Neutral struct {
	History
	Name    string
	Model   string // "cas-register", "kv-append", "register", "register+crash", "multi-register+crash"
	Verdict string // "linearizable", "not-linearizable", "prefix-consistent", "not-prefix"
	// CertainlyLost are the operations lost in every explanation, as places in
	// Ops; meaningful when HasLost.
	CertainlyLost []int
	HasLost       bool
}

type neutralFile struct {
	Name      string                     `json:"name"`
	Model     string                     `json:"model"`
	Verdict   string                     `json:"verdict"`
	Ops       []neutralOp                `json:"ops"`
	CrashTime *int64                     `json:"crash_time"`
	Recovered map[string]json.RawMessage `json:"recovered"`
	Lost      []int                      `json:"certainly_lost_ops"`
}

type neutralOp struct {
	Process int             `json:"process"`
	Op      string          `json:"op"`
	Key     string          `json:"key"`
	Value   json.RawMessage `json:"value"`
	Result  *bool           `json:"result"`
	Invoke  int64           `json:"invoke"`
	Return  *int64          `json:"return"`
	Status  string          `json:"status"`
}

type neutralTxn struct {
	ReadsBefore [][2]json.RawMessage `json:"reads_before"`
	Writes      [][2]json.RawMessage `json:"writes"`
}

// ParseNeutral reads one history in the neutral form. Its times are ticks and
// become nanoseconds.
func ParseNeutral(text []byte) (*Neutral, error) {
	var f neutralFile
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("neutral history: %w", err)
	}
	n := &Neutral{Name: f.Name, Model: f.Model, Verdict: f.Verdict, HasLost: f.Lost != nil}
	order := make([]int, len(f.Ops))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(a, b int) bool { return f.Ops[order[a]].Invoke < f.Ops[order[b]].Invoke })
	place := make([]int, len(f.Ops))
	for i, from := range order {
		op, err := f.Ops[from].op()
		if err != nil {
			return nil, fmt.Errorf("neutral history: operation %d: %w", from, err)
		}
		if f.Model == "kv-append" && op.Kind == Read && op.Value == "" {
			op.Absent = true // in this model a missing key reads as the empty string
		}
		op.ID = i
		place[from] = i
		n.Ops = append(n.Ops, op)
	}
	for _, from := range f.Lost {
		if from < 0 || from >= len(place) {
			return nil, fmt.Errorf("neutral history: lost operation %d is not there", from)
		}
		n.CertainlyLost = append(n.CertainlyLost, place[from])
	}
	slices.Sort(n.CertainlyLost)
	if f.CrashTime != nil {
		tc := time.Duration(*f.CrashTime)
		state := State{Began: tc, At: tc, Epoch: 1}
		for key, raw := range f.Recovered { // any order: sorted below
			value, absent, err := scalar(raw)
			if err != nil {
				return nil, fmt.Errorf("neutral history: recovered %q: %w", key, err)
			}
			if !absent {
				state.Keys = append(state.Keys, KV{Key: key, Value: value})
			}
		}
		sort.Slice(state.Keys, func(a, b int) bool { return state.Keys[a].Key < state.Keys[b].Key })
		n.Epochs = []Epoch{{Ended: tc, How: PowerCut}}
		n.States = []State{state}
	}
	return n, nil
}

func (o *neutralOp) op() (Op, error) {
	op := Op{Client: o.Process, Key: o.Key, Invoke: time.Duration(o.Invoke), Return: Never}
	switch o.Status {
	case "ok":
		op.Outcome = OK
	case "unknown":
		op.Outcome = Unknown
	case "fail":
		op.Outcome = Failed
	default:
		return op, fmt.Errorf("status %q: want ok, unknown or fail", o.Status)
	}
	if o.Return != nil {
		op.Return = time.Duration(*o.Return)
	} else if op.Outcome == OK {
		return op, fmt.Errorf("status ok without a return")
	}
	if op.Return < op.Invoke {
		return op, fmt.Errorf("returned at %d, before it was invoked at %d", op.Return, op.Invoke)
	}
	var err error
	switch o.Op {
	case "read":
		op.Kind = Read
		op.Value, op.Absent, err = scalar(o.Value)
	case "write":
		op.Kind = Write
		op.Value, _, err = scalar(o.Value)
	case "del":
		op.Kind = Delete
	case "append":
		op.Kind = Append
		op.Value, _, err = scalar(o.Value)
	case "cas":
		op.Kind = CAS
		var pair [2]json.RawMessage
		if err = json.Unmarshal(o.Value, &pair); err != nil {
			break
		}
		op.More = &More{Offset: -1}
		if op.More.Expect, _, err = scalar(pair[0]); err != nil {
			break
		}
		op.Value, _, err = scalar(pair[1])
		if o.Result != nil {
			op.More.Result = "0"
			if *o.Result {
				op.More.Result = "1"
			}
		}
	case "txn":
		op.Kind = Txn
		op.More = &More{Offset: -1}
		op.More.Parts, err = o.parts()
	default:
		err = fmt.Errorf("op %q: want read, write, del, append, cas or txn", o.Op)
	}
	return op, err
}

// parts are the reads of a transaction and then its writes, which is the order
// in which they are meant: the reads see the state before.
func (o *neutralOp) parts() ([]Op, error) {
	var t neutralTxn
	if err := json.Unmarshal(o.Value, &t); err != nil {
		return nil, err
	}
	var parts []Op
	for i, list := range [2][][2]json.RawMessage{t.ReadsBefore, t.Writes} {
		for _, pair := range list {
			key, _, err := scalar(pair[0])
			if err != nil {
				return nil, err
			}
			p := Op{Kind: Read, Key: key}
			if i == 1 {
				p.Kind = Write
			}
			if p.Value, p.Absent, err = scalar(pair[1]); err != nil {
				return nil, err
			}
			parts = append(parts, p)
		}
	}
	return parts, nil
}

// scalar is a JSON string, number or null as a value.
func scalar(raw json.RawMessage) (value string, absent bool, err error) {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0 || bytes.Equal(raw, []byte("null")):
		return "", true, nil
	case raw[0] == '"':
		err = json.Unmarshal(raw, &value)
		return value, false, err
	case raw[0] == '{' || raw[0] == '[' || raw[0] == 't' || raw[0] == 'f':
		return "", false, fmt.Errorf("value %s: want a string, a number or null", raw)
	}
	return string(raw), false, nil
}
