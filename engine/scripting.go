package engine

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/engine/acl"
	"github.com/torntail/torntail/engine/persist"
	"github.com/torntail/torntail/engine/script"
	"github.com/torntail/torntail/engine/spec"
)

// scripting is what the server has of scripts and functions; its zero value, until
// somebody asks for them.
type scripting struct {
	engine *script.Engine
	client *Session // executes the commands of scripts
	run    *scriptRun
	loads  time.Duration // when a library began to be loaded
	// noMemory: maxmemory was passed when the present command began.
	noMemory bool
	anything bool // scripts may call every command: DEBUG SET-DISABLE-DENY-SCRIPTS
}

// late reports whether a script runs beyond its time, and others are let in.
func (s *scripting) late() bool { return s.run != nil && s.run.late }

// scriptRun is a script that is being executed.
type scriptRun struct {
	script.Run
	caller   *Session
	argv     [][]byte // of the command that called it
	readOnly bool
	allowOOM bool
	// crossSlot: it may use keys of more than one slot of a cluster.
	crossSlot bool
	wrote     bool
	killed    bool
	late      bool // beyond busy-reply-threshold: others are told BUSY
	started   time.Duration
}

// scripts is the engine of scripts, which is made when it is needed first.
func (s *Server) scripts() *script.Engine {
	if s.scripting.engine == nil {
		s.scripting.engine = script.NewEngine(scriptServer{s})
		s.scripting.client = &Session{s: s, authed: true, resp: 2, script: true, remote: "lua"}
	}
	return s.scripting.engine
}

// functionCodes are the libraries as they are saved.
func (s *Server) functionCodes() []string {
	if s.scripting.engine == nil {
		return nil
	}
	return s.scripting.engine.Codes()
}

// Libraries are the names of the libraries of functions, sorted. Only while Run is not
// executing.
func (s *Server) Libraries() (names []string) {
	if s.scripting.engine == nil {
		return nil
	}
	for _, l := range s.scripting.engine.List() {
		names = append(names, l.Name)
	}
	slices.Sort(names)
	return names
}

// loadFunction takes over a library of a snapshot.
func (s *Server) loadFunction(code string, replace bool) (wrong string) {
	_, wrong = s.scripts().Load(code, replace)
	return wrong
}

// flushFunctions forgets all libraries.
func (s *Server) flushFunctions() {
	if s.scripting.engine != nil {
		s.scripting.engine.FlushFunctions()
	}
}

// Texts of redis 7.0.15 server.c createSharedObjects.
const (
	errNoScript   = "NOSCRIPT No matching script. Please use EVAL."
	errSlowEval   = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
	errSlowScript = "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
)

var scriptCommands = []entry{
	{name: "eval", run: func(s *Server, c *Session, argv [][]byte) { s.eval(c, argv, false) }},
	{name: "eval_ro", run: func(s *Server, c *Session, argv [][]byte) { s.eval(c, argv, false) }},
	{name: "evalsha", run: func(s *Server, c *Session, argv [][]byte) { s.eval(c, argv, true) }},
	{name: "evalsha_ro", run: func(s *Server, c *Session, argv [][]byte) { s.eval(c, argv, true) }},
	{name: "fcall", run: cmdFcall},
	{name: "fcall_ro", run: cmdFcall},
	{name: "script|load", run: cmdScriptLoad},
	{name: "script|exists", run: func(s *Server, c *Session, argv [][]byte) {
		c.array(len(argv) - 2)
		for _, sha := range argv[2:] {
			c.boolean(s.scripts().Find(string(sha)) != nil)
		}
	}},
	{name: "script|flush", run: func(s *Server, c *Session, argv [][]byte) {
		if len(argv) > 3 || len(argv) == 3 && !same(argv[2], "sync") && !same(argv[2], "async") {
			c.error("ERR SCRIPT FLUSH only support SYNC|ASYNC option")
			return
		}
		s.scripts().FlushScripts()
		c.ok()
	}},
	{name: "script|kill", run: func(s *Server, c *Session, _ [][]byte) { s.killScript(c, true) }},
	{name: "script|debug", run: cmdScriptDebug},
	{name: "script|help", run: help("SCRIPT",
		"DEBUG (YES|SYNC|NO)", "    Set the debug mode for subsequent scripts executed.",
		"EXISTS <sha1> [<sha1> ...]", "    Return information about the existence of the scripts in the script cache.",
		"FLUSH [ASYNC|SYNC]", "    Flush the Lua scripts cache. Very dangerous on replicas.",
		"    When called without the optional mode argument, the behavior is determined by the",
		"    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
		"    * ASYNC: Asynchronously flush the scripts cache.", "    * SYNC: Synchronously flush the scripts cache.",
		"KILL", "    Kill the currently executing Lua script.",
		"LOAD <script>", "    Load a script into the scripts cache without executing it.")},
}

