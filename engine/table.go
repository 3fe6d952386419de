package engine

import "strings"

// flags say what processCommand must know about a command.
type flags uint16

const (
	write         flags = 1 << iota // refused while the disk is in error
	readonly                        // only for COMMAND's sake
	noAuth                          // allowed before AUTH
	noMulti                         // not inside MULTI
	control                         // executed, not queued, inside MULTI
	protected                       // needs enable-debug-command
	ping                            // refused like a write, so that health checks notice
	admin                           // only for COMMAND's sake
	pubsubOK                        // allowed while subscribed (RESP2)
	fast                            // only for COMMAND's sake
	sentinels                       // a Sentinel has it too
	onlySentinels                   // nobody else has it
)

// command is one command or subcommand.
type command struct {
	name     string
	fullName string // "config|get" for a subcommand
	// arity counts the name (both names of a subcommand): exact, or at least
	// -arity when negative.
	arity int
	flags flags
	// first, last and step say where the keys are, as in COMMAND's reply.
	first, last, step int
	run               func(s *Server, c *Session, argv [][]byte)
	sub               []*command
}

func (cmd *command) arityOK(n int) bool {
	if cmd.arity >= 0 {
		return n == cmd.arity
	}
	return n >= -cmd.arity
}

func (cmd *command) findSub(name []byte) *command {
	for _, sub := range cmd.sub {
		if same(name, sub.name) {
			return sub
		}
	}
	return nil
}

var (
	commands    map[string]*command
	commandList []*command
	execCmd     *command
)

// longestName is the longest command name there is.
var longestName int

// findCommand looks a command up by name, in any case, without allocating.
func findCommand(name []byte) *command {
	var buf [24]byte
	if len(name) > longestName || len(name) > len(buf) {
		return nil
	}
	for i, ch := range name {
		if ch >= 'A' && ch <= 'Z' {
			ch += 'a' - 'A'
		}
		buf[i] = ch
	}
	return commands[string(buf[:len(name)])]
}

