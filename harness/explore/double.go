package explore

import (
	"fmt"
	"strings"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/image"
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
	return &again{e: e, bare: bare,
		enum: enumerator{bound: Bounds[1], class: func(*disk.Part) string { return "" }}}, nil
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
		if s.ahead && strings.Contains(a.e.results[s.result].Refusal, "Unable to obtain the AOF file") {
			a.out.Excused++ // F5, now of the manifest that the recovery wrote
			continue
		}
		a.out.Bad++
		a.bad(&s, v)
	}
}

// bad puts a bad state to those that have the same anomaly, from a crash after
// the same kind of call.
func (a *again) bad(s *twice, v *verdict) {
	after := role(s.call)
	for i := range a.out.Groups {
		if g := &a.out.Groups[i]; g.Anomaly == v.Anomalies[0].Name && g.after == after {
			g.States++
			return
		}
	}
	a.out.Groups = append(a.out.Groups, Twice{Anomaly: v.Anomalies[0].Name, States: 1, after: after, crash: a.crash(s),
		Story: fmt.Sprintf("at %s: power was cut, the image keeps %q\nin the recovery, after %s: power was cut again, the image keeps %q\n%s",
			a.m.At, a.first, s.call, s.choice, v.Anomalies[0].Story)})
}

// crash makes the image of a bad state again: the recovery is gone through once
// more, up to the second crash.
func (a *again) crash(s *twice) *Crash {
	var first disk.Disk
	a.m.Disk().Image(&first, a.first)
	up := &upTo{on: &first, cut: s.cut, choice: s.choice}
	a.bare.Recover(&first, a.m.At, up)
	if up.left == nil {
		a.e.out.doubt("at %s, %q: the recovery made fewer calls when it was gone through again", a.m.At, a.first)
		return nil
	}
	c, err := a.e.crashOf(a.m, up.left, s.result)
	if err != nil {
		a.e.err = err
	}
	return c
}

// upTo is a gate that keeps what a crash leaves at one of the calls of a recovery.
type upTo struct {
	on     *disk.Disk
	cut    int
	choice disk.Choice
	cuts   int
	left   *disk.Disk
}

// Enter is part of disk.Gate.
func (u *upTo) Enter(*disk.Call) disk.Decision { return disk.Decision{} }

// Wait comes when a call has taken effect.
func (u *upTo) Wait(c *disk.Call, _ disk.Decision) {
	if c.Kind.Mutates() {
		u.count()
	}
}

// Return comes when a call is over.
func (u *upTo) Return(c *disk.Call) {
	if c.Kind.IsSync() {
		u.count()
	}
}

func (u *upTo) count() {
	if u.cuts++; u.cuts == u.cut {
		u.left = &disk.Disk{}
		u.on.Image(u.left, u.choice)
	}
}

// Enter is part of disk.Gate.
func (a *again) Enter(*disk.Call) disk.Decision { return disk.Decision{} }

// Wait comes when a call has taken effect.
func (a *again) Wait(c *disk.Call, _ disk.Decision) {
	if c.Kind.Mutates() {
		a.cut(c)
	}
}

// Return comes when a call is over.
func (a *again) Return(c *disk.Call) {
	if c.Kind.IsSync() {
		a.cut(c)
	}
}

// cut tries the states that a crash would leave now. Images that were started
// on before are known.
func (a *again) cut(c *disk.Call) {
	ahead := experiment.ManifestAhead(a.on.Log())
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
