package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/glob"
	"github.com/torntail/torntail/engine/persist"
	"github.com/torntail/torntail/faults/vfs"
)

var configCommands = []entry{
	{name: "config|get", run: configGet},
	{name: "config|set", run: configSet},
	{name: "config|resetstat", run: func(s *Server, c *Session, _ [][]byte) {
		s.stats = stats{}
		s.cycles.stale, s.cycles.timeouts, s.cycles.took = 0, 0, 0
		s.evicting.over, s.evicting.overBefore = 0, 0
		s.repl.FullSyncs, s.repl.PartialOK, s.repl.PartialErr = 0, 0, 0
		s.mgr.ResetStats()
		c.ok()
	}},
	{name: "config|rewrite", run: configRewrite},
	{name: "config|help", run: help("CONFIG",
		"GET <pattern>", "    Return parameters matching the glob-like <pattern> and their values.",
		"SET <directive> <value>", "    Set the configuration <directive> to <value>.",
		"RESETSTAT", "    Reset statistics reported by the INFO command.",
		"REWRITE", "    Rewrite the configuration file.")},
}

func configGet(s *Server, c *Session, argv [][]byte) {
	var pairs []string
	s.cfg.Each(func(name, value string) {
		for _, p := range argv[2:] {
			if same(p, name) { // shown as it was typed
				pairs = append(pairs, string(p), value)
				return
			}
			if glob.Match(p, name, true) {
				pairs = append(pairs, name, value)
				return
			}
		}
	})
	for _, p := range argv[2:] {
		if name := lower(p); s.cfg.Hidden(name) {
			value, _ := s.cfg.Value(name)
			pairs = append(pairs, string(p), value)
		}
	}
	c.mapOf(len(pairs) / 2)
	for _, p := range pairs {
		c.bulkText(p)
	}
}

// configSet sets all or nothing (redis 7.0.15 config.c configSetCommand).
func configSet(s *Server, c *Session, argv [][]byte) {
	if len(argv)%2 != 0 {
		c.error(errSyntax)
		return
	}
	old := *s.cfg
	fail := func(name, why string) {
		*s.cfg = old
		c.error("ERR CONFIG SET failed (possibly related to argument '" + name + "') - " + why)
	}
	seen := make(map[string]bool, len(argv)/2)
	for i := 2; i < len(argv); i += 2 {
		name := lower(argv[i])
		err := s.cfg.SetRuntime(name, string(argv[i+1]), s.allowed(s.cfg.EnableProtectedConfigs))
		var unknown *config.UnknownError
		switch {
		case errors.As(err, &unknown):
			*s.cfg = old
			c.error("ERR Unknown option or number of arguments for CONFIG SET - '" + string(argv[i]) + "'")
			return
		case err != nil:
			fail(string(argv[i]), err.Error())
			return
		case seen[name]:
			fail(string(argv[i]), "duplicate parameter")
			return
		}
		seen[name] = true
	}
	if (s.loading || s.receiving != receivingNothing) && (seen["dir"] || seen["appendonly"] || seen["repl-diskless-load"]) { // DENY_LOADING_CONFIG
		*s.cfg = old
		c.error(errLoading)
		return
	}
	if seen["dir"] {
		if err := s.changeDir(old.Dir); err != nil {
			fail("dir", aof.Reason(err))
			return
		}
	}
	if name, why := s.applyConfig(&old); why != "" {
		moved := s.cfg.Port != old.Port || !slices.Equal(s.cfg.Bind, old.Bind)
		fail(name, why)
		if seen["dir"] {
			if err := s.changeDir(old.Dir); err != nil {
				s.warn("The former working directory is gone: " + aof.Reason(err))
			}
		}
		if moved {
			_ = s.o.Rebind() // its failure is in the log
		}
		return
	}
	c.ok()
}

// changeDir goes to the directory that the configuration names, as seen from the
// present one (redis 7.0.15 config.c setConfigDirOption). Files that are open, and
// children, stay where they are.
func (s *Server) changeDir(present string) error {
	if s.o.Chdir == nil {
		if s.cfg.Dir == present {
			return nil
		}
		return errors.New("the engine's working directory is fixed when it starts")
	}
	fsys, dir, err := s.o.Chdir(s.cfg.Dir)
	if err != nil {
		return err
	}
	s.cfg.Dir = dir
	s.o.FS = fsys
	s.mgr.ChangeDir(fsys)
	return nil
}

