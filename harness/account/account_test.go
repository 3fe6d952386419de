package account

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
)

// TestJournalsAreReadOrRefusedByLine: the form, and what is wrong with a line.
func TestJournalsAreReadOrRefusedByLine(t *testing.T) {
	const head = "torntail journal 1\n"
	list, err := ReadJournal("j", strings.NewReader(head+`
# an order
send 1 SET key:1 "a value\x00"
send b INCR visits
ok 1
ok b 17
send 3 SADD s m
error 3 READONLY You can't write against a read only replica.
send 4 DEL k
unknown 4 timeout
send 5 LPUSH l a b
ok 5`))
	require.NoError(t, err)
	require.Len(t, list, 5)
	require.Equal(t, Write{ID: "1", Line: 4, Args: []string{"SET", "key:1", "a value\x00"}, Begin: 4, End: 6, Outcome: history.OK, Why: "the journal says no more"}, *list[0])
	require.Equal(t, "17", list[1].Reply)
	require.Equal(t, history.Failed, list[2].Outcome)
	require.Zero(t, list[3].End, "it may take effect later")
	require.Equal(t, history.Unknown, list[4].Outcome, "its last line has no end")
	require.Equal(t, "the journal says no more", list[4].Why)

	for text, want := range map[string]string{
		"":                                             `j:1: want "torntail journal 1" and the end of the line`,
		"torntail journal 2\n":                         `j:1: "torntail journal 2": want "torntail journal 1"`,
		head + "begin 1 SET k v\n":                     `j:2: unknown word "begin": want send, ok, error or unknown`,
		head + "send\n":                                `j:2: want an ID of at most 64 bytes behind "send"`,
		head + "send 1\n":                              `j:2: want a command behind send 1`,
		head + "send 1 SET k \"v\n":                    `j:2: unbalanced quotes`,
		head + "send 1 GET k\n":                        `j:2: GET writes nothing`,
		head + "send 1 MULTI\n":                        `j:2: MULTI is no write: tell each command of a transaction by itself, once EXEC has answered`,
		head + "\n\nok 1\n":                            `j:4: ID 1 was not sent`,
		head + "send 1 SET k v\nok 1\nok 1\n":          `j:4: ID 1 has ended before`,
		head + "send 1 SET k v\nsend 1 SET k v\n":      `j:3: ID 1 was sent before`,
		head + "send 1 SET k v\nok 1 \"\n":             `j:3: reply: unbalanced quotes`,
		head + "# " + strings.Repeat("x", longestLine): `j:2: longer than 4194304 bytes`,
		head + "send " + strings.Repeat("1", 65) + " SET k v\n": `j:2: want an ID of at most 64 bytes behind "send"`,
	} {
		_, err := ReadJournal("j", strings.NewReader(text))
		require.EqualError(t, err, want, "%.60q", text)
		require.ErrorAs(t, err, new(*LineError))
	}
}

// FuzzJournal: whatever somebody's client writes is read or refused by a line of it.
func FuzzJournal(f *testing.F) {
	f.Add("torntail journal 1\nsend 1 SET k v\nok 1\nsend 2 XADD s * a b\nok 2 1-1\nsend 3 EVAL x 9 k\nunknown 3\n")
	f.Add("torntail journal 1\nsend 1 SET k v NX GET\nok 1\nsend 2 HINCRBY\nok 2\nsend 3 ZADD z 1\nerror 3\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ReadJournal("j", strings.NewReader(text))
		if err != nil {
			require.ErrorAs(t, err, new(*LineError))
			return
		}
		a := Judge("j", "n1", list, nil, State{})
		require.Equal(t, a.Acknowledged, a.Fates[There]+a.Fates[Replaced]+a.Fates[NotTold]+a.Fates[Lost])
		require.Equal(t, len(list), a.Acknowledged+a.Refused+a.Unknown)
		a.WriteText(new(strings.Builder), 3)
	})
}

