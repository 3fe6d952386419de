package plan

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
)

func start(t testing.TB, statements string) *Runner {
	t.Helper()
	p, err := Parse("plan 1\n" + statements)
	require.NoError(t, err)
	return p.Start()
}

const (
	incr    = "appendonlydir/appendonly.aof.1.incr.aof"
	msec    = time.Millisecond
	farAway = 1 << 30 // more calls than any test makes
)

func call(id uint64, kind disk.OpKind, path string) *disk.Call {
	return &disk.Call{ID: id, Kind: kind, Path: path, Len: 100}
}

// text is what a list of triggers says, one line for each.
func text(list []Trigger) string {
	var b strings.Builder
	for _, t := range list {
		fmt.Fprintf(&b, "[%d] %s", t.Index, t.Statement.Action)
		if t.End {
			b.WriteString(" ENDS")
		}
		if t.Place != disk.PlaceEnter {
			fmt.Fprintf(&b, " place %d fraction %v", t.Place, t.Fraction)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestOccurrencesAreCountedPerStatementAndNode(t *testing.T) {
	r := start(t, `
at n1 fsync(*.incr.aof)#3 in-flight 0.25: power-cut n1
at n1 fsync(*)#2 return: kill n1
at n2 fsync(*)#1: kill n2`)
	var got strings.Builder
	for i, c := range []*disk.Call{
		call(1, disk.OpFdatasync, incr),
		call(2, disk.OpWrite, incr),       // another kind
		call(3, disk.OpFsync, "dump.rdb"), // another file: the second of any
		call(4, disk.OpFdatasync, incr),
		call(5, disk.OpDirSync, "appendonlydir"), // dirsync is no fsync
		call(6, disk.OpFsync, incr),
		call(7, disk.OpFsync, incr), // nothing strikes twice
	} {
		if out := r.OnCall("n1", c, time.Duration(i)*msec); len(out) > 0 {
			fmt.Fprintf(&got, "call %d: %s", c.ID, text(out))
		}
	}
	require.Equal(t, "call 3: [1] kill n1 place 2 fraction 0\ncall 6: [0] power-cut n1 place 1 fraction 0.25\n", got.String())
}

func TestCallsBeforeAfterAreNotCounted(t *testing.T) {
	r := start(t, "at n1 fsync(*)#2 after 10ms: pause n1 for until n1 fsync(*)#1 after 30ms")
	var got []string
	for i := range 5 {
		now := time.Duration(i*9) * msec // 0, 9, 18, 27, 36
		for _, x := range r.OnCall("n1", call(uint64(i+1), disk.OpFsync, incr), now) {
			got = append(got, fmt.Sprint(now, " ", text([]Trigger{x})))
			r.Struck(x, now)
		}
	}
	require.Equal(t, []string{"27ms [0] pause n1\n", "36ms [0] pause n1 ENDS\n"}, got)
}

func TestTimes(t *testing.T) {
	r := start(t, `
at +5ms: do n1 PING
at 100ms: kill n1
at +20ms: restart n1
at +0s: term n1
at ack#3: do n1 BGSAVE
at +1s: heal`)
	next := func(want time.Duration) {
		t.Helper()
		at, ok := r.NextTime()
		require.Equal(t, want != 0, ok)
		if ok {
			require.Equal(t, want, at)
		}
	}
	carryOut := func(now time.Duration, list []Trigger, want string) {
		t.Helper()
		require.Equal(t, want, text(list))
		for _, x := range list {
			require.False(t, r.Arm(x, now))
			r.Struck(x, now)
		}
	}
	next(5 * msec) // nothing comes before the first statement but the start
	require.Empty(t, r.Due(4*msec))
	carryOut(5*msec, r.Due(5*msec), "[0] do n1 PING\n")
	next(100 * msec)
	carryOut(101*msec, r.Due(101*msec), "[1] kill n1\n")
	next(121 * msec) // counted from when it really took place
	carryOut(121*msec, r.Due(121*msec), "[2] restart n1\n")
	next(121 * msec)
	carryOut(121*msec, r.Due(121*msec), "[3] term n1\n")
	next(0)
	require.Empty(t, r.OnAck(2, 130*msec))
	carryOut(131*msec, r.OnAck(5, 131*msec), "[4] do n1 BGSAVE\n") // 3 may be passed, not met
	require.Empty(t, r.OnAck(6, 132*msec))
	next(1131 * msec)
	carryOut(1131*msec, r.Due(1131*msec), "[5] heal\n")
	next(0)
}

func TestWhatFollowsAMissedStatementGoesOn(t *testing.T) {
	r := start(t, "at 1ms: kill n1\nat +1ms: restart n1\nat n1 read(x)#1: kill n1\nat +1ms: restart n1")
	list := r.Due(1 * msec)
	r.Missed(list[0], 1*msec, "n1 was down already")
	require.Equal(t, "[1] restart n1\n", text(r.Due(2*msec)))
	want := []StatementReport{
		{Text: "at 1ms: kill n1", State: Missed, Why: "n1 was down already"},
		{Text: "at +1ms: restart n1", Why: "its instant came at 2ms, but it was not carried out"},
		{Text: "at n1 read(x)#1: kill n1", Why: "its instant never came: 0 of 1 calls read(x) were seen on n1"},
		{Text: "at +1ms: restart n1", Why: "its instant never came: the statement before it did not take place"},
	}
	require.Empty(t, cmp.Diff(want, r.Report()))
}

func TestSpansOfTheWorldsFaultsEnd(t *testing.T) {
	r := start(t, `
at 1ms: pause n1 for 10ms
at 2ms: cut n1 -> n2 for until ack#7
at 3ms: delay n1 -> n2 1s for until n1 fsync(*)#2 return
at 4ms: readonly n1 for until +3ms
at 5ms: full n1 7 for until 6ms
at 6ms: full n2 7 for until 6ms`)
	for now := msec; now <= 6*msec; now += msec {
		for _, x := range r.Due(now) {
			if !r.Arm(x, now) {
				r.Struck(x, now)
			}
		}
	}
	require.Equal(t, "[5] full n2 7 ENDS\n", text(r.Due(6*msec))) // over before it began: one instant
	require.Equal(t, "[3] readonly n1 ENDS\n", text(r.Due(7*msec)))
	require.Empty(t, r.OnAck(6, 7*msec))
	require.Equal(t, "[1] cut n1 -> n2 ENDS\n", text(r.OnAck(7, 7*msec)))
	require.Empty(t, r.OnCall("n1", call(1, disk.OpFsync, incr), 8*msec))
	end := r.OnCall("n1", call(2, disk.OpFsync, incr), 8*msec)
	require.Equal(t, "[2] delay n1 -> n2 1s ENDS place 2 fraction 0\n", text(end))
	require.False(t, r.Arm(end[0], 9*msec))
	at, ok := r.NextTime()
	require.True(t, ok)
	require.Equal(t, 11*msec, at)
	require.Equal(t, "[0] pause n1 ENDS\n", text(r.Due(11*msec)))
	_, ok = r.NextTime()
	require.False(t, ok)
	for _, s := range r.Report() {
		require.True(t, s.Struck, s.Text)
	}
}

// decide asks as a world does: OnCall, then Decide.
func decide(r *Runner, node string, c *disk.Call, now time.Duration) disk.Decision {
	for _, t := range r.OnCall(node, c, now) {
		if !r.Arm(t, now) {
			r.Struck(t, now)
		}
	}
	return r.Decide(node, c, now)
}

func TestDiskFaults(t *testing.T) {
	eio := disk.Decision{Err: syscall.EIO}
	nothing := disk.Decision{}
	type step struct {
		at   time.Duration
		node string
		kind disk.OpKind
		path string
		want disk.Decision
	}
	for _, c := range []struct {
		name, plan string
		steps      []step
	}{
		{"the third fsync and no other fails", "at n1 fsync(*.incr.aof)#3: fail n1 fsync(*.incr.aof) EIO for 1 calls", []step{
			{1, "n1", disk.OpFdatasync, incr, nothing},
			{2, "n1", disk.OpFdatasync, incr, nothing},
			{3, "n2", disk.OpFdatasync, incr, nothing},
			{4, "n1", disk.OpFdatasync, incr, eio},
			{5, "n1", disk.OpFdatasync, incr, nothing},
		}},
		{"after a share of its pages", "at n1 fsync(*)#2 in-flight 0.75: fail fsync(*) EIO for 2 calls", []step{
			{1, "n1", disk.OpFsync, incr, nothing},
			{2, "n1", disk.OpFsync, incr, disk.Decision{Err: syscall.EIO, Place: disk.PlaceInFlight, Fraction: 0.75}},
			{3, "n1", disk.OpFsync, incr, eio},
			{4, "n1", disk.OpFsync, incr, nothing},
		}},
		{"from the return of another call on", "at n1 rename(dump.rdb)#1 return: fail fsync(*) EIO", []step{
			{1, "n1", disk.OpFsync, incr, nothing},
			{2, "n1", disk.OpRename, "dump.rdb", nothing},
			{3, "n1", disk.OpFsync, incr, eio},
			{4, "n2", disk.OpFsync, incr, eio}, // no node: every node
		}},
		{"for a time", "at 2ns: slow n1 write(*) 3s for 2ns", []step{
			{1, "n1", disk.OpWrite, incr, nothing},
			{2, "n1", disk.OpWrite, incr, disk.Decision{Delay: 3 * time.Second}},
			{3, "n1", disk.OpWrite, incr, disk.Decision{Delay: 3 * time.Second}},
			{4, "n1", disk.OpWrite, incr, nothing},
		}},
		{"several add up", "at 0s: slow write(*) 1s\nat 0s: slow write(*) 2s\nat 0s: short write(*) 7\nat 0s: short write(*) 9\nat 0s: fail write(*) EIO\nat 0s: fail write(*) EROFS", []step{
			{1, "n1", disk.OpWrite, incr, disk.Decision{Err: syscall.EIO, Short: 7, Delay: 3 * time.Second}},
		}},
		{"a write that fits is not short", "at 0s: short write(*) 100 for 1 calls", []step{
			{1, "n1", disk.OpWrite, incr, nothing},
		}},
		{"until a call", "at 0s: stall fsync(*) for until n1 fsync(*)#2", []step{
			{1, "n1", disk.OpFsync, incr, disk.Decision{Stall: true}},
			{2, "n1", disk.OpFsync, incr, nothing},
			{3, "n1", disk.OpFsync, incr, nothing},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, c.plan)
			for i, s := range c.steps {
				for _, x := range r.Due(s.at) {
					r.Arm(x, s.at)
				}
				got := decide(r, s.node, call(uint64(i+1), s.kind, s.path), s.at)
				require.Empty(t, cmp.Diff(s.want, got), "step %d", i+1)
			}
		})
	}
}

func TestStalledCallsAreReleasedByATrigger(t *testing.T) {
	r := start(t, "at 0s: stall n1 fsync(*) for 3s")
	require.Empty(t, r.Due(0))
	require.True(t, r.Decide("n1", call(1, disk.OpFsync, incr), msec).Stall)
	at, ok := r.NextTime()
	require.True(t, ok)
	require.Equal(t, 3*time.Second, at)
	end := r.Due(3 * time.Second)
	require.Equal(t, "[0] stall n1 fsync(*) ENDS\n", text(end))
	require.False(t, r.Arm(end[0], 3*time.Second))
	require.False(t, r.Decide("n1", call(2, disk.OpFsync, incr), 3*time.Second).Stall)
}

func TestAFaultInPlaceThatMetNoCallDidNotStrike(t *testing.T) {
	r := start(t, "at 1ms: fail fsync(nothing) EIO\nat 1ms: fail fsync(*) EIO")
	r.Due(msec)
	r.Decide("n1", call(1, disk.OpFsync, incr), 2*msec)
	r.Decide("n1", call(2, disk.OpFsync, incr), 3*msec)
	require.Empty(t, cmp.Diff([]StatementReport{
		{Text: "at 1ms: fail fsync(nothing) EIO", State: Placed, Why: "in place from 1ms, but no call matched fsync(nothing)"},
		{Text: "at 1ms: fail fsync(*) EIO", State: Placed, Struck: true, At: 2 * msec, Hits: 2},
	}, r.Report()))
}

func TestAShareOfTheCallsIsDrawnFromTheSeed(t *testing.T) {
	strikes := func(seed uint64, text string) (list string, report StatementReport) {
		r := start(t, text)
		r.Seed = seed
		r.Due(0)
		for n := range 1000 {
			hit := "."
			if decide(r, "n1", call(uint64(n), disk.OpFsync, incr), time.Duration(n)).Err != 0 {
				hit = "x"
			}
			decide(r, "n1", call(uint64(n), disk.OpWrite, incr), time.Duration(n)) // no matching call: nothing is drawn
			list += hit
		}
		return list, r.Report()[0]
	}
	list, report := strikes(1, "at 0s: fail fsync(*) EIO with 10%")
	require.InDelta(t, 100, report.Hits, 40)
	require.Equal(t, report.Hits, strings.Count(list, "x"))
	again, _ := strikes(1, "at 0s: fail fsync(*) EIO with 10%")
	require.Equal(t, list, again)
	other, _ := strikes(2, "at 0s: fail fsync(*) EIO with 10%")
	require.NotEqual(t, list, other)
	all, _ := strikes(1, "at 0s: fail fsync(*) EIO with 100%")
	require.NotContains(t, all, ".")
	few, report := strikes(1, "at 0s: fail fsync(*) EIO with 50% for 3 calls")
	require.Equal(t, 3, strings.Count(few, "x"), "a span counts strikes")
	require.Equal(t, 3, report.Hits)
	_, report = strikes(1, "at 0s: fail fsync(*) EIO with 0.0001%")
	require.Equal(t, "in place from 0s, but of 1000 calls fsync(*) none was drawn", report.Why)
}

func TestEndUndoesWhatIsInPlaceAndStopsTheRest(t *testing.T) {
	r := start(t, "at 0s: readonly n1 for 1h\nat 0s: stall fsync(*)\nat 0s: fail fsync(*) EIO\nat 1s: kill n1\nat n1 fsync(*)#1: kill n1")
	for _, trigger := range r.Due(0) {
		if !r.Arm(trigger, 0) {
			r.Struck(trigger, 0)
		}
	}
	require.False(t, r.Over())
	require.Equal(t, "[0] readonly n1 ENDS\n[1] stall fsync(*) ENDS\n", text(r.End()))
	require.True(t, r.Over())
	require.Empty(t, r.Due(2*time.Second))
	require.Empty(t, r.OnCall("n1", call(1, disk.OpFsync, incr), 0))
	require.Zero(t, r.Decide("n1", call(1, disk.OpFsync, incr), 0))
	report := r.Report()
	require.Equal(t, "in place from 0s, but no call matched fsync(*)", report[2].Why)
	require.Equal(t, "its instant never came", report[3].Why)
	require.Equal(t, "its instant never came: 0 of 1 calls fsync(*) were seen on n1", report[4].Why)
}

func TestOverWhenNothingCanCome(t *testing.T) {
	r := start(t, "at 0s: kill n1\nat +1s: full n1 0")
	kill := r.Due(0)[0]
	require.False(t, r.Over())
	r.Struck(kill, 0)
	require.False(t, r.Over(), "the second follows")
	full := r.Due(time.Second)[0]
	r.Struck(full, time.Second)
	require.True(t, r.Over(), "without a span it is the world's")
	require.Equal(t, []Standing{Ended, Ended}, []Standing{r.Report()[0].State, r.Report()[1].State})
}

func TestResetIsAFreshRunner(t *testing.T) {
	r := start(t, "at 0s: fail fsync(*) EIO\nat n1 fsync(*)#2: kill n1\nat 1s: kill n1")
	r.Due(0)
	decide(r, "n1", call(1, disk.OpFsync, incr), 1)
	decide(r, "n1", call(2, disk.OpFsync, incr), 2)
	p, err := Parse("plan 1\nat n1 fsync(*)#1: kill n1")
	require.NoError(t, err)
	r.Reset(p)
	_, ok := r.NextTime()
	require.False(t, ok)
	require.Zero(t, r.Decide("n1", call(1, disk.OpFsync, incr), 0).Err)
	require.Equal(t, "[0] kill n1\n", text(r.OnCall("n1", call(1, disk.OpFsync, incr), 0)))
}

func TestGlobs(t *testing.T) {
	for _, c := range []struct {
		glob, path string
		want       bool
	}{
		{"*.incr.aof", incr, true},
		{"*.incr.aof", "incr.aof", false},
		{"*", incr, true},
		{"dump.rdb", "dump.rdb", true},
		{"dump.rdb", "old/dump.rdb", true},
		{"dump.rdb", "dump.rdb.old", false},
		{"temp-*.rdb", "temp-12.rdb", true},
		{"temp-*.rdb", "temp-.rdb", true},
		{"ab*ba", "aba", false}, // prefix and suffix must not overlap
		{"[td]*.rdb", "dump.rdb", true},
		{"[td]*.rdb", "x.rdb", false},
		{"dump.?db", "dump.rdb", true},
		{"appendonlydir/*", incr, true},
		{"appendonlydir/*", "/data/" + incr, true},
		{"*/*", "dump.rdb", false},
		{"data/*", "/data/a/b", false}, // a star does not cross a slash
		{"/*", "dump.rdb", true},
		{"/*", "/dump.rdb", true},
		{"/*", "a/dump.rdb", false},
		{"/" + incr, incr, true},
		{"/[a]*/*.aof", incr, true},
		{"*", "", true},
	} {
		g := compileGlob(c.glob)
		if got := g.match(c.path); got != c.want {
			t.Errorf("%s matches %q: %v, want %v", c.glob, c.path, got, c.want)
		}
	}
	m := CallPattern{"rename", "dump.rdb"}.compile()
	if !m.match(&disk.Call{Kind: disk.OpRename, Path: "temp-1.rdb", Path2: "dump.rdb"}) {
		t.Error("a rename matches by its new name too")
	}
}

// TestOpsMeanCalls fails when a word stands for no call, or a call that could
// be struck has no word.
func TestOpsMeanCalls(t *testing.T) {
	var all uint64
	for _, op := range Ops {
		if kindsOf(op) == 0 {
			t.Errorf("%s means no call", op)
		}
		all |= kindsOf(op)
	}
	for k := disk.OpOpen; k <= disk.OpList; k++ {
		if all&(1<<k) == 0 && k != disk.OpStat && k != disk.OpList {
			t.Errorf("no word means %s", k)
		}
	}
}

func TestNothingIsAllocatedWhenNothingStrikes(t *testing.T) {
	r := start(t, fmt.Sprintf("at n1 fsync(*.incr.aof)#%d in-flight: power-cut n1\nat 0s: slow fsync([x]*) 3s\nat ack#%d: kill n1", farAway, farAway))
	r.Due(0)
	c := call(1, disk.OpFsync, incr)
	allocs := testing.AllocsPerRun(100, func() {
		if len(r.OnCall("n1", c, 0)) > 0 || r.Decide("n1", c, 0).Delay != 0 || len(r.OnAck(1, 0)) > 0 {
			t.Error("something struck")
		}
		r.NextTime()
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func BenchmarkOnCall(b *testing.B) {
	r := start(b, fmt.Sprintf("at n1 fsync(*.incr.aof)#%d in-flight: power-cut n1\nat +200ms: restart n1", farAway))
	for _, c := range []struct {
		name string
		call *disk.Call
	}{
		{"other-kind", call(1, disk.OpWrite, incr)},
		{"match", call(1, disk.OpFdatasync, incr)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.OnCall("n1", c.call, 0)
				r.Decide("n1", c.call, 0)
			}
		})
	}
}
