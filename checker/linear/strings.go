package linear

import (
	"strconv"

	"github.com/torntail/torntail/checker/history"
)

// maxString bounds the strings that the models build, in bytes: SETRANGE and
// SETBIT far behind the end would otherwise take memory for each state.
const maxString = 16 << 20

// applyString are the operations of strings that keep the deadline.
// (redis 7.0.15 t_string.c, bitops.c)
func applyString(kind history.Kind, body string, op *history.Op, m *history.More, acked bool) (string, effect) {
	there := body != absent
	if there && body[0] != typeString {
		return body, refused
	}
	text := ""
	if there {
		text = body[1:]
	}
	switch kind {
	case history.Read:
		return body, when(!acked || op.Absent == !there && op.Value == text)
	case history.Incr:
		by, err := strconv.ParseInt(op.Value, 10, 64)
		if err != nil {
			return body, refused
		}
		n, ok := integer(text, there)
		if !ok || overflows(n, by) {
			return body, refused
		}
		sum := strconv.FormatInt(n+by, 10)
		return "=" + sum, answered(acked, m.Result, sum)
	case history.StringAppend:
		next := "=" + text + op.Value
		return next, answered(acked, m.Result, strconv.Itoa(len(next)-1))
	case history.SetRange:
		if m.Index < 0 || m.Index > maxString {
			return body, refused
		}
		if op.Value != "" {
			b := padded(text, int(m.Index)+len(op.Value))
			copy(b[m.Index:], op.Value)
			text, body = string(b), "="+string(b)
		}
		return body, answered(acked, m.Result, strconv.Itoa(len(text)))
	case history.SetBit:
		if m.Index < 0 || m.Index > 8*maxString || op.Value != "0" && op.Value != "1" {
			return body, refused
		}
		at, mask := int(m.Index/8), byte(0x80)>>(m.Index%8)
		b := padded(text, at+1)
		e := answered(acked, m.Result, digit(b[at]&mask != 0))
		b[at] &^= mask
		if op.Value == "1" {
			b[at] |= mask
		}
		return "=" + string(b), e
	}
	// history.GetBit
	at, mask := m.Index/8, byte(0x80)>>(m.Index%8&7)
	set := m.Index >= 0 && at < int64(len(text)) && text[at]&mask != 0
	return body, when(!acked || op.Value == digit(set))
}

// integer is the value of a counter: a missing key counts as 0, and only the
// one way to write a number is a number (redis 7.0.15 util.c string2ll).
func integer(text string, there bool) (int64, bool) {
	if !there {
		return 0, true
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && strconv.FormatInt(n, 10) == text
}

// padded are the bytes of text, with zeros up to a length of n at least.
func padded(text string, n int) []byte {
	b := make([]byte, max(n, len(text)))
	copy(b, text)
	return b
}
