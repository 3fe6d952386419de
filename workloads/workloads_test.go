package workloads

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/redcon"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/env"
)

// world is an environment with one task and a server that answers by a script.
type world struct {
	env.Env // anything not below panics
	now     time.Duration
	draws   uint64
	conn    *scripted
}

func (w *world) Now() time.Duration { w.now += time.Microsecond; return w.now }
func (w *world) Wall() time.Time    { return time.UnixMilli(1_000_000).Add(w.now) }
func (w *world) Uint64() uint64 {
	w.draws += 0x9e3779b97f4a7c15
	return w.draws ^ w.draws>>29
}
func (w *world) Dial(string) (env.Conn, error) { return w.conn, nil }
func (w *world) NewCond() env.Cond             { return cond{w} }

type cond struct{ w *world }

func (c cond) Wait()      {}
func (c cond) Signal()    {}
func (c cond) Broadcast() {}
func (c cond) WaitFor(d time.Duration) bool {
	c.w.now += d
	return false
}

// scripted is a connection whose replies are the script's, a piece at a time,
// and which keeps what was sent.
type scripted struct {
	env.Conn
	script string
	piece  int // bytes a Read returns at most; 0: all
	end    error
	sent   bytes.Buffer
	closed bool
}

func (s *scripted) Read(p []byte) (int, error) {
	if s.script == "" {
		return 0, s.end
	}
	n := len(s.script)
	if s.piece > 0 {
		n = min(n, s.piece)
	}
	n = copy(p, s.script[:n])
	s.script = s.script[n:]
	return n, nil
}
func (s *scripted) Write(p []byte) (int, error)      { return s.sent.Write(p) }
func (s *scripted) Close() error                     { s.closed = true; return nil }
func (s *scripted) SetReadDeadline(t time.Duration)  {}
func (s *scripted) SetWriteDeadline(t time.Duration) {}

// one runs one client for so many operations against a script.
func one(t testing.TB, spec Spec, script string, end error) (*history.History, *Run, *scripted) {
	w := &world{conn: &scripted{script: script, end: end, piece: 7}}
	h := new(history.History)
	var rec Recorder
	rec.Reset(h)
	r := new(Run)
	spec.Clients = 1
	require.NoError(t, spec.Check())
	r.Reset(w, "n1:6379", RESP{}, spec, &rec)
	r.Clients()[0].Run()
	return h, r, w.conn
}

func writes(ops int) Spec {
	s := Default()
	s.ReadRatio, s.Ops, s.ValueSize = 0, ops, 0
	return s
}

func TestOutcomes(t *testing.T) {
	outcomes := func(h *history.History) (list []history.Outcome) {
		for i := range h.Ops {
			list = append(list, h.Ops[i].Outcome)
		}
		return list
	}
	ok, failed, unknown := history.OK, history.Failed, history.Unknown
	for _, c := range []struct {
		name   string
		ops    int
		script string
		want   []history.Outcome
	}{
		{"acknowledged", 2, "+OK\r\n+OK\r\n", []history.Outcome{ok, ok}},
		{"refused is surely not executed", 2, "-MISCONF no\r\n+OK\r\n", []history.Outcome{failed, ok}},
		{"no reply is unknown, and nothing is tried again", 3, "+OK\r\n", []history.Outcome{ok, unknown}},
		{"half a reply is none", 2, "+OK\r\n+O", []history.Outcome{ok, unknown}},
		{"not RESP is none", 2, "HTTP/1.1 200\r\n", []history.Outcome{unknown}},
		{"a reply that does not say OK is no acknowledgement", 1, "$-1\r\n", []history.Outcome{failed}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, r, conn := one(t, writes(c.ops), c.script, io.EOF)
			require.Equal(t, c.want, outcomes(h))
			require.Equal(t, len(h.Ops), strings.Count(conn.sent.String(), "SET"), "each operation is sent once")
			answered := 0
			for _, o := range c.want {
				if o != unknown {
					answered++
				}
			}
			require.Equal(t, answered, r.Replies())
			require.True(t, conn.closed)
			for i := range h.Ops {
				if h.Ops[i].Outcome == unknown {
					require.Equal(t, history.Never, h.Ops[i].Return)
				} else {
					require.GreaterOrEqual(t, h.Ops[i].Return, h.Ops[i].Invoke)
				}
			}
		})
	}
}

func TestTransactionOutcomes(t *testing.T) {
	queued := strings.Repeat("+QUEUED\r\n", 3)
	for _, c := range []struct {
		name, script string
		keys         int
		want         history.Outcome
	}{
		{"executed", "+OK\r\n" + queued[:18] + "*2\r\n+OK\r\n+OK\r\n", 2, history.OK},
		{"aborted by WATCH or not", "+OK\r\n" + queued[:18] + "*-1\r\n", 2, history.Failed},
		{"a command that could not be queued", "+OK\r\n-ERR no\r\n+QUEUED\r\n-EXECABORT no\r\n", 2, history.Failed},
		{"cut before EXEC was answered", "+OK\r\n" + queued[:18], 2, history.Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := writes(1)
			spec.Name, spec.Keys = "transactions", c.keys
			h, _, conn := one(t, spec, c.script, io.EOF)
			require.Len(t, h.Ops, 1)
			require.Equal(t, c.want, h.Ops[0].Outcome)
			require.Len(t, h.Ops[0].More.Parts, 2)
			require.Equal(t, 1, strings.Count(conn.sent.String(), "EXEC"))
		})
	}
}

