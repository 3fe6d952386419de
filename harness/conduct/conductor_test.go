package conduct

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
)

// scripted is a world whose clock a test sets, and a system that says what was done
// to it and does what the test wants.
type scripted struct {
	t      *testing.T
	c      *Conductor
	now    time.Duration
	locked bool
	alarm  time.Duration // as Wake last said
	told   []string
	// answers is what the system says, by what is done to it.
	answers  map[string]func() (why string, err error)
	closed   bool
	answered []func(history.Outcome, string) // of the commands that were sent
	disk     *disk.Disk
	unlocked func() // what another goroutine does as soon as it can
}

func newScripted(t *testing.T) *scripted {
	w := &scripted{t: t, alarm: Never, answers: map[string]func() (string, error){}, disk: disk.New(disk.Options{})}
	w.c = New(w)
	return w
}

func (w *scripted) Lock() {
	require.False(w.t, w.locked, "taken twice")
	w.locked = true
}

func (w *scripted) Unlock() {
	w.locked = false
	if f := w.unlocked; f != nil {
		w.unlocked = nil
		f()
	}
}

func (w *scripted) Now() time.Duration      { require.True(w.t, w.locked); return w.now }
func (w *scripted) Wake(next time.Duration) { require.True(w.t, w.locked); w.alarm = next }
func (w *scripted) Outside(f func())        { w.told = append(w.told, "outside"); f() }

func (w *scripted) Strike(plan.Trigger) Strike {
	if w.closed {
		return nil
	}
	return w
}

func (w *scripted) Name() string           { return "scripted" }
func (w *scripted) Lacks(plan.Need) string { return "" }

// did says that something is done, and what the system answers.
func (w *scripted) did(format string, args ...any) (why string, err error) {
	require.False(w.t, w.locked, "nothing strikes under the lock")
	what := fmt.Sprintf(format, args...)
	w.told = append(w.told, what)
	if f := w.answers[what]; f != nil {
		return f()
	}
	return "", nil
}

func (w *scripted) Kill(n string, tree bool) (string, error) { return w.did("kill %s %v", n, tree) }
func (w *scripted) Terminate(n string) (string, error)       { return w.did("term %s", n) }
func (w *scripted) Pause(n string) (string, error)           { return w.did("pause %s", n) }
func (w *scripted) Resume(n string) (string, error)          { return w.did("resume %s", n) }
func (w *scripted) Command(n string, args []string, answered func(history.Outcome, string)) (string, error) {
	w.answered = append(w.answered, answered)
	return w.did("do %s %v", n, args)
}
func (w *scripted) Unseen(plan.CallPattern) string        { return "" }
func (w *scripted) ReleaseCalls(n string) (string, error) { return w.did("release") }
func (w *scripted) OnDisk(n string, f func(*disk.Disk)) (string, error) {
	f(w.disk)
	return w.did("disk of %s", n)
}

func (w *scripted) AtRest(n string, f func(*disk.Disk, string) (int, string)) (string, error) {
	return w.did("at rest %s", n)
}

func (w *scripted) Done(t plan.Trigger, why string, err error) {
	require.False(w.t, w.locked)
	end := ""
	if t.End {
		end = " end"
	}
	switch {
	case errors.Is(err, plan.ErrNotYet):
		w.told = append(w.told, "not yet")
	case why != "":
		w.told = append(w.told, "missed"+end+": "+why)
	default:
		w.told = append(w.told, "struck"+end)
	}
}

func (w *scripted) give(statements string) *Given {
	p, err := plan.Parse("plan 1\n" + statements)
	require.NoError(w.t, err)
	return w.c.Give(p, 1)
}

// at sets the clock, lets the conductor do what is due, and returns what happened.
func (w *scripted) at(now time.Duration) []string {
	w.now = now
	w.c.Due(now)
	return w.heard()
}

func (w *scripted) heard() []string {
	told := w.told
	w.told = nil
	return told
}

const ms = time.Millisecond

func TestAPlanIsCarriedOutInItsTime(t *testing.T) {
	w := newScripted(t)
	w.now = 100 * ms
	g := w.give("at 5ms: pause n1 for 10ms\nat +2ms: kill n1 tree\nat +1ms: term n1")
	w.c.Arm()
	require.Equal(t, 105*ms, w.alarm, "time counts from when it was given")
	require.Empty(t, w.at(104*ms))
	require.Equal(t, []string{"pause n1", "struck"}, w.at(105*ms))
	require.Equal(t, 107*ms, w.alarm)
	require.Equal(t, []string{"kill n1 true", "struck"}, w.at(108*ms))
	require.Equal(t, 109*ms, w.alarm, "counted from when it struck")
	require.True(t, g.CrashPending(), "term has yet to strike")
	w.answers["term n1"] = func() (string, error) { return "n1 is down", nil }
	w.answers["resume n1"] = func() (string, error) { return "it was killed", nil }
	require.Equal(t, []string{"term n1", "missed: n1 is down"}, w.at(109*ms))
	require.Equal(t, "n1 is down", g.WhyNoCrash())
	require.Equal(t, []string{"resume n1", "missed end: it was killed"}, w.at(115*ms))
	require.Equal(t, Never, w.alarm)
	require.Equal(t, []string{"struck", "struck", "missed: n1 is down"}, standing(g), "a pause stays struck")
}

