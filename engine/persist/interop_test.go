package persist

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/internal/needs"
)

// commands build data with every form of value, in several databases.
func commands() (out []string) {
	rng := rand.New(rand.NewPCG(7, 7))
	far := time.Now().Add(24 * time.Hour).UnixMilli()
	for i := range 300 {
		switch i % 6 {
		case 0:
			out = append(out, fmt.Sprintf("SET int:%d %d", i, rng.Int64()>>rng.UintN(63)))
		case 1:
			out = append(out, fmt.Sprintf("SET text:%d %s", i, strings.Repeat("abcd", rng.IntN(400)+1)))
		case 2:
			out = append(out, fmt.Sprintf("RPUSH list:%d %d x%d %s", i%24, rng.Int64()>>rng.UintN(63), i, strings.Repeat("y", rng.IntN(3000)+1)))
		case 3:
			out = append(out, fmt.Sprintf("SET expires:%d v%d", i, i), fmt.Sprintf("PEXPIREAT expires:%d %d", i, far+int64(i)))
		case 4:
			out = append(out, fmt.Sprintf("DEL text:%d", i-3-6*(i%3)))
		case 5:
			out = append(out, "MULTI", fmt.Sprintf("SET t:%d 1", i), fmt.Sprintf("RPUSH list:%d -1 0 4095 70000 %d", i%24, i), "EXEC")
		}
	}
	return out
}

// run executes commands in turns of the loop.
func (s *server) run(t testing.TB, lines []string) {
	db := 0
	multi := false
	for i, l := range lines {
		if !multi {
			db = i % 3 * 7
		}
		switch l {
		case "MULTI":
			multi = true
			s.Feed(db, [][]byte{[]byte("MULTI")})
		case "EXEC":
			multi = false
			s.Feed(db, [][]byte{[]byte("EXEC")})
		default:
			s.do(db, l)
		}
		if !multi && i%5 == 0 {
			require.NoError(t, s.BeforeSleep(1))
		}
	}
	require.NoError(t, s.BeforeSleep(1))
}

type form struct {
	name  string
	lines []string
}

var forms = []form{
	{"commands, always", []string{"appendonly yes", "appendfsync always", "aof-use-rdb-preamble no"}},
	{"hybrid, everysec", []string{"appendonly yes", "appendfsync everysec", "aof-use-rdb-preamble yes"}},
	{"no, timestamps", []string{"appendonly yes", "appendfsync no", "aof-use-rdb-preamble no", "aof-timestamp-enabled yes"}},
	{"snapshot", []string{"appendonly no"}},
	{"snapshot, plain", []string{"appendonly no", "rdbcompression no", "rdbchecksum no"}},
}

func redisArgs(f form) (out []string) {
	for _, l := range f.lines {
		name, value, _ := strings.Cut(l, " ")
		out = append(out, "--"+name, value)
	}
	return out
}

func digestOf(s *server) string { return fmt.Sprintf("%x", s.ks.Digest()) }

func TestRedisServerLoadsWhatWasWritten(t *testing.T) {
	for _, f := range forms {
		for _, rewrites := range []int{0, 1, 2} {
			t.Run(fmt.Sprintf("%s, %d rewrites", f.name, rewrites), func(t *testing.T) {
				dir := t.TempDir()
				var want string
				onHost(t, dir, settings(t, f.lines...), func(s *server) {
					require.NoError(t, s.Load())
					lines := commands()
					half := len(lines) / 2
					s.run(t, lines[:half])
					for range rewrites {
						if s.cfg.AppendOnly {
							_, err := s.BGRewriteAOF(false)
							require.NoError(t, err)
						} else {
							_, err := s.BGSave(false, false)
							require.NoError(t, err)
						}
						s.run(t, []string{"SET during rewrite", "RPUSH list:0 during"})
						s.settle(t)
					}
					s.run(t, lines[half:])
					mode := SaveDefault
					if !s.cfg.AppendOnly {
						mode = SaveForce
					}
					require.NoError(t, s.Shutdown(mode, false))
					want = digestOf(s)
				})
				checkTools(t, dir, f)
				r, ok := startRedis(t, dir, redisArgs(f)...)
				require.True(t, ok, r.log)
				require.Equal(t, want, r.digest(), "redis-server has other data")
				r.shutdown("NOSAVE")
			})
		}
	}
}

