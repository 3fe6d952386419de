package account

import (
	"slices"
	"strconv"
	"strings"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/engine/spec"
)

// kind is what a command is to an account.
type kind string

const (
	writes kind = "writes" // it may change data
	reads  kind = "reads"
	frames kind = "frames" // it says which commands belong together
)

// known are the commands that redis-server has, by name.
var known = func() map[string]*spec.Command {
	m := map[string]*spec.Command{}
	for _, c := range spec.Commands() {
		m[strings.ToLower(c.Name)] = c
	}
	return m
}()

// scripts may write, and are not flagged so.
var scripts = []string{"eval", "evalsha", "fcall"}

// kindOf says it of a command. One that redis-server does not have may write.
func kindOf(args []string) kind {
	name := strings.ToLower(args[0])
	c := known[name]
	switch {
	case slices.Contains([]string{"multi", "exec", "discard", "watch", "unwatch", "select"}, name):
		return frames
	case c == nil, slices.Contains(scripts, name), c.Has("write"):
		return writes
	}
	return reads
}

// unit is what an effect is on: a key, or a field, member or element of it.
type unit struct{ key, field string }

// what is the way in which a command changes a unit.
type what int

const (
	holds   what = iota // the key is this string
	has                 // the field, member or entry has this value
	pushed              // the list has one more of this element
	added               // so much more
	gone                // the key (field "") or the field is not there
	touched             // something else: not followed
	flushed             // no key is there
)

type effect struct {
	what  what
	unit  unit
	value string
	n     int64
	lives bool // for a time only: it may expire
}

// effects are what an acknowledged command has changed, or one without a known outcome may
// have. Words are shortened already. none: it has changed nothing (SET with NX of a key that
// was there).
func (w *Write) effects() []effect {
	a := w.Args
	name := strings.ToLower(a[0])
	f := forms[name]
	if f != nil && (len(a) > 1 || strings.HasPrefix(name, "flush")) {
		if list, ok := f(w, a[1:]); ok {
			return list
		}
	}
	return w.touches(name)
}

// ok reports whether the reply is known, and is this.
func (w *Write) answered(reply string) bool { return w.Outcome == history.OK && w.Reply == reply }

// forms are the commands that are followed. ok is false when this form of it is not.
var forms = map[string]func(w *Write, a []string) (list []effect, ok bool){
	"set":    set,
	"getset": func(_ *Write, a []string) ([]effect, bool) { return strings2(a), len(a) == 2 },
	"setnx": func(w *Write, a []string) ([]effect, bool) {
		return unless(w.answered("0"), strings2(a)), len(a) == 2 && w.Reply != ""
	},
	"setex":  expiring,
	"psetex": expiring,
	"mset":   func(_ *Write, a []string) ([]effect, bool) { return strings2(a), len(a)%2 == 0 },
	"msetnx": func(w *Write, a []string) ([]effect, bool) {
		return unless(w.answered("0"), strings2(a)), len(a)%2 == 0 && w.Reply != ""
	},
	"hset":  func(_ *Write, a []string) ([]effect, bool) { return fields(a[0], a[1:]), len(a)%2 == 1 },
	"hmset": func(_ *Write, a []string) ([]effect, bool) { return fields(a[0], a[1:]), len(a)%2 == 1 },
	"hsetnx": func(w *Write, a []string) ([]effect, bool) {
		return unless(w.answered("0"), fields(a[0], a[1:])), len(a) == 3 && w.Reply != ""
	},
	"sadd": func(_ *Write, a []string) ([]effect, bool) {
		return each(a, func(m string) effect { return effect{what: has, unit: unit{a[0], m}} })
	},
	"zadd": func(_ *Write, a []string) (list []effect, ok bool) {
		for i := 1; i+1 < len(a); i += 2 {
			score, err := strconv.ParseFloat(a[i], 64)
			if err != nil { // an option
				return nil, false
			}
			list = append(list, effect{what: has, unit: unit{a[0], a[i+1]}, value: scoreText(score)})
		}
		return list, len(a)%2 == 1
	},
	"rpush": push,
	"lpush": push,
	"xadd": func(w *Write, a []string) ([]effect, bool) {
		if len(a) < 4 || len(a)%2 == 1 || strings.EqualFold(a[1], "nomkstream") || strings.EqualFold(a[1], "maxlen") || strings.EqualFold(a[1], "minid") || w.Outcome == history.OK && w.Reply == "" {
			return nil, false
		}
		return []effect{{what: has, unit: unit{a[0], w.Reply}, value: entry(a[2:])}}, w.Outcome == history.OK
	},
	"incr":   func(_ *Write, a []string) ([]effect, bool) { return sum(a[0], "", "1", 1), len(a) == 1 },
	"decr":   func(_ *Write, a []string) ([]effect, bool) { return sum(a[0], "", "1", -1), len(a) == 1 },
	"incrby": func(_ *Write, a []string) ([]effect, bool) { return counted(a, sum(a[0], "", last(a), 1), 2) },
	"decrby": func(_ *Write, a []string) ([]effect, bool) { return counted(a, sum(a[0], "", last(a), -1), 2) },
	"hincrby": func(_ *Write, a []string) ([]effect, bool) {
		return counted(a, sum(a[0], a[min(1, len(a)-1)], last(a), 1), 3)
	},
	"del":    deleted,
	"unlink": deleted,
	"getdel": func(_ *Write, a []string) ([]effect, bool) {
		return []effect{{what: gone, unit: unit{key: a[0]}}}, len(a) == 1
	},
	"hdel":     removed,
	"srem":     removed,
	"zrem":     removed,
	"flushall": func(*Write, []string) ([]effect, bool) { return []effect{{what: flushed}}, true },
	"flushdb":  func(*Write, []string) ([]effect, bool) { return []effect{{what: flushed}}, true },
}

