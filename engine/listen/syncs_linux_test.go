package listen_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/internal/companion"
	"github.com/torntail/torntail/internal/needs"
)

// Which files and directories are synced and by which call is redis-server's: fdatasync for
// directories as well (redis 7.0.15 config.h redis_fsync, util.c fsyncFileDir), fsync for what
// a rename makes valid.
func TestSyncsLikeRedis(t *testing.T) {
	strace := needs.Program(t, "strace")
	master := redisKind.start(t, "--repl-diskless-sync", "no")
	master.do("SET", "a", "1")
	synced := map[string][]string{}
	for name, start := range servers {
		dir := t.TempDir()
		file := filepath.Join(dir, "redis.conf")
		require.NoError(t, os.WriteFile(file, []byte("appendonly yes\nappendfsync always\nrepl-diskless-load disabled\n"), 0o644))
		p := start(t, dir, file).listens()
		trace := filepath.Join(t.TempDir(), "trace")
		cmd := exec.Command(strace, "-f", "-y", "-e", "trace=fsync,fdatasync", "-o", trace, "-p", strconv.Itoa(p.cmd.Process.Pid))
		companion.Start(t, cmd)
		p.eventually("it is traced", func() bool {
			return !strings.Contains(readFile("/proc/"+strconv.Itoa(p.cmd.Process.Pid)+"/status"), "TracerPid:\t0\n")
		})
		rewritten := func() {
			p.eventually("no rewrite goes on", func() bool { return p.info("aof_rewrite_in_progress") == "0" && p.info("aof_rewrite_scheduled") == "0" })
		}
		p.do("SET", "b", "1")
		p.do("SAVE")
		p.do("CONFIG", "REWRITE")
		p.do("BGREWRITEAOF")
		rewritten()
		p.do("CONFIG", "SET", "appendonly", "no")
		p.do("CONFIG", "SET", "appendonly", "yes")
		rewritten()
		p.do("BGSAVE")
		p.eventually("the snapshot is written", func() bool {
			return p.info("rdb_bgsave_in_progress") == "0" && p.info("rdb_last_bgsave_status") == "ok"
		})
		p.follow(master)
		p.catchUp(master)
		rewritten()
		p.signal(15)
		<-p.done
		require.NoError(t, cmd.Wait())
		seen := map[string]bool{}
		for _, m := range regexp.MustCompile(`(fsync|fdatasync)\(\d+<([^>]*)>`).FindAllStringSubmatch(readFile(trace), -1) {
			what, err := filepath.Rel(dir, m[2])
			require.NoError(t, err)
			what = regexp.MustCompile(`\d+`).ReplaceAllString(what, "N")
			if rest, ok := strings.CutPrefix(what, "redis.conf."); ok && rest != "" {
				what = "redis.conf.TEMPORARY" // named in another way
			}
			seen[m[1]+" "+what] = true
		}
		for call := range seen {
			synced[name] = append(synced[name], call)
		}
		slices.Sort(synced[name])
	}
	assert.Equal(t, synced["redis"], synced["engine"])
	assert.Contains(t, synced["redis"], "fdatasync appendonlydir")
}