// applyConfig does what a change of directives asks for beyond their value, and
// returns why that failed, and which of them is to blame.
func (s *Server) applyConfig(old *config.Config) (name, why string) {
	if port, bind := s.cfg.Port != old.Port, !slices.Equal(s.cfg.Bind, old.Bind); port || bind {
		name, why = "port", "Unable to listen on this port. Check server logs."
		if bind {
			name, why = "bind", "Failed to bind to specified addresses."
		}
		if s.o.Rebind == nil {
			s.cfg.Port, s.cfg.Bind = old.Port, old.Bind
			return name, "can't set immutable config"
		}
		if s.o.Rebind() != nil {
			return name, why
		}
	}
	switch {
	case s.cfg.AppendOnly && !old.AppendOnly:
		if err := s.mgr.EnableAOF(s.inExec); err != nil {
			return "appendonly", "Unable to turn on AOF. Check server logs."
		}
	case !s.cfg.AppendOnly && old.AppendOnly:
		s.mgr.DisableAOF()
	}
	if old.AofDisableAutoGc && !s.cfg.AofDisableAutoGc { // redis 7.0.15 config.c updateAofAutoGCEnabled
		s.mgr.RemoveHistory()
	}
	if s.cfg.MinReplicasToWrite != old.MinReplicasToWrite || s.cfg.MinReplicasMaxLag != old.MinReplicasMaxLag {
		s.repl.Recount(s.env.Now())
	}
	if s.cfg.Maxmemory != old.Maxmemory && s.cfg.Maxmemory > 0 { // redis 7.0.15 config.c updateMaxmemory
		if used := s.countedMemory(); used > s.cfg.Maxmemory {
			s.warn(fmt.Sprintf("WARNING: the new maxmemory value set via CONFIG SET (%d) is smaller than the current memory usage (%d). "+
				"This will result in key eviction and/or the inability to accept new write commands depending on the maxmemory-policy.", s.cfg.Maxmemory, used))
		}
		s.evicting.unfinished = true
	}
	if s.cfg.Hz != old.Hz {
		s.cfg.Hz = config.BoundHz(s.cfg.Hz)
	}
	if s.cfg.ReplBacklogSize != old.ReplBacklogSize { // redis 7.0.15 replication.c resizeReplicationBacklog
		s.cfg.ReplBacklogSize = max(s.cfg.ReplBacklogSize, leastBacklog)
	}
	if s.cfg.Requirepass != old.Requirepass {
		s.users.Default.SetPassword(s.cfg.Requirepass)
	}
	if s.cluster != nil {
		s.cluster.m.ConfigChanged(s.wallMs())
	}
	s.watchKeyspace()
	s.tickClock()
	return "", ""
}

// leastBacklog is redis 7.0.15 CONFIG_REPL_BACKLOG_MIN_SIZE.
const leastBacklog = 16 << 10

func configRewrite(s *Server, c *Session, _ [][]byte) {
	if s.o.ConfigFile == "" {
		c.error("ERR The server is running without a config file")
		return
	}
	if err := s.rewriteConfig(s.rewriteUsers, false); err != nil {
		s.warn("CONFIG REWRITE failed: " + err.Error())
		c.error("ERR Rewriting config file: " + err.Error())
		return
	}
	s.o.Log(persist.Warning, "CONFIG REWRITE executed with success.")
	c.ok()
}

// rewriteUsers says who the users are, unless a file of their own does (redis 7.0.15
// config.c rewriteConfigUserOption).
func (s *Server) rewriteUsers(r *config.Rewriter) {
	if s.cfg.Aclfile == "" {
		for _, line := range s.users.Lines() {
			r.Line("user", line, true)
		}
	}
	r.Done("user")
}

// rewriteConfig makes the configuration file say what the configuration is,
// and what more adds to it; all of it, or what differs from the defaults. On return without error that is durable: the new
// content is synced under another name, takes the file's place, and the
// directory is synced (redis 7.0.15 config.c rewriteConfigOverwriteFile).
func (s *Server) rewriteConfig(more func(r *config.Rewriter), all bool) error {
	fsys, name := s.o.ConfigFS, path.Base(s.o.ConfigFile)
	if fsys == nil {
		return errors.New("the configuration file is out of reach")
	}
	old, err := vfs.ReadFile(fsys, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	r := config.NewRewriter(old)
	r.All = all
	s.cfg.RewriteInto(r)
	more(r)
	temp := name + ".rewrite-" + strconv.Itoa(s.o.Pid) + ".tmp"
	if err := writeDurably(fsys, temp, r.Bytes()); err != nil {
		fsys.Remove(temp) // the error that counts is the first
		return err
	}
	if err := fsys.Rename(temp, name); err != nil {
		return err
	}
	return vfs.SyncDirData(fsys, ".")
}

func writeDurably(fsys vfs.FS, name string, data []byte) error {
	f, err := fsys.Open(name, vfs.WriteOnly|vfs.Create|vfs.Truncate)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
