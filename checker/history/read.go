package history

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unsafe"
)

// MaxLine is the longest line that Decode takes, in bytes. A value may have
// that size; a file with a longer line is not one of ours.
const MaxLine = 64 << 20

// Load reads a history file.
func Load(path string) (*History, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, fmt.Errorf("load history: %w", err)
	}
	defer f.Close()
	h, err := Decode(f)
	if err != nil {
		return nil, fmt.Errorf("history %s: %w", path, err)
	}
	return h, nil
}

// Decode reads a history in the file format (see Version), compressed or not,
// line by line. Errors name the line.
func Decode(r io.Reader) (*History, error) {
	in, err := open(r, 0)
	if err != nil {
		return nil, err
	}
	return decode(in, Options{})
}

func decode(in *bufio.Reader, o Options) (*History, error) {
	d := decoder{h: &History{}, keys: map[string]string{}, budget: newBudget(o.Memory)}
	for {
		line, err := d.line(in)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", d.number+1, err)
		}
		if line == nil {
			break
		}
		d.number++
		if err := d.record(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", d.number, err)
		}
		if err := d.budget.spend(len(line)); err != nil {
			return nil, fmt.Errorf("line %d: %w", d.number, err)
		}
	}
	switch {
	case d.number == 0:
		return nil, errors.New("line 1: the file is empty")
	case !d.ended:
		return nil, fmt.Errorf("line %d: the file is cut off: want a last line {\"end\":%d}", d.number, d.number)
	}
	if err := d.h.appendsTold(); err != nil {
		return nil, err
	}
	return d.h, nil
}

type decoder struct {
	h      *History
	s      scanner
	number int64 // of the line
	long   []byte
	ended  bool
	keys   map[string]string
	slab   slab
	budget budget
	// What a line may belong to: the last epoch or state of the file.
	epoch *Epoch
	state *State
}

// line is the next line without its end, nil at the end of the file, valid until the next call.
func (d *decoder) line(in *bufio.Reader) ([]byte, error) {
	d.long = d.long[:0]
	for {
		part, err := in.ReadSlice('\n')
		if err == nil && len(d.long) == 0 {
			return part[:len(part)-1], nil
		}
		if most := int(min(MaxLine, d.budget.most)); len(d.long)+len(part) > most {
			return nil, fmt.Errorf("longer than %d MiB", most>>20)
		}
		d.long = append(d.long, part...)
		switch {
		case err == nil:
			return d.long[:len(d.long)-1], nil
		case errors.Is(err, io.EOF):
			if len(d.long) == 0 {
				return nil, nil
			}
			return d.long, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("read: %w", err)
		}
	}
}

// record reads one line. Its first field says what it is.
func (d *decoder) record(line []byte) error {
	s := &d.s
	s.reset(line)
	if d.ended {
		return errors.New("something follows the line that ends the history")
	}
	if !s.take('{') {
		return s.want("an object")
	}
	name, err := s.bytes()
	if err != nil {
		return err
	}
	if !s.take(':') {
		return s.want("a colon after the field's name")
	}
	if (d.number == 1) != (string(name) == "history") {
		return errors.New("want {\"history\":1} as the first line, and only there")
	}
	operation := string(name) == "op"
	switch string(name) {
	case "history":
		err = d.header()
	case "op":
		err = d.op()
	case "event":
		err = d.event()
	case "epoch":
		err = d.newEpoch()
	case "log-write", "log-sync", "snapshot", "child", "blocked", "waited":
		if d.epoch == nil {
			return fmt.Errorf("%q without an epoch before it", name)
		}
		err = d.disk(string(name))
	case "state":
		err = d.newState()
	case "found":
		if d.state == nil {
			return errors.New("\"found\" without a state before it")
		}
		err = d.found()
	case "beside":
		err = d.beside()
	case "end":
		err = d.end()
	default:
		return fmt.Errorf("unknown record %q", name)
	}
	if err != nil {
		return err
	}
	if !operation { // which reckons for itself
		if err := d.budget.spend(recordBytes); err != nil {
			return err
		}
	}
	return s.finish()
}

// recordBytes is the most that a record other than an operation takes, in a
// slice that grows.
const recordBytes = 2 * int(max(unsafe.Sizeof(Epoch{}), unsafe.Sizeof(State{}), unsafe.Sizeof(KV{})))

// rest calls each for the fields after the first, up to the end of the object.
func (d *decoder) rest(each func(name []byte) error) error {
	s := &d.s
	if s.take('}') {
		return nil
	}
	// The remaining fields are an object of their own that has lost its brace.
	if s.i >= len(s.b) || s.b[s.i] != ',' {
		return s.want("a comma or the end of the object")
	}
	s.b[s.i] = '{'
	return s.object(each)
}

