package workloads

import (
	"strconv"
	"strings"
)

// A value is a token, "client:number", which no other write of the run uses,
// padded with filler to the size the workload asks for. Reading gives the token
// back when token and filler are whole, and the raw bytes otherwise: a torn or
// mixed value must look like one that nobody wrote.

// filler is what pads a value. No token contains it.
const filler = '.'

// Padded appends token and filler up to size bytes in all.
func Padded(dst []byte, token string, size int) []byte {
	dst = append(dst, token...)
	for n := size - len(token); n > 0; n -= len(fillers) {
		dst = append(dst, fillers[:min(n, len(fillers))]...)
	}
	return dst
}

// Tokens hands out the token strings of a run. It outlives the run: the token
// of client 3's 17th write is the same string in every run, so a campaign of
// many runs allocates each once.
type Tokens struct{ of [][]string }

// Token returns the token of a client's n-th write.
func (t *Tokens) Token(client, n int) string {
	for len(t.of) <= client {
		t.of = append(t.of, nil)
	}
	for len(t.of[client]) <= n {
		s := strconv.Itoa(client) + ":" + strconv.Itoa(len(t.of[client]))
		t.of[client] = append(t.of[client], s)
	}
	return t.of[client][n]
}

// Parse returns the token of a value read back, as a shared string when it is
// one this run handed out and was stored whole at the given size.
func (t *Tokens) Parse(value []byte, size int) string {
	if client, n, ok := parseToken(value); ok && client < len(t.of) && n < len(t.of[client]) {
		if token := t.of[client][n]; len(value) == max(size, len(token)) && token == string(value[:len(token)]) && isFiller(value[len(token):]) {
			return token
		}
	}
	return string(value)
}

// fillers is as much filler as most values have.
var fillers = strings.Repeat(string(filler), 256)

// isFiller reports whether b is nothing but filler.
func isFiller(b []byte) bool {
	for len(b) > len(fillers) {
		if string(b[:len(fillers)]) != fillers {
			return false
		}
		b = b[len(fillers):]
	}
	return string(b) == fillers[:len(b)]
}

// parseToken splits "client:number", which filler may follow.
func parseToken(b []byte) (client, n int, ok bool) {
	const most = 1 << 30
	colon, end := -1, len(b)
scan:
	for i, ch := range b {
		switch {
		case ch == ':' && colon < 0 && i > 0:
			colon = i
		case ch == filler:
			end = i
			break scan
		case ch < '0' || ch > '9':
			return 0, 0, false
		case colon < 0:
			client = client*10 + int(ch-'0')
		default:
			n = n*10 + int(ch-'0')
		}
		if client > most || n > most {
			return 0, 0, false
		}
	}
	return client, n, colon > 0 && colon < end-1
}
