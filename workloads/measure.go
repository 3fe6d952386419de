package workloads

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/tidwall/redcon"
)

// Limits of a reply. redcon v1.6.2's own parser panics on a length near the end
// of int64 and takes what is malformed for what is incomplete, so replies are
// measured before it sees them.
const (
	maxBulk     = 512 << 20 // Redis's proto-max-bulk-len
	maxElements = 1 << 24
	maxDepth    = 8
)

func measureReply(b []byte) (int, error) { return measure(b, 0) }

// measure is the length of the first reply in b, 0 when it is not all there yet.
func measure(b []byte, depth int) (int, error) {
	n, end, usual := header(b)
	if !usual {
		if end = bytes.IndexByte(b, '\n'); end < 0 {
			if len(b) > 64<<10 && b[0] != redcon.String && b[0] != redcon.Error {
				return 0, fmt.Errorf("%w: a line of more than 64 KiB", ErrProtocol)
			}
			return 0, kind(b[0])
		}
		if end < 2 || b[end-1] != '\r' {
			return 0, fmt.Errorf("%w: a line %.20q that does not end in CR LF", ErrProtocol, b[:end+1])
		}
		line := b[1 : end-1]
		end++
		if b[0] == redcon.String || b[0] == redcon.Error {
			return end, nil
		}
		if err := kind(b[0]); err != nil {
			return 0, err
		}
		var err error
		if n, err = strconv.ParseInt(string(line), 10, 64); err != nil {
			return 0, fmt.Errorf("%w: %.20q where a number was expected", ErrProtocol, line)
		}
	}
	switch {
	case b[0] == redcon.Integer || n == -1:
		return end, nil
	case n < 0 || b[0] == redcon.Bulk && n > maxBulk || b[0] == redcon.Array && n > maxElements:
		return 0, fmt.Errorf("%w: length %d", ErrProtocol, n)
	case b[0] == redcon.Bulk:
		if len(b) < end+int(n)+2 {
			return 0, nil
		}
		if b[end+int(n)] != '\r' || b[end+int(n)+1] != '\n' {
			return 0, fmt.Errorf("%w: a bulk string that does not end in CR LF", ErrProtocol)
		}
		return end + int(n) + 2, nil
	case depth == maxDepth:
		return 0, fmt.Errorf("%w: arrays nested more than %d deep", ErrProtocol, maxDepth)
	}
	for range n {
		if end == len(b) {
			return 0, nil
		}
		m, err := measure(b[end:], depth+1)
		if m == 0 {
			return 0, err
		}
		end += m
	}
	return end, nil
}

// header reads the line of an integer, a bulk string or an array when it is as
// usual: some digits and no sign. What is not is left to measure itself.
func header(b []byte) (n int64, end int, usual bool) {
	if b[0] != redcon.Integer && b[0] != redcon.Bulk && b[0] != redcon.Array {
		return 0, 0, false
	}
	const digits = 18 // which cannot overflow
	for i := 1; i < len(b)-1 && i <= digits+1; i++ {
		switch d := b[i] - '0'; {
		case d <= 9 && i <= digits:
			n = 10*n + int64(d)
		case i > 1 && b[i] == '\r' && b[i+1] == '\n':
			return n, i + 2, true
		default:
			return 0, 0, false
		}
	}
	return 0, 0, false
}

// measured is the reply in b, which measure has found to be one and no more. An
// array is not gone through once more, as redcon.ReadNextRESP would.
func measured(b []byte) redcon.RESP {
	if b[0] != redcon.Array {
		_, reply := redcon.ReadNextRESP(b)
		return reply
	}
	end := bytes.IndexByte(b, '\n') + 1
	n, _ := strconv.Atoi(string(b[1 : end-2])) // measure has read it
	return redcon.RESP{Type: redcon.Array, Raw: b, Data: b[end:], Count: n}
}

func kind(b byte) error {
	switch b {
	case redcon.Integer, redcon.String, redcon.Bulk, redcon.Array, redcon.Error:
		return nil
	}
	return fmt.Errorf("%w: type byte %q", ErrProtocol, b)
}
