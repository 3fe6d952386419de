package listen_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// child is the number of the child that is announced last in the log.
func (p *process) child() (pid int) {
	p.t.Helper()
	p.eventually("a child is announced", func() bool {
		for _, m := range regexp.MustCompile(`(?:started|transfer started) by pid (\d+)`).FindAllStringSubmatch(p.log(), -1) {
			pid, _ = strconv.Atoi(m[1])
		}
		return pid != 0
	})
	return pid
}

// over reports whether a process that is no child of ours has ended.
func over(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// temporary is the name and size of the file that a child is writing.
func (p *process) temporary() (name string, size int64) {
	for _, pattern := range []string{"temp-*.rdb", "temp-rewriteaof-[0-9]*.aof"} {
		found, _ := filepath.Glob(filepath.Join(p.dir, pattern))
		for _, f := range found {
			if info, err := os.Stat(f); err == nil {
				return filepath.Base(f), info.Size()
			}
		}
	}
	return "", 0
}

// What becomes of a snapshot or rewrite when its parent is killed, or it is killed alone:
// redis-server does the same.
func TestChildrenLikeRedis(t *testing.T) {
	type outcome struct {
		renamed, left bool // the file has its name; under its temporary name it is still there
		log           []string
		info          map[string]string
	}
	for _, c := range []struct {
		name    string
		keys    int
		command []string
		parent  bool // is killed; otherwise its child
		signal  syscall.Signal
	}{
		{"a small snapshot outlives the server", 900, []string{"BGSAVE"}, true, syscall.SIGKILL},
		{"a large one ends", 4000, []string{"BGSAVE"}, true, syscall.SIGKILL},
		{"a small rewrite outlives the server", 900, []string{"BGREWRITEAOF"}, true, syscall.SIGKILL},
		{"a large one ends too", 4000, []string{"BGREWRITEAOF"}, true, syscall.SIGKILL},
		{"a snapshot is killed", 900, []string{"BGSAVE"}, false, syscall.SIGKILL},
		{"a rewrite is killed", 900, []string{"BGREWRITEAOF"}, false, syscall.SIGKILL},
		{"a snapshot is ended", 900, []string{"BGSAVE"}, false, syscall.SIGUSR1},
		{"a rewrite is ended", 900, []string{"BGREWRITEAOF"}, false, syscall.SIGUSR1},
		{"a child is asked to end as a server is", 900, []string{"BGSAVE"}, false, syscall.SIGTERM},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seen := map[string]outcome{}
			for name, start := range servers {
				p := start(t, t.TempDir(), "--appendonly", "yes", "--rdb-key-save-delay", "1000").listens()
				p.do("DEBUG", "POPULATE", strconv.Itoa(c.keys), "key", "100")
				p.do(c.command...)
				pid := p.child()
				p.eventually("its first keys are written", func() bool { _, size := p.temporary(); return size > 8192 })
				victim := pid
				if c.parent {
					victim = p.cmd.Process.Pid
				}
				require.NoError(t, syscall.Kill(victim, c.signal))
				p.eventually("the child has ended", func() bool { return over(pid) })
				var o outcome
				if !c.parent {
					p.eventually("its end is noticed", func() bool { return len(p.logged("terminated")) > 0 })
					o.info = map[string]string{}
					for line := range strings.Lines(p.do("INFO", "persistence")) {
						for _, field := range []string{"rdb_last_bgsave_status", "aof_last_bgrewrite_status", "rdb_changes_since_last_save", "rdb_bgsave_in_progress", "aof_rewrite_in_progress"} {
							if value, ok := strings.CutPrefix(strings.TrimSpace(line), field+":"); ok {
								o.info[field] = value
							}
						}
					}
				}
				_, err := os.Stat(filepath.Join(p.dir, "dump.rdb"))
				o.renamed = err == nil
				if files, _ := filepath.Glob(filepath.Join(p.dir, "temp-rewriteaof-bg-*")); len(files) > 0 {
					o.renamed = true
				}
				name2, _ := p.temporary()
				o.left = name2 != ""
				o.log = p.logged("terminated", "Child failed", "DB saved", "Received SIGUSR1", "Successfully created the temporary")
				for i := range o.log {
					o.log[i] = regexp.MustCompile(`\d{3,}`).ReplaceAllString(o.log[i], "N")
				}
				seen[name] = o
			}
			require.Equal(t, seen["redis"], seen["engine"])
			if c.parent {
				require.Equal(t, c.keys < 1000, seen["redis"].renamed)
			}
		})
	}
}
