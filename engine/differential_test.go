package engine_test

import (
	"crypto/sha256"
	"encoding/binary"
	"flag"
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
	"pgregory.net/rapid"

	"github.com/torntail/torntail/engine/keyspace"
)

// typeDraws are the commands of all types, and those of no type.
var typeDraws = []draws{keyDraws, sessionDraws, stringDraws, listDraws, hashDraws, setDraws, zsetDraws, sortDraws, geoDraws, hllDraws, streamDraws}

// drawnCommands are the patterns of typeDraws by their command, in order: drawn
// from names, so that each command comes up as often as any other.
var drawnCommands, drawnNames = func() (map[string][]string, []string) {
	patterns := map[string][]string{}
	var names []string
	for _, d := range typeDraws {
		for _, line := range d.lines() {
			words := strings.Fields(strings.TrimLeft(line, "~?^"))
			name := commandName(words[:min(2, len(words))])
			if patterns[name] == nil {
				names = append(names, name)
			}
			patterns[name] = append(patterns[name], line)
		}
	}
	return patterns, names
}()

// seldom are commands that end what others need, or whose replies are excused.
var seldom = []string{"swapdb", "reset", "select", "(flushall|flushdb)", "srandmember", "hrandfield", "zrandmember"}

func drawCommand(t *rapid.T) drawn {
	name := evenly(t, drawnNames)
	if slices.Contains(seldom, name) && rapid.Bool().Draw(t, "seldom") {
		name = evenly(t, drawnNames)
	}
	return draw(t, evenly(t, drawnCommands[name]))
}

// step is what happens next in a comparison.
type step struct {
	client   int
	commands []drawn
	// expire: this key expires before the commands.
	expire string
	scene  *scene
}

func drawStep(t *rapid.T, client int, wanted []wanted) (s step) {
	s.client = client
	switch evenly(t, []string{"command", "command", "command", "command", "fill", "state", "state", "state", "state", "state", "state", "state", "state", "expire", "transaction", "waiters", "script"}) {
	case "script":
		s.commands = []drawn{drawScript(t)}
	case "command":
		s.commands = []drawn{drawCommand(t)}
	case "fill":
		s.commands = drawFill(t)
	case "state":
		s.commands = drawInState(t, wanted)
	case "expire":
		s.expire = drawWord(t, "key")
		s.commands = []drawn{drawMeeting(t, s.expire)}
	case "transaction":
		s.commands = []drawn{{argv: []string{"MULTI"}}}
		for range rapid.IntRange(1, 5).Draw(t, "commands") {
			if below(t, 6) == 0 {
				s.commands = append(s.commands, drawScript(t))
				continue
			}
			s.commands = append(s.commands, drawCommand(t))
		}
		s.commands = append(s.commands, drawn{argv: []string{evenly(t, []string{"EXEC", "EXEC", "EXEC", "DISCARD"})}})
	case "waiters":
		if below(t, 4) == 3 {
			s.scene = drawScene(t)
		}
	}
	return s
}

// drawInState puts the first key of a drawn command into a state, and draws some
// others of its group for the key, most of which do not change it. Where commands
// are wanted, three of four times it is some of those.
func drawInState(t *rapid.T, all []wanted) (out []drawn) {
	name, state := evenly(t, drawnNames), evenly(t, []string{"absent", "own", "own", "wrong"})
	kind := groupKinds[groups[name]]
	names := groupNames[kind]
	if len(all) > 0 && below(t, 4) > 0 {
		w := evenly(t, all)
		name, state, kind = w.command, w.state, groupKinds[groups[w.command]]
		names = nil
		for _, o := range all {
			if o.state == state && groupKinds[groups[o.command]] == kind {
				names = append(names, o.command)
			}
		}
	}
	var d drawn
	at := -1
	for tries := 0; at < 0; tries++ { // some patterns name no key, or another
		d = draw(t, evenly(t, drawnCommands[name]))
		at = slices.IndexFunc(d.argv[1:], isKey)
		if at < 0 && tries == 5 {
			return []drawn{d}
		}
	}
	key := d.argv[1+at]
	kind = keyKind(key)
	switch state {
	case "absent":
		out = []drawn{{argv: []string{"DEL", key}}}
	case "own":
		own := kind
		if strings.HasPrefix(key, "hll") {
			own = "hll"
		}
		out = drawFillOf(t, own, key)
	case "wrong":
		others := slices.DeleteFunc(slices.Clone(keyTypes), func(k string) bool { return k == kind || kind == "same" && k == "zset" })
		out = drawFillOf(t, evenly(t, others), key)
	}
	out = append(out, d)
	for range below(t, 4) {
		next := draw(t, evenly(t, drawnCommands[evenly(t, names)]))
		if at := slices.IndexFunc(next.argv[1:], isKey); at >= 0 && keyKind(next.argv[1+at]) == kind {
			next.argv[1+at] = key
		}
		out = append(out, next)
	}
	return out
}

