package checker

import (
	"bytes"
	"flag"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/exhaustive"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/checker/verdict"
	"github.com/torntail/torntail/checker/zones"
)

// shapes are what is drawn of the families for which the judge knows more than the
// models, beside exhaustive.Small, which is of everything.
var shapes = map[string]exhaustive.Shape{
	"clusters": of(exhaustive.Small, "register", "appended list", "grow-only set"),
	"expiring": {Least: 4, Most: 9, Keys: 3, Crashes: 2, Lies: 3, Expiring: true, Families: []exhaustive.Family{
		{Name: "set", Kinds: []history.Kind{history.Write}},
		{Name: "set and read", Kinds: []history.Kind{history.Write, history.Write, history.Read}},
		{Name: "set and deleted", Kinds: []history.Kind{history.Write, history.Write, history.Delete}},
	}},
	"twins": {Least: 4, Most: 8, Keys: 5, Txns: 2, Crashes: 1, Lies: 8, Twins: true, Families: []exhaustive.Family{
		{Name: "set and read", Kinds: []history.Kind{history.Write, history.Read}},
		{Name: "counted and set", Kinds: []history.Kind{history.Read, history.Incr, history.Write}},
		{Name: "made in every way", Kinds: []history.Kind{history.Read, history.Write, history.Incr, history.StringAppend, history.SetRange, history.CAS, history.GetDelete}},
	}},
	"refused": {Least: 4, Most: 8, Keys: 3, Txns: 4, Crashes: 2, Lies: 4, Twins: true, Families: []exhaustive.Family{
		{Name: "with a deadline", Kinds: []history.Kind{history.Write, history.Read, history.Expire, history.Incr}},
		{Name: "string or hash", Kinds: []history.Kind{history.Write, history.Write, history.Read, history.HashSet, history.HashRemove, history.Incr}},
		{Name: "list with a deadline", Kinds: []history.Kind{history.Push, history.Push, history.Pop, history.ReadList, history.Expire}},
	}},
	"tied-registers": {Least: 6, Most: 9, Keys: 4, Txns: 2, Crashes: 2, Lies: 2, Plain: true, Families: []exhaustive.Family{
		{Name: "set", Kinds: []history.Kind{history.Write}},
		{Name: "set and read", Kinds: []history.Kind{history.Write, history.Read}},
	}},
	"states-left": {Least: 4, Most: 9, Keys: 4, Txns: 5, Crashes: 1, Lies: 3, Plain: true, Families: []exhaustive.Family{
		{Name: "set", Kinds: []history.Kind{history.Write}},
		{Name: "set and read", Kinds: []history.Kind{history.Write, history.Write, history.Read}},
	}},
	"tied-streams": {Least: 4, Most: 8, Keys: 2, Txns: 2, Crashes: 2, Lies: 2, Families: []exhaustive.Family{
		{Name: "stream", Kinds: []history.Kind{history.StreamAdd, history.StreamAdd, history.StreamRemove, history.ReadStream, history.Delete}},
		{Name: "stream with groups", Kinds: []history.Kind{history.StreamAdd, history.ReadStream, history.GroupCreate, history.GroupRead, history.GroupAck, history.ReadPending}},
		{Name: "set and read", Kinds: []history.Kind{history.Write, history.Read}},
		{Name: "set and deleted", Kinds: []history.Kind{history.Write, history.Delete}},
	}},
	"removals": {Least: 6, Most: 9, Keys: 1, Crashes: 3, Lies: 4, Twins: true, Families: []exhaustive.Family{
		{Name: "list from which is removed", Kinds: []history.Kind{history.Push, history.Push, history.Push, history.ListRemove, history.ReadList, history.Pop}},
	}},
	"queues-and-strings": of(exhaustive.Shape{Least: 5, Most: 9, Keys: 1, Crashes: 3, Lies: 2, Queues: true, Families: []exhaustive.Family{
		{Name: "first in, first out", Kinds: []history.Kind{history.Push, history.Pop}},
		{Name: "string", Kinds: []history.Kind{history.StringAppend, history.StringAppend, history.Write, history.Read, history.Delete}},
	}}, "appended string", "appended list", "queue", "grow-only set", "counter"),
	"stacks": {Least: 5, Most: 9, Keys: 2, Crashes: 3, Lies: 2, Plain: true, Stacks: true, Families: []exhaustive.Family{
		{Name: "stack", Kinds: []history.Kind{history.Push, history.Pop}},
		{Name: "stack that is read", Kinds: []history.Kind{history.Push, history.Push, history.Pop, history.Pop, history.ReadList}},
	}},
}