func standing(g *Given) (list []string) {
	for _, s := range g.Report() {
		list = append(list, Standing(s))
	}
	return list
}

// TestWhoeverGivesAPlanSeesWhatStruckAtOnce: whoever keeps time may ask what is due as soon
// as the plan is there, and be slow to carry it out.
func TestWhoeverGivesAPlanSeesWhatStruckAtOnce(t *testing.T) {
	w := newScripted(t)
	p, err := plan.Parse("plan 1\nat 0s: pause n1 for 20ms\nat 1s: kill n1")
	require.NoError(t, err)
	w.unlocked = func() { require.Empty(t, w.c.due(w.now, nil)) }
	g := w.c.GiveNow(p, 1)
	require.Nil(t, w.unlocked, "somebody has come in between")
	require.Equal(t, []string{"struck", "waiting"}, standing(g))
	require.Equal(t, []string{"pause n1", "struck"}, w.heard())
}

// TestAnAnswerMayComeLate: a command that was sent has struck until its answer says that it
// was not carried out; one that got no answer has.
func TestAnAnswerMayComeLate(t *testing.T) {
	w := newScripted(t)
	g := w.give("at 1ms: do n1 CONFIG SET a b\nat +1ms: do n1 DEBUG SLEEP 1\nat +1ms: kill n1")
	require.Equal(t, []string{"do n1 [CONFIG SET a b]", "struck"}, w.at(ms))
	require.Equal(t, []string{"do n1 [DEBUG SLEEP 1]", "struck"}, w.at(2*ms))
	require.Equal(t, []string{"struck", "struck", "waiting"}, standing(g))
	w.answered[0](history.Failed, "the server answered ERR")
	w.answered[1](history.Unknown, "EOF")
	require.Equal(t, []string{"kill n1 false", "struck"}, w.at(3*ms))
	require.Equal(t, []string{"missed: the server answered ERR", "struck", "struck"}, standing(g))
}

func TestCallsOfSeveralPlans(t *testing.T) {
	w := newScripted(t)
	first := w.give("at 0s: slow write(*) 2ms\nat n1 write(*)#2 in-flight 0.25: kill n1")
	w.at(0)
	w.now = ms
	w.give("at 0s: slow write(*) 3ms\nat n1 write(*)#1 return: term n1")
	w.at(ms)
	call := &disk.Call{ID: 1, Kind: disk.OpWrite, Path: "f", Len: 9}
	d := w.c.OnCall("n1", call)
	require.Equal(t, 5*ms, d.Delay)
	require.Equal(t, disk.PlaceReturn, d.Place)
	require.Empty(t, w.heard(), "it strikes at its place in the call")
	d.Strike()
	require.Equal(t, []string{"term n1", "struck"}, w.heard())
	d = w.c.OnCall("n1", call)
	require.Equal(t, disk.PlaceInFlight, d.Place)
	require.Equal(t, 0.25, d.Fraction)
	d.Strike()
	require.Equal(t, []string{"kill n1 false", "struck"}, w.heard())
	require.Equal(t, []string{"struck 2 times", "struck"}, standing(first))
	require.Equal(t, "fault: at 0s: slow write(*) 2ms: struck 2 times\n", w.c.Status()[:len("fault: at 0s: slow write(*) 2ms: struck 2 times\n")])
}

func TestAnAcknowledgementStrikesOutside(t *testing.T) {
	w := newScripted(t)
	w.give("at ack#3: kill n1\nat +4ms: term n1")
	w.c.OnAck(2)
	require.Empty(t, w.heard())
	w.c.OnAck(3)
	require.Equal(t, []string{"outside", "kill n1 false", "struck"}, w.heard())
	require.Equal(t, 4*ms, w.alarm)
}

// TestWhatIsPutOffIsCaughtUp: also when the moment comes while the system is being asked.
func TestWhatIsPutOffIsCaughtUp(t *testing.T) {
	w := newScripted(t)
	g := w.give("at 1ms: truncate n1 f by 1\nat 2ms: truncate n1 f by 2\nat +1ms: kill n1")
	rest := false
	w.answers["at rest n1"] = func() (string, error) {
		if !rest {
			return "", plan.ErrNotYet
		}
		return "", nil
	}
	require.Equal(t, []string{"at rest n1", "not yet"}, w.at(ms))
	require.Equal(t, "its instant came at 1ms, but it was not carried out", g.Report()[0].Why)
	w.answers["at rest n1"] = func() (string, error) {
		if !rest { // the last process goes while the system answers
			rest = true
			w.c.CatchUp()
			return "", plan.ErrNotYet
		}
		return "", nil
	}
	require.Equal(t, []string{"at rest n1", "at rest n1", "struck", "not yet", "at rest n1", "struck"}, w.at(2*ms))
	require.Equal(t, []string{"struck", "struck", "waiting"}, standing(g))
	w.now = 3 * ms
	w.c.CatchUp()
	require.Equal(t, []string{"kill n1 false", "struck"}, w.heard())
}