// FuzzConversation: whatever passes, in whatever parts, is understood in the same way or the
// connection is left.
func FuzzConversation(f *testing.F) {
	f.Add([]byte("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\nINCR n\r\n*1\r\n$5\r\nMULTI\r\nDEL k\r\nEXEC\r\n"), []byte("+OK\r\n:1\r\n+OK\r\n+QUEUED\r\n*1\r\n:1\r\n"), uint16(7))
	f.Add([]byte("HELLO 3\r\nHGETALL h\r\nSET k v\r\n"), []byte("%1\r\n+proto\r\n:3\r\n>2\r\n+a\r\n*1\r\n_\r\n%0\r\n$2\r\nOK\r\n"), uint16(3))
	f.Fuzz(func(t *testing.T, sent, answered []byte, cut uint16) {
		told := func(parts bool) string {
			r := &Record{Now: func() time.Duration { return 0 }}
			c := r.Begin("n1")
			if k := min(int(cut), len(sent)); parts {
				c.Sent(sent[:k])
				c.Sent(sent[k:])
			} else {
				c.Sent(sent)
			}
			if k := min(int(cut), len(answered)); parts {
				c.Answered(answered[:k])
				c.Answered(answered[k:])
			} else {
				c.Answered(answered)
			}
			writes, left := r.Writes()
			text := fmt.Sprintln(left)
			for _, w := range writes {
				text += fmt.Sprintf("%+v %v\n", *w, w.effects())
			}
			return text
		}
		require.Equal(t, told(false), told(true))
	})
}

// TestConversations: what is recorded of what passes.
func TestConversations(t *testing.T) {
	for _, c := range []struct{ name, sent, answered, want, left string }{
		{"a pipeline", "SET k v\r\nGET k\r\nINCR n\r\n", "+OK\r\n$1\r\nv\r\n:5\r\n", "SET k v: ok OK; INCR n: ok 5", ""},
		{"an error", "SET k v\r\n", "-READONLY no\r\n", "SET k v: failed READONLY no", ""},
		{"no reply", "SET k v\r\nDEL k\r\n", "+OK\r\n", "SET k v: ok OK; DEL k: unknown no reply came", ""},
		{"half a reply", "SET k v GET\r\n", "$100\r\nxx", "SET k v GET: unknown no reply came", ""},
		{"a transaction", "MULTI\r\nSET a 1\r\nGET a\r\nSADD s m\r\nEXEC\r\n", "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n$1\r\n1\r\n-WRONGTYPE no\r\n", "SET a 1: ok OK; SADD s m: failed WRONGTYPE no", ""},
		{"one that is not executed", "MULTI\r\nSET a 1\r\nEXEC\r\n", "+OK\r\n+QUEUED\r\n*-1\r\n", "SET a 1: failed a watched key was changed", ""},
		{"one that is given up", "MULTI\r\nSET a 1\r\nDISCARD\r\nSET a 2\r\n", "+OK\r\n+QUEUED\r\n+OK\r\n+OK\r\n", "SET a 1: failed DISCARD; SET a 2: ok OK", ""},
		{"one with an error", "MULTI\r\nSET a\r\nSET a 1\r\nEXEC\r\n", "+OK\r\n-ERR wrong number\r\n+QUEUED\r\n-EXECABORT no\r\n", "SET a: failed ERR wrong number; SET a 1: failed EXECABORT no", ""},
		{"another database", "SELECT 3\r\nSET a 1\r\n", "+OK\r\n+OK\r\n", "3/SET a 1: ok OK", ""},
		{"a refused SELECT", "SELECT 99\r\nSET a 1\r\n", "-ERR no\r\n+OK\r\n", "SET a 1: ok OK", ""},
		{"RESP3, with what is pushed", "HELLO 3\r\nSET a 1\r\n", "%1\r\n$5\r\nproto\r\n:3\r\n>3\r\n+message\r\n+c\r\n+x\r\n+OK\r\n", "SET a 1: ok OK", ""},
		{"subscriptions", "SET a 1\r\nSUBSCRIBE c\r\n", "+OK\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n", "SET a 1: ok OK", ""},
		{"no replies", "SET a 1\r\nCLIENT REPLY OFF\r\nSET a 2\r\n", "+OK\r\n", "SET a 1: unknown no reply came", "CLIENT REPLY: commands without replies"},
		{"no protocol", "*1\r\nX\r\n", "", "", "sent what is no command"},
		{"no reply of Redis", "SET a 1\r\n", "HTTP\r\n", "SET a 1: unknown no reply came", "a reply that is not understood"},
		{"too many replies", "SET a 1\r\n", "+OK\r\n+OK\r\n", "SET a 1: ok OK", "a reply to nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &Record{Now: func() time.Duration { return 0 }}
			v := r.Begin("n1")
			v.Sent([]byte(c.sent))
			v.Answered([]byte(c.answered))
			writes, left := r.Writes()
			var told []string
			for _, w := range writes {
				db := ""
				if w.DB != 0 {
					db = fmt.Sprintf("%d/", w.DB)
				}
				told = append(told, fmt.Sprintf("%s%s: %s %s", db, text(w.Args), w.Outcome, w.Why+w.Reply))
			}
			require.Equal(t, c.want, strings.Join(told, "; "))
			for why := range left {
				require.Equal(t, c.left, why)
			}
			require.Equal(t, c.left != "", len(left) > 0)
		})
	}
}

