package account

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/engine/words"
	"github.com/torntail/torntail/internal/bounded"
)

// A journal is what a client writes of its own writes, a line each time:
//
//	torntail journal 1
//	send 1 SET key:1 "a value"
//	ok 1
//	send 2 INCR visits
//	ok 2 17
//	error 3 READONLY You can't write against a read only replica.
//	unknown 4 connection reset by peer
//
// "send ID COMMAND" is written before the command is sent, and one of the others when its
// reply is there, or when it will not come. Words are as redis-cli takes them, quoted where
// they must be. Lines are in the order of time: what is "ok" before another is sent came
// before it. A write without a second line has no known outcome. Empty lines, and those that
// begin with #, are passed over, as is a last line that has no end: the client was stopped in
// the middle of it.

// Limits of a journal.
const (
	journalHead    = "torntail journal 1"
	longestLine    = 4 << 20 // bytes
	longestJournal = bounded.Results
	mostWrites     = 2_000_000
	longestID      = 64
)

// LineError is what is wrong with a line of a journal.
type LineError struct {
	Name string
	Line int
	Why  string
}

func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %s", e.Name, e.Line, e.Why) }

// OpenJournal reads the journal in a file.
func OpenJournal(path string) ([]*Write, error) {
	f, err := bounded.Open(path, "a journal")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadJournal(path, f)
}

// ReadJournal reads a journal. Errors that are *LineError are the client's.
func ReadJournal(name string, from io.Reader) ([]*Write, error) {
	j := journal{open: map[string]*Write{}}
	r := bufio.NewReaderSize(from, 64<<10)
	for read := 0; ; {
		line, err := takeLine(r)
		read += len(line)
		switch {
		case errors.Is(err, io.EOF) && j.line > 0:
			return j.writes, nil // and what is behind the last line's end is torn
		case errors.Is(err, io.EOF):
			return nil, &LineError{name, 1, "want \"" + journalHead + "\" and the end of the line"}
		case errors.Is(err, bufio.ErrTooLong):
			return nil, &LineError{name, j.line + 1, fmt.Sprintf("longer than %d bytes", longestLine)}
		case err != nil:
			return nil, err
		case read > longestJournal:
			return nil, &LineError{name, j.line + 1, fmt.Sprintf("a journal has at most %d bytes", longestJournal)}
		}
		j.line++
		if why := j.take(strings.TrimRight(line, "\r\n")); why != "" {
			return nil, &LineError{name, j.line, why}
		}
	}
}

// takeLine is a line with its end.
func takeLine(r *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > longestLine:
			return "", bufio.ErrTooLong
		case !errors.Is(err, bufio.ErrBufferFull):
			return string(line), err
		}
	}
}

// journal is one that is being read.
type journal struct {
	line   int
	writes []*Write
	open   map[string]*Write // by ID; nil: ended
}

// take takes a line, and says what is wrong with it.
func (j *journal) take(line string) (why string) {
	if j.line == 1 {
		if line != journalHead {
			return fmt.Sprintf("%.40q: want %q", line, journalHead)
		}
		return ""
	}
	if line == "" || line[0] == '#' {
		return ""
	}
	word, rest, _ := strings.Cut(line, " ")
	id, rest, _ := strings.Cut(rest, " ")
	if id == "" || len(id) > longestID {
		return fmt.Sprintf("want an ID of at most %d bytes behind %.20q", longestID, word)
	}
	w, known := j.open[id]
	if word == "send" {
		if known {
			return fmt.Sprintf("ID %s was sent before", id)
		}
		if len(j.writes) == mostWrites {
			return fmt.Sprintf("a journal has at most %d writes", mostWrites)
		}
		return j.send(id, rest)
	}
	outcome, ok := map[string]history.Outcome{"ok": history.OK, "error": history.Failed, "unknown": history.Unknown}[word]
	switch {
	case !ok:
		return fmt.Sprintf("unknown word %.20q: want send, ok, error or unknown", word)
	case !known:
		return fmt.Sprintf("ID %s was not sent", id)
	case w == nil:
		return fmt.Sprintf("ID %s has ended before", id)
	}
	w.Outcome = outcome
	if outcome == history.OK {
		reply, err := words.Split(rest)
		if err != nil {
			return "reply: " + err.Error()
		}
		w.Reply = shortened(strings.Join(reply, " "))
	} else {
		w.Why = shortened(rest)
	}
	if outcome != history.Unknown { // it may take effect later
		w.End = int64(j.line)
	}
	j.open[id] = nil
	return ""
}

func (j *journal) send(id, command string) (why string) {
	args, err := words.Split(command)
	switch {
	case err != nil:
		return err.Error()
	case len(args) == 0:
		return "want a command behind send " + id
	}
	switch kindOf(args) {
	case reads:
		return fmt.Sprintf("%s writes nothing", strings.ToUpper(args[0]))
	case frames:
		return fmt.Sprintf("%s is no write: tell each command of a transaction by itself, once EXEC has answered", strings.ToUpper(args[0]))
	}
	w := &Write{ID: id, Line: j.line, Begin: int64(j.line), Outcome: history.Unknown, Why: "the journal says no more"}
	for _, a := range args {
		w.Args = append(w.Args, shortened(a))
	}
	j.open[id] = w
	j.writes = append(j.writes, w)
	return ""
}
