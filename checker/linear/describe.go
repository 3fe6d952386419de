package linear

import (
	"fmt"
	"strings"

	"github.com/torntail/torntail/checker/history"
)

// commands are the operations as Redis calls them.
var commands = map[history.Kind]string{
	history.Read: "get", history.Write: "set", history.Delete: "del", history.Append: "append", history.Incr: "incrby",
	history.CAS: "cas", history.ReadList: "lrange", history.Pop: "rpop", history.Expire: "pexpireat",
	history.SetAdd: "sadd", history.SetRemove: "srem", history.ReadSet: "smembers",
	history.HashSet: "hset", history.HashRemove: "hdel", history.ReadHash: "hgetall",
	history.SortedAdd: "zadd", history.SortedRemove: "zrem", history.ReadSorted: "zrange", history.Txn: "transaction",
	history.StringAppend: "append", history.SetRange: "setrange", history.GetDelete: "getdel", history.SetBit: "setbit", history.GetBit: "getbit",
	history.Push: "rpush", history.ListMove: "lmove", history.ListRemove: "lrem", history.HashGet: "hget", history.HashIncr: "hincrby",
	history.SetHas: "sismember", history.SortedIncr: "zincrby", history.SortedScore: "zscore", history.SortedPop: "zpopmax",
	history.StreamAdd: "xadd", history.StreamRemove: "xdel", history.ReadStream: "xrange", history.GroupCreate: "xgroup create",
	history.GroupRead: "xreadgroup", history.GroupAck: "xack", history.ReadPending: "xpending",
	history.Persist: "persist", history.ReadExpiry: "pexpiretime",
}

// describe is a task as porcupine's picture shows it.
func (s *search) describe(i int32) string {
	t := &s.tasks[i]
	switch {
	case t.found:
		var found []string
		for k := range s.p.Keys {
			key := &s.p.Keys[k]
			found = append(found, key.Name+": "+describeBody(key.Found.body))
		}
		return "after the crash: " + strings.Join(found, ", ")
	case t.deadline > 0:
		return fmt.Sprintf("deadline %s passes", t.deadline)
	}
	if t.group < 0 {
		return describeOp(t.op, t.acked)
	}
	// The same with one of the choices that the server may have made.
	op, m := *t.op, *t.op.More
	if op.Kind != history.Txn {
		op = *t.parts[0].op
	} else if m.Parts = nil; len(t.parts) > 0 {
		for k := range t.parts {
			m.Parts = append(m.Parts, *t.parts[k].op)
		}
		op.More = &m
	}
	return describeOp(&op, t.acked) + ", or another of these"
}

func describeOp(op *history.Op, acked bool) string {
	m := op.More
	if m == nil {
		m = &none
	}
	if op.Kind == history.Txn {
		var parts []string
		for i := range m.Parts {
			parts = append(parts, describeOp(&m.Parts[i], acked))
		}
		return "multi " + strings.Join(parts, "; ")
	}
	command := commands[op.Kind]
	if command == "" {
		command = op.Kind.String() // no command of Redis's
	}
	if m.Head {
		switch op.Kind {
		case history.Push, history.Append:
			command = "lpush"
		case history.Pop:
			command = "lpop"
		case history.SortedPop:
			command = "zpopmin"
		}
	}
	words := []string{command, op.Key}
	add := func(s string) {
		if s != "" {
			words = append(words, s)
		}
	}
	add(m.To)
	add(m.Group)
	add(m.Consumer)
	add(m.Entry)
	add(m.Field)
	add(m.Score)
	switch op.Kind {
	case history.SetRange, history.SetBit, history.GetBit, history.ListRemove:
		add(fmt.Sprint(m.Index))
	case history.CAS:
		if m.ExpectAbsent {
			add("nothing")
		}
		add(m.Expect)
	}
	if op.Writes() || op.Kind == history.SetHas || op.Kind == history.SortedScore {
		add(op.Value)
	}
	return strings.Join(words, " ") + " -> " + reply(op, m, acked)
}

// reply is what the client was told.
func reply(op *history.Op, m *history.More, acked bool) string {
	switch {
	case !acked:
		return "?"
	case m.Err != "":
		return m.Err
	case op.Absent:
		return "nothing"
	case m.HasReplaced:
		return m.Replaced
	case op.Kind == history.Read || op.Kind == history.GetBit || op.Kind == history.HashGet:
		return op.Value
	case op.Kind == history.ReadExpiry && m.Deadline == 0:
		return "no deadline"
	case op.Kind == history.ReadExpiry:
		return m.Deadline.String()
	case m.Result != "":
		return m.Result
	case !op.Writes() || m.Values != nil:
		return fmt.Sprintf("%q", m.Values)
	}
	return "ok"
}

// describeState is a state as porcupine's picture shows it.
func (w *witness) describeState(id int32) string {
	var keys []string
	for i, text := range w.whole[id].row {
		_, body := split(w.states.textOf(text))
		if len(w.p.Keys) == 1 {
			return describeBody(body)
		}
		keys = append(keys, w.p.Keys[i].Name+": "+describeBody(body))
	}
	return strings.Join(keys, ", ")
}

func describeBody(body string) string {
	if body == absent {
		return "nothing"
	}
	if body[0] == typeString {
		return body[1:]
	}
	if body[0] == typeStream {
		s := unpackStream(body)
		return fmt.Sprintf("%q", s.flat())
	}
	items, _ := unpack(body[0], body)
	return fmt.Sprintf("%q", items)
}