func TestErrorsAndTheEndOfTheWorld(t *testing.T) {
	w := newScripted(t)
	g := w.give("at 0s: kill n1\nat 1ms: term n1")
	w.answers["kill n1 false"] = func() (string, error) { return "", errors.New("no such world") }
	require.Equal(t, []string{"kill n1 false", "missed: no such world"}, w.at(0))
	w.closed = true
	require.Empty(t, w.at(ms))
	require.Equal(t, []string{"missed: no such world", "waiting"}, standing(g))
}

func TestEndUndoesWhatIsInPlace(t *testing.T) {
	w := newScripted(t)
	g := w.give("at 0s: pause n1 for 1h\nat 0s: stall fsync(*)\nat 0s: readonly n1 for 1h\nat 1s: kill n1")
	w.at(0)
	w.c.End()
	require.Equal(t, []string{"resume n1", "struck end", "release", "struck end", "disk of n1", "struck end"}, w.heard())
	require.Equal(t, Never, w.alarm)
	require.Empty(t, w.at(time.Second))
	require.Empty(t, w.c.Status())
	require.Equal(t, "struck", standing(g)[0])
}

func TestADeskSaysWhatHasBecomeOfEachStatement(t *testing.T) {
	w := newScripted(t)
	d := &Desk{Conductor: w.c}
	said, err := d.Fault([]string{"readonly n1 for 1s; fail fsync(*) EIO; at", "1s: kill n1"}, w, []string{"n1"}, 1)
	require.NoError(t, err)
	require.Equal(t, "at 0s: readonly n1 for 1s: struck\nat 0s: fail fsync(*) EIO: in place\nat 1s: kill n1: waiting\n", said)
	_, err = d.Fault([]string{"heal; clock n1 +1s; kill n7; kill n1"}, w, []string{"n1"}, 1)
	var refused *Impossible
	require.ErrorAs(t, err, &refused)
	require.Len(t, refused.Why, 3)
}

func TestPlansThatAreOverAreForgottenAndMemoryIsReused(t *testing.T) {
	w := newScripted(t)
	w.give("at 0s: kill n1")
	w.at(0)
	w.give("at 1h: kill n1")
	require.Len(t, w.c.given, 1)
	w.c.Reset()
	require.Empty(t, w.c.given)
	w.c.Arm()
	require.Equal(t, Never, w.alarm)
	w.give("at 1h: kill n1")
	require.Empty(t, w.c.spare)
}

func TestNothingIsAllocatedWhenNothingStrikes(t *testing.T) {
	w := newScripted(t)
	w.give("at n1 write(f)#1000000: kill n1\nat 0s: slow fsync(g) 1s")
	w.at(0)
	call := &disk.Call{Kind: disk.OpWrite, Path: "f"}
	require.Zero(t, testing.AllocsPerRun(100, func() { w.c.OnCall("n1", call) }))
}

// TestTheTimekeeperWakesForWhatComesSooner uses the wall clock, and asserts on order
// only.
func TestTheTimekeeperWakesForWhatComesSooner(t *testing.T) {
	w := &real{keeper: NewTimekeeper(), began: time.Now(), struck: make(chan string, 4)}
	w.c = New(w)
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		w.keeper.Keep(w.c, over)
	}()
	for _, text := range []string{"plan 1\nat 1h: kill n1", "plan 1\nat 1ms: kill n2\nat +1ms: kill n3"} {
		p, err := plan.Parse(text)
		require.NoError(t, err)
		w.c.Give(p, 1)
		w.c.Arm()
	}
	require.Equal(t, "n2", <-w.struck)
	require.Equal(t, "n3", <-w.struck)
	close(over)
	<-done
}

// real is a world on the wall clock in which processes are killed.
type real struct {
	plan.Processes
	sync.Mutex
	c      *Conductor
	keeper *Timekeeper
	began  time.Time
	struck chan string
}

func (w *real) Now() time.Duration               { return time.Since(w.began) }
func (w *real) Wake(next time.Duration)          { w.keeper.Wake(next) }
func (w *real) Outside(f func())                 { go f() }
func (w *real) Strike(plan.Trigger) Strike       { return w }
func (w *real) Name() string                     { return "real" }
func (w *real) Lacks(plan.Need) string           { return "" }
func (w *real) Done(plan.Trigger, string, error) {}
func (w *real) Kill(n string, _ bool) (string, error) {
	w.struck <- n
	return "", nil
}
