package engine_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// couple is the engine and redis-server, given the same commands.
type couple struct {
	t          *testing.T
	redis      *realRedis
	world      *world
	directives [][2]string
	aof        bool
	starting   time.Duration // how long both took to start, one after the other
}

// startCouple starts both with the same directives, without active expiry: what
// has expired is deleted when a command meets it, at the same command in both.
func startCouple(t *testing.T, directives ...[2]string) *couple {
	c := &couple{t: t, directives: directives}
	for _, d := range directives {
		c.aof = c.aof || d == [2]string{"appendonly", "yes"}
	}
	c.start("", "")
	return c
}

func (p *couple) start(theirDir, ourDir string) {
	var flat []string
	begin := time.Now()
	for _, d := range p.directives {
		flat = append(flat, "--"+d[0], d[1])
	}
	p.redis, p.world = startRedis(p.t, theirDir, flat...), startWorld(p.t, ourDir, p.directives...)
	p.starting = time.Since(begin)
	for _, do := range []func(...string) string{dial(p.t, p.redis.addr()).do, p.world.connect().do} {
		require.Equal(p.t, "+OK\r\n", do("DEBUG", "SET-ACTIVE-EXPIRE", "0"))
	}
}

// restart ends both in order and starts them on what they have written.
func (p *couple) restart() { p.restartOn(p.redis.dir, p.world.dir) }

// restartOn ends both in order and starts them on these directories.
func (p *couple) restartOn(theirDir, ourDir string) {
	save := "NOSAVE"
	if !p.aof {
		save = "SAVE"
	}
	dial(p.t, p.redis.addr()).send(encode("SHUTDOWN", save, "NOW"))
	require.NoError(p.t, p.redis.cmd.Wait())
	p.world.connect().batch([][]string{{"SHUTDOWN", save, "NOW"}})
	require.Equal(p.t, 0, p.world.stop())
	p.start(theirDir, ourDir)
}

// pair is one client of each.
type pair struct {
	t      *rapid.T
	both   *couple
	theirs *socket
	ours   *session
	log    *[][]string
	seen   *coverage // what is counted; nil: nothing
	begun  time.Time // of the case
	db     int
	multi  bool
	queue  []asked // in the transaction
}

func (p *couple) dial(t *testing.T) *pair {
	return &pair{both: p, theirs: dial(t, p.redis.addr()), ours: p.world.connect()}
}

// begin makes the pair one of a new case.
func (p *pair) begin(rt *rapid.T, log *[][]string, seen *coverage, resp string) {
	p.t, p.log, p.seen = rt, log, nil
	p.ask("RESET")
	p.theirs.do("HELLO", resp) // its reply has the server's name for the client
	p.ours.do("HELLO", resp)
	p.seen = seen
}

func (p *pair) close() {
	p.theirs.c.Close()
	p.ours.close()
}

// asked is a command that was given to both.
type asked struct {
	drawn
	state string  // of its first key, before
	reply string  // of the engine
	queue []asked // EXEC's commands
}

// do gives both some commands and compares the replies. Redis is given them at
// once, unless a comparison may need to ask more. What is drawn by chance is not
// asked for in a transaction, nor where by chance it would find and delete keys
// that have expired.
func (p *pair) do(commands ...drawn) {
	var begun []drawn
	for _, c := range commands {
		if c.alone {
			p.together(begun)
			begun = nil
			if !p.multi && (c.expired < 0 || p.both.expired(p.db) <= c.expired) && !(c.ordered && p.byHash(c.argv)) {
				p.together([]drawn{c})
			}
			continue
		}
		begun = append(begun, c)
	}
	p.together(begun)
}

// byHash reports whether SORT BY gets the elements of its key in the order of a hash
// table, and does not put them in one of its own (redis 7.0.15 sort.c: of sorted sets
// the table is read unless they are not to be sorted).
func (p *pair) byHash(argv []string) bool {
	state := p.both.state(p.db, argv)
	return state == "set hashtable" || strings.HasPrefix(state, "zset") && slices.Contains(argv, "ALPHA")
}

func (p *pair) together(commands []drawn) {
	if len(commands) == 0 {
		return
	}
	// Neither waits for anything longer than a moment.
	late := time.AfterFunc(time.Minute, func() { panic(fmt.Sprintf("after %q: no answer", *p.log)) })
	defer late.Stop()
	begin := time.Now()
	var text []byte
	for _, c := range commands {
		text = append(text, encode(c.argv...)...)
	}
	p.theirs.send(text)
	var all []asked
	for _, c := range commands {
		if !c.quiet {
			*p.log = append(*p.log, c.argv)
		}
		a := asked{drawn: c, state: p.both.state(p.db, c.argv), reply: p.ours.do(c.argv...)}
		p.follow(&a)
		all = append(all, a)
	}
	for _, a := range all {
		want := p.theirs.reply()
		took := time.Since(begin)
		if a.queue == nil || want[0] != '*' {
			p.compare(a, want, took)
			continue
		}
		theirs, ours := elements(want), elements(a.reply)
		if len(theirs) != len(a.queue) || len(ours) != len(a.queue) {
			p.differ(a, want)
		}
		for i, q := range a.queue {
			q.state, q.reply = "in a transaction", ours[i]
			p.compare(q, theirs[i], took)
		}
		p.count(a, want)
	}
}

