package history

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"github.com/torntail/torntail/checker/history/edn"
)

// meaning is what :f and :value of a history's operations mean together: whether
// values have keys in front of them, and of what the operations are.
type meaning struct {
	keys keysState
	// seen is the line of the first operation of each kind: of each :f, and of
	// reads by what they found ("number", "collection", "map", "other").
	seen map[string]int
	// nils are the keys to which nil was written, or compared and set: there it
	// is a value like any other.
	nils map[string]bool
	// drained is what each :drain found, by its place in Ops.
	drained map[int][]string
	drains  map[int]int // their lines
}

func newMeaning() meaning {
	return meaning{seen: map[string]int{}, nils: map[string]bool{}, drained: map[int][]string{}, drains: map[int]int{}}
}

// keysState says whether each value is a pair [key value] (jepsen.independent).
type keysState uint8

const (
	keysUnknown keysState = iota
	keysNone
	keysThere
)

// keysOf is what one invocation says about that. That a pair is written can mean
// either; that nothing but a key is known before a read cannot.
func keysOf(f string, key, value *edn.Value) keysState {
	if key != nil || value.Kind != edn.Vector || len(value.Items) != 2 {
		return keysNone
	}
	first, second := &value.Items[0], &value.Items[1]
	is := func(there bool) keysState {
		if there {
			return keysThere
		}
		return keysNone
	}
	switch f {
	case "read", "dequeue", "drain":
		if second.Kind == edn.Nil {
			return keysThere
		}
	case "cas":
		return is(second.Kind == edn.Vector && len(second.Items) == 2)
	case "txn":
		return is(first.Kind != edn.Vector && second.Kind == edn.Vector)
	case "transfer":
		return is(second.Kind == edn.Map)
	}
	return keysUnknown
}

// object takes the key off a value, if the history has keys.
func (j *jepsen) object(op *Op, key, value *edn.Value) (*edn.Value, error) {
	switch {
	case key != nil && key.Kind == edn.String:
		op.Key = j.keep(key.Text)
	case key != nil:
		op.Key = j.name(key)
	case j.Keyed && (value.Kind != edn.Vector || len(value.Items) != 2):
		return nil, errors.New("want [key value], as the operations before have it")
	case j.Keyed:
		op.Key = j.name(&value.Items[0])
		return &value.Items[1], nil
	}
	return value, nil
}

func (j *jepsen) note(what string, line int) {
	if j.seen[what] == 0 {
		j.seen[what] = line
	}
}

// invoked fills in what op asks for.
func (j *jepsen) invoked(op *Op, f string, key, value *edn.Value, line int) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf(":f :%s :value: %w", f, err)
		}
	}()
	if value, err = j.object(op, key, value); err != nil {
		return err
	}
	j.note(f, line)
	switch f {
	case "read", "get":
		op.Kind = Read
	case "write":
		op.Kind, op.Value = Write, j.plain(value)
		j.mayBeNil(op.Key, value)
	case "cas":
		if value.Kind != edn.Vector || len(value.Items) != 2 {
			return errors.New("want [old new]")
		}
		op.Kind, op.Value = CAS, j.plain(&value.Items[1])
		op.More = &More{Offset: NoOffset, Expect: j.plain(&value.Items[0])}
		j.mayBeNil(op.Key, &value.Items[0])
		j.mayBeNil(op.Key, &value.Items[1])
		return j.budget.spend(moreBytes)
	case "add":
		op.Kind, op.Value = SetAdd, j.plain(value)
		if _, err := value.Integer(); err != nil {
			j.note("element", line)
		}
	case "enqueue":
		op.Kind, op.Value = Append, j.plain(value)
		j.mayBeNil(op.Key, value)
	case "dequeue":
		op.Kind, op.More = Pop, &More{Offset: NoOffset, Head: true}
		return j.budget.spend(moreBytes)
	case "drain":
		op.Kind = Pop
		j.drains[len(j.Ops)] = line
	case "put":
		op.Kind = Write
		if op.Value, err = j.word(value); op.Value == "" {
			op.Kind = Delete // in this form a missing key reads as the empty string
		}
	case "append":
		op.Kind = StringAppend
		op.Value, err = j.word(value)
	case "transfer":
		return j.transfer(op, value)
	case "txn":
		return j.transaction(op, value)
	default:
		return fmt.Errorf("not an operation that is understood: want one of :read :write :cas, :read :add, :enqueue :dequeue :drain, :txn, :read :transfer, :get :put :append")
	}
	return err
}

// moreBytes is what a More takes.
const moreBytes = int(unsafe.Sizeof(More{}))

// word is a value as it is, for stores of strings that are appended to.
func (j *jepsen) word(v *edn.Value) (string, error) {
	switch v.Kind {
	case edn.Nil:
		return "", nil
	case edn.String, edn.Number:
		return j.slab.copied(v.Text), nil
	}
	return "", fmt.Errorf("want a string, not %s", v.AppendTo(nil))
}

func (j *jepsen) mayBeNil(key string, v *edn.Value) {
	if v.Kind == edn.Nil {
		j.nils[key] = true
	}
}

