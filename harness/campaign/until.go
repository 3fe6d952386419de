package campaign

import (
	"errors"
	"fmt"
	"slices"

	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/harness/target"
	"github.com/torntail/torntail/harness/until"
)

// Until is a condition on what a pair has shown so far, at which it is let be:
// "lost>0", "window>1.5s", "F2>=3".
type Until struct {
	condition *until.Condition[*tally]
	// Met is how many of the pairs Of that a campaign has run have shown it.
	Met, Of int
}

// figures are what conditions can be about, beside findings by their names.
var figures = []until.Figure[*tally]{
	{Name: "lost", Of: func(t *tally) float64 { return float64(t.Lost) }},
	{Name: "violated", Of: func(t *tally) float64 { return float64(t.violated) }},
	{Name: "repaired", Of: func(t *tally) float64 { return float64(t.Recovery.Repaired) }},
	{Name: "refused", Of: func(t *tally) float64 { return float64(t.Recovery.Refused) }},
	{Name: "unknown", Of: func(t *tally) float64 { return float64(t.unknown) }},
	{Name: "window", Time: true, Of: func(t *tally) float64 {
		if len(t.windows) == 0 {
			return 0
		}
		return float64(slices.Max(t.windows))
	}},
}

// ParseUntil reads a condition.
func ParseUntil(text string) (*Until, error) {
	all := slices.Clone(figures)
	for _, name := range finding.Names(target.Findings()) {
		all = append(all, until.Figure[*tally]{Name: name, Of: func(t *tally) float64 { return float64(t.Findings[name]) }})
	}
	c, err := until.Parse(text, all)
	return &Until{condition: c}, err
}

// Text says what was waited for, and whether it was seen.
func (u *Until) Text() string {
	if u.Met == 0 {
		return u.condition.String() + ": not met"
	}
	return fmt.Sprintf("%s: met in %d of %d pairs", u.condition, u.Met, u.Of)
}

// count takes in a pair that is done.
func (u *Until) count(t *tally) {
	if u == nil {
		return
	}
	if u.Of++; u.met(t) {
		u.Met++
	}
}

// met reports whether a pair has shown it.
func (u *Until) met(t *tally) bool { return u != nil && t.Struck > 0 && u.condition.Holds(t) }

// errMet ends the queue of a pair whose condition is met.
var errMet = errors.New("what was waited for has been seen")
