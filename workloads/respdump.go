package workloads

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/checker/history"
)

// Dump implements Protocol: it reads the whole of database 0.
func (p RESP) Dump(c *Conn, read history.Kind, r *Run, timeout time.Duration) (keys []history.KV, err error) {
	switch p.Listing {
	case ByScan:
		keys, err = r.scan(c, timeout)
	case OfClients:
		for _, key := range r.keys[:r.spec.Keys] {
			keys = append(keys, history.KV{Key: key})
		}
	default:
		var reply redcon.RESP
		if reply, err = c.Do(timeout, "KEYS", "*"); err == nil && reply.Type != redcon.Array {
			err = fmt.Errorf("the server answered %q, want an array", reply.Raw)
		}
		if err != nil {
			return nil, fmt.Errorf("dump: KEYS: %w", err)
		}
		keys = r.named(reply, make([]history.KV, 0, reply.Count))
	}
	if err != nil {
		return nil, err
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i].Key < keys[j].Key })
	const batch = 256 // commands sent at once, so that neither side's socket buffer can fill up
	for from := 0; from < len(keys); from += batch {
		to := min(from+batch, len(keys))
		if err := r.dumpKeys(c, timeout, keys[from:to], read, p.Listing); err != nil {
			return nil, err
		}
		if err := dumpDeadlines(c, timeout, keys[from:to]); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(keys, func(kv history.KV) bool { return kv.Key == expired }), nil
}

// named adds the keys of a reply.
func (r *Run) named(reply redcon.RESP, keys []history.KV) []history.KV {
	reply.ForEach(func(key redcon.RESP) bool {
		keys = append(keys, history.KV{Key: r.Key(key.Data)})
		return true
	})
	return keys
}

// mostScans bounds the round trips of a SCAN whose cursor never comes back to 0.
const mostScans = 1_000_000

// scan lists the keys with SCAN, which may tell of one more than once.
func (r *Run) scan(c *Conn, timeout time.Duration) (keys []history.KV, err error) {
	cursor := "0"
	for range mostScans {
		reply, err := c.Do(timeout, "SCAN", cursor, "COUNT", "1000")
		if err != nil {
			return nil, fmt.Errorf("dump: SCAN: %w", err)
		}
		if reply.Type != redcon.Array || reply.Count != 2 {
			return nil, fmt.Errorf("dump: SCAN: the server answered %q, want a cursor and keys", reply.Raw)
		}
		first := true
		reply.ForEach(func(part redcon.RESP) bool {
			if first {
				cursor, first = string(part.Data), false
			} else {
				keys = r.named(part, keys)
			}
			return true
		})
		if cursor == "0" {
			byName := func(a, b history.KV) int { return strings.Compare(a.Key, b.Key) }
			slices.SortFunc(keys, byName)
			return slices.CompactFunc(keys, func(a, b history.KV) bool { return a.Key == b.Key }), nil
		}
	}
	return nil, fmt.Errorf("dump: SCAN: its cursor is not back at 0 after %d replies", mostScans)
}

// expired stands for a key that was there when the keys were listed, and had
// expired when it was read. No key has this name.
const expired = "\x00expired"

// dumpKeys reads the values of some keys in one round trip.
func (r *Run) dumpKeys(c *Conn, timeout time.Duration, keys []history.KV, read history.Kind, listing Listing) error {
	c.Deadline(timeout)
	for i := range keys {
		RESP{}.Ask(c, &history.Op{Kind: read, Key: keys[i].Key}, 0)
		c.words("PTTL", keys[i].Key)
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("dump: %w", err)
	}
	var others []*history.KV // of another type than the workload's keys
	for i := range keys {
		value, err := c.Reply()
		if err != nil {
			return fmt.Errorf("dump of key %q: %w", keys[i].Key, err)
		}
		switch {
		case value.Type == redcon.Bulk:
			keys[i].Value = r.Value(value.Data)
		case value.Type == redcon.Array:
			keys[i].List = r.elements(value)
			InOrder(&keys[i], read.Type())
		case value.Type == redcon.Error && strings.HasPrefix(string(value.Data), "WRONGTYPE"):
			others = append(others, &keys[i])
		default:
			return fmt.Errorf("dump of key %q: the server answered %q", keys[i].Key, value.Raw)
		}
		ttl, err := c.Reply()
		if err != nil {
			return fmt.Errorf("dump of key %q: PTTL: %w", keys[i].Key, err)
		}
		switch ms := ttl.Int(); {
		case listing == OfClients && isAbsent(value), ms == -2 && value.Type == redcon.Bulk && value.Data == nil:
			keys[i].Key = expired
		case ttl.Type == redcon.Error && !slices.Contains(r.does.sends, history.Expire): // no key was told to
		case ttl.Type == redcon.Error:
			return fmt.Errorf("dump of key %q: PTTL: the server answered %q", keys[i].Key, ttl.Raw)
		case ms == -1: // it does not expire
		default: // -2: it has expired since its value was read
			keys[i].TTL = time.Duration(max(ms, 1)) * time.Millisecond
		}
	}
	for _, kv := range others {
		if err := r.dumpOther(c, timeout, kv); err != nil {
			return fmt.Errorf("dump of key %q: %w", kv.Key, err)
		}
	}
	return nil
}

