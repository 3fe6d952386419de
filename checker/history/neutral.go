package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"time"
	"unsafe"
)

// Neutral is a history in the neutral JSON form in which published histories
// with known verdicts are collected: one object with its operations, and for
// crash cases the crash time and what was recovered. A file may hold several.
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

// neutralFile is a history in this form. Initial is what every key, or each
// by its name, held before the first operation. Fields that only say where a
// history comes from are known and passed over; others are refused, because
// they may change the verdict.
type neutralFile struct {
	name, model, verdict string
	initial              json.RawMessage
	crashTime            *int64
	recovered            map[string]json.RawMessage
	lost                 []int
	ops                  []Op
}

// neutralAside are the fields that only say where a history comes from.
var neutralAside = []string{"source", "licence", "license", "clock", "made_by", "least_lost", "file", "comment"}

type neutralOp struct {
	Process int             `json:"process"`
	Op      string          `json:"op"`
	Key     string          `json:"key"`
	Value   json.RawMessage `json:"value"`
	Any     bool            `json:"any"` // what was read is not known
	Result  *bool           `json:"result"`
	Invoke  *int64          `json:"invoke"`
	Return  *int64          `json:"return"`
	Status  string          `json:"status"`
}

type neutralTxn struct {
	ReadsBefore [][2]json.RawMessage `json:"reads_before"`
	Writes      [][2]json.RawMessage `json:"writes"`
}

// strict decodes a value that has no fields but those of to.
func strict(raw []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(to)
}

// ParseNeutral reads one history in the neutral form. Its times are ticks and
// become nanoseconds.
func ParseNeutral(text []byte) (*Neutral, error) {
	d := newNeutralDecoder(bytes.NewReader(text), Options{})
	n, err := d.next()
	if errors.Is(err, io.EOF) {
		err = errors.New("the file is empty")
	}
	if err == nil {
		if _, more := d.next(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the history")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("neutral history: %w", err)
	}
	return n, nil
}

// neutralDecoder reads one history after another, operation by operation.
type neutralDecoder struct {
	json   *json.Decoder
	in     *bounded
	budget budget
}

// bounded keeps one value of a stream from growing without an end.
type bounded struct {
	in   io.Reader
	n    int64 // read
	from int64 // where the value at hand began
	most int64 // bytes that it may take
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.n-b.from > b.most {
		return 0, fmt.Errorf("one value of more than %s", Size(b.most))
	}
	n, err := b.in.Read(p)
	b.n += int64(n)
	return n, err
}

func newNeutralDecoder(in io.Reader, o Options) *neutralDecoder {
	budget := newBudget(o.Memory)
	b := &bounded{in: in, most: min(MaxLine, budget.most/4)}
	return &neutralDecoder{json: json.NewDecoder(b), in: b, budget: budget}
}

// next is the next history, and io.EOF after the last.
func (d *neutralDecoder) next() (*Neutral, error) {
	token, err := d.json.Token()
	if errors.Is(err, io.EOF) {
		return nil, err
	}
	if err != nil {
		return nil, d.at(err)
	}
	if token != json.Delim('{') {
		return nil, d.at(errors.New("want an object"))
	}
	var f neutralFile
	for d.json.More() {
		d.in.from = d.json.InputOffset()
		token, err := d.json.Token()
		if err != nil {
			return nil, d.at(err)
		}
		name, _ := token.(string)
		if err := d.field(&f, name); err != nil {
			return nil, d.at(err)
		}
	}
	if _, err := d.json.Token(); err != nil {
		return nil, d.at(err)
	}
	d.in.from = d.json.InputOffset()
	if err := d.budget.spend(historyBytes); err != nil {
		return nil, d.at(err)
	}
	return f.history()
}

// historyBytes is what a history without operations takes in a slice that grows.
const historyBytes = 2*int(unsafe.Sizeof(File{})) + int(unsafe.Sizeof(Neutral{}))

// at adds where reading stopped.
func (d *neutralDecoder) at(err error) error {
	return fmt.Errorf("offset %d: %w", d.json.InputOffset(), noEnd(err))
}

func (d *neutralDecoder) field(f *neutralFile, name string) (err error) {
	var to any
	switch name {
	case "name":
		to = &f.name
	case "model":
		to = &f.model
	case "verdict":
		to = &f.verdict
	case "initial":
		to = &f.initial
	case "crash_time":
		to = &f.crashTime
	case "recovered":
		to = &f.recovered
	case "certainly_lost_ops":
		to = &f.lost
	case "ops":
		return d.ops(f)
	default:
		if !slices.Contains(neutralAside, name) {
			return fmt.Errorf("unknown field %q", name)
		}
		to = &json.RawMessage{}
	}
	if err := d.json.Decode(to); err != nil {
		return fmt.Errorf("%s: %w", name, noEnd(err))
	}
	return d.budget.spend(int(d.json.InputOffset() - d.in.from))
}

// noEnd is an error that must not be taken for the end of the file.
func noEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("cut off")
	}
	return err
}

