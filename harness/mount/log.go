package mount

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/torntail/torntail/faults/disk"
)

const (
	// logKept is how many lines of the log stay in memory, for torntail log; with
	// --log the file has them all. At some 200 bytes each they are 13 MB.
	logKept = 1 << 16
	// pendingKept is how many records the disk may hold behind a call that does not
	// return (a stall) before they are taken all the same.
	pendingKept = 1 << 15
)

// opLog is the log of a mounted disk: every call that changes or syncs
// something, and what faults did in between. The disk's own log is emptied
// into it, so that memory is bounded however long the mount lives.
type opLog struct {
	mu    sync.Mutex
	ring  []logLine // the last ones; line n is at n % logKept
	lines uint64    // so far
	file  *os.File  // nil: none
	out   *bufio.Writer
	text  []byte
}

// logLine is a call, or an event between calls.
type logLine struct {
	record disk.Record
	at     time.Duration // of an event
	event  string        // "": a call
}

// newLog makes a log that also goes to the file, unless that is "". A file that
// is there is replaced.
func newLog(path string) (*opLog, error) {
	l := &opLog{}
	if path == "" {
		return l, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, logFailed(err)
	}
	l.file, l.out = f, bufio.NewWriterSize(f, 256<<10)
	return l, nil
}

// take moves records from the front of the disk's log, up to the first call
// that has not returned. The caller holds mu, and the disk's lock.
func (l *opLog) take(d *disk.Disk) {
	log, n := d.Log(), 0
	for n < len(log) && (log[n].Return != disk.Never || len(log)-n > pendingKept) {
		l.add(logLine{record: log[n]})
		n++
	}
	d.DropLog(n)
}

// takeAll is take for a disk that lost its power: nothing will return any more.
func (l *opLog) takeAll(d *disk.Disk) {
	for _, r := range d.Log() {
		l.add(logLine{record: r})
	}
}

// note adds an event.
func (l *opLog) note(at time.Duration, event string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(logLine{at: at, event: event})
}

// add appends a line. The caller holds mu. What cannot be written is the next flush's to tell.
func (l *opLog) add(line logLine) {
	if len(l.ring) < logKept {
		l.ring = append(l.ring, line)
	} else {
		l.ring[l.lines%logKept] = line
	}
	l.lines++
	if l.out != nil {
		l.text = line.append(l.text[:0])
		l.out.Write(l.text)
	}
}

// flush writes to the file what has been added. The caller holds mu.
func (l *opLog) flush() error {
	if l.out == nil {
		return nil
	}
	return logFailed(l.out.Flush())
}

// close writes the rest and closes the file.
func (l *opLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := cmp.Or(l.out.Flush(), l.file.Close())
	l.file, l.out = nil, nil
	return logFailed(err)
}

// logFailed says of an error that it is the log's.
func logFailed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the log cannot be written: %w", err)
}

// from prints the lines from number n on that are still in memory, at most max
// of them, and says which number comes next.
func (l *opLog) from(n uint64, max int) (text string, next uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if first := l.lines - uint64(len(l.ring)); n < first {
		n = first
	}
	var b []byte
	for ; n < l.lines && max > 0; max-- {
		b = l.ring[n%logKept].append(b)
		n++
	}
	return string(b), n
}

// append writes a line as text.
func (l *logLine) append(b []byte) []byte {
	if l.event != "" {
		b = append(append(append(b, "- "...), l.at.Round(time.Microsecond).String()...), ' ')
		return append(append(b, l.event...), '\n')
	}
	r := &l.record
	if r.ID == 0 {
		b = append(b, '-') // the kernel's own
	} else {
		b = strconv.AppendUint(b, r.ID, 10)
	}
	b = append(append(b, ' '), r.Enter.Round(time.Microsecond).String()...)
	if r.ID == 0 {
		return append(b, " write-back\n"...)
	}
	b = append(append(b, ' '), r.Kind.String()...)
	b = appendPath(b, r.Path, r.Ino)
	if r.Path2 != "" {
		b = appendPath(append(b, " ->"...), r.Path2, 0)
	}
	switch r.Kind {
	case disk.OpWrite, disk.OpAllocate, disk.OpSyncRange:
		b = strconv.AppendInt(append(b, ' '), r.Off, 10)
		b = strconv.AppendInt(append(b, '+'), r.Len, 10)
	case disk.OpTruncate:
		b = strconv.AppendInt(append(b, " to "...), r.Len, 10)
	}
	switch {
	case r.Return == disk.Never:
		b = append(b, " (pending)"...)
	case r.Err != 0:
		b = append(append(b, " = "...), r.Err.Error()...)
	default:
		b = append(append(b, " in "...), (r.Return - r.Enter).Round(time.Microsecond).String()...)
	}
	return append(b, '\n')
}

// appendPath writes a path, quoted where it would not be one word, or the
// number of a file that has no name any more.
func appendPath(b []byte, path string, ino disk.Ino) []byte {
	b = append(b, ' ')
	switch {
	case path == "" && ino != 0:
		return strconv.AppendUint(append(b, '#'), uint64(ino), 10)
	case strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || c == '"' || c == 0x7f }):
		return strconv.AppendQuote(b, path)
	}
	return append(b, path...)
}