// isAbsent reports whether a reply is that to a read of a key that is not there.
func isAbsent(value redcon.RESP) bool {
	return value.Type == redcon.Bulk && value.Data == nil || value.Type == redcon.Array && value.Count <= 0
}

// dumpDeadlines reads when the keys among some expire that do. A server that does
// not know PEXPIRETIME (Redis before 7.0) leaves that open.
func dumpDeadlines(c *Conn, timeout time.Duration, keys []history.KV) error {
	var expire []*history.KV
	for i := range keys {
		if kv := &keys[i]; kv.TTL > 0 && kv.Key != expired {
			expire = append(expire, kv)
		}
	}
	if len(expire) == 0 {
		return nil
	}
	c.Deadline(timeout)
	for _, kv := range expire {
		c.words("PEXPIRETIME", kv.Key)
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("dump: %w", err)
	}
	for _, kv := range expire {
		reply, err := c.Reply()
		if err != nil {
			return fmt.Errorf("dump of key %q: PEXPIRETIME: %w", kv.Key, err)
		}
		if ms := reply.Int(); reply.Type == redcon.Integer && ms > 0 {
			kv.Deadline = c.env.Now() + time.UnixMilli(ms).Sub(c.env.Wall())
		}
	}
	return nil
}

// elements are those of an array, nested ones one after the other.
func (r *Run) elements(reply redcon.RESP) []string {
	list := make([]string, 0, reply.Count)
	reply.ForEach(func(e redcon.RESP) bool {
		if e.Type == redcon.Array {
			list = append(list, r.elements(e)...)
		} else {
			list = append(list, r.Value(e.Data))
		}
		return true
	})
	return list
}

// dumpOther reads a key of a type that the workload does not write.
func (r *Run) dumpOther(c *Conn, timeout time.Duration, kv *history.KV) error {
	var reply redcon.RESP
	ask := func(want redcon.Type, argv ...string) (err error) {
		if reply, err = c.Do(timeout, argv...); err == nil && reply.Type != want {
			err = fmt.Errorf("the server answered %s with %q", argv[0], reply.Raw)
		}
		return err
	}
	if err := ask(redcon.String, "TYPE", kv.Key); err != nil {
		return err
	}
	kv.Type = string(reply.Data)
	switch kv.Type {
	case "none":
		kv.Key = expired
		return nil
	case "string":
		kv.Type = ""
		err := ask(redcon.Bulk, "GET", kv.Key)
		kv.Value = r.Value(reply.Data)
		return err
	case "stream":
		return r.dumpStream(kv, ask, &reply)
	}
	read, ok := map[string][]string{"list": {"LRANGE", kv.Key, "0", "-1"}, "set": {"SMEMBERS", kv.Key}, "hash": {"HGETALL", kv.Key}, "zset": {"ZRANGE", kv.Key, "0", "-1", "WITHSCORES"}}[kv.Type]
	if !ok {
		return fmt.Errorf("it is of type %q, of which nothing is known", kv.Type)
	}
	if err := ask(redcon.Array, read...); err != nil {
		return err
	}
	kv.List = r.elements(reply)
	InOrder(kv, kv.Type)
	return nil
}

// InOrder makes the elements of a key's value those of a type, in an order of their own.
func InOrder(kv *history.KV, as string) {
	switch kv.Type = as; as {
	case "list":
		kv.Type = ""
	case "set":
		slices.Sort(kv.List)
	case "hash":
		sortPairs(kv.List)
	}
}

// sortPairs sorts a flat list of fields and their values by field.
func sortPairs(flat []string) {
	pairs := slices.Collect(slices.Chunk(slices.Clone(flat), 2))
	slices.SortFunc(pairs, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	copy(flat, slices.Concat(pairs...))
}

// dumpStream reads a stream: of each entry its identifier, a field and a value,
// as often as it has fields, and its groups.
func (r *Run) dumpStream(kv *history.KV, ask func(want redcon.Type, argv ...string) error, reply *redcon.RESP) error {
	if err := ask(redcon.Array, "XRANGE", kv.Key, "-", "+"); err != nil {
		return err
	}
	kv.List = []string{}
	reply.ForEach(func(e redcon.RESP) bool {
		entry := r.elements(e)
		for i := 1; i+1 < len(entry); i += 2 {
			kv.List = append(kv.List, entry[0], entry[i], entry[i+1])
		}
		return true
	})
	if err := ask(redcon.Array, "XINFO", "GROUPS", kv.Key); err != nil {
		return err
	}
	kv.GroupsRead = true
	reply.ForEach(func(g redcon.RESP) bool {
		info := r.elements(g)
		group := history.Group{}
		for i := 0; i+1 < len(info); i += 2 {
			switch info[i] {
			case "name":
				group.Name = info[i+1]
			case "last-delivered-id":
				group.Last = info[i+1]
			}
		}
		kv.Groups = append(kv.Groups, group)
		return true
	})
	for i := range kv.Groups {
		g := &kv.Groups[i]
		if err := ask(redcon.Array, "XPENDING", kv.Key, g.Name, "-", "+", "1000000000"); err != nil {
			return err
		}
		reply.ForEach(func(e redcon.RESP) bool {
			p := r.elements(e)
			g.Pending = append(g.Pending, p[0], p[1])
			return true
		})
	}
	return nil
}
