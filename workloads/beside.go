package workloads

import (
	"crypto/sha1"
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/checker/history"
)

// A client beside those of a workload is what other applications are to it: it sends
// every writing command of Redis, to keys of all types, in a database of its own. What
// it sends is always the same (beside.txt), again and again, so that the state that each
// command leaves is known beforehand; a server that comes back must have one of these.
// It deletes no entry of a stream that is pending: of those, what a rewritten log says
// (XCLAIM) gives up when it is loaded (redis 7.0.15 aof.c rewriteStreamObject, t_stream.c
// xclaimCommand), so that the pending list was never there as it comes back.

//go:embed beside.txt
var besideText string

// BesideDatabase is where that client's keys are.
const BesideDatabase = 9

// besidePause is the least between two steps, where the other clients pause as well; in a
// long life it is longer, so that the client comes through all steps four times.
const besidePause = 10 * time.Millisecond

var besideDatabase = itoa(BesideDatabase)

// besideKeys are all that the commands name, in that database.
var besideKeys = strings.Fields("string number expires a b c d e bits merged hll other list sorted count hash large set numbers zset same geo stream restored" + " " + BesideLibraries)

// BesideLibraries is no key: under this name BesideState asks for the names of the
// libraries of functions.
const BesideLibraries = "libraries"

// besideStep is what is sent at once, a command or a transaction, and the state that it leaves.
type besideStep struct {
	state    string
	text     string
	commands [][]string
}

var besideSteps = func() (steps []besideStep) {
	for line := range strings.Lines(besideText) {
		state, text, _ := strings.Cut(strings.TrimSpace(line), "\t")
		step := besideStep{state: state, text: text}
		for command := range strings.SplitSeq(text, "; ") {
			words := strings.Fields(command)
			for i, w := range words {
				if w[0] == '"' { // no quoted word has a blank
					words[i], _ = strconv.Unquote(w)
				}
			}
			step.commands = append(step.commands, words)
		}
		steps = append(steps, step)
	}
	return steps
}()

// BesideStates are those that the client leaves, the empty one among them.
func BesideStates() (states []string) {
	for _, s := range besideSteps {
		states = append(states, s.state)
	}
	return states
}

// BesideLeft reports whether a state was left by what the client had sent by an instant;
// the empty one always was.
func BesideLeft(sent []history.Beside, by time.Duration, state string) bool {
	if state == besideSteps[len(besideSteps)-1].state {
		return true
	}
	for i := range sent {
		if sent[i].At <= by && besideSteps[sent[i].Step%len(besideSteps)].state == state {
			return true
		}
	}
	return false
}

// beside is that client in a run.
type beside struct {
	conn  Conn
	next  int // step
	sent  int // steps, in all lives
	ahead int // steps that it sends at once in the beginning
	err   error
}

// BesideFrom lets the client begin at a step that a seed draws, up to which it sends all
// at once: a run has time for some of the steps only, and every one is to be met.
func (r *Run) BesideFrom(seed uint64) { r.beside.ahead = int(seed % uint64(len(besideSteps))) }

// Beside is the task of the client beside the workload's, which goes on in each life of
// the server from the state that it was found in.
func (r *Run) Beside() {
	b := &r.beside
	if b.err = b.conn.Dial(r.env, r.addr); b.err != nil {
		return
	}
	defer b.conn.Close()
	_, b.err = b.conn.Do(r.spec.Timeout, "SELECT", besideDatabase)
	for b.err == nil && !r.over() {
		n := 1
		if b.sent == 0 {
			n = max(n, b.ahead)
		}
		if b.err = r.besideSteps(n); b.err == nil && r.spec.Rate > 0 {
			r.pause.WaitFor(max(besidePause, r.span/time.Duration(4*len(besideSteps))))
		}
	}
}

// besideSteps sends the next n steps at once.
func (r *Run) besideSteps(n int) error {
	b, first := &r.beside, r.beside.next
	b.conn.Deadline(r.spec.Timeout)
	at, place := r.env.Now(), 0
	for i := range n {
		step := &besideSteps[(first+i)%len(besideSteps)]
		place = r.rec.BesideSent(history.Beside{At: at, Step: first + i, Text: step.text})
		b.conn.ask(step)
	}
	b.sent += n
	if err := b.conn.Flush(); err != nil {
		return err
	}
	for i := range n {
		refused, err := b.conn.answers(&besideSteps[(first+i)%len(besideSteps)])
		if err != nil {
			return err
		}
		r.rec.BesideAnswered(place-n+1+i, r.env.Now(), refused)
		b.next++
	}
	return nil
}

