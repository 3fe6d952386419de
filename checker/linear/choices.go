package linear

import (
	"slices"

	"github.com/torntail/torntail/checker/history"
)

// sighting is an entry of a stream that was seen; its field and value are not
// known where only its ID was.
type sighting struct {
	key     int32
	id      string
	content [2]string
	known   bool
	found   bool // only after the crash: whether clients' replies have an order does not hang on it
}

// mostChoices bounds how many choices of IDs are tried for one transaction. Where
// there are more (plan.untried), that no order was found proves nothing.
const mostChoices = 256

// chooseIDs: nobody knows which IDs the server chose for entries whose addition
// it did not answer. The last task of pl, when it is such an addition, becomes
// one for each choice of IDs that were seen, and that no other addition is known
// to have got in the same stream, and of IDs that were never seen. Where a stream
// refuses an ID that was seen, the server has not chosen it: XADD with * takes the
// clock, or the last ID plus one when the clock is not past that (redis 7.0.15
// t_stream.c, streamNextID). What refuses every ID, a key that is no stream, also
// refuses the one never seen.
func (p *Problem) chooseIDs(pl *plan, groups int32) int32 {
	last := pl.tasks[len(pl.tasks)-1]
	choices := [][]part{last.parts}
	for at := range last.parts {
		of := &last.parts[at]
		if of.kind != history.StreamAdd || of.op.More == nil || of.op.More.Entry != "" && of.op.More.Entry != "*" {
			continue
		}
		if pl.seen == nil {
			pl.seen = p.sightings()
		}
		more := slices.Clone(choices) // an ID that was never seen
		for _, parts := range choices {
			var tried []string
			for _, s := range pl.seen {
				if s.key != of.key || s.known && s.content != [2]string{of.op.More.Field, of.op.Value} || slices.Contains(tried, s.id) {
					continue
				}
				if len(more) >= mostChoices {
					pl.untried = true
					break
				}
				tried = append(tried, s.id)
				asked, op := *of.op.More, *of.op
				asked.Entry = s.id
				op.More = &asked
				parts = slices.Clone(parts)
				parts[at].op, parts[at].chosen = &op, true
				more = append(more, parts)
			}
		}
		choices = more
	}
	if len(choices) == 1 {
		return groups
	}
	pl.tasks[len(pl.tasks)-1].group = groups
	for _, parts := range choices[1:] {
		chosen := last
		chosen.parts, chosen.group = parts, groups
		pl.tasks = append(pl.tasks, chosen)
	}
	return groups + 1
}

// sightings are the entries that were seen and whose addition is not known, first
// those of which more than the ID is: they leave the fewest choices. A
// stream that begins anew may give an ID once more, to another entry (in the same
// millisecond, say): of a key that may be without its stream in between all are.
func (p *Problem) sightings() []sighting {
	place := map[string]int32{}
	for i := range p.Keys {
		place[p.Keys[i].Name] = int32(i)
	}
	type of struct {
		key int32
		id  string
	}
	added := map[of]bool{}
	anew := p.beginAnew(place)
	seen := []sighting{}
	afterCrash := false
	see := func(key int32, id string, content [2]string, known bool) {
		s := sighting{key, id, content, known, afterCrash}
		if id != "" && id[0] != '*' && !slices.Contains(seen, s) {
			seen = append(seen, s)
		}
	}
	entries := func(key int32, flat []string) {
		for i := 0; i+2 < len(flat); i += 3 {
			see(key, flat[i], [2]string{flat[i+1], flat[i+2]}, true)
		}
	}
	each := func(op *history.Op, acked bool) {
		key, ok := place[op.Key]
		m := op.More
		if !ok || m == nil {
			return
		}
		switch op.Kind {
		case history.StreamAdd:
			if !acked || m.Err != "" {
				see(key, fullID(m.Entry), [2]string{}, false)
				return
			}
			id := m.Entry
			if id == "" || id == "*" {
				id = m.Result
			}
			if anew[key] {
				see(key, fullID(id), [2]string{m.Field, op.Value}, true)
			} else if id != "" {
				added[of{key, fullID(id)}] = true
			}
		case history.ReadStream, history.GroupRead:
			if acked {
				entries(key, m.Values)
			}
		case history.ReadPending:
			for i := 0; acked && i+1 < len(m.Values); i += 2 {
				see(key, m.Values[i], [2]string{}, false)
			}
		case history.StreamRemove, history.GroupAck:
			see(key, fullID(m.Entry), [2]string{}, false)
		}
	}
	for _, op := range p.Ops {
		acked := op.Outcome == history.OK
		if op.Kind != history.Txn {
			each(op, acked)
		} else if op.More != nil {
			for i := range op.More.Parts {
				each(&op.More.Parts[i], acked)
			}
		}
	}
	for i := range p.Keys {
		for k, body := range []string{p.Keys[i].Initial, p.Keys[i].Found.body} {
			if _, body = split(body); body == absent || body[0] != typeStream {
				continue
			}
			afterCrash = k == 1
			s := unpackStream(body)
			entries(int32(i), s.flat())
			for k := range s.groups {
				for _, d := range s.groups[k].pending {
					see(int32(i), d.id, [2]string{}, false)
				}
			}
		}
	}
	told := map[of]bool{} // what such an ID has, unless the stream begins anew
	for _, s := range seen {
		if s.known && !s.found && !anew[s.key] {
			told[of{s.key, s.id}] = true
		}
	}
	seen = slices.DeleteFunc(seen, func(s sighting) bool { return added[of{s.key, s.id}] || !s.known && told[of{s.key, s.id}] })
	slices.SortStableFunc(seen, func(a, b sighting) int {
		switch {
		case a.known == b.known:
			return 0
		case a.known:
			return -1
		}
		return 1
	})
	return seen
}

// beginAnew are the keys whose stream may go, and another come.
func (p *Problem) beginAnew(place map[string]int32) map[int32]bool {
	anew := map[int32]bool{}
	for i := range p.Keys {
		if deadline, _ := split(p.Keys[i].Initial); deadline != 0 {
			anew[int32(i)] = true
		}
	}
	each := func(op *history.Op) {
		switch op.Kind {
		case history.Write, history.Delete, history.Expire:
			if key, ok := place[op.Key]; ok {
				anew[key] = true
			}
		}
	}
	for _, op := range p.Ops {
		each(op)
		if op.Kind == history.Txn && op.More != nil {
			for i := range op.More.Parts {
				each(&op.More.Parts[i])
			}
		}
	}
	return anew
}
