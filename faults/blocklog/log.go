package blocklog

import (
	"syscall"
	"time"
)

// Kind is what a record is.
type Kind uint8

const (
	Write Kind = iota + 1
	Flush
	Mark // of whoever watches: nothing that the device was asked
)

func (k Kind) String() string { return [...]string{"", "write", "flush", "mark"}[k] }

// Record is one thing that happened to a device.
type Record struct {
	Seq       uint64 // from 1; names the record in choices
	Kind      Kind
	At        time.Duration // when it took effect
	Off       int64         // write: in bytes
	Data      []byte        // write: never changes
	Note      string        // mark
	Err       syscall.Errno // the device reported this; 0: success
	NoEffect  bool          // it changed nothing: it failed, or was a flush that was ignored
	Cut       bool          // write: fewer bytes reached the device than it was given
	Requested int           // write: bytes the device was given
}

// Log is what happened to a device since base.
type Log struct {
	base    *Image
	records []Record
}

// Len is the number of records; positions in the log run from 0 (before all of
// them) to Len (after all).
func (l *Log) Len() int { return len(l.records) }

// Record is the i-th record.
func (l *Log) Record(i int) *Record { return &l.records[i] }

// window is the place behind the last flush before position at that held, so
// that what comes before it is durable.
func (l *Log) window(at int) int {
	for i := at - 1; i >= 0; i-- {
		if r := &l.records[i]; r.Kind == Flush && !r.NoEffect {
			return i
		}
	}
	return 0
}

// InPlay are the places of the writes that a power cut at a position may or may not
// leave.
func (l *Log) InPlay(at int) []int {
	var places []int
	for i := l.window(at); i < at; i++ {
		if r := &l.records[i]; r.Kind == Write && !r.NoEffect {
			places = append(places, i)
		}
	}
	return places
}

// Durable is what a power cut at a position leaves at least.
func (l *Log) Durable(at int) *Image {
	m := l.base.Clone()
	l.apply(m, 0, l.window(at))
	return m
}

// apply carries out the writes between two positions.
func (l *Log) apply(m *Image, from, to int) {
	for i := from; i < to; i++ {
		if r := &l.records[i]; r.Kind == Write && !r.NoEffect {
			m.write(r.Data, r.Off)
		}
	}
}

// forget folds the records before a position into base. Nothing before it can be
// cut any more.
func (l *Log) forget(at int) {
	l.apply(l.base, 0, at)
	n := copy(l.records, l.records[at:])
	clear(l.records[n:])
	l.records = l.records[:n]
}
