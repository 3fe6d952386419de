// Package front is what stands between the bytes of a client and redcon's
// parser: it bounds them, and lets through whole commands only.
//
// redcon v1.6.2 trusts its input: "$9223372036854775807" panics its goroutine
// and the process, "*2000000000" burns seconds of CPU, a malformed second
// command discards the valid first, and every read parses an incomplete
// command again from its start. Behind a Gate none of this can happen, in both
// worlds: the parser sees complete commands within Redis's limits, and nothing
// else.
package front

import (
	"bytes"
	"math"
	"strconv"

	"github.com/torntail/torntail/engine/config"
)

// Limits bound one command.
type Limits struct {
	Bulk   int64 // bytes of one argument (proto-max-bulk-len)
	Args   int64 // arguments of one command
	Inline int   // bytes of an inline command, or of a header line (PROTO_INLINE_MAX_SIZE)
	Buffer int64 // bytes of an incomplete command (client-query-buffer-limit)
}

// RedisLimits are redis 7.0.15's defaults; arguments are bounded as up to 6.2,
// where 7.0 takes as many as fit into its query buffer.
var RedisLimits = Limits{Bulk: 512 << 20, Args: 1 << 20, Inline: 64 << 10, Buffer: 1 << 30}

// ProtocolError is a violation after which the client is answered once and
// disconnected. Its text is the reply, without the dash.
type ProtocolError struct{ Msg string }

func (e *ProtocolError) Error() string { return e.Msg }

func protocolError(why string) error { return &ProtocolError{Msg: "ERR Protocol error: " + why} }

// ErrTooMuch is a command longer than Limits.Buffer; redis-server disconnects
// such a client without a word.
var ErrTooMuch error = &ProtocolError{}

// Gate collects a connection's input. The reader puts bytes in with Space and
// Added, and takes whole commands out with Next. The zero value has no limits
// and must be given some with Reset.
type Gate struct {
	limits Limits
	room   int
	buf    []byte
	start  int // buf[start:end] has not been handed out
	ready  int // buf[start:ready] is whole commands
	pos    int // buf[ready:pos] is the examined part of an incomplete one
	end    int // buf[end:] is free
	args   int64
	bulk   int64 // length of the argument whose bytes come next; -1: its header does
	inline []byte
	err    error
	master bool
	// stranger asks whether the client has yet to say who it is; nil: nobody has to.
	stranger func() bool
	guarded  bool // it had to when Next was called
}

// What a client may send before it has said who it is (redis 7.0.15 networking.c
// processMultibulkBuffer).
const (
	strangerArgs = 10
	strangerBulk = 16384
)

// Guard has the gate ask whether the client has yet to authenticate itself. Its
// commands are then handed out one by one: each may be the one that does.
func (g *Gate) Guard(stranger func() bool) { g.stranger = stranger }

// maxIdle is the largest buffer an idle connection keeps, in bytes.
const maxIdle = 64 << 10

// Reset makes the gate ready for a new connection; it keeps its buffer. room is
// the least number of bytes that Space offers.
func (g *Gate) Reset(l Limits, room int) {
	*g = Gate{limits: l, room: room, buf: g.buf, inline: g.inline[:0], bulk: -1}
}

// FromMaster makes the gate that of a replica's link: nobody types there, so an
// inline command means that the two have lost each other's place in the stream
// (redis 7.0.15 networking.c processInlineBuffer). An empty line keeps the
// connection alive.
func (g *Gate) FromMaster() { g.master = true }

// Space returns where to read the next bytes to.
func (g *Gate) Space() []byte {
	if len(g.buf)-g.end < g.room {
		g.grow()
	}
	return g.buf[g.end:]
}

// grow makes room at the end: by moving when that frees half the buffer, else
// by a larger buffer.
func (g *Gate) grow() {
	kept := g.buf[g.start:g.end]
	buf := g.buf
	if want := 2 * (len(kept) + g.room); want > len(buf) || len(buf) == 0 {
		// An argument on its way is made room for at once, up to 1 MiB of
		// trust in what the client announced.
		if g.bulk > 0 {
			want = max(want, len(kept)+int(min(g.bulk, 1<<20))+g.room)
		}
		buf = make([]byte, want)
	}
	copy(buf, kept)
	g.buf = buf
	g.ready -= g.start
	g.pos -= g.start
	g.end -= g.start
	g.start = 0
}

// Added says that n bytes were read into Space.
func (g *Gate) Added(n int) { g.end += n }

// Next returns the commands that are complete, nil when more input is needed.
// An error comes after everything valid before it has been returned, and is
// the last result. The slice is valid until the next call of Next or Space.
func (g *Gate) Next() ([]byte, error) {
	g.start = g.ready
	if g.start == g.end && g.err == nil {
		g.start, g.ready, g.pos, g.end = 0, 0, 0, 0
		if len(g.buf) > maxIdle {
			g.buf = nil
		}
		return nil, nil
	}
	g.guarded = g.stranger != nil && g.stranger()
	g.inline = g.inline[:0]
	for g.err == nil {
		done, inline := g.command()
		if inline != nil && !g.guarded && g.ready < g.end && g.buf[g.ready] != '*' {
			continue // another line may follow, to be executed with this one
		}
		if !done || inline != nil || g.guarded && g.ready > g.start {
			break
		}
	}
	if len(g.inline) > 0 {
		return g.inline, nil
	}
	if g.ready > g.start {
		return g.buf[g.start:g.ready], nil
	}
	if g.err == nil && int64(g.end-g.start) > g.limits.Buffer {
		g.err = ErrTooMuch
	}
	return nil, g.err
}

