// Package acl holds users and what each may do, by the rules of redis-server 7.0.15
// (acl.c): commands, categories, keys, channels, passwords, and the file of users.
// Commands are those of package spec, all of redis-server's, whether the engine has
// them or not: a file of users written for redis-server is one here too.
package acl

import (
	"strings"

	"github.com/torntail/torntail/engine/spec"
)

// Categories are in the order of redis 7.0.15 acl.c ACLCommandCategories.
var Categories = []string{"keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo", "stream",
	"pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction", "scripting"}

// command is one that users may be allowed: a subcommand is one of its own.
type command struct {
	id         int // the place in its table
	name       string
	categories uint32 // a bit each, in the order of Categories
	parent     *command
	subs       []*command
	channels   channelKind
}

// channelKind is what becomes of the channels that are a command's arguments.
type channelKind uint8

const (
	noChannels   channelKind = iota
	allChannels              // all arguments are channels
	allPatterns              // all are patterns
	firstChannel             // the first is one
)

// channelCommands are redis 7.0.15 db.c commands_with_channels that are checked: who
// unsubscribes may name any.
var channelCommands = map[string]channelKind{
	"subscribe": allChannels, "ssubscribe": allChannels, "psubscribe": allPatterns, "publish": firstChannel, "spublish": firstChannel,
}

// mostCommands bounds the table; the last of them stands for those that are to come.
const mostCommands = 1024

var (
	table  []*command // by name, a container before what it contains
	byName map[string]*command
)

func init() {
	byName = make(map[string]*command)
	for _, c := range spec.Commands() {
		top := addCommand(c, nil)
		for _, sub := range c.Sub {
			top.subs = append(top.subs, addCommand(sub, top))
		}
	}
}

func addCommand(c *spec.Command, parent *command) *command {
	cmd := &command{id: len(table), name: c.Name, parent: parent, channels: channelCommands[c.Name]}
	for i, category := range Categories {
		for _, of := range c.Categories {
			if of == "@"+category {
				cmd.categories |= 1 << i
			}
		}
	}
	table = append(table, cmd)
	byName[cmd.name] = cmd
	return cmd
}

// ID is a command's number, by which Check knows it; -1 for one that redis-server has not.
func ID(name string) int {
	if cmd := byName[name]; cmd != nil {
		return cmd.id
	}
	return -1
}

// find looks up "name" or "name|subcommand" in any case; nil: there is none.
func find(name string) *command { return byName[strings.ToLower(name)] }

// category is the bit of one, in any case; 0: there is none.
func category(name string) uint32 {
	for i, c := range Categories {
		if strings.EqualFold(c, name) {
			return 1 << i
		}
	}
	return 0
}

// In are the names of a category's commands; ok is false when there is no such category.
func In(name string) (names []string, ok bool) {
	bit := category(name)
	for _, cmd := range table {
		if cmd.categories&bit != 0 {
			names = append(names, cmd.name)
		}
	}
	return names, bit != 0
}
