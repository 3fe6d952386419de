package engine_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// typeDraws are the commands of all types.
var typeDraws = []draws{keyDraws, stringDraws, listDraws, hashDraws, setDraws, zsetDraws, sortDraws, geoDraws, hllDraws, streamDraws}

// keyDraws are compared with redis-server: commands about keys of any type.
const keyDraws draws = `
	DEL <{key}>
	EXISTS <{key}>
	TYPE {key}
	RENAME {key} {key}
	RENAMENX {key} {key}
	SET {key} {value}
	GET {key}
	LPUSH {list} {value}
	PEXPIREAT {key} {millis}
	PERSIST {key}
	PEXPIRETIME {key}
	OBJECT ENCODING {key}
	OBJECT REFCOUNT {string}
	OBJECT FREQ {key}
	COPY {key} {key} [REPLACE]
	COPY {key} {key} (DB 1|DB 99|DB x|BOGUS) [REPLACE]
	MOVE {key} (1|0|x|99)
	SWAPDB (0 1|1 0|0 x|0 99|2 2)
	TOUCH <{key}>
	RESTORE {key} (0|x|-1) {value} [BOGUS]
	UNLINK <{key}>
	DEBUG DIGEST-VALUE {key}
`

// couple is the engine and redis-server, given the same commands.
type couple struct {
	redis *realRedis
	world *world
}

func startCouple(t *testing.T, directives ...[2]string) *couple {
	directives = append([][2]string{{"appendonly", "yes"}, {"appendfsync", "no"}, {"aof-use-rdb-preamble", "no"}, {"auto-aof-rewrite-percentage", "0"}}, directives...)
	var flat []string
	for _, d := range directives {
		flat = append(flat, "--"+d[0], d[1])
	}
	return &couple{startRedis(t, "", flat...), startWorld(t, "", directives...)}
}

// pair is one client of each.
type pair struct {
	t      *rapid.T
	theirs *socket
	ours   *session
	log    *[][]string
}

func (p *couple) dial(t *testing.T, rt *rapid.T, log *[][]string, resp string) *pair {
	c := &pair{rt, dial(t, p.redis.addr()), p.world.connect(), log}
	c.theirs.do("HELLO", resp)
	c.ours.do("HELLO", resp)
	return c
}

// subscriber listens at both servers, to what they tell of keys.
type subscriber struct {
	theirs *socket
	ours   *recorder
	end    func()
}