// checkTools runs redis-check-aof and redis-check-rdb over what is in dir.
func checkTools(t *testing.T, dir string, f form) {
	run := func(tool, path string) {
		out, err := exec.Command(needs.Program(t, tool), path).CombinedOutput()
		require.NoError(t, err, "%s %s: %s", tool, path, out)
	}
	if f.lines[0] == "appendonly yes" {
		run("redis-check-aof", filepath.Join(dir, "appendonlydir", "appendonly.aof.manifest"))
		bases, err := filepath.Glob(filepath.Join(dir, "appendonlydir", "*.rdb"))
		require.NoError(t, err)
		for _, b := range bases {
			run("redis-check-rdb", b)
		}
		return
	}
	run("redis-check-rdb", filepath.Join(dir, "dump.rdb"))
}

func TestWhatRedisServerWroteIsLoaded(t *testing.T) {
	for _, f := range forms {
		for _, rewrites := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s, %d rewrites", f.name, rewrites), func(t *testing.T) {
				dir := t.TempDir()
				r, ok := startRedis(t, dir, redisArgs(f)...)
				require.True(t, ok, r.log)
				for i, l := range commands() {
					if i%40 == 0 {
						require.Equal(t, "OK", r.do("SELECT", fmt.Sprint(i/40)))
					}
					reply := r.do(strings.Fields(l)...)
					require.NotContains(t, reply, "ERR", l)
					if i == 150 && rewrites > 0 && f.lines[0] == "appendonly yes" {
						r.do("BGREWRITEAOF")
						r.wait("aof_rewrite_in_progress:0")
					}
				}
				r.do("SET", "px", "v", "PX", "100000000")
				r.do("RPUSH", "wide", strings.Repeat("w", 100000), "1")
				want := r.digest()
				how := "NOSAVE"
				if f.lines[0] == "appendonly no" {
					how = "SAVE"
				}
				r.shutdown(how)
				onHost(t, dir, settings(t, f.lines...), func(s *server) {
					require.NoError(t, s.Load())
					require.Equal(t, want, digestOf(s), "the engine has other data")
				})
			})
		}
	}
}

func TestExpiredKeysAtLoad(t *testing.T) {
	past, far := time.Now().Add(-time.Hour).UnixMilli(), time.Now().Add(time.Hour).UnixMilli()
	for _, c := range []struct {
		lines []string
		kept  bool // in memory after the load, as redis-server keeps it until it is touched
	}{
		{[]string{"appendonly no"}, false},
		{[]string{"appendonly yes", "aof-use-rdb-preamble no"}, true},
		{[]string{"appendonly yes", "aof-use-rdb-preamble yes"}, true},
	} {
		dir := t.TempDir()
		onHost(t, dir, settings(t, c.lines...), func(s *server) {
			require.NoError(t, s.Load())
			s.do(0, "SET old v")
			s.do(0, fmt.Sprintf("PEXPIREAT old %d", past))
			s.do(0, "SET new v")
			s.do(0, fmt.Sprintf("PEXPIREAT new %d", far))
			require.NoError(t, s.BeforeSleep(1))
			if s.cfg.AppendOnly {
				_, err := s.BGRewriteAOF(false)
				require.NoError(t, err)
				s.settle(t)
				require.NoError(t, s.Shutdown(SaveDefault, false))
			} else {
				require.NoError(t, s.Save())
			}
		})
		onHost(t, dir, settings(t, c.lines...), func(s *server) {
			require.NoError(t, s.Load())
			require.Equal(t, c.kept, s.ks.DB(0).Get([]byte("old")) != nil, "%v", c.lines)
			require.Equal(t, far, s.ks.DB(0).ExpireAt([]byte("new")))
		})
		form := form{lines: c.lines}
		r, ok := startRedis(t, dir, redisArgs(form)...)
		require.True(t, ok, r.log)
		require.Equal(t, "nil", r.do("GET", "old"))
		require.Equal(t, "v", r.do("GET", "new"))
		r.shutdown("NOSAVE")
	}
}

func TestOldStyleFileIsTakenOver(t *testing.T) {
	theirs, ours := t.TempDir(), t.TempDir()
	for _, d := range []string{theirs, ours} {
		require.NoError(t, os.WriteFile(filepath.Join(d, "appendonly.aof"), []byte("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"), 0o600))
	}
	r, ok := startRedis(t, theirs, "--appendonly", "yes")
	require.True(t, ok, r.log)
	want := r.digest()
	r.shutdown("NOSAVE")
	onHost(t, ours, settings(t, "appendonly yes"), func(s *server) {
		require.NoError(t, s.Load())
		require.Equal(t, want, digestOf(s))
	})
	require.Equal(t, list(t, theirs), list(t, ours))
	require.Equal(t, list(t, filepath.Join(theirs, "appendonlydir")), list(t, filepath.Join(ours, "appendonlydir")))
	require.Equal(t, text(t, theirs, "appendonlydir/appendonly.aof.manifest"), text(t, ours, "appendonlydir/appendonly.aof.manifest"))
}
