package result

// Suite is what the report of a suite has beside its results.
type Suite struct {
	Name     string    `json:"name"`
	Baseline *Baseline `json:"baseline,omitempty"` // nil: nothing was to be compared with
}

// Baseline is what came of the comparison with an earlier result.
type Baseline struct {
	File string `json:"file"`
	// Required: without it the suite has not come as expected.
	Required bool `json:"required,omitempty"`
	Missing  bool `json:"missing,omitempty"`
	Made     bool `json:"made,omitempty"` // this result is the baseline now
	// Summary is the comparison in a sentence; "" where there was none.
	Summary  string   `json:"summary,omitempty"`
	Worse    []string `json:"worse,omitempty"`    // cell and figure, before and now
	Unproved []string `json:"unproved,omitempty"` // what it proved and this result does not
}

// Verdict is what the comparison counts as: NotApplicable where there was none and none
// was required.
func (b *Baseline) Verdict() Verdict {
	switch {
	case b.Missing && b.Required, len(b.Worse) > 0:
		return Violated
	case len(b.Unproved) > 0:
		return Unknown
	case b.Missing || b.Made:
		return NotApplicable
	}
	return Holds
}

// Why is what came of it, in words.
func (b *Baseline) Why() string {
	switch {
	case b.Missing && b.Required:
		return "no baseline at " + b.File + ", which the suite requires"
	case b.Missing:
		return "no baseline yet at " + b.File + " (--update-baseline makes one)"
	case b.Made:
		return b.File + " is the new baseline"
	}
	return b.Summary
}
