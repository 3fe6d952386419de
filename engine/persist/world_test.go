package persist

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/faults/vfs/osfs"
)

// server is the little of a server that persistence needs: a keyspace, a few
// commands, and a loop that feeds and flushes.
type server struct {
	*Manager
	env   env.Env
	ks    *keyspace.Keyspace
	cfg   *config.Config
	lines []string // the log
}

// settings makes a configuration of lines "name value"; save points are off.
func settings(t testing.TB, lines ...string) *config.Config {
	c := config.Default()
	require.NoError(t, c.Set("save", ""))
	for _, l := range lines {
		f, err := config.SplitArgs(l)
		require.NoError(t, err)
		require.NoError(t, c.Set(f[0], f[1:]...), l)
	}
	return c
}

func newServer(e env.Env, fs vfs.FS, cfg *config.Config, b bugs.Set) *server {
	s := &server{env: e, ks: keyspace.New(), cfg: cfg}
	s.Manager = New(Options{Env: e, FS: fs, Config: cfg, Keyspace: s.ks, Bugs: b, Apply: s.execute,
		Known: func(name []byte) bool {
			switch strings.ToUpper(string(name)) {
			case "SET", "DEL", "RPUSH", "LPOP", "PEXPIREAT", "SELECT", "MULTI", "EXEC":
				return true
			}
			return false
		},
		Log: func(level byte, msg string) { s.lines = append(s.lines, string(level)+" "+msg) },
	})
	return s
}

// execute runs a command on the data.
func (s *server) execute(db int, argv [][]byte) {
	d := s.ks.DB(db)
	switch strings.ToUpper(string(argv[0])) {
	case "SET":
		d.Set(argv[1], keyspace.StringObject(argv[2]))
		if len(argv) == 5 && strings.EqualFold(string(argv[3]), "PXAT") { // how redis-server logs SET ... PX
			at, _ := strconv.ParseInt(string(argv[4]), 10, 64)
			d.SetExpire(argv[1], at)
		}
	case "DEL":
		d.Delete(argv[1])
	case "RPUSH":
		l := d.EditList(argv[1])
		if l == nil {
			l = d.NewList(argv[1])
		}
		for _, v := range argv[2:] {
			l.PushBack(v)
		}
	case "LPOP":
		if l := d.EditList(argv[1]); l != nil {
			if l.PopFront(); l.Len() == 0 {
				d.Delete(argv[1])
			}
		}
	case "PEXPIREAT":
		at, _ := strconv.ParseInt(string(argv[2]), 10, 64)
		d.SetExpire(argv[1], at)
	}
	s.AddDirty(1)
}

// do executes and logs a command of words.
func (s *server) do(db int, line string) {
	var argv [][]byte
	for _, w := range strings.Fields(line) {
		argv = append(argv, []byte(w))
	}
	s.execute(db, argv)
	s.Feed(db, argv)
}

// settle runs turns of the loop until no child is left.
func (s *server) settle(t testing.TB) {
	for s.child != nil {
		s.env.Sleep(time.Millisecond)
		require.NoError(t, s.Cron())
	}
}

func (s *server) logged(part string) bool {
	for _, l := range s.lines {
		if strings.Contains(l, part) {
			return true
		}
	}
	return false
}

// dump is the data as sorted lines.
func dump(k *keyspace.Keyspace) string {
	var lines []string
	s := k.Snapshot()
	defer s.Release()
	_ = s.Each(func(db int, key string, o *keyspace.Object, expireAtMs int64) error {
		line := fmt.Sprintf("%d %q expire %d:", db, key, expireAtMs)
		if o.Kind == keyspace.String {
			line += fmt.Sprintf(" %q", o.Str)
		} else {
			for i := range o.List().Len() {
				line += fmt.Sprintf(" [%q]", o.List().At(i))
			}
		}
		lines = append(lines, line)
		return nil
	})
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// onHost runs f as the main task of a server in a directory of the host.
func onHost(t testing.TB, dir string, cfg *config.Config, f func(s *server)) {
	e := osenv.New("n1", 1)
	e.Enter()
	defer e.Leave()
	s := newServer(e, e.FS(osfs.New(dir)), cfg, 0)
	f(s)
	s.Close()
}

func list(t testing.TB, dir string) []string {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func text(t testing.TB, path ...string) string {
	b, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	return string(b)
}