func init() {
	commandList = []*command{
		// Strings.
		{name: "get", arity: 2, flags: readonly | fast, first: 1, last: 1, step: 1, run: cmdGet},
		{name: "set", arity: -3, flags: write, first: 1, last: 1, step: 1, run: cmdSet},
		{name: "setnx", arity: 3, flags: write | fast, first: 1, last: 1, step: 1, run: cmdSetnx},
		{name: "setex", arity: 4, flags: write, first: 1, last: 1, step: 1, run: cmdSetex},
		{name: "psetex", arity: 4, flags: write, first: 1, last: 1, step: 1, run: cmdPsetex},
		{name: "getset", arity: 3, flags: write | fast, first: 1, last: 1, step: 1, run: cmdGetset},
		{name: "getdel", arity: 2, flags: write | fast, first: 1, last: 1, step: 1, run: cmdGetdel},
		{name: "getex", arity: -2, flags: write | fast, first: 1, last: 1, step: 1, run: cmdGetex},
		{name: "getrange", arity: 4, flags: readonly, first: 1, last: 1, step: 1, run: cmdGetrange},
		{name: "substr", arity: 4, flags: readonly, first: 1, last: 1, step: 1, run: cmdGetrange},
		{name: "setrange", arity: 4, flags: write, first: 1, last: 1, step: 1, run: cmdSetrange},
		{name: "mget", arity: -2, flags: readonly | fast, first: 1, last: -1, step: 1, run: cmdMget},
		{name: "mset", arity: -3, flags: write, first: 1, last: -1, step: 2, run: cmdMset},
		{name: "msetnx", arity: -3, flags: write, first: 1, last: -1, step: 2, run: cmdMsetnx},
		{name: "strlen", arity: 2, flags: readonly | fast, first: 1, last: 1, step: 1, run: cmdStrlen},
		{name: "append", arity: 3, flags: write | fast, first: 1, last: 1, step: 1, run: cmdAppend},
		{name: "incr", arity: 2, flags: write | fast, first: 1, last: 1, step: 1, run: cmdIncr},
		{name: "decr", arity: 2, flags: write | fast, first: 1, last: 1, step: 1, run: cmdDecr},
		{name: "incrby", arity: 3, flags: write | fast, first: 1, last: 1, step: 1, run: cmdIncrby},
		{name: "decrby", arity: 3, flags: write | fast, first: 1, last: 1, step: 1, run: cmdDecrby},
		{name: "incrbyfloat", arity: 3, flags: write | fast, first: 1, last: 1, step: 1, run: cmdIncrbyfloat},
		// Lists.
		{name: "rpush", arity: -3, flags: write | fast, first: 1, last: 1, step: 1, run: cmdRpush},
		{name: "lpush", arity: -3, flags: write | fast, first: 1, last: 1, step: 1, run: cmdLpush},
		{name: "rpushx", arity: -3, flags: write | fast, first: 1, last: 1, step: 1, run: cmdRpushx},
		{name: "lpushx", arity: -3, flags: write | fast, first: 1, last: 1, step: 1, run: cmdLpushx},
		{name: "lpop", arity: -2, flags: write | fast, first: 1, last: 1, step: 1, run: cmdLpop},
		{name: "rpop", arity: -2, flags: write | fast, first: 1, last: 1, step: 1, run: cmdRpop},
		{name: "llen", arity: 2, flags: readonly | fast, first: 1, last: 1, step: 1, run: cmdLlen},
		{name: "lindex", arity: 3, flags: readonly, first: 1, last: 1, step: 1, run: cmdLindex},
		{name: "lrange", arity: 4, flags: readonly, first: 1, last: 1, step: 1, run: cmdLrange},
		{name: "lset", arity: 4, flags: write, first: 1, last: 1, step: 1, run: cmdLset},
		{name: "ltrim", arity: 4, flags: write, first: 1, last: 1, step: 1, run: cmdLtrim},
		{name: "lrem", arity: 4, flags: write, first: 1, last: 1, step: 1, run: cmdLrem},
		// Keys.
		{name: "del", arity: -2, flags: write, first: 1, last: -1, step: 1, run: cmdDel},
		{name: "unlink", arity: -2, flags: write | fast, first: 1, last: -1, step: 1, run: cmdDel},
		{name: "exists", arity: -2, flags: readonly | fast, first: 1, last: -1, step: 1, run: cmdExists},
		{name: "touch", arity: -2, flags: readonly | fast, first: 1, last: -1, step: 1, run: cmdExists},
		{name: "type", arity: 2, flags: readonly | fast, first: 1, last: 1, step: 1, run: cmdType},
		{name: "rename", arity: 3, flags: write, first: 1, last: 2, step: 1, run: cmdRename},
		{name: "renamenx", arity: 3, flags: write | fast, first: 1, last: 2, step: 1, run: cmdRenamenx},
		{name: "expire", arity: -3, flags: write | fast, first: 1, last: 1, step: 1, run: cmdExpire},
		{name: "pexpire", arity: -3, flags: write | fast, first: 1, last: 1, step: 1, run: cmdPexpire},
		{name: "expireat", arity: -3, flags: write | fast, first: 1, last: 1, step: 1, run: cmdExpireat},
		{name: "pexpireat", arity: -3, flags: write | fast, first: 1, last: 1, step: 1, run: cmdPexpireat},
		{name: "ttl", arity: 2, flags: readonly | fast, first: 1, last: 1, step: 1, run: cmdTTL},
		{name: "pttl", arity: 2, flags: readonly | fast, first: 1, last: 1, step: 1, run: cmdPTTL},
		{name: "expiretime", arity: 2, flags: readonly | fast, first: 1, last: 1, step: 1, run: cmdExpiretime},
		{name: "pexpiretime", arity: 2, flags: readonly | fast, first: 1, last: 1, step: 1, run: cmdPexpiretime},
		{name: "persist", arity: 2, flags: write | fast, first: 1, last: 1, step: 1, run: cmdPersist},
		{name: "dbsize", arity: 1, flags: readonly | fast, run: cmdDbsize},
		{name: "keys", arity: 2, flags: readonly, run: cmdKeys},
		{name: "scan", arity: -2, flags: readonly, run: cmdScan},
		{name: "randomkey", arity: 1, flags: readonly, run: cmdRandomkey},
		{name: "flushdb", arity: -1, flags: write, run: cmdFlushdb},
		{name: "flushall", arity: -1, flags: write, run: cmdFlushall},
		{name: "select", arity: 2, flags: fast, run: cmdSelect},
		{name: "object", arity: -2, sub: []*command{
			{name: "encoding", arity: 3, flags: readonly, first: 2, last: 2, step: 1, run: cmdObject},
			{name: "help", arity: 2, run: help("OBJECT", "ENCODING <key>", "    Return the kind of internal representation used in order to store the value", "    associated with a <key>.")},
		}},
		// Transactions.
		{name: "multi", arity: 1, flags: control | fast, run: cmdMulti},
		{name: "exec", arity: 1, flags: control, run: cmdExec},
		{name: "discard", arity: 1, flags: control | fast, run: cmdDiscard},
		{name: "watch", arity: -2, flags: control | fast, first: 1, last: -1, step: 1, run: cmdWatch},
		{name: "unwatch", arity: 1, flags: fast, run: cmdUnwatch},
		// Connection.
		{name: "ping", arity: -1, flags: sentinels | ping | fast | pubsubOK, run: cmdPing},
		{name: "echo", arity: 2, flags: fast, run: cmdEcho},
		{name: "auth", arity: -2, flags: sentinels | noAuth | fast, run: cmdAuth},
		{name: "hello", arity: -1, flags: sentinels | noAuth | fast, run: cmdHello},
		{name: "quit", arity: -1, flags: sentinels | noAuth | control | fast | pubsubOK, run: cmdQuit},
		{name: "reset", arity: 1, flags: noAuth | control | fast | pubsubOK, run: cmdReset},
		{name: "client", arity: -2, flags: sentinels, sub: clientCommands},
		// Publish and subscribe.
		{name: "subscribe", arity: -2, flags: sentinels | pubsubOK, run: cmdSubscribe},
		{name: "psubscribe", arity: -2, flags: sentinels | pubsubOK, run: cmdPsubscribe},
		{name: "unsubscribe", arity: -1, flags: sentinels | pubsubOK, run: cmdUnsubscribe},
		{name: "punsubscribe", arity: -1, flags: sentinels | pubsubOK, run: cmdPunsubscribe},
		{name: "publish", arity: 3, flags: sentinels | fast, run: cmdPublish},
		{name: "pubsub", arity: -2, sub: pubsubCommands},
		// Server.
		{name: "config", arity: -2, sub: configCommands},
		{name: "command", arity: -1, flags: sentinels, run: cmdCommand, sub: commandCommands},
		{name: "sentinel", arity: -2, flags: admin | sentinels | onlySentinels, sub: sentinelCommands()},
		{name: "info", arity: -1, flags: sentinels, run: cmdInfo},
		{name: "time", arity: 1, flags: fast, run: cmdTime},
		{name: "role", arity: 1, flags: sentinels | fast, run: cmdRole},
		{name: "wait", arity: 3, run: cmdWait},
		{name: "replicaof", arity: 3, flags: admin, run: cmdReplicaof},
		{name: "slaveof", arity: 3, flags: admin, run: cmdReplicaof},
		{name: "failover", arity: -1, flags: admin, run: cmdFailover},
		{name: "psync", arity: -3, flags: admin | noMulti, run: cmdPsync},
		{name: "sync", arity: 1, flags: admin | noMulti, run: cmdSync},
		{name: "replconf", arity: -1, flags: admin, run: cmdReplconf},
		{name: "save", arity: 1, flags: admin | noMulti, run: cmdSave},
		{name: "bgsave", arity: -1, flags: admin, run: cmdBgsave},
		{name: "bgrewriteaof", arity: 1, flags: admin, run: cmdBgrewriteaof},
		{name: "lastsave", arity: 1, flags: fast, run: cmdLastsave},
		{name: "shutdown", arity: -1, flags: sentinels | admin | noMulti, run: cmdShutdown},
		{name: "debug", arity: -2, flags: admin | protected, run: cmdDebug},
	}
	commands = make(map[string]*command, len(commandList))
	for _, cmd := range commandList {
		cmd.fullName = cmd.name
		for _, sub := range cmd.sub {
			sub.fullName = cmd.name + "|" + sub.name
		}
		commands[cmd.name] = cmd
		longestName = max(longestName, len(cmd.name))
	}
	execCmd = commands["exec"]
}