// of is a shape with families of exhaustive's as well.
func of(s exhaustive.Shape, names ...string) exhaustive.Shape {
	for _, f := range exhaustive.Families() {
		if slices.Contains(names, f.Name) {
			s.Families = append(s.Families, f)
		}
	}
	return s
}

// TestJudgeAgreesWithEveryOrder holds the whole judge against the one that tries
// every order, on random histories of every kind of operation: the verdict, and
// after a crash what was lost for certain and what was lost perhaps.
func TestJudgeAgreesWithEveryOrder(t *testing.T) {
	var seen tally
	checks(t, histories(t), func(t *rapid.T) { seen.compare(t, exhaustive.Small, false) })
	seen.report(t)
}

// TestClustersAgreeWithEveryOrder is the same for the families that clusters
// decide, which are otherwise searched where there is little of them.
func TestClustersAgreeWithEveryOrder(t *testing.T) {
	var seen tally
	checks(t, histories(t)/4, func(t *rapid.T) { seen.compare(t, shapes["clusters"], true) })
}

// TestTwinsAgreeWithEveryOrder is about values that are written twice, and that other
// operations than writes make again, in transactions more often than not.
func TestTwinsAgreeWithEveryOrder(t *testing.T) {
	var seen tally
	checks(t, histories(t), func(t *rapid.T) { seen.compare(t, shapes["twins"], false) })
}

// TestRefusedTwinsAgreeWithEveryOrder is about the same where operations are refused for
// the type of what is there, or it is gone because its time is over.
func TestRefusedTwinsAgreeWithEveryOrder(t *testing.T) {
	var seen tally
	checks(t, histories(t)/2, func(t *rapid.T) { seen.compare(t, shapes["refused"], false) })
}

// TestExpiringValuesAgreeWithEveryOrder is about values that are set together
// with a deadline, which clusters decide as long as nobody says that one is gone.
func TestExpiringValuesAgreeWithEveryOrder(t *testing.T) {
	var seen tally
	checks(t, histories(t)/4, func(t *rapid.T) { seen.compare(t, shapes["expiring"], false) })
}

// TestTiedRegistersAgreeWithEveryOrder is about transactions over registers, of
// which zones.Order finds an order without a search.
func TestTiedRegistersAgreeWithEveryOrder(t *testing.T) {
	var seen tally
	checks(t, histories(t)/4, func(t *rapid.T) { seen.compare(t, shapes["tied-registers"], false) })
}

// TestStatesLeftAgreeWithEveryOrder is about crashes after which the order of all that
// clients were told may explain what was found (JudgeLeft).
func TestStatesLeftAgreeWithEveryOrder(t *testing.T) {
	s := shapes["states-left"]
	for _, s.Expiring = range []bool{false, true} {
		var seen tally
		checks(t, histories(t)/8, func(t *rapid.T) { seen.compare(t, s, false) })
		t.Logf("%d of %d explained", seen.explained, seen.crashes)
		require.Greater(t, seen.explained, seen.crashes/50, "too few that the order of all that clients were told explains")
	}
}

// TestTiedStreamsAgreeWithEveryOrder is about transactions over a stream and
// something else, which tells whether one without an answer happened: of the ID
// that the server chose in it nothing else may be known.
func TestTiedStreamsAgreeWithEveryOrder(t *testing.T) {
	var seen tally
	checks(t, histories(t)/4, func(t *rapid.T) { seen.compare(t, shapes["tied-streams"], false) })
}

// TestQueuesAndStringsAgreeWithEveryOrder is about the families for which the
// search knows more than the models: more operations on one key.
func TestQueuesAndStringsAgreeWithEveryOrder(t *testing.T) {
	var seen tally
	checks(t, histories(t)/2, func(t *rapid.T) { seen.compare(t, shapes["queues-and-strings"], false) })
}

// TestRemovalsAgreeWithEveryOrder is about lists that have an element more than once, of
// which one is removed: from which end, only those tell that stay.
func TestRemovalsAgreeWithEveryOrder(t *testing.T) {
	var seen tally
	checks(t, histories(t)/4, func(t *rapid.T) { seen.compare(t, shapes["removals"], false) })
}

// TestStacksAgreeWithEveryOrder is about lists that are pushed to and popped from
// at the head, of which mostly no search is asked.
func TestStacksAgreeWithEveryOrder(t *testing.T) {
	var seen tally
	checks(t, histories(t)/4, func(t *rapid.T) { seen.compare(t, shapes["stacks"], false) })
}

// unhurried are options with which no answer depends on how busy the machine is.
var unhurried = Options{Limits: linear.Limits{Timeout: 10 * time.Minute}}