// recorder is a transport that remembers what was written to it.
type recorder struct {
	wire
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
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

// until waits for text and returns everything up to there.
func (r *recorder) until(text string) string {
	for {
		r.mu.Lock()
		all := r.text.String()
		r.mu.Unlock()
		if strings.Contains(all, text) {
			return all
		}
		<-r.more
	}
}

func (p *couple) subscribe(t *testing.T) *subscriber {
	s := &subscriber{theirs: dial(t, p.redis.addr()), ours: &recorder{more: make(chan struct{}, 1)}}
	w := p.world
	w.env.Enter()
	c, _ := w.server.Open(s.ours)
	c.Add([][]byte{[]byte("PSUBSCRIBE"), []byte("__key*")})
	c.Execute()
	w.env.Leave()
	s.theirs.do("PSUBSCRIBE", "__key*")
	s.ours.until("psubscribe")
	s.end = func() {
		s.theirs.c.Close()
		w.env.Enter()
		c.Close()
		w.env.Leave()
	}
	return s
}

// heard is what each server told until now.
func (s *subscriber) heard(p *pair) (theirs, ours string) {
	p.ask("PUBLISH", "__key:end", "end of all")
	for !strings.Contains(theirs, "end of all") {
		theirs += s.theirs.reply()
	}
	_, ours, _ = strings.Cut(s.ours.until("end of all"), ":1\r\n")
	return theirs, ours
}

func (p *pair) close() {
	p.theirs.c.Close()
	p.ours.close()
}

// do gives both a command and compares the replies.
func (p *pair) do(c drawn) (reply string) {
	*p.log = append(*p.log, c.argv)
	// Neither waits for anything longer than a moment.
	late := time.AfterFunc(3*time.Minute, func() { panic(fmt.Sprintf("after %q: no answer", *p.log)) })
	want, got := p.theirs.do(c.argv...), p.ours.do(c.argv...)
	late.Stop()
	if c.unordered {
		width := 1
		if name := strings.ToUpper(c.argv[0]); want[0] == '%' || name == "HGETALL" {
			width = 2
		}
		want, got = inOrder(want, width), inOrder(got, width)
	}
	want, got = timeless(want, c.argv...), timeless(got, c.argv...)
	if want != got {
		p.t.Fatalf("after %q\n%q\nredis:  %q\nengine: %q", *p.log, c.argv, want, got)
	}
	return want
}

func (p *pair) ask(argv ...string) string { return p.do(drawn{argv: argv}) }

// encodings compares how every key is held.
func (p *pair) encodings() {
	for _, kind := range keyTypes {
		for _, n := range []string{"0", "1", "2"} {
			p.ask("OBJECT", "ENCODING", kind+n)
			p.ask("XINFO", "STREAM", kind+n, "FULL", "COUNT", "0")
		}
	}
}

// exchange restores at each server what the other dumps of every key.
func (p *pair) exchange() {
	for _, kind := range keyTypes {
		for _, n := range []string{"0", "1", "2"} {
			theirs, ours := payload(p.theirs.do("DUMP", kind+n)), payload(p.ours.do("DUMP", kind+n))
			if theirs == "" && ours == "" {
				continue
			}
			mine := p.ours.do("RESTORE", "restored", "0", theirs, "REPLACE")
			other := p.theirs.do("RESTORE", "restored", "0", ours, "REPLACE")
			if mine != "+OK\r\n" || other != "+OK\r\n" {
				p.t.Fatalf("after %q\n%s%s\nredis restores %q: %q\nengine restores %q: %q", *p.log, kind, n, ours, other, theirs, mine)
			}
			p.ask("DEBUG", "DIGEST-VALUE", kind+n, "restored")
			p.ask("OBJECT", "ENCODING", "restored")
			p.ask("XINFO", "STREAM", "restored", "FULL", "COUNT", "0")
		}
	}
	p.ask("DEL", "restored")
}

// payload is what a bulk reply holds.
func payload(reply string) string {
	if !strings.HasPrefix(reply, "$") || strings.HasPrefix(reply, "$-") {
		return ""
	}
	_, rest, _ := strings.Cut(reply, "\r\n")
	return rest[:len(rest)-2]
}

// The engine answers every type's commands as redis-server does, holds the same
// data in the same encodings, and has written the same append-only file. A
// reload of the log and of a snapshot change nothing but what they change there.
func TestTypesAsRedis(t *testing.T) {
	limits := [][2]string{{"hash-max-listpack-entries", "4"}, {"hash-max-listpack-value", "20"}, {"set-max-intset-entries", "4"},
		{"zset-max-listpack-entries", "4"}, {"zset-max-listpack-value", "20"}, {"stream-node-max-entries", "3"}, {"stream-node-max-bytes", "250"}, {"notify-keyspace-events", "AKEmn"}}
	both := startCouple(t, limits...)
	var patterns []string
	for _, d := range typeDraws {
		patterns = append(patterns, d.lines()...)
	}
	rapid.Check(t, func(rt *rapid.T) {
		var log [][]string
		clients := []*pair{both.dial(t, rt, &log, "2"), both.dial(t, rt, &log, "3")}
		defer clients[0].close()
		defer clients[1].close()
		clients[0].ask("FLUSHALL")
		clients[0].ask("SET", "first", "key")
		events := both.subscribe(t)
		defer events.end()
		theirStart, ourStart := incrSize(rt, both.redis.dir), incrSize(rt, both.world.dir)
		type step struct {
			client  int
			command drawn
		}
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			return step{rapid.IntRange(0, 1).Draw(t, "client"), draw(t, rapid.SampledFrom(patterns).Draw(t, "pattern"))}
		}), 1, 60).Draw(rt, "steps")
		for _, s := range steps {
			clients[s.client].do(s.command)
		}
		c := clients[0]
		if theirs, ours := events.heard(c); theirs != ours {
			rt.Fatalf("after %q\nevents differ\nredis:  %q\nengine: %q", log, theirs, ours)
		}
		c.ask("DEBUG", "DIGEST")
		c.encodings()
		c.ask("PING") // the writes of the turn before are in the file now
		theirs, ours := timeless(incrTail(rt, both.redis.dir, theirStart)), timeless(incrTail(rt, both.world.dir, ourStart))
		if theirs != ours {
			rt.Fatalf("after %q\nappend-only files differ\nredis:  %q\nengine: %q", log, theirs, ours)
		}
		c.exchange()
		c.ask("DEBUG", rapid.SampledFrom([]string{"LOADAOF", "RELOAD"}).Draw(rt, "reload"))
		c.ask("DEBUG", "DIGEST")
		c.encodings()
	})
}