// keyKind is what a key is meant to be by its name.
func keyKind(key string) string {
	switch {
	case slices.Contains(groupedStreams, key):
		return "stream"
	case strings.HasPrefix(key, "hll"):
		return "string"
	}
	return strings.TrimRight(key, "0123456789")
}

// groupNames are drawnNames by the type of key that they are for.
var groupNames = func() map[string][]string {
	out := map[string][]string{}
	for _, name := range drawnNames {
		kind := groupKinds[groups[name]]
		out[kind] = append(out[kind], name)
	}
	return out
}()

// drawMeeting draws a command that may meet a key which has expired: the first of
// those that it names, or any that a scan finds.
func drawMeeting(t *rapid.T, key string) drawn {
	if below(t, 4) == 3 {
		return draw(t, evenly(t, drawnCommands["scan"]))
	}
	d := drawCommand(t)
	if at := slices.IndexFunc(d.argv[1:], isKey); at >= 0 {
		d.argv[1+at] = key
	}
	return d
}

// drawSteps draws some steps of one client.
func drawSteps(t *rapid.T, wanted []wanted) []step {
	client := below(t, 3)
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step { return drawStep(t, client, wanted) }), 1, 60).Draw(t, "steps")
}

// drawFill makes a key one of its type, whatever it was.
func drawFill(t *rapid.T) []drawn {
	kind := evenly(t, filledKinds)
	return drawFillOf(t, kind, fmt.Sprint(kind, below(t, keysOfType-1)))
}

// drawFillOf makes a key one of a type, whatever it was.
func drawFillOf(t *rapid.T, kind, key string) []drawn {
	out := []drawn{{argv: []string{"DEL", key}}}
	for command := range strings.SplitSeq(evenly(t, fills[kind].lines()), ";") {
		out = append(out, draw(t, strings.ReplaceAll(command, "{own}", key)))
	}
	return out
}

// filledKinds are the kinds of keys that are filled.
var filledKinds = slices.DeleteFunc(append(slices.Clone(keyTypes), "same", "hll"), func(kind string) bool { return fills[kind] == "" })

// GoString is a step as a failed test shows it.
func (s step) GoString() string {
	switch {
	case s.expire != "":
		return fmt.Sprintf("%d: %s expires, then %#v", s.client, s.expire, s.commands)
	case s.scene != nil:
		return fmt.Sprintf("%d: %#v wait, then %#v", s.client, s.scene.waiters, s.scene.feed)
	}
	return fmt.Sprintf("%d: %#v", s.client, s.commands)
}

// do carries a step out with one of several clients.
func (s step) do(t *testing.T, clients []*pair) {
	c := clients[s.client]
	switch {
	case s.scene != nil:
		s.scene.play(t, c)
	case s.expire != "":
		at := time.Now().Add(20 * time.Millisecond).UnixMilli()
		c.do(drawn{argv: []string{"PEXPIREAT", s.expire, strconv.FormatInt(at, 10)}})
		if time.Now().UnixMilli() >= at {
			c.t.Skip("the key may have expired for one of the two and not for the other")
		}
		for time.Now().UnixMilli() <= at {
			time.Sleep(time.Millisecond)
		}
		c.do(s.commands...)
	default:
		c.do(s.commands...)
	}
}

