package replication

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/config"
)

// script is one machine under a script: what is fed to it, and what it says.
type script struct {
	m        *Machine
	now      time.Duration
	log      []string
	draws    uint64
	replicas map[string]*Replica
}

func newScript(t *testing.T, directives ...string) *script {
	cfg := config.Default()
	require.NoError(t, cfg.Set("repl-diskless-sync-delay", "0"))
	for _, d := range directives {
		name, value, _ := strings.Cut(d, "=")
		require.NoError(t, cfg.Set(name, value))
	}
	s := &script{replicas: map[string]*Replica{}}
	s.m = New(Options{Config: cfg, Log: func(level byte, msg string) { s.log = append(s.log, fmt.Sprintf("log %c %s", level, msg)) },
		// Ids that a reader can tell apart: aaaa..., bbbb..., and so on.
		Random: func() uint64 {
			s.draws++
			digit := 0xa + (s.draws-1)/3%6
			return digit * 0x1111111111111111
		}})
	return s
}

func (s *script) replica(name string) *Replica {
	r := s.replicas[name]
	if r == nil {
		n, _ := strconv.ParseInt(name, 10, 64)
		r = &Replica{Number: n, Peer: "10.0.0." + name, EOF: true, Psync2: true}
		s.replicas[name] = r
	}
	return r
}

// said is what the machine wants done and has logged since last asked, ids cut
// to their first four digits.
func (s *script) said() string {
	var b strings.Builder
	for _, l := range s.log {
		b.WriteString(l + "\n")
	}
	s.log = nil
	for _, e := range s.m.Take() {
		b.WriteString(e.String() + "\n")
	}
	text := b.String()
	for _, c := range "abcdef0123456789" {
		text = strings.ReplaceAll(text, strings.Repeat(string(c), IDLen), strings.Repeat(string(c), 4))
	}
	if text == "" {
		return "nothing\n"
	}
	return text
}

// id makes "aaaa" an id.
func id(short string) string {
	if short == "?" || short == "" {
		return short
	}
	return strings.Repeat(short[:1], IDLen)
}

func (s *script) do(line string) string {
	m := s.m
	f := strings.Fields(line)
	arg := func(i int) string {
		if i < len(f) {
			return f[i]
		}
		return ""
	}
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(arg(i), 10, 64)
		return n
	}
	reply := ""
	switch f[0] {
	case "after":
		d, _ := time.ParseDuration(f[1])
		for end := s.now + d; s.now < end; {
			s.now = min(s.now+100*time.Millisecond, end)
			m.Cron(s.now)
		}
	case "replconf":
		var argv [][]byte
		for _, w := range append([]string{"REPLCONF"}, f[2:]...) {
			argv = append(argv, []byte(w))
		}
		reply = m.Replconf(s.now, s.replica(f[1]), argv)
	case "psync":
		reply = m.Sync(s.now, s.replica(f[1]), id(f[2]), number(3), arg(4) == "failover")
	case "sync":
		reply = m.Sync(s.now, s.replica(f[1]), "", 0, false)
	case "gone":
		m.Gone(s.now, s.replica(f[1]))
	case "save-started":
		m.SaveStarted(s.now, arg(1) == "socket", arg(2) != "failed")
	case "save-ended":
		m.SaveEnded(s.now, arg(1) != "failed")
	case "file-sent":
		m.FileSent(s.now, s.replica(f[1]))
	case "write":
		db, _ := strconv.Atoi(f[1])
		var argv [][]byte
		for _, w := range f[2:] {
			argv = append(argv, []byte(w))
		}
		m.Feed(db, argv)
	case "release":
		m.Release()
	case "send":
		r := s.replica(f[1])
		for b := m.ToSend(r); b != nil; b = m.ToSend(r) {
			reply += string(b)
			m.Sent(r, len(b))
		}
		reply = strconv.Quote(reply)
	case "follow":
		m.Follow(s.now, f[1], number(2))
	case "promote":
		m.Promote(s.now)
	case "open":
		m.ConnectionOpen(s.now)
	case "refused":
		m.ConnectFailed(s.now, "connection refused")
	case "line":
		text := strings.TrimPrefix(line, "line ")
		for _, w := range strings.Fields(text) {
			if len(w) == 4 && strings.Count(w, w[:1]) == 4 {
				text = strings.ReplaceAll(text, w, id(w))
			}
		}
		if text == "line" {
			text = ""
		}
		m.Line(s.now, text)
	case "loaded":
		m.Loading(s.now)
		m.Received(s.now, int(number(1)))
	case "executed":
		m.Executed([]byte(strings.Repeat("x", int(number(1)))), 0)
	case "lost":
		m.Lost(s.now, "Connection lost", arg(1) == "desync")
	case "restore":
		m.Restore(s.now, id(f[1]), number(2), int(number(3)))
	case "failover":
		reply = m.BeginFailover(s.now, arg(1), number(2), arg(3) == "force", time.Duration(number(4))*time.Millisecond)
	case "abort":
		reply = m.AbortFailover(s.now)
	case "state":
		return s.state()
	default:
		return "what? " + line + "\n"
	}
	out := s.said()
	if reply != "" {
		out = "reply " + reply + "\n" + out
	}
	return out
}