func (d *decoder) header() error {
	v, err := d.s.number()
	if err != nil {
		return err
	}
	if v < 1 || v > Version {
		return fmt.Errorf("version %d: this program reads versions 1 to %d", v, Version)
	}
	return d.rest(func([]byte) error { return errField })
}

func (d *decoder) end() error {
	n, err := d.s.number()
	if err != nil {
		return err
	}
	if n != d.number-1 {
		return fmt.Errorf("the file should have %d lines before this one and has %d", n, d.number-1)
	}
	d.ended = true
	return d.rest(func([]byte) error { return errField })
}

// shared is the string for a key, of which there are few.
func (d *decoder) shared(b []byte) string {
	if k, ok := d.keys[string(b)]; ok {
		return k
	}
	k := string(b)
	d.keys[k] = k
	return k
}

func (d *decoder) text(to *string) error {
	b, err := d.s.text()
	*to = d.slab.copied(b)
	return err
}

func (d *decoder) sharedText(to *string) error {
	b, err := d.s.text()
	*to = d.shared(b)
	return err
}

func (d *decoder) timeTo(to *time.Duration) (err error) {
	*to, err = d.s.time()
	return err
}

func (d *decoder) flagTo(to *bool) (err error) {
	*to, err = d.s.flag()
	return err
}

func (d *decoder) strings(to *[]string) error {
	*to = []string{}
	return d.s.array(func() error {
		b, err := d.s.text()
		if err != nil {
			return err
		}
		*to = append(*to, d.slab.copied(b))
		return d.budget.spend(2 * int(unsafe.Sizeof("")))
	})
}

func (d *decoder) kind() (Kind, error) {
	word, err := d.s.bytes()
	if err != nil {
		return 0, err
	}
	return kindOf(word)
}

func (d *decoder) op() error {
	op := Op{ID: len(d.h.Ops), Return: Never}
	var err error
	if op.Kind, err = d.kind(); err != nil {
		return err
	}
	invoked, answered := false, false
	err = d.rest(func(name []byte) error {
		switch string(name) {
		case "client":
			n, err := d.s.number()
			op.Client = int(n)
			return err
		case "invoke":
			invoked = true
			return d.timeTo(&op.Invoke)
		case "return":
			return d.timeTo(&op.Return)
		case "outcome":
			answered = true
			word, err := d.s.bytes()
			if err == nil {
				op.Outcome, err = outcomeOf(word)
			}
			return err
		}
		return d.what(&op, name)
	})
	switch {
	case err != nil:
		return err
	case !invoked || !answered:
		return errors.New("an operation needs \"invoke\" and \"outcome\"")
	case op.Outcome == OK && op.Return == Never:
		return errors.New("an acknowledged operation needs \"return\"")
	case op.Return < op.Invoke:
		return fmt.Errorf("it returned at %d, before it was invoked at %d", op.Return, op.Invoke)
	case op.ID > 0 && op.Invoke < d.h.Ops[op.ID-1].Invoke:
		return fmt.Errorf("time goes backwards: invoked at %d, after an operation invoked at %d", op.Invoke, d.h.Ops[op.ID-1].Invoke)
	}
	if err := op.sound(); err != nil {
		return err
	}
	d.h.Ops = appendOp(d.h.Ops, op)
	return d.budget.spend(opBytes)
}

// what reads a field that operations and parts of transactions share.
func (d *decoder) what(op *Op, name []byte) error {
	switch string(name) {
	case "key":
		return d.sharedText(&op.Key)
	case "value":
		return d.text(&op.Value)
	case "absent":
		return d.flagTo(&op.Absent)
	}
	if op.More == nil {
		op.More = &More{Offset: NoOffset}
		if err := d.budget.spend(moreBytes); err != nil {
			return err
		}
	}
	m := op.More
	switch string(name) {
	case "result":
		return d.text(&m.Result)
	case "expect":
		return d.text(&m.Expect)
	case "values":
		return d.strings(&m.Values)
	case "parts":
		m.Parts = []Op{}
		return d.s.array(func() error { return d.part(m) })
	case "deadline":
		return d.timeTo(&m.Deadline)
	case "replaced":
		m.HasReplaced = true
		return d.text(&m.Replaced)
	case "node":
		return d.sharedText(&m.Node)
	case "offset":
		var err error
		m.Offset, err = d.s.number()
		return err
	case "field":
		return d.sharedText(&m.Field)
	case "score":
		return d.text(&m.Score)
	case "head":
		return d.flagTo(&m.Head)
	case "error":
		return d.text(&m.Err)
	case "index":
		var err error
		m.Index, err = d.s.number()
		return err
	case "to":
		return d.sharedText(&m.To)
	case "to-head":
		return d.flagTo(&m.ToHead)
	case "entry":
		return d.text(&m.Entry)
	case "group":
		return d.sharedText(&m.Group)
	case "consumer":
		return d.sharedText(&m.Consumer)
	case "expect-absent":
		return d.flagTo(&m.ExpectAbsent)
	case "to-absent":
		return d.flagTo(&m.ToAbsent)
	case "evicted":
		return d.flagTo(&m.Evicted)
	}
	return errField
}

