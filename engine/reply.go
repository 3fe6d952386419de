package engine

import (
	"strconv"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/engine/keyspace"
)

// Replies are appended to the session's buffer with redcon's functions; what
// RESP3 writes differently is decided here.

func (c *Session) ok()                { c.out = redcon.AppendOK(c.out) }
func (c *Session) status(msg string)  { c.out = redcon.AppendString(c.out, msg) }
func (c *Session) int(n int64)        { c.out = redcon.AppendInt(c.out, n) }
func (c *Session) array(n int)        { c.out = redcon.AppendArray(c.out, n) }
func (c *Session) bulk(b []byte)      { c.out = redcon.AppendBulk(c.out, b) }
func (c *Session) bulkText(s string)  { c.out = redcon.AppendBulkString(c.out, s) }
func (c *Session) bulkNumber(n int64) { c.out = redcon.AppendBulkInt(c.out, n) }

// boolean replies 1 or 0.
func (c *Session) boolean(b bool) {
	if b {
		c.int(1)
	} else {
		c.int(0)
	}
}

// error replies an error. msg begins with its code: "ERR ...".
func (c *Session) error(msg string) {
	c.s.stats.failure(msg)
	if c.master || c.loader {
		c.s.unexpectedError(c, msg)
	}
	c.out = redcon.AppendError(c.out, msg)
}

// uncountedError is an error that the statistics know already, as that of a command
// which a script has called; the command that called the script has failed as well.
func (c *Session) uncountedError(msg string) {
	if c.lastCmd != nil {
		c.s.stats.of(c.lastCmd).failed++
	}
	c.out = redcon.AppendError(c.out, msg)
}

func (c *Session) null() {
	if c.resp == 3 {
		c.out = append(c.out, "_\r\n"...)
		return
	}
	c.out = redcon.AppendNull(c.out)
}

func (c *Session) nullArray() {
	if c.resp == 3 {
		c.out = append(c.out, "_\r\n"...)
		return
	}
	c.out = append(c.out, "*-1\r\n"...)
}

// mapOf starts a reply of n pairs.
func (c *Session) mapOf(n int) {
	if c.resp == 3 {
		c.out = appendHeader(c.out, '%', n)
		return
	}
	c.array(2 * n)
}

// set starts a reply of n elements without an order.
func (c *Session) set(n int) {
	if c.resp == 3 {
		c.out = appendHeader(c.out, '~', n)
		return
	}
	c.array(n)
}

// double replies a floating point number with the digits that tell it from any
// other (redis 7.0.15 networking.c addReplyDouble).
func (c *Session) double(f float64) {
	if c.resp == 3 {
		c.out = append(keyspace.AppendScore(append(c.out, ','), f), '\r', '\n')
		return
	}
	var b [32]byte
	c.bulk(keyspace.AppendScore(b[:0], f))
}

// pairsOf starts a reply of n pairs that are flat in RESP2 and arrays of two in
// RESP3, where pair starts each.
func (c *Session) pairsOf(n int) {
	if c.resp == 3 {
		c.array(n)
		return
	}
	c.array(2 * n)
}

func (c *Session) pair() {
	if c.resp == 3 {
		c.array(2)
	}
}

// appendHeader starts what has n elements; redcon knows RESP2's only.
func appendHeader(b []byte, lead byte, n int) []byte {
	return append(strconv.AppendInt(append(b, lead), int64(n), 10), '\r', '\n')
}

// verbatim replies text for people, such as INFO.
func (c *Session) verbatim(s string) {
	if c.resp == 3 {
		c.verbatimAs("txt", s)
		return
	}
	c.bulkText(s)
}

// verbatimAs is RESP3's text of a format, three letters of it.
func (c *Session) verbatimAs(format, s string) {
	format = (format + "   ")[:3]
	c.out = append(strconv.AppendInt(append(c.out, '='), int64(len(s)+4), 10), "\r\n"...)
	c.out = append(append(c.out, format...), ':')
	c.out = append(append(c.out, s...), '\r', '\n')
}

// Error texts used in several places, as redis 7.0.15 server.c createSharedObjects.
const (
	errSyntax     = "ERR syntax error"
	errWrongType  = "WRONGTYPE Operation against a key holding the wrong kind of value"
	errNotInteger = "ERR value is not an integer or out of range"
	errNotFloat   = "ERR value is not a valid float"
	errOverflow   = "ERR increment or decrement would overflow"
	errNoKey      = "ERR no such key"
	errNoAuth     = "NOAUTH Authentication required."
)