// completed fills in what the operation at a place found.
func (j *jepsen) completed(place int, f string, key, value *edn.Value, line int) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf(":f :%s :value: %w", f, err)
		}
	}()
	op := &j.Ops[place]
	asked := op.Key
	switch f {
	case "read", "get", "dequeue", "drain", "txn":
		if value, err = j.object(op, key, value); err != nil {
			return err
		}
	}
	if op.Key != asked {
		return fmt.Errorf("key %s, where it was invoked for key %s", op.Key, asked)
	}
	switch f {
	case "read":
		return j.found(op, value, line)
	case "get":
		op.Value, err = j.word(value)
		op.Absent = op.Value == ""
	case "dequeue":
		if op.Kind != Pop || op.More == nil {
			return errors.New("it was invoked as another operation")
		}
		if value.Kind == edn.Nil && j.nils[op.Key] {
			return errors.New("nil was enqueued: whether it came, or nothing, cannot be told")
		}
		if op.Absent = value.Kind == edn.Nil; !op.Absent {
			op.More.Result = j.plain(value)
		}
	case "drain":
		if value.Kind != edn.Vector && value.Kind != edn.Nil && value.Kind != edn.Set {
			return errors.New("want a vector of elements")
		}
		list, err := j.list(value)
		j.drained[place] = list
		return err
	case "txn":
		return j.transaction(op, value)
	}
	return err
}

func (j *jepsen) list(v *edn.Value) ([]string, error) {
	list := make([]string, 0, len(v.Items))
	for i := range v.Items {
		list = append(list, j.name(&v.Items[i]))
	}
	return list, j.budget.spend(len(list) * int(unsafe.Sizeof("")))
}

// found is what a :read returned: one value, the elements of a set, or the
// balances of accounts.
func (j *jepsen) found(op *Op, value *edn.Value, line int) (err error) {
	if op.Kind != Read {
		return errors.New("it was invoked as another operation")
	}
	if j.seen["write"] > 0 || j.seen["cas"] > 0 {
		op.Value, op.Absent = j.scalar(value)
		return nil
	}
	switch value.Kind {
	case edn.Nil:
		op.Absent = true
	case edn.Vector, edn.Set:
		j.note("collection", line)
		op.Kind, op.More = ReadSet, &More{Offset: NoOffset}
		if value.Kind == edn.Set {
			op.More.Result = "#" // until it is known that it is no register's value
		}
		if op.More.Values, err = j.list(value); err != nil {
			return err
		}
		return j.budget.spend(moreBytes)
	case edn.Map:
		j.note("map", line)
		op.Kind, op.More = Txn, &More{Offset: NoOffset, Parts: []Op{}}
		for i := 0; i < len(value.Items); i += 2 {
			part := Op{Kind: Read, Key: j.name(&value.Items[i])}
			if part.Value, part.Absent = j.scalar(&value.Items[i+1]); !part.Absent {
				if _, err := value.Items[i+1].Integer(); err != nil {
					return fmt.Errorf("balance of %s: %w", part.Key, err)
				}
			}
			op.More.Parts = append(op.More.Parts, part)
		}
		return j.budget.spend(moreBytes + opBytes*len(op.More.Parts))
	default:
		if value.Kind == edn.Number {
			j.note("number", line)
		} else {
			j.note("other", line)
		}
		op.Value, op.Absent = j.scalar(value)
	}
	return nil
}

func (j *jepsen) scalar(v *edn.Value) (text string, absent bool) {
	if v.Kind == edn.Nil {
		return "", true
	}
	return j.plain(v), false
}

// transfer is {:from a :to b :amount n}: two additions that happen together.
func (j *jepsen) transfer(op *Op, value *edn.Value) error {
	from, to, amount := value.Get("from"), value.Get("to"), value.Get("amount")
	if value.Kind != edn.Map || from == nil || to == nil || amount == nil {
		return errors.New("want {:from account, :to account, :amount number}")
	}
	n, err := amount.Integer()
	if err != nil {
		return fmt.Errorf(":amount: %w", err)
	}
	op.Kind, op.More = Txn, &More{Offset: NoOffset, Parts: []Op{
		{Kind: Incr, Key: j.name(from), Value: fmt.Sprint(-n)},
		{Kind: Incr, Key: j.name(to), Value: fmt.Sprint(n)},
	}}
	return j.budget.spend(moreBytes + 2*opBytes)
}

// transaction is a list of [:append k v], [:w k v] and [:r k found].
func (j *jepsen) transaction(op *Op, value *edn.Value) error {
	if value.Kind != edn.Vector {
		return errors.New("want a vector of operations")
	}
	op.Kind = Txn
	op.More = &More{Offset: NoOffset, Parts: make([]Op, 0, len(value.Items))}
	for i := range value.Items {
		m := &value.Items[i]
		if m.Kind != edn.Vector || len(m.Items) != 3 || m.Items[0].Kind != edn.Keyword {
			return errors.New("want [:append key value], [:w key value] or [:r key value]")
		}
		part := Op{Key: j.name(&m.Items[1])}
		found := &m.Items[2]
		switch string(m.Items[0].Text) {
		case "append":
			part.Kind, part.Value = Append, j.plain(found)
		case "w":
			part.Kind, part.Value = Write, j.plain(found)
			if found.Kind == edn.Nil {
				part.Value, part.More = "", &More{Offset: NoOffset, ToAbsent: true}
				if err := j.budget.spend(moreBytes); err != nil {
					return err
				}
			}
		case "r":
			part.Kind = Read
			if found.Kind != edn.Vector {
				part.Value, part.Absent = j.scalar(found)
				break
			}
			list, err := j.list(found)
			if err != nil {
				return err
			}
			part.Kind, part.More = ReadList, &More{Offset: NoOffset, Values: list}
			if err := j.budget.spend(moreBytes); err != nil {
				return err
			}
		default:
			return fmt.Errorf(":%s: want :append, :w or :r", m.Items[0].Text)
		}
		op.More.Parts = append(op.More.Parts, part)
	}
	return j.budget.spend(moreBytes + opBytes/2*len(op.More.Parts))
}

// joined is a collection as one value of a register.
func joined(m *More) string {
	open, end := "[", "]"
	if m.Result == "#" {
		open, end = "#{", "}"
	}
	return open + strings.Join(m.Values, " ") + end
}