// joined are steps in which one client's commands that follow each other are one.
func joined(steps []step) (out []step) {
	for _, s := range steps {
		var commands []drawn
		for _, c := range s.commands {
			commands = append(commands, c)
			if c.relative {
				commands = append(commands, drawn{argv: []string{"PERSIST", c.argv[1]}})
			}
		}
		s.commands = commands
		if n := len(out); n > 0 && commands != nil && s.expire == "" && out[n-1].commands != nil && out[n-1].client == s.client {
			out[n-1].commands = append(out[n-1].commands, commands...)
			continue
		}
		out = append(out, s)
	}
	return out
}

// way is how the data of both servers comes back in a comparison.
type way struct {
	name       string
	directives [][2]string
}

var ways = []way{
	{"log", [][2]string{{"appendonly", "yes"}, {"aof-use-rdb-preamble", "no"}}},
	{"hybrid", [][2]string{{"appendonly", "yes"}, {"aof-use-rdb-preamble", "yes"}}},
	{"snapshot", [][2]string{{"appendonly", "no"}}},
}

// smallLimits let collections change their encoding after a few elements, and
// whoever waits for a moment be answered after a moment.
var smallLimits = [][2]string{{"hash-max-listpack-entries", "4"}, {"hash-max-listpack-value", "20"}, {"set-max-intset-entries", "4"},
	{"zset-max-listpack-entries", "4"}, {"zset-max-listpack-value", "20"}, {"stream-node-max-entries", "3"}, {"stream-node-max-bytes", "250"}, {"notify-keyspace-events", "AKEmn"},
	{"hz", "100"}, {"appendfsync", "no"}, {"auto-aof-rewrite-percentage", "0"}, {"repl-diskless-sync-delay", "0"}, {"repl-timeout", "86400"}}

// comparison holds the engine against redis-server, case after case.
type comparison struct {
	t        *testing.T
	both     *couple
	clients  []*pair
	events   *listener // hears of keys
	replica  *listener // gets the stream of writes
	dirty    bool      // a case has not come to its end
	seen     *coverage
	wanted   []wanted // what is drawn more often
	restarts int
	marks    int
}

func compare(t *testing.T, w way) *comparison {
	c := &comparison{t: t, both: startCouple(t, append(slices.Clone(w.directives), smallLimits...)...), seen: newCoverage()}
	c.connect()
	return c
}

func (c *comparison) connect() {
	c.clients = nil
	for range 3 {
		c.clients = append(c.clients, c.both.dial(c.t))
	}
	c.events, c.replica = c.both.subscribe(c.t), c.both.follow(c.t)
}

func (c *comparison) hangUp() {
	for _, p := range c.clients {
		p.close()
	}
	c.events.end()
	c.replica.end()
}

// mark publishes what listeners hear last.
func (c *comparison) mark() string {
	c.marks++
	mark := fmt.Sprintf("mark %d.", c.marks)
	c.clients[0].ask("PUBLISH", "__key:end", mark)
	return mark
}

// check plays one case. The two answer every command alike, tell the same events,
// write the same log, send replicas the same stream, and hold the same data in
// the same encodings; a reload or a restart changes it alike.
func (c *comparison) check(rt *rapid.T) {
	filled := rapid.SliceOfN(rapid.Custom(drawFill), 0, 30).Draw(rt, "filled")
	// Slices of slices, because a drawn slice has six elements on the average.
	some := func(t *rapid.T) []step { return drawSteps(t, c.wanted) }
	steps := slices.Concat(rapid.SliceOfN(rapid.Custom(some), 1, 60).Draw(rt, "steps")...)
	end := rapid.SampledFrom([]string{"LOADAOF", "RELOAD", "RELOAD", "LOADAOF", "RELOAD", "restart", "rewrite and restart"}).Draw(rt, "end")

	if c.dirty {
		c.hangUp()
		c.connect()
	}
	c.dirty = true
	var log [][]string
	seen := newCoverage()
	begin := time.Now()
	for i, resp := range []string{"2", "3", "2"} {
		c.clients[i].begun = begin
		c.clients[i].begin(rt, &log, seen, resp)
	}
	first := c.clients[0]
	for _, argv := range [][]string{{"FLUSHALL"}, {"SELECT", "7"}, {"SET", "k", "v"}, {"DEL", "k"}, {"SELECT", "0"}} {
		first.ask(argv...) // both files and streams select a database again
	}
	c.replica.say("REPLCONF", "ACK", "0")
	mark := c.mark()
	c.replica.heard(mark)
	c.events.heard(mark)
	var theirStart, ourStart int64
	if c.both.aof {
		first.ask("PING")
		theirStart, ourStart = incrSize(rt, c.both.redis.dir), incrSize(rt, c.both.world.dir)
	}
	for _, f := range filled {
		first.do(f...)
	}
	for _, s := range joined(steps) {
		s.do(c.t, c.clients)
	}
	took := time.Since(begin)

	for _, p := range c.clients {
		p.ask("RESET")
	}
	mark = c.mark()
	theirs, ours := c.events.heard(mark)
	sameLog(rt, log, "events", missesInOrder(theirs), missesInOrder(ours), took)
	theirs, ours = c.replica.heard(mark)
	sameLog(rt, log, "streams to replicas", theirs, ours, took)
	first.held()
	first.ask("PING") // the writes of the turn before are in the file now
	if c.both.aof {
		theirs, ours := incrTail(rt, c.both.redis.dir, theirStart), incrTail(rt, c.both.world.dir, ourStart)
		seen.Times += sameLog(rt, log, "append-only files", theirs, ours, took)
	}
	first.exchange()
	switch {
	case strings.HasSuffix(end, "restart"):
		c.restart(end != "restart")
		first = c.clients[0]
		first.begun = begin
		first.begin(rt, &log, nil, "2")
	case end == "RELOAD" || c.both.aof:
		first.ask("DEBUG", end)
	}
	first.held()
	c.seen.add(seen)
	c.dirty = false
}

