package engine

import (
	"strconv"
	"strings"

	"github.com/torntail/torntail/engine/persist"
)

// runBatch executes a session's commands, or goes on behind the one that
// blocked it, and reports whether they changed data.
func (s *Server) runBatch(c *Session) (wrote bool) {
	c.wrote = false
	c.active = s.env.Wall().Unix()
	begin := 0
	if c.next > 0 {
		begin = c.ends[c.next-1]
	}
	for c.next < len(c.ends) && !c.closing && !c.dead && !s.exiting {
		end := c.ends[c.next]
		s.process(c, c.args[begin:end:end]) // whoever appends must not write the next command
		if c.blocked != nil {
			break
		}
		if c.master {
			s.executedForMaster(c)
		}
		s.limitReplies(c)
		c.next++
		begin = end
	}
	if c.next == len(c.ends) {
		c.batch = 0
	}
	return c.wrote
}

// executedForMaster passes on what the last command of the master's stream was,
// transactions whole, and drops the reply nobody waits for.
func (s *Server) executedForMaster(c *Session) {
	c.out = c.out[:0]
	if c.multi {
		return
	}
	end := c.rawEnds[c.next]
	s.repl.Executed(c.raw[c.rawDone:end], c.db)
	c.rawDone = end
}

func (c *Session) lastName() string {
	if c.lastCmd == nil {
		return "?"
	}
	return c.lastCmd.fullName
}

// process checks one command and executes or queues it (redis 7.0.15 server.c
// processCommand).
func (s *Server) process(c *Session, argv [][]byte) {
	s.nowMs = 0
	mark := len(c.out)
	c.answering = true
	s.processOne(c, argv)
	c.answering = false
	if c.asking && !c.multi && (c.lastCmd == nil || c.lastCmd.name != "asking") {
		c.asking = false // it was for one command (redis 7.0.15 networking.c resetClient)
	}
	switch c.replies {
	case replyOn:
		return
	case replySkip:
		c.replies = replyOn
	case replySkipNext:
		c.replies = replySkip
	}
	c.out = append(c.out[:mark], c.pushes...)
	c.pushes = c.pushes[:0]
}

// pushing keeps what f adds to the batch's replies whatever CLIENT REPLY says: it
// is something the client is told, not an answer (CLIENT_PUSHING). Another's command in
// the same turn tells him so between his own, of which no answers are dropped then.
func (c *Session) pushing(f func()) {
	mark := len(c.out)
	f()
	if c.answering && c.replies != replyOn {
		c.pushes = append(c.pushes, c.out[mark:]...)
	}
}

func (s *Server) processOne(c *Session, argv [][]byte) {
	cmd := s.findCommand(argv[0])
	if cmd == nil && (same(argv[0], "host:") || same(argv[0], "post")) {
		s.crossProtocol(c)
		return
	}
	if cmd == nil || !s.has(cmd) {
		s.reject(c, nil, unknownCommand(argv))
		return
	}
	if cmd.sub != nil && len(argv) > 1 {
		sub := cmd.findSub(argv[1])
		if sub == nil {
			s.reject(c, nil, "ERR unknown subcommand '"+clip(argv[1], 128)+"'. Try "+strings.ToUpper(cmd.name)+" HELP.")
			return
		}
		cmd = sub
	}
	c.lastCmd = cmd
	if !cmd.arityOK(len(argv)) {
		s.reject(c, cmd, "ERR wrong number of arguments for '"+cmd.fullName+"' command")
		return
	}
	if cmd.flags&protected != 0 && !s.allowed(s.cfg.EnableDebugCommand) {
		s.reject(c, cmd, "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", "+
			"you can run it from a local connection, otherwise you need to set this option "+
			"in the configuration file, and then restart the server.")
		return
	}
	if cmd.flags&noAuth == 0 && c.Stranger() {
		s.reject(c, cmd, errNoAuth)
		return
	}
	if c.multi && cmd.flags&noMulti != 0 {
		s.reject(c, cmd, "ERR Command not allowed inside a transaction")
		return
	}
	if refusal := s.permissionRefusal(c, cmd, argv); refusal != "" {
		s.reject(c, cmd, refusal)
		return
	}
	flags := s.flagsOf(cmd, argv)
	if s.cluster != nil {
		if refusal := s.redirect(c, cmd, argv, flags); refusal != "" {
			s.rejectElsewhere(c, cmd, refusal)
			return
		}
	}
	if s.evictClients(c) {
		return
	}
	refusal := s.memoryRefusal(c, cmd, flags)
	if s.tracker.clients > 0 {
		s.limitTracked()
	}
	if refusal != "" {
		s.reject(c, cmd, refusal)
		return
	}
	if flags&(write|ping) != 0 || cmd == execCmd && c.queues(write) {
		if refusal := s.writeRefusal(c, cmd); refusal != "" {
			s.reject(c, cmd, refusal)
			return
		}
	}
	if refusal := s.staleRefusal(c, cmd, flags); refusal != "" {
		s.reject(c, cmd, refusal)
		return
	}
	if c.restricted() && cmd.flags&pubsubOK == 0 {
		s.reject(c, cmd, errRestricted(cmd))
		return
	}
	if refusal := s.loadingRefusal(c, cmd); refusal != "" {
		s.reject(c, cmd, refusal)
		return
	}
	if refusal := s.busyRefusal(cmd); refusal != "" {
		s.reject(c, cmd, refusal)
		return
	}
	if s.mustPause(c, cmd, flags) {
		s.block(c, &blockedOn{paused: true})
		return
	}
	if c.multi && cmd.flags&control == 0 {
		c.enqueue(cmd, argv, flags)
		c.status("QUEUED")
		return
	}
	s.tracker.current = c
	s.call(c, cmd, argv)
	s.propagatePending(c)
	if len(s.tracker.pending) > 0 {
		s.tellPending()
	}
	c.offset = s.repl.Offset
	if len(s.waiters.ready) > 0 && s.scripting.run == nil {
		s.serveReady()
	}
	s.tracker.current = nil
	if t := c.tracking; t != nil && !c.multi && !strings.HasPrefix(cmd.fullName, "client|") {
		t.caching = false
	}
	s.replicate()
}

