package history

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/torntail/torntail/checker/history/edn"
)

// DecodeEDN reads a history as Jepsen writes it: a map for each invocation and
// completion, one after another or in a vector, plain or as the record
// #jepsen.history.Op.
//
//	{:process 0, :type :invoke, :f :write, :value 3, :time 12345}
//
// Workloads says which operations are understood. With several objects
// (jepsen.independent) each value is [key value]. Without :time the place in the
// file is the time. Operations of :nemesis become events. Fields beside :process,
// :type, :f, :value, :key and :time say nothing about what happened.
func DecodeEDN(r io.Reader) (*History, error) {
	in, err := open(r, 0)
	if err != nil {
		return nil, err
	}
	f, err := decodeEDN(in, Options{})
	if err != nil {
		return nil, err
	}
	return f.History, nil
}

func decodeEDN(in io.Reader, o Options) (*File, error) {
	r := edn.NewReader(in, 1)
	j := newJepsen(o)
	r.Most = min(r.Most, int(j.budget.most/4))
	for {
		v, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := j.line(v, r.Line()); err != nil {
			return nil, j.at(r.Line(), err)
		}
	}
	return j.finish()
}

// lined is an error that names its line.
type lined struct{ error }

func (l lined) Unwrap() error { return l.error }

// at adds to an error where it is.
func (j *jepsen) at(n int, err error) error {
	if errors.As(err, new(lined)) {
		return err // of a line that was taken up later
	}
	return lined{fmt.Errorf("%s: %w", j.where(n), err)}
}

// where is a place in the file: line 7, or operation 6 where there are no lines, whose
// places Jepsen counts from 0.
func (j *jepsen) where(n int) string {
	if j.unit == unitOperation {
		n--
	}
	return fmt.Sprintf("%s %d", j.unit, n)
}

// What places in a file are counted in.
const unitLine, unitOperation = "line", "operation"

// jepsenMark stands in each log line of old Jepsen versions that DecodeJepsenLog reads.
const jepsenMark = "jepsen.util - "

// DecodeJepsenLog reads the log lines of old Jepsen versions:
//
//	INFO  jepsen.util - 4	:invoke	:cas	[2 4]
//
// In them a failed compare-and-set is an answer (the value was another one),
// and any other :fail or :info means that nobody knows.
func DecodeJepsenLog(r io.Reader) (*History, error) {
	in, err := open(r, 0)
	if err != nil {
		return nil, err
	}
	f, err := decodeJepsenLog(in, Options{})
	if err != nil {
		return nil, err
	}
	return f.History, nil
}