func cmdScriptLoad(s *Server, c *Session, argv [][]byte) {
	sc, wrong := s.scripts().Define(string(argv[2]))
	if wrong != "" {
		c.error("ERR " + oneLine(wrong))
		return
	}
	c.bulkText(sc.SHA)
}

// cmdScriptDebug: there is no debugger.
func cmdScriptDebug(_ *Server, c *Session, argv [][]byte) {
	switch {
	case same(argv[2], "no"):
		c.ok()
	case same(argv[2], "yes"), same(argv[2], "sync"):
		c.error("ERR SCRIPT DEBUG is not supported")
	default:
		c.error("ERR Use SCRIPT DEBUG YES/SYNC/NO")
	}
}

// oneLine is an error's text without what would end its line (redis 7.0.15
// networking.c addReplyErrorFormat).
func oneLine(text string) string {
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(strings.TrimRight(text, "\r\n"))
}

// eval follows redis 7.0.15 eval.c evalGenericCommand.
func (s *Server) eval(c *Session, argv [][]byte, bySHA bool) {
	s.feedMonitorsAtOnce(c, argv)
	if bySHA && len(argv[1]) != 40 {
		c.error(errNoScript)
		return
	}
	n, ok := c.intArg(argv[2])
	if !ok || !c.keyCount(n, argv) {
		return
	}
	e := s.scripts()
	var sc *script.Script
	if bySHA {
		if sc = e.Find(string(argv[1])); sc == nil {
			c.error(errNoScript)
			return
		}
	} else {
		var wrong string
		if sc, wrong = e.Define(string(argv[1])); wrong != "" {
			c.error("ERR " + oneLine(wrong))
			return
		}
	}
	s.execute(c, argv, int(n), sc.Flags, func(r *script.Run) { e.Eval(r, sc) })
}

// cmdFcall follows redis 7.0.15 functions.c fcallCommandGeneric.
func cmdFcall(s *Server, c *Session, argv [][]byte) {
	s.feedMonitorsAtOnce(c, argv)
	f := s.scripts().Function(string(argv[1]))
	if f == nil {
		c.error("ERR Function not found")
		return
	}
	n, ok := parseInt(argv[2])
	if !ok {
		c.error("ERR Bad number of keys provided")
		return
	}
	if c.keyCount(n, argv) {
		s.execute(c, argv, int(n), f.Flags, func(r *script.Run) { s.scripts().Call(r, f) })
	}
}

func (c *Session) keyCount(n int64, argv [][]byte) bool {
	switch {
	case n > int64(len(argv)-3):
		c.error("ERR Number of keys can't be greater than number of args")
	case n < 0:
		c.error("ERR Number of keys can't be negative")
	default:
		return true
	}
	return false
}

