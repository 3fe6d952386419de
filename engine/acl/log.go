package acl

// Context is what somebody was denied something in.
type Context string

// The contexts of ACL LOG.
const (
	TopLevel Context = "toplevel"
	InMulti  Context = "multi"
	InScript Context = "lua"
)

// Entry is something that was denied, once or more often.
type Entry struct {
	Count   int64
	Reason  Reason
	Context Context
	Object  string // the command, key or channel
	User    string
	At      int64 // of the last time, Unix ms
	Client  string
}

// Log is what was denied, the latest first.
type Log struct{ Entries []*Entry }

// What is like one of the latest entries is counted there (redis 7.0.15 acl.c
// addACLLogEntry).
const (
	logScan     = 10
	logTogether = 60000 // ms between two of them
)

// Add notes that something was denied; most is how many entries are kept.
func (l *Log) Add(e Entry, most int64) {
	e.Count = 1
	for i, o := range l.Entries[:min(logScan, len(l.Entries))] {
		apart := o.At - e.At
		if apart < 0 {
			apart = -apart
		}
		if o.Reason != e.Reason || o.Context != e.Context || apart > logTogether || o.Object != e.Object || o.User != e.User {
			continue
		}
		o.Client, o.At = e.Client, e.At
		o.Count++
		copy(l.Entries[1:i+1], l.Entries[:i])
		l.Entries[0] = o
		return
	}
	l.Entries = append([]*Entry{&e}, l.Entries...)
	l.Entries = l.Entries[:min(int64(len(l.Entries)), most)]
}
