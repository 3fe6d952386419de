package workloads

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
)

// Dump reads all that a store has through a connection while nobody writes.
func (r *Run) Dump(c *Conn, timeout time.Duration) (state history.State, err error) {
	state.Began = c.env.Now()
	if state.Keys, err = r.protocol.Dump(c, r.does.read, r, timeout); err != nil {
		return state, err
	}
	slices.SortFunc(state.Keys, func(a, b history.KV) int { return strings.Compare(a.Key, b.Key) })
	if r.spec.Beside {
		if state.Beside, err = r.besideState(c, timeout); err != nil {
			return state, fmt.Errorf("dump: %w", err)
		}
		r.beside.found(state.Beside)
	}
	state.At = c.env.Now()
	return state, nil
}

// Value returns the run's own string for a value that it has written, without its filler.
func (r *Run) Value(b []byte) string { return r.tokens.Parse(b, r.size()) }

// Key returns the run's own string for a key that it uses.
func (r *Run) Key(b []byte) string {
	if len(b) > 1 && b[0] == 'k' {
		n := 0
		for _, ch := range b[1:] {
			if ch < '0' || ch > '9' || n > len(r.keys) {
				return string(b)
			}
			n = n*10 + int(ch-'0')
		}
		if n < len(r.keys) && r.keys[n] == string(b) {
			return r.keys[n]
		}
	}
	return string(b)
}
