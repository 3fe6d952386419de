package engine

import (
	"slices"
	"strings"

	"github.com/torntail/torntail/engine/glob"
	"github.com/torntail/torntail/engine/spec"
)

// commandCommands are COMMAND and its subcommands.
var commandCommands = []entry{
	{name: "command", run: cmdCommand, flags: sentinels},
	{name: "command|count", run: func(s *Server, c *Session, _ [][]byte) { c.int(int64(len(s.commands()))) }},
	{name: "command|docs", run: commandDocs},
	{name: "command|getkeys", run: func(s *Server, c *Session, argv [][]byte) { s.commandGetKeys(c, argv, false) }},
	{name: "command|getkeysandflags", run: func(s *Server, c *Session, argv [][]byte) { s.commandGetKeys(c, argv, true) }},
	{name: "command|list", run: commandListCmd},
	{name: "command|info", run: commandInfo},
	{name: "command|help", run: help("COMMAND",
		"(no subcommand)", "    Return details about all Redis commands.",
		"COUNT", "    Return the total number of commands in this Redis server.",
		"LIST", "    Return a list of all commands in this Redis server.",
		"INFO [<command-name> ...]", "    Return details about multiple Redis commands.", "    If no command names are given, documentation details for all", "    commands are returned.",
		"DOCS [<command-name> ...]", "    Return documentation details about multiple Redis commands.", "    If no command names are given, documentation details for all", "    commands are returned.",
		"GETKEYS <full-command>", "    Return the keys from a full Redis command.",
		"GETKEYSANDFLAGS <full-command>", "    Return the keys and the access flags from a full Redis command.")},
}

func cmdCommand(s *Server, c *Session, _ [][]byte) {
	list := s.commands()
	c.array(len(list))
	for _, cmd := range list {
		c.commandInfo(cmd)
	}
}

func commandInfo(s *Server, c *Session, argv [][]byte) {
	if len(argv) == 2 {
		cmdCommand(s, c, argv)
		return
	}
	c.array(len(argv) - 2)
	for _, name := range argv[2:] {
		if cmd := s.commandByName(name); cmd != nil {
			c.commandInfo(cmd)
		} else {
			c.null()
		}
	}
}

// commandByName finds what "get" or "config|get" names; nil when there is no such command.
func (s *Server) commandByName(name []byte) *command {
	top, sub, isSub := strings.Cut(string(name), "|")
	cmd := s.findCommand([]byte(top))
	if cmd == nil || !s.has(cmd) {
		return nil
	}
	if isSub {
		return cmd.findSub([]byte(sub))
	}
	return cmd
}

// commandInfo is one command's entry in COMMAND's reply.
func (c *Session) commandInfo(cmd *command) {
	sp := cmd.spec
	c.array(10)
	c.bulkText(cmd.fullName)
	c.int(int64(sp.Arity))
	c.statuses(sp.Flags)
	c.int(int64(sp.First))
	c.int(int64(sp.Last))
	c.int(int64(sp.Step))
	c.statuses(sp.Categories)
	c.set(len(sp.Tips))
	for _, t := range sp.Tips {
		c.bulkText(t)
	}
	c.set(len(sp.Keys))
	for i := range sp.Keys {
		c.keySpec(&sp.Keys[i])
	}
	if len(cmd.sub) == 0 {
		c.set(0)
		return
	}
	c.array(len(cmd.sub)) // an array, where there are any (redis 7.0.15 server.c addReplyCommandSubCommands)
	for _, sub := range cmd.sub {
		c.commandInfo(sub)
	}
}

// statuses is a set of words.
func (c *Session) statuses(words []string) {
	c.set(len(words))
	for _, w := range words {
		c.status(w)
	}
}

func (c *Session) keySpec(k *spec.KeySpec) {
	if k.Notes != "" {
		c.mapOf(4)
		c.bulkText("notes")
		c.bulkText(k.Notes)
	} else {
		c.mapOf(3)
	}
	c.bulkText("flags")
	c.statuses(k.Flags)
	c.bulkText("begin_search")
	c.search(&k.Begin)
	c.bulkText("find_keys")
	c.search(&k.Find)
}

