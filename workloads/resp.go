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
	{"strings", []history.Kind{history.Read, history.Write}},
	{"lists", []history.Kind{history.ReadList, history.Append}},
	{"sets", []history.Kind{history.ReadSet, history.SetAdd}},
	{"hashes", []history.Kind{history.ReadHash, history.HashSet}},
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
	history.Read:     {func(c *Conn, op *history.Op, _ int) { c.words("GET", op.Key) }, aValue},
	history.Write:    {askSet, isOK},
	history.ReadList: {func(c *Conn, op *history.Op, _ int) { c.words("LRANGE", op.Key, "0", "-1") }, values},
	history.Append:   {func(c *Conn, op *history.Op, size int) { c.add("RPUSH", op, size) }, result},
	history.ReadSet:  {func(c *Conn, op *history.Op, _ int) { c.words("SMEMBERS", op.Key) }, values},
	history.SetAdd:   {func(c *Conn, op *history.Op, size int) { c.add("SADD", op, size) }, result},
	history.ReadHash: {func(c *Conn, op *history.Op, _ int) { c.words("HGETALL", op.Key) }, values},
	history.HashSet:  {func(c *Conn, op *history.Op, size int) { c.add("HSET", op, size) }, result},
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
	reply.ForEach(func(e redcon.RESP) bool {
		c.values = append(c.values, e.Data)
		return true
	})
	a.Values = c.values
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