// restart ends both servers and starts them on their files, one time of five
// because it takes long.
func (c *comparison) restart(rewrite bool) {
	if c.restarts++; c.restarts%5 != 0 {
		return
	}
	p := c.clients[0]
	if c.both.aof && rewrite {
		p.ask("BGREWRITEAOF")
		waitForRewrite(c.t, p.ours.do)
		waitForRewrite(c.t, p.theirs.do)
		p.ask("SET", "after", "rewrite")
	}
	c.hangUp()
	c.both.restart()
	c.connect()
	// Active expiry is on until somebody asks for the contrary: by then what had
	// expired may be gone from one of the two, and not from the other.
	for _, do := range []func(...string) string{c.clients[0].theirs.do, c.clients[0].ours.do} {
		for db := range keyspace.Databases {
			do("SELECT", fmt.Sprint(db))
			do("SCAN", "0", "COUNT", "10000")
		}
		do("SELECT", "0")
	}
}

// sameLog compares two sequences of commands. Only times that were counted
// from the servers' own clocks may differ, by no more than the case took; it
// returns how many did.
func sameLog(rt *rapid.T, log [][]string, what, theirs, ours string, took time.Duration) (times int) {
	theirCommands, ourCommands := commandsOf(theirs), commandsOf(ours)
	for i := range max(len(theirCommands), len(ourCommands)) {
		var want, got []string
		if i < len(theirCommands) {
			want = theirCommands[i]
		}
		if i < len(ourCommands) {
			got = ourCommands[i]
		}
		same := len(want) == len(got)
		for j := 0; same && j < len(want); j++ {
			if want[j] == got[j] {
				continue
			}
			a, errA := strconv.ParseInt(want[j], 10, 64)
			b, errB := strconv.ParseInt(got[j], 10, 64)
			same = errA == nil && errB == nil && min(a, b) > 1e12 && max(a-b, b-a) <= took.Milliseconds()+1
			times++
		}
		if !same {
			rt.Fatalf("after %q\n%s differ at %d\nredis:  %q\nengine: %q", log, what, i, around(theirCommands, i), around(ourCommands, i))
		}
	}
	return times
}

// missesInOrder sorts events of keys that were not there, where several follow
// each other: SORT looks for them in the order of a set.
func missesInOrder(text string) string {
	var out, run []string
	flush := func() {
		slices.Sort(run)
		out, run = append(out, run...), nil
	}
	for text != "" {
		n := replyLen(text)
		if strings.Contains(text[:n], "keymiss") {
			run = append(run, text[:n])
		} else {
			flush()
			out = append(out, text[:n])
		}
		text = text[n:]
	}
	flush()
	return strings.Join(out, "")
}

// around are a few commands before and behind one.
func around(commands [][]string, i int) [][]string {
	return commands[min(max(0, i-2), len(commands)):min(i+3, len(commands))]
}