func TestReadsGiveTokensBackAndTornValuesAsTheyAre(t *testing.T) {
	spec := Default()
	spec.ValueSize = 10
	var tokens Tokens
	require.Equal(t, "0:0", tokens.Token(0, 0))
	require.Equal(t, "12:3", tokens.Token(12, 3))
	for value, want := range map[string]string{
		"0:0.......":          "0:0",
		"12:3......":          "12:3",
		"0:0......":           "0:0......",           // cut short
		"0:0.......\x00":      "0:0.......\x00",      // and longer
		"0:0....\x00\x00\x00": "0:0....\x00\x00\x00", // zeroes where filler should be
		"7:7.......":          "7:7.......",          // nobody wrote it
		"":                    "",
	} {
		require.Equal(t, want, tokens.Parse([]byte(value), spec.ValueSize), "%q", value)
	}
}

func TestEveryTokenParsesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tokens Tokens
		client, n := rapid.IntRange(0, 50).Draw(t, "client"), rapid.IntRange(0, 200).Draw(t, "n")
		size := rapid.IntRange(0, 40).Draw(t, "size")
		token := tokens.Token(client, n)
		stored := Padded(nil, token, size)
		require.Equal(t, token, tokens.Parse(stored, size))
		cut := rapid.IntRange(0, len(stored)-1).Draw(t, "cut")
		require.Equal(t, string(stored[:cut]), tokens.Parse(stored[:cut], size), "a cut value must not look whole")
	})
}

func TestRecorder(t *testing.T) {
	h := new(history.History)
	var r Recorder
	r.Reset(h)
	a := r.Invoke(history.Op{Kind: history.Write, Invoke: 10})
	b := r.Invoke(history.Op{Kind: history.Write, Invoke: 20})
	c := r.Invoke(history.Op{Kind: history.Write, Invoke: 21})
	r.Cut(30)
	r.Complete(a, 40, history.OK)
	require.Equal(t, time.Duration(30), h.Ops[a].Return, "a reply under way when the crash struck counts from the crash")
	r.Seal()
	require.Nil(t, r.Complete(b, 41, history.OK))
	require.Equal(t, history.Unknown, h.Ops[b].Outcome, "after the seal nothing is completed")
	r.Unseal()
	r.Complete(c, 50, history.Failed)
	require.Equal(t, history.Failed, h.Ops[c].Outcome)
	require.Equal(t, 1, r.Acked())
}

func TestPlantedLieIsRecordedAndNotSent(t *testing.T) {
	w := &world{conn: &scripted{script: strings.Repeat("+OK\r\n", 9), end: io.EOF}}
	h := new(history.History)
	var rec Recorder
	rec.Reset(h)
	rec.PlantLie(func(id int) bool { return id == 4 })
	var r Run
	spec := writes(10)
	spec.Clients = 1
	r.Reset(w, "", RESP{}, spec, &rec)
	r.Clients()[0].Run()
	require.Equal(t, history.OK, h.Ops[4].Outcome)
	require.Equal(t, 9, strings.Count(w.conn.sent.String(), "SET"))
	require.Equal(t, 9, r.Replies(), "what gives the lie away")
	require.Equal(t, 10, rec.Acked())
}

func TestDump(t *testing.T) {
	dump := func(script string) (history.State, error) {
		w := &world{conn: &scripted{script: script, end: io.EOF}}
		var rec Recorder
		rec.Reset(new(history.History))
		var r Run
		r.Reset(w, "", RESP{}, writes(1), &rec)
		c, err := Dial(w, "")
		require.NoError(t, err)
		return r.Dump(c, time.Second)
	}
	two := "*2\r\n$2\r\nk2\r\n$7\r\nphantom\r\n" + "$1\r\nx\r\n:-1\r\n" + "$3\r\n0:0\r\n:1500\r\n"
	state, err := dump(two + "-ERR unknown command\r\n")
	require.NoError(t, err)
	require.Equal(t, []history.KV{{Key: "k2", Value: "x"}, {Key: "phantom", Value: "0:0", TTL: 1500 * time.Millisecond}}, state.Keys,
		"every key there is, not only those the workload knows")
	state, err = dump(two + ":1001500\r\n")
	require.NoError(t, err)
	require.Equal(t, 1500*time.Millisecond, state.Keys[1].Deadline, "on the clock of the run")
	_, err = dump(two)
	require.ErrorIs(t, err, io.EOF)
	_, err = dump("*1\r\n$2\r\nk2\r\n" + "-WRONGTYPE no\r\n:-1\r\n")
	require.ErrorContains(t, err, `key "k2"`)
	_, err = dump("-LOADING no\r\n")
	require.ErrorContains(t, err, "KEYS")
	_, err = dump("*1\r\n$2\r\nk2\r\n")
	require.ErrorIs(t, err, io.EOF)
}

