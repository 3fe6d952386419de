package cluster

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	idA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	idB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	idC = "cccccccccccccccccccccccccccccccccccccccc"
)

func load(t testing.TB, conf string) (*Machine, error) {
	w := newWorld(1)
	n := w.add("n1")
	n.cfg.ClusterAnnounceIP = ""
	return New(5_000_000, Options{Config: n.cfg, Server: n, Random: w.random}, []byte(conf))
}

// What is read is written again: it is what is known.
func TestConfIsReadAsItIsWritten(t *testing.T) {
	conf := idA + " 127.0.0.1:6379@16379,host.example myself,master - 0 0 7 connected 0-99 101 [5->-" + idB + "] [300-<-" + idC + "]\n" +
		idB + " 127.0.0.2:6379@16379 master,fail? - 5000000 5000000 9 disconnected 102-16383\n" +
		idC + " ::1:6379@16379 slave,nofailover " + idB + " 0 5000000 9 disconnected\n" +
		"vars currentEpoch 9 lastVoteEpoch 8\n"
	m, err := load(t, conf)
	require.NoError(t, err)
	m.me.hostname = "host.example"
	assert.Equal(t, conf, m.Conf())
}

// Blanks at the end, of a write that was not cut off, are nothing; a file without its last
// newline, and one from before bus ports, are read; greater epochs of nodes are the current one.
func TestConfOfOtherWriters(t *testing.T) {
	m, err := load(t, idA+" 127.0.0.1:7000 myself,master - 0 0 12 connected 1\n\n\n\nvars currentEpoch 3 lastVoteEpoch 2 unheardOf 5")
	require.NoError(t, err)
	assert.EqualValues(t, 12, m.currentEpoch)
	assert.EqualValues(t, 2, m.lastVote)
	assert.Same(t, m.me, m.owner[1])
}

// What redis-server ends at is an error that says where and what.
func TestConfErrors(t *testing.T) {
	me := idA + " 127.0.0.1:6379@16379 myself,master - 0 0 1 connected"
	for conf, why := range map[string]string{
		"\n":                                  "no node is flagged as myself",
		strings.Replace(me, "myself,", "", 1): "no node is flagged as myself",
		me + "\n" + strings.ReplaceAll(me, idA, idB): "line 2: a second node is flagged as myself",
		"vars currentEpoch\n" + me:                   "line 1: a variable without a value",
		me[:60]:                                      "line 1: 2 fields, a node has at least 8",
		"x" + me[1:]:                                 "",
		"X" + me[1:]:                                 `line 1: "X` + idA[1:] + `" is no name of a node`,
		strings.Replace(me, "127.0.0.1:6379@16379", "here", 1): `line 1: "here" is no address`,
		strings.Replace(me, "master", "mast", 1):               `line 1: unknown flag "mast"`,
		strings.Replace(me, " - ", " nobody ", 1):              `line 1: "nobody" is no name of a master`,
		me + " 16384":                 `line 1: "16384" is no range of slots`,
		me + " 5-16384":               `line 1: "5-16384" is no range of slots`,
		me + " [5]":                   `line 1: "[5]" is no migration of a slot`,
		me + " [16384->-" + idB + "]": `line 1: "[16384->-` + idB + `]" is no migration of a slot`,
		me + " [5->-" + idB:           `line 1: "[5->-` + idB + `" names no node`,
		me + "\n\"" + me:              "line 2: unbalanced quotes",
	} {
		_, err := load(t, conf)
		if why == "" {
			assert.NoError(t, err, conf)
			continue
		}
		assert.EqualError(t, err, why, conf)
	}
}

func FuzzConf(f *testing.F) {
	f.Add(idA + " 127.0.0.1:6379@16379 myself,master - 0 0 7 connected 0-99 101 [5->-" + idB + "]\nvars currentEpoch 9 lastVoteEpoch 8\n")
	f.Add(idA + " :6379@16379,h slave,myself " + idC + " 1 2 3 connected\n" + idC + " 127.0.0.1:1@2 fail - 0 0 0 x\n\n")
	f.Fuzz(func(t *testing.T, conf string) {
		m, err := load(t, conf)
		if err != nil {
			require.IsType(t, &ConfError{}, err)
			return
		}
		m.Tick(5_000_100)
		m.BeforeSleep(5_000_100)
	})
}
