package workloads

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/checker/history"
)

// Dump reads the whole of database 0 through a connection while nobody writes:
// every key there is (not only those the workload knows: a phantom key must
// show), its type, value and time to live.
func (r *Run) Dump(c *Conn, timeout time.Duration) (history.State, error) {
	state := history.State{Began: c.env.Now()}
	reply, err := c.Do(timeout, "KEYS", "*")
	if err != nil {
		return state, fmt.Errorf("dump: KEYS: %w", err)
	}
	if reply.Type != redcon.Array {
		return state, fmt.Errorf("dump: KEYS answered %q, want an array", reply.Raw)
	}
	state.Keys = make([]history.KV, 0, reply.Count)
	reply.ForEach(func(key redcon.RESP) bool {
		state.Keys = append(state.Keys, history.KV{Key: r.keyString(key.Data)})
		return true
	})
	sort.Slice(state.Keys, func(i, j int) bool { return state.Keys[i].Key < state.Keys[j].Key })
	lists := workloads[r.spec.Name].lists
	const batch = 256 // commands sent at once, so that neither side's socket buffer can fill up
	for from := 0; from < len(state.Keys); from += batch {
		to := min(from+batch, len(state.Keys))
		if err := r.dumpKeys(c, timeout, state.Keys[from:to], lists); err != nil {
			return state, err
		}
	}
	state.Keys = slices.DeleteFunc(state.Keys, func(kv history.KV) bool { return kv.Key == expired })
	state.At = c.env.Now()
	return state, nil
}

// expired stands for a key that was there when the keys were listed, and had
// expired when it was read. No key has this name.
const expired = "\x00expired"

// dumpKeys reads the values of some keys in one round trip.
func (r *Run) dumpKeys(c *Conn, timeout time.Duration, keys []history.KV, lists bool) error {
	c.Deadline(timeout)
	for i := range keys {
		if lists {
			c.Begin(4)
			c.Arg("LRANGE")
			c.Arg(keys[i].Key)
			c.Arg("0")
			c.Arg("-1")
		} else {
			c.Begin(2)
			c.Arg("GET")
			c.Arg(keys[i].Key)
		}
		c.Begin(2)
		c.Arg("PTTL")
		c.Arg(keys[i].Key)
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("dump: %w", err)
	}
	for i := range keys {
		value, err := c.Reply()
		if err != nil {
			return fmt.Errorf("dump of key %q: %w", keys[i].Key, err)
		}
		switch value.Type {
		case redcon.Bulk:
			keys[i].Value = r.tokens.Parse(value.Data, r.spec.ValueSize)
		case redcon.Array:
			keys[i].List = make([]string, 0, value.Count)
			value.ForEach(func(e redcon.RESP) bool {
				keys[i].List = append(keys[i].List, r.tokens.Parse(e.Data, r.spec.ValueSize))
				return true
			})
		default:
			return fmt.Errorf("dump of key %q: the server answered %q", keys[i].Key, value.Raw)
		}
		ttl, err := c.Reply()
		if err != nil {
			return fmt.Errorf("dump of key %q: PTTL: %w", keys[i].Key, err)
		}
		switch ms := ttl.Int(); {
		case ms == -1: // it does not expire
		case ms == -2 && value.Type == redcon.Bulk && value.Data == nil:
			keys[i].Key = expired
		default: // -2: it has expired since its value was read
			keys[i].TTL = time.Duration(max(ms, 1)) * time.Millisecond
		}
	}
	return nil
}

// keyString returns the workload's own string for a key it uses.
func (r *Run) keyString(b []byte) string {
	if len(b) > 1 && b[0] == 'k' {
		n := 0
		for _, ch := range b[1:] {
			if ch < '0' || ch > '9' || n > len(r.keys) {
				return string(b)
			}
			n = n*10 + int(ch-'0')
		}
		if n < len(r.keys) && r.keys[n] == string(b) {
			return r.keys[n]
		}
	}
	return string(b)
}