func (c *Session) search(s *spec.Search) {
	c.mapOf(2)
	c.bulkText("type")
	c.bulkText(s.Type)
	c.bulkText("spec")
	if s.Type == "keyword" {
		c.mapOf(1 + len(s.Numbers))
		c.bulkText("keyword")
		c.bulkText(s.Word)
	} else {
		c.mapOf(len(s.Numbers))
	}
	for _, f := range s.Numbers {
		c.bulkText(f.Name)
		c.int(int64(f.Value))
	}
}

// commandListCmd follows redis 7.0.15 server.c commandListCommand.
func commandListCmd(s *Server, c *Session, argv [][]byte) {
	wanted := func(*command) bool { return true }
	switch {
	case len(argv) == 2:
	case len(argv) == 5 && same(argv[2], "filterby"):
		switch {
		case same(argv[3], "module"):
			wanted = func(*command) bool { return false }
		case same(argv[3], "aclcat"):
			wanted = func(cmd *command) bool { return slices.Contains(cmd.spec.Categories, "@"+lower(argv[4])) }
		case same(argv[3], "pattern"):
			wanted = func(cmd *command) bool { return glob.Match(argv[4], cmd.fullName, true) }
		default:
			c.error(errSyntax)
			return
		}
	default:
		c.error(errSyntax)
		return
	}
	var names []string
	for _, cmd := range s.commands() {
		if wanted(cmd) {
			names = append(names, cmd.fullName)
		}
		for _, sub := range cmd.sub {
			if wanted(sub) {
				names = append(names, sub.fullName)
			}
		}
	}
	c.array(len(names))
	for _, n := range names {
		c.bulkText(n)
	}
}

func commandDocs(s *Server, c *Session, argv [][]byte) {
	var list []*command
	if len(argv) == 2 {
		list = s.commands()
	}
	for _, name := range argv[2:] {
		if cmd := s.commandByName(name); cmd != nil {
			list = append(list, cmd)
		}
	}
	docs := spec.Docs()
	list = slices.DeleteFunc(list, func(cmd *command) bool { return docs[cmd.fullName] == nil })
	c.mapOf(len(list))
	for _, cmd := range list {
		c.bulkText(cmd.fullName)
		c.doc(cmd, docs)
	}
}

// pairs collects the fields of a map whose size is known when all are there.
type pairs []struct {
	name  string
	reply func()
}

func (p *pairs) add(name string, reply func()) {
	*p = append(*p, struct {
		name  string
		reply func()
	}{name, reply})
}

// text adds a field unless it is empty.
func (p *pairs) text(c *Session, name, value string) {
	if value != "" {
		p.add(name, func() { c.bulkText(value) })
	}
}

func (p pairs) reply(c *Session) {
	c.mapOf(len(p))
	for _, f := range p {
		c.bulkText(f.name)
		f.reply()
	}
}

// doc is one command's entry in COMMAND DOCS (redis 7.0.15 server.c
// addReplyCommandDocs).
func (c *Session) doc(cmd *command, docs map[string]*spec.Doc) {
	d := docs[cmd.fullName]
	var p pairs
	p.text(c, "since", d.Since)
	p.text(c, "group", d.Group)
	if len(d.DocFlags) > 0 {
		p.add("doc_flags", func() { c.statuses(d.DocFlags) })
	}
	p.text(c, "deprecated_since", d.DeprecatedSince)
	if len(d.Arguments) > 0 {
		p.add("arguments", func() { c.docArguments(d.Arguments) })
	}
	if len(cmd.sub) > 0 {
		p.add("subcommands", func() {
			c.mapOf(len(cmd.sub))
			for _, sub := range cmd.sub {
				c.bulkText(sub.fullName)
				c.doc(sub, docs)
			}
		})
	}
	p.reply(c)
}

func (c *Session) docArguments(args []spec.Argument) {
	c.array(len(args))
	for _, a := range args {
		var p pairs
		p.text(c, "name", a.Name)
		p.text(c, "type", a.Type)
		if a.KeySpec != nil {
			p.add("key_spec_index", func() { c.int(int64(*a.KeySpec)) })
		}
		if a.Token != nil {
			p.add("token", func() { c.bulkText(*a.Token) })
		}
		p.text(c, "since", a.Since)
		p.text(c, "deprecated_since", a.DeprecatedSince)
		if len(a.Flags) > 0 {
			p.add("flags", func() { c.statuses(a.Flags) })
		}
		if len(a.Arguments) > 0 {
			p.add("arguments", func() { c.docArguments(a.Arguments) })
		}
		p.reply(c)
	}
}