// help makes a HELP subcommand; the lines are what the command's own part says.
func help(name string, lines ...string) func(*Server, *Session, [][]byte) {
	return func(_ *Server, c *Session, _ [][]byte) {
		all := append([]string{name + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"}, lines...)
		all = append(all, "HELP", "    Print this help.")
		c.array(len(all))
		for _, l := range all {
			c.status(l)
		}
	}
}

// commandCommands are COMMAND's subcommands; redis-cli asks DOCS when it
// starts and does without an answer's content.
var commandCommands = []*command{
	{name: "count", arity: 2, run: func(s *Server, c *Session, _ [][]byte) { c.int(int64(len(s.commands()))) }},
	{name: "docs", arity: -2, run: func(_ *Server, c *Session, _ [][]byte) { c.mapOf(0) }},
	{name: "list", arity: -2, run: func(s *Server, c *Session, _ [][]byte) {
		list := s.commands()
		c.array(len(list))
		for _, cmd := range list {
			c.bulkText(cmd.name)
		}
	}},
	{name: "info", arity: -2, run: func(s *Server, c *Session, argv [][]byte) {
		if len(argv) == 2 {
			cmdCommand(s, c, argv)
			return
		}
		c.array(len(argv) - 2)
		for _, name := range argv[2:] {
			if cmd := findCommand(name); cmd != nil && s.has(cmd) {
				c.commandInfo(cmd)
			} else {
				c.null()
			}
		}
	}},
}

func cmdCommand(s *Server, c *Session, _ [][]byte) {
	list := s.commands()
	c.array(len(list))
	for _, cmd := range list {
		c.commandInfo(cmd)
	}
}

// commands are those this server has.
func (s *Server) commands() (list []*command) {
	for _, cmd := range commandList {
		if s.has(cmd) {
			list = append(list, cmd)
		}
	}
	return list
}

// commandInfo is one command's entry in COMMAND's reply.
func (c *Session) commandInfo(cmd *command) {
	c.array(10)
	c.bulkText(cmd.name)
	c.int(int64(cmd.arity))
	var words []string
	for _, f := range []struct {
		flag flags
		word string
	}{{write, "write"}, {readonly, "readonly"}, {admin, "admin"}, {fast, "fast"}, {noAuth, "no_auth"}, {noMulti, "no_multi"}} {
		if cmd.flags&f.flag != 0 {
			words = append(words, f.word)
		}
	}
	c.array(len(words))
	for _, w := range words {
		c.status(w)
	}
	c.int(int64(cmd.first))
	c.int(int64(cmd.last))
	c.int(int64(cmd.step))
	for range 4 { // ACL categories, tips, key specifications, subcommands
		c.array(0)
	}
}

// lower is a name for messages.
func lower(b []byte) string { return strings.ToLower(string(b)) }