func (d *decoder) part(m *More) error {
	var p Op
	err := d.s.object(func(name []byte) (err error) {
		if string(name) == "op" {
			p.Kind, err = d.kind()
			return err
		}
		if string(name) == "parts" {
			return errors.New("a transaction inside a transaction")
		}
		return d.what(&p, name)
	})
	if err == nil && p.Kind == 0 {
		err = errors.New("a part of a transaction needs \"op\"")
	}
	if err == nil {
		err = p.sound()
	}
	m.Parts = append(m.Parts, p)
	if err == nil {
		err = d.budget.spend(opBytes)
	}
	return err
}

func (d *decoder) event() error {
	var ev Event
	word, err := d.s.bytes()
	if err != nil {
		return err
	}
	if ev.Kind, err = eventOf(word); err != nil {
		return err
	}
	err = d.rest(func(name []byte) error {
		switch string(name) {
		case "at":
			return d.timeTo(&ev.At)
		case "node":
			return d.sharedText(&ev.Node)
		case "text":
			return d.text(&ev.Text)
		case "offset":
			ev.Offset, err = d.s.number()
			return err
		}
		return errField
	})
	d.h.Events = append(d.h.Events, ev)
	return err
}

func (d *decoder) newEpoch() error {
	ep := Epoch{Ended: Never}
	n, err := d.s.number()
	if err != nil {
		return err
	}
	if n != int64(len(d.h.Epochs)) {
		return fmt.Errorf("epoch %d follows %d others", n, len(d.h.Epochs))
	}
	err = d.rest(func(name []byte) error {
		switch string(name) {
		case "began":
			return d.timeTo(&ep.Began)
		case "ended":
			return d.timeTo(&ep.Ended)
		case "how":
			word, err := d.s.bytes()
			if err == nil {
				ep.How, err = eventOf(word)
			}
			return err
		case "disk":
			return d.flagTo(&ep.DiskSeen)
		}
		return errField
	})
	if err == nil && ep.Ended < ep.Began {
		err = fmt.Errorf("the epoch ended at %d, before it began at %d", ep.Ended, ep.Began)
	}
	d.h.Epochs = append(d.h.Epochs, ep)
	d.epoch = &d.h.Epochs[len(d.h.Epochs)-1]
	return err
}

// pair is [from] or [from, to]; to is Never when it is missing.
func (d *decoder) pair() (from, to time.Duration, err error) {
	to = Never
	n := 0
	err = d.s.array(func() error {
		n++
		switch n {
		case 1:
			return d.timeTo(&from)
		case 2:
			return d.timeTo(&to)
		}
		return d.s.want("one or two times")
	})
	if err == nil && (n == 0 || to < from) {
		err = fmt.Errorf("column %d: want one time, or two of which the second is not earlier", d.s.i)
	}
	return from, to, err
}

func (d *decoder) disk(what string) error {
	ep := d.epoch
	if what == "snapshot" {
		return d.snapshot()
	}
	from, to, err := d.pair()
	if err != nil {
		return err
	}
	switch what {
	case "log-write":
		w := DiskWrite{Enter: from, Return: to}
		err = d.rest(func(name []byte) (err error) {
			if string(name) != "bytes" {
				return errField
			}
			w.Bytes, err = d.s.number()
			return err
		})
		if n := len(ep.LogWrites); n > 0 && from < ep.LogWrites[n-1].Enter {
			return errors.New("time goes backwards: log writes come in order of their entry")
		}
		ep.LogWrites = append(ep.LogWrites, w)
	case "log-sync":
		sy := DiskSync{Enter: from, Return: to, Covers: -1}
		err = d.rest(func(name []byte) error {
			switch string(name) {
			case "covers":
				return d.timeTo(&sy.Covers)
			case "failed":
				return d.flagTo(&sy.Failed)
			case "left":
				return d.flagTo(&sy.Left)
			}
			return errField
		})
		if n := len(ep.LogSyncs); n > 0 && from < ep.LogSyncs[n-1].Enter {
			return errors.New("time goes backwards: log syncs come in order of their entry")
		}
		ep.LogSyncs = append(ep.LogSyncs, sy)
	case "blocked":
		err = d.rest(func([]byte) error { return errField })
		ep.Blocked = append(ep.Blocked, Interval{From: from, To: to})
	case "child":
		err = d.rest(func([]byte) error { return errField })
		ep.ChildRunning = append(ep.ChildRunning, Interval{From: from, To: to})
	case "waited":
		w := Wait{From: from, To: to}
		err = d.rest(func(name []byte) error {
			if string(name) != "by" {
				return errField
			}
			return d.timeTo(&w.By)
		})
		if n := len(ep.Waits); n > 0 && from < ep.Waits[n-1].From {
			return errors.New("time goes backwards: waits come in order of their beginning")
		}
		ep.Waits = append(ep.Waits, w)
	}
	return err
}

