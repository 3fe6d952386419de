package history

import (
	"bufio"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Version is the version of the file format that Write writes. Read reads it
// and every version before it.
//
// A history file is JSON Lines: one object a line, told apart by its first
// field, no blank lines; it may be compressed with gzip as a whole. Times are
// nanoseconds on the history's clock; "never" is left out. A string that is not
// valid UTF-8 is written as {"base64": "..."}.
//
//	{"history":1}                                        first line: the version
//	{"op":"write","client":0,"key":"k","value":"v","invoke":1,"return":2,"outcome":"ok"}
//	{"event":"kill","at":9,"node":"n1","text":""}        also "offset"
//	{"epoch":0,"began":0,"ended":9,"how":"kill","disk":true}
//	{"log-write":[5,6],"bytes":40}                       of the epoch above: enter and return
//	{"log-sync":[6,8],"covers":6,"failed":false}
//	{"snapshot":3,"began":4,"renamed":7,"durable":8}     the number is the fork; also "failed"
//	{"child":[3,7]}
//	{"waited":[3,7],"by":2}
//	{"blocked":[4,6]}
//	{"state":1,"began":10,"at":12,"node":"n1"}           the number is the epoch it begins; also "converged", "beside"
//	{"found":"k","value":"v"}                            of the state above; "list", "type", "ttl", "deadline", "groups"
//	{"beside":0,"at":1,"answered":2,"text":"SET s v"}    the number is the step's
//	{"end":6}                                            last line: how many lines came before it
//
// Operations come in order of invocation. Fields of operations that are rarely
// there: "absent", "result", "expect", "values", "parts" (operations without
// times), "deadline", "replaced", "node", "offset", "field", "score", "head", "error",
// "index", "to", "to-head", "entry", "group", "consumer", "expect-absent", "to-absent", "evicted";
// kindRows has which kind may have which.
const Version = 1

// Save writes h to a file, compressed when its name ends in .gz.
func Save(path string, h *History) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("save history: %w", err)
	}
	defer func() {
		if e := f.Close(); err == nil && e != nil {
			err = fmt.Errorf("save history: %w", e)
		}
	}()
	if !strings.HasSuffix(path, ".gz") {
		return Encode(f, h)
	}
	z := gzip.NewWriter(f)
	if err := Encode(z, h); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("save history %s: %w", path, err)
	}
	return nil
}

// Encode writes h in the file format.
func Encode(w io.Writer, h *History) error {
	e := encoder{w: bufio.NewWriterSize(w, 1<<16)}
	e.begin("history")
	e.num(Version)
	e.end()
	for i := range h.Ops {
		e.op(&h.Ops[i])
	}
	for i := range h.Events {
		ev := &h.Events[i]
		e.begin("event")
		e.str(string(ev.Kind))
		e.time("at", ev.At)
		e.optional("node", ev.Node)
		e.optional("text", ev.Text)
		if ev.Offset != 0 {
			e.field("offset")
			e.num(ev.Offset)
		}
		e.end()
	}
	for i := range h.Epochs {
		e.epoch(i, &h.Epochs[i])
	}
	for i := range h.States {
		e.state(&h.States[i])
	}
	for i := range h.Beside {
		b := &h.Beside[i]
		e.begin("beside")
		e.num(int64(b.Step))
		e.time("at", b.At)
		e.time("answered", b.Answered)
		e.optional("text", b.Text)
		e.flag("refused", b.Refused)
		e.end()
	}
	e.begin("end")
	e.num(e.lines)
	e.end()
	if e.err == nil {
		e.err = e.w.Flush()
	}
	if e.err != nil {
		return fmt.Errorf("write history: %w", e.err)
	}
	return nil
}

// encoder writes lines; the first error stays.
type encoder struct {
	w     *bufio.Writer
	b     []byte
	lines int64
	err   error
}

func (e *encoder) begin(field string) {
	e.b = append(e.b[:0], '{', '"')
	e.b = append(e.b, field...)
	e.b = append(e.b, '"', ':')
}

func (e *encoder) field(name string) {
	e.b = append(e.b, ',', '"')
	e.b = append(e.b, name...)
	e.b = append(e.b, '"', ':')
}

func (e *encoder) end() {
	e.b = append(e.b, '}', '\n')
	if e.err == nil {
		_, e.err = e.w.Write(e.b)
	}
	e.lines++
}

func (e *encoder) num(n int64) { e.b = strconv.AppendInt(e.b, n, 10) }

func (e *encoder) str(s string) { e.b = appendString(e.b, s) }

// appendString appends s as JSON; what needs no escape is copied.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return appendHard(b, s)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func appendHard(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		b = append(b, `{"base64":"`...)
		b = base64.StdEncoding.AppendEncode(b, []byte(s))
		return append(b, `"}`...)
	}
	quoted, _ := json.Marshal(s) // a valid string always marshals
	return append(b, quoted...)
}

func (e *encoder) optional(name, s string) {
	if s != "" {
		e.field(name)
		e.str(s)
	}
}

func (e *encoder) time(name string, t time.Duration) {
	if t != Never {
		e.field(name)
		e.num(int64(t))
	}
}

func (e *encoder) strings(name string, list []string) {
	e.field(name)
	e.b = append(e.b, '[')
	for i, s := range list {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.str(s)
	}
	e.b = append(e.b, ']')
}

func (e *encoder) op(op *Op) {
	e.begin("op")
	e.str(op.Kind.String())
	e.field("client")
	e.num(int64(op.Client))
	e.what(op)
	e.time("invoke", op.Invoke)
	e.time("return", op.Return)
	e.field("outcome")
	e.str(op.Outcome.String())
	e.more(op)
	e.end()
}