// checks runs f on n random histories, with -short as well (rapid would take a
// fifth of them), and shrinks one on which it fails.
func checks(t *testing.T, n int, f func(t *rapid.T)) {
	if testing.Short() {
		n *= 5
	}
	require.NoError(t, flag.Set("rapid.checks", strconv.Itoa(max(1, n))))
	require.NoError(t, flag.Set("rapid.shrinktime", "5s"))
	require.NoError(t, flag.Set("rapid.nofailfile", "true"))
	rapid.Check(t, f)
}

// tally counts what was compared.
type tally struct {
	judge                     Judge
	total, violated, unknowns int
	crashes, lost             int
	explained                 int // by the order of all that clients were told (JudgeLeft)
	kinds                     map[history.Kind]int
}

func (c *tally) compare(t *rapid.T, s exhaustive.Shape, clusters bool) {
	q := s.History(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "") })
	c.judge.noSmall, c.judge.Options = clusters, unhurried
	want := exhaustive.Judge(q)
	out := c.judge.Judge(q.History(), contract.Clients())
	if out.Assumption == Enough {
		out.Verdict = verdict.Holds
	}
	good := want.Linearizable && (q.Found == nil || want.Consistent)
	c.count(&q, good)
	require.NotEqual(t, verdict.Unknown, out.Verdict, "%s\n%s", out.Why, q)
	require.Equal(t, good, out.Verdict == verdict.Holds, "%s\n%v\n%s", out.Why, out.Anomalies, q)
	if c.total%10 == 0 {
		require.Empty(t, Disagreement(&out, c.judge.Witness(q.History(), contract.Clients(), 0)), "%s", q)
		var file bytes.Buffer
		require.NoError(t, history.Encode(&file, q.History()))
		_, err := history.Decode(&file)
		require.NoError(t, err, "written and read again: %s", q)
	}
	if !good || q.Found == nil {
		return
	}
	require.Equal(t, len(want.Certain), out.Lost, "certainly lost %v\n%s", want.Certain, q)
	if !clusters {
		require.Equal(t, len(want.Possible), out.PossiblyLost, "possibly lost %v\n%s", want.Possible, q)
	}
	if len(want.Possible) > 0 {
		c.lost++
	}
	c.durable(t, &q, &want)
}

// durable compares under a contract by which everything must survive. That a
// deadline passed between the last reply and the crash is no reason to find what
// is there lost, whatever else was told by then.
func (c *tally) durable(t *rapid.T, q *exhaustive.Question, want *exhaustive.Answer) {
	all, err := contract.For("always", contract.Power, contract.Config{})
	require.NoError(t, err)
	h := q.History()
	out := c.judge.Judge(h, all)
	left := c.judge.JudgeLeft(h, all, c.total)
	if in := (zones.Input{Recovered: q.Found.Keys, HasRecovered: true, Crash: int64(q.Crash), Dump: int64(q.Found.At)}); q.Initial == nil && c.judge.explained.is && c.judge.explained.leaves(in) {
		c.explained++
	}
	left.PossiblyLost, left.WindowPessimistic, left.Notes = out.PossiblyLost, out.WindowPessimistic, out.Notes
	require.Equal(t, out, left, "as one of the states that the crash may have left: %s", q)
	if out.Assumption == Enough {
		out.Verdict = verdict.Holds
	}
	if want.Durable || !q.Expires() {
		require.Equal(t, want.Durable, out.Verdict == verdict.Holds, "everything must survive: %s\n%v\n%s", out.Why, out.Anomalies, q)
	}
}

func (c *tally) count(q *exhaustive.Question, good bool) {
	if c.kinds == nil {
		c.kinds = map[history.Kind]int{}
	}
	c.total++
	unknown := false
	for i := range q.Ops {
		op := &q.Ops[i]
		c.kinds[op.Kind]++
		unknown = unknown || op.Outcome == history.Unknown
		if op.Kind == history.Txn {
			for k := range op.More.Parts {
				c.kinds[op.More.Parts[k].Kind]++
			}
		}
	}
	if !good {
		c.violated++
	}
	if unknown {
		c.unknowns++
	}
	if q.Found != nil {
		c.crashes++
	}
}

// report says what was compared, and fails when that was too little of something.
func (c *tally) report(t *testing.T) {
	t.Logf("%d histories, %d violated, %d with unknown outcomes, %d with a crash, %d of which may have lost something",
		c.total, c.violated, c.unknowns, c.crashes, c.lost)
	require.Greater(t, c.violated, c.total/5, "too few violated")
	require.Greater(t, c.unknowns, c.total/4, "too few with unknown outcomes")
	least := c.total / 50
	if c.total < 10_000 {
		least /= 2 // a small sample may have few of a kind by chance
	}
	for k := history.Read; k <= history.LastKind; k++ {
		t.Logf("%s: %d", k, c.kinds[k])
		require.GreaterOrEqual(t, c.kinds[k], least, "too few of %s", k)
	}
}
