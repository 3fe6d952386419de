package engine

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
)

var hllCommands = []entry{
	{name: "pfadd", run: cmdPfadd},
	{name: "pfcount", run: cmdPfcount},
	{name: "pfmerge", run: cmdPfmerge},
	{name: "pfdebug", run: cmdPfdebug},
	{name: "pfselftest", run: cmdPfselftest},
}

const (
	errNotHLL     = "WRONGTYPE Key is not a valid HyperLogLog string value."
	errCorruptHLL = "INVALIDOBJ Corrupted HLL object detected"
)

// isHLL checks a value, or answers what is wrong with it.
func (c *Session) isHLL(o *keyspace.Object) bool {
	if _, ok := c.isKind(o, keyspace.String); !ok {
		return false
	}
	if !validHLL(o.Str) {
		c.error(errNotHLL)
		return false
	}
	return true
}

// copyHLL are bytes to work on.
func copyHLL(o *keyspace.Object) hyperloglog { return append(hyperloglog(nil), o.Str...) }

func (s *Server) setHLL(c *Session, key []byte, h hyperloglog) {
	s.ks.DB(c.db).Replace(key, keyspace.RawObject(h))
}

func cmdPfadd(s *Server, c *Session, argv [][]byte) {
	key := argv[1]
	o := s.lookup(c, key)
	var h hyperloglog
	updated := 0
	switch {
	case o == nil:
		h = newHLL()
		updated++
	case !c.isHLL(o):
		return
	default:
		h = copyHLL(o)
	}
	for _, e := range argv[2:] {
		register, value := hllPlace(e)
		var changed, ok bool
		if h, changed, ok = h.raise(register, value, s.cfg.HllSparseMaxBytes); !ok {
			s.setHLL(c, key, h) // what came before the damage is raised, which nobody is told
			c.error(errCorruptHLL)
			return
		}
		updated += number(changed)
	}
	if updated > 0 {
		h.outdate()
	}
	s.setHLL(c, key, h)
	if updated > 0 {
		s.touch(c.db, key)
		s.notify(config.StringEvents, "pfadd", c.db, key)
		s.propagate(c, updated, argv)
	}
	c.boolean(updated > 0)
}

// mergeHLL raises registers to those of all keys. It reports whether one of them
// was dense; ok is false when one is none, which has been answered.
func (s *Server) mergeHLL(c *Session, keys [][]byte, all *[hllRegisters]byte) (dense, ok bool) {
	var one [hllRegisters]byte
	for _, key := range keys {
		o := s.lookupRead(c, key)
		if o == nil {
			continue
		}
		if !c.isHLL(o) {
			return false, false
		}
		h := hyperloglog(o.Str)
		dense = dense || !h.sparse()
		one = [hllRegisters]byte{}
		if !h.registers(&one) {
			c.error(errCorruptHLL)
			return false, false
		}
		for i, v := range one {
			all[i] = max(all[i], v)
		}
	}
	return dense, true
}

// cmdPfcount keeps the count of a single key in it, which is a change and logged
// as one (redis 7.0.15 hyperloglog.c pfcountCommand).
func cmdPfcount(s *Server, c *Session, argv [][]byte) {
	var registers [hllRegisters]byte
	if len(argv) > 2 {
		if _, ok := s.mergeHLL(c, argv[1:], &registers); ok {
			c.int(int64(hllCount(&registers)))
		}
		return
	}
	key := argv[1]
	o := s.lookupRead(c, key)
	if o == nil {
		c.int(0)
		return
	}
	if !c.isHLL(o) {
		return
	}
	h := copyHLL(o)
	n, ok := h.cached()
	if !ok {
		if !h.registers(&registers) {
			c.error(errCorruptHLL)
			return
		}
		n = hllCount(&registers)
		binary.LittleEndian.PutUint64(h[8:], n)
	}
	s.setHLL(c, key, h)
	if !ok {
		s.touch(c.db, key)
		s.propagate(c, 1, argv)
	}
	c.int(int64(n))
}