// TestFates: what is said of writes by what is there in the end. Each word is a write in the
// order of time, "?" one without a reply and "!" one that was refused; "~" one that was sent
// before the one before it had ended.
func TestFates(t *testing.T) {
	str := func(v string) *held { return &held{kind: "string", text: v} }
	hash := func(pairs ...string) *held {
		h := &held{kind: "hash", fields: map[string]string{}}
		for i := 0; i < len(pairs); i += 2 {
			h.fields[pairs[i]] = pairs[i+1]
		}
		return h
	}
	list := func(e ...string) *held {
		h := &held{kind: "list", count: map[string]int{}}
		for _, x := range e {
			h.count[x]++
		}
		return h
	}
	for _, c := range []struct {
		name, writes string
		k            *held
		want         string
	}{
		{"there", "SET k a", str("a"), "there"},
		{"gone", "SET k a", nil, "lost"},
		{"another value that nobody wrote", "SET k a", str("z"), "lost"},
		{"replaced", "SET k a; SET k b", str("b"), "replaced; there"},
		{"the later is lost", "SET k a; SET k b", str("a"), "there; lost"},
		{"of two at once either", "SET k a; ~SET k b", str("a"), "there; replaced"},
		{"by one without a reply", "?SET k b; SET k a", str("b"), "-; replaced"},
		{"a refused one replaces nothing", "SET k a; !SET k b", str("b"), "lost; refused there"},
		{"and is not there where another wrote the same", "SET k a; !SET k a", str("a"), "there; -"},
		{"deleted", "SET k a; DEL k", nil, "replaced; there"},
		{"a deletion that is lost", "SET k a; DEL k", str("a"), "there; lost"},
		{"deleted before", "DEL k; SET k a", nil, "there; lost"},
		{"all deleted", "SET k a; FLUSHALL", nil, "replaced; there"},
		{"all deleted before", "FLUSHALL; SET k a", nil, "there; lost"},
		{"it may have expired", "SET k a EX 1", nil, "not told"},
		{"changed in a way that is not followed", "SET k a; APPEND k b", str("ab"), "not told; not told"},
		{"and before", "APPEND k b; SET k a", str("x"), "not told; lost"},
		{"a script may take any key", "SET k a; EVAL x 0", nil, "not told; not told"},
		{"or the key that it names", "SET k a; EVAL x 1 j", nil, "lost; not told"},
		{"fields", "HSET k f 1 g 2; HSET k f 3; HSET k h 1", hash("f", "3", "g", "2"), "replaced; there; lost"},
		{"of two fields one is lost", "HSET k f 1 g 2", hash("f", "1"), "lost"},
		{"a removed field", "HSET k f 1; HDEL k f", hash("g", "1"), "replaced; there"},
		{"members", "SADD k m n", hash("m", "", "n", ""), "there"},
		{"scores", "ZADD k 1.0 m; ZADD k 2 n", hash("m", "1"), "there; lost"},
		{"a condition of the command", "ZADD k NX 1 m", hash("m", "7"), "not told"},
		{"elements", "RPUSH k a; LPUSH k b; RPUSH k c a", list("a", "b"), "there; there; lost"},
		{"deleted between", "RPUSH k a; DEL k; RPUSH k a", list("a"), "replaced; replaced; there"},
		{"deleted between, and lost", "RPUSH k a; DEL k; RPUSH k a; RPUSH k a", list("a"), "replaced; replaced; there; lost"},
		{"popped between", "RPUSH k a; LPOP k; RPUSH k a", nil, "not told; not told; not told"},
		{"popped before", "LPOP k; RPUSH k a", nil, "not told; lost"},
		{"popped", "RPUSH k a; LPOP k", nil, "not told; not told"},
		{"counted", "INCR k; INCRBY k 2; DECRBY k 0", str("3"), "not told; not told; not told"},
		{"a sum", "INCR k=1; INCR k=2; ?INCR k", str("3"), "there; there; -"},
		{"a sum that lacks one", "INCR k=1; INCR k=2; INCR k=3", str("2"), "not told; not told; lost"},
		{"a counter that is gone", "INCR k=1", nil, "lost"},
		{"it was not set", "SET k a NX=(nil)", str("z"), "there"},
		{"made again as another type", "SET k a; DEL k; HSET k f 1", hash("f", "1"), "replaced; replaced; there"},
		{"a deletion, and it was another type before", "HSET k f 1; DEL k", hash("f", "1"), "there; lost"},
		{"an entry", "XADD k * f v=1-1; XADD k * f w=1-2", hash("1-1", entry([]string{"f", "v"})), "there; lost"},
		{"what cannot be read", "SET k a", &held{kind: "module"}, "not told"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var writes []*Write
			clock := int64(0)
			for _, word := range strings.Split(c.writes, "; ") {
				w := &Write{Outcome: history.OK}
				clock += 2
				w.Begin, w.End = clock, clock+1
				switch word[0] {
				case '?':
					w.Outcome, w.End = history.Unknown, 0
				case '!':
					w.Outcome = history.Failed
				case '~':
					w.Begin = clock - 2
				}
				command, reply, _ := strings.Cut(strings.TrimLeft(word, "?!~"), "=")
				w.Args, w.Reply = strings.Fields(command), reply
				writes = append(writes, w)
			}
			state := State{}
			if c.k != nil {
				state[place{0, "k"}] = c.k
			}
			Judge("x", "n1", writes, nil, state)
			var told []string
			for _, w := range writes {
				fate := string(w.fate)
				switch {
				case w.Outcome == history.Failed && w.fate == There:
					fate = "refused there"
				case w.Outcome != history.OK:
					fate = "-"
				}
				told = append(told, fate)
			}
			require.Equal(t, c.want, strings.Join(told, "; "))
		})
	}
}

