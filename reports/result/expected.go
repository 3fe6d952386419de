package result

// Expected is what a suite expects of a result, and whether it came so.
type Expected struct {
	Text  string `json:"text"`            // "holds", "violated", "loss window at most 1s", "known: lost-write"
	Issue string `json:"issue,omitempty"` // where a known violation is being dealt with
	// As is the verdict on the expectation: Holds when it was met, Violated when it
	// was not, Unknown when nothing was proved, NotApplicable when it was not run.
	As  Verdict `json:"as"`
	Why string  `json:"why,omitempty"` // what came instead
}

// Judged is what a result counts as: the verdict on what was expected of it, or
// its own where nothing was.
func (r *Result) Judged() Verdict {
	if r.Expected == nil {
		return r.Verdict
	}
	return r.Expected.As
}

// Claim is a sentence about a product that was put to the test.
type Claim struct {
	ID            string `json:"id"`
	Quote         string `json:"quote"` // the claim as stated
	From          string `json:"from,omitempty"`
	Target        string `json:"target,omitempty"`
	Configuration string `json:"configuration,omitempty"`
	Fault         string `json:"fault,omitempty"`
	Quantity      string `json:"quantity,omitempty"` // what is measured
	Expected      string `json:"expected"`           // holds, refuted, depends, ...
	Outcome       string `json:"outcome,omitempty"`  // the same words; "" when it was not measured
	Figure        string `json:"figure,omitempty"`   // what was measured, in words
	NotMeasured   string `json:"not_measured,omitempty"`
	// Verdict: Holds when the outcome is the expected one, Violated when it is
	// another, Unknown when nothing was measured, NotApplicable where it cannot be.
	Verdict Verdict `json:"verdict"`
}

// Measured counts the claims that have a figure.
func Measured(claims []Claim) int {
	n := 0
	for i := range claims {
		if claims[i].NotMeasured == "" && claims[i].Outcome != "" {
			n++
		}
	}
	return n
}

// ExitCode is the exit status for everything in the report, claims included.
// lenient: see Exit.
func (r *Report) ExitCode(lenient bool) int {
	var verdicts []Verdict
	for i := range r.Results {
		verdicts = append(verdicts, r.Results[i].Judged())
	}
	for i := range r.Claims {
		verdicts = append(verdicts, r.Claims[i].Verdict)
	}
	return Exit(verdicts, lenient)
}
