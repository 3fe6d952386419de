package engine

import (
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/engine/persist"
)

// Commands about the disk, and DEBUG.

func cmdSave(s *Server, c *Session, _ [][]byte) {
	err := s.mgr.Save()
	if refused := (*persist.ReplyError)(nil); err != nil && !errors.As(err, &refused) {
		err = persist.ErrFailed // why is in the log
	}
	c.done("OK", err)
}

func cmdBgsave(s *Server, c *Session, argv [][]byte) {
	schedule := false
	if len(argv) > 1 {
		if len(argv) != 2 || !same(argv[1], "schedule") {
			c.error(errSyntax)
			return
		}
		schedule = true
	}
	msg, err := s.mgr.BGSave(schedule, s.inExec)
	c.done(msg, err)
}

func cmdBgrewriteaof(s *Server, c *Session, _ [][]byte) {
	msg, err := s.mgr.BGRewriteAOF(s.inExec)
	c.done(msg, err)
}

// done replies a status, or an error with Redis's text.
func (c *Session) done(msg string, err error) {
	switch {
	case err == nil:
		c.status(msg)
	case err.Error() == "":
		c.error("ERR")
	default:
		text := err.Error()
		if !strings.HasPrefix(text, "ERR ") {
			text = "ERR " + text
		}
		c.error(text)
	}
}

func cmdLastsave(s *Server, c *Session, _ [][]byte) { c.int(s.mgr.LastSave()) }