// execute runs a script for a client, or says why not (redis 7.0.15 script.c
// scriptPrepareForRun).
func (s *Server) execute(c *Session, argv [][]byte, keys int, flags script.Flags, run func(r *script.Run)) {
	readOnly := strings.HasSuffix(c.lastName(), "_ro")
	if refusal := s.scriptRefusal(c, flags, readOnly); refusal != "" {
		c.error(refusal)
		return
	}
	r := &scriptRun{caller: c, argv: argv, started: s.env.Now(), allowOOM: flags&script.Compat == 0 && flags&script.AllowOOM != 0}
	r.crossSlot = flags&(script.Compat|script.AllowCrossSlot) != 0
	r.readOnly = readOnly || flags&script.Compat == 0 && flags&script.NoWrites != 0
	r.Keys, r.Args = argv[3:3+keys], argv[3+keys:]
	r.Resp, r.Repl = 2, script.AOF|script.Replicas
	r.Replay = replier{c}
	sc := s.scripting.client
	sc.user = c.user
	sc.db, sc.resp, sc.master, sc.loader, sc.wrote = c.db, 2, c.master, c.loader, false
	s.scripting.run = r
	s.now() // the clock stands still for a script
	frozen := s.nowMs
	run(&r.Run)
	s.nowMs = frozen
	s.scripting.run = nil
	c.wrote = c.wrote || sc.wrote
}

func (s *Server) scriptRefusal(c *Session, flags script.Flags, readOnly bool) string {
	stale := s.repl.Up != nil && !s.repl.LinkUp() && !s.cfg.ReplicaServeStaleData
	if flags&script.Compat != 0 {
		if stale {
			return errMasterDown
		}
		return ""
	}
	if s.cluster != nil && flags&script.NoCluster != 0 {
		return "ERR Can not run script on cluster, 'no-cluster' flag is set."
	}
	if stale && flags&script.AllowStale == 0 {
		return "MASTERDOWN Link with MASTER is down, replica-serve-stale-data is set to 'no' and 'allow-stale' flag is not set on the script."
	}
	if flags&script.NoWrites != 0 {
		return ""
	}
	obey := c.master || c.loader
	if s.repl.Up != nil && s.cfg.ReplicaReadOnly && !obey {
		return "READONLY Can not run script with write flag on readonly replica"
	}
	if refusal := s.mgr.WriteRefusal(); refusal != "" && !obey {
		if why, ok := strings.CutPrefix(refusal, "MISCONF Errors writing to the AOF file: "); ok {
			return "MISCONF Redis is configured to persist data to AOF, but it's currently unable to persist to disk. " +
				"Writable scripts are blocked. Use 'no-writes' flag for read only scripts. AOF error: " + why
		}
		return "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. " +
			"Writable scripts are blocked. Use 'no-writes' flag for read only scripts."
	}
	if readOnly {
		return "ERR Can not execute a script with write flag using *_ro command."
	}
	if s.repl.TooFewReplicas() {
		return errNoReplicas
	}
	if s.scripting.noMemory && flags&script.AllowOOM == 0 {
		return "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'"
	}
	return ""
}

// scriptServer is the server as scripts see it.
type scriptServer struct{ s *Server }

// Call follows redis 7.0.15 script.c scriptCall.
func (v scriptServer) Call(r *script.Run, argv [][]byte) (reply []byte, refusal string) {
	s := v.s
	run, sc := s.scripting.run, s.scripting.client
	sc.resp = r.Resp
	cmd := s.lookupCommand(argv)
	if cmd != nil && !s.has(cmd) {
		cmd = nil
	}
	refusal = s.commandRefusal(run, cmd, argv)
	if refusal == "" {
		run.wrote = run.wrote || cmd.flags&write != 0
		refusal = s.scriptRedirect(run, cmd, argv)
	}
	if refusal != "" {
		if code, ok := strings.CutPrefix(refusal, "-"); ok {
			s.stats.failure(code)
		} else {
			s.stats.failure("ERR " + refusal)
		}
		s.stats.failedSince() // it is the command's, not the script's
		if cmd != nil {
			s.stats.of(cmd).rejected++
		}
		return nil, refusal
	}
	sc.out = sc.out[:0]
	sc.lastCmd = cmd
	first := len(s.ops)
	s.call(sc, cmd, argv)
	s.restrictEffects(first, r.Repl)
	return sc.out, ""
}

// restrictEffects applies redis.set_repl to what the last command wrote.
func (s *Server) restrictEffects(first, repl int) {
	if repl == script.AOF|script.Replicas {
		return
	}
	kept := s.ops[:first]
	for _, o := range s.ops[first:] {
		switch {
		case o.everywhere:
		case repl == 0, repl == script.AOF && o.replicasOnly:
			continue
		case repl == script.AOF:
			o.logOnly = true
		default:
			o.replicasOnly = true
		}
		kept = append(kept, o)
	}
	s.ops = kept
}

