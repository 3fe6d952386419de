package explore

import (
	"fmt"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/image"
	"github.com/torntail/torntail/harness/product/redis"
)

// again crashes recoveries: at each operation by which a start changes the
// disk, the repair tool included, the power is cut once more. What the next
// start makes of that is held against the same promise as the first.
type again struct {
	e      *explorer
	bare   *image.Bare
	enum   enumerator
	imager disk.Imager
	m      *experiment.Moment
	on     *disk.Disk // the image that is being recovered from
	first  disk.Choice
	found  []twice // states of the recovery under way, judged when it is over
	cuts   int     // how often it has been crashed
	out    Double
	groups []*group // of the bad ones, by what is wrong and after which call
}

// twice is a state that a crash during a recovery left.
type twice struct {
	result int32
	cut    int // it is the state of so many-th crash of the recovery
	call   string
	choice disk.Choice
	ahead  bool // the cause of F5, in the recovery
}

func newAgain(e *explorer) (*again, error) {
	bare, err := image.NewBare(e.x)
	if err != nil {
		return nil, err
	}
	return &again{e: e, bare: bare, enum: enumerator{bound: Bounds[1]}}, nil // triad: it tells no classes apart
}

// begin prepares for the recovery from an image.
func (a *again) begin(m *experiment.Moment, on *disk.Disk, c disk.Choice) {
	a.m, a.on, a.first, a.found, a.cuts = m, on, c, a.found[:0], 0
}

// end judges what crashes during the recovery left, if the recovery itself came
// out well: what is lost by then cannot come back.
func (a *again) end(first int32) {
	if whole := a.e.verdict(a.m, first); len(a.found) == 0 || whole.class == violated || whole.class == excused {
		return
	}
	a.out.Images++
	for _, s := range a.found {
		a.out.States++
		v := a.e.verdict(a.m, s.result)
		if v.class != violated {
			continue
		}
		if s.ahead && redis.MissesFile(a.e.results[s.result].Refusal) {
			a.out.Excused++ // F5, now of the manifest that the recovery wrote
			continue
		}
		a.out.Bad++
		a.bad(&s, v.Anomalies[0])
	}
}

// bad puts a bad state to those that have the same anomaly, from a crash after
// the same kind of call.
func (a *again) bad(s *twice, what experiment.Anomaly) {
	key := what.Name + " after " + role(s.call)
	for _, g := range a.groups {
		if g.key == key {
			g.states++
			return
		}
	}
	what.Story = fmt.Sprintf("at %s: power was cut, the image keeps %q\nin the recovery, after %s: power was cut again, the image keeps %q\n%s",
		a.m.At, a.first, s.call, s.choice, what.Story)
	a.groups = append(a.groups, &group{key: key, twice: true, states: 1, anomaly: what, crash: a.crash(s)})
}

// crash makes the image of a bad state again: the recovery is gone through once
// more, up to the second crash.
func (a *again) crash(s *twice) *Crash {
	var first disk.Disk
	a.m.Disk().Image(&first, a.first)
	var left *disk.Disk
	cuts := 0
	a.bare.Recover(&first, a.m.At, eachChange(func(*disk.Call) {
		if cuts++; cuts == s.cut {
			left = &disk.Disk{}
			first.Image(left, s.choice)
		}
	}))
	if left == nil {
		a.e.out.doubt("at %s, %q: the recovery made fewer calls when it was gone through again", a.m.At, a.first)
		return nil
	}
	return a.e.crashOn(a.m, left, s.result)
}

// eachChange is a disk.Gate that is told of each call by which a start changes the disk:
// when it has taken effect, and of a sync, when it is over.
type eachChange func(c *disk.Call)

func (eachChange) Enter(*disk.Call) disk.Decision { return disk.Decision{} }

func (f eachChange) Wait(c *disk.Call, _ disk.Decision) {
	if c.Kind.Mutates() {
		f(c)
	}
}

func (f eachChange) Return(c *disk.Call) {
	if c.Kind.IsSync() {
		f(c)
	}
}

// cut tries the states that a crash would leave now. Images that were started
// on before are known.
func (a *again) cut(c *disk.Call) {
	ahead := experiment.ManifestAhead(a.e.o.Mode.Store, a.on.Log())
	a.imager.Begin(a.on)
	a.cuts++
	a.enum.choices(a.on, func(choice disk.Choice) {
		a.imager.Choose(choice)
		image := a.imager.Image()
		hash := image.Hash()
		n, ok := a.e.contents[hash]
		if !ok {
			a.e.out.Images++
			n = a.e.add(a.bare.Recover(image, a.m.At, nil))
			a.e.contents[hash] = n
		}
		a.found = append(a.found, twice{n, a.cuts, fmt.Sprintf("%s of %s", c.Kind, c.Path), choice, ahead})
	})
}
