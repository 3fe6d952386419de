package persist

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// damage changes a directory the way a crash, a disk or a person may.
type damage struct {
	name  string
	how   func(t *testing.T, dir string)
	lines []string // further directives
}

const (
	manifestPath = "appendonlydir/appendonly.aof.manifest"
	lastCommand  = "*3\r\n$3\r\nSET\r\n$4\r\nlast\r\n$5\r\nvalue\r\n"
)

func rewriteFile(t *testing.T, dir, name string, change func(b []byte) []byte) {
	path := filepath.Join(dir, name)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, change(b), 0o600))
}

func cutBy(name string, n int) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		rewriteFile(t, dir, name, func(b []byte) []byte { return b[:len(b)-n] })
	}
}

func cutTo(name string, n int) func(*testing.T, string) {
	return func(t *testing.T, dir string) { rewriteFile(t, dir, name, func(b []byte) []byte { return b[:n] }) }
}

func appendTo(name, tail string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		rewriteFile(t, dir, name, func(b []byte) []byte { return append(b, tail...) })
	}
}

func flip(name, marker string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		rewriteFile(t, dir, name, func(b []byte) []byte {
			i := strings.Index(string(b), marker)
			require.GreaterOrEqual(t, i, 0)
			b[i] ^= 1
			return b
		})
	}
}

func remove(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) { require.NoError(t, os.RemoveAll(filepath.Join(dir, name))) }
}

// damages are redis-facts' table and more. incr is the last incr file, base the
// base, mid an incr file that is not the last ("" when there is none).
func damages(incr, base, mid string, hybrid bool) (out []damage) {
	add := func(name string, how func(*testing.T, string), lines ...string) {
		out = append(out, damage{name, how, lines})
	}
	add("none", func(*testing.T, string) {})
	for n := 1; n <= len(lastCommand); n++ {
		add(fmt.Sprintf("last command cut by %d bytes", n), cutBy(incr, n))
	}
	add("tail cut, aof-load-truncated no", cutBy(incr, 3), "aof-load-truncated no")
	add("MULTI without EXEC", appendTo(incr, "*1\r\n$5\r\nMULTI\r\n"+lastCommand))
	add("MULTI without EXEC, cut", appendTo(incr, "*1\r\n$5\r\nMULTI\r\n"+lastCommand[:20]))
	add("MULTI without EXEC, aof-load-truncated no", appendTo(incr, "*1\r\n$5\r\nMULTI\r\n"+lastCommand), "aof-load-truncated no")
	add("a transaction", appendTo(incr, "*1\r\n$5\r\nmulti\r\n"+lastCommand+"*1\r\n$4\r\nexec\r\n"))
	add("NUL tail", appendTo(incr, "\x00\x00\x00\x00\x00\x00\x00\x00"))
	add("NUL tail, aof-load-truncated no", appendTo(incr, "\x00"), "aof-load-truncated no")
	add("NUL bytes inside the last value", func(t *testing.T, dir string) {
		rewriteFile(t, dir, incr, func(b []byte) []byte { clear(b[len(b)-4:]); return b })
	})
	add("NUL bytes over the last command", func(t *testing.T, dir string) {
		rewriteFile(t, dir, incr, func(b []byte) []byte { clear(b[len(b)-len(lastCommand):]); return b })
	})
	add("garbage tail", appendTo(incr, "hello"))
	add("unknown command", appendTo(incr, "*2\r\n$7\r\nNOTHING\r\n$1\r\nx\r\n"))
	add("SELECT of no database", appendTo(incr, "*2\r\n$6\r\nSELECT\r\n$2\r\n99\r\n"+lastCommand))
	add("annotation at the end", appendTo(incr, "#TS:17000"))
	add("bit flip in a value", flip(incr, "value"))
	add("bit flip in a length", flip(incr, "$4\r\nlast"))
	add("bit flip in a command", flip(incr, "SET\r\n$4\r\nlast"))
	add("last incr empty", cutTo(incr, 0))
	add("last incr missing", remove(incr))
	add("base missing", remove(base))
	add("base empty", cutTo(base, 0))
	add("base cut by 1 byte", cutBy(base, 1))
	add("base cut by 9 bytes", cutBy(base, 9))
	add("base cut to 20 bytes", cutTo(base, 20))
	add("base cut to 4 bytes", cutTo(base, 4))
	if hybrid {
		add("bit flip in the base", flip(base, "words_in"))
		add("bit flip in the base, rdbchecksum no", flip(base, "words_in"), "rdbchecksum no")
		add("base of a later version", flip(base, "0010"))
	} else {
		add("NUL tail of the base", appendTo(base, "\x00"))
	}
	if mid != "" {
		add("middle incr cut", cutBy(mid, 2))
		add("middle incr NUL tail", appendTo(mid, "\x00"))
		add("middle incr missing", remove(mid))
		add("middle incr empty", cutTo(mid, 0))
	}
	add("manifest missing", remove(manifestPath))
	add("manifest empty", cutTo(manifestPath, 0))
	add("manifest cut mid-line", cutBy(manifestPath, 5))
	add("manifest without its last newline", cutBy(manifestPath, 1))
	add("manifest NUL tail", appendTo(manifestPath, "\x00\x00"))
	add("manifest line repeated", appendTo(manifestPath, "file x seq 1 type b\n"))
	add("manifest with a comment", appendTo(manifestPath, "# a comment\n"))
	add("directory missing", remove("appendonlydir"))
	return out
}

