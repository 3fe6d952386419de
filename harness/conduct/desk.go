package conduct

import (
	"strings"
	"sync"
	"time"

	"github.com/torntail/torntail/faults/plan"
)

// Desk is a Conductor that stays while its world goes on: people give it plans (torntail
// fault) for a mounted disk, or a topology. It is the World of its Conductor, but for what
// strikes there.
type Desk struct {
	*Conductor
	mu     sync.Mutex // the plans
	clock  func() time.Duration
	begin  func(t plan.Trigger) Strike
	keeper *Timekeeper
	over   chan struct{}
	kept   sync.WaitGroup
}

// NewDesk begins to keep the time of plans on a clock. begin begins a strike (World).
func NewDesk(clock func() time.Duration, begin func(t plan.Trigger) Strike) *Desk {
	d := &Desk{clock: clock, begin: begin, keeper: NewTimekeeper(), over: make(chan struct{})}
	d.Conductor = New(d)
	d.kept.Go(func() { d.keeper.Keep(d.Conductor, d.over) })
	return d
}

// Close ends the keeping of time. What is in place stays: see End.
func (d *Desk) Close() {
	close(d.over)
	d.kept.Wait()
}

// Lock implements World, as do the next five. Nobody counts acknowledgements.
func (d *Desk) Lock()                        { d.mu.Lock() }
func (d *Desk) Unlock()                      { d.mu.Unlock() }
func (d *Desk) Now() time.Duration           { return d.clock() }
func (d *Desk) Strike(t plan.Trigger) Strike { return d.begin(t) }
func (d *Desk) Wake(next time.Duration)      { d.keeper.Wake(next) }
func (*Desk) Outside(f func())               { f() }

// Fault puts a plan in place that a user has given in words, and says of each statement
// what has become of it. What strikes at once has struck when it returns. A plan in which
// a statement cannot strike in such a system is refused whole.
func (d *Desk) Fault(words []string, on plan.System, nodes []string, seed uint64) (string, error) {
	p, err := ParseFaults(strings.Join(words, " "))
	if err == nil {
		err = check(p, on, nodes)
	}
	if err != nil {
		return "", err
	}
	return standings("", d.GiveNow(p, seed).Report()), nil
}