func (d *neutralDecoder) ops(f *neutralFile) error {
	token, err := d.json.Token()
	if err != nil {
		return noEnd(err)
	}
	if token == nil {
		return nil
	}
	if token != json.Delim('[') {
		return fmt.Errorf("ops: want an array")
	}
	var raw json.RawMessage
	for d.json.More() {
		n := len(f.ops)
		d.in.from = d.json.InputOffset()
		if err := d.json.Decode(&raw); err != nil {
			return fmt.Errorf("operation %d: %w", n, noEnd(err))
		}
		var o neutralOp
		if err := strict(raw, &o); err != nil {
			return fmt.Errorf("operation %d: %w", n, err)
		}
		op, err := o.op(&d.budget)
		if err != nil {
			return fmt.Errorf("operation %d: %w", n, err)
		}
		f.ops = appendOp(f.ops, op)
		if err := d.budget.spend(opBytes + len(raw)); err != nil {
			return err
		}
	}
	if _, err := d.json.Token(); err != nil {
		return noEnd(err)
	}
	return nil
}

// history puts together what was read.
func (f *neutralFile) history() (*Neutral, error) {
	n := &Neutral{Name: f.name, Model: f.model, Verdict: f.verdict, HasLost: f.lost != nil}
	order := make([]int, len(f.ops))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(a, b int) bool { return f.ops[order[a]].Invoke < f.ops[order[b]].Invoke })
	place := make([]int, len(f.ops))
	last := map[int]int{} // process: its last operation that returned
	n.Ops = make([]Op, 0, len(f.ops))
	for i, from := range order {
		op := f.ops[from]
		if before, ok := last[op.Client]; ok && f.ops[before].Return > op.Invoke {
			return nil, fmt.Errorf("operations %d and %d of process %d overlap: one returned at %d, the other was invoked at %d",
				before, from, op.Client, f.ops[before].Return, op.Invoke)
		}
		if op.Return != Never {
			last[op.Client] = from
		}
		if f.model == "kv-append" && op.Kind == Read && op.Value == "" {
			op.Absent = true // in this model a missing key reads as the empty string
		}
		op.ID = i
		place[from] = i
		n.Ops = append(n.Ops, op)
	}
	for _, from := range f.lost {
		if from < 0 || from >= len(place) {
			return nil, fmt.Errorf("lost operation %d is not there", from)
		}
		n.CertainlyLost = append(n.CertainlyLost, place[from])
	}
	slices.Sort(n.CertainlyLost)
	file := File{History: &n.History}
	if err := f.begin(&file); err != nil {
		return nil, err
	}
	if f.crashTime != nil {
		if err := f.crash(n); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// begin sets the initial values: those that are given, and null where null is
// a value like any other.
func (f *neutralFile) begin(file *File) error {
	nulls := map[string]bool{}
	each := func(do func(op *Op, outcome Outcome)) {
		for i := range file.Ops {
			op := &file.Ops[i]
			if op.Kind != Txn {
				do(op, op.Outcome)
			}
			for p := range op.More.parts() {
				do(&op.More.Parts[p], op.Outcome)
			}
		}
	}
	each(func(op *Op, _ Outcome) {
		if op.Kind == Write && op.Absent || op.Kind == CAS && (op.Absent || op.More.Expect == nullText) {
			nulls[op.Key] = true
		}
	})
	each(func(op *Op, outcome Outcome) {
		if nulls[op.Key] && op.Absent && (op.Kind != Read || outcome == OK) {
			op.Value, op.Absent = nullText, false
		}
	})
	value := map[string]KV{}
	for key := range nulls { // any order: setInitial sorts
		value[key] = KV{Key: key, Value: nullText}
	}
	if raw := bytes.TrimSpace(f.initial); len(raw) > 0 && raw[0] == '{' {
		var byKey map[string]json.RawMessage
		if err := json.Unmarshal(raw, &byKey); err != nil {
			return fmt.Errorf("initial: %w", err)
		}
		for key, raw := range byKey { // any order: setInitial sorts
			text, absent, err := scalar(raw)
			if err != nil {
				return fmt.Errorf("initial of %q: %w", key, err)
			}
			if !absent {
				value[key] = KV{Key: key, Value: text}
			}
		}
	} else {
		text, absent, err := scalar(raw)
		if err != nil {
			return fmt.Errorf("initial: %w", err)
		}
		if !absent && !(f.model == "kv-append" && text == "") {
			each(func(op *Op, _ Outcome) { value[op.Key] = KV{Key: op.Key, Value: text} })
		}
	}
	file.setInitial(value)
	return nil
}

// nullText is null where it is written like any other value.
const nullText = "null"

func (f *neutralFile) crash(n *Neutral) error {
	tc := time.Duration(*f.crashTime)
	state := State{Began: tc, At: tc, Epoch: 1}
	for key, raw := range f.recovered { // any order: sorted below
		value, absent, err := scalar(raw)
		if err != nil {
			return fmt.Errorf("recovered %q: %w", key, err)
		}
		if !absent {
			state.Keys = append(state.Keys, KV{Key: key, Value: value})
		}
	}
	sort.Slice(state.Keys, func(a, b int) bool { return state.Keys[a].Key < state.Keys[b].Key })
	n.Epochs = []Epoch{{Ended: tc, How: PowerCut}}
	n.States = append(n.States, state)
	return nil
}

func (o *neutralOp) op(b *budget) (Op, error) {
	op := Op{Client: o.Process, Key: o.Key, Return: Never}
	if o.Invoke == nil {
		return op, errors.New("want \"invoke\", the time when it began")
	}
	op.Invoke = time.Duration(*o.Invoke)
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
	if o.Any && o.Op != "read" {
		return op, fmt.Errorf("any belongs to a read, not to op %q", o.Op)
	}
	switch o.Op {
	case "read":
		op.Kind = Read
		op.Value, op.Absent, err = scalar(o.Value)
		if o.Any {
			// It says nothing, as a read without a reply.
			op.Value, op.Absent, op.Outcome = "", false, Unknown
		}
	case "write":
		op.Kind = Write
		op.Value, op.Absent, err = scalar(o.Value)
	case "del":
		op.Kind = Delete
	case "append":
		op.Kind = StringAppend // a value is never a list
		op.Value, _, err = scalar(o.Value)
	case "cas":
		err = o.compareAndSet(&op)
	case "txn":
		op.Kind = Txn
		op.More = &More{Offset: NoOffset}
		op.More.Parts, err = o.parts(b)
	default:
		err = fmt.Errorf("op %q: want read, write, del, append, cas or txn", o.Op)
	}
	return op, err
}

func (o *neutralOp) compareAndSet(op *Op) error {
	op.Kind = CAS
	var pair []json.RawMessage
	if err := json.Unmarshal(o.Value, &pair); err != nil || len(pair) != 2 {
		return errors.New("value of cas: want [old, new]")
	}
	expect, null, err := scalar(pair[0])
	if err != nil {
		return err
	}
	if null {
		expect = nullText
	}
	op.More = &More{Offset: NoOffset, Expect: expect}
	if op.Value, op.Absent, err = scalar(pair[1]); err != nil {
		return err
	}
	if o.Result != nil {
		op.More.Result = "0"
		if *o.Result {
			op.More.Result = "1"
		}
	} else if op.Outcome == OK {
		return errors.New("want \"result\": whether the compare-and-set took place")
	}
	return nil
}

// parts are the reads of a transaction and then its writes, which is the order
// in which they are meant: the reads see the state before.
func (o *neutralOp) parts(b *budget) ([]Op, error) {
	var t neutralTxn
	if err := strict(o.Value, &t); err != nil {
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
			if err := b.spend(opBytes); err != nil {
				return nil, err
			}
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
		if value == nullText {
			value = `"` + nullText + `"` // not to be taken for null
		}
		return value, false, err
	case raw[0] == '{' || raw[0] == '[' || raw[0] == 't' || raw[0] == 'f':
		return "", false, fmt.Errorf("value %s: want a string, a number or null", raw)
	}
	return string(raw), false, nil
}
