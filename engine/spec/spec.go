// Package spec holds what redis-server 7.0.15 says of its commands: arity,
// flags, ACL categories, where the keys are, and the facts of the documentation. The files
// beside it are recorded from redis-server by this package's test, which holds
// them against it.
package spec

import (
	_ "embed"
	"encoding/json"
	"strings"
)

// Command is one command or subcommand, as COMMAND INFO describes it.
type Command struct {
	Name       string     `json:"name"`  // "config|get" for a subcommand
	Arity      int        `json:"arity"` // names included; at least so many when negative
	Flags      []string   `json:"flags,omitempty"`
	First      int        `json:"first,omitempty"`
	Last       int        `json:"last,omitempty"`
	Step       int        `json:"step,omitempty"`
	Categories []string   `json:"categories,omitempty"` // with their @
	Tips       []string   `json:"tips,omitempty"`
	Keys       []KeySpec  `json:"keys,omitempty"`
	Sub        []*Command `json:"sub,omitempty"`
}

// Has reports whether the command has a flag.
func (c *Command) Has(flag string) bool {
	for _, f := range c.Flags {
		if f == flag {
			return true
		}
	}
	return false
}

// KeySpec says where some of a command's keys are and what becomes of them.
type KeySpec struct {
	Notes string   `json:"notes,omitempty"`
	Flags []string `json:"flags"`
	Begin Search   `json:"begin"`
	Find  Search   `json:"find"`
}

// Search is a begin_search or find_keys part.
type Search struct {
	Type string `json:"type"` // index, keyword, range, keynum, unknown
	// Word is the keyword; Numbers are the other values, in the order of Redis's reply.
	Word    string  `json:"word,omitempty"`
	Numbers []Field `json:"numbers,omitempty"`
}

// Field is a named number.
type Field struct {
	Name  string `json:"name"`
	Value int    `json:"value"`
}

// Number is the value of a named number, 0 when there is none.
func (s *Search) Number(name string) int {
	for _, f := range s.Numbers {
		if f.Name == name {
			return f.Value
		}
	}
	return 0
}

// Doc is a command's entry in COMMAND DOCS, without what is prose there (summary,
// complexity, history, what replaces it): that text is Redis's own.
type Doc struct {
	Name            string     `json:"name"`
	Since           string     `json:"since,omitempty"`
	Group           string     `json:"group"`
	DocFlags        []string   `json:"doc_flags,omitempty"`
	DeprecatedSince string     `json:"deprecated_since,omitempty"`
	Arguments       []Argument `json:"arguments,omitempty"`
	Sub             []*Doc     `json:"sub,omitempty"`
}

// Argument is an argument in COMMAND DOCS.
type Argument struct {
	Name            string     `json:"name"`
	Type            string     `json:"type"`
	KeySpec         *int       `json:"key_spec_index,omitempty"`
	Token           *string    `json:"token,omitempty"`
	Since           string     `json:"since,omitempty"`
	DeprecatedSince string     `json:"deprecated_since,omitempty"`
	Flags           []string   `json:"flags,omitempty"`
	Arguments       []Argument `json:"arguments,omitempty"`
}

//go:embed commands.json
var commandsJSON string

//go:embed docs.json
var docsJSON string

var commands = parse[*Command](commandsJSON)

// Commands are all commands, by name. They must not be changed.
func Commands() []*Command { return commands }

// Docs reads the documentation of all commands, by name: when somebody asks for
// it, which is seldom.
func Docs() map[string]*Doc {
	docs := make(map[string]*Doc)
	for _, d := range parse[*Doc](docsJSON) {
		docs[d.Name] = d
		for _, sub := range d.Sub {
			docs[sub.Name] = sub
		}
	}
	return docs
}

// parse reads one JSON value a line. The text is this package's own.
func parse[T any](text string) (out []T) {
	for line := range strings.Lines(text) {
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			panic(err)
		}
		out = append(out, v)
	}
	return out
}