// follow keeps track of the selected database and of what a transaction holds.
func (p *pair) follow(a *asked) {
	name := strings.ToUpper(a.argv[0])
	switch {
	case a.reply == "+QUEUED\r\n":
		p.queue = append(p.queue, *a)
		return
	case name == "MULTI":
		p.multi = true
	case name == "SELECT" && a.reply == "+OK\r\n":
		p.db, _ = strconv.Atoi(a.argv[1])
	case name == "RESET" && a.reply == "+RESET\r\n":
		p.db, p.multi, p.queue = 0, false, nil
	case name == "DISCARD":
		p.multi, p.queue = false, nil
	case name == "EXEC":
		if a.reply[0] == '*' && a.reply != "*-1\r\n" && len(p.queue) > 0 {
			a.queue = p.queue
			for i, reply := range elements(a.reply) {
				done := p.queue[i]
				done.reply = reply
				p.follow(&done)
			}
		}
		p.multi, p.queue = false, nil
	}
}

// compare compares redis-server's reply with the engine's: they must be equal, in
// the order of the elements as well unless redis-server's own hash seed makes it,
// or differ as excuses allow.
func (p *pair) compare(a asked, want string, took time.Duration) {
	same := want == a.reply
	if !same && a.unordered {
		name := strings.ToLower(a.argv[0])
		if same = inOrder(want, name) == inOrder(a.reply, name); same && p.seen != nil {
			p.seen.Unordered++
		}
	}
	if !same && !p.excused(a, want, took) {
		p.differ(a, want)
	}
	if want != "+QUEUED\r\n" {
		p.count(a, want)
	}
}

func (p *pair) count(a asked, reply string) {
	if p.seen != nil && !a.quiet {
		p.seen.count(a, reply)
	}
}

func (p *pair) differ(a asked, want string) {
	p.t.Fatalf("after %q\n%q\nredis:  %q\nengine: %q", *p.log, a.argv, want, a.reply)
}

// ask is for the test's own questions, which are neither counted nor told of.
func (p *pair) ask(argv ...string) { p.do(drawn{argv: argv, quiet: true}) }

// comparedKeys are all keys that drawn commands name.
var comparedKeys = func() (keys []string) {
	for _, kind := range append(slices.Clone(keyTypes), "same") {
		for n := range keysOfType {
			keys = append(keys, fmt.Sprint(kind, n))
		}
	}
	return append(keys, groupedStreams...)
}()

// held compares all data, and how every key is held.
func (p *pair) held() {
	all := []drawn{{argv: []string{"DEBUG", "DIGEST"}, quiet: true}}
	for _, key := range comparedKeys {
		all = append(all, drawn{argv: []string{"OBJECT", "ENCODING", key}, quiet: true}, drawn{argv: []string{"XINFO", "STREAM", key, "FULL", "COUNT", "0"}, quiet: true})
	}
	p.do(all...)
}

// exchange restores at each server what the other dumps of every key.
func (p *pair) exchange() {
	var dumps [][]string
	for _, key := range comparedKeys {
		dumps = append(dumps, []string{"DUMP", key})
	}
	theirs, ours := p.theirs.all(dumps), p.ours.all(dumps)
	if wrong := p.restored(theirs, ours); wrong != "" {
		p.t.Fatalf("after %q\n%s", *p.log, wrong)
	}
}

// restored restores at each server what the other has dumped, and says what is wrong.
func (p *pair) restored(theirDumps, ourDumps []string) (wrong string) {
	var theirs, ours [][]string
	end := []string{"DEL"}
	for i := range theirDumps {
		if a, b := payload(theirDumps[i]), payload(ourDumps[i]); a != "" || b != "" {
			key := fmt.Sprint("restored", i)
			theirs, ours = append(theirs, []string{"RESTORE", key, "0", b}), append(ours, []string{"RESTORE", key, "0", a})
			for _, ask := range [][]string{{"DEBUG", "DIGEST-VALUE", key}, {"OBJECT", "ENCODING", key}} {
				theirs, ours = append(theirs, ask), append(ours, ask)
			}
			end = append(end, key)
		}
	}
	theirs, ours = append(theirs, end), append(ours, end)
	theirReplies, ourReplies := p.theirs.all(theirs), p.ours.all(ours)
	for i, reply := range theirReplies {
		if reply != ourReplies[i] || reply[0] == '-' && len(end) > 1 {
			return fmt.Sprintf("redis:  %q %q\nengine: %q %q", theirs[i], reply, ours[i], ourReplies[i])
		}
	}
	return ""
}

