package cluster

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// messagesFile holds a message of each type, and with each part that it may have, as
// redis-server 7.0.15 has sent them (TestMessagesOfRedis writes it): a line each, in
// hexadecimal, where "b*n" is n times the byte b.
const messagesFile = "testdata/messages.txt"

var runs = regexp.MustCompile(`([0-9a-f]{2})\*(\d+)`)

func readMessages(t testing.TB) (names []string, packets [][]byte) {
	text, err := os.ReadFile(messagesFile)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		name, code, _ := strings.Cut(strings.TrimSpace(line), ": ")
		code = runs.ReplaceAllStringFunc(code, func(run string) string {
			n, _ := strconv.Atoi(run[3:])
			return strings.Repeat(run[:2], n)
		})
		b, err := hex.DecodeString(strings.ReplaceAll(code, " ", ""))
		require.NoError(t, err, name)
		names, packets = append(names, name), append(packets, b)
	}
	return names, packets
}

// packed is a message as messagesFile has it.
func packed(b []byte) string {
	var out []string
	for i := 0; i < len(b); {
		n := 1
		for i+n < len(b) && b[i+n] == b[i] {
			n++
		}
		code := hex.EncodeToString(b[i : i+1])
		switch {
		case n > 4:
			out = append(out, fmt.Sprintf("%s*%d", code, n))
		case len(out) > 0 && !strings.Contains(out[len(out)-1], "*"):
			out[len(out)-1] += strings.Repeat(code, n)
		default:
			out = append(out, strings.Repeat(code, n))
		}
		i += n
	}
	return strings.Join(out, " ")
}

// What redis-server sends is read, and written again byte for byte.
func TestMessagesAreRedis(t *testing.T) {
	names, packets := readMessages(t)
	seen := map[MessageType]bool{}
	for i, b := range packets {
		packet, rest, err := Frame(b)
		require.NoError(t, err, names[i])
		assert.Empty(t, rest)
		m, err := Decode(packet)
		require.NoError(t, err, names[i])
		assert.Equal(t, b, m.Append(nil), names[i])
		assert.True(t, strings.HasPrefix(names[i], m.Type.String()), "%s is a %s", names[i], m.Type)
		seen[m.Type] = true
	}
	for t0 := Ping; t0 < messageTypes; t0++ {
		if t0 != Module { // a server without modules sends none
			assert.True(t, seen[t0], "no %s", t0)
		}
	}
}

// Modules' messages have the form that cluster.h gives them, too.
func TestModuleMessage(t *testing.T) {
	m := &Message{Type: Module, Sender: strings.Repeat("a", 40), ModuleID: 7, ModuleType: 3, Payload: []byte("hello")}
	b := m.Append(nil)
	assert.Len(t, b, headLen+8+4+1+5)
	read, err := Decode(b)
	require.NoError(t, err)
	assert.Equal(t, m, read)
}

// What is no message, or is not as long as it says, is refused, with redis-server's words.
func TestWrongMessages(t *testing.T) {
	_, packets := readMessages(t)
	for i, b := range packets {
		for _, n := range []int{0, 4, 8, headLen - 1, len(b) - 1} {
			_, _, err := Frame(b[:n])
			assert.ErrorIs(t, err, ErrIncomplete, "message %d, %d bytes", i, n)
		}
		for _, more := range []int{-1, 1} {
			if b[13] > byte(PublishShard) || len(b)+more < headLen {
				continue
			}
			cut := append(bytes.Clone(b), 0)[:len(b)+more]
			cut[6], cut[7] = byte(len(cut)>>8), byte(len(cut))
			_, err := Decode(cut)
			assert.ErrorContains(t, err, "Received invalid", "message %d, %d bytes more", i, more)
		}
	}
	_, _, err := Frame([]byte("GET / HTTP/1.1\r\n"))
	assert.ErrorIs(t, err, errNoMessage)
	_, _, err = Frame([]byte("RCmb\x00\x00\x00\x08"))
	assert.ErrorIs(t, err, errNoMessage)
	other := bytes.Clone(packets[0])
	other[9] = 2
	_, err = Decode(other)
	assert.ErrorIs(t, err, errVersion)
}

// Whatever comes, a node neither falls nor takes more memory than what has come, and what it
// reads it writes so that it reads the same.
func FuzzMessage(f *testing.F) {
	_, packets := readMessages(f)
	for _, b := range packets {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		packet, _, err := Frame(b)
		if err != nil {
			return
		}
		m, err := Decode(packet)
		if err != nil {
			require.False(t, m != nil && errors.Is(err, errVersion))
			return
		}
		if m.Type >= messageTypes {
			return
		}
		again, err := Decode(m.Append(nil))
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}

// A node that is sent whatever does not fall.
func FuzzReceived(f *testing.F) {
	_, packets := readMessages(f)
	for _, b := range packets {
		f.Add(b, uint8(0), uint16(0))
		f.Add(b, uint8(12), uint16(2250))
	}
	f.Fuzz(func(t *testing.T, b []byte, value uint8, at uint16) {
		w := newWorld(1)
		w.addMaster("n1", "0-8000")
		w.addMaster("n2", "8001-16383")
		w.meetAll()
		w.run(3000)
		n := w.nodes[0]
		if len(b) > int(at) {
			b = bytes.Clone(b)
			b[at] = value
		}
		packet, _, err := Frame(b)
		if err != nil {
			return
		}
		for _, l := range n.m.links {
			n.m.Received(w.now, l.id, packet)
			break
		}
		id := n.m.Accepted(w.now, "127.0.9.9", "127.0.0.1")
		n.m.Received(w.now, id, packet)
		w.run(3000)
		// What it has learned it can read again.
		_, err = New(w.now, Options{Config: n.cfg, Server: n, Random: w.random}, []byte(n.m.Conf()))
		require.NoError(t, err)
	})
}

// A vote is in nodes.conf, durably, before it is told.
func TestVoteIsSavedBeforeItIsTold(t *testing.T) {
	w := newWorld(1)
	w.addMaster("n1", "0-8000")
	w.addMaster("n2", "8001-16383")
	replica := w.add("n3")
	w.meetAll()
	w.run(6000)
	require.Empty(t, replica.m.Replicate(w.now, w.nodes[0].id))
	w.run(4000)
	require.Empty(t, replica.m.Failover(w.now, true, false))
	voter := w.nodes[1]
	for range 2000 {
		w.now++
		w.deliver()
		for _, n := range w.nodes {
			if n != voter {
				n.m.Tick(w.now)
				w.do(n, n.m.Take())
				w.do(n, n.m.BeforeSleep(w.now))
			}
		}
		if voter.m.lastVote == 0 {
			w.do(voter, voter.m.BeforeSleep(w.now))
			continue
		}
		var order []string
		for _, a := range voter.m.BeforeSleep(w.now) {
			if a.Kind == Save || a.Kind == Send {
				order = append(order, a.String())
			}
			if a.Kind == Save {
				require.Contains(t, a.Text, fmt.Sprintf("lastVoteEpoch %d", voter.m.lastVote))
			}
		}
		require.GreaterOrEqual(t, len(order), 2, "%s", order)
		require.Equal(t, "save and sync", order[0])
		return
	}
	t.Fatal("nobody was asked for a vote")
}