// what is the part of an operation that parts of transactions have as well.
func (e *encoder) what(op *Op) {
	if op.Kind != Txn {
		e.field("key")
		e.str(op.Key)
	}
	e.optional("value", op.Value)
	e.flag("absent", op.Absent)
}

func (e *encoder) more(op *Op) {
	m := op.More
	if m == nil {
		return
	}
	e.optional("result", m.Result)
	e.optional("expect", m.Expect)
	if m.Values != nil {
		e.strings("values", m.Values)
	}
	if m.Parts != nil {
		e.field("parts")
		e.b = append(e.b, '[')
		for i := range m.Parts {
			if i > 0 {
				e.b = append(e.b, ',')
			}
			p := &m.Parts[i]
			e.b = append(e.b, `{"op":`...)
			e.str(p.Kind.String())
			e.what(p)
			e.more(p)
			e.b = append(e.b, '}')
		}
		e.b = append(e.b, ']')
	}
	if m.Deadline != 0 {
		e.field("deadline")
		e.num(int64(m.Deadline))
	}
	if m.HasReplaced {
		e.field("replaced")
		e.str(m.Replaced)
	}
	e.optional("node", m.Node)
	if m.Offset >= 0 {
		e.field("offset")
		e.num(m.Offset)
	}
	e.optional("field", m.Field)
	e.optional("score", m.Score)
	e.flag("head", m.Head)
	e.optional("error", m.Err)
	if m.Index != 0 {
		e.field("index")
		e.num(m.Index)
	}
	e.optional("to", m.To)
	e.flag("to-head", m.ToHead)
	e.optional("entry", m.Entry)
	e.optional("group", m.Group)
	e.optional("consumer", m.Consumer)
	e.flag("expect-absent", m.ExpectAbsent)
	e.flag("to-absent", m.ToAbsent)
	e.flag("evicted", m.Evicted)
}

func (e *encoder) flag(name string, is bool) {
	if is {
		e.field(name)
		e.b = append(e.b, "true"...)
	}
}

func (e *encoder) pair(name string, from, to time.Duration) {
	e.begin(name)
	e.b = append(e.b, '[')
	e.num(int64(from))
	if to != Never {
		e.b = append(e.b, ',')
		e.num(int64(to))
	}
	e.b = append(e.b, ']')
}

func (e *encoder) epoch(n int, ep *Epoch) {
	e.begin("epoch")
	e.num(int64(n))
	e.time("began", ep.Began)
	e.time("ended", ep.Ended)
	e.optional("how", string(ep.How))
	if ep.DiskSeen {
		e.field("disk")
		e.b = append(e.b, "true"...)
	}
	e.end()
	for i := range ep.LogWrites {
		w := &ep.LogWrites[i]
		e.pair("log-write", w.Enter, w.Return)
		e.field("bytes")
		e.num(w.Bytes)
		e.end()
	}
	for i := range ep.LogSyncs {
		s := &ep.LogSyncs[i]
		e.pair("log-sync", s.Enter, s.Return)
		e.field("covers")
		e.num(int64(s.Covers))
		if s.Failed {
			e.field("failed")
			e.b = append(e.b, "true"...)
		}
		if s.Left {
			e.field("left")
			e.b = append(e.b, "true"...)
		}
		e.end()
	}
	for i := range ep.Snapshots {
		s := &ep.Snapshots[i]
		e.begin("snapshot")
		e.num(int64(s.Fork))
		e.time("began", s.Began)
		e.time("renamed", s.Renamed)
		e.time("durable", s.Durable)
		if s.Failed {
			e.field("failed")
			e.b = append(e.b, "true"...)
		}
		if s.For != "" {
			e.field("for")
			e.str(s.For)
		}
		e.end()
	}
	for _, b := range ep.Blocked {
		e.pair("blocked", b.From, b.To)
		e.end()
	}
	for _, c := range ep.ChildRunning {
		e.pair("child", c.From, c.To)
		e.end()
	}
	for _, w := range ep.Waits {
		e.pair("waited", w.From, w.To)
		e.time("by", w.By)
		e.end()
	}
}

func (e *encoder) state(s *State) {
	e.begin("state")
	e.num(int64(s.Epoch))
	e.time("began", s.Began)
	e.time("at", s.At)
	e.optional("node", s.Node)
	if s.Converged {
		e.field("converged")
		e.b = append(e.b, "true"...)
	}
	e.optional("beside", s.Beside)
	e.end()
	for i := range s.Keys {
		kv := &s.Keys[i]
		e.begin("found")
		e.str(kv.Key)
		e.optional("value", kv.Value)
		if kv.List != nil {
			e.strings("list", kv.List)
		}
		e.optional("type", kv.Type)
		if kv.TTL != 0 {
			e.field("ttl")
			e.num(int64(kv.TTL))
		}
		if kv.Deadline != 0 {
			e.field("deadline")
			e.num(int64(kv.Deadline))
		}
		if kv.GroupsRead {
			e.groups(kv.Groups)
		}
		e.end()
	}
}

// groups are arrays of the name, the ID delivered last, and what is pending.
func (e *encoder) groups(groups []Group) {
	e.field("groups")
	e.b = append(e.b, '[')
	for i := range groups {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		g := &groups[i]
		e.b = append(e.b, '[')
		e.str(g.Name)
		e.b = append(e.b, ',')
		e.str(g.Last)
		for _, s := range g.Pending {
			e.b = append(e.b, ',')
			e.str(s)
		}
		e.b = append(e.b, ']')
	}
	e.b = append(e.b, ']')
}
