package engine

import (
	"bytes"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/faults/env"
)

// migration is what MIGRATE is asked for.
type migration struct {
	addr          string
	db            []byte
	timeout       time.Duration
	copy, replace bool
	auth          [][]byte // AUTH's arguments; nil: none
	keys          [][]byte
}

// migrationArgs reads MIGRATE's arguments, or answers what is wrong with them.
func (c *Session) migrationArgs(argv [][]byte) (m migration, ok bool) {
	m = migration{addr: net.JoinHostPort(string(argv[1]), string(argv[2])), keys: argv[3:4]}
options:
	for i := 6; i < len(argv); i++ {
		more := len(argv) - 1 - i
		switch {
		case same(argv[i], "copy"):
			m.copy = true
		case same(argv[i], "replace"):
			m.replace = true
		case same(argv[i], "auth") && more >= 1:
			m.auth = argv[i+1 : i+2]
			i++
		case same(argv[i], "auth2") && more >= 2:
			m.auth = argv[i+1 : i+3]
			i += 2
		case same(argv[i], "keys"):
			if len(argv[3]) != 0 {
				c.error("ERR When using MIGRATE KEYS option, the key argument must be set to the empty string")
				return m, false
			}
			m.keys = argv[i+1:]
			break options
		default:
			c.error(errSyntax)
			return m, false
		}
	}
	ms, ok := c.intArg(argv[5])
	if !ok {
		return m, false
	}
	db, ok := c.intArg(argv[4])
	if !ok {
		return m, false
	}
	if ms <= 0 {
		ms = 1000
	}
	m.timeout = time.Duration(min(ms, 1<<40)) * time.Millisecond
	m.db = strconv.AppendInt(nil, db, 10)
	return m, true
}

// cmdMigrate follows redis 7.0.15 cluster.c migrateCommand. The server does
// nothing else meanwhile. A connection serves one command: Redis keeps it for ten
// seconds, which the target alone could tell.
func cmdMigrate(s *Server, c *Session, argv [][]byte) {
	m, ok := c.migrationArgs(argv)
	if !ok {
		return
	}
	var found [][]byte
	for _, key := range m.keys {
		if s.lookupRead(c, key) != nil {
			found = append(found, key)
		}
	}
	if m.keys = found; len(found) == 0 {
		c.status("NOKEY")
		return
	}
	for again := true; ; again = false {
		conn, err := s.env.Dial(m.addr)
		if errors.Is(err, env.ErrRefused) { // Redis finds out when it writes
			c.error("IOERR error or timeout writing to target instance")
			return
		}
		if err != nil {
			c.error("IOERR error or timeout connecting to the client")
			return
		}
		t := &target{s: s, conn: conn, timeout: m.timeout}
		err = s.migrate(c, &m, t)
		conn.Close() // its error says that it is closed
		if err == nil {
			return
		}
		if t.answered || errors.Is(err, env.ErrTimeout) || !again {
			did := "reading"
			if t.writing {
				did = "writing"
			}
			c.error("IOERR error or timeout " + did + " to target instance")
			return
		}
	}
}

// migrate sends the keys and deletes those that have arrived. An error is one of
// the connection which has not been answered yet.
func (s *Server) migrate(c *Session, m *migration, t *target) error {
	db := s.ks.DB(c.db)
	var out []byte
	before := 1 // replies ahead of those to the keys
	if m.auth != nil {
		out = aof.AppendCommand(out, append([][]byte{[]byte("AUTH")}, m.auth...))
		before++
	}
	out = aof.AppendCommand(out, [][]byte{[]byte("SELECT"), m.db})
	var sent [][]byte
	for _, key := range m.keys {
		o := db.Get(key)
		if o == nil { // named twice, and gone with the first
			continue
		}
		ttl := int64(0)
		if at := db.ExpireAt(key); at != 0 {
			if ttl = at - s.now(); ttl < 0 {
				continue
			}
			ttl = max(ttl, 1)
		}
		verb := "RESTORE"
		if s.cluster != nil { // the slot is being imported there
			verb = "RESTORE-ASKING"
		}
		restore := [][]byte{[]byte(verb), key, strconv.AppendInt(nil, ttl, 10), o.Dump(s.cfg.RdbCompression)}
		if m.replace {
			restore = append(restore, []byte("REPLACE"))
		}
		out = aof.AppendCommand(out, restore)
		sent = append(sent, key)
	}
	if err := t.write(out); err != nil {
		return err
	}
	refused := ""
	for range before {
		line, err := t.line()
		if err != nil {
			return err
		}
		if refused == "" && line[0] == '-' {
			refused = line
		}
	}
	deleted := [][]byte{wordDel}
	var failure error
	told := false
	for _, key := range sent {
		line, err := t.line()
		if err != nil {
			failure = err
			break
		}
		t.answered = true
		why := refused
		if why == "" && line[0] == '-' {
			why = line
		}
		switch {
		case why != "" && !told:
			told = true
			c.error("ERR Target instance replied with error: " + why[1:])
		case why == "" && !m.copy && db.Delete(key):
			s.touch(c.db, key)
			s.notify(config.GenericEvents, "del", c.db, key)
			deleted = append(deleted, key)
		}
	}
	if len(deleted) > 1 {
		s.propagateAs(c, len(deleted)-1, deleted...)
	}
	if told {
		return nil
	}
	if failure == nil {
		c.ok()
	}
	return failure
}

// target is the connection to the server that keys go to. Each read and each
// write has the whole timeout.
type target struct {
	s        *Server
	conn     env.Conn
	timeout  time.Duration
	in       []byte
	writing  bool // the error is one of writing
	answered bool // it has replied about a key
}

// migrateChunk is how many bytes are written under one timeout.
const migrateChunk = 64 << 10

func (t *target) write(out []byte) error {
	for t.writing = true; len(out) > 0; {
		n := min(len(out), migrateChunk)
		t.conn.SetWriteDeadline(t.s.env.Now() + t.timeout)
		if _, err := t.conn.Write(out[:n]); err != nil {
			return err
		}
		out = out[n:]
	}
	t.writing = false
	return nil
}

// errLongLine ends a conversation with something that is no Redis.
var errLongLine = errors.New("a line that is too long")

// line reads a reply, which is a line and not empty.
func (t *target) line() (string, error) {
	const longest = 1023 // of the buffers of migrateCommand
	t.conn.SetReadDeadline(t.s.env.Now() + t.timeout)
	for {
		if i := bytes.IndexByte(t.in, '\n'); i >= 0 {
			line := string(bytes.TrimSuffix(t.in[:i], []byte("\r")))
			if t.in = t.in[i+1:]; line == "" {
				return "", env.ErrTimeout // as a read that brought nothing
			}
			return line, nil
		}
		if len(t.in) > longest {
			return "", errLongLine
		}
		buf := make([]byte, longest+1)
		n, err := t.conn.Read(buf)
		t.in = append(t.in, buf[:n]...)
		if err != nil && n == 0 {
			return "", err
		}
	}
}