func (d *decoder) snapshot() error {
	sn := Snapshot{Began: Never, Renamed: Never, Durable: Never}
	if err := d.timeTo(&sn.Fork); err != nil {
		return err
	}
	err := d.rest(func(name []byte) error {
		switch string(name) {
		case "began":
			return d.timeTo(&sn.Began)
		case "renamed":
			return d.timeTo(&sn.Renamed)
		case "durable":
			return d.timeTo(&sn.Durable)
		case "failed":
			return d.flagTo(&sn.Failed)
		case "for":
			return d.text(&sn.For)
		}
		return errField
	})
	d.epoch.Snapshots = append(d.epoch.Snapshots, sn)
	return err
}

func (d *decoder) newState() error {
	var st State
	n, err := d.s.number()
	if err != nil {
		return err
	}
	st.Epoch = int(n)
	err = d.rest(func(name []byte) error {
		switch string(name) {
		case "began":
			return d.timeTo(&st.Began)
		case "at":
			return d.timeTo(&st.At)
		case "node":
			return d.sharedText(&st.Node)
		case "converged":
			return d.flagTo(&st.Converged)
		case "beside":
			return d.sharedText(&st.Beside)
		}
		return errField
	})
	d.h.States = append(d.h.States, st)
	d.state = &d.h.States[len(d.h.States)-1]
	return err
}

func (d *decoder) beside() error {
	b := Beside{Answered: Never}
	n, err := d.s.number()
	if err != nil {
		return err
	}
	b.Step = int(n)
	err = d.rest(func(name []byte) error {
		switch string(name) {
		case "at":
			return d.timeTo(&b.At)
		case "answered":
			return d.timeTo(&b.Answered)
		case "text":
			return d.sharedText(&b.Text)
		case "refused":
			return d.flagTo(&b.Refused)
		}
		return errField
	})
	d.h.Beside = append(d.h.Beside, b)
	return err
}

func (d *decoder) found() error {
	var kv KV
	if err := d.sharedText(&kv.Key); err != nil {
		return err
	}
	err := d.rest(func(name []byte) error {
		switch string(name) {
		case "value":
			return d.text(&kv.Value)
		case "list":
			return d.strings(&kv.List)
		case "type":
			if err := d.sharedText(&kv.Type); err != nil {
				return err
			}
			if !slices.Contains(types, kv.Type) {
				last := len(types) - 1
				return fmt.Errorf("type %q: want %s or %s", kv.Type, strings.Join(types[:last], ", "), types[last])
			}
			return nil
		case "groups":
			kv.GroupsRead = true
			return d.s.array(func() error { return d.group(&kv) })
		case "ttl":
			return d.timeTo(&kv.TTL)
		case "deadline":
			return d.timeTo(&kv.Deadline)
		}
		return errField
	})
	if n := len(d.state.Keys); err == nil && n > 0 && kv.Key <= d.state.Keys[n-1].Key {
		err = fmt.Errorf("key %q follows %q: want them sorted, each once", kv.Key, d.state.Keys[n-1].Key)
	}
	d.state.Keys = append(d.state.Keys, kv)
	return err
}

// group is an array of the name, the ID delivered last, and what is pending.
func (d *decoder) group(kv *KV) error {
	var words []string
	if err := d.strings(&words); err != nil {
		return err
	}
	if len(words) < 2 || len(words)%2 != 0 {
		return fmt.Errorf("group of %d strings: want its name, the ID delivered last, then ID and consumer in turn", len(words))
	}
	g := Group{Name: words[0], Last: words[1], Pending: words[2:]}
	if len(kv.Groups) > 0 && g.Name <= kv.Groups[len(kv.Groups)-1].Name {
		return fmt.Errorf("group %q follows %q: want them sorted, each once", g.Name, kv.Groups[len(kv.Groups)-1].Name)
	}
	kv.Groups = append(kv.Groups, g)
	return d.budget.spend(2 * int(unsafe.Sizeof(g)))
}
