package engine

import "math"

// overflow is what BITFIELD does with a number that is too great or too small.
type overflow uint8

const (
	overflowWrap overflow = iota
	overflowSat
	overflowFail
)

// bitfieldOp is one operation of BITFIELD.
type bitfieldOp struct {
	kind     byte // 'g'et, 's'et, 'i'ncrby
	signed   bool
	width    int // bits
	at       int64
	value    int64
	overflow overflow
}

const errBitfieldType = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."

// bitfieldOps reads the operations (redis 7.0.15 bitops.c bitfieldGeneric).
func (s *Server) bitfieldOps(c *Session, args [][]byte) (ops []bitfieldOp, ok bool) {
	var over overflow
	for len(args) > 0 {
		op := bitfieldOp{overflow: over}
		switch left := len(args) - 1; {
		case same(args[0], "get") && left >= 2:
			op.kind = 'g'
		case same(args[0], "set") && left >= 3:
			op.kind = 's'
		case same(args[0], "incrby") && left >= 3:
			op.kind = 'i'
		case same(args[0], "overflow") && left >= 1:
			switch {
			case same(args[1], "wrap"):
				over = overflowWrap
			case same(args[1], "sat"):
				over = overflowSat
			case same(args[1], "fail"):
				over = overflowFail
			default:
				c.error("ERR Invalid OVERFLOW type specified")
				return nil, false
			}
			args = args[2:]
			continue
		default:
			c.error(errSyntax)
			return nil, false
		}
		if op.signed, op.width, ok = bitfieldType(args[1]); !ok {
			c.error(errBitfieldType)
			return nil, false
		}
		if op.at, ok = s.bitOffset(c, args[2], op.width); !ok {
			return nil, false
		}
		used := 3
		if op.kind != 'g' {
			if op.value, ok = c.intArg(args[3]); !ok {
				return nil, false
			}
			used = 4
		}
		ops = append(ops, op)
		args = args[used:]
	}
	return ops, true
}

// bitfieldType reads "i16" or "u8".
func bitfieldType(b []byte) (signed bool, width int, ok bool) {
	if len(b) == 0 || b[0] != 'i' && b[0] != 'u' {
		return false, 0, false
	}
	signed = b[0] == 'i'
	n, ok := parseInt(b[1:])
	if !ok || n < 1 || signed && n > 64 || !signed && n > 63 {
		return false, 0, false
	}
	return signed, int(n), true
}

func (s *Server) bitfield(c *Session, argv [][]byte, readOnly bool) {
	ops, ok := s.bitfieldOps(c, argv[2:])
	if !ok {
		return
	}
	last := int64(-1)
	writes := false
	for _, op := range ops {
		if op.kind != 'g' {
			writes = true
			last = max(last, op.at+int64(op.width)-1)
		}
	}
	if !writes {
		o, ok := s.lookupString(c, argv[1])
		if !ok {
			return
		}
		var value []byte
		if o != nil {
			value = o.Str
		}
		c.array(len(ops))
		for _, op := range ops {
			c.int(op.get(value))
		}
		return
	}
	if readOnly {
		c.error("ERR BITFIELD_RO only supports the GET subcommand")
		return
	}
	value, grown, ok := s.bitsForWrite(c, argv[1], last)
	if !ok {
		return
	}
	c.array(len(ops))
	changes := 0
	for _, op := range ops {
		old := op.get(value)
		if op.kind == 'g' {
			c.int(old)
			continue
		}
		next, reply, ok := op.next(old)
		if !ok {
			c.null()
			continue
		}
		c.int(reply)
		op.set(value, next)
		if grown || old != next {
			changes++
		}
	}
	s.setBits(c, argv, value, changes)
}

// get is the number at the operation's place; what is behind the string is zero.
func (op *bitfieldOp) get(b []byte) int64 {
	var v uint64
	for i := range op.width {
		at := op.at + int64(i)
		v <<= 1
		if at>>3 < int64(len(b)) {
			v |= uint64(b[at>>3] >> (7 - at&7) & 1)
		}
	}
	if op.signed && op.width < 64 && v>>(op.width-1) != 0 {
		v |= math.MaxUint64 << op.width
	}
	return int64(v)
}

func (op *bitfieldOp) set(b []byte, v int64) {
	for i := range op.width {
		at := op.at + int64(i)
		mask := byte(0x80) >> (at & 7)
		if uint64(v)>>(op.width-1-i)&1 != 0 {
			b[at>>3] |= mask
		} else {
			b[at>>3] &^= mask
		}
	}
}

// next is what SET or INCRBY stores where old is, and what it answers; not ok
// when it does not fit and must not be stored.
func (op *bitfieldOp) next(old int64) (v, reply int64, ok bool) {
	base, by := old, op.value
	if op.kind == 's' {
		base, by = op.value, 0
	}
	limit, over := op.unsignedLimit, false
	if op.signed {
		limit = op.signedLimit
	}
	if v, over = limit(base, by); over && op.overflow == overflowFail {
		return 0, 0, false
	}
	if op.kind == 's' {
		return v, old, true
	}
	return v, v, true
}

// signedLimit is the sum as far as it fits (redis 7.0.15 bitops.c
// checkSignedBitfieldOverflow).
func (op *bitfieldOp) signedLimit(value, by int64) (sum int64, over bool) {
	hi := int64(math.MaxInt64)
	if op.width < 64 {
		hi = 1<<(op.width-1) - 1
	}
	lo := -hi - 1
	up, down := hi-value, lo-value // either may wrap; then it is not looked at
	wide := op.width == 64
	limit := hi
	switch {
	case value > hi, !wide && by > up, value >= 0 && by > 0 && by > up:
	case value < lo, !wide && by < down, value < 0 && by < 0 && by < down:
		limit = lo
	default:
		return value + by, false
	}
	if op.overflow != overflowWrap {
		return limit, true
	}
	c := uint64(value) + uint64(by)
	if op.width < 64 {
		mask := uint64(math.MaxUint64) << op.width
		if c>>(op.width-1)&1 != 0 {
			c |= mask
		} else {
			c &^= mask
		}
	}
	return int64(c), true
}

// unsignedLimit is the same for unsigned numbers, of at most 63 bits, (redis
// 7.0.15 bitops.c checkUnsignedBitfieldOverflow).
func (op *bitfieldOp) unsignedLimit(old, by int64) (sum int64, over bool) {
	value, hi := uint64(old), uint64(1)<<op.width-1
	up, down := int64(hi-value), -old
	limit := hi
	switch {
	case value > hi, by > 0 && by > up:
	case by < 0 && by < down:
		limit = 0
	default:
		return old + by, false
	}
	if op.overflow != overflowWrap {
		return int64(limit), true
	}
	return int64((value + uint64(by)) & hi), true
}
