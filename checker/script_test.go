package checker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
)

// script builds a history from text, one statement a line, times in
// milliseconds, "?" for never:
//
//	c1 set k v 10-20     c1 get k v 10-20     c1 get k - 10-20   (found nothing)
//	c1 del k 10-20       c1 push k e 10-20    c1 list k a,b 10-20
//	c1 incr k 2 5 10-20  (added 2, the reply was 5)
//	c1 txn k=v,l?w,m?-,n+e 10-20   (wrote v, read w, read nothing, appended e)
//	c1 hash-set k v field=f result=1 failed 10-20
//	                     (any kind, its value or -, fields of More, and absent, failed, head, to-head)
//	write 10-11          sync 12-15 covers 11    sync 12-15 covers 11 failed left
//	snapshot fork 10 began 10 renamed 20 durable 25    (and "for a replica": who asked for it)
//	child 10-20          blocked 10-20
//	crash power-cut 100  (or kill, term, exit)
//	found k=v l=[a,b] h=hash[f,v] x=v~50
//	                     (read 10 ms after the crash; "found nothing" is an empty server; 50 ms are left)
//	began k=v            (what was there at the start)
//	refused TEXT         repaired
func script(t *testing.T, text string) *history.History {
	t.Helper()
	h := &history.History{}
	life := history.Epoch{DiskSeen: true, Ended: history.Never}
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		f := strings.Fields(line)
		bad := func(err error) { require.NoError(t, err, "line %d: %s", n+1, line) }
		switch f[0] {
		case "write":
			from, to := times(t, f[1])
			life.LogWrites = append(life.LogWrites, history.DiskWrite{Enter: from, Return: to, Bytes: 1})
		case "sync":
			from, to := times(t, f[1])
			life.LogSyncs = append(life.LogSyncs, history.DiskSync{Enter: from, Return: to, Covers: ms(t, f[3]),
				Failed: slices.Contains(f, "failed"), Left: slices.Contains(f, "left")})
		case "snapshot":
			made := history.Snapshot{Fork: ms(t, f[2]), Began: ms(t, f[4]), Renamed: ms(t, f[6]), Durable: ms(t, f[8])}
			if len(f) > 10 && f[9] == "for" {
				made.For = strings.Join(f[10:], " ")
			}
			life.Snapshots = append(life.Snapshots, made)
		case "child":
			from, to := times(t, f[1])
			life.ChildRunning = append(life.ChildRunning, history.Interval{From: from, To: to})
		case "blocked":
			from, to := times(t, f[1])
			life.Blocked = append(life.Blocked, history.Interval{From: from, To: to})
		case "waits":
			from, to := times(t, f[1])
			life.Waits = append(life.Waits, history.Wait{From: from, To: to, By: ms(t, f[3])})
		case "crash":
			life.How, life.Ended = history.EventKind(f[1]), ms(t, f[2])
			h.Epochs = append(h.Epochs, life)
			life = history.Epoch{DiskSeen: true, Began: life.Ended + 20*time.Millisecond, Ended: history.Never}
		case "refused", "repaired":
			h.Events = append(h.Events, history.Event{At: life.Began - 15*time.Millisecond, Kind: history.EventKind(f[0]), Text: strings.Join(f[1:], " ")})
		case "began":
			h.States = append([]history.State{{Keys: keyValues(t, f[1:])}}, h.States...)
		case "found":
			h.States = append(h.States, history.State{Began: life.Began - 10*time.Millisecond, At: life.Began - 5*time.Millisecond, Epoch: len(h.Epochs), Keys: keyValues(t, f[1:])})
		default:
			client, err := strconv.Atoi(strings.TrimPrefix(f[0], "c"))
			bad(err)
			op := history.Op{Client: client, Outcome: history.OK}
			op.Invoke, op.Return = times(t, f[len(f)-1])
			if op.Return == history.Never {
				op.Outcome = history.Unknown
			}
			words := slices.DeleteFunc(f[1:len(f)-1], func(w string) bool { return w == "failed" })
			if len(words) < len(f)-2 {
				op.Outcome = history.Failed
			}
			bad(operation(&op, words))
			h.Ops = append(h.Ops, op)
		}
	}
	h.Epochs = append(h.Epochs, life)
	slices.SortStableFunc(h.Ops, func(a, b history.Op) int { return int(a.Invoke - b.Invoke) })
	for i := range h.Ops {
		h.Ops[i].ID = i
	}
	return h
}

