package script

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/torntail/torntail/engine/lua"
)

// The library struct, as redis 7.0.15 deps/lua lua_struct.c has it, on a machine of
// 64 bits whose least byte comes first.

func openStruct(s *lua.State) *lua.Table {
	t := s.NewTable(0, 0)
	s.Register(t, []lua.Named{{Name: "pack", Func: structPack}, {Name: "unpack", Func: structUnpack}, {Name: "size", Func: structSize}})
	return t
}

// byteOrder is either of package binary's.
type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// layout reads a format.
type layout struct {
	*lua.Args
	fmt   string
	order byteOrder
	align int
}

func newLayout(l *lua.Thread, v []lua.Value) *layout {
	a := lua.Arguments(l, v)
	text, _, _ := strings.Cut(a.Text(1), "\x00")
	return &layout{a, text, binary.LittleEndian, 1}
}

// option is the next one and the size of what it stands for.
func (f *layout) option() (c byte, size int, ok bool) {
	if f.fmt == "" || f.Err != nil {
		return 0, 0, false
	}
	c = f.fmt[0]
	f.fmt = f.fmt[1:]
	switch c {
	case 'B', 'b', 'x':
		size = 1
	case 'H', 'h':
		size = 2
	case 'L', 'l', 'T', 'd':
		size = 8
	case 'f':
		size = 4
	case 'c':
		size = f.number(1)
	case 'i', 'I':
		size = f.number(4)
		if size > 32 && f.Err == nil {
			f.Err = f.L.Raise("integral size %d is larger than limit of %d", size, 32)
		}
	}
	return c, size, f.Err == nil
}

func (f *layout) number(or int) int {
	if f.fmt == "" || f.fmt[0] < '0' || f.fmt[0] > '9' {
		return or
	}
	n := 0
	for f.fmt != "" && f.fmt[0] >= '0' && f.fmt[0] <= '9' {
		n = n*10 + int(f.fmt[0]-'0')
		f.fmt = f.fmt[1:]
		if n > math.MaxInt32 {
			if f.Err == nil {
				f.Err = f.L.Raise("integral size overflow")
			}
			return 0
		}
	}
	return n
}

// padding is how many bytes must come before something of that size.
func (f *layout) padding(at int, c byte, size int) int {
	if size == 0 || c == 'c' {
		return 0
	}
	size = min(size, f.align)
	return (size - at&(size-1)) & (size - 1)
}

func (f *layout) control(c byte) {
	switch c {
	case ' ':
	case '>':
		f.order = binary.BigEndian
	case '<':
		f.order = binary.LittleEndian
	case '!':
		n := f.number(8)
		if n <= 0 || n&(n-1) != 0 {
			if f.Err == nil {
				f.Err = f.L.Raise("alignment %d is not a power of 2", n)
			}
			return
		}
		f.align = n
	default:
		f.Fail(1, fmt.Sprintf("invalid format option '%s'", string([]byte{c})))
	}
}

func (f *layout) putInteger(b []byte, n float64, size int) []byte {
	var u uint64
	if n < 0 || n < math.MaxInt64 {
		u = uint64(lua.ToInt(n))
	} else if n < math.MaxUint64 {
		u = uint64(n)
	}
	out := make([]byte, size)
	for i := range size {
		at := i
		if f.order == binary.BigEndian {
			at = size - 1 - i
		}
		out[at] = byte(u)
		u >>= 8
	}
	return append(b, out...)
}

func structPack(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
	f := newLayout(l, v)
	var b []byte
	total := 0
	arg := 2
	for {
		c, size, ok := f.option()
		if !ok {
			break
		}
		pad := f.padding(total, c, size)
		total += pad
		b = append(b, make([]byte, pad)...)
		switch c {
		case 'b', 'B', 'h', 'H', 'l', 'L', 'T', 'i', 'I':
			b = f.putInteger(b, f.Number(arg), size)
			arg++
		case 'x':
			b = append(b, 0)
		case 'f':
			b = f.order.AppendUint32(b, math.Float32bits(float32(f.Number(arg))))
			arg++
		case 'd':
			b = f.order.AppendUint64(b, math.Float64bits(f.Number(arg)))
			arg++
		case 'c', 's':
			s := f.Text(arg)
			arg++
			if size == 0 {
				size = len(s)
			}
			if len(s) < size {
				f.Fail(arg, "string too short")
				continue
			}
			b = append(b, s[:size]...)
			if c == 's' {
				b = append(b, 0)
				size++
			}
		default:
			f.control(c)
		}
		total += size
	}
	return l.One(lua.String(string(b))), f.Err
}

func (f *layout) integer(p string, signed bool) float64 {
	var u uint64
	for i := range len(p) {
		at := i
		if f.order == binary.LittleEndian {
			at = len(p) - 1 - i
		}
		u = u<<8 | uint64(p[at])
	}
	if !signed {
		return float64(u)
	}
	if shift := uint(len(p)*8 - 1); len(p) > 0 {
		mask := ^uint64(0) << (shift & 63) // as x86-64 shifts
		if u&mask != 0 {
			u |= mask
		}
	}
	return float64(int64(u))
}

func structUnpack(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
	f := newLayout(l, v)
	data := f.Text(2)
	pos := f.OptInt(3, 1)
	if pos == 0 {
		f.Fail(3, "offset must be 1 or greater")
	}
	pos--
	if pos < 0 {
		pos = math.MaxInt32 // a size_t in C
	}
	var out []lua.Value
	fits := func(size int) bool {
		if size > len(data) || size < 0 || pos > len(data)-size {
			f.Fail(2, "data string too short")
			return false
		}
		return true
	}
	for {
		c, size, ok := f.option()
		if !ok {
			break
		}
		pos += f.padding(pos, c, size)
		if !fits(size) {
			break
		}
		switch c {
		case 'b', 'B', 'h', 'H', 'l', 'L', 'T', 'i', 'I':
			out = append(out, lua.Number(f.integer(data[pos:pos+size], c >= 'a')))
		case 'x':
		case 'f':
			out = append(out, lua.Number(float64(math.Float32frombits(f.order.Uint32([]byte(data[pos:pos+4]))))))
		case 'd':
			out = append(out, lua.Number(math.Float64frombits(f.order.Uint64([]byte(data[pos:pos+8])))))
		case 'c':
			if size == 0 {
				if len(out) == 0 || !out[len(out)-1].IsNumber() {
					return nil, l.Raise("format 'c0' needs a previous size")
				}
				size = lua.ToInt(out[len(out)-1].Float())
				out = out[:len(out)-1]
				if !fits(size) {
					continue
				}
			}
			out = append(out, lua.String(data[pos:pos+size]))
		case 's':
			n := strings.IndexByte(data[pos:], 0)
			if n < 0 {
				return nil, l.Raise("unfinished string in data")
			}
			out = append(out, lua.String(data[pos:pos+n]))
			size = n + 1
		default:
			f.control(c)
		}
		pos += size
	}
	return append(out, lua.Number(float64(pos+1))), f.Err
}

func structSize(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
	f := newLayout(l, v)
	pos := 0
	for {
		c, size, ok := f.option()
		if !ok {
			break
		}
		pos += f.padding(pos, c, size)
		switch {
		case c == 's':
			f.Fail(1, "option 's' has no fixed size")
		case c == 'c' && size == 0:
			f.Fail(1, "option 'c0' has no fixed size")
		}
		if c|0x20 < 'a' || c|0x20 > 'z' {
			f.control(c)
		}
		pos += size
	}
	return l.One(lua.Number(float64(pos))), f.Err
}
