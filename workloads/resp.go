package workloads

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/checker/history"
)

// RESP is the protocol of Redis and its kin, as a Protocol. The zero RESP is Redis's.
type RESP struct {
	// Listing is how keys are listed; "": KEYS.
	Listing Listing
	// Without is what the server does not have of Abilities, each followed by a blank.
	Without string
}

// Listing is how the keys of a server are listed.
type Listing string

const (
	ByScan Listing = "scan" // SCAN
	// OfClients: the server cannot list any; those are read that the workload has. A key that
	// nobody wrote is not seen.
	OfClients Listing = "known"
)

// Abilities are what a server may lack that workloads need, with their operations.
var Abilities = []struct {
	Name  string
	kinds []history.Kind
}{
	{"strings", []history.Kind{history.Read, history.Write, history.Delete, history.Incr, history.StringAppend, history.SetRange, history.GetDelete, history.SetBit, history.GetBit}},
	{"lists", []history.Kind{history.ReadList, history.Append}},
	{"sets", []history.Kind{history.ReadSet, history.SetAdd, history.SetRemove, history.SetHas}},
	{"hashes", []history.Kind{history.ReadHash, history.HashSet, history.HashGet, history.HashIncr, history.HashRemove}},
	{"sorted-sets", []history.Kind{history.ReadSorted, history.SortedAdd, history.SortedIncr, history.SortedRemove, history.SortedScore, history.SortedPop}},
	{"streams", []history.Kind{history.ReadStream, history.StreamAdd, history.StreamRemove}},
	{"transactions", []history.Kind{history.Txn}},
	{"expiry", []history.Kind{history.Expire}},
}

// command is how RESP asks for a kind of operation.
type command struct {
	ask    func(c *Conn, op *history.Op, size int)
	answer func(c *Conn, a *Answer, reply redcon.RESP)
}

// commands are those that workloads send, by the kind of operation. Another is a row.
var commands = [history.LastKind + 1]command{
	history.Read:         {func(c *Conn, op *history.Op, _ int) { c.words("GET", op.Key) }, aValue},
	history.Write:        {askSet, isOK},
	history.Delete:       {func(c *Conn, op *history.Op, _ int) { c.words("DEL", op.Key) }, result},
	history.Incr:         {func(c *Conn, op *history.Op, _ int) { c.words("INCRBY", op.Key, op.Value) }, result},
	history.StringAppend: {func(c *Conn, op *history.Op, _ int) { c.words("APPEND", op.Key, op.Value) }, result},
	history.SetRange:     {func(c *Conn, op *history.Op, _ int) { c.words("SETRANGE", op.Key, index(op), op.Value) }, result},
	history.GetDelete:    {func(c *Conn, op *history.Op, _ int) { c.words("GETDEL", op.Key) }, aValue},
	history.SetBit:       {func(c *Conn, op *history.Op, _ int) { c.words("SETBIT", op.Key, index(op), op.Value) }, result},
	history.GetBit:       {func(c *Conn, op *history.Op, _ int) { c.words("GETBIT", op.Key, index(op)) }, aValue},

	history.ReadList: {func(c *Conn, op *history.Op, _ int) { c.words("LRANGE", op.Key, "0", "-1") }, values},
	history.Append:   {func(c *Conn, op *history.Op, size int) { c.add("RPUSH", op, size) }, result},

	history.ReadSet:   {func(c *Conn, op *history.Op, _ int) { c.words("SMEMBERS", op.Key) }, values},
	history.SetAdd:    {func(c *Conn, op *history.Op, size int) { c.add("SADD", op, size) }, result},
	history.SetRemove: {func(c *Conn, op *history.Op, size int) { c.add("SREM", op, size) }, result},
	history.SetHas:    {func(c *Conn, op *history.Op, size int) { c.add("SISMEMBER", op, size) }, result},

	history.ReadHash:   {func(c *Conn, op *history.Op, _ int) { c.words("HGETALL", op.Key) }, values},
	history.HashSet:    {func(c *Conn, op *history.Op, size int) { c.add("HSET", op, size) }, result},
	history.HashGet:    {func(c *Conn, op *history.Op, _ int) { c.words("HGET", op.Key, op.More.Field) }, aValue},
	history.HashIncr:   {func(c *Conn, op *history.Op, _ int) { c.words("HINCRBY", op.Key, op.More.Field, op.Value) }, result},
	history.HashRemove: {func(c *Conn, op *history.Op, _ int) { c.words("HDEL", op.Key, op.More.Field) }, result},

	history.ReadSorted:   {func(c *Conn, op *history.Op, _ int) { c.words("ZRANGE", op.Key, "0", "-1", "WITHSCORES") }, values},
	history.SortedAdd:    {func(c *Conn, op *history.Op, _ int) { c.words("ZADD", op.Key, op.More.Score, op.Value) }, result},
	history.SortedIncr:   {func(c *Conn, op *history.Op, _ int) { c.words("ZINCRBY", op.Key, op.More.Score, op.Value) }, result},
	history.SortedRemove: {func(c *Conn, op *history.Op, _ int) { c.words("ZREM", op.Key, op.Value) }, result},
	history.SortedScore:  {func(c *Conn, op *history.Op, _ int) { c.words("ZSCORE", op.Key, op.Value) }, aValue},
	history.SortedPop:    {askSortedPop, values},

	history.ReadStream:   {func(c *Conn, op *history.Op, _ int) { c.words("XRANGE", op.Key, "-", "+") }, values},
	history.StreamAdd:    {askStreamAdd, result},
	history.StreamRemove: {func(c *Conn, op *history.Op, _ int) { c.words("XDEL", op.Key, op.More.Entry) }, result},
}

