package engine_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A message from a command of the same turn comes once, also to a subscriber who wants no
// replies: it is not kept for what he asks next (unit/pubsub of Redis's own tests, "PubSub
// messages with CLIENT REPLY OFF", on a busy machine).
func TestMessagesOfTheSameTurnComeOnce(t *testing.T) {
	w := startWorld(t, "")
	other := w.connect()
	heard := &recorder{more: make(chan struct{}, 1)}
	w.env.Enter()
	s, _ := w.server.Open(heard)
	s.OnAnswer(func(reply []byte, _ bool) { _, _ = heard.Write(reply) })
	submit := func(c interface {
		Add([][]byte)
		Submit() bool
	}, words ...string) {
		var argv [][]byte
		for _, word := range words {
			argv = append(argv, []byte(word))
		}
		c.Add(argv)
		c.Submit()
	}
	idle := func() {
		w.env.Leave()
		for busy := true; busy; { // turns are made by the main task
			other.do("PING")
			w.env.Enter()
			busy = s.Busy() || other.s.Busy()
			w.env.Leave()
		}
		w.env.Enter()
	}
	submit(s, "HELLO", "3")
	idle()
	submit(s, "SUBSCRIBE", "channel")
	idle()
	publisher, _ := w.server.Open(wire{})
	submit(s, "CLIENT", "REPLY", "OFF")
	submit(publisher, "PUBLISH", "channel", "hello")
	idle()
	submit(s, "UNSUBSCRIBE", "channel")
	idle()
	w.env.Leave()
	all := heard.until(func(all string) bool { return strings.Contains(all, "unsubscribe") })
	require.Equal(t, 1, strings.Count(all, "hello"), "%q", all)
	require.Less(t, strings.Index(all, "hello"), strings.Index(all, "unsubscribe"))
}