func decodeJepsenLog(in io.Reader, o Options) (*File, error) {
	j := newJepsen(o)
	j.log = true
	s := bufio.NewScanner(in)
	s.Buffer(nil, 1<<20)
	r := edn.NewReader(nil, 1)
	for n := 1; s.Scan(); n++ {
		_, rest, ok := bytes.Cut(s.Bytes(), []byte(jepsenMark))
		if !ok {
			continue
		}
		// The words of the line as one value: they stay valid together.
		r.Reset(io.MultiReader(strings.NewReader("#line ["), bytes.NewReader(rest), strings.NewReader("\n]")), n)
		line, err := r.Next()
		if err != nil {
			return nil, err
		}
		words := line.Items
		if len(words) < 3 || words[0].Kind != edn.Number && words[0].Kind != edn.Keyword || words[1].Kind != edn.Keyword {
			continue // a line about something else
		}
		key := func(k string) edn.Value { return edn.Value{Kind: edn.Keyword, Text: []byte(k)} }
		m := edn.Value{Kind: edn.Map, Items: []edn.Value{key("process"), words[0], key("type"), words[1], key("f"), words[2]}}
		if len(words) > 3 {
			m.Items = append(m.Items, key("value"), words[3])
		}
		if err := j.line(&m, n); err != nil {
			return nil, j.at(n, err)
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return j.finish()
}

// jepsen matches completions to invocations.
type jepsen struct {
	File
	meaning // of :f and :value
	budget  budget
	first   []process          // of those with small numbers
	others  map[int64]*process // of all others
	names   map[string]string  // keys and elements, each kept once
	slab    slab               // values
	log     bool               // log lines: see DecodeJepsenLog
	unit    string             // what places in the file are counted in
	timed   bool
	place   int64
	// undecided are lines that wait until it is known whether values have keys
	// in front of them.
	undecided []heldLine
}

// process is what is known of one process.
type process struct {
	busy bool
	op   int // place in Ops of what is under way
	line int // of its invocation
	// When its last operation completed, and one more than the line of that; 0
	// before the first has.
	end     time.Duration
	endLine int
}

// firstProcesses is how many processes are found without hashing.
const firstProcesses = 1 << 12

// process is what is known of process number n, which stays where it is until
// the next call.
func (j *jepsen) process(n int64) *process {
	if n >= 0 && n < firstProcesses {
		for int64(len(j.first)) <= n {
			j.first = append(j.first, process{})
		}
		return &j.first[n]
	}
	p := j.others[n]
	if p == nil {
		p = &process{}
		j.others[n] = p
		_ = j.budget.spend(2 * int(unsafe.Sizeof(*p))) // what is spent too much shows at the next operation
	}
	return p
}

// heldLine is a line that is taken up again later.
type heldLine struct {
	text string
	line int
}

func newJepsen(o Options) *jepsen {
	return &jepsen{unit: unitLine, File: File{History: &History{}}, budget: newBudget(o.Memory), meaning: newMeaning(),
		others: map[int64]*process{}, names: map[string]string{}}
}

// opBytes is what one operation takes while the slice that it is in doubles.
const opBytes = 3 * int(unsafe.Sizeof(Op{}))

// appendOp doubles the slice where append would grow it by a quarter, and copy
// each operation five times on the way to a million.
func appendOp(ops []Op, op Op) []Op {
	if len(ops) == cap(ops) {
		ops = slices.Grow(ops, max(1024, len(ops)))
	}
	return append(ops, op)
}

// line takes one invocation or completion.
func (j *jepsen) line(m *edn.Value, number int) error {
	if m.Kind != edn.Map {
		return errors.New("want a map for each operation")
	}
	process, typ, f, value := m.Get("process"), m.Get("type"), m.Get("f"), m.Get("value")
	if process == nil || typ == nil || f == nil {
		return errors.New("an operation needs :process, :type and :f")
	}
	if value == nil {
		value = &edn.Value{}
	}
	if process.Kind != edn.Number {
		return j.nemesis(m, process, f)
	}
	if j.keys == keysUnknown {
		if typ.Is("invoke") {
			j.keys = keysOf(string(f.Text), m.Get("key"), value)
		}
		if j.keys == keysUnknown {
			held := heldLine{text: string(m.AppendTo(nil)), line: number}
			j.undecided = append(j.undecided, held)
			return j.budget.spend(2 * (len(held.text) + int(unsafe.Sizeof(held))))
		}
		if err := j.decided(); err != nil {
			return err
		}
	}
	return j.operation(m, process, typ, f, value, number)
}

// decided takes up the lines that had to wait.
func (j *jepsen) decided() error {
	j.Keyed = j.keys == keysThere
	r := edn.NewReader(nil, 1)
	for _, held := range j.undecided {
		r.Reset(strings.NewReader(held.text), held.line)
		m, err := r.Next()
		if err != nil {
			return err
		}
		if err := j.line(m, held.line); err != nil {
			return j.at(held.line, err)
		}
	}
	j.undecided = nil
	return nil
}

func (j *jepsen) nemesis(m, process, f *edn.Value) error {
	if process.Kind != edn.Keyword {
		return fmt.Errorf(":process: want a number, or a keyword such as :nemesis")
	}
	at, err := j.now(m)
	if err != nil {
		return err
	}
	j.Events = append(j.Events, Event{At: at, Kind: FaultStruck, Node: j.keep(process.Text), Text: j.keep(f.Text)})
	return j.budget.spend(2 * int(unsafe.Sizeof(Event{})))
}

func (j *jepsen) operation(m, process, typ, f, value *edn.Value, number int) error {
	at, err := j.now(m)
	if err != nil {
		return err
	}
	client, err := process.Integer()
	if err != nil {
		return fmt.Errorf(":process: %w", err)
	}
	p := j.process(client)
	if typ.Is("invoke") {
		if p.busy {
			return fmt.Errorf("process %d has an operation under way already, since %s", client, j.where(p.line))
		}
		if p.endLine > 0 && at < p.end {
			return fmt.Errorf("the clock of process %d goes backwards: invoked at %d, its operation before completed at %d (%s)", client, at, p.end, j.where(p.endLine-1))
		}
		op := Op{Client: int(client), Invoke: at, Return: Never}
		if err := j.invoked(&op, string(f.Text), m.Get("key"), value, number); err != nil {
			return err
		}
		p.busy, p.op, p.line = true, len(j.Ops), number
		j.Ops = appendOp(j.Ops, op)
		return j.budget.spend(opBytes)
	}
	if !p.busy {
		return fmt.Errorf("process %d completes an operation that it did not invoke", client)
	}
	p.busy = false
	op := &j.Ops[p.op]
	if at < op.Invoke {
		return fmt.Errorf("the clock of process %d goes backwards: completed at %d, invoked at %d (%s)", client, at, op.Invoke, j.where(p.line))
	}
	p.end, p.endLine = at, number+1
	answered := j.log && op.Kind == CAS && value.Kind == edn.Vector
	switch {
	case typ.Is("ok") || typ.Is("fail") && answered:
		op.Return, op.Outcome = at, OK
		if op.Kind == CAS {
			op.More.Result = "1"
			if typ.Is("fail") {
				op.More.Result = "0"
			}
			return nil
		}
		return j.completed(p.op, string(f.Text), m.Get("key"), value, number)
	case typ.Is("fail") && !j.log:
		op.Return, op.Outcome = at, Failed
	case !typ.Is("fail") && !typ.Is("info"):
		return fmt.Errorf(":type %s: want :invoke, :ok, :fail or :info", typ.AppendTo(nil))
	}
	return nil
}

// now is the time of a line: its :time, or its place when it has none.
func (j *jepsen) now(m *edn.Value) (time.Duration, error) {
	j.place++
	t := m.Get("time")
	if j.place == 1 {
		j.timed = t != nil
	}
	if (t != nil) != j.timed {
		return 0, errors.New("some operations have a :time and some have none")
	}
	if t == nil {
		return time.Duration(j.place), nil
	}
	at, err := t.Integer()
	if err != nil {
		return 0, fmt.Errorf(":time: %w", err)
	}
	return time.Duration(at), nil
}

// keep is text as a string that outlives the line; equal ones are one.
func (j *jepsen) keep(text []byte) string {
	if s, ok := j.names[string(text)]; ok {
		return s
	}
	s := string(text)
	j.names[s] = s
	_ = j.budget.spend(len(s) + 64) // what is spent too much shows at the next operation
	return s
}

// plain is a value as a string that outlives the line.
func (j *jepsen) plain(v *edn.Value) string {
	switch v.Kind {
	case edn.Number:
		return j.slab.copied(bytes.TrimSuffix(v.Text, []byte("N")))
	case edn.Nil:
		return nilText
	}
	return v.Plain()
}

// name is plain for keys and elements, which come again and again.
func (j *jepsen) name(v *edn.Value) string {
	switch v.Kind {
	case edn.Number:
		return j.keep(bytes.TrimSuffix(v.Text, []byte("N")))
	case edn.Nil:
		return nilText
	}
	return j.keep([]byte(v.Plain()))
}

// nilText is how nil is written where it is a value like any other.
const nilText = "nil"