// layout builds a directory with an append-only file whose last command is lastCommand.
func layout(t *testing.T, hybrid bool, failedRewrite bool) (dir, incr, base, mid string) {
	dir = t.TempDir()
	preamble := "no"
	if hybrid {
		preamble = "yes"
	}
	onHost(t, dir, settings(t, "appendonly yes", "appendfsync no", "aof-use-rdb-preamble "+preamble), func(s *server) {
		require.NoError(t, s.Load())
		s.do(0, "SET first in the base") // three more words are ignored
		s.do(0, "SET base in-the-base-value")
		s.do(9, "RPUSH l in_the_base 1 2 3")
		s.do(0, "SET words words_in_the_base")
		_, err := s.BGRewriteAOF(false)
		require.NoError(t, err)
		s.settle(t)
		s.do(0, "SET middle m")
		if failedRewrite { // leaves an incr file that is not the last
			_, err := s.BGRewriteAOF(false)
			require.NoError(t, err)
			s.child.killed = true
			s.settle(t)
			require.Len(t, s.manifest.Incr, 2)
			mid = s.aofPath(s.manifest.Incr[0].Name)
		}
		s.do(9, "RPUSH l 4")
		s.do(0, "SET last value")
		require.NoError(t, s.Shutdown(SaveNever, false))
		incr, base = s.aofPath(s.manifest.Incr[len(s.manifest.Incr)-1].Name), s.aofPath(s.manifest.Base.Name)
	})
	require.True(t, strings.HasSuffix(text(t, dir, incr), lastCommand))
	return dir, incr, base, mid
}

func copyDir(t *testing.T, from string) string {
	to := t.TempDir()
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
	return to
}

// redis-server's offset is that of its progress report, coarser than ours, and
// it names its source lines.
var volatile = regexp.MustCompile(`reading offset \d+, function at rdb\.c(:\d+)?`)

