package history

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"time"
)

// DecodeEDN reads a history as Jepsen writes it: a map for each invocation and
// completion, one after another or in a vector.
//
//	{:process 0, :type :invoke, :f :write, :value 3, :time 12345}
//
// Registers (:read :write :cas, the key in front of the value when there are
// several: [k v]), sets (:add :read), list-append transactions (:f :txn :value
// [[:append k v] [:r k nil]]), and the key-value logs that porcupine ships
// (:get :put :append with :key, where a missing key reads "") are understood.
// Without :time the place in the file is the time. Operations of :nemesis become events.
func DecodeEDN(r io.Reader) (*History, error) {
	in, err := plainReader(r)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	p := ednParser{text: string(text), line: 1}
	j := newJepsen()
	for {
		v, ok, err := p.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		list := []edn{v}
		if v.kind == ednVector {
			list = v.items
		}
		for i := range list {
			if err := j.line(&list[i]); err != nil {
				return nil, p.fail("%w", err)
			}
		}
	}
	return j.finish()
}

// DecodeJepsenLog reads the log lines of old Jepsen versions:
//
//	INFO  jepsen.util - 4	:invoke	:cas	[2 4]
//
// In them a failed compare-and-set is an answer (the value was another one),
// and any other :fail or :info means that nobody knows.
func DecodeJepsenLog(r io.Reader) (*History, error) {
	in, err := plainReader(r)
	if err != nil {
		return nil, err
	}
	j := newJepsen()
	j.log = true
	s := bufio.NewScanner(in)
	s.Buffer(nil, 1<<20)
	for n := 1; s.Scan(); n++ {
		_, rest, ok := strings.Cut(s.Text(), jepsenMark)
		if !ok {
			continue
		}
		p := ednParser{text: rest, line: n}
		var words []edn
		for {
			v, ok, err := p.next()
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			words = append(words, v)
		}
		if len(words) < 3 || words[0].kind != ednNumber && words[0].kind != ednKeyword || words[1].kind != ednKeyword {
			continue // a line about something else
		}
		key := func(k string) edn { return edn{kind: ednKeyword, text: k} }
		m := edn{kind: ednMap, items: []edn{key("process"), words[0], key("type"), words[1], key("f"), words[2]}}
		if len(words) > 3 {
			m.items = append(m.items, key("value"), words[3])
		}
		if err := j.line(&m); err != nil {
			return nil, p.fail("%w", err)
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return j.finish()
}

// jepsen matches completions to invocations.
type jepsen struct {
	h     History
	open  map[int64]int // process: place of its operation
	log   bool          // log lines: see DecodeJepsenLog
	sets  bool
	timed bool
	place int64
}

func newJepsen() *jepsen { return &jepsen{open: map[int64]int{}} }

func (j *jepsen) finish() (*History, error) {
	if len(j.h.Ops) == 0 {
		return nil, errors.New("no operations found")
	}
	if j.sets {
		// A read of a set looks like a read of a register until an :add is seen.
		for i := range j.h.Ops {
			if op := &j.h.Ops[i]; op.Kind == ReadList {
				op.Kind = ReadSet
				slices.Sort(op.More.Values)
			}
		}
	}
	j.emptyLists()
	sort.SliceStable(j.h.Ops, func(a, b int) bool { return j.h.Ops[a].Invoke < j.h.Ops[b].Invoke })
	for i := range j.h.Ops {
		j.h.Ops[i].ID = i
	}
	return &j.h, nil
}

// emptyLists: a read that found nothing reads a list where the key is appended
// to in transactions.
func (j *jepsen) emptyLists() {
	lists := map[string]bool{}
	each := func(f func(p *Op)) {
		for i := range j.h.Ops {
			if m := j.h.Ops[i].More; m != nil {
				for p := range m.Parts {
					f(&m.Parts[p])
				}
			}
		}
	}
	each(func(p *Op) { lists[p.Key] = lists[p.Key] || p.Kind == Append })
	each(func(p *Op) {
		if p.Kind == Read && p.Absent && lists[p.Key] {
			p.Kind, p.More = ReadList, &More{Offset: -1, Values: []string{}}
		}
	})
}

func (j *jepsen) line(m *edn) error {
	if m.kind != ednMap {
		return errors.New("want a map for each operation")
	}
	process, typ, f, value := m.get("process"), m.get("type"), m.get("f"), m.get("value")
	if process == nil || typ == nil || f == nil {
		return errors.New("an operation needs :process, :type and :f")
	}
	if value == nil {
		value = &edn{}
	}
	at, err := j.now(m)
	if err != nil {
		return err
	}
	if process.kind == ednKeyword {
		j.h.Events = append(j.h.Events, Event{At: at, Kind: FaultStruck, Node: process.text, Text: f.text})
		return nil
	}
	client, err := process.number()
	if err != nil {
		return fmt.Errorf(":process: %w", err)
	}
	key := m.get("key")
	if typ.text == "invoke" {
		if _, busy := j.open[client]; busy {
			return fmt.Errorf("process %d has an operation under way already", client)
		}
		op := Op{Client: int(client), Invoke: at, Return: Never}
		if err := j.operation(&op, f.text, key, value); err != nil {
			return err
		}
		j.open[client] = len(j.h.Ops)
		j.h.Ops = append(j.h.Ops, op)
		return nil
	}
	n, busy := j.open[client]
	if !busy {
		return fmt.Errorf("process %d completes an operation that it did not invoke", client)
	}
	delete(j.open, client)
	op := &j.h.Ops[n]
	if at < op.Invoke {
		return fmt.Errorf("time goes backwards: completed at %d, invoked at %d", at, op.Invoke)
	}
	answered := j.log && op.Kind == CAS && value.kind == ednVector
	switch {
	case typ.text == "ok" || typ.text == "fail" && answered:
		op.Return, op.Outcome = at, OK
		if op.Kind == CAS {
			op.More.Result = "1"
			if typ.text == "fail" {
				op.More.Result = "0"
			}
			return nil
		}
		return j.operation(op, f.text, key, value)
	case typ.text == "fail" && !j.log:
		op.Return, op.Outcome = at, Failed
	case typ.text != "fail" && typ.text != "info":
		return fmt.Errorf(":type :%s: want invoke, ok, fail or info", typ.text)
	}
	return nil
}

// now is the time of a line: its :time, or its place when it has none.
func (j *jepsen) now(m *edn) (time.Duration, error) {
	j.place++
	t := m.get("time")
	if j.place == 1 {
		j.timed = t != nil
	}
	if (t != nil) != j.timed {
		return 0, errors.New("some operations have a :time and some have none")
	}
	if t == nil {
		return time.Duration(j.place), nil
	}
	at, err := t.number()
	if err != nil {
		return 0, fmt.Errorf(":time: %w", err)
	}
	return time.Duration(at), nil
}

// operation fills in what op does; once more, with the value, when it completed.
func (j *jepsen) operation(op *Op, f string, key, value *edn) (err error) {
	op.Key = "r"
	if key != nil {
		if op.Key, _, err = key.value(); err != nil {
			return fmt.Errorf(":key: %w", err)
		}
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf(":f :%s :value: %w", f, err)
		}
	}()
	switch f {
	case "read":
		return j.read(op, value)
	case "get":
		op.Kind = Read
		op.Value, op.Absent, err = value.value()
		op.Absent = op.Absent || op.Value == ""
	case "put":
		op.Kind = Write
		if op.Value, _, err = value.value(); op.Value == "" {
			op.Kind = Delete
		}
	case "write":
		op.Kind = Write
		if value, err = keyed(op, value); err == nil {
			op.Value, _, err = value.value()
		}
	case "cas":
		return compareAndSet(op, value)
	case "append":
		op.Kind = Append
		op.Value, _, err = value.value()
	case "add":
		j.sets = true
		op.Kind = SetAdd
		op.Value, _, err = value.value()
	case "txn":
		return transaction(op, value)
	default:
		return errors.New("not an operation that is understood")
	}
	return err
}

// keyed takes the key off a pair [k v].
func keyed(op *Op, value *edn) (*edn, error) {
	if value.kind != ednVector {
		return value, nil
	}
	if len(value.items) != 2 {
		return nil, errors.New("want [key value]")
	}
	var err error
	op.Key, _, err = value.items[0].value()
	return &value.items[1], err
}

// read is of a register, unless what it found is a collection that cannot be a
// pair of key and value: then of a set.
func (j *jepsen) read(op *Op, value *edn) (err error) {
	op.Kind = Read
	if value.kind == ednSet || value.kind == ednVector && (j.sets || len(value.items) != 2) {
		op.Kind = ReadList
		op.More = &More{Offset: -1, Values: []string{}}
		for i := range value.items {
			v, _, err := value.items[i].value()
			if err != nil {
				return err
			}
			op.More.Values = append(op.More.Values, v)
		}
		return nil
	}
	if value, err = keyed(op, value); err == nil {
		op.Value, op.Absent, err = value.value()
	}
	return err
}

func compareAndSet(op *Op, value *edn) (err error) {
	op.Kind = CAS
	if value.kind == ednVector && len(value.items) == 2 && value.items[1].kind == ednVector {
		if value, err = keyed(op, value); err != nil {
			return err
		}
	}
	if value.kind != ednVector || len(value.items) != 2 {
		return errors.New("want [old new]")
	}
	op.More = &More{Offset: -1}
	if op.More.Expect, _, err = value.items[0].value(); err != nil {
		return err
	}
	op.Value, _, err = value.items[1].value()
	return err
}

// transaction is a list of [:append k v], [:w k v] and [:r k found].
func transaction(op *Op, value *edn) error {
	op.Kind, op.Key = Txn, ""
	op.More = &More{Offset: -1, Parts: []Op{}}
	if value.kind != ednVector {
		return errors.New("want a vector of operations")
	}
	for i := range value.items {
		m := &value.items[i]
		if m.kind != ednVector || len(m.items) != 3 || m.items[0].kind != ednKeyword {
			return errors.New("want [:append key value], [:w key value] or [:r key value]")
		}
		var part Op
		var err error
		if part.Key, _, err = m.items[1].value(); err != nil {
			return err
		}
		found := &m.items[2]
		switch m.items[0].text {
		case "append":
			part.Kind = Append
			part.Value, _, err = found.value()
		case "w":
			part.Kind = Write
			part.Value, _, err = found.value()
		case "r":
			part.Kind = Read
			if found.kind == ednVector {
				part.Kind = ReadList
				part.More = &More{Offset: -1, Values: []string{}}
				for i := range found.items {
					v, _, err := found.items[i].value()
					if err != nil {
						return err
					}
					part.More.Values = append(part.More.Values, v)
				}
			} else {
				part.Value, part.Absent, err = found.value()
			}
		default:
			err = fmt.Errorf(":%s: want :append, :w or :r", m.items[0].text)
		}
		if err != nil {
			return err
		}
		op.More.Parts = append(op.More.Parts, part)
	}
	return nil
}