func last(a []string) string { return a[len(a)-1] }

func counted(a []string, list []effect, n int) ([]effect, bool) {
	return list, len(a) == n && len(list) > 0
}

// unless is nothing when a condition that the command has did not hold.
func unless(not bool, list []effect) []effect {
	if not {
		return nil
	}
	return list
}

func set(w *Write, a []string) ([]effect, bool) {
	if len(a) < 2 {
		return nil, false
	}
	e := effect{what: holds, unit: unit{key: a[0]}, value: a[1]}
	conditional := false
	for i := 2; i < len(a); i++ {
		switch strings.ToLower(a[i]) {
		case "nx", "xx":
			conditional = true
		case "ex", "px", "exat", "pxat":
			i++
			e.lives = true
		case "keepttl":
			e.lives = true
		default: // GET: what it answers does not say whether it set
			return nil, false
		}
	}
	if conditional && w.Outcome == history.OK && w.Reply != "OK" {
		return nil, w.Reply == nilReply
	}
	return []effect{e}, true
}

// nilReply stands for a null reply.
const nilReply = "(nil)"

func expiring(_ *Write, a []string) ([]effect, bool) {
	if len(a) != 3 {
		return nil, false
	}
	return []effect{{what: holds, unit: unit{key: a[0]}, value: a[2], lives: true}}, true
}

func strings2(a []string) (list []effect) {
	for i := 0; i+1 < len(a); i += 2 {
		list = append(list, effect{what: holds, unit: unit{key: a[i]}, value: a[i+1]})
	}
	return list
}

func fields(key string, a []string) (list []effect) {
	for i := 0; i+1 < len(a); i += 2 {
		list = append(list, effect{what: has, unit: unit{key, a[i]}, value: a[i+1]})
	}
	return list
}

func each(a []string, of func(word string) effect) (list []effect, ok bool) {
	for _, word := range a[1:] {
		list = append(list, of(word))
	}
	return list, len(list) > 0
}

func push(_ *Write, a []string) ([]effect, bool) {
	return each(a, func(e string) effect { return effect{what: pushed, unit: unit{a[0], e}} })
}

// removed are fields and members; those that were not there are gone as well.
func removed(_ *Write, a []string) ([]effect, bool) {
	return each(a, func(f string) effect { return effect{what: gone, unit: unit{a[0], f}} })
}

func deleted(_ *Write, a []string) (list []effect, ok bool) {
	for _, key := range a {
		list = append(list, effect{what: gone, unit: unit{key: key}})
	}
	return list, true
}

func sum(key, field, n string, sign int64) []effect {
	by, err := strconv.ParseInt(n, 10, 64)
	if err != nil || by < -1<<62 || by > 1<<62 {
		return nil
	}
	return []effect{{what: added, unit: unit{key, field}, n: sign * by}}
}

// entry is what a stream's entry holds, as one word.
func entry(pairs []string) string { return shortened(strings.Join(pairs, "\x00")) }

// scoreText is a score as it is compared.
func scoreText(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// numkeysAt is where commands say how many keys follow.
var numkeysAt = map[string]int{"eval": 2, "evalsha": 2, "fcall": 2, "lmpop": 1, "zmpop": 1, "blmpop": 2, "bzmpop": 2}

// touches are the keys that a command changes in a way that is not followed: all there are
// where that cannot be told.
func (w *Write) touches(name string) (list []effect) {
	a := w.Args
	touch := func(key string) { list = append(list, effect{what: touched, unit: unit{key: key}}) }
	if at, ok := numkeysAt[name]; ok && at < len(a) {
		n, err := strconv.Atoi(a[at])
		if err == nil && n >= 0 && n < len(a)-at {
			for _, key := range a[at+1:][:n] {
				touch(key)
			}
			if n > 0 || !slices.Contains(scripts, name) {
				return list
			}
		}
		return []effect{{what: touched}}
	}
	c := known[name]
	if c == nil || c.First == 0 || c.First >= len(a) {
		return []effect{{what: touched}}
	}
	end := c.Last
	if end < 0 {
		end += len(a)
	}
	for i := c.First; i <= min(end, len(a)-1); i += max(1, c.Step) {
		touch(a[i])
	}
	return list
}

// Followed reports whether an account follows what a command does; nil effects are followed.
func (w *Write) followed() bool {
	return !slices.ContainsFunc(w.effects(), func(e effect) bool { return e.what == touched })
}
