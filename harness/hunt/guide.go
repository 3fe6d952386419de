package hunt

import (
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/internal/seeding"
)

// A guide says which of the plans that reached something new is changed next. Uniform
// drawing, without one, is what each must beat; that has not been measured yet.
type guide interface {
	// choose is the place of an entry of the corpus, which is not empty.
	choose(c *corpus, d *seeding.Draws) int
}

// Guides are the names of the ways to choose; Uniform changes nothing and only draws.
var Guides = []string{Uniform, "even", "rare", "recent"}

// Uniform is the name of no guidance.
const Uniform = "uniform"

func guideByName(name string) (guide, error) {
	switch name {
	case Uniform:
		return nil, nil
	case "even":
		return even{}, nil
	case "rare":
		return rarest{}, nil
	case "recent":
		return recent{}, nil
	}
	return nil, fmt.Errorf("guide %q is not known: want one of %s", name, strings.Join(Guides, ", "))
}

// even chooses each alike.
type even struct{}

func (even) choose(c *corpus, d *seeding.Draws) int { return d.Below(len(c.entries)) }

// rarest chooses, of three, the entry whose rarest shape the fewest runs have reached
// (AFLFast, Böhme, Pham and Roychoudhury, CCS 2016: energy to what is rare).
type rarest struct{}

func (rarest) choose(c *corpus, d *seeding.Draws) int {
	best, least := 0, -1
	for range 3 {
		i := d.Below(len(c.entries))
		n := slices.MinFunc(c.entries[i].shapes, func(a, b shape) int { return c.reached[a] - c.reached[b] })
		if seen := c.reached[n]; least < 0 || seen < least {
			best, least = i, seen
		}
	}
	return best
}

// recent chooses among the last that were kept: where something new was, more may be.
type recent struct{}

// recentOnes is how many are recent.
const recentOnes = 32

func (recent) choose(c *corpus, d *seeding.Draws) int {
	n := min(recentOnes, len(c.entries))
	return len(c.entries) - 1 - d.Below(n)
}
