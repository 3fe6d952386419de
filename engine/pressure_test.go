package engine_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/listen"
	"github.com/torntail/torntail/engine/spec"
	"github.com/torntail/torntail/internal/companion"
	"github.com/torntail/torntail/internal/needs"
)

// asServer is set in the environment of a copy of this test that is to be a server.
const asServer = "TORNTAIL_TEST_AS_SERVER"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(asServer) == "":
		os.Exit(m.Run())
	case len(os.Args) == 2 && os.Args[1] == "--child":
		os.Exit(listen.RunChild(os.Stdin, os.Stdout))
	}
	cfg := config.Default()
	if _, err := cfg.ParseArgs(os.Args[1:], os.ReadFile); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(listen.Run(listen.Options{Config: cfg, Output: os.Stdout, Child: []string{os.Args[0], "--child"}}))
}

// runs is a server in a process of its own.
type runs struct {
	t    *testing.T
	real bool
	port string
	dir  string
	cmd  *exec.Cmd
	*socket
}

func startRun(t *testing.T, real bool, args ...string) *runs {
	r := &runs{t: t, real: real, port: strconv.Itoa(freePort(t)), dir: t.TempDir()}
	program := needs.Program(t, "redis-server")
	if !real {
		var err error
		program, err = os.Executable()
		require.NoError(t, err)
	}
	r.cmd = exec.Command(program, append([]string{"--port", r.port, "--bind", "127.0.0.1", "--dir", r.dir, "--save", "", "--enable-debug-command", "yes",
		"--logfile", filepath.Join(r.dir, "log"), "--repl-diskless-sync-delay", "0", "--repl-timeout", "3600", "--appendfsync", "no",
		"--auto-aof-rewrite-percentage", "0", "--hz", "100", "--latency-tracking", "no", "--slowlog-log-slower-than", "-1"}, args...)...)
	if !real {
		r.cmd.Env = append(os.Environ(), asServer+"=1")
	}
	companion.Start(t, r.cmd)
	r.until("it listens", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+r.port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	r.socket = dial(t, "127.0.0.1:"+r.port)
	return r
}

func (r *runs) name() string {
	if r.real {
		return "redis"
	}
	return "engine"
}

// until waits for a condition, with a bound far above what it takes.
func (r *runs) until(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	log, _ := os.ReadFile(filepath.Join(r.dir, "log"))
	require.FailNow(r.t, "waited in vain until "+what, "%s: %s", r.name(), log[max(0, len(log)-2000):])
}

// info is a field of INFO.
func (r *runs) info(field string) string {
	for line := range strings.Lines(payload(r.do("INFO", "everything"))) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), field+":"); ok {
			return value
		}
	}
	return ""
}

func (r *runs) number(field string) (n int64) {
	n, _ = strconv.ParseInt(r.info(field), 10, 64)
	return n
}

func (r *runs) follow(m *runs) {
	r.do("REPLICAOF", "127.0.0.1", m.port)
	r.until("it follows", func() bool { return r.info("master_link_status") == "up" })
}

// catchUp waits until a replica has all that its master has sent.
func (r *runs) catchUp(m *runs) {
	r.t.Helper()
	r.until("it has caught up", func() bool {
		return r.info("master_link_status") == "up" && r.info("slave_repl_offset") == m.info("master_repl_offset")
	})
}

// child is the process that writes a snapshot or a log for the server; 0: none.
func (r *runs) child() (pid int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", r.cmd.Process.Pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		for word := range strings.FieldsSeq(string(text)) {
			pid, _ = strconv.Atoi(word)
		}
	}
	return pid
}

// quietCommands are those whose replies hang on chance, on clocks, or on how much memory
// there is, and those that wait.
var quietCommands = []string{"randomkey", "scan", "spop", "migrate", "swapdb", "move", "dbsize", "object|freq", "object|idletime", "object|refcount", "memory|usage", "select", "reset", "flushall", "flushdb", "restore-asking", "wait"}