// keyValues are the keys of a state, sorted.
func keyValues(t *testing.T, words []string) []history.KV {
	var kvs []history.KV
	for _, word := range words {
		k, v, ok := strings.Cut(word, "=")
		if !ok {
			continue
		}
		kv := history.KV{Key: k, Value: v}
		if value, left, is := strings.Cut(v, "~"); is {
			kv.Value, kv.TTL = value, ms(t, left)
		}
		if typ, list, is := strings.Cut(kv.Value, "["); is {
			kv.Type, kv.Value, kv.List = typ, "", strings.Split(strings.TrimSuffix(list, "]"), ",")
		}
		kvs = append(kvs, kv)
	}
	slices.SortFunc(kvs, func(a, b history.KV) int { return strings.Compare(a.Key, b.Key) })
	return kvs
}

func operation(op *history.Op, f []string) error {
	if f[0] != "txn" {
		op.Key = f[1]
	}
	switch f[0] {
	case "set":
		op.Kind, op.Value = history.Write, f[2]
	case "setpx": // and the instant at which it expires
		op.Kind, op.Value = history.Write, f[2]
		deadline, err := strconv.Atoi(f[3])
		op.More = &history.More{Deadline: time.Duration(deadline) * time.Millisecond}
		return err
	case "get":
		op.Kind, op.Value = history.Read, f[2]
		if f[2] == "-" {
			op.Value, op.Absent = "", true
		}
	case "del":
		op.Kind = history.Delete
	case "push":
		op.Kind, op.Value = history.Append, f[2]
	case "list":
		op.Kind = history.ReadList
		op.More = &history.More{Values: strings.Split(f[2], ",")}
		if f[2] == "-" {
			op.Absent, op.More.Values = true, nil
		}
	case "incr":
		op.Kind, op.Value = history.Incr, f[2]
		op.More = &history.More{Result: f[3]}
	case "txn":
		op.Kind = history.Txn
		op.More = &history.More{}
		for _, part := range strings.Split(f[1], ",") {
			if k, v, is := strings.Cut(part, "="); is {
				op.More.Parts = append(op.More.Parts, history.Op{Kind: history.Write, Key: k, Value: v})
			} else if k, v, is := strings.Cut(part, "+"); is {
				op.More.Parts = append(op.More.Parts, history.Op{Kind: history.Append, Key: k, Value: v})
			} else if k, v, _ := strings.Cut(part, "?"); v == "-" {
				op.More.Parts = append(op.More.Parts, history.Op{Kind: history.Read, Key: k, Absent: true})
			} else {
				op.More.Parts = append(op.More.Parts, history.Op{Kind: history.Read, Key: k, Value: v})
			}
		}
	default:
		return anyOperation(op, f)
	}
	return nil
}

// anyOperation reads an operation of any kind.
func anyOperation(op *history.Op, f []string) error {
	for k := history.Read; k <= history.LastKind; k++ {
		if k.String() == f[0] {
			op.Kind = k
		}
	}
	if op.Kind == 0 {
		return fmt.Errorf("unknown operation %q", f[0])
	}
	if f[2] != "-" {
		op.Value = f[2]
	}
	m := &history.More{Offset: -1}
	op.More = m
	for _, word := range f[3:] {
		name, value, _ := strings.Cut(word, "=")
		texts := map[string]*string{"result": &m.Result, "expect": &m.Expect, "field": &m.Field, "score": &m.Score, "to": &m.To, "entry": &m.Entry, "group": &m.Group,
			"consumer": &m.Consumer, "node": &m.Node, "error": &m.Err}
		flags := map[string]*bool{"absent": &op.Absent, "head": &m.Head, "to-head": &m.ToHead, "expect-absent": &m.ExpectAbsent, "to-absent": &m.ToAbsent}
		switch {
		case texts[name] != nil:
			*texts[name] = value
		case flags[name] != nil:
			*flags[name] = true
		case name == "replaced":
			m.HasReplaced, m.Replaced = true, value
		case name == "values":
			m.Values = []string{}
			if value != "" {
				m.Values = strings.Split(value, ",")
			}
		case name == "index":
			n, err := strconv.Atoi(value)
			if m.Index = int64(n); err != nil {
				return err
			}
		case name == "deadline":
			n, err := strconv.Atoi(value)
			if m.Deadline = time.Duration(n) * time.Millisecond; err != nil {
				return err
			}
		default:
			return fmt.Errorf("unknown field %q", word)
		}
	}
	return nil
}

func ms(t *testing.T, s string) time.Duration {
	t.Helper()
	if s == "?" {
		return history.Never
	}
	f, err := strconv.ParseFloat(s, 64)
	require.NoError(t, err)
	return time.Duration(f * float64(time.Millisecond))
}

func times(t *testing.T, s string) (from, to time.Duration) {
	t.Helper()
	a, b, ok := strings.Cut(s, "-")
	require.True(t, ok, s)
	return ms(t, a), ms(t, b)
}