func TestSpecErrorsNameTheFieldAndWhatItTakes(t *testing.T) {
	for _, c := range []struct {
		break_ func(s *Spec)
		want   string
	}{
		{func(s *Spec) { s.Name = "register" }, `workload "register" is not known: want one of `},
		{func(s *Spec) { s.Clients = 0 }, "clients 0: want 1 to 10000"},
		{func(s *Spec) { s.Keys = -1 }, "keys -1"},
		{func(s *Spec) { s.ReadRatio = 1 }, "read ratio 1"},
		{func(s *Spec) { s.ValueSize = -1 }, "value size -1"},
		{func(s *Spec) { s.Pipeline = 0 }, "pipeline 0"},
		{func(s *Spec) { s.Rate = -1 }, "rate -1"},
		{func(s *Spec) { s.Ops = -1 }, "operations -1"},
	} {
		s := Default()
		c.break_(&s)
		require.ErrorContains(t, s.Check(), c.want)
	}
	s := Default()
	require.NoError(t, s.Check())
}

// FuzzReply feeds a client whatever a server may send: an error or a reply, no
// panic, no hang.
func FuzzReply(f *testing.F) {
	for _, seed := range []string{"+OK\r\n", "$-1\r\n", "*-1\r\n", "*2\r\n$1\r\na\r\n:1\r\n", "$9223372036854775807\r\n", "*2000000000\r\n", "-ERR\r\n", "\r\n"} {
		f.Add(seed, 3)
	}
	f.Fuzz(func(t *testing.T, script string, piece int) {
		w := &world{conn: &scripted{script: script, end: io.EOF, piece: piece%64 + 64}}
		c, err := Dial(w, "")
		require.NoError(t, err)
		for range len(script) + 1 {
			if _, err := c.Reply(); err != nil {
				return
			}
		}
		t.Fatal("more replies than bytes")
	})
}

// The quick reading of a reply's first line and the careful one agree.
func TestMeasure(t *testing.T) {
	for _, c := range []struct {
		in   string
		want int
		err  string
	}{
		{":7\r\n+OK", 4, ""}, {":-7\r\n", 5, ""}, {":\r\n", 0, "where a number was expected"}, {":7\n", 0, "CR LF"}, {":7", 0, ""},
		{":999999999999999999\r\n", 21, ""}, {":9999999999999999999\r\n", 0, "where a number was expected"},
		{":000000000000000000001\r\n", 24, ""}, {"$3\r\nabc\r\n", 9, ""}, {"$3\r\nabc", 0, ""}, {"$3\r\nabcd\r\n", 0, "CR LF"},
		{"$-1\r\n", 5, ""}, {"$-2\r\n", 0, "length -2"}, {"$600000000\r\n", 0, "length 600000000"},
		{"*0\r\n", 4, ""}, {"*2\r\n:1\r\n*1\r\n$0\r\n\r\n", 18, ""}, {"*2\r\n:1\r\n", 0, ""}, {"*-1\r\n", 5, ""}, {"*1x\r\n", 0, "where a number was expected"},
		{"*1\r\n?\r\n", 0, "type byte"},
	} {
		n, err := measure([]byte(c.in), 0)
		require.Equal(t, c.want, n, "%q", c.in)
		if c.err != "" {
			require.ErrorContains(t, err, c.err, "%q", c.in)
			continue
		}
		require.NoError(t, err, "%q", c.in)
		if n > 0 {
			reply := measured([]byte(c.in)[:n])
			_, want := redcon.ReadNextRESP([]byte(c.in)[:n])
			require.Equal(t, want.Type, reply.Type, "%q", c.in)
			require.Equal(t, want.Count, reply.Count, "%q", c.in)
			require.Equal(t, string(want.Raw), string(reply.Raw), "%q", c.in)
			require.Equal(t, string(want.Data), string(reply.Data), "%q", c.in)
		}
	}
}

// What comes back of the client beside the workload was left by what it had sent by then.
func TestWhatTheClientBesideHadLeft(t *testing.T) {
	states := BesideStates()
	sent := []history.Beside{{At: 5, Step: 0}, {At: 6, Step: 2}, {At: 7, Step: len(states) + 40}}
	for _, c := range []struct {
		by    time.Duration
		state string
		want  bool
	}{{7, states[0], true}, {7, states[2], true}, {5, states[2], false}, {7, states[40], true}, {6, states[40], false}, {7, states[90], false}, {0, states[len(states)-1], true}, {7, "", false}} {
		require.Equal(t, c.want, BesideLeft(sent, c.by, c.state), "%+v", c)
	}
}
