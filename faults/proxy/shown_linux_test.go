package proxy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/plan"
)

// TestWhatAFaultShows holds every fault of links to the statements with which it shows
// itself (plan.Verb.Shown). In simulation c1 finds out what becomes of an exchange with
// n1 while they strike and end, which makes a script. Without them it must be another:
// a fault that does nothing has none to show. Over proxies all must go by the script. A
// new fault is held to its own without a script being written.
func TestWhatAFaultShows(t *testing.T) {
	shown := 0
	for _, v := range plan.Verbs() {
		if ok, _ := v.Available(linked{}); !ok {
			continue
		}
		shown++
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			with, without, err := v.Show()
			require.NoError(t, err)
			require.Less(t, len(without.Statements), len(with.Statements), "%q is not about %s", v.Shown, v.Name)
			text, waiting := rehearse(t, with)
			plain, _ := rehearse(t, without)
			require.NotEqual(t, plain, text, "%s: nothing is seen of it", v.Shown)
			require.Empty(t, waiting, "%s: it must end within %d steps: %s", v.Shown, rounds, text)
			overProxies(t, with, text)
		})
	}
	require.NotZero(t, shown)
}

const (
	rounds   = 6               // of an exchange; before each, what the plan has due next strikes or ends
	patience = 2 * time.Second // in simulation: what takes longer does not come
	most     = 20000           // bytes that A sends in a round; others send one
)

// rehearsal finds out in simulation what becomes of an exchange, and notes it as a script.
type rehearsal struct {
	*told
	script  []string
	pending map[string]int // bytes that were sent and not heard
	waiting []string       // connections that are not answered yet
	open    []string
}

// rehearse is the script of an exchange while a plan is carried out, and which of its
// connections still wait for an answer in the end.
func rehearse(t *testing.T, p *plan.Plan) (script string, waiting []string) {
	inSimulation(t, func(s *told) string {
		s.carriesOut(p)
		r := &rehearsal{told: s, pending: map[string]int{}}
		if why := r.connect("A"); why != "" {
			return why
		}
		for i := range rounds {
			if why, _ := s.next(); why != "" {
				return why
			}
			r.note("next")
			for _, name := range slices.Clone(r.open) {
				if why := r.exchange(name); why != "" {
					return why
				}
			}
			for _, name := range slices.Clone(r.waiting) {
				r.await(name)
			}
			if why := r.connect(string(rune('B' + i))); why != "" {
				return why
			}
		}
		script, waiting = strings.Join(r.script, "; "), r.waiting
		return ""
	})
	return script, waiting
}

func (r *rehearsal) note(format string, args ...any) {
	r.script = append(r.script, fmt.Sprintf(format, args...))
}

// settled waits for what becomes of a connection that was begun.
func (r *rehearsal) settled(name string) bool {
	for until := r.e.Now() + patience; r.e.Now() < until; r.e.Sleep(time.Millisecond) {
		if r.conns[name] != nil || r.ended[name] != "" {
			return true
		}
	}
	return false
}

// connect makes a new connection.
func (r *rehearsal) connect(name string) (why string) {
	r.begin(name)
	switch {
	case !r.settled(name):
		r.waiting = append(r.waiting, name)
		r.note("unheard %s", name)
	case r.conns[name] != nil:
		r.open = append(r.open, name)
		r.note("dial %s", name)
	case r.run("refused") == "":
		r.note("refused")
	default:
		return r.ended[name]
	}
	return ""
}

// await looks after a connection that was not answered.
func (r *rehearsal) await(name string) {
	if !r.settled(name) {
		return
	}
	r.waiting = slices.DeleteFunc(r.waiting, func(n string) bool { return n == name })
	if r.conns[name] != nil {
		r.open = append(r.open, name)
		r.note("answered %s", name)
	} else {
		r.note("given-up %s", name)
	}
}

// exchange sends something, if all was heard that was sent before, and listens.
func (r *rehearsal) exchange(name string) (why string) {
	c, fresh := r.conns[name], r.pending[name] == 0
	broken := func(err error) bool {
		if errors.Is(err, env.ErrReset) {
			r.note("reset %s", name)
			r.open = slices.DeleteFunc(r.open, func(n string) bool { return n == name })
			return true
		}
		return false
	}
	if fresh {
		c.SetReadDeadline(r.e.Now() + time.Millisecond)
		if _, err := c.Read(make([]byte, 1)); broken(err) {
			return ""
		} else if !errors.Is(err, env.ErrTimeout) {
			return fmt.Sprintf("%s has heard what was not sent: %v", name, err)
		}
		n := 1
		if name == "A" {
			n = most
		}
		r.sent = r.e.Now()
		if _, err := c.Write(make([]byte, n)); broken(err) {
			return ""
		} else if err != nil {
			return err.Error()
		}
		r.pending[name] = n
		r.note("send %s %d", name, n)
	}
	heard, err := 0, error(nil)
	for buf := make([]byte, most); r.pending[name] > heard && err == nil; {
		c.SetReadDeadline(r.e.Now() + patience)
		var n int
		n, err = c.Read(buf[:r.pending[name]-heard])
		heard += n
	}
	if r.pending[name] -= heard; heard > 0 {
		r.note("hear %s %d", name, heard)
		// A limited rate is kept in pieces, whose bounds differ between the worlds.
		if took := (r.e.Now() - r.sent).Truncate(10 * time.Millisecond); fresh && err == nil && took > 10*time.Millisecond {
			r.note("late %v", took-10*time.Millisecond)
		}
	}
	switch {
	case err == nil || broken(err):
	case errors.Is(err, env.ErrTimeout):
		r.note("silent %s", name)
	default:
		return err.Error()
	}
	return ""
}