func TestDamageHasTheOutcomeOfRedisServer(t *testing.T) {
	for _, l := range []struct {
		name          string
		hybrid, twice bool
	}{{"commands", false, false}, {"hybrid, two incr files", true, true}} {
		t.Run(l.name, func(t *testing.T) {
			dir, incr, base, mid := layout(t, l.hybrid, l.twice)
			refused, started := 0, 0
			for _, d := range damages(incr, base, mid, l.hybrid) {
				theirs := copyDir(t, dir)
				d.how(t, theirs)
				ours := copyDir(t, theirs)

				f := form{lines: append([]string{"appendonly yes", "appendfsync no", "aof-use-rdb-preamble yes"}, d.lines...)}
				r, up := startRedis(t, theirs, redisArgs(f)...)
				var want string
				if up {
					want = r.digest()
					r.shutdown("NOSAVE")
				}
				onHost(t, ours, settings(t, f.lines...), func(s *server) {
					err := s.Load()
					require.Equal(t, up, err == nil, "%s: redis-server said\n%s\nwe said: %v", d.name, r.log, err)
					if !up {
						var le *LoadError
						require.ErrorAs(t, err, &le, d.name)
						require.NotEmpty(t, le.File, d.name)
						last := volatile.ReplaceAllString(s.lines[len(s.lines)-1][2:], "reading")
						require.Contains(t, volatile.ReplaceAllString(r.log.String(), "reading"), last, d.name)
						refused++
						return
					}
					started++
					require.Equal(t, want, digestOf(s), d.name)
					for _, line := range s.lines {
						if strings.HasPrefix(line, "# ") {
							require.Contains(t, r.log.String(), line[2:], d.name)
						}
					}
					require.NoError(t, s.Shutdown(SaveNever, false))
				})
				sameFiles(t, d.name, theirs, ours)
			}
			require.Greater(t, refused, 10)
			require.Greater(t, started, 40)
		})
	}
}

// sameFiles compares what two servers left behind, but for the bases, which
// carry the time.
func sameFiles(t *testing.T, name, theirs, ours string) {
	if _, err := os.Stat(filepath.Join(theirs, "appendonlydir")); errors.Is(err, os.ErrNotExist) {
		require.NoDirExists(t, filepath.Join(ours, "appendonlydir"), name)
		return
	}
	a, b := list(t, filepath.Join(theirs, "appendonlydir")), list(t, filepath.Join(ours, "appendonlydir"))
	require.Equal(t, a, b, name)
	for _, f := range a {
		if !strings.HasSuffix(f, ".rdb") {
			require.Equal(t, text(t, theirs, "appendonlydir", f), text(t, ours, "appendonlydir", f), "%s: %s", name, f)
		}
	}
}

func TestDamagedSnapshotHasTheOutcomeOfRedisServer(t *testing.T) {
	dir := t.TempDir()
	onHost(t, dir, settings(t), func(s *server) {
		require.NoError(t, s.Load())
		s.do(0, "SET words words_in_the_base")
		s.do(2, "RPUSH l a 1 22222")
		require.NoError(t, s.Save())
	})
	size := len(text(t, dir, "dump.rdb"))
	ds := []damage{
		{name: "none", how: func(*testing.T, string) {}},
		{name: "missing", how: remove("dump.rdb")},
		{name: "empty", how: cutTo("dump.rdb", 0)},
		{name: "tail behind it", how: appendTo("dump.rdb", "xyz")},
		{name: "flip", how: flip("dump.rdb", "words_in")},
		{name: "flip, rdbchecksum no", how: flip("dump.rdb", "words_in"), lines: []string{"rdbchecksum no"}},
		{name: "signature", how: flip("dump.rdb", "REDIS")},
		{name: "version", how: flip("dump.rdb", "010")},
	}
	for n := 3; n < size; n += 7 {
		ds = append(ds, damage{name: fmt.Sprintf("cut to %d", n), how: cutTo("dump.rdb", n)})
	}
	for _, d := range ds {
		theirs := copyDir(t, dir)
		d.how(t, theirs)
		f := form{lines: append([]string{"appendonly no"}, d.lines...)}
		r, up := startRedis(t, theirs, redisArgs(f)...)
		want := ""
		if up {
			want = r.digest()
			r.shutdown("NOSAVE")
		}
		onHost(t, theirs, settings(t, f.lines...), func(s *server) {
			err := s.Load()
			require.Equal(t, up, err == nil, "%s: redis-server said\n%s\nwe said: %v", d.name, r.log, err)
			if up {
				require.Equal(t, want, digestOf(s), d.name)
				return
			}
			var le *LoadError
			require.ErrorAs(t, err, &le, d.name)
			require.Equal(t, "dump.rdb", le.File)
			require.GreaterOrEqual(t, le.Offset, int64(0))
			require.Contains(t, volatile.ReplaceAllString(r.log.String(), "reading"), volatile.ReplaceAllString(le.Msg, "reading"), d.name)
		})
	}
}
