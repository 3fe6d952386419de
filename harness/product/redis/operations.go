package redis

import (
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/engine/spec"
)

// sayable are the commands of a plan that change data in a way that a history has an
// operation for, by their names: what they are there, or nil for other arguments than these.
var sayable = map[string]func(args []string) *history.Op{
	"set": func(a []string) *history.Op {
		if len(a) != 2 {
			return nil // with options
		}
		return &history.Op{Kind: history.Write, Key: a[0], Value: a[1]}
	},
	"del": deletes, "unlink": deletes,
	"flushall": flush, "flushdb": flush,
	"rpush": func(a []string) *history.Op { return adds(history.Push, a) },
	"sadd":  func(a []string) *history.Op { return adds(history.SetAdd, a) },
	"hset": func(a []string) *history.Op {
		if len(a) != 3 {
			return nil
		}
		return &history.Op{Kind: history.HashSet, Key: a[0], Value: a[2], More: &history.More{Field: a[1]}}
	},
}

func adds(k history.Kind, a []string) *history.Op {
	if len(a) != 2 {
		return nil
	}
	return &history.Op{Kind: k, Key: a[0], Value: a[1]}
}

func deletes(keys []string) *history.Op {
	if len(keys) == 1 {
		return &history.Op{Kind: history.Delete, Key: keys[0]}
	}
	op := &history.Op{Kind: history.Txn, More: &history.More{}}
	for _, key := range keys {
		op.More.Parts = append(op.More.Parts, history.Op{Kind: history.Delete, Key: key})
	}
	return op
}

// flush deletes all keys there are: which these are is for the run to say (product.Upkeep).
func flush(a []string) *history.Op {
	if len(a) > 1 {
		return nil
	}
	return &history.Op{Kind: history.Txn, More: &history.More{}}
}

// unflagged are commands that change data although COMMAND INFO gives them no flag "write"
// (redis 7.0.15): scripts, for what they call; a replica, for it empties itself; DEBUG, whose
// POPULATE makes keys.
var unflagged = []string{"eval", "evalsha", "fcall", "replicaof", "slaveof", "debug populate"}

// unchangeable are directives of which a change in mid-run leaves nothing that could be
// judged: where files are, when snapshots are due, and what is evicted.
var unchangeable = []string{"save", "dir", "dbfilename", "maxmemory", "maxmemory-policy"}

// Operation implements product.Upkeep.
func (store) Operation(words []string) (*history.Op, error) {
	name := strings.ToLower(words[0])
	if op := sayable[name]; op != nil {
		if is := op(words[1:]); is != nil {
			return is, nil
		}
		return nil, fmt.Errorf("%s with these arguments changes data in a way that is not put on record", strings.ToUpper(name))
	}
	if name == "config" && len(words) > 3 && strings.EqualFold(words[1], "set") {
		for pair := range slices.Chunk(words[2:], 2) {
			if slices.Contains(unchangeable, strings.ToLower(pair[0])) {
				return nil, fmt.Errorf("after a CONFIG SET of %s it is not known what is promised", pair[0])
			}
		}
	}
	long := name
	if len(words) > 1 {
		long += " " + strings.ToLower(words[1])
	}
	writes := slices.ContainsFunc(spec.Commands(), func(c *spec.Command) bool { return c.Name == name && c.Has("write") })
	if writes || slices.Contains(unflagged, name) || slices.Contains(unflagged, long) {
		var have []string
		for word := range sayable { // any order: sorted below
			have = append(have, strings.ToUpper(word))
		}
		slices.Sort(have)
		return nil, fmt.Errorf("%s changes data in a way that is not put on record (%s are)", strings.ToUpper(name), strings.Join(have, ", "))
	}
	return nil, nil
}
