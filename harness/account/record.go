package account

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/engine/front"
)

// Limits of a record.
const (
	mostBytes   = 1 << 30 // of words, about
	mostPending = 100_000 // commands of a connection that wait for their replies
)

// Record is what was heard of the commands of clients, and of the replies to them. Its methods
// may be called from any goroutine.
type Record struct {
	// Now is the clock of what it records.
	Now func() time.Duration

	mu     sync.Mutex
	clock  int64
	conns  int
	writes []*Write
	bytes  int64
	// left are connections that are followed no more, by why.
	left map[string]int
}

// Conversation is one connection of a client to a server. Sent and Answered are given the
// bytes of each direction, in order, just before they are handed on.
type Conversation struct {
	of       *Record
	node     string
	number   int
	commands int
	gate     front.Gate
	answers  replies
	waiting  []waiting
	db       int
	multi    []*Write // queued in the transaction that is open
	inMulti  bool
	told     bool // it has subscribed: from here on it hears, and writes nothing
	over     bool
}

// waiting is a command whose reply has not come.
type waiting struct {
	name  string
	write *Write // nil: it writes nothing
	db    int    // that SELECT asks for
}

// Begin begins to follow a connection to a server.
func (r *Record) Begin(node string) *Conversation {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns++
	c := &Conversation{of: r, node: node, number: r.conns}
	c.gate.Reset(front.RedisLimits, 512)
	c.answers.ready = c.reply
	return c
}

// Writes are those that were heard so far, and what was not followed, by why.
func (r *Record) Writes() (writes []*Write, left map[string]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.writes {
		one := *w
		writes = append(writes, &one)
	}
	return writes, maps.Clone(r.left)
}

// leave gives a connection up.
func (c *Conversation) leave(why string) {
	if c.over {
		return
	}
	c.over, c.waiting, c.multi = true, nil, nil
	c.gate = front.Gate{}
	if c.of.left == nil {
		c.of.left = map[string]int{}
	}
	c.of.left[why]++
}

// Sent takes what the client sends.
func (c *Conversation) Sent(data []byte) {
	r := c.of
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(data) > 0 && !c.over && !c.told {
		n := copy(c.gate.Space(), data)
		c.gate.Added(n)
		data = data[n:]
		for !c.over && !c.told {
			whole, err := c.gate.Next()
			if err != nil {
				c.leave("sent what is no command")
				return
			}
			if whole == nil {
				break
			}
			c.commandsOf(whole)
		}
	}
}

func (c *Conversation) commandsOf(whole []byte) {
	var args [][]byte
	for len(whole) > 0 && !c.over && !c.told {
		complete, parsed, _, rest, err := redcon.ReadNextCommand(whole, args[:0])
		if err != nil || !complete {
			c.leave("sent what is no command")
			return
		}
		args, whole = parsed, rest
		if len(args) > 0 {
			c.command(args)
		}
	}
}

// command takes one.
func (c *Conversation) command(args [][]byte) {
	r := c.of
	name := strings.ToLower(string(args[0]))
	p := waiting{name: name, db: -1}
	switch {
	case name == "subscribe", name == "psubscribe", name == "ssubscribe":
		c.told = true
		return
	case name == "monitor", name == "sync", name == "psync":
		c.leave(strings.ToUpper(name))
		return
	case name == "client" && len(args) > 1 && strings.EqualFold(string(args[1]), "reply"):
		c.leave("CLIENT REPLY: commands without replies")
		return
	case len(c.waiting) == mostPending:
		c.leave(fmt.Sprintf("more than %d commands without replies", mostPending))
		return
	case name == "select" && len(args) == 2:
		if n, err := strconv.Atoi(string(args[1])); err == nil {
			p.db = n
		}
	}
	c.commands++
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = string(a)
	}
	if kindOf(words) == writes {
		r.clock++
		w := &Write{ID: fmt.Sprintf("%d.%d", c.number, c.commands), DB: c.db, Begin: r.clock, Outcome: history.Unknown, Why: "no reply came", Node: c.node}
		for _, word := range words {
			w.Args = append(w.Args, shortened(word))
			r.bytes += int64(min(len(word), longest)) + 64
		}
		if len(r.writes) == mostWrites || r.bytes > mostBytes {
			c.leave(fmt.Sprintf("the record is full: %d writes", len(r.writes)))
			return
		}
		r.writes = append(r.writes, w)
		p.write = w
	}
	c.waiting = append(c.waiting, p)
}

// Answered takes what the server answers.
func (c *Conversation) Answered(data []byte) {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.over {
		return
	}
	if err := c.answers.take(data); err != nil && !c.over {
		c.leave(err.Error())
	}
}

// reply takes one.
func (c *Conversation) reply(a reply) error {
	if c.over {
		return nil
	}
	if len(c.waiting) == 0 && c.told {
		c.over = true
		return nil
	}
	if len(c.waiting) == 0 {
		c.leave("a reply to nothing")
		return nil
	}
	p := c.waiting[0]
	c.waiting = c.waiting[1:]
	failed := a.kind == '-'
	switch {
	case p.name == "multi" && !failed:
		c.inMulti = true
	case p.name == "select" && !failed && p.db >= 0 && !c.inMulti:
		c.db = p.db
		for _, later := range c.waiting { // sent with it
			if later.write != nil {
				later.write.DB = c.db
			}
		}
	case p.name == "discard" && !failed:
		c.ends(func(w *Write, _ int) { c.ended(w, history.Failed, "DISCARD", "") })
	case p.name == "exec" && c.inMulti:
		c.executed(a)
	case p.name == "reset":
		c.db = 0
		c.ends(func(w *Write, _ int) { c.ended(w, history.Failed, "RESET", "") })
	case c.inMulti && a.kind == '+' && a.text == "QUEUED":
		c.multi = append(c.multi, p.write) // nil for what writes nothing: results are by place
	case p.write != nil:
		c.result(p.write, a)
	}
	return nil
}

// ends ends the transaction that is open.
func (c *Conversation) ends(each func(w *Write, i int)) {
	for i, w := range c.multi {
		if w != nil {
			each(w, i)
		}
	}
	c.multi, c.inMulti = nil, false
}

// executed takes the reply of EXEC: an array of the results, a null when a watched key was
// changed, or an error.
func (c *Conversation) executed(a reply) {
	switch {
	case a.kind == '-':
		c.ends(func(w *Write, _ int) { c.ended(w, history.Failed, a.text, "") })
	case a.null:
		c.ends(func(w *Write, _ int) { c.ended(w, history.Failed, "a watched key was changed", "") })
	case len(a.items) < len(c.multi):
		c.leave("a transaction of more than " + strconv.Itoa(mostItems) + " commands")
	default:
		c.ends(func(w *Write, i int) { c.result(w, a.items[i]) })
	}
}

func (c *Conversation) result(w *Write, a reply) {
	switch {
	case a.kind == '-':
		c.ended(w, history.Failed, shortened(a.text), "")
	case a.null:
		c.ended(w, history.OK, "", nilReply)
	default:
		c.ended(w, history.OK, "", shortened(a.text))
	}
}

func (c *Conversation) ended(w *Write, o history.Outcome, why, answer string) {
	c.of.clock++
	w.End, w.Outcome, w.Why, w.Reply, w.At = c.of.clock, o, why, answer, c.of.Now()
}
