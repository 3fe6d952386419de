package engine

import (
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
	s.popOrWait(c, keyspace.List, keys, timeout, pop)
}

// lmpop is LMPOP and BLMPOP (redis 7.0.15 t_list.c lmpopGenericCommand).
func (s *Server) lmpop(c *Session, argv [][]byte, at int) {
	s.mpop(c, argv, at, keyspace.List, "left", "right", popWord, func(key []byte, n int, front bool) {
		l := s.ks.DB(c.db).EditList(key)
		for range n {
			c.bulk(l.Pop(front))
		}
		s.listPopped(c, key, l, front)
	})
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