// lookupCommand finds a command, or the subcommand that its second word says; nil when there
// is none (redis 7.0.15 server.c lookupCommand).
func (s *Server) lookupCommand(argv [][]byte) *command {
	cmd := s.findCommand(argv[0])
	if cmd != nil && cmd.sub != nil && len(argv) > 1 {
		return cmd.findSub(argv[1])
	}
	return cmd
}

// commandRefusal is "", or why a script may not execute a command; it begins with
// a dash when it has a code of its own.
func (s *Server) commandRefusal(r *scriptRun, cmd *command, argv [][]byte) string {
	switch {
	case cmd == nil && s.names == nil && knownElsewhere(argv):
		return errNotFromScript
	case cmd == nil:
		return "Unknown Redis command called from script"
	case !cmd.arityOK(len(argv)):
		return "Wrong number of args calling Redis command from script"
	case cmd.flags&noScript != 0 && !s.scripting.anything:
		return errNotFromScript
	}
	obey := r.caller.master || r.caller.loader
	if s.repl.Up != nil && !s.repl.LinkUp() && !s.cfg.ReplicaServeStaleData && cmd.flags&staleToo == 0 {
		return "Can not execute the command on a stale replica"
	}
	if refusal := s.scriptPermission(r.caller, cmd, argv); refusal != "" {
		return refusal
	}
	writes := cmd.flags&write != 0
	if r.readOnly && (writes || cmd.flags&replicates != 0) {
		return "Write commands are not allowed from read-only scripts."
	}
	if !writes || r.wrote {
		if !writes && !r.wrote && s.scripting.noMemory && !r.allowOOM && !obey && cmd.flags&denyOOM != 0 {
			return "-" + errOOM
		}
		return ""
	}
	if s.repl.Up != nil && s.cfg.ReplicaReadOnly && !obey {
		return "-" + errReadOnly
	}
	if refusal := s.mgr.WriteRefusal(); refusal != "" {
		return "-" + refusal
	}
	if s.repl.TooFewReplicas() {
		return "-" + errNoReplicas
	}
	if s.scripting.noMemory && !r.allowOOM && !obey && cmd.flags&denyOOM != 0 {
		return "-" + errOOM
	}
	return ""
}

const errNotFromScript = "This Redis command is not allowed from script"

// knownElsewhere reports whether redis-server has a command that this server has not,
// and that scripts may not call.
func knownElsewhere(argv [][]byte) bool {
	for _, c := range spec.Commands() {
		if !same(argv[0], c.Name) {
			continue
		}
		for _, sub := range c.Sub {
			if len(argv) > 1 && same(argv[1], strings.TrimPrefix(sub.Name, c.Name+"|")) {
				return sub.Has("noscript")
			}
		}
		return len(c.Sub) == 0 && c.Has("noscript")
	}
	return false
}

// MayRun is redis.acl_check_cmd.
func (v scriptServer) MayRun(_ *script.Run, argv [][]byte) (may, known bool) {
	cmd := v.s.lookupCommand(argv)
	if cmd == nil || !v.s.has(cmd) {
		return false, false
	}
	user := v.s.scripting.run.caller.user
	if user == nil {
		return true, true
	}
	why, _ := user.Check(cmd.request(argv))
	return why == acl.Allowed, true
}

// Log writes what redis.log says.
func (v scriptServer) Log(level int, text string) {
	v.s.o.Log([]byte{persist.Debug, persist.Verbose, persist.Notice, persist.Warning}[level], text)
}

// scriptTime is what the simulation takes for the instructions between two calls of
// Interrupt. Only there does nothing else make the clock go on.
const scriptTime = time.Millisecond

func (s *Server) spendScriptTime() {
	if s.o.Yield == nil {
		s.env.Sleep(scriptTime)
	}
}

