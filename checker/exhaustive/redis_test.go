package exhaustive

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/internal/companion"
	"github.com/torntail/torntail/internal/needs"
)

// TestModelsReplyAsRedis runs random lists of commands, one after another, on
// redis-server and on the models: each reply is the same, and so is what is left
// in the end. 100 lists of each family, or as many as TORNTAIL_LISTS says (make
// prove-histories: 10,000).
func TestModelsReplyAsRedis(t *testing.T) {
	lists, err := strconv.Atoi(os.Getenv("TORNTAIL_LISTS"))
	if err != nil {
		lists = 100
	}
	c := startRedis(t)
	all := append(Families(), Family{Name: "every kind", Kinds: everyKind()})
	for _, f := range all {
		t.Run(f.Name, func(t *testing.T) {
			replies := 0
			require.NoError(t, flag.Set("rapid.checks", strconv.Itoa(lists)))
			rapid.Check(t, func(t *rapid.T) {
				below := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "") }
				m := maker{d: below, shape: Shape{Families: []Family{f}, Keys: 2, Txns: 8}}
				for i := range 2 {
					m.names = append(m.names, string(rune('a'+i)))
					m.kinds = append(m.kinds, f.Kinds)
				}
				var ops []history.Op
				for range 8 + below(8) {
					ops = append(ops, m.draw(0))
				}
				replies += len(ops)
				c.compare(t, ops)
			})
			t.Logf("%d lists, %d operations", lists, replies)
		})
	}
}

// compare runs operations on a server that is empty, and on a keyspace. It takes a
// connection of its own: one on which the replies differed has more to be read.
func (c *client) compare(t require.TestingT, ops []history.Op) {
	require.NoError(t, c.dial())
	c.send("FLUSHALL")
	for i := range ops {
		if ops[i].Kind != history.Txn {
			c.send(c.command(&ops[i])...)
			continue
		}
		c.send("MULTI")
		for k := range ops[i].More.Parts {
			c.send(c.command(&ops[i].More.Parts[k])...)
		}
		c.send("EXEC")
	}
	for _, key := range []string{"a", "b"} {
		c.send("TYPE", key)
		c.send("PEXPIRETIME", key)
	}
	c.receive(t)
	k := New()
	var told strings.Builder
	for i := range ops {
		var got history.Op
		if ops[i].Kind != history.Txn {
			got = c.answer(ops[i], c.receive(t))
		} else {
			got = ops[i]
			m := *got.More
			m.Parts = nil
			got.More = &m
			c.receive(t)
			for range ops[i].More.Parts {
				c.receive(t)
			}
			for p, r := range c.receive(t).list {
				m.Parts = append(m.Parts, c.answer(ops[i].More.Parts[p], r))
			}
		}
		fmt.Fprintln(&told, sketch(&got))
		want := k.Do(got)
		require.True(t, sameReply(&got, &want), "redis replied otherwise than the model:\n%smodel: %s", &told, sketch(&want))
	}
	for _, key := range []string{"a", "b"} {
		typ, until := c.receive(t).text, c.receive(t).text
		v := k.Keys[key]
		require.Equal(t, typeWord(v), typ, "type of %q after\n%s", key, &told)
		require.Equal(t, v != nil && v.Deadline != 0, until != "-1" && until != "-2", "deadline of %q after\n%s", key, &told)
	}
	for _, key := range []string{"a", "b"} {
		if k.Keys[key] != nil {
			c.sameValue(t, k, key, told.String())
		}
	}
}

// sameValue reads a whole key.
func (c *client) sameValue(t require.TestingT, k *Keyspace, key, told string) {
	read := map[string]history.Kind{"string": history.Read, "list": history.ReadList, "set": history.ReadSet, "hash": history.ReadHash,
		"zset": history.ReadSorted, "stream": history.ReadStream}[typeWord(k.Keys[key])]
	op := history.Op{Kind: read, Key: key, More: &history.More{}}
	c.send(c.command(&op)...)
	got, want := c.answer(op, c.receive(t)), k.Do(op)
	require.True(t, sameReply(&got, &want), "%q is %s, the model has %s after\n%s", key, sketch(&got), sketch(&want), told)
}

func typeWord(v *Value) string {
	switch {
	case v == nil:
		return "none"
	case v.Text != nil:
		return "string"
	case v.Set != nil:
		return "set"
	case v.Hash != nil:
		return "hash"
	case v.Scores != nil:
		return "zset"
	case v.Stream != nil:
		return "stream"
	}
	return "list"
}

// client is a connection to a server of its own.
type client struct {
	socket string
	conn   net.Conn
	in     *bufio.Reader
	out    *bufio.Writer
	base   time.Time // the instant 0 of deadlines
}