// pressureNames are the drawn commands that are compared under pressure.
var pressureNames = slices.DeleteFunc(slices.Clone(drawnNames), func(name string) bool {
	first, _, _ := strings.Cut(name, "|")
	at := slices.IndexFunc(spec.Commands(), func(c *spec.Command) bool { return c.Name == first })
	session := slices.ContainsFunc(sessionDraws.lines(), func(line string) bool {
		words := strings.Fields(strings.TrimLeft(line, "~?^"))
		return commandName(words[:min(2, len(words))]) == name
	})
	return session || slices.Contains(quietCommands, name) || slices.ContainsFunc(excuses, func(e excuse) bool { return e.command == name }) ||
		at >= 0 && spec.Commands()[at].Has("blocking") || strings.HasPrefix(name, "(")
})

// blind reports whether a command is not asked for, for one of these reasons.
func blind(d drawn) bool {
	return d.alone || d.relative || d.ordered || slices.Contains(quietCommands, commandName(d.argv)) ||
		slices.ContainsFunc(d.argv, func(a string) bool {
			return strings.EqualFold(a, "FREQ") || strings.EqualFold(a, "IDLETIME") || strings.EqualFold(a, "REFCOUNT") || strings.EqualFold(a, "RANDOMKEY")
		})
}

// padding are keys that are there to take memory.
const padding = 400

// drawPressed draws what one client sends at once: some of it takes memory, some has a
// deadline that both servers are told in milliseconds, from deadline on.
func drawPressed(t *rapid.T, deadline int64) []drawn {
	pad := fmt.Sprint("pad", below(t, padding))
	switch evenly(t, []string{"command", "command", "command", "fill", "fill", "pad", "pad", "pad", "deadline", "deadline", "transaction", "script"}) {
	case "fill":
		return drawFill(t)
	case "pad":
		value := strings.Repeat("x", 500*(1+below(t, 12)))
		return []drawn{{argv: evenly(t, [][]string{{"SET", pad, value}, {"SET", pad, value, "EX", "100000"}, {"APPEND", pad, value}, {"RPUSH", pad, value}, {"HSET", pad, "f", value}, {"GET", pad}, {"DEL", pad}})}}
	case "deadline":
		if deadline == 0 {
			return []drawn{{argv: []string{"SET", pad, "v", "EX", "100000"}}}
		}
		at := strconv.FormatInt(deadline+100*int64(below(t, 8)), 10)
		key := evenly(t, []string{pad, drawWord(t, "key")})
		return []drawn{{argv: evenly(t, [][]string{{"SET", pad, "v", "PXAT", at}, {"PEXPIREAT", key, at}, {"PEXPIREAT", key, at}, {"GETEX", key, "PXAT", at}})}}
	case "transaction":
		out := []drawn{{argv: []string{"MULTI"}}}
		for range 1 + below(t, 5) {
			out = append(out, drawSeen(t))
		}
		return append(out, drawn{argv: []string{"EXEC"}})
	case "script":
		for {
			// What is kept from replicas or the log is not there.
			if d := drawScript(t); !blind(d) && !strings.Contains(d.argv[1], "set_repl") {
				return []drawn{d}
			}
		}
	}
	return []drawn{drawSeen(t)}
}

func drawSeen(t *rapid.T) drawn {
	for {
		if d := draw(t, evenly(t, drawnCommands[evenly(t, pressureNames)])); !blind(d) {
			return d
		}
	}
}

// pressed is one round, as it stands in the file that remembers them.
type pressed struct {
	Seed     int    `json:"seed"`
	Scene    string `json:"scene"`
	Commands int    `json:"commands"` // that were compared
	Excused  int    `json:"excused"`
	Evicted  int64  `json:"evicted,omitempty"`
	Expired  int64  `json:"expired,omitempty"`
	Children int    `json:"children,omitempty"` // that were killed
	Refused  int    `json:"refused,omitempty"`  // for want of memory, which the other has
	Late     int    `json:"late,omitempty"`     // steps that the machine spread over a deadline
}

// round is one in the making.
type round struct {
	t     *testing.T
	is    pressed
	log   [][]string
	queue []drawn // of the transaction
}