// crossProtocol ends the connection of somebody who speaks HTTP: a page in a
// browser may have made it. It is told from time to time (redis 7.0.15 networking.c
// securityWarningCommand).
func (s *Server) crossProtocol(c *Session) {
	if now := s.env.Wall().Unix(); now-s.attacked > 60 {
		s.warn("Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis instance. Connection aborted.")
		s.attacked = now
	}
	c.out = c.out[:0] // what it was answered before does not go out either
	c.kill()
}

// call executes a command.
func (s *Server) call(c *Session, cmd *command, argv [][]byte) {
	s.stats.commands++
	s.stats.failedSince() // of the one before
	begin := s.env.Now()
	acting := s.tracker.acting
	s.tracker.acting = c
	s.tracker.depth++
	cmd.run(s, c, argv)
	s.tracker.depth--
	s.tracker.acting = acting
	s.remember(c, cmd, argv)
	took := s.env.Now() - begin
	one := s.stats.of(cmd)
	one.calls++
	one.took += took
	if s.stats.failedSince() {
		one.failed++
	}
	s.noteSpike(cmd, took)
	if c.blocked != nil {
		c.blocked.took = took // it is not over yet
	} else {
		s.noteTime(one, took)
		s.noteSlow(c, cmd, argv, took)
	}
	s.feedMonitors(c, cmd, argv)
	s.ks.Tidy()
}

// allowed reports whether a directive of the kind no, local, yes permits: the
// engine listens on loopback addresses only, so every client is local.
func (s *Server) allowed(directive string) bool { return directive != "no" }

// reject answers a command that is not executed; inside MULTI that dooms the
// transaction, and an EXEC that cannot run discards it (redis 7.0.15 server.c
// rejectCommand).
func (s *Server) reject(c *Session, cmd *command, msg string) {
	if c.multi {
		c.dirtyExec = true
	}
	if cmd != nil {
		s.stats.of(cmd).rejected++
	}
	if cmd != nil && cmd == execCmd {
		s.discard(c)
		msg = "EXECABORT Transaction discarded because of: " + strings.TrimPrefix(msg, "ERR ")
	}
	c.error(msg)
}

// has reports whether this server has a command: a Sentinel has few, and one of
// its own.
func (s *Server) has(cmd *command) bool {
	if s.sentinel != nil {
		return cmd.flags&sentinels != 0
	}
	return cmd.flags&onlySentinels == 0
}

func unknownCommand(argv [][]byte) string {
	var args strings.Builder
	for _, a := range argv[1:] {
		if args.Len() >= 128 {
			break
		}
		args.WriteString("'" + clip(a, 128-args.Len()) + "' ")
	}
	return "ERR unknown command '" + clip(argv[0], 128) + "', with args beginning with: " + args.String()
}

// clip is how C's "%.*s" shows an argument: at most n bytes, and nothing after
// a zero byte.
func clip(b []byte, n int) string {
	if len(b) > n {
		b = b[:n]
	}
	if i := strings.IndexByte(string(b), 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// apply executes a command of an append-only file: no checks, no reply.
func (s *Server) apply(db int, argv [][]byte) {
	cmd := s.findCommand(argv[0])
	if cmd != nil && cmd.sub != nil && len(argv) > 1 {
		cmd = cmd.findSub(argv[1])
	}
	if cmd == nil || cmd.run == nil || !cmd.arityOK(len(argv)) {
		return // redis-server's fake client ignores the error reply too
	}
	s.nowMs = 0
	c := s.loader
	c.db, c.lastCmd = db, cmd
	cmd.run(s, c, argv)
	c.out = c.out[:0]
	s.ops, s.opArgs = s.ops[:0], s.opArgs[:0]
	s.ks.Tidy()
}

// keep makes bytes of a request safe to store. Those of an append-only file
// already are.
func (c *Session) keep(b []byte) []byte {
	if c.loader {
		return b
	}
	return append(make([]byte, 0, len(b)), b...)
}

// parseInt reads a number as redis 7.0.15 util.c string2ll does: digits, at most
// one minus sign, no blanks, no leading zeroes.
func parseInt(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 20 || b[0] == '+' || b[0] == '0' && len(b) > 1 {
		return 0, false
	}
	if b[0] == '-' && (len(b) == 1 || b[1] == '0') {
		return 0, false
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err == nil
}

// intArg reads an argument, or answers that it is no integer.
func (c *Session) intArg(b []byte) (int64, bool) {
	n, ok := parseInt(b)
	if !ok {
		c.error(errNotInteger)
	}
	return n, ok
}

// same reports whether an argument is a word, in any case.
func same(arg []byte, word string) bool {
	return len(arg) == len(word) && strings.EqualFold(string(arg), word)
}

func (s *Server) warn(msg string) { s.o.Log(persist.Warning, msg) }