// commandsOf reads the commands of a log or a stream, without what a master
// says of its own accord, and without those of pair.restored.
func commandsOf(text string) (out [][]string) {
	for text != "" {
		n := replyLen(text)
		var argv []string
		for _, e := range elements(text[:n]) {
			argv = append(argv, payload(e))
		}
		text = text[n:]
		own := len(argv) > 0 && (strings.EqualFold(argv[0], "PING") || strings.EqualFold(argv[0], "REPLCONF")) ||
			slices.ContainsFunc(argv, func(arg string) bool { return strings.Contains(arg, "restored") })
		if !own {
			out = append(out, argv)
		}
	}
	return out
}

// The engine does what redis-server does. TORNTAIL_COMMANDS asks for so many
// commands over seeds taken from the commit's hash, and for the coverage that
// leastRuns and its neighbours name; TORNTAIL_PROGRESS is a file that remembers
// which seeds are done, and what was counted: each seed draws more of what the
// seeds before it have left wanting, so that it is repeated with that file.
func TestSameAsRedis(t *testing.T) {
	commands, err := strconv.Atoi(os.Getenv("TORNTAIL_COMMANDS"))
	defer restoreFlags("rapid.seed", "rapid.checks")()
	if err != nil { // a sample, divided among the ways
		checks, err := strconv.Atoi(flag.Lookup("rapid.checks").Value.String())
		require.NoError(t, err)
		require.NoError(t, flag.Set("rapid.checks", fmt.Sprint(max(5, checks/len(ways)))))
		for _, w := range ways {
			t.Run(w.name, func(t *testing.T) { rapid.Check(t, compare(t, w).check) })
		}
		return
	}
	file := os.Getenv("TORNTAIL_PROGRESS")
	seen, err := loadCoverage(file)
	require.NoError(t, err)
	const leastSeeds = 50
	require.NoError(t, flag.Set("rapid.checks", fmt.Sprint(max(1, commands/leastSeeds/60))))
	for n := 0; ; n++ {
		// What is still missing then has as many seeds again to be drawn.
		runs, _ := seen.total()
		if enough := runs >= commands && len(seen.Seeds) >= leastSeeds; enough && (len(seen.missing()) == 0 || len(seen.Seeds) >= 2*leastSeeds) {
			break
		}
		seed := seedOf(t, n)
		if seen.Seeds[seed] {
			continue
		}
		require.NoError(t, flag.Set("rapid.seed", seed))
		w := ways[n%len(ways)]
		ok := t.Run(fmt.Sprintf("%s/seed-%s", w.name, seed), func(t *testing.T) {
			c := compare(t, w)
			c.wanted = seen.wanted()
			rapid.Check(t, c.check)
			seen.add(c.seen)
			seen.Seeds[seed] = true
			runs, _ := seen.total()
			t.Logf("%d restarts; %d commands so far", c.restarts/5, runs)
		})
		require.True(t, ok)
		require.NoError(t, seen.save(file))
	}
	t.Logf("commit %s\n%s", commit(t), seen.report())
	require.Empty(t, seen.missing())
}

func commit(t *testing.T) string {
	out, err := exec.Command("git", "rev-parse", "HEAD").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

// seedOf is the nth seed of the commit.
func seedOf(t *testing.T, n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", commit(t), n))
	return fmt.Sprint(binary.BigEndian.Uint64(sum[:]) >> 1)
}

// restoreFlags returns what gives flags their values of now back.
func restoreFlags(names ...string) func() {
	var values []string
	for _, name := range names {
		values = append(values, flag.Lookup(name).Value.String())
	}
	return func() {
		for i, name := range names {
			flag.Set(name, values[i])
		}
	}
}

func incrFile(t require.TestingT, dir string) string {
	files, err := filepath.Glob(filepath.Join(dir, "appendonlydir", "*.incr.aof"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	return files[0]
}

func incrSize(t require.TestingT, dir string) int64 {
	info, err := os.Stat(incrFile(t, dir))
	require.NoError(t, err)
	return info.Size()
}

func incrTail(t require.TestingT, dir string, from int64) string {
	data, err := os.ReadFile(incrFile(t, dir))
	require.NoError(t, err)
	return string(data[from:])
}