// same compares two replies to a command.
func (r *round) same(c drawn, theirs, ours string) {
	argv := c.argv
	r.is.Commands++
	switch queue := r.queue; {
	case theirs == "+QUEUED\r\n":
		r.queue = append(r.queue, c)
	case argv[0] == "EXEC":
		r.queue = nil
		if theirs == ours || theirs[0] != '*' || ours[0] != '*' {
			break
		}
		if a, b := elements(theirs), elements(ours); len(a) == len(queue) && len(b) == len(queue) {
			for i, q := range queue {
				r.same(q, a[i], b[i])
			}
			return
		}
	}
	if theirs == ours {
		return
	}
	if name := strings.ToLower(argv[0]); c.unordered && inOrder(theirs, name) == inOrder(ours, name) {
		r.is.Excused++
		return
	}
	require.FailNow(r.t, "different replies", "seed %d, after %d commands, the last of them %.2000q\n%.1000q\nredis:  %.2000q\nengine: %.2000q",
		r.is.Seed, r.is.Commands, strings.ReplaceAll(fmt.Sprint(r.log[max(0, len(r.log)-8):]), "xxxxxxxx", ""), argv, theirs, ours)
}

// withoutPushes reads a reply, and the keys before it whose eviction is told, each with
// its database.
func (s *socket) withoutPushes() (reply string, evicted [][2]string) {
	for {
		reply = s.reply()
		if reply == "" || reply[0] != '>' {
			return reply, evicted
		}
		e := elements(reply)
		if db, ok := strings.CutPrefix(payload(e[len(e)-2]), "__keyevent@"); ok {
			evicted = append(evicted, [2]string{strings.TrimSuffix(db, "__:evicted"), payload(e[len(e)-1])})
		}
	}
}

// together is how many steps are sent at once.
const together = 20

// deletions delete what was evicted.
func deletions(evicted [][2]string) (out [][]string) {
	for _, e := range evicted {
		out = append(out, []string{"SELECT", e[0]}, []string{"DEL", e[1]})
	}
	if len(out) > 0 {
		out = append(out, []string{"SELECT", "0"})
	}
	return out
}

// evictedBatch sends steps to the server that is pressed, and then to the other, which deletes
// before each command what was evicted before it; what is evicted while commands of a
// transaction are queued, before them all.
func (r *round) evictedBatch(batch [][]drawn, pressed, other *socket, redisIsPressed bool) {
	type pair struct {
		drawn
		reply string
	}
	var text []byte
	for _, commands := range batch {
		for _, c := range commands {
			text = append(text, encode(c.argv...)...)
		}
	}
	pressed.send(text)
	var all [][]string // what the other is sent
	var asked []*pair  // what its replies are compared with; nil: a deletion
	for _, commands := range batch {
		var replies []string
		var before [][][2]string
		refused := false
		for range commands {
			reply, evicted := pressed.withoutPushes()
			replies, before = append(replies, reply), append(before, evicted)
			refused = refused || strings.Contains(reply, "OOM command not allowed")
		}
		transaction := commands[0].argv[0] == "MULTI"
		if transaction {
			before = [][][2]string{slices.Concat(before...)}
		}
		for i, c := range commands {
			if i < len(before) {
				for _, d := range deletions(before[i]) {
					all, asked = append(all, d), append(asked, nil)
				}
			}
			if refused && (transaction || strings.Contains(replies[i], "OOM command not allowed")) {
				r.is.Refused++
				continue
			}
			all, asked = append(all, c.argv), append(asked, &pair{c, replies[i]})
		}
	}
	for i, reply := range other.all(all) {
		if p := asked[i]; p != nil {
			r.log = append(r.log, p.argv)
			theirs, ours := p.reply, reply
			if !redisIsPressed {
				theirs, ours = ours, theirs
			}
			r.same(p.drawn, theirs, ours)
		}
	}
}