// Interrupt lets others have their turn once a script takes too long (redis 7.0.15
// script.c scriptInterrupt).
func (v scriptServer) Interrupt(*script.Run) (killed bool) {
	s := v.s
	r := s.scripting.run
	s.spendScriptTime()
	if !r.late {
		elapsed := (s.env.Now() - r.started).Milliseconds()
		if limit := s.cfg.BusyReplyThreshold; limit <= 0 || elapsed < limit {
			return s.exiting
		}
		how := "FUNCTION KILL"
		if r.Eval {
			how = "SCRIPT KILL"
		}
		s.warn("Slow script detected: still in execution after " + strconv.FormatInt(elapsed, 10) + " milliseconds. You can try killing the script using the " + how + " command. Script name is: " + r.Name + ".")
		r.late = true
		s.leaveTurn()
	}
	s.serveWhileBusy()
	return r.killed || s.exiting
}

// leaveTurn has those who share the script's turn not wait for its end: who came before it
// gets his replies, once the log has been written (redis 7.0.15 server.c beforeSleep, also
// while events are processed meanwhile), and who is behind it is served while it goes on.
func (s *Server) leaveTurn() {
	if before := s.turn[:s.turnAt]; len(before) > 0 {
		writers := 0
		for _, c := range before {
			if c.wrote {
				writers++
			}
		}
		if err := s.mgr.BeforeSleep(writers); err != nil {
			s.exitCode = s.fatal(err)
			return
		}
		for _, c := range before {
			c.release()
		}
		s.turn = s.turn[:copy(s.turn, s.turn[s.turnAt:])]
		s.turnAt = 0
	}
	if s.turnAt+1 >= len(s.turn) {
		return
	}
	rest := slices.Clone(s.turn[s.turnAt+1:])
	s.turn = s.turn[:s.turnAt+1]
	s.pending = append(rest, s.pending...)
}

// LoadingTooLong bounds the loading of a library to half a second.
func (v scriptServer) LoadingTooLong() bool {
	s := v.s
	s.spendScriptTime()
	return s.env.Now()-s.scripting.loads > 500*time.Millisecond && !s.loading
}

// busyRefusal is "", or what is answered while a script takes too long.
func (s *Server) busyRefusal(cmd *command) string {
	r := s.scripting.run
	switch {
	case r == nil || !r.late || cmd.flags&busyToo != 0:
		return ""
	case r.Eval:
		return errSlowEval
	}
	return errSlowScript
}

// serveWhileBusy executes what clients have sent meanwhile (redis 7.0.15 networking.c
// processEventsWhileBlocked).
func (s *Server) serveWhileBusy() {
	frozen, run, client := s.nowMs, s.scripting.run, *s.scripting.client
	s.serveOthers()
	s.nowMs, s.scripting.run = frozen, run
	*s.scripting.client = client
}

// killScript is SCRIPT KILL and FUNCTION KILL (redis 7.0.15 script.c scriptKill).
func (s *Server) killScript(c *Session, eval bool) {
	r := s.scripting.run
	switch {
	case r == nil:
		c.error("NOTBUSY No scripts in execution right now.")
	case r.caller.master || r.caller.loader:
		c.error("UNKILLABLE The busy script was sent by a master instance in the context of replication and cannot be killed.")
	case r.wrote:
		c.error("UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.")
	case eval && !r.Eval:
		c.error(errSlowScript)
	case !eval && r.Eval:
		c.error(errSlowEval)
	default:
		r.killed = true
		c.ok()
	}
}

