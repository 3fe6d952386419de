package engine

import (
	"math/bits"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
)

// Strings as arrays of bits: bit 0 is the highest of the first byte.

var bitmapCommands = []entry{
	{name: "setbit", run: cmdSetbit},
	{name: "getbit", run: cmdGetbit},
	{name: "bitcount", run: cmdBitcount},
	{name: "bitpos", run: cmdBitpos},
	{name: "bitop", run: cmdBitop},
	{name: "bitfield", run: func(s *Server, c *Session, argv [][]byte) { s.bitfield(c, argv, false) }},
	{name: "bitfield_ro", run: func(s *Server, c *Session, argv [][]byte) { s.bitfield(c, argv, true) }},
}

// bitOffset reads a bit's offset; "#n", where width is not 0, is n times that
// (redis 7.0.15 bitops.c getBitOffsetFromArgument).
func (s *Server) bitOffset(c *Session, b []byte, width int) (int64, bool) {
	times := int64(1)
	if width > 0 && len(b) > 0 && b[0] == '#' {
		b, times = b[1:], int64(width)
	}
	n, ok := parseInt(b)
	if n *= times; !ok || n < 0 || !c.master && !c.loader && n>>3 >= s.cfg.ProtoMaxBulkLen {
		c.error("ERR bit offset is not an integer or out of range")
		return 0, false
	}
	return n, true
}

// bitsForWrite returns a copy of the string at key, long enough for a bit, to be
// stored with setBits. grown: it is longer than what is stored.
func (s *Server) bitsForWrite(c *Session, key []byte, bit int64) (value []byte, grown, ok bool) {
	o, ok := s.lookupStringForWrite(c, key)
	if !ok {
		return nil, false, false
	}
	var old []byte
	if o != nil {
		old = o.Str
	}
	value = make([]byte, max(int64(len(old)), bit>>3+1))
	copy(value, old)
	return value, o == nil || len(value) > len(old), true
}

func (s *Server) setBits(c *Session, argv [][]byte, value []byte, changes int) {
	key := argv[1]
	s.ks.DB(c.db).Replace(key, keyspace.RawObject(value))
	if changes > 0 {
		s.touch(c.db, key)
		s.notify(config.StringEvents, "setbit", c.db, key)
		s.propagate(c, changes, argv)
	}
}

func cmdSetbit(s *Server, c *Session, argv [][]byte) {
	at, ok := s.bitOffset(c, argv[2], 0)
	if !ok {
		return
	}
	bit, ok := c.rangeArg(argv[3], 0, 1, "bit is not an integer or out of range")
	if !ok {
		return
	}
	value, grown, ok := s.bitsForWrite(c, argv[1], at)
	if !ok {
		return
	}
	mask := byte(0x80) >> (at & 7)
	old := value[at>>3]&mask != 0
	if bit == 1 {
		value[at>>3] |= mask
	} else {
		value[at>>3] &^= mask
	}
	changes := 0
	if grown || old != (bit == 1) {
		changes = 1
	}
	s.setBits(c, argv, value, changes)
	c.boolean(old)
}

func cmdGetbit(s *Server, c *Session, argv [][]byte) {
	at, ok := s.bitOffset(c, argv[2], 0)
	if !ok {
		return
	}
	o, ok := s.lookupString(c, argv[1])
	if !ok {
		return
	}
	c.boolean(o != nil && at>>3 < int64(len(o.Str)) && o.Str[at>>3]&(0x80>>(at&7)) != 0)
}

// bitRange reads START END [BYTE|BIT] into the bits [lo, hi) of a string of n
// bytes.
type bitRange struct {
	lo, hi int64
	ended  bool // an end was given
	bits   bool
}

// unitArg reads BYTE or BIT.
func (c *Session) unitArg(b []byte) (isBit, ok bool) {
	return c.eitherArg(b, "bit", "byte")
}

// clamp makes a range with negative ends one of n units.
func clamp(start, end, n int64) (lo, hi int64) {
	if start < 0 {
		start = max(start+n, 0)
	}
	if end < 0 {
		end = max(end+n, 0)
	}
	return start, min(end, n-1) + 1
}

// inBits turns a range of bytes into one of bits. One that begins behind its end is
// empty.
func (r *bitRange) inBits() {
	r.lo = min(r.lo, r.hi)
	if !r.bits {
		r.lo, r.hi = r.lo*8, r.hi*8
	}
}

