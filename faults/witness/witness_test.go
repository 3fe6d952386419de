package witness

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// heard is what is told while f runs.
func heard(f func()) (events []Event) {
	Listen(func(e Event) { events = append(events, e) })
	defer Listen(nil)
	f()
	return events
}

func TestCommands(t *testing.T) {
	for bytes, want := range map[string][]string{
		"*1\r\n$4\r\nPING\r\n": {"PING"},
		"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$4\r\n\r\n\r\n\r\n": {"GET", "SET"},
		"*3\r\n$5\r\nDEBUG\r\n$7\r\nLOADAOF\r\n$1\r\nx\r\n":                              {"DEBUG LOADAOF"},
		"*1\r\n$4\r\nPI":          nil,
		"*0\r\n":                  nil,
		"*-1\r\n":                 nil,
		"*1\r\n$-4\r\nPING\r\n":   nil,
		"*1\r\n$99\r\nPING\r\n":   nil,
		"+OK\r\n":                 nil,
		"*1\r\n$4\r\nPING\r\n*x":  {"PING"},
		"*9999999\r\n$1\r\na\r\n": nil,
	} {
		var names []string
		for _, e := range heard(func() { SawCommands("127.0.0.1:1", []byte(bytes)) }) {
			assert.Equal(t, "server 127.0.0.1:1", e.Who)
			names = append(names, e.What)
		}
		assert.Equal(t, want, names, "%q", bytes)
	}
}

// Nothing is told when nobody listens.
func TestSilence(t *testing.T) {
	assert.False(t, Heard())
	Saw("process 1", "start")
	events := heard(func() { Saw("process 1", "exit status %d", 1) })
	assert.Equal(t, []Event{{"process 1", "exit status 1"}}, events)
	assert.False(t, Heard())
}

func FuzzCommands(f *testing.F) {
	f.Add([]byte("*2\r\n$3\r\nGET\r\n$1\r\na\r\n"))
	f.Fuzz(func(_ *testing.T, p []byte) {
		heard(func() { SawCommands("127.0.0.1:1", p) })
	})
}
