package history

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/torntail/torntail/checker/history/edn"
)

// initial is what a key holds at the start, as people write it: 0, nil, "a b",
// [1 2], #{1 2}, {a 1}. What is not in that notation is a string.
type initial struct {
	text string
	list []string // nil for what is no collection
	pair bool     // a map
}

func parseInitial(text string) (initial, error) {
	r := edn.NewReader(strings.NewReader("#v "+text), 1)
	v, err := r.Next()
	if err != nil {
		return initial{text: text}, nil
	}
	var out initial
	switch v.Kind {
	case edn.Vector, edn.Set, edn.Map:
		out.list, out.pair = []string{}, v.Kind == edn.Map
		for i := range v.Items {
			out.list = append(out.list, v.Items[i].Plain())
		}
	default:
		out.text = v.Plain()
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		if out.list != nil {
			return out, errors.New("want one value")
		}
		out.text = text // words with blanks between them
	}
	return out, nil
}

// of is the value as the type of key that op is about.
func (v *initial) of(op *Op) (KV, error) {
	kv := KV{Key: op.Key, Type: op.Kind.Type()}
	list := false
	switch op.Kind {
	case ReadList, Pop, Push, ListMove, ListRemove:
		list = true
	}
	switch {
	case kv.Type == "stream":
		return kv, errors.New("a stream begins with nothing")
	case kv.Type == "" && !list:
		if v.list != nil {
			return kv, errors.New("want one value, not a collection")
		}
		kv.Value = v.text
		return kv, nil
	}
	if v.list == nil {
		return kv, fmt.Errorf("want a collection, such as %s", map[string]string{"": "[1 2]", "set": "#{1 2}", "hash": "{a 1}", "zset": "{a 1}"}[kv.Type])
	}
	if v.pair != (kv.Type == "hash" || kv.Type == "zset") {
		return kv, errors.New("want a map for hashes and sorted sets, and for nothing else")
	}
	kv.List = slices.Clone(v.list)
	if kv.Type == "set" {
		slices.Sort(kv.List)
	}
	return kv, nil
}

// eachKey calls f with operations and parts of transactions that say of which
// type their key is.
func (f *File) eachKey(each func(op *Op) error) error {
	lists := map[string]bool{}
	visit := func(do func(op *Op) error) error {
		for i := range f.Ops {
			op := &f.Ops[i]
			if op.Kind != Txn {
				if err := do(op); err != nil {
					return err
				}
				continue
			}
			for p := range op.More.parts() {
				if err := do(&op.More.Parts[p]); err != nil {
					return err
				}
			}
		}
		return nil
	}
	_ = visit(func(op *Op) error {
		switch op.Kind {
		case ReadList, Pop, Push, ListMove, ListRemove:
			lists[op.Key] = true
		}
		return nil
	})
	return visit(func(op *Op) error {
		switch op.Kind {
		case Delete, Expire, Persist, ReadExpiry: // of any type
			return nil
		case ListMove:
			if op.More != nil {
				to := *op
				to.Key = op.More.To
				if err := each(&to); err != nil {
					return err
				}
			}
		case Append:
			if lists[op.Key] {
				asList := *op
				asList.Kind = ReadList
				return each(&asList)
			}
		}
		return each(op)
	})
}

func (m *More) parts() []Op {
	if m == nil {
		return nil
	}
	return m.Parts
}