func cmdPfmerge(s *Server, c *Session, argv [][]byte) {
	var all [hllRegisters]byte
	dense, ok := s.mergeHLL(c, argv[1:], &all)
	if !ok {
		return
	}
	key := argv[1]
	h := newHLL()
	if o := s.lookup(c, key); o != nil {
		h = copyHLL(o)
	}
	if dense {
		if h, ok = h.dense(); !ok {
			c.error(errCorruptHLL)
			return
		}
	}
	for i, v := range all {
		if v > 0 {
			h, _, _ = h.raise(i, v, s.cfg.HllSparseMaxBytes)
		}
	}
	h.outdate()
	s.setHLL(c, key, h)
	s.touch(c.db, key)
	s.notify(config.StringEvents, "pfadd", c.db, key)
	s.propagate(c, 1, argv)
	c.ok()
}

// cmdPfdebug follows redis 7.0.15 hyperloglog.c pfdebugCommand.
func cmdPfdebug(s *Server, c *Session, argv [][]byte) {
	key := argv[2]
	o := s.lookup(c, key)
	if o == nil {
		c.error("ERR The specified key does not exist")
		return
	}
	if !c.isHLL(o) {
		return
	}
	h := copyHLL(o)
	sub := string(argv[1])
	known := same(argv[1], "getreg") || same(argv[1], "decode") || same(argv[1], "encoding") || same(argv[1], "todense")
	if !known {
		c.error("ERR Unknown PFDEBUG subcommand '" + sub + "'")
		return
	}
	if len(argv) != 3 {
		c.error("ERR Wrong number of arguments for the '" + sub + "' subcommand")
		return
	}
	switch {
	case same(argv[1], "encoding"):
		c.status([]string{"dense", "sparse"}[h[4]])
		return
	case same(argv[1], "decode"):
		if !h.sparse() {
			c.error("ERR HLL encoding is not sparse")
			return
		}
		c.bulkText(h.text())
		return
	}
	changed := h.sparse()
	h, ok := h.dense()
	if !ok {
		c.error(errCorruptHLL)
		return
	}
	s.setHLL(c, key, h)
	if changed {
		s.propagate(c, 1, argv)
	}
	if same(argv[1], "todense") {
		c.boolean(changed)
		return
	}
	c.array(hllRegisters)
	for i := range hllRegisters {
		c.int(int64(h.get(i)))
	}
}

// text shows the runs of a sparse one.
func (h hyperloglog) text() string {
	var b strings.Builder
	for at := hllHeader; at < len(h); {
		value, n, size := h.run(at)
		switch {
		case value > 0:
			fmt.Fprintf(&b, "v:%d,%d ", value, n)
		case size == 2:
			fmt.Fprintf(&b, "Z:%d ", n)
		default:
			fmt.Fprintf(&b, "z:%d ", n)
		}
		at += size
	}
	return strings.TrimSpace(b.String())
}

// cmdPfselftest sets every dense register to drawn values and reads them back,
// and counts: a thousand elements must be a thousand, give or take a tenth, both
// sparse and dense.
func cmdPfselftest(s *Server, c *Session, _ [][]byte) {
	d, _ := newHLL().dense()
	var want [hllRegisters]byte
	for range 10 {
		for i := range want {
			want[i] = byte(s.drawn(64))
			d.put(i, want[i])
		}
		for i := range want {
			if d.get(i) != want[i] {
				c.error(fmt.Sprintf("TESTFAILED Register %d should be %d but is %d", i, want[i], d.get(i)))
				return
			}
		}
	}
	for _, limit := range []int64{3000, 0} {
		h := newHLL()
		for i := range 1000 {
			register, value := hllPlace(fmt.Appendf(nil, "element %d", i))
			h, _, _ = h.raise(register, value, limit)
		}
		var registers [hllRegisters]byte
		h.registers(&registers)
		if n := hllCount(&registers); n < 900 || n > 1100 {
			c.error(fmt.Sprintf("TESTFAILED Too big error. card:1000 abserr:%d", int64(n)-1000))
			return
		}
	}
	c.ok()
}
