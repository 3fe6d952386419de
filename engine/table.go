package engine

import (
	"strings"

	"github.com/torntail/torntail/engine/acl"
	"github.com/torntail/torntail/engine/spec"
)

// flags say what processCommand must know about a command. Those of the first
// group are Redis's own, from package spec; those of the second are given with
// the command.
type flags uint32

const (
	write      flags = 1 << iota // refused while the disk is in error
	noAuth                       // allowed before AUTH
	noMulti                      // not inside MULTI
	loadingToo                   // also while data are loaded
	mayBlock                     // inside MULTI it does not
	denyOOM                      // refused when maxmemory is passed
	staleToo                     // also on a replica whose data are old
	noScript                     // not from scripts
	busyToo                      // also while a script takes too long
	replicates                   // may be sent to replicas though it writes nothing

	control       // executed, not queued, inside MULTI
	leavesMulti   // ends MULTI without executing anything
	protected     // needs enable-debug-command
	ping          // refused like a write, so that health checks notice
	pubsubOK      // allowed while subscribed (RESP2)
	sentinels     // a Sentinel has it too
	onlySentinels // nobody else has it
)

// specFlags are Redis's words for flags.
var specFlags = map[string]flags{"write": write, "no_auth": noAuth, "no_multi": noMulti, "blocking": mayBlock, "loading": loadingToo, "denyoom": denyOOM, "stale": staleToo, "noscript": noScript, "allow_busy": busyToo}

// handler executes a command. It answers with the session's reply methods, and
// says with propagate what is logged.
type handler func(s *Server, c *Session, argv [][]byte)

// entry gives a command its code. What is known of it otherwise is in package
// spec.
type entry struct {
	name  string // "config|get" for a subcommand
	run   handler
	flags flags
	arity int // only for what spec does not know
}

// command is one command or subcommand.
type command struct {
	name     string
	fullName string // "config|get" for a subcommand
	// arity counts the name (both names of a subcommand): exact, or at least
	// -arity when negative.
	arity int
	flags flags
	run   handler
	sub   []*command
	spec  *spec.Command
	acl   int // see acl.ID
	id    int // from 0, of subcommands too
	// arbitraryKeys: the keys it deletes because they have expired are no
	// transaction (CMD_TOUCHES_ARBITRARY_KEYS).
	arbitraryKeys bool
	// callsScript: a script says what it does (redis 7.0.15 get_command_flags).
	callsScript bool
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
	commandList []*command // by name
	// commandCount is how many there are, with subcommands.
	commandCount int
	// commandTable has those that are no subcommands at the hash of their names, or behind it.
	commandTable [1024]*command
	execCmd      *command
)

// longestName is the longest command name there is.
var longestName int

// findCommand looks a command up by name, in any case, without allocating.
func findCommand(name []byte) *command {
	var buf [24]byte
	if len(name) > longestName || len(name) > len(buf) {
		return nil
	}
	hash := uint32(0)
	for i, ch := range name {
		if ch >= 'A' && ch <= 'Z' {
			ch += 'a' - 'A'
		}
		buf[i] = ch
		hash = hash*31 + uint32(ch)
	}
	lower := buf[:len(name)]
	for at := hash % uint32(len(commandTable)); ; at = (at + 1) % uint32(len(commandTable)) {
		if cmd := commandTable[at]; cmd == nil || cmd.name == string(lower) {
			return cmd
		}
	}
}

// enterCommand puts a command into commandTable, which is never full.
func enterCommand(cmd *command) {
	hash := uint32(0)
	for _, ch := range []byte(cmd.name) {
		hash = hash*31 + uint32(ch)
	}
	at := hash % uint32(len(commandTable))
	for commandTable[at] != nil {
		at = (at + 1) % uint32(len(commandTable))
	}
	commandTable[at] = cmd
}

// nameCommands follows rename-command.
func (s *Server) nameCommands() {
	names := s.cfg.Names()
	if names == nil {
		return
	}
	s.names = make(map[string]*command)
	for name, cmd := range names { // any order: a map is filled
		if c := commands[cmd]; c != nil {
			s.names[name] = c
		}
	}
	s.names["sentinel"] = commands["sentinel"]
}

// findCommand looks a command up by the name that clients use, in any case.
func (s *Server) findCommand(name []byte) *command {
	if s.names == nil {
		return findCommand(name)
	}
	return s.names[lower(name)]
}

