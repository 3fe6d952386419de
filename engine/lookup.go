package engine

import (
	"math"
	"strconv"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
)

// Finding a command's key and what kind it must be, and reading its numbers.
// WRONGTYPE is answered before anything is changed.

// readKind returns a key's value for a command that only reads; nil when there
// is none. ok is false when it is of another kind, which has been answered.
func (s *Server) readKind(c *Session, key []byte, kind keyspace.Kind) (o *keyspace.Object, ok bool) {
	return c.isKind(s.lookupRead(c, key), kind)
}

// writeKind is readKind for a command that may change the key.
func (s *Server) writeKind(c *Session, key []byte, kind keyspace.Kind) (o *keyspace.Object, ok bool) {
	return c.isKind(s.lookup(c, key), kind)
}

func (c *Session) isKind(o *keyspace.Object, kind keyspace.Kind) (*keyspace.Object, bool) {
	if o != nil && o.Kind != kind {
		c.error(errWrongType)
		return nil, false
	}
	return o, true
}

// dropEmpty deletes a collection that lost its last element, which is told as
// del. The caller propagates.
func (s *Server) dropEmpty(c *Session, key []byte, left int) {
	if left == 0 {
		s.ks.DB(c.db).Delete(key)
		s.notify(config.GenericEvents, "del", c.db, key)
	}
}

// lengthOf is the handler of LLEN, SCARD, ZCARD, HLEN and XLEN.
func lengthOf(kind keyspace.Kind) handler {
	return func(s *Server, c *Session, argv [][]byte) {
		o, ok := s.readKind(c, argv[1], kind)
		switch {
		case !ok:
		case o == nil:
			c.int(0)
		default:
			c.int(int64(o.Coll.Len()))
		}
	}
}

// remover is the handler of SREM, ZREM and HDEL; edit is DB's method for the kind.
func remover[C interface {
	Len() int
	Delete(name []byte) bool
}](kind keyspace.Kind, edit func(db *keyspace.DB, key []byte) C, class config.Events, event string) handler {
	return func(s *Server, c *Session, argv [][]byte) {
		o, ok := s.writeKind(c, argv[1], kind)
		if !ok {
			return
		}
		deleted := 0
		if o != nil {
			coll := edit(s.ks.DB(c.db), argv[1])
			for _, name := range argv[2:] {
				if coll.Delete(name) {
					deleted++
				}
				if coll.Len() == 0 {
					break
				}
			}
			if deleted > 0 {
				s.touch(c.db, argv[1])
				s.notify(class, event, c.db, argv[1])
				s.dropEmpty(c, argv[1], coll.Len())
				s.propagate(c, deleted, argv)
			}
		}
		c.int(int64(deleted))
	}
}

// storeResult puts the collection that a command has made under a key, which
// counts as so many changes, or deletes the key when there is nothing in it.
func (s *Server) storeResult(c *Session, argv [][]byte, key []byte, o keyspace.Object, class config.Events, event string, changes int) {
	db := s.ks.DB(c.db)
	if o.Coll.Len() > 0 {
		s.lookup(c, key)
		db.Set(key, o)
		s.touch(c.db, key)
		s.notify(class, event, c.db, key)
		s.propagate(c, changes, argv)
	} else if db.Delete(key) {
		s.touch(c.db, key)
		s.notify(config.GenericEvents, "del", c.db, key)
		s.propagate(c, 1, argv)
	}
}

// drawn is a number drawn below n, which is positive.
func (s *Server) drawn(n int) int { return int(s.env.Uint64() % uint64(n)) }

// rangeArg reads an integer that must lie between lo and hi, or answers what is
// wrong: msg, or Redis's usual words when it is "" (redis 7.0.15 object.c
// getRangeLongFromObjectOrReply).
func (c *Session) rangeArg(b []byte, lo, hi int64, msg string) (int64, bool) {
	n, ok := parseInt(b)
	switch {
	case !ok && msg == "":
		c.error(errNotInteger)
	case !ok:
		c.error("ERR " + msg)
	case (n < lo || n > hi) && msg == "":
		c.error("ERR value is out of range, value must between " + strconv.FormatInt(lo, 10) + " and " + strconv.FormatInt(hi, 10))
	case n < lo || n > hi:
		c.error("ERR " + msg)
	default:
		return n, true
	}
	return 0, false
}

// positiveArg reads an integer that must not be negative.
func (c *Session) positiveArg(b []byte) (int64, bool) {
	return c.rangeArg(b, 0, math.MaxInt64, "value is out of range, must be positive")
}

// countArg reads a number of elements to draw, negative for "with repeats".
func (c *Session) countArg(b []byte) (int64, bool) {
	return c.rangeArg(b, -math.MaxInt64, math.MaxInt64, "")
}

// popCountArg reads how many elements to take, which may be left out.
func (c *Session) popCountArg(args [][]byte) (count int64, counted, ok bool) {
	switch len(args) {
	case 0:
		return 1, false, true
	case 1:
		count, ok = c.positiveArg(args[0])
		return count, true, ok
	}
	c.error(errSyntax)
	return 0, true, false
}

// startEndArgs reads the two ends of a range.
func (c *Session) startEndArgs(args [][]byte) (start, end int64, ok bool) {
	if start, ok = c.intArg(args[0]); ok {
		end, ok = c.intArg(args[1])
	}
	return start, end, ok
}

// eitherArg reads one of two words.
func (c *Session) eitherArg(b []byte, yes, no string) (isYes, ok bool) {
	if isYes = same(b, yes); isYes || same(b, no) {
		return isYes, true
	}
	c.error(errSyntax)
	return false, false
}

// positions draws count of n positions: with repeats when repeats is set, else
// each at most once, all of them in order when there are no more.
func (s *Server) positions(c *Session, n int, count int64, repeats bool) []int {
	if !repeats && count >= int64(n) {
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		return all
	}
	out := make([]int, 0, min(count, 1<<16))
	if repeats {
		if most := s.mostElements(c); most > 0 {
			count = min(count, most)
		}
		for range count {
			out = append(out, s.drawn(n))
		}
		return out
	}
	// Each draw takes one of those left; where it was, the last of them goes.
	moved := make(map[int]int, count)
	at := func(i int) int {
		if j, ok := moved[i]; ok {
			return j
		}
		return i
	}
	for left := n; len(out) < int(count); left-- {
		i := s.drawn(left)
		out = append(out, at(i))
		moved[i] = at(left - 1)
	}
	return out
}
