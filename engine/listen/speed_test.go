package listen_test

import (
	"encoding/json"
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

// measures are the figures of TestSpeedBesideRedis, in pieces that are measured once: what was
// interrupted is taken up again.
type measures struct {
	t     *testing.T
	file  string // of the pieces that are done, a line each; "" for none
	done  map[string]bool
	order []string                        // of what is measured
	all   map[string]map[string][]float64 // by what is measured and server
}

// piece is some figures that belong together.
type piece struct {
	Name    string   `json:"name"`
	Figures []figure `json:"figures"`
}

type figure struct {
	What   string  `json:"what"`
	Server string  `json:"server"`
	Value  float64 `json:"value"`
}

func newMeasures(t *testing.T, file string) *measures {
	m := &measures{t: t, file: file, done: map[string]bool{}, all: map[string]map[string][]float64{}}
	for line := range strings.Lines(readFile(file)) {
		var p piece
		if json.Unmarshal([]byte(line), &p) == nil { // the last one may be torn
			m.take(p)
		}
	}
	return m
}

func (m *measures) take(p piece) {
	m.done[p.Name] = true
	for _, f := range p.Figures {
		if m.all[f.What] == nil {
			m.all[f.What] = map[string][]float64{}
			m.order = append(m.order, f.What)
		}
		m.all[f.What][f.Server] = append(m.all[f.What][f.Server], f.Value)
	}
}

// measure does a piece that is not done yet.
func (m *measures) measure(name string, do func(add func(what, server string, value float64))) {
	if m.done[name] {
		return
	}
	p := piece{Name: name}
	do(func(what, server string, value float64) { p.Figures = append(p.Figures, figure{what, server, value}) })
	m.take(p)
	m.t.Logf("%s, load %s", name, strings.Fields(readFile("/proc/loadavg"))[0])
	if m.file == "" {
		return
	}
	line, err := json.Marshal(p)
	require.NoError(m.t, err)
	f, err := os.OpenFile(m.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(m.t, err)
	_, err = f.Write(append(line, '\n'))
	require.NoError(m.t, err)
	require.NoError(m.t, f.Close())
}

// table has the medians.
func (m *measures) table() string {
	median := func(all []float64) float64 {
		all = slices.Clone(all)
		slices.Sort(all)
		return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
	}
	var table strings.Builder
	for _, what := range m.order {
		theirs, ours := m.all[what]["redis"], m.all[what]["engine"]
		if len(theirs) == 0 || len(ours) == 0 {
			continue
		}
		fmt.Fprintf(&table, "| %s | %.2f | %.2f | %.2f |\n", what, median(theirs), median(ours), median(ours)/median(theirs))
	}
	return table.String()
}

// TestSpeedBesideRedis measures both servers in alternating rounds, each on a processor of
// its own, and prints a table of the medians. TORNTAIL_SPEED is how many rounds, TORNTAIL_KEYS how
// many keys the data have, TORNTAIL_SECONDS how long they are overwritten, TORNTAIL_PROGRESS a file
// that remembers what is measured.
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
	t.Setenv("GOGC", "50") // as "torntail server" has it
	m := newMeasures(t, os.Getenv("TORNTAIL_PROGRESS"))
	names := []string{"redis", "engine"}
	for round := range rounds {
		for _, pipeline := range []int{1, 16} {
			m.measure(fmt.Sprintf("round %d, %d at once", round, pipeline), func(add func(what, server string, value float64)) {
				m.commands(benchmark, names, pipeline, add)
			})
		}
		slices.Reverse(names)
	}
	m.measure("memory", func(add func(what, server string, value float64)) {
		for _, name := range names {
			p := pinned(t, name, "--appendonly", "yes", "--appendfsync", "everysec", "--save", "3600 1 300 100 60 10000")
			load := func(n int) {
				require.NoError(t, exec.Command("taskset", "-c", "1", benchmark, "-p", p.port, "-c", "50", "-n", strconv.Itoa(n), "-P", "16", "-r", strconv.Itoa(keys), "-d", "100", "-t", "set", "-q").Run())
			}
			load(keys)
			for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end); {
				load(keys / 4)
			}
			add(fmt.Sprintf("peak resident MiB, %d keys loaded and overwritten for %d s", keys, seconds), name, p.peak())
			p.cmd.Process.Kill()
			<-p.done
		}
	})
	for round := range max(1, min(rounds, 3)) {
		m.measure(fmt.Sprintf("round %d, data", round), func(add func(what, server string, value float64)) {
			for _, name := range names {
				m.data(name, keys, add)
			}
		})
		slices.Reverse(names)
	}
	t.Logf("load %s\n| | redis-server | engine | ratio |\n|---|--:|--:|--:|\n%s", strings.Fields(readFile("/proc/loadavg"))[0], m.table())
	if file := os.Getenv("TORNTAIL_TABLE"); file != "" {
		require.NoError(t, os.WriteFile(filepath.Clean(file), []byte(m.table()), 0o644))
	}
}

// commands measures what each command costs; both servers are there, and asked in turn.
func (m *measures) commands(benchmark string, names []string, pipeline int, add func(what, server string, value float64)) {
	started := map[string]*process{}
	for _, name := range names {
		started[name] = pinned(m.t, name, "--appendonly", "no")
	}
	n := 50000 * min(pipeline, 5)
	for _, command := range speedCommands {
		for _, name := range names {
			p := started[name]
			args := append([]string{"-c", "1", benchmark, "-p", p.port, "-c", "50", "-n", strconv.Itoa(n), "-P", strconv.Itoa(pipeline), "-r", "100000", "-q"}, command...)
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "__value__", strings.Repeat("v", 100))
			}
			before := p.spent()
			out, err := exec.Command("taskset", args...).CombinedOutput()
			require.NoError(m.t, err, "%s", out)
			add(fmt.Sprintf("CPU seconds of a million %s, %d at once", command[0], pipeline), name, (p.spent()-before)*1e6/float64(n))
		}
	}
	for _, p := range started {
		p.cmd.Process.Kill()
		<-p.done
	}
}

// data measures how long a server takes to save and to load keys of all types, and what that costs.
func (m *measures) data(name string, keys int, add func(what, server string, value float64)) {
	p := pinned(m.t, name, "--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--auto-aof-rewrite-percentage", "0")
	for i := 0; i < keys; i += 10000 {
		p.do("EVAL", mixed, "0", strconv.Itoa(i), strconv.Itoa(min(i+10000, keys)-1))
	}
	timed := func(what string, do func()) {
		begin, before := time.Now(), p.spent()
		do()
		add(fmt.Sprintf("%s of %d mixed keys, seconds", what, keys), name, time.Since(begin).Seconds())
		if what != "rewrite" { // whose child is a process of its own
			add(fmt.Sprintf("%s of %d mixed keys, CPU seconds", what, keys), name, p.spent()-before)
		}
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