// command examines the input from pos on up to the end of one command. done
// means that there may be another. An inline command is translated; it and
// input that is no command at all (empty lines, "*0") are dealt with only when
// nothing before them waits to be returned.
func (g *Gate) command() (done bool, inline []byte) {
	if g.pos == g.end {
		return false, nil
	}
	if g.args == 0 {
		if g.buf[g.ready] != '*' {
			return g.inlineCommand()
		}
		most := g.limits.Args
		if g.guarded {
			most = math.MaxInt32
		}
		n, ok := g.header("too big mbulk count string", "invalid multibulk length", most)
		if !ok {
			return false, nil
		}
		if g.guarded && n > strangerArgs {
			g.err = protocolError("unauthenticated multibulk length")
			return false, nil
		}
		if n <= 0 {
			if g.start < g.ready {
				g.pos = g.ready // come back when it is first
				return false, nil
			}
			g.start, g.ready = g.pos, g.pos
			return true, nil
		}
		g.args, g.bulk = n, -1
	}
	for g.args > 0 {
		if g.bulk < 0 {
			if g.pos == g.end {
				return false, nil
			}
			if c := g.buf[g.pos]; c != '$' {
				g.err = protocolError("expected '$', got '" + printable(c) + "'")
				return false, nil
			}
			n, ok := g.header("too big bulk count string", "invalid bulk length", g.limits.Bulk)
			if !ok {
				return false, nil
			}
			if n < 0 {
				g.err = protocolError("invalid bulk length")
				return false, nil
			}
			if g.guarded && n > strangerBulk {
				g.err = protocolError("unauthenticated bulk length")
				return false, nil
			}
			g.bulk = n
		}
		if int64(g.end-g.pos) < g.bulk+2 {
			return false, nil
		}
		g.pos += int(g.bulk)
		g.lineEnd(g.pos)
		g.pos += 2
		g.args--
		g.bulk = -1
	}
	g.ready = g.pos
	return true, nil
}

// printable is a byte as Redis shows it in an error line, where line ends become blanks.
func printable(c byte) string {
	if c == '\r' || c == '\n' {
		c = ' '
	}
	return string([]byte{c})
}

// lineEnd writes the line end that redcon insists on; Redis skips two bytes
// here whatever they are.
func (g *Gate) lineEnd(at int) { g.buf[at], g.buf[at+1] = '\r', '\n' }

// header reads the number of a line such as "*3" or "$5" at pos and moves past
// the line. ok is false when the line is incomplete or wrong (then err is set).
func (g *Gate) header(tooLong, invalid string, limit int64) (n int64, ok bool) {
	line := g.buf[g.pos+1 : g.end]
	if len(line) > g.limits.Inline {
		line = line[:g.limits.Inline]
	}
	i := bytes.IndexByte(line, '\r')
	if i < 0 {
		if len(line) == g.limits.Inline {
			g.err = protocolError(tooLong)
		}
		return 0, false
	}
	if g.pos+1+i+1 >= g.end {
		return 0, false // the byte after \r is not here yet
	}
	n, valid := parseLength(line[:i])
	if !valid || n > limit {
		g.err = protocolError(invalid)
		return 0, false
	}
	g.lineEnd(g.pos + 1 + i)
	g.pos += 1 + i + 2
	return n, true
}

// parseLength reads a decimal as redis 7.0.15 util.c string2ll does: no
// leading zeroes, no plus sign, no blanks, no overflow.
func parseLength(b []byte) (int64, bool) {
	digits := b
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > 19 || digits[0] == '0' && len(b) > 1 {
		return 0, false
	}
	var n uint64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0') // 19 digits fit into 64 bits
	}
	if n > 1<<63-1 {
		return 0, false
	}
	if len(digits) < len(b) {
		return -int64(n), true
	}
	return int64(n), true
}

// inlineCommand translates a line typed by a person.
func (g *Gate) inlineCommand() (done bool, inline []byte) {
	line := g.buf[g.ready:g.end]
	i := bytes.IndexByte(line[g.pos-g.ready:], '\n')
	n := len(line)
	if i >= 0 {
		i += g.pos - g.ready
		n = i
	}
	if n > g.limits.Inline {
		g.err = protocolError("too big inline request")
		return false, nil
	}
	if i < 0 {
		g.pos = g.end
		return false, nil
	}
	if g.start < g.ready {
		return false, nil // pos is kept: come back when the line is first
	}
	g.ready += i + 1
	g.pos, g.start = g.ready, g.ready
	line = bytes.TrimSuffix(line[:i], []byte{'\r'})
	argv, err := config.SplitArgs(string(line))
	if err != nil {
		g.err = protocolError("unbalanced quotes in request")
		return false, nil
	}
	if len(argv) == 0 {
		return true, nil
	}
	if g.master {
		g.err = protocolError("inline command from the master")
		return false, nil
	}
	g.inline = appendLength(g.inline, '*', len(argv))
	for _, a := range argv {
		g.inline = appendLength(g.inline, '$', len(a))
		g.inline = append(append(g.inline, a...), '\r', '\n')
	}
	return true, g.inline
}

func appendLength(b []byte, kind byte, n int) []byte {
	return append(strconv.AppendInt(append(b, kind), int64(n), 10), '\r', '\n')
}