// cmdBitcount follows redis 7.0.15 bitops.c bitcountCommand.
func cmdBitcount(s *Server, c *Session, argv [][]byte) {
	o, ok := s.lookupString(c, argv[1])
	if !ok {
		return
	}
	if o == nil {
		c.int(0)
		return
	}
	r := bitRange{hi: int64(len(o.Str))}
	switch len(argv) {
	case 2:
	case 4, 5:
		start, ok := c.intArg(argv[2])
		if !ok {
			return
		}
		end, ok := c.intArg(argv[3])
		if !ok {
			return
		}
		if start < 0 && end < 0 && start > end {
			c.int(0)
			return
		}
		n := int64(len(o.Str))
		if len(argv) == 5 {
			if r.bits, ok = c.unitArg(argv[4]); !ok {
				return
			}
			if r.bits {
				n *= 8
			}
		}
		r.lo, r.hi = clamp(start, end, n)
	default:
		c.error(errSyntax)
		return
	}
	r.inBits()
	c.int(countBits(o.Str, r.lo, r.hi))
}

// countBits is the number of bits that are set among [lo, hi).
func countBits(b []byte, lo, hi int64) (n int64) {
	for ; lo < hi && lo&7 != 0; lo++ {
		n += int64(b[lo>>3] >> (7 - lo&7) & 1)
	}
	for ; lo+8 <= hi; lo += 8 {
		n += int64(bits.OnesCount8(b[lo>>3]))
	}
	for ; lo < hi; lo++ {
		n += int64(b[lo>>3] >> (7 - lo&7) & 1)
	}
	return n
}

// cmdBitpos follows redis 7.0.15 bitops.c bitposCommand.
func cmdBitpos(s *Server, c *Session, argv [][]byte) {
	bit, ok := c.intArg(argv[2])
	if !ok {
		return
	}
	if bit != 0 && bit != 1 {
		c.error("ERR The bit argument must be 1 or 0.")
		return
	}
	o, ok := s.lookupString(c, argv[1])
	if !ok {
		return
	}
	if o == nil {
		c.int(-bit)
		return
	}
	r, ok := c.bitposRange(argv, int64(len(o.Str)))
	if !ok {
		return
	}
	if r.lo >= r.hi {
		c.int(-1)
		return
	}
	r.inBits()
	for at := r.lo; at < r.hi; at++ {
		b := o.Str[at>>3]
		if at&7 == 0 && at+8 <= r.hi && (bit == 1 && b == 0 || bit == 0 && b == 0xFF) {
			at += 7
			continue
		}
		if int64(b>>(7-at&7)&1) == bit {
			c.int(at)
			return
		}
	}
	if bit == 0 && !r.ended { // behind the string all bits are clear
		c.int(r.hi)
		return
	}
	c.int(-1)
}

func (c *Session) bitposRange(argv [][]byte, n int64) (r bitRange, ok bool) {
	r.hi = n
	if len(argv) == 3 {
		return r, true
	}
	if len(argv) > 6 {
		c.error(errSyntax)
		return r, false
	}
	start, ok := c.intArg(argv[3])
	if !ok {
		return r, false
	}
	if len(argv) == 6 {
		if r.bits, ok = c.unitArg(argv[5]); !ok {
			return r, false
		}
		if r.bits {
			n *= 8
		}
	}
	end := n - 1
	if len(argv) >= 5 {
		if end, ok = c.intArg(argv[4]); !ok {
			return r, false
		}
		r.ended = true
	}
	r.lo, r.hi = clamp(start, end, n)
	return r, true
}

// cmdBitop follows redis 7.0.15 bitops.c bitopCommand.
func cmdBitop(s *Server, c *Session, argv [][]byte) {
	var join func(a, b byte) byte
	not := false
	switch {
	case same(argv[1], "and"):
		join = func(a, b byte) byte { return a & b }
	case same(argv[1], "or"):
		join = func(a, b byte) byte { return a | b }
	case same(argv[1], "xor"):
		join = func(a, b byte) byte { return a ^ b }
	case same(argv[1], "not"):
		not = true
	default:
		c.error(errSyntax)
		return
	}
	if not && len(argv) != 4 {
		c.error("ERR BITOP NOT must be called with a single source key.")
		return
	}
	var sources [][]byte
	longest := 0
	for _, key := range argv[3:] {
		o, ok := s.lookupString(c, key)
		if !ok {
			return
		}
		var b []byte
		if o != nil {
			b = o.Str
		}
		sources = append(sources, b)
		longest = max(longest, len(b))
	}
	result := make([]byte, longest)
	copy(result, sources[0])
	for _, b := range sources[1:] {
		for i := range result {
			var v byte
			if i < len(b) {
				v = b[i]
			}
			result[i] = join(result[i], v)
		}
	}
	if not {
		for i := range result {
			result[i] = ^result[i]
		}
	}
	key, db := argv[2], s.ks.DB(c.db)
	if longest > 0 {
		s.lookup(c, key)
		db.Set(key, keyspace.RawObject(result))
		s.touch(c.db, key)
		s.notify(config.StringEvents, "set", c.db, key)
		s.propagate(c, 1, argv)
	} else if db.Delete(key) {
		s.touch(c.db, key)
		s.notify(config.GenericEvents, "del", c.db, key)
		s.propagate(c, 1, argv)
	}
	c.int(int64(longest))
}