// evictions presses the memory of one server; the other has memory, and is told to delete
// what was evicted, just when it was. From then on they answer alike. A replica of the other
// kind has what the first has, and so has its log.
func (r *round) evictions(steps int, redisIsPressed bool, policy string) {
	a := startRun(r.t, redisIsPressed, "--appendonly", "yes", "--maxmemory-policy", policy, "--notify-keyspace-events", "Ee", "--rdb-key-save-delay", "300")
	b := startRun(r.t, !redisIsPressed, "--appendonly", "yes", "--maxmemory-policy", policy, "--maxmemory", "1000gb", "--rdb-key-save-delay", "300")
	replica := startRun(r.t, !redisIsPressed)
	replica.follow(a)
	pressed, other := dial(r.t, "127.0.0.1:"+a.port), dial(r.t, "127.0.0.1:"+b.port)
	for _, s := range []*socket{pressed, other} {
		s.do("HELLO", "3")
	}
	pressed.do("PSUBSCRIBE", "__keyevent@*__:evicted")
	for n := range padding / 2 {
		fill := []string{"SET", fmt.Sprint("pad", n), strings.Repeat("x", 1000+10*n), "EX", "100000"}
		require.Equal(r.t, a.do(fill...), b.do(fill...))
	}
	limit := a.number("used_memory") - a.number("mem_not_counted_for_evict") + 20<<10
	a.do("CONFIG", "SET", "maxmemory", strconv.FormatInt(limit, 10))
	gen := rapid.Custom(func(t *rapid.T) []drawn { return drawPressed(t, 0) })
	var batch [][]drawn
	for n := range steps {
		if n%(steps/3) == steps/6 {
			r.killChildren(n, a, b)
		}
		commands := gen.Example(r.is.Seed*100003 + n)
		// A script that memory fails in its midst has done half of its work.
		if !strings.HasPrefix(policy, "volatile") || !strings.HasPrefix(commands[0].argv[0], "EVAL") {
			batch = append(batch, commands)
		}
		if len(batch) == together || n == steps-1 {
			r.evictedBatch(batch, pressed, other, redisIsPressed)
			batch = nil
			// Scripts are kept, and clients' buffers grow: where there is next to nothing left to
			// evict, a script may fail in its midst and not tell.
			a.do("SCRIPT", "FLUSH", "SYNC")
			if few, _ := strconv.Atoi(strings.Trim(a.do("DBSIZE"), ":\r\n")); few < padding/4 {
				limit += 50 << 10
				a.do("CONFIG", "SET", "maxmemory", strconv.FormatInt(limit, 10))
			}
		}
	}
	a.do("CONFIG", "SET", "maxmemory", "0")
	pressed.send(encode("PING"))
	_, evicted := pressed.withoutPushes()
	for _, e := range deletions(evicted) {
		other.do(e...)
	}
	r.is.Evicted = a.number("evicted_keys")
	digest := a.do("DEBUG", "DIGEST")
	require.Equal(r.t, digest, b.do("DEBUG", "DIGEST"), "seed %d: data of both", r.is.Seed)
	replica.catchUp(a)
	require.Equal(r.t, digest, replica.do("DEBUG", "DIGEST"), "seed %d: data of the replica", r.is.Seed)
	for _, s := range []*runs{a, b} {
		require.Equal(r.t, "+OK\r\n", s.do("DEBUG", "LOADAOF"))
		require.Equal(r.t, digest, s.do("DEBUG", "DIGEST"), "seed %d: data of the log of %s", r.is.Seed, s.name())
	}
}

