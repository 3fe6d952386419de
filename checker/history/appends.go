package history

import (
	"fmt"
	"strconv"
)

// Length is the new length that an Append was told, or -1. A string is at least as long
// as what was appended to it (redis 7.0.15 t_string.c appendCommand), and a list no longer
// than its elements (t_list.c pushGenericCommand), which tells mostly which it was.
func (o *Op) Length() int {
	if o.More == nil || o.More.Result == "" {
		return -1
	}
	n, err := strconv.Atoi(o.More.Result)
	if err != nil {
		return -1
	}
	return n
}

// appendsTold refuses an acknowledged Append that has no reply to tell what it was, to a
// key that is a string at times and a list at others.
func (h *History) appendsTold() error {
	type about struct {
		place      int // of the first such Append
		text, list bool
	}
	var keys map[string]*about
	each := func(f func(at int, op *Op)) {
		for i := range h.Ops {
			op := &h.Ops[i]
			if op.Outcome == Failed {
				continue
			}
			if f(i, op); op.Kind == Txn {
				for k := range op.More.parts() {
					p := op.More.Parts[k]
					p.Outcome = op.Outcome
					f(i, &p)
				}
			}
		}
	}
	each(func(at int, op *Op) {
		if op.Kind == Append && op.Outcome == OK && (op.More == nil || op.More.Result == "" && op.More.Err == "" && !op.More.Head) {
			if keys == nil {
				keys = map[string]*about{}
			}
			if keys[op.Key] == nil {
				keys[op.Key] = &about{place: at}
			}
		}
	})
	if keys == nil {
		return nil
	}
	each(func(_ int, op *Op) {
		switch k := keys[op.Key]; {
		case op.Kind == ListMove && op.More != nil && keys[op.More.To] != nil:
			keys[op.More.To].list = true
		case k != nil:
			switch op.Kind {
			case ReadList, Pop, Push, ListMove, ListRemove:
				k.list = true
			case Read:
				k.text = k.text || op.Outcome == OK && !op.Absent
			case Write, CAS, Incr, StringAppend, SetRange, GetDelete, SetBit, GetBit:
				k.text = true
			}
		}
	})
	for i := range h.States {
		for _, kv := range h.States[i].Keys {
			if k := keys[kv.Key]; k != nil && kv.Type == "" {
				k.list = k.list || kv.List != nil
				k.text = k.text || kv.List == nil
			}
		}
	}
	first := len(h.Ops)
	for _, k := range keys { // any order: the least is taken
		if k.text && k.list {
			first = min(first, k.place)
		}
	}
	if first == len(h.Ops) {
		return nil
	}
	return fmt.Errorf("operation %d, of those invoked: an append without its result, to a key that is a string at times and a list at others: say string-append or push", first+1)
}