// payload is what a bulk reply holds.
func payload(reply string) string {
	if !strings.HasPrefix(reply, "$") || strings.HasPrefix(reply, "$-") {
		return ""
	}
	_, rest, _ := strings.Cut(reply, "\r\n")
	return rest[:len(rest)-2]
}

// listener hears what both servers send on their own accord: events of keys, or
// the stream of writes that replicas get.
type listener struct {
	theirs *socket
	ours   *recorder
	read   int // of what the engine sent
	// say tells both something that has no answer.
	say func(argv ...string)
	end func()
}

// recorder is a transport that remembers what was written to it.
type recorder struct {
	wire
	mu     sync.Mutex
	text   strings.Builder
	closed bool
	more   chan struct{}
}

// Close implements engine.Transport: the server has ended the connection.
func (r *recorder) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	select {
	case r.more <- struct{}{}:
	default:
	}
	return nil
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	r.text.Write(p)
	r.mu.Unlock()
	select {
	case r.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

// until waits until what was written meets a condition, or no more will come, and
// returns it all.
func (r *recorder) until(ok func(all string) bool) string {
	for {
		r.mu.Lock()
		all, closed := r.text.String(), r.closed
		r.mu.Unlock()
		if ok(all) || closed {
			return all
		}
		<-r.more
	}
}

// listen sends both servers a command, after which they send what they like.
func (p *couple) listen(t *testing.T, argv ...string) *listener {
	l := &listener{theirs: dial(t, p.redis.addr()), ours: &recorder{more: make(chan struct{}, 1)}}
	w := p.world
	w.env.Enter()
	c, _ := w.server.Open(l.ours)
	w.env.Leave()
	l.say = func(argv ...string) {
		l.theirs.send(encode(argv...))
		var args [][]byte
		for _, a := range argv {
			args = append(args, []byte(a))
		}
		w.env.Enter()
		defer w.env.Leave()
		c.Add(args)
		c.Execute()
	}
	l.say(argv...)
	l.end = func() {
		l.theirs.c.Close()
		w.env.Enter()
		c.Close()
		w.env.Leave()
	}
	return l
}

// subscribe listens to what both tell of keys.
func (p *couple) subscribe(t *testing.T) *listener {
	l := p.listen(t, "PSUBSCRIBE", "__key*")
	l.theirs.reply()
	l.read = len(l.ours.until(func(all string) bool { return strings.HasSuffix(all, ":1\r\n") }))
	return l
}

// track listens to which keys are touched: who tracks them is told, and transactions of
// those who watch them fail.
func (p *couple) track(t *testing.T) *listener {
	l := p.listen(t, "HELLO", "3")
	l.say("CLIENT", "TRACKING", "ON", "BCAST")
	l.say("SUBSCRIBE", "__key:end")
	for range 3 {
		l.theirs.reply()
	}
	l.read = len(l.ours.until(func(all string) bool { return strings.HasSuffix(all, "__key:end\r\n:1\r\n") }))
	return l
}

var fullSync = regexp.MustCompile(`^\+FULLRESYNC [^\n]*\n\n*\$(\d+)\r\n`)

// follow listens as a replica does.
func (p *couple) follow(t *testing.T) *listener {
	l := p.listen(t, "PSYNC", "?", "-1")
	l.ours.until(func(all string) bool {
		at := fullSync.FindStringSubmatchIndex(all)
		if at == nil {
			return false
		}
		size, _ := strconv.Atoi(all[at[2]:at[3]])
		l.read = at[1] + size
		return len(all) >= l.read
	})
	var head string
	for !fullSync.MatchString(head) {
		b, err := l.theirs.r.ReadByte()
		require.NoError(t, err)
		head += string(b)
	}
	size, _ := strconv.Atoi(fullSync.FindStringSubmatch(head)[1])
	_, err := l.theirs.r.Discard(size)
	require.NoError(t, err)
	return l
}

// heard is what each server has sent since it was last asked, up to a mark that
// was published.
func (l *listener) heard(mark string) (theirs, ours string) {
	var told strings.Builder
	for reply := ""; !strings.Contains(reply, mark); {
		reply = l.theirs.reply()
		told.WriteString(reply)
		if strings.HasSuffix(reply, "<closed>") {
			return told.String(), ""
		}
	}
	// What the server says of its own accord, such as a master's PING, may be behind it.
	seen, end := l.read, -1 // nothing before seen is where the mark begins
	all := l.ours.until(func(all string) bool {
		if i := strings.Index(all[seen:], mark+"\r\n"); i >= 0 {
			end = seen + i + len(mark) + 2
			return true
		}
		seen = max(l.read, len(all)-len(mark)-1)
		return false
	})
	if end < 0 {
		end = len(all)
	}
	ours, l.read = all[l.read:end], end
	return told.String(), ours
}

// elements are those of an array, set, or push reply.
func elements(reply string) (out []string) {
	_, rest, _ := strings.Cut(reply, "\r\n")
	for rest != "" {
		n := replyLen(rest)
		out = append(out, rest[:n])
		rest = rest[n:]
	}
	return out
}
