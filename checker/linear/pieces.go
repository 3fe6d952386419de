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

// requireStates finds, for the pieces that were appended to strings and seen,
// what their string was before: a read that found a piece found in front of it
// what the piece was appended to. That leaves the search no choice among pieces
// that were appended at the same time.
func (p *Problem) requireStates(pl *plan) {
	for key := range p.Keys {
		if !p.Keys[key].String && !p.appends(pl, int32(key)) {
			continue
		}
		before := p.statesBefore(pl, int32(key))
		for i := range pl.tasks {
			for k := range pl.tasks[i].parts {
				of := &pl.tasks[i].parts[k]
				if of.key != int32(key) || of.kind != history.StringAppend {
					continue
				}
				of.before, of.known = before[of.op.Value], before != nil
				if _, seen := before[of.op.Value]; !seen {
					of.known = false
				}
			}
		}
	}
}

func (p *Problem) appends(pl *plan, key int32) bool {
	for i := range pl.tasks {
		for k := range pl.tasks[i].parts {
			if of := &pl.tasks[i].parts[k]; of.key == key && of.kind == history.StringAppend {
				return true
			}
		}
	}
	return false
}

// statesBefore are the states of one key before its pieces, by piece; nil when
// the pieces cannot be told apart.
func (p *Problem) statesBefore(pl *plan, key int32) map[string]string {
	var pieces Pieces
	appended := map[string]bool{}
	written := map[string]int{}
	var reads []string
	if _, body := split(p.Keys[key].Initial); body != absent {
		if body[0] != typeString {
			return nil
		}
		written[body[1:]]++
	}
	for i := range pl.tasks {
		t := &pl.tasks[i]
		for k := range t.parts {
			of := &t.parts[k]
			if of.key != key {
				if of.to == key {
					return nil
				}
				continue
			}
			m := of.op.More
			if m == nil {
				m = &none
			}
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
				return nil
			}
		}
	}
	for piece := range written { // any order: Distinct sorts them
		pieces = append(pieces, piece)
	}
	if !pieces.Distinct() {
		return nil
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
	return before
}

// contradiction is a state that no key is ever in.
const contradiction = "!"
