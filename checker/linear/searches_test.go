package linear

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/checker/exhaustive"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/internal/digest"
)

// searched are what is drawn for TestSearchesGoAsBefore.
var searched = map[string]exhaustive.Shape{
	"small": exhaustive.Small,
	"stack": {Least: 5, Most: 12, Keys: 1, Crashes: 3, Lies: 2, Plain: true, Stacks: true, Families: []exhaustive.Family{
		{Name: "stack", Kinds: []history.Kind{history.Push, history.Push, history.Pop, history.Pop}},
		{Name: "stack that is read", Kinds: []history.Kind{history.Push, history.Push, history.Pop, history.Pop, history.ReadList}},
	}},
	"queue": {Least: 5, Most: 12, Keys: 1, Crashes: 3, Lies: 2, Plain: true, Queues: true, Families: []exhaustive.Family{
		{Name: "queue", Kinds: []history.Kind{history.Push, history.Pop}},
		{Name: "string", Kinds: []history.Kind{history.StringAppend, history.StringAppend, history.Read}},
		{Name: "register", Kinds: []history.Kind{history.Write, history.Write, history.Read, history.CAS, history.Delete}},
	}},
	"stream": {Least: 4, Most: 8, Keys: 2, Txns: 2, Crashes: 2, Lies: 2, Families: []exhaustive.Family{
		{Name: "stream", Kinds: []history.Kind{history.StreamAdd, history.StreamAdd, history.StreamRemove, history.ReadStream, history.Delete}},
		{Name: "stream with groups", Kinds: []history.Kind{history.StreamAdd, history.ReadStream, history.GroupCreate, history.GroupRead, history.GroupAck, history.ReadPending}},
	}},
}

// TestSearchesGoAsBefore compares with testdata/searches what searches of drawn
// histories find and how many steps they take, with enough of them and with few: what
// keeps a search short changes no answer. Of each a number; -rewrite writes the file anew.
func TestSearchesGoAsBefore(t *testing.T) {
	datadriven.RunTest(t, "testdata/searches", func(t *testing.T, d *datadriven.TestData) string {
		var steps int
		d.ScanArgs(t, "steps", &steps)
		return digest.Told(t, d, func(b *strings.Builder, of string, i int) {
			var q exhaustive.Question
			p := rapid.Custom(func(t *rapid.T) *Problem {
				q = searched[of].History(draw(t))
				return problemOf(&q)
			}).Example(i)
			if of == "stack" || of == "queue" {
				p.Keys = p.Keys[:1]
			}
			limits := Limits{Steps: int64(steps), Workers: 1}
			say := func() Result {
				r := p.Search(limits)
				fmt.Fprintf(b, "%+v\n", r)
				return r
			}
			pl := p.compile()
			fmt.Fprintf(b, "%s, %d groups, %v, %d queues, untried %v, plain %v\n", pl.answer, pl.groups, pl.clock, len(pl.queues), pl.untried, pl.plain)
			if say().Answer == No {
				core, wrong := p.Core(limits)
				fmt.Fprintf(b, "core %v, %d\n", core, wrong)
			}
			if q.Found == nil {
				return
			}
			p.Find, p.FoundFrom, p.FoundTo = true, -1, q.Crash
			if r := say(); r.Answer == Yes {
				p.FoundFrom = r.To + 1
				say()
			}
			p.FoundFrom, p.FoundTo, p.Last = -1, p.Crash, true
			say()
		})
	})
}