func cmdDebug(s *Server, c *Session, argv [][]byte) {
	switch sub := lower(argv[1]); {
	case sub == "help":
		help("DEBUG",
			"DIGEST", "    Output a hex signature representing the current DB content.",
			"DIGEST-VALUE <key> [<key> ...]", "    Output a hex signature of the values of all the specified keys.",
			"LOADAOF", "    Flush the AOF buffers on disk and reload the AOF in memory.",
			"POPULATE <count> [<prefix>] [<size>]", "    Create <count> string keys named key:<num>.",
			"PROTOCOL <type>", "    Reply with a test value of the specified type.",
			"RELOAD [NOSAVE] [NOFLUSH]", "    Save the RDB on disk and reload it back to memory.",
			"REPLICATE <string>", "    Replicates the provided string to replicas, allowing data divergence.",
			"SET-ACTIVE-EXPIRE <0|1>", "    Setting it to 0 disables expiring keys in background.",
			"SLEEP <seconds>", "    Stop the server for <seconds>. Decimals allowed.")(s, c, argv)
	case sub == "sleep" && len(argv) == 3:
		seconds, _ := strconv.ParseFloat(string(argv[2]), 64)
		s.env.Sleep(time.Duration(max(seconds, 0) * float64(time.Second)))
		c.ok()
	case sub == "protocol" && len(argv) == 3:
		c.debugProtocol(lower(argv[2]))
	case sub == "set-disable-deny-scripts" && len(argv) == 3:
		n, _ := parseInt(argv[2])
		s.scripting.anything = n != 0
		c.ok()
	case sub == "digest" && len(argv) == 2:
		d := s.ks.Digest()
		c.status(hex.EncodeToString(d[:]))
	case sub == "object" && len(argv) >= 3:
		s.debugObject(c, argv[2])
	case sub == "quicklist-packed-threshold" && len(argv) == 3, // how lists are held is not to be seen
		sub == "replybuffer" && len(argv) == 4: // nor how large buffers are
		c.ok()
	case sub == "digest-value" && len(argv) >= 2:
		s.debugDigestValue(c, argv[2:])
	case sub == "set-active-expire" && len(argv) == 3:
		n, _ := parseInt(argv[2])
		s.noExpire = n == 0
		c.ok()
	case sub == "pause-cron" && len(argv) == 3:
		n, _ := parseInt(argv[2])
		s.cronPaused = n != 0
		c.ok()
	case sub == "config-rewrite-force-all" && len(argv) == 2:
		if err := s.rewriteConfig(s.rewriteUsers, true); err != nil {
			c.error("ERR CONFIG-REWRITE-FORCE-ALL failed")
			return
		}
		c.ok()
	case sub == "loadaof":
		s.expiring = expiring{}
		s.debugLoad(c, "Append Only File loaded by DEBUG LOADAOF", s.mgr.LoadAOF)
	case sub == "reload":
		save, flush, merge := true, true, false
		for _, a := range argv[2:] {
			switch {
			case same(a, "nosave"):
				save = false
			case same(a, "noflush"):
				flush = false
			case same(a, "merge"):
				merge = true
			default:
				c.error("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
				return
			}
		}
		if flush {
			s.expiring = expiring{}
		}
		s.debugLoad(c, "DB reloaded by DEBUG RELOAD", func() error { return s.mgr.Reload(save, flush, merge) })
	case sub == "log" && len(argv) == 3:
		s.warn("DEBUG LOG: " + string(argv[2]))
		c.ok()
	case sub == "error" && len(argv) == 3:
		c.error(strings.NewReplacer("\r", " ", "\n", " ").Replace(string(argv[2])))
	case sub == "change-repl-id" && len(argv) == 2:
		s.warn("Changing replication IDs after receiving DEBUG change-repl-id")
		s.repl.ChangeID()
		c.ok()
	case sub == "set-skip-checksum-validation" && len(argv) == 3:
		n, _ := parseInt(argv[2])
		s.unchecked = n != 0
		c.ok()
	case sub == "aof-flush-sleep" && len(argv) == 3:
		n, _ := parseInt(argv[2])
		s.mgr.SleepBeforeWrites(time.Duration(n) * time.Microsecond)
		c.ok()
	case sub == "replicate" && len(argv) >= 3:
		s.repl.FeedAsIs(argv[2:])
		c.ok()
	case sub == "populate" && len(argv) >= 3 && len(argv) <= 5:
		s.debugPopulate(c, argv)
	default:
		c.error("ERR unknown subcommand or wrong number of arguments for '" + clip(argv[1], 128) + "'. Try DEBUG HELP.")
	}
}

// debugDigestValue sees keys whether they are past their time or not; one that
// is not there is all zeroes.
func (s *Server) debugDigestValue(c *Session, keys [][]byte) {
	db := s.ks.DB(c.db)
	c.array(len(keys))
	for _, key := range keys {
		var d [20]byte
		if o := db.Get(key); o != nil {
			d = o.ValueDigest(db.ExpireAt(key))
		}
		c.status(hex.EncodeToString(d[:]))
	}
}

// debugLoad runs a reload in the main task. When the data cannot be loaded
// redis-server exits too: half of it is gone already.
func (s *Server) debugLoad(c *Session, done string, load func() error) {
	for db := range keyspace.Databases {
		s.touchAll(db)
	}
	s.invalidateAll()
	s.loading = true
	err := load()
	s.loading = false
	if err != nil && s.exiting {
		return
	}
	if refused := (*persist.ReplyError)(nil); errors.As(err, &refused) {
		c.error("ERR " + refused.Text)
		return
	}
	if err != nil {
		s.warn("Error loading the data, the server ends: " + err.Error())
		s.exiting, s.exitCode = true, 1
		return
	}
	s.warn(done)
	c.ok()
}

func (s *Server) debugPopulate(c *Session, argv [][]byte) {
	n, ok := c.intArg(argv[2])
	if !ok {
		return
	}
	prefix, size := "key", int64(0)
	if len(argv) > 3 {
		prefix = string(argv[3])
	}
	if len(argv) > 4 {
		if size, ok = c.intArg(argv[4]); !ok {
			return
		}
	}
	db := s.ks.DB(c.db)
	for i := range n {
		number := strconv.FormatInt(i, 10)
		key := []byte(prefix + ":" + number)
		if db.Get(key) != nil {
			continue
		}
		value := []byte("value:" + number)
		if size > 0 {
			value = append(value, make([]byte, max(size-int64(len(value)), 0))...)[:size]
		}
		db.Set(key, keyspace.StringObject(value))
		s.touch(c.db, key)
	}
	c.ok()
}
