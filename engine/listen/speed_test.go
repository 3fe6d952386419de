package listen_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/internal/needs"
)

// speedCommands are what redis-benchmark sends.
var speedCommands = [][]string{
	{"SET", "key:__rand_int__", "__value__"}, {"GET", "key:__rand_int__"}, {"INCR", "n:__rand_int__"}, {"LPUSH", "list:__rand_int__", "__value__"},
	{"HSET", "hash", "f:__rand_int__", "__value__"}, {"SADD", "set", "m:__rand_int__"}, {"ZADD", "zset", "__rand_int__", "m:__rand_int__"},
}

// pinned starts a server on the first processor; who loads it has the second.
func pinned(t *testing.T, name string, args ...string) *process {
	p := servers[name](t, t.TempDir(), args...).listens()
	require.NoError(t, exec.Command("taskset", "-a", "-p", "1", strconv.Itoa(p.cmd.Process.Pid)).Run())
	return p
}

// spent is the processor time of a process until now, in seconds.
func (p *process) spent() float64 {
	text := readFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	words := strings.Fields(text[strings.LastIndex(text, ")")+1:])
	user, _ := strconv.ParseFloat(words[11], 64)
	system, _ := strconv.ParseFloat(words[12], 64)
	return (user + system) / 100
}

// peak is the most that a process has had in memory, in MiB.
func (p *process) peak() float64 {
	for line := range strings.Lines(readFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == "VmHWM:" {
			kib, _ := strconv.ParseFloat(words[1], 64)
			return kib / 1024
		}
	}
	return 0
}

// mixed makes so many keys of all types, as a script does it.
const mixed = `for i = ARGV[1], ARGV[2] do
	local k, t = 'key:' .. i, i % 5
	if t == 0 then redis.call('SET', k, string.rep('v', 100))
	elseif t == 1 then redis.call('HSET', k, 'a', i, 'b', 'some text', 'c', 'x')
	elseif t == 2 then redis.call('RPUSH', k, i, 'some text', 'x')
	elseif t == 3 then redis.call('SADD', k, i, i + 1, i + 2)
	else redis.call('ZADD', k, i, 'a', 1.5, 'b', 3, 'c') end
end`

// TestSpeedBesideRedis measures both servers in alternating rounds, each on a processor of
// its own, and prints a table. TORNTAIL_SPEED is how many rounds, TORNTAIL_KEYS how many keys
// the data have, TORNTAIL_SECONDS how long they are overwritten.
func TestSpeedBesideRedis(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("TORNTAIL_SPEED"))
	if err != nil {
		t.Skip("make bench-engine")
	}
	wanted := func(name string, otherwise int) int {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
			return n
		}
		return otherwise
	}
	keys, seconds := wanted("TORNTAIL_KEYS", 1000000), wanted("TORNTAIL_SECONDS", 60)
	benchmark := needs.Program(t, "redis-benchmark")
	figures := map[string]map[string][]float64{} // by what is measured and server
	var order []string
	add := func(what, server string, n float64) {
		if figures[what] == nil {
			figures[what] = map[string][]float64{}
			order = append(order, what)
		}
		figures[what][server] = append(figures[what][server], n)
	}
	names := []string{"redis", "engine"}
	for round := range rounds {
		for _, name := range names {
			p := pinned(t, name, "--appendonly", "no")
			for _, pipeline := range []int{1, 16} {
				n := 100000 * min(pipeline, 5)
				for _, command := range speedCommands {
					args := append([]string{"-c", "1", benchmark, "-p", p.port, "-c", "50", "-n", strconv.Itoa(n), "-P", strconv.Itoa(pipeline), "-r", "100000", "-q"}, command...)
					for i := range args {
						args[i] = strings.ReplaceAll(args[i], "__value__", strings.Repeat("v", 100))
					}
					before := p.spent()
					out, err := exec.Command("taskset", args...).CombinedOutput()
					require.NoError(t, err, "%s", out)
					add(fmt.Sprintf("CPU seconds of a million %s, %d at once", command[0], pipeline), name, (p.spent()-before)*1e6/float64(n))
				}
			}
			p.cmd.Process.Kill()
			<-p.done
		}
		slices.Reverse(names)
		t.Logf("round %d of %d", round+1, rounds)
	}
	for _, name := range names {
		p := pinned(t, name, "--appendonly", "yes", "--appendfsync", "everysec", "--save", "3600 1 300 100 60 10000")
		load := exec.Command("taskset", "-c", "1", benchmark, "-p", p.port, "-c", "50", "-n", strconv.Itoa(keys), "-P", "16", "-r", strconv.Itoa(keys), "-d", "100", "-t", "set", "-q")
		require.NoError(t, load.Run())
		for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end); {
			require.NoError(t, exec.Command("taskset", "-c", "1", benchmark, "-p", p.port, "-c", "50", "-n", strconv.Itoa(keys/4), "-P", "16", "-r", strconv.Itoa(keys), "-d", "100", "-t", "set", "-q").Run())
		}
		add(fmt.Sprintf("peak resident MiB, %d keys loaded and overwritten for %d s", keys, seconds), name, p.peak())
		p.cmd.Process.Kill()
		<-p.done
	}
	for range max(1, min(rounds, 3)) {
		for _, name := range names {
			p := pinned(t, name, "--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--auto-aof-rewrite-percentage", "0")
			for i := 0; i < keys; i += 10000 {
				p.do("EVAL", mixed, "0", strconv.Itoa(i), strconv.Itoa(i+9999))
			}
			timed := func(what string, do func()) {
				begin := time.Now()
				do()
				add(fmt.Sprintf("%s of %d mixed keys, seconds", what, keys), name, time.Since(begin).Seconds())
			}
			timed("SAVE", func() { p.do("SAVE") })
			timed("rewrite", func() {
				p.do("BGREWRITEAOF")
				for p.info("aof_rewrite_in_progress") != "0" || p.info("aof_rewrite_scheduled") != "0" {
					time.Sleep(2 * time.Millisecond)
				}
			})
			timed("AOF load", func() { p.do("DEBUG", "LOADAOF") })
			timed("RDB load", func() { p.do("DEBUG", "RELOAD", "NOSAVE") })
			p.cmd.Process.Kill()
			<-p.done
		}
		slices.Reverse(names)
	}
	median := func(all []float64) float64 {
		all = slices.Clone(all)
		slices.Sort(all)
		return all[len(all)/2]
	}
	var table strings.Builder
	for _, what := range order {
		theirs, ours := median(figures[what]["redis"]), median(figures[what]["engine"])
		fmt.Fprintf(&table, "| %s | %.2f | %.2f | %.2f |\n", what, theirs, ours, ours/theirs)
	}
	t.Logf("load %s\n| | redis-server | engine | ratio |\n|---|--:|--:|--:|\n%s", strings.Fields(readFile("/proc/loadavg"))[0], table.String())
	if file := os.Getenv("TORNTAIL_TABLE"); file != "" {
		require.NoError(t, os.WriteFile(filepath.Clean(file), []byte(table.String()), 0o644))
	}
}