// TestJournalAndRecordAreCompared: what they tell differently of a command.
func TestJournalAndRecordAreCompared(t *testing.T) {
	of := func(lines string) []*Write {
		list, err := ReadJournal("j", strings.NewReader("torntail journal 1\n"+lines))
		require.NoError(t, err)
		return list
	}
	heard := []*Write{
		{Args: []string{"SET", "k", "1"}, Outcome: history.OK, Node: "n2", At: time.Second},
		{Args: []string{"SET", "k", "1"}, Outcome: history.Unknown},
		{Args: []string{"SET", "k", "2"}, Outcome: history.OK},
		{Args: []string{"SET", "k", "2"}, Outcome: history.OK},
		{Args: []string{"SET", "k", "3"}, Outcome: history.OK},
		{Args: []string{"SET", "k", "4"}, Outcome: history.OK},
		{Args: []string{"SET", "k", "9"}, Outcome: history.OK},
		{Args: []string{"SET", "k", "5"}, Outcome: history.Unknown},
	}
	j := of("send 1 set k 1\nok 1\nsend 2 SET k 2\nok 2\nsend 3 SET k 3\nunknown 3\nsend 4 SET k 4\nerror 4 no\nsend 5 SET k 5\nok 5\nsend 6 SET k 6\n")
	disagree, others, remarks := Compare(j, heard)
	require.Equal(t, []Disagreement{
		{"SET k 5", 10, OnlyJournal},
		{"SET k 4", 8, OnlyRecord},
		{"SET k 9", 0, NotInJournal},
	}, disagree)
	require.Len(t, others, 1, "SET k 9")
	require.Len(t, remarks, 2, "one was not waited for, one was sent again: %v", remarks)
	require.Equal(t, "n2", j[0].Node)
	require.Equal(t, time.Second, j[0].At)
}

// TestOthersMayHaveReplaced: what the journal of one client does not have, another may have done.
func TestOthersMayHaveReplaced(t *testing.T) {
	j, err := ReadJournal("j", strings.NewReader("torntail journal 1\nsend 1 SET k 1\nok 1\nsend 2 SET j 1\nok 2\n"))
	require.NoError(t, err)
	heard := []*Write{{Args: []string{"SET", "k", "1"}, Outcome: history.OK, Begin: 1, End: 2}, {Args: []string{"DEL", "k"}, Outcome: history.OK, Reply: "1", Begin: 3, End: 4}}
	_, others, _ := Compare(j, heard)
	a := Judge("j", "n1", j, others, State{})
	require.Equal(t, map[Fate]int{Replaced: 1, Lost: 1}, a.Fates)
	require.Equal(t, 2, a.Writes)
}