// ask puts a step's commands into the send buffer.
func (c *Conn) ask(s *besideStep) {
	for _, words := range s.commands {
		c.words(words...)
	}
}

// answers reads what a step's commands are answered. An error reply is an answer; refused:
// one says that the server takes no writes for now.
func (c *Conn) answers(s *besideStep) (refused bool, err error) {
	for range s.commands {
		reply, err := c.Reply()
		if err != nil {
			return refused, err
		}
		refused = refused || reply.Type == redcon.Error && history.RefusesForNow(reply.String())
	}
	return refused, nil
}

// found says in which state the client's keys have come back; it goes on behind the
// last of its steps that leaves it.
func (b *beside) found(state string) {
	for n := b.sent; n > 0 && n > b.sent-len(besideSteps); n-- {
		if besideSteps[(n-1)%len(besideSteps)].state == state {
			b.next, b.sent = n, n
			return
		}
	}
	b.next, b.sent = 0, 0
}

// besideState reads the state of the client's keys, as one word.
func (r *Run) besideState(c *Conn, timeout time.Duration) (string, error) {
	if _, err := c.Do(timeout, "SELECT", besideDatabase); err != nil {
		return "", err
	}
	state, err := BesideState(func(kv *history.KV) (expires, there bool, err error) {
		if kv.Key == BesideLibraries {
			kv.List, err = c.libraries(timeout)
			return false, len(kv.List) > 0, err
		}
		if err := r.dumpOther(c, timeout, kv); err != nil || kv.Key == expired {
			return false, false, err
		}
		ttl, err := c.Do(timeout, "PTTL", kv.Key)
		return ttl.Int() > 0, true, err
	})
	if err != nil {
		return "", fmt.Errorf("keys of the client beside: %w", err)
	}
	_, err = c.Do(timeout, "SELECT", "0")
	return state, err
}

// libraries are the names of a server's libraries of functions. A server that has none
// answers an error.
func (c *Conn) libraries(timeout time.Duration) (names []string, err error) {
	reply, err := c.Do(timeout, "FUNCTION", "LIST")
	reply.ForEach(func(library redcon.RESP) bool {
		n := 0
		library.ForEach(func(v redcon.RESP) bool {
			if n++; n == 2 { // behind the word library_name
				names = append(names, v.String())
			}
			return n < 2
		})
		return true
	})
	slices.Sort(names)
	return names, err
}

// BesideState is what the keys in BesideDatabase hold, as one word. read fills in a key.
func BesideState(read func(kv *history.KV) (expires, there bool, err error)) (string, error) {
	var text []byte
	for _, key := range besideKeys {
		kv := history.KV{Key: key}
		expires, there, err := read(&kv)
		if err != nil {
			return "", err
		}
		if there {
			text = fmt.Appendf(text, "%s %q %q %q %v %t\n", key, kv.Type, kv.Value, kv.List, kv.Groups, expires)
		}
	}
	return fmt.Sprintf("%x", sha1.Sum(text))[:16], nil
}

// PlayBeside sends the steps one after the other and reads the state that each leaves.
func PlayBeside(c *Conn, timeout time.Duration) (states []string, err error) {
	r := &Run{tokens: new(Tokens)}
	for i := range besideSteps {
		if _, err := c.Do(timeout, "SELECT", besideDatabase); err != nil {
			return nil, err
		}
		c.Deadline(timeout)
		c.ask(&besideSteps[i])
		if err := c.Flush(); err != nil {
			return nil, err
		}
		if _, err := c.answers(&besideSteps[i]); err != nil {
			return nil, err
		}
		state, err := r.besideState(c, timeout)
		if err != nil {
			return nil, err
		}
		states = append(states, state)
	}
	return states, nil
}

// BesideCommands are the names of the commands that the client sends, sorted.
func BesideCommands() (names []string) {
	for _, s := range besideSteps {
		for _, words := range s.commands {
			name := strings.ToLower(words[0])
			if name == "xgroup" || name == "function" {
				name += "|" + strings.ToLower(words[1])
			}
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// BesideWords are the arguments that the log of a server has when the client has sent its
// commands: its own, those that its scripts make, and as what GEOADD is logged.
func BesideWords() map[string]bool {
	words := map[string]bool{"zadd": true, "eval": true, "x": true, "y": true, "v": true}
	for _, s := range besideSteps {
		for _, command := range s.commands {
			for _, w := range command {
				words[w] = true
			}
		}
	}
	return words
}
