package explore

import (
	"fmt"
	"strings"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness"
)

// again crashes recoveries: at each operation by which a start changes the
// disk, the repair tool included, the power is cut once more. What the next
// start makes of that is held against the same promise as the first.
type again struct {
	e      *explorer
	bare   *harness.Bare
	enum   enumerator
	imager disk.Imager
	m      *harness.Moment
	on     *disk.Disk // the image that is being recovered from
	first  disk.Choice
	found  []twice // states of the recovery under way, judged when it is over
	out    Double
}

// twice is a state that a crash during a recovery left.
type twice struct {
	result int32
	call   string
	choice disk.Choice
	ahead  bool // the cause of F5, in the recovery
}

func newAgain(e *explorer) (*again, error) {
	bare, err := harness.NewBare(e.x)
	if err != nil {
		return nil, err
	}
	return &again{e: e, bare: bare,
		enum: enumerator{bound: Bounds[1], class: func(*disk.Part) string { return "" }}}, nil
}

// begin prepares for the recovery from an image.
func (a *again) begin(m *harness.Moment, on *disk.Disk, c disk.Choice) {
	a.m, a.on, a.first, a.found = m, on, c, a.found[:0]
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
		if a.out.Bad++; a.out.Story == "" {
			a.out.Story = fmt.Sprintf("at %s: power was cut, the image keeps %q\nin the recovery, after %s: power was cut again, the image keeps %q\n%s: %s",
				a.m.At, a.first, s.call, s.choice, v.Anomalies[0].Name, v.Anomalies[0].Story)
		}
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
	ahead := harness.ManifestAhead(a.on.Log())
	a.imager.Begin(a.on)
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
		a.found = append(a.found, twice{n, fmt.Sprintf("%s of %s", c.Kind, c.Path), choice, ahead})
	})
}