// killChildren has both write a snapshot or their log anew, and kills who does that.
func (r *round) killChildren(n int, servers ...*runs) {
	command, field, signal := "BGSAVE", "rdb_last_bgsave_status", syscall.SIGKILL
	if n%2 == 1 {
		command, field = "BGREWRITEAOF", "aof_last_bgrewrite_status"
	}
	if n%4 >= 2 {
		signal = syscall.SIGUSR1
	}
	var status, counted []string
	for _, s := range servers {
		idle := func() bool {
			return s.info("rdb_bgsave_in_progress") == "0" && s.info("aof_rewrite_in_progress") == "0"
		}
		s.until("it has no child", idle) // such as one for its replicas
		s.do("CONFIG", "SET", "rdb-key-save-delay", "200000")
		before := s.number("rdb_changes_since_last_save")
		require.NotEqual(r.t, byte('-'), s.do(command)[0], "seed %d: %s", r.is.Seed, command)
		s.until("its child works", func() bool {
			files, _ := filepath.Glob(filepath.Join(s.dir, "temp-*"))
			return s.child() != 0 && len(files) > 0
		})
		require.NoError(r.t, syscall.Kill(s.child(), signal))
		s.until("its child has ended", idle)
		status = append(status, s.info(field))
		counted = append(counted, fmt.Sprint(s.number("rdb_changes_since_last_save") >= before))
		s.do("CONFIG", "SET", "rdb-key-save-delay", "0")
		s.do("BGREWRITEAOF")
		s.until("its log is written", func() bool { return s.info("aof_rewrite_in_progress") == "0" })
		s.do("BGSAVE")
		s.until("its snapshot is written", func() bool { return s.info("rdb_bgsave_in_progress") == "0" })
		require.Equal(r.t, "ok", s.info("rdb_last_bgsave_status"))
	}
	require.Equal(r.t, status[0], status[1], "seed %d: after %s and %s", r.is.Seed, command, signal)
	require.Equal(r.t, []string{"true", "true"}, counted, "seed %d: changes are not forgotten", r.is.Seed)
	r.is.Children += len(servers)
}

// grid is how far apart moments are at which keys may expire, in milliseconds, and guard how
// long before one of them nothing is begun.
const grid, guard = 100, 15

// offGrid waits until no key expires for a while, and returns the last moment at which
// some did.
func offGrid() int64 {
	for {
		now := time.Now().UnixMilli()
		if into := now % grid; into > 3 && into < grid-guard {
			return now - into
		}
		time.Sleep(time.Millisecond)
	}
}

// expiry has keys expire under load at both, at moments between commands, while one replica
// of each lags, and clients write to another, and children are killed.
func (r *round) expiry(steps int) {
	type side struct {
		master, lags, writable *runs
		c, w                   *socket
	}
	var sides [2]side
	for i, real := range []bool{true, false} {
		m := startRun(r.t, real, "--appendonly", "yes")
		s := side{master: m, lags: startRun(r.t, !real), writable: startRun(r.t, real, "--replica-read-only", "no")}
		s.lags.follow(m)
		s.writable.follow(m)
		s.c, s.w = dial(r.t, "127.0.0.1:"+m.port), dial(r.t, "127.0.0.1:"+s.writable.port)
		sides[i] = s
	}
	lag := func(stop bool) {
		signal := syscall.SIGCONT
		if stop {
			signal = syscall.SIGSTOP
		}
		for _, s := range sides {
			require.NoError(r.t, syscall.Kill(s.lags.cmd.Process.Pid, signal))
		}
	}
	defer func() { lag(false) }()
	// both asks two servers, and is whole unless a key may have expired between them.
	both := func(commands []drawn, theirs, ours *socket) {
		var text []byte
		for _, c := range commands {
			text = append(text, encode(c.argv...)...)
			r.log = append(r.log, c.argv)
		}
		moment := offGrid()
		theirs.send(text)
		ours.send(text)
		var want, got []string
		for range commands {
			want, got = append(want, theirs.reply()), append(got, ours.reply())
		}
		if time.Now().UnixMilli() >= moment+grid {
			// The machine had it last longer than a key lives, so that the two may
			// differ: they begin anew.
			r.is.Late++
			r.queue = nil
			for _, s := range sides {
				s.c.do("FLUSHALL")
				s.w.do("FLUSHALL")
			}
			return
		}
		for i, c := range commands {
			r.same(c, want[i], got[i])
		}
	}
	var batch []drawn
	for n := range steps {
		switch {
		case n%(steps/2) == steps/4:
			r.killChildren(n, sides[0].master, sides[1].master)
		case n%50 == 20:
			lag(true)
		case n%50 == 45:
			lag(false)
		}
		begin := time.Now().UnixMilli()
		gen := rapid.Custom(func(t *rapid.T) []drawn { return drawPressed(t, begin-begin%grid+3*grid) })
		batch = append(batch, gen.Example(r.is.Seed*100003+n)...)
		if n%10 != 9 {
			continue
		}
		commands := batch
		batch = nil
		if n/10%7 == 3 {
			for _, s := range sides {
				s.writable.catchUp(s.master)
			}
			both(commands, sides[0].w, sides[1].w)
			continue
		}
		both(commands, sides[0].c, sides[1].c)
	}
	lag(false)
	time.Sleep(15 * grid * time.Millisecond) // until all have expired
	for i, s := range sides {
		for n := range padding {
			s.c.do("EXISTS", fmt.Sprint("pad", n))
		}
		for _, key := range comparedKeys {
			s.c.do("EXISTS", key)
		}
		s.lags.catchUp(s.master)
		s.writable.catchUp(s.master)
		for n := range padding {
			s.w.do("GET", fmt.Sprint("pad", n))
		}
		if i == 1 {
			r.is.Expired = s.master.number("expired_keys")
		}
	}
	want := sides[0].master.do("DEBUG", "DIGEST")
	for _, s := range sides {
		require.Equal(r.t, want, s.master.do("DEBUG", "DIGEST"), "seed %d: data of %s", r.is.Seed, s.master.name())
		require.Equal(r.t, want, s.lags.do("DEBUG", "DIGEST"), "seed %d: data of %s, which lagged", r.is.Seed, s.lags.name())
		require.Equal(r.t, "+OK\r\n", s.master.do("DEBUG", "LOADAOF"))
		require.Equal(r.t, want, s.master.do("DEBUG", "DIGEST"), "seed %d: data of the log of %s", r.is.Seed, s.master.name())
	}
	require.Equal(r.t, sides[0].writable.do("DEBUG", "DIGEST"), sides[1].writable.do("DEBUG", "DIGEST"), "seed %d: data of the writable replicas", r.is.Seed)
}

