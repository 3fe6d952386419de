package linear

import (
	"sort"
	"strings"

	"github.com/torntail/torntail/checker/history"
)

// Pieces are strings of which others are put together.
type Pieces []string

// Distinct reports whether none is another one or its beginning, so that there
// is one way to take a string apart, and sorts them.
func (s Pieces) Distinct() bool {
	sort.Strings(s)
	for i := range s {
		if s[i] == "" || i > 0 && strings.HasPrefix(s[i], s[i-1]) {
			return false
		}
	}
	return true
}

// Split takes a string apart; ok is false when it does not consist of pieces.
func (s Pieces) Split(text string) (values []string, ok bool) {
	values = []string{}
	for text != "" {
		// The last piece that is not behind text is the only one that it can begin with.
		i := sort.SearchStrings(s, text)
		if i == len(s) || s[i] != text {
			i--
		}
		if i < 0 || !strings.HasPrefix(text, s[i]) {
			return values, false
		}
		values = append(values, s[i])
		text = text[len(s[i]):]
	}
	return values, true
}

// requireStates finds, for what was appended to strings and lists and seen, what
// the string or list was before: a read that found a piece found in front of it
// what the piece was appended to. That leaves the search no choice among pieces
// that were appended at the same time. What was found after the crash says the
// same, as long as it is asked about.
func (p *Problem) requireStates(pl *plan) {
	for key := range p.Keys {
		var kind history.Kind
		for _, w := range pl.on(key) {
			if _, of := pl.part(w); of.kind == history.StringAppend || of.kind == history.Push {
				kind = of.kind
			}
		}
		if kind == 0 || pl.clock {
			continue
		}
		statesBefore := p.stringsBefore
		if kind == history.Push {
			statesBefore = p.listsBefore
		}
		seen, found := statesBefore(pl, key)
		for _, w := range pl.on(key) {
			_, of := pl.part(w)
			if of.kind != kind || of.key != int32(key) {
				continue
			}
			if state, ok := seen[of.op.Value]; ok {
				of.before = pl.states.number(of.key, state)
			}
			if state, ok := found[of.op.Value]; ok {
				of.beforeFound = pl.states.number(of.key, state)
			}
		}
	}
}

// listsBefore are the states of a list before its elements, by element, as reads
// and as the state found after the crash tell; nil when it is not only appended
// to at its tail, each element once.
func (p *Problem) listsBefore(pl *plan, key int) (seen, found map[string]string) {
	appended := map[string]int{}
	var reads [][]string
	if !pl.each(key, func(t *task, of *part, m *history.More) bool {
		switch of.kind {
		case history.Push:
			appended[of.op.Value]++
			return !m.Head && appended[of.op.Value] == 1
		case history.ReadList:
			if t.acked {
				reads = append(reads, m.Values)
			}
			return true
		}
		return false
	}) {
		return nil, nil
	}
	if deadline, body := split(p.Keys[key].Initial); body != absent {
		items, ok := unpack(typeList, body)
		if !ok || deadline != 0 {
			return nil, nil
		}
		for _, e := range items {
			if appended[e] > 0 {
				return nil, nil
			}
		}
	}
	before := func(reads ...[]string) map[string]string {
		states := map[string]string{}
		for _, values := range reads {
			packed := pack(typeList, values)
			at := min(1, len(packed))
			for i, v := range values {
				if appended[v] > 0 {
					state := absent
					if i > 0 {
						state = packed[:at]
					}
					if old, ok := states[v]; ok && old != state {
						state = contradiction
					}
					states[v] = state
				}
				at += len(item(v))
			}
		}
		return states
	}
	seen = before(reads...)
	if items, ok := unpack(typeList, p.Keys[key].Found.body); ok && p.Keys[key].Found.ttl == 0 {
		found = before(items)
	}
	return seen, found
}

// stringsBefore are the states of a string before its pieces, by piece; nil when
// the pieces cannot be told apart.
func (p *Problem) stringsBefore(pl *plan, key int) (seen, found map[string]string) {
	var pieces Pieces
	appended := map[string]bool{}
	written := map[string]int{}
	var reads []string
	if _, body := split(p.Keys[key].Initial); body != absent {
		if body[0] != typeString {
			return nil, nil
		}
		written[body[1:]]++
	}
	if !pl.each(key, func(t *task, of *part, m *history.More) bool {
		switch of.kind {
		case history.StringAppend:
			appended[of.op.Value] = true
			written[of.op.Value]++
		case history.Write, history.CAS:
			written[of.op.Value]++
			if t.acked && m.HasReplaced && !of.op.Absent {
				reads = append(reads, m.Replaced)
			}
		case history.Read:
			if t.acked && !of.op.Absent {
				reads = append(reads, of.op.Value)
			}
		case history.GetDelete:
			if t.acked && !of.op.Absent {
				reads = append(reads, m.Result)
			}
		case history.Delete, history.Expire, history.Persist, history.ReadExpiry:
		default:
			return false
		}
		return true
	}) {
		return nil, nil
	}
	for piece := range written { // any order: Distinct sorts them
		pieces = append(pieces, piece)
	}
	if !pieces.Distinct() {
		return nil, nil
	}
	before := map[string]string{}
	for _, text := range reads {
		values, ok := pieces.Split(text)
		if !ok {
			continue // nothing explains it: the search finds that
		}
		at := 0
		for i, v := range values {
			if appended[v] && written[v] == 1 {
				state := absent
				if i > 0 {
					state = string(typeString) + text[:at]
				}
				if old, seen := before[v]; seen && old != state {
					state = contradiction
				}
				before[v] = state
			}
			at += len(v)
		}
	}
	return before, nil
}

// contradiction is a state that no key is ever in.
const contradiction = "!"
