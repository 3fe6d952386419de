package engine

import (
	"strconv"
	"time"

	"github.com/torntail/torntail/engine/keyspace"
)

// What lists and sorted sets have in common when elements are taken off their
// ends.

// popFirst pops from the first of the keys that is there, a list or a sorted
// set as kind says, and reports whether the command has been answered.
func (s *Server) popFirst(c *Session, kind keyspace.Kind, keys [][]byte, pop func(key []byte, o *keyspace.Object) bool) bool {
	for _, key := range keys {
		o, ok := s.writeKind(c, key, kind)
		if !ok {
			return true
		}
		if o != nil {
			return pop(key, o)
		}
	}
	return false
}

// popOrWait is popFirst for a client that waits if it must.
func (s *Server) popOrWait(c *Session, kind keyspace.Kind, keys [][]byte, timeout time.Duration, pop func(key []byte, o *keyspace.Object) bool) {
	if !s.popFirst(c, kind, keys, pop) {
		s.blockOnKeys(c, kind, keys, timeout, c.nullArray, pop)
	}
}

// mpop is LMPOP and ZMPOP, whose number of keys is argument 1, and their kin that
// wait, whose is argument 2, behind the timeout. Elements are taken off the end
// that the word first names, or last; pop takes and answers n of them, which is
// logged as the command that word gives.
func (s *Server) mpop(c *Session, argv [][]byte, at int, kind keyspace.Kind, first, last string, word func(isFirst bool) []byte, pop func(key []byte, n int, isFirst bool)) {
	n, ok := c.rangeArg(argv[at], 1, 1<<63-1, "numkeys should be greater than 0")
	if !ok {
		return
	}
	if n >= int64(len(argv)-at-1) {
		c.error(errSyntax)
		return
	}
	keys, rest := argv[at+1:at+1+int(n)], argv[at+1+int(n):]
	isFirst, ok := c.eitherArg(rest[0], first, last)
	if !ok {
		return
	}
	count := int64(-1)
	for args := rest[1:]; len(args) > 0; args = args[2:] {
		if len(args) < 2 || count != -1 || !same(args[0], "count") {
			c.error(errSyntax)
			return
		}
		if count, ok = c.rangeArg(args[1], 1, 1<<63-1, "count should be greater than 0"); !ok {
			return
		}
	}
	count = max(count, 1)
	take := func(key []byte, o *keyspace.Object) bool {
		n := int(min(count, int64(o.Coll.Len())))
		c.array(2)
		c.bulk(key)
		c.array(n)
		pop(key, n, isFirst)
		s.propagateAs(c, n, word(isFirst), key, strconv.AppendInt(nil, int64(n), 10))
		return true
	}
	if at == 1 {
		if !s.popFirst(c, kind, keys, take) {
			c.nullArray()
		}
		return
	}
	if timeout, ok := c.timeoutArg(argv[1]); ok {
		s.popOrWait(c, kind, keys, timeout, take)
	}
}
