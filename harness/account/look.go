package account

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tidwall/redcon"
)

// State is what a server holds of the keys of writes.
type State map[place]*held

// place is a key of a database.
type place struct {
	db  int
	key string
}

// held is a key that is there.
type held struct {
	kind   string            // as TYPE says it
	text   string            // of a string
	fields map[string]string // of hashes, sets (""), sorted sets (scores), streams (by ID)
	count  map[string]int    // of lists: how often each element is there
}

// Ask sends commands in one go and hands each reply to its function, in order. What is handed
// over is valid until the function returns.
type Ask func(commands [][]string, each func(i int, r redcon.RESP) error) error

// batch is how many keys are asked for in one go.
const batch = 200

// Look reads from a server the keys that were written. A long key is known only by what stands
// for it, and not read: of what was written there nothing is told.
func Look(ask Ask, writes []*Write) (State, error) {
	keys := map[int]map[string]bool{}
	for _, w := range writes {
		for _, e := range w.effects() {
			if e.what == flushed || e.unit.key == "" || strings.HasPrefix(e.unit.key, cutOff) {
				continue
			}
			if keys[w.DB] == nil {
				keys[w.DB] = map[string]bool{}
			}
			keys[w.DB][e.unit.key] = true
		}
	}
	state := State{}
	for db, of := range keys { // any order: each is by itself
		var list []string
		for key := range of { // any order
			list = append(list, key)
		}
		for len(list) > 0 {
			n := min(batch, len(list))
			if err := state.read(ask, db, list[:n]); err != nil {
				return nil, err
			}
			list = list[n:]
		}
	}
	return state, nil
}

// commandOf reads a key of a type.
var commandOf = map[string]func(key string) []string{
	"string": func(k string) []string { return []string{"GET", k} },
	"hash":   func(k string) []string { return []string{"HGETALL", k} },
	"set":    func(k string) []string { return []string{"SMEMBERS", k} },
	"zset":   func(k string) []string { return []string{"ZRANGE", k, "0", "-1", "WITHSCORES"} },
	"list":   func(k string) []string { return []string{"LRANGE", k, "0", "-1"} },
	"stream": func(k string) []string { return []string{"XRANGE", k, "-", "+"} },
}

func (s State) read(ask Ask, db int, keys []string) error {
	commands := [][]string{{"SELECT", strconv.Itoa(db)}}
	for _, k := range keys {
		commands = append(commands, []string{"TYPE", k})
	}
	types := make([]string, len(keys))
	err := ask(commands, func(i int, r redcon.RESP) error {
		switch {
		case r.Type == redcon.Error:
			return fmt.Errorf("%s: %s", strings.Join(commands[i], " "), r.Data)
		case i > 0:
			types[i-1] = string(r.Data)
		}
		return nil
	})
	if err != nil {
		return err
	}
	commands = commands[:1]
	var of []int
	for i, k := range keys {
		if f := commandOf[types[i]]; f != nil {
			commands, of = append(commands, f(k)), append(of, i)
		} else if types[i] != "none" {
			s[place{db, k}] = &held{kind: types[i]} // of a module
		}
	}
	return ask(commands, func(i int, r redcon.RESP) error {
		if i == 0 || r.Type == redcon.Error { // it has become another type meanwhile
			return nil
		}
		at := of[i-1]
		if h := heldOf(types[at], r); h != nil {
			s[place{db, keys[at]}] = h
		}
		return nil
	})
}

// heldOf is what a reply says of a key; nil: it is not there any more.
func heldOf(kind string, r redcon.RESP) *held {
	h := &held{kind: kind}
	if kind == "string" {
		if r.Data == nil {
			return nil
		}
		h.text = shortened(string(r.Data))
		return h
	}
	var list []string
	h.fields, h.count = map[string]string{}, map[string]int{}
	r.ForEach(func(e redcon.RESP) bool {
		if kind == "stream" {
			h.entry(e)
			return true
		}
		list = append(list, shortened(string(e.Data)))
		return true
	})
	switch kind {
	case "hash":
		for i := 0; i+1 < len(list); i += 2 {
			h.fields[list[i]] = list[i+1]
		}
	case "zset":
		for i := 0; i+1 < len(list); i += 2 {
			score, err := strconv.ParseFloat(list[i+1], 64)
			if err == nil {
				list[i+1] = scoreText(score)
			}
			h.fields[list[i]] = list[i+1]
		}
	case "set":
		for _, m := range list {
			h.fields[m] = ""
		}
	case "list":
		for _, e := range list {
			h.count[e]++
		}
	}
	return h
}

// entry takes one of a stream: its ID, and its fields and values.
func (h *held) entry(e redcon.RESP) {
	id := ""
	e.ForEach(func(part redcon.RESP) bool {
		if id == "" {
			id = string(part.Data)
			return true
		}
		var pairs []string
		part.ForEach(func(w redcon.RESP) bool { pairs = append(pairs, shortened(string(w.Data))); return true })
		h.fields[id] = entry(pairs)
		return true
	})
}