func init() {
	known := make(map[string]*spec.Command)
	for _, c := range spec.Commands() {
		known[c.Name] = c
		for _, sub := range c.Sub {
			known[sub.Name] = sub
		}
	}
	commands = make(map[string]*command)
	for _, entries := range [][]entry{
		stringCommands, bitmapCommands, hllCommands, listCommands, hashCommands, setCommands, sortedSetCommands, geoCommands, streamCommands,
		keyCommands, objectCommands, movingCommands, dumpCommands, sortingCommands, functionCommands, scriptCommands, memoryCommands, slowlogCommands, latencyCommands, moduleCommands, aclCommands, transactionCommands, connectionCommands, clientCommands, pubsubCommands,
		serverCommands, configCommands, commandCommands, clusterCommands, sentinelCommands(),
	} {
		for _, e := range entries {
			addCommand(e, known)
		}
	}
	for _, c := range spec.Commands() {
		if cmd := commands[c.Name]; cmd != nil {
			commandList = append(commandList, cmd)
		}
	}
	commandList = append(commandList, commands["sentinel"])
	execCmd = commands["exec"]
}

// addCommand puts a command into the table, and the command whose subcommand it is.
func addCommand(e entry, known map[string]*spec.Command) *command {
	cmd := &command{name: e.name, fullName: e.name, arity: e.arity, flags: e.flags, run: e.run, spec: known[e.name], acl: acl.ID(e.name), id: commandCount}
	commandCount++
	if cmd.spec == nil {
		cmd.spec = &spec.Command{Name: e.name, Arity: e.arity, Flags: []string{"admin"}}
	}
	cmd.arity = cmd.spec.Arity
	for _, word := range cmd.spec.Flags {
		cmd.flags |= specFlags[word]
	}
	if mayReplicate[e.name] {
		cmd.flags |= replicates
	}
	cmd.arbitraryKeys = e.name == "scan" || e.name == "randomkey"
	cmd.callsScript = strings.HasPrefix(e.name, "eval") || strings.HasPrefix(e.name, "fcall")
	top, sub, isSub := strings.Cut(e.name, "|")
	if !isSub {
		commands[top] = cmd
		enterCommand(cmd)
		longestName = max(longestName, len(top))
		return cmd
	}
	parent := commands[top]
	if parent == nil {
		parent = addCommand(entry{name: top}, known)
	}
	cmd.name = sub
	cmd.flags |= parent.flags & (sentinels | onlySentinels | protected)
	parent.sub = append(parent.sub, cmd)
	return cmd
}

// help makes a HELP subcommand; the lines are what the command's own part says.
func help(name string, lines ...string) handler {
	return func(_ *Server, c *Session, _ [][]byte) {
		all := append([]string{name + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"}, lines...)
		all = append(all, "HELP", "    Prints this help.")
		c.array(len(all))
		for _, l := range all {
			c.status(l)
		}
	}
}

// serverCommands are those about the server itself.
var serverCommands = []entry{
	{name: "info", run: cmdInfo, flags: sentinels},
	{name: "time", run: cmdTime},
	{name: "monitor", run: cmdMonitor},
	{name: "lolwut", run: cmdLolwut},
	{name: "role", run: cmdRole, flags: sentinels},
	{name: "wait", run: cmdWait},
	{name: "replicaof", run: cmdReplicaof},
	{name: "slaveof", run: cmdReplicaof},
	{name: "failover", run: cmdFailover},
	{name: "psync", run: cmdPsync},
	{name: "sync", run: cmdSync},
	{name: "replconf", run: cmdReplconf},
	{name: "save", run: cmdSave},
	{name: "bgsave", run: cmdBgsave},
	{name: "bgrewriteaof", run: cmdBgrewriteaof},
	{name: "lastsave", run: cmdLastsave},
	{name: "shutdown", run: cmdShutdown, flags: sentinels},
	{name: "debug", run: cmdDebug, flags: protected},
}

// commands are those this server has.
func (s *Server) commands() (list []*command) {
	var gone map[*command]bool
	if s.names != nil {
		gone = make(map[*command]bool)
		for _, cmd := range commandList {
			gone[cmd] = true
		}
		for _, cmd := range s.names { // any order: a map is filled
			gone[cmd] = false
		}
	}
	for _, cmd := range commandList {
		if s.has(cmd) && !gone[cmd] {
			list = append(list, cmd)
		}
	}
	return list
}

// lower is a name for messages.
func lower(b []byte) string { return strings.ToLower(string(b)) }