// scenes are what is pressed, by the seed.
var pressureScenes = []string{"redis evicts", "engine evicts", "expiry"}

// Under pressure (evictions, keys that expire under load, scripts, replicas that lag and that
// are written to, children that are killed) the engine is what redis-server is.
// TORNTAIL_COMMANDS asks for so many commands, and TORNTAIL_PROGRESS is a file that remembers
// the rounds that are done.
func TestSameUnderPressure(t *testing.T) {
	total, err := strconv.Atoi(os.Getenv("TORNTAIL_COMMANDS"))
	steps := 1000
	if err != nil {
		total, steps = 1, 100
	}
	var done int
	seen := map[int]bool{}
	file := os.Getenv("TORNTAIL_PROGRESS")
	if text, err := os.ReadFile(file); file != "" && err == nil {
		for line := range strings.Lines(string(text)) {
			var p pressed
			if json.Unmarshal([]byte(line), &p) == nil { // the last one may be torn
				seen[p.Seed] = true
				done += p.Commands
			}
		}
	}
	policies := []string{"allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-ttl", "volatile-lfu", "volatile-random"}
	for seed := 0; done < total || seed < len(pressureScenes); seed++ {
		if seen[seed] {
			continue
		}
		r := &round{is: pressed{Seed: seed, Scene: pressureScenes[seed%len(pressureScenes)]}}
		policy := policies[seed/len(pressureScenes)%len(policies)]
		ok := t.Run(fmt.Sprintf("%s, seed %d", r.is.Scene, seed), func(t *testing.T) {
			r.t = t
			switch r.is.Scene {
			case "expiry":
				r.expiry(steps)
			default:
				r.evictions(steps, r.is.Scene == "redis evicts", policy)
				require.NotZero(t, r.is.Evicted, "nothing was evicted")
			}
		})
		require.True(t, ok)
		line, err := json.Marshal(r.is)
		require.NoError(t, err)
		t.Logf("%s", line)
		done += r.is.Commands
		if file != "" {
			f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
			require.NoError(t, err)
			_, err = f.Write(append(line, '\n'))
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
	}
	t.Logf("%d commands", done)
}