// flagsOf are a command's flags, those that a script has declared instead of those of
// the command that calls it (redis 7.0.15 server.c getCommandFlags).
func (s *Server) flagsOf(cmd *command, argv [][]byte) flags {
	f := cmd.flags
	if !cmd.callsScript || len(argv) < 2 {
		return f
	}
	declared := script.Compat
	switch {
	case strings.HasPrefix(cmd.name, "fcall"):
		if s.scripting.engine == nil {
			return f
		}
		fn := s.scripting.engine.Function(string(argv[1]))
		if fn == nil {
			return f
		}
		declared = fn.Flags
	case strings.HasPrefix(cmd.name, "evalsha"):
		if s.scripting.engine == nil {
			return f
		}
		if sc := s.scripting.engine.Find(string(argv[1])); sc != nil {
			declared = sc.Flags
		}
	default:
		if len(argv[1]) < 2 || string(argv[1][:2]) != "#!" {
			return f
		}
		parsed, _, wrong := script.ParseShebang(string(argv[1]))
		if wrong != "" {
			return f
		}
		declared = parsed
	}
	if declared&script.Compat != 0 {
		return f
	}
	f &^= staleToo | denyOOM | write | replicates
	if declared&(script.AllowOOM|script.NoWrites) == 0 {
		f |= denyOOM
	}
	if declared&script.NoWrites == 0 {
		f |= write
	}
	if declared&script.AllowStale != 0 {
		f |= staleToo
	}
	return f
}

// replier answers the client that has called a script, in its own protocol.
type replier struct{ c *Session }

func (r replier) Bulk(s string) { r.c.bulkText(s) }
func (r replier) Int(n int64)   { r.c.int(n) }
func (r replier) Null()         { r.c.null() }
func (r replier) One()          { r.c.int(1) }

func (r replier) Boolean(b bool) {
	switch {
	case r.c.resp != 3:
		r.c.boolean(b)
	case b:
		r.c.out = append(r.c.out, "#t\r\n"...)
	default:
		r.c.out = append(r.c.out, "#f\r\n"...)
	}
}

func (r replier) Status(s string) { r.c.status(s) }

func (r replier) Error(text string, counted bool) {
	if counted {
		r.c.error(oneLine(text))
		return
	}
	r.c.uncountedError(oneLine(text))
}

func (r replier) Double(f float64) { r.c.double(f) }

func (r replier) BigNumber(s string) {
	if r.c.resp == 3 {
		r.c.out = append(append(append(r.c.out, '('), s...), '\r', '\n')
		return
	}
	r.c.bulkText(s)
}

func (r replier) Verbatim(format, s string) {
	if r.c.resp == 3 {
		r.c.verbatimAs(format, s)
		return
	}
	r.c.bulkText(s)
}

func (r replier) Map(n int)   { r.c.mapOf(n) }
func (r replier) Set(n int)   { r.c.set(n) }
func (r replier) Array(n int) { r.c.array(n) }

// infoScripts is what INFO says of scripts and functions: how many there are, and about
// what they take.
func (s *Server) infoScripts(t *infoText) {
	var cached, functions int64
	if e := s.scripting.engine; e != nil {
		cached, functions = int64(e.Scripts()), int64(e.Functions())
	}
	scriptBytes, functionBytes := s.scriptMemory()
	vm := int64(0)
	if s.scripting.engine != nil {
		vm = interpreterBytes
	}
	t.number("used_memory_lua", vm)
	t.number("used_memory_vm_eval", vm)
	t.text("used_memory_lua_human", humanBytes(vm))
	t.number("used_memory_scripts_eval", scriptBytes)
	t.number("number_of_cached_scripts", cached)
	t.number("number_of_functions", functions)
	t.number("number_of_libraries", int64(len(s.functionCodes())))
	t.number("used_memory_vm_functions", vm)
	t.number("used_memory_vm_total", 2*vm)
	t.text("used_memory_vm_total_human", humanBytes(2*vm))
	t.number("used_memory_functions", functionBytes)
	t.number("used_memory_scripts", scriptBytes+functionBytes)
	t.text("used_memory_scripts_human", humanBytes(scriptBytes+functionBytes))
}

// scriptMemory is about what cached scripts, and functions, take.
func (s *Server) scriptMemory() (scripts, functions int64) {
	e := s.scripting.engine
	if e == nil {
		return 0, 0
	}
	for _, l := range e.List() {
		functions += int64(len(l.Code)) + functionOverhead*int64(1+len(l.Functions))
	}
	return e.ScriptMemory(), functions
}

// functionOverhead is about what a library or function takes beside its code.
const functionOverhead = 160

// interpreterBytes is about what an interpreter takes.
const interpreterBytes = 40 << 10
