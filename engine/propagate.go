package engine

import (
	"slices"

	"github.com/torntail/torntail/engine/bugs"
)

// op is a write to be logged.
type op struct {
	db   int
	argv [][]byte
	// replicasOnly: not for the log (redis 7.0.15 PROPAGATE_REPL); logOnly: for nobody else.
	replicasOnly, logOnly bool
	// everywhere: whatever a script says (redis.set_repl): the deletion of a key whose time is
	// over, and what a command has propagated beside itself or instead (alsoPropagate).
	everywhere bool
}

// Words of rewritten commands.
var (
	wordDel       = []byte("DEL")
	wordUnlink    = []byte("UNLINK")
	wordSet       = []byte("SET")
	wordPxat      = []byte("PXAT")
	wordPx        = []byte("PX")
	wordKeepTTL   = []byte("KEEPTTL")
	wordPexpireat = []byte("PEXPIREAT")
	wordPersist   = []byte("PERSIST")
	argvMulti     = [][]byte{[]byte("MULTI")}
	argvExec      = [][]byte{[]byte("EXEC")}
)

// propagate has a command logged as it was sent once the current command or
// transaction ends. changes counts towards the save points, also while an
// append-only file is loaded.
func (s *Server) propagate(c *Session, changes int, argv [][]byte) {
	if changes > 0 {
		s.mgr.AddDirty(changes)
	}
	if s.loading {
		return
	}
	c.wrote = true
	s.ops = append(s.ops, op{db: c.db, argv: argv})
}

// propagateAs is propagate with another text than the client's. The arguments
// must stay as they are until the command ends.
func (s *Server) propagateAs(c *Session, changes int, argv ...[]byte) {
	if s.loading {
		s.propagate(c, changes, nil)
		return
	}
	n := len(s.opArgs)
	s.opArgs = append(s.opArgs, argv...)
	s.propagate(c, changes, s.opArgs[n:len(s.opArgs):len(s.opArgs)])
}

// propagateBeside is propagateAs for what redis gives to alsoPropagate with both of its
// destinations, past what a script allows.
func (s *Server) propagateBeside(c *Session, changes int, argv ...[]byte) {
	s.propagateAs(c, changes, argv...)
	if !s.loading {
		s.ops[len(s.ops)-1].everywhere = true
	}
}

// deletion is the word for a deletion that the server makes on its own accord or in
// place of another command: a directive of lazyfree says which (redis 7.0.15 db.c
// propagateDeletion).
func deletion(lazy bool) []byte {
	if lazy {
		return wordUnlink
	}
	return wordDel
}

// propagateToReplicas is propagate for what changes no data.
func (s *Server) propagateToReplicas(c *Session, argv [][]byte) {
	if !s.loading {
		s.ops = append(s.ops, op{db: c.db, argv: argv, replicasOnly: true})
	}
}

// propagatePending logs what the command or transaction wrote: one write as it
// is, several in MULTI and EXEC, so that none survives without the others
// (redis 7.0.15 server.c propagatePendingCommands). What is for replicas only
// counts as well: MULTI and EXEC are then in the log around one write, or none.
// What SCAN and RANDOMKEY find expired has nothing to do with each other.
func (s *Server) propagatePending(c *Session) {
	for _, k := range s.behind {
		s.propagateAs(&Session{db: k.db}, 0, deletion(s.cfg.LazyfreeLazyExpire), []byte(k.key))
	}
	s.behind = s.behind[:0]
	s.dropUnheard()
	if len(s.ops) == 0 {
		return
	}
	alone := len(s.ops) == 1 || c.lastCmd != nil && (c.lastCmd.arbitraryKeys || c.lastCmd.callsScript && s.bugs.Has(bugs.EffectsBare))
	if !alone {
		s.mgr.Feed(s.ops[0].db, argvMulti)
	}
	for i := range s.ops {
		if !s.ops[i].replicasOnly {
			s.mgr.Feed(s.ops[i].db, s.ops[i].argv)
		}
	}
	if !alone {
		s.mgr.Feed(s.ops[len(s.ops)-1].db, argvExec)
	}
	if s.repl.Stream != nil {
		s.feedReplicas(alone)
	}
	s.dropOps()
}

// dropUnheard forgets writes that are for replicas alone where there is no stream for
// them, and those for the log alone where there is none (redis 7.0.15 server.c
// shouldPropagate).
func (s *Server) dropUnheard() {
	stream := s.repl.Up == nil && s.repl.Stream != nil
	s.ops = slices.DeleteFunc(s.ops, func(o op) bool { return o.replicasOnly && !stream || o.logOnly && s.mgr.AOFOff() })
}

// feedReplicas puts the pending writes into the replication stream, alone or as
// a transaction.
func (s *Server) feedReplicas(alone bool) {
	if !alone {
		s.repl.Feed(s.ops[0].db, argvMulti)
	}
	for i := range s.ops {
		if !s.ops[i].logOnly {
			s.repl.Feed(s.ops[i].db, s.ops[i].argv)
		}
	}
	if !alone {
		s.repl.Feed(s.ops[len(s.ops)-1].db, argvExec)
	}
}

// dropOps forgets the pending writes and their arguments.
func (s *Server) dropOps() {
	clear(s.ops)
	clear(s.opArgs)
	s.ops, s.opArgs = s.ops[:0], s.opArgs[:0]
}
