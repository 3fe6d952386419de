package checker

import (
	"slices"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/checker/zones"
)

// A string that is only appended to is a list when each piece of it can be told:
// no piece is appended twice, and none is the beginning of another. The
// clusters judge lists in no time, where the search would go astray among the
// orders of pieces appended at once.

// inPieces is the epoch with such strings as lists.
func inPieces(in zones.Input) zones.Input {
	strs := piecesOf(in)
	if len(strs) == 0 {
		return in
	}
	in.Ops = slices.Clone(in.Ops)
	for i := range in.Ops {
		op := &in.Ops[i]
		s := strs[op.Key]
		if s == nil || op.Kind == history.Txn || op.Outcome == history.Failed {
			continue
		}
		switch op.Kind {
		case history.Append, history.StringAppend:
			op.Kind, op.More = history.Append, nil
		case history.Read:
			values, _ := s.all.Split(op.Value)
			op.Kind, op.Value, op.More = history.ReadList, "", &history.More{Offset: history.NoOffset, Values: values}
		}
	}
	asLists := func(kvs []history.KV) []history.KV {
		kvs = slices.Clone(kvs)
		for i := range kvs {
			if s := strs[kvs[i].Key]; s != nil {
				kvs[i].List, _ = s.all.Split(kvs[i].Value)
			}
		}
		return kvs
	}
	in.Initial, in.Recovered = asLists(in.Initial), asLists(in.Recovered)
	return in
}

// pieces are the pieces of one string.
type pieces struct {
	all   linear.Pieces
	other bool // it is something else as well, or cannot be told apart
	reads bool // it was read as a string
}

// piecesOf finds the strings that are lists of pieces, by key.
func piecesOf(in zones.Input) map[string]*pieces {
	var strs map[string]*pieces
	for i := range in.Ops {
		op := &in.Ops[i]
		if (op.Kind == history.Append || op.Kind == history.StringAppend) && op.Outcome != history.Failed {
			if strs == nil {
				strs = map[string]*pieces{}
			}
			s := strs[op.Key]
			if s == nil {
				s = &pieces{}
				strs[op.Key] = s
			}
			s.all = append(s.all, op.Value)
			s.reads = s.reads || op.Kind == history.StringAppend
			// Lengths in bytes do not count pieces.
			s.other = s.other || op.Value == "" || op.More != nil && (op.Kind == history.Append && op.More.Head || op.More.Result != "")
		}
	}
	if strs == nil {
		return nil
	}
	other := func(key string) {
		if s := strs[key]; s != nil {
			s.other = true
		}
	}
	for i := range in.Ops {
		op := &in.Ops[i]
		switch {
		case op.Outcome == history.Failed || op.Kind == history.Append || op.Kind == history.StringAppend:
		case op.Kind == history.Read:
			if s := strs[op.Key]; s != nil {
				s.reads = s.reads || op.Outcome == history.OK && !op.Absent
			}
		case op.Kind == history.Txn && op.More != nil:
			for k := range op.More.Parts {
				p := &op.More.Parts[k]
				if other(p.Key); p.More != nil {
					other(p.More.To)
				}
			}
		default:
			other(op.Key)
			if op.More != nil {
				other(op.More.To)
			}
		}
	}
	for _, kvs := range [][]history.KV{in.Initial, in.Recovered} {
		for i := range kvs {
			s := strs[kvs[i].Key]
			switch {
			case s == nil:
			case kvs[i].List != nil || kvs[i].TTL > 0:
				s.other = true
			default:
				s.reads = true
			}
		}
	}
	// What was there at the start is a piece as well: nobody appends it.
	for i := range in.Initial {
		if s := strs[in.Initial[i].Key]; s != nil && in.Initial[i].Value != "" {
			s.all = append(s.all, in.Initial[i].Value)
		}
	}
	for key, s := range strs { // any order: each by itself
		if s.other || !s.reads || !s.all.Distinct() {
			delete(strs, key)
		}
	}
	keep := func(key, value string) {
		if s := strs[key]; s != nil {
			if _, ok := s.all.Split(value); !ok {
				delete(strs, key) // the rules find it
			}
		}
	}
	for i := range in.Ops {
		if op := &in.Ops[i]; op.Kind == history.Read && op.Outcome == history.OK {
			keep(op.Key, op.Value)
		}
	}
	for i := range in.Recovered {
		keep(in.Recovered[i].Key, in.Recovered[i].Value)
	}
	return strs
}
