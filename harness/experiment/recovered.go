package experiment

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
)

// Recovered is what a server made of a crash image.
type Recovered struct {
	State   history.State // when it started
	How     machine.Recovery
	Refusal string // why it did not start by itself
	Stray   product.Stray
	// NoData: the image has no manifest, or no snapshot in a mode without AOF. NoDir: nor
	// has it the manifest's directory.
	NoData, NoDir bool
	// At is when the state was read, on the clock of the run, if that was after the
	// moment whose image it comes from: what expires meanwhile is not there.
	At time.Duration
	// Truncated: the start cut a torn tail off, so that what is written next goes behind the cut.
	Truncated bool
	// BaseRefused: the repair tool calls the snapshot at the beginning of the log no log.
	BaseRefused bool
}

// saysBaseRefused reports whether a repair tool that has said so calls the snapshot at the
// beginning of a log no log.
func saysBaseRefused(s product.Store, said string) bool {
	for line := range strings.Lines(said) {
		if what, _ := s.Says(strings.TrimSpace(line)); what == product.BaseRefused {
			return true
		}
	}
	return false
}

// Take takes how a store's server came back.
func (r *Recovered) Take(s product.Store, got machine.Return, err error) error {
	r.How, r.Refusal, r.Stray = got.How, got.Refusal, got.Stray
	r.BaseRefused = saysBaseRefused(s, got.Tool)
	return err
}

// follow writes into a history what came after a power cut.
func (r *Recovered) follow(h *history.History, now time.Duration) {
	h.Events = append(h.Events, history.Event{At: now, Kind: history.PowerCut, Node: Server},
		history.Event{At: now, Kind: history.Restarted, Node: Server})
	if r.How != machine.ByItself {
		h.Events = append(h.Events, history.Event{At: now, Kind: history.Refused, Node: Server, Text: r.Refusal})
	}
	if r.How == machine.Repaired {
		h.Events = append(h.Events, history.Event{At: now, Kind: history.Repaired, Node: Server})
	}
	if r.How != machine.RefusedToStart {
		state := r.State
		at := max(now, r.At)
		state.Began, state.At, state.Node, state.Epoch = at, at, Server, 1
		h.States = append(h.States, state)
	}
}

// Differs says in which way two readings of the same image differ; "" when
// they agree. A key that expires may have done so between them.
func (r *Recovered) Differs(o *Recovered) string {
	switch {
	case r.How != o.How:
		return fmt.Sprintf("one start ended as %d, the other as %d (%s%s)", r.How, o.How, r.Refusal, o.Refusal)
	case !maps.Equal(r.Stray, o.Stray) || r.NoData != o.NoData || r.NoDir != o.NoDir || r.Truncated != o.Truncated:
		return "they disagree about the files"
	}
	if key := Lacks(&r.State, &o.State); key != "" {
		return fmt.Sprintf("key %q", key)
	}
	if key := Lacks(&o.State, &r.State); key != "" {
		return fmt.Sprintf("key %q", key)
	}
	if r.State.Beside != o.State.Beside {
		return "the keys of the client beside"
	}
	return ""
}

// Lacks returns a key of want that is not in got with the same value; "" when
// there is none. Keys that expire may be gone.
func Lacks(got, want *history.State) string {
	for i := range want.Keys {
		w := &want.Keys[i]
		k, ok := slices.BinarySearchFunc(got.Keys, w.Key, func(kv history.KV, key string) int { return strings.Compare(kv.Key, key) })
		if !ok && w.TTL > 0 {
			continue
		}
		if !ok || got.Keys[k].Value != w.Value || !slices.Equal(got.Keys[k].List, w.List) {
			return w.Key
		}
	}
	return ""
}