// Has implements Protocol.
func (p RESP) Has(k history.Kind) bool {
	for _, a := range Abilities {
		if slices.Contains(a.kinds, k) && strings.Contains(p.Without, a.Name+" ") {
			return false
		}
	}
	return commands[k].ask != nil || k == history.Txn || k == history.Expire
}

// Ask implements Protocol.
func (RESP) Ask(c *Conn, op *history.Op, size int) {
	if op.Kind != history.Txn {
		commands[op.Kind].ask(c, op, size)
		return
	}
	c.words("MULTI")
	for i := range op.More.Parts {
		part := &op.More.Parts[i]
		commands[part.Kind].ask(c, part, size)
	}
	c.words("EXEC")
}

// add asks for a command that adds a value to a key, or sets a field of it.
func (c *Conn) add(command string, op *history.Op, size int) {
	field := op.More != nil && op.More.Field != ""
	if field {
		c.Begin(4)
	} else {
		c.Begin(3)
	}
	c.Arg(command)
	c.Arg(op.Key)
	if field {
		c.Arg(op.More.Field)
	}
	c.argPadded(op.Value, size)
}

// index is the place in a string that an operation is about.
func index(op *history.Op) string { return strconv.FormatInt(op.More.Index, 10) }

func askSortedPop(c *Conn, op *history.Op, _ int) {
	if op.More.Head {
		c.words("ZPOPMIN", op.Key)
	} else {
		c.words("ZPOPMAX", op.Key)
	}
}

func askStreamAdd(c *Conn, op *history.Op, size int) {
	c.Begin(5)
	c.Arg("XADD")
	c.Arg(op.Key)
	c.Arg("*")
	c.Arg(op.More.Field)
	c.argPadded(op.Value, size)
}

// askSet sets a key, together with the instant at which it expires if it does.
func askSet(c *Conn, op *history.Op, size int) {
	expires := op.More != nil && op.More.Deadline > 0
	if expires {
		c.Begin(5)
	} else {
		c.Begin(3)
	}
	c.Arg("SET")
	c.Arg(op.Key)
	c.argPadded(op.Value, size)
	if expires {
		at := c.env.Wall().Add(op.More.Deadline - c.env.Now()).Round(time.Millisecond)
		c.Arg("PXAT")
		c.Arg(strconv.FormatInt(at.UnixMilli(), 10))
	}
}

// Answer implements Protocol. An error reply says that the command was not executed.
func (RESP) Answer(c *Conn, op *history.Op) (Answer, error) {
	a := &c.answer
	*a = Answer{}
	if op.Kind == history.Txn {
		for range 1 + len(op.More.Parts) { // that of MULTI, and of each command that is queued
			reply, err := c.Reply()
			if err != nil {
				return *a, err
			}
			a.Refused = a.Refused || reply.Type == redcon.Error
		}
	}
	reply, err := c.Reply()
	switch {
	case err != nil:
		return *a, err
	case reply.Type == redcon.Error || a.Refused:
		a.Refused, a.Why = true, string(reply.Data)
	case op.Kind != history.Txn:
		commands[op.Kind].answer(c, a, reply)
	case reply.Count < 0:
		notExecuted(a, reply)
	}
	return *a, nil
}

func isOK(_ *Conn, a *Answer, reply redcon.RESP) {
	if string(reply.Data) != "OK" {
		notExecuted(a, reply)
	}
}

func notExecuted(a *Answer, reply redcon.RESP) {
	a.Refused, a.Why = true, "not executed: "+string(reply.Raw)
}

func aValue(_ *Conn, a *Answer, reply redcon.RESP) { a.Value, a.Absent = reply.Data, reply.Data == nil }

func result(_ *Conn, a *Answer, reply redcon.RESP) { a.Result = string(reply.Data) }

func values(c *Conn, a *Answer, reply redcon.RESP) {
	c.values, a.Absent = slices.Grow(c.values[:0], max(1, reply.Count)), reply.Count == 0
	c.gather(reply)
	a.Values = c.values
}

// gather adds the elements of an array to the values of the answer, nested ones one after the
// other.
func (c *Conn) gather(reply redcon.RESP) {
	reply.ForEach(func(e redcon.RESP) bool {
		if e.Type == redcon.Array {
			c.gather(e)
		} else {
			c.values = append(c.values, e.Data)
		}
		return true
	})
}

// Command implements Protocol.
func (RESP) Command(c *Conn, words []string) error {
	c.words(words...)
	if err := c.Flush(); err != nil {
		return err
	}
	reply, err := c.Reply()
	if err == nil && reply.Type == redcon.Error {
		err = &ServerError{string(reply.Data)}
	}
	return err
}