// dial connects, anew where there was a connection.
func (c *client) dial() error {
	if c.conn != nil {
		_ = c.conn.Close()
	}
	conn, err := net.Dial("unix", c.socket)
	c.conn, c.in, c.out = conn, bufio.NewReader(conn), bufio.NewWriter(conn)
	return err
}

func startRedis(t *testing.T) *client {
	server := needs.Program(t, "redis-server")
	dir, err := os.MkdirTemp("", "torntail") // short: the path of a socket is
	require.NoError(t, err)
	socket := filepath.Join(dir, "redis")
	cmd := exec.Command(server, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	companion.Start(t, cmd)
	c := &client{socket: socket, base: time.Now().Add(24 * time.Hour)}
	require.Eventually(t, func() bool { return c.dial() == nil }, time.Minute, 5*time.Millisecond)
	t.Cleanup(func() { _ = c.conn.Close() })
	return c
}

func (c *client) send(words ...string) {
	fmt.Fprintf(c.out, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(c.out, "$%d\r\n%s\r\n", len(w), w)
	}
}

// reply is one reply; an error is a text that begins with a minus sign.
type reply struct {
	text string
	null bool
	list []reply
}

func (c *client) receive(t require.TestingT) reply {
	require.NoError(t, c.out.Flush())
	line, err := c.in.ReadString('\n')
	require.NoError(t, err)
	line = strings.TrimSuffix(line, "\r\n")
	n := 0
	if line[0] == '$' || line[0] == '*' {
		n, err = strconv.Atoi(line[1:])
		require.NoError(t, err)
	}
	switch {
	case n < 0:
		return reply{null: true}
	case line[0] == '$':
		b := make([]byte, n+2)
		_, err := io.ReadFull(c.in, b)
		require.NoError(t, err)
		return reply{text: string(b[:n])}
	case line[0] == '*':
		r := reply{list: []reply{}}
		for range n {
			r.list = append(r.list, c.receive(t))
		}
		return r
	case line[0] == '-':
		return reply{text: line}
	}
	return reply{text: line[1:]}
}

const casScript = `
if ARGV[3] == '1' then
  if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
else
  local v = redis.call('GET', KEYS[1])
  if v ~= ARGV[1] then return 0 end
end
redis.call('SET', KEYS[1], ARGV[2])
return 1`

func (c *client) until(d time.Duration) string {
	return strconv.FormatInt(c.base.Add(d).UnixMilli(), 10)
}

// command is an operation as Redis takes it.
func (c *client) command(op *history.Op) []string {
	m := op.More
	end := func(head bool) string {
		if head {
			return "LEFT"
		}
		return "RIGHT"
	}
	side := func(l, r string) string {
		if m.Head {
			return l
		}
		return r
	}
	switch op.Kind {
	case history.Read:
		return []string{"GET", op.Key}
	case history.Write:
		words := []string{"SET", op.Key, op.Value}
		if m.Deadline != 0 {
			words = append(words, "PXAT", c.until(m.Deadline))
		}
		if m.HasReplaced {
			words = append(words, "GET")
		}
		return words
	case history.Delete:
		return []string{"DEL", op.Key}
	case history.Append, history.Push:
		return []string{side("LPUSH", "RPUSH"), op.Key, op.Value}
	case history.Incr:
		return []string{"INCRBY", op.Key, op.Value}
	case history.CAS:
		absent := "0"
		if m.ExpectAbsent {
			absent = "1"
		}
		return []string{"EVAL", casScript, "1", op.Key, m.Expect, op.Value, absent}
	case history.ReadList:
		return []string{"LRANGE", op.Key, "0", "-1"}
	case history.Expire:
		return []string{"PEXPIREAT", op.Key, c.until(m.Deadline)}
	case history.Pop:
		return []string{side("LPOP", "RPOP"), op.Key}
	case history.SetAdd:
		return []string{"SADD", op.Key, op.Value}
	case history.SetRemove:
		return []string{"SREM", op.Key, op.Value}
	case history.ReadSet:
		return []string{"SMEMBERS", op.Key}
	case history.HashSet:
		return []string{"HSET", op.Key, m.Field, op.Value}
	case history.HashRemove:
		return []string{"HDEL", op.Key, m.Field}
	case history.ReadHash:
		return []string{"HGETALL", op.Key}
	case history.SortedAdd:
		return []string{"ZADD", op.Key, m.Score, op.Value}
	case history.SortedRemove:
		return []string{"ZREM", op.Key, op.Value}
	case history.ReadSorted:
		return []string{"ZRANGE", op.Key, "0", "-1", "WITHSCORES"}
	case history.StringAppend:
		return []string{"APPEND", op.Key, op.Value}
	case history.SetRange:
		return []string{"SETRANGE", op.Key, strconv.FormatInt(m.Index, 10), op.Value}
	case history.GetDelete:
		return []string{"GETDEL", op.Key}
	case history.SetBit:
		return []string{"SETBIT", op.Key, strconv.FormatInt(m.Index, 10), op.Value}
	case history.GetBit:
		return []string{"GETBIT", op.Key, strconv.FormatInt(m.Index, 10)}
	case history.ListMove:
		return []string{"LMOVE", op.Key, m.To, end(m.Head), end(m.ToHead)}
	case history.ListRemove:
		return []string{"LREM", op.Key, strconv.FormatInt(m.Index, 10), op.Value}
	case history.HashGet:
		return []string{"HGET", op.Key, m.Field}
	case history.HashIncr:
		return []string{"HINCRBY", op.Key, m.Field, op.Value}
	case history.SetHas:
		return []string{"SISMEMBER", op.Key, op.Value}
	case history.SortedIncr:
		return []string{"ZINCRBY", op.Key, m.Score, op.Value}
	case history.SortedScore:
		return []string{"ZSCORE", op.Key, op.Value}
	case history.SortedPop:
		return []string{side("ZPOPMIN", "ZPOPMAX"), op.Key}
	case history.StreamAdd:
		id := m.Entry
		if id == "" {
			id = "*"
		}
		return []string{"XADD", op.Key, id, m.Field, op.Value}
	case history.StreamRemove:
		return []string{"XDEL", op.Key, m.Entry}
	case history.ReadStream:
		return []string{"XRANGE", op.Key, "-", "+"}
	case history.GroupCreate:
		return []string{"XGROUP", "CREATE", op.Key, m.Group, m.Entry, "MKSTREAM"}
	case history.GroupRead:
		words := []string{"XREADGROUP", "GROUP", m.Group, m.Consumer}
		if m.Index > 0 {
			words = append(words, "COUNT", strconv.FormatInt(m.Index, 10))
		}
		return append(words, "STREAMS", op.Key, ">")
	case history.GroupAck:
		return []string{"XACK", op.Key, m.Group, m.Entry}
	case history.ReadPending:
		return []string{"XPENDING", op.Key, m.Group, "-", "+", "1000"}
	case history.Persist:
		return []string{"PERSIST", op.Key}
	case history.ReadExpiry:
		return []string{"PEXPIRETIME", op.Key}
	}
	panic(op.Kind.String())
}

// answer is an operation with the server's reply.
func (c *client) answer(op history.Op, r reply) history.Op {
	m := *op.More
	op.More, op.Outcome = &m, history.OK
	var flat []string
	for _, e := range r.list {
		flat = append(flat, e.text)
	}
	switch {
	case strings.HasPrefix(r.text, "-") && !isNumber(r.text):
		m.Err = r.text[1:]
		return op
	}
	switch op.Kind {
	case history.Read, history.HashGet, history.GetBit:
		op.Value, op.Absent = r.text, r.null
	case history.Write:
		if m.HasReplaced {
			m.Replaced, op.Absent = r.text, r.null
		}
	case history.ReadList, history.ReadHash, history.ReadSorted:
		m.Values = flat
		if op.Kind == history.ReadHash {
			m.Values = (&Value{Hash: mapOf(flat)}).fields()
		}
	case history.ReadSet:
		k := New()
		for _, e := range flat {
			k.Do(history.Op{Kind: history.SetAdd, Key: "s", Value: e})
		}
		m.Values = k.Do(history.Op{Kind: history.ReadSet, Key: "s"}).More.Values
	case history.SortedPop:
		op.Absent = len(flat) == 0
		m.Values = flat
	case history.ReadStream:
		m.Values = entriesOf(r)
	case history.GroupRead:
		if len(r.list) == 1 {
			m.Values = entriesOf(r.list[0].list[1])
		}
	case history.ReadPending:
		for _, e := range r.list {
			m.Values = append(m.Values, e.list[0].text, e.list[1].text)
		}
	case history.ReadExpiry:
		switch op.Absent = r.text == "-2"; {
		case r.text == "-1", op.Absent:
			m.Deadline = 0
		default:
			at, _ := strconv.ParseInt(r.text, 10, 64)
			m.Deadline = max(1, time.UnixMilli(at).Sub(c.base.Truncate(time.Millisecond)))
		}
	case history.GroupCreate:
	default:
		m.Result, op.Absent = r.text, r.null
	}
	return op
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

func mapOf(flat []string) map[string]string {
	m := map[string]string{}
	for i := 0; i+1 < len(flat); i += 2 {
		m[flat[i]] = flat[i+1]
	}
	return m
}

func entriesOf(r reply) []string {
	var flat []string
	for _, e := range r.list {
		flat = append(flat, e.list[0].text, e.list[1].list[0].text, e.list[1].list[1].text)
	}
	return flat
}