func (s *script) state() string {
	m := s.m
	text := fmt.Sprintf("id %.4s offset %d id2 %.4s second %d", m.ID, m.Offset, m.ID2, m.SecondOffset)
	if m.Stream != nil {
		text += fmt.Sprintf(" backlog %d..%d", m.Stream.First, m.Stream.End)
	}
	if u := m.Up; u != nil {
		text += fmt.Sprintf(" master %s:%d %s applied %d", u.Host, u.Port, u.State.RoleName(), u.Applied)
	}
	if m.cached != nil {
		text += fmt.Sprintf(" cached %.4s:%d", m.cached.id, m.cached.offset)
	}
	for _, r := range m.Replicas {
		text += fmt.Sprintf("\nreplica %d %s acked %d", r.Number, r.State, r.Acked)
	}
	return text + fmt.Sprintf("\ntoo few replicas: %v\n", m.TooFewReplicas())
}

// TestScripts holds conversations against golden text.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var s *script
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "server":
				var directives []string
				var planted bugs.Set
				for _, a := range d.CmdArgs {
					if a.Key == "plant" {
						b, ok := bugs.ByName(a.Vals[0])
						require.True(t, ok, a.Vals[0])
						planted |= b.Bit
						continue
					}
					directives = append(directives, a.Key+"="+strings.Join(a.Vals, " "))
				}
				s = newScript(t, directives...)
				s.m.o.Bugs = planted
				return s.state()
			case "do":
				var b strings.Builder
				for line := range strings.Lines(d.Input) {
					line = strings.TrimSpace(line)
					b.WriteString("> " + line + "\n" + s.do(line))
				}
				return b.String()
			}
			t.Fatalf("%s: what is %q?", d.Pos, d.Cmd)
			return ""
		})
	})
}

// FuzzLines feeds a machine what a hostile master may say, line by line, and
// what a hostile replica may ask: it must neither panic nor lose its senses.
func FuzzLines(f *testing.F) {
	f.Add("+PONG\n+OK\n+OK\n+FULLRESYNC aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 5")
	f.Add("+PONG\n-x\n+OK\n+CONTINUE bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
	f.Add("-NOAUTH\n\n\n+FULLRESYNC  \n+CONTINUE")
	f.Add("+PONG\n+OK\n+OK\n-NOMASTERLINK x")
	f.Add("+PONG\n+OK\n+OK\n+FULLRESYNC aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 9223372036854775807")
	f.Fuzz(func(t *testing.T, text string) {
		draws := uint64(0)
		m := New(Options{Config: config.Default(), Random: func() uint64 { draws++; return draws * 0x9e3779b97f4a7c15 }})
		m.Follow(0, "m", 1)
		m.ConnectionOpen(1)
		for i, line := range strings.Split(text, "\n") {
			m.Line(time.Duration(i), line)
			r := &Replica{Number: int64(i)}
			m.Replconf(time.Duration(i), r, [][]byte{[]byte("REPLCONF"), []byte("ack"), []byte(line)})
			m.Replconf(time.Duration(i), r, [][]byte{[]byte("REPLCONF"), []byte(line), []byte("1")})
			if line != "" {
				m.Sync(time.Duration(i), r, line, int64(len(line)), i%2 == 0)
			}
			if m.Up != nil && m.Up.State == Transfer {
				m.Loading(time.Duration(i))
				m.Received(time.Duration(i), 0)
				m.Executed([]byte(line), 0)
			}
			m.Cron(time.Duration(i) * time.Second)
			for m.Pending() {
				for _, e := range append([]Effect(nil), m.Take()...) {
					_ = e.String()
				}
			}
			require.Len(t, m.ID, IDLen)
			require.Len(t, m.ID2, IDLen)
			if m.Stream != nil {
				require.Equal(t, m.Offset+1, m.Stream.End, "the backlog ends where the history does")
				require.LessOrEqual(t, m.Stream.First, m.Stream.End)
			}
		}
	})
}

// TestStreamKeepsWhatItMust: whatever was written can be read again from every
// offset that is kept, and trimming never takes what a reader still wants.
func TestStreamKeepsWhatItMust(t *testing.T) {
	s := &Stream{First: 1, End: 1}
	var all []byte
	reader := int64(1)
	for i := range 5000 {
		p := []byte(fmt.Sprintf("%d;", i*i))
		s.write(p)
		all = append(all, p...)
		if i%3 == 0 {
			reader += int64(len(s.At(reader)))
		}
		s.trim(4096, reader)
		require.LessOrEqual(t, s.First, reader)
		require.GreaterOrEqual(t, s.Len(), min(int64(4096), int64(len(all))))
		require.Equal(t, int64(len(all))+1, s.End)
		at := s.First + int64(i)%s.Len()
		if b := s.At(at); b != nil {
			require.Equal(t, string(all[at-1:at-1+int64(len(b))]), string(b))
		}
	}
	require.Greater(t, s.First, int64(1), "something was trimmed")
	require.Nil(t, s.At(s.First-1))
	require.Nil(t, s.At(s.End))
}
