// Package witness tells what torntail does to the world outside of itself: which
// processes it starts, signals and sees end, which disks it makes, breaks and takes
// away, what it asks of servers, which links it cuts. Those who do it say so here, in
// the order in which they do it; nobody listens but tests, which hold a whole
// experiment to the steps that it took before.
package witness

import (
	"bytes"
	"fmt"
	"strconv"
	"sync/atomic"
)

// Event is one thing that was done.
type Event struct {
	Who  string // to whom: "process 4711", "volume v1", "server 127.0.0.1:6379"
	What string
}

var listener atomic.Pointer[func(Event)]

// Listen has a function called with each event from now on, from whichever
// goroutine does it, at times under locks of that one: it must not call back.
// nil: nobody listens.
func Listen(f func(Event)) {
	if f == nil {
		listener.Store(nil)
		return
	}
	listener.Store(&f)
}

// Heard reports whether anybody listens: for what costs something to find out.
func Heard() bool { return listener.Load() != nil }

// Saw tells of something that is done to somebody.
func Saw(who, format string, args ...any) {
	if f := listener.Load(); f != nil {
		(*f)(Event{who, fmt.Sprintf(format, args...)})
	}
}

// SawCommands tells of the commands, by name, that a client writes to a server at once.
func SawCommands(addr string, p []byte) {
	if !Heard() {
		return
	}
	for len(p) > 0 {
		words, rest, ok := request(p)
		if !ok || len(words) == 0 {
			return
		}
		name := string(words[0])
		switch name {
		case "CONFIG", "DEBUG", "CLIENT", "SENTINEL", "SCRIPT", "XGROUP", "OBJECT", "CLUSTER":
			if len(words) > 1 {
				name += " " + string(words[1])
			}
		}
		Saw("server "+addr, "%s", name)
		p = rest
	}
}

// request is the first request of what a client writes, and what follows it.
func request(p []byte) (words [][]byte, rest []byte, ok bool) {
	n, p, ok := header(p, '*')
	if !ok {
		return nil, nil, false
	}
	for range n {
		var size int
		if size, p, ok = header(p, '$'); !ok || len(p) < size+2 {
			return nil, nil, false
		}
		words, p = append(words, p[:size]), p[size+2:]
	}
	return words, p, true
}

// header is the number of a line "*3" or "$3", and what follows it.
func header(p []byte, kind byte) (n int, rest []byte, ok bool) {
	line, rest, ok := bytes.Cut(p, []byte("\r\n"))
	if !ok || len(line) < 2 || line[0] != kind {
		return 0, nil, false
	}
	n, err := strconv.Atoi(string(line[1:]))
	return n, rest, err == nil && n >= 0
}
