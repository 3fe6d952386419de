package engine

import (
	"strconv"
	"time"

	"github.com/torntail/torntail/engine/keyspace"
)

// LMPOP, and the list commands that wait for an element. What they do is logged
// in the form of those that do not wait.

var (
	wordLpop      = []byte("LPOP")
	wordRpop      = []byte("RPOP")
	wordLmove     = []byte("LMOVE")
	wordRpoplpush = []byte("RPOPLPUSH")
)

func popWord(front bool) []byte {
	if front {
		return wordLpop
	}
	return wordRpop
}

// blockingPop is BLPOP and BRPOP (redis 7.0.15 t_list.c blockingPopGenericCommand).
func (s *Server) blockingPop(c *Session, argv [][]byte, front bool) {
	timeout, ok := c.timeoutArg(argv[len(argv)-1])
	if !ok {
		return
	}
	keys := argv[1 : len(argv)-1]
	pop := func(key []byte, _ *keyspace.Object) bool {
		l := s.ks.DB(c.db).EditList(key)
		c.array(2)
		c.bulk(key)
		c.bulk(l.Pop(front))
		s.listPopped(c, key, l, front)
		s.propagateAs(c, 1, popWord(front), key)
		return true
	}
	if !s.popFirst(c, keyspace.List, keys, pop) {
		s.blockOnKeys(c, keyspace.List, keys, timeout, c.nullArray, pop)
	}
}

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

// lmpop is LMPOP, whose number of keys is argument 1, and BLMPOP, whose is
// argument 2, behind the timeout (redis 7.0.15 t_list.c lmpopGenericCommand).
func (s *Server) lmpop(c *Session, argv [][]byte, at int) {
	n, ok := c.rangeArg(argv[at], 1, 1<<63-1, "numkeys should be greater than 0")
	if !ok {
		return
	}
	if n >= int64(len(argv)-at-1) {
		c.error(errSyntax)
		return
	}
	keys, rest := argv[at+1:at+1+int(n)], argv[at+1+int(n):]
	front, ok := c.endArg(rest[0])
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
	var timeout time.Duration
	if at == 2 {
		if timeout, ok = c.timeoutArg(argv[1]); !ok {
			return
		}
	}
	pop := func(key []byte, _ *keyspace.Object) bool {
		l := s.ks.DB(c.db).EditList(key)
		n := int(min(count, int64(l.Len())))
		c.array(2)
		c.bulk(key)
		c.array(n)
		for range n {
			c.bulk(l.Pop(front))
		}
		s.listPopped(c, key, l, front)
		s.propagateAs(c, n, popWord(front), key, strconv.AppendInt(nil, int64(n), 10))
		return true
	}
	switch {
	case s.popFirst(c, keyspace.List, keys, pop):
	case at == 1:
		c.nullArray()
	default:
		s.blockOnKeys(c, keyspace.List, keys, timeout, c.nullArray, pop)
	}
}

func cmdBlmove(s *Server, c *Session, argv [][]byte) {
	from, ok := c.endArg(argv[3])
	if !ok {
		return
	}
	to, ok := c.endArg(argv[4])
	if !ok {
		return
	}
	if timeout, ok := c.timeoutArg(argv[5]); ok {
		s.blockingMove(c, [][]byte{wordLmove, argv[1], argv[2], argv[3], argv[4]}, from, to, timeout, c.null)
	}
}

func cmdBrpoplpush(s *Server, c *Session, argv [][]byte) {
	if timeout, ok := c.timeoutArg(argv[3]); ok {
		s.blockingMove(c, [][]byte{wordRpoplpush, argv[1], argv[2]}, false, true, timeout, c.null)
	}
}

// blockingMove is redis 7.0.15 t_list.c blmoveGenericCommand. One that waited
// answers a null array when its time is over (sic).
func (s *Server) blockingMove(c *Session, logged [][]byte, from, to bool, timeout time.Duration, refused func()) {
	src, dst := logged[1], logged[2]
	o, ok := s.writeKind(c, src, keyspace.List)
	if !ok {
		return
	}
	if o != nil {
		s.move(c, logged, src, dst, from, to)
		return
	}
	if s.mayNotBlock(c) {
		refused()
		return
	}
	ends := [...][]byte{[]byte("right"), []byte("left")}
	if len(logged) == 5 { // as the server writes them, not as they were typed
		logged = [][]byte{wordLmove, src, dst, ends[number(from)], ends[number(to)]}
	}
	s.blockOnKeys(c, keyspace.List, [][]byte{src}, timeout, c.nullArray, func(key []byte, _ *keyspace.Object) bool {
		if _, ok := s.writeKind(c, dst, keyspace.List); !ok {
			return true // the client gets the error, the element stays
		}
		l := s.ks.DB(c.db).EditList(key)
		s.moveElement(c, l, dst, from, to)
		s.propagateAs(c, 1, logged...)
		s.listPopped(c, key, l, from)
		return true
	})
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
