package suite

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/yamlnode"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// Expectation is what a suite expects of a cell. The zero Expectation is that
// its contract holds.
type Expectation struct {
	// Violated: the contract is expected to be broken, and a cell that holds fails.
	Violated bool
	// Anomalies, of an expected violation: no others may be seen. Nil: any.
	Anomalies []string
	// Issue is where a known violation is being dealt with. When the violation
	// stops, the cell fails, so that the issue is closed and the line taken out.
	Issue string
	// MaxWindow and MaxLost, when not nil, limit what may be lost although the
	// contract holds.
	MaxWindow *time.Duration
	MaxLost   *int64
	// MinLost, when not nil, is what some run must lose at least: a loss that is
	// expected, such as that of a split brain.
	MinLost *int64
	// ButFor are known findings: what they name the cause of may break the contract, and
	// nothing else.
	ButFor []string
}

func (e *Expectation) String() string {
	if e.Violated {
		s := "violated"
		if e.Issue != "" {
			s = "known violation"
		}
		if len(e.Anomalies) > 0 {
			s += " (" + strings.Join(e.Anomalies, ", ") + ")"
		}
		return s
	}
	s := "holds"
	if e.MaxWindow != nil {
		s += fmt.Sprintf(", loss window at most %s", e.MaxWindow)
	}
	if e.MaxLost != nil {
		s += fmt.Sprintf(", at most %d writes lost in a crash", *e.MaxLost)
	}
	if e.MinLost != nil {
		s += fmt.Sprintf(", at least %d writes lost in some run", *e.MinLost)
	}
	if len(e.ButFor) > 0 {
		s += ", but for " + strings.Join(e.ButFor, ", ")
	}
	return s
}

// Judge compares a result with what was expected of it.
func (e *Expectation) Judge(r *result.Result) *result.Expected {
	x := &result.Expected{Text: e.String(), Issue: e.Issue, As: result.Holds}
	fail := func(format string, args ...any) {
		x.As, x.Why = result.Violated, fmt.Sprintf(format, args...)
	}
	switch {
	case r.Verdict == result.Unknown || r.Verdict == result.NotApplicable:
		x.As, x.Why = r.Verdict, r.Why
	case e.Violated && r.Verdict == result.Holds && e.Issue != "":
		fail("it holds: the violation has stopped; close %s and expect that it holds", e.Issue)
	case e.Violated && r.Verdict == result.Holds:
		fail("it holds")
	case e.Violated:
		if other := e.others(r); len(other) > 0 {
			fail("violated in another way: %s", strings.Join(other, ", "))
		}
	case r.Verdict == result.Violated && len(e.ButFor) > 0 && r.Causes != nil && r.Causes.Unnamed == 0 && len(e.unforeseen(r)) == 0:
	case r.Verdict == result.Violated && len(e.ButFor) > 0 && r.Causes != nil && r.Causes.Unnamed == 0:
		fail("violated by %s", strings.Join(e.unforeseen(r), ", "))
	case r.Verdict == result.Violated:
		fail("violated: %s", anomalies(r))
	case e.MaxWindow != nil && r.LossWindow == nil:
		x.As, x.Why = result.Unknown, "no loss window was measured"
	case e.MaxWindow != nil && r.LossWindow.Max > float64(*e.MaxWindow)/float64(time.Millisecond):
		fail("the loss window reached %.0f ms", r.LossWindow.Max)
	case e.MaxLost != nil && r.LostMax > *e.MaxLost:
		fail("%d writes were lost in a crash", r.LostMax)
	case e.MinLost != nil && r.LostMax < *e.MinLost:
		fail("at most %d writes were lost in a run", r.LostMax)
	}
	return x
}

// others are anomalies beside those that are expected.
func (e *Expectation) others(r *result.Result) (names []string) {
	if len(e.Anomalies) == 0 {
		return nil
	}
	for name := range r.Anomalies { // any order: sorted below
		if !slices.Contains(e.Anomalies, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// unforeseen are the findings that name causes of violations beside those that may.
func (e *Expectation) unforeseen(r *result.Result) (names []string) {
	for name := range r.Causes.Named { // any order: sorted below
		if !slices.Contains(e.ButFor, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func anomalies(r *result.Result) string {
	var list []string
	for name, n := range r.Anomalies { // any order: sorted below
		list = append(list, fmt.Sprintf("%s in %d", name, n))
	}
	slices.Sort(list)
	if len(list) == 0 {
		return "(no anomaly on record)"
	}
	return strings.Join(list, ", ") + " of " + wording.Times(r.Runs, "run")
}

// parseExpectation reads "holds", "violated", or a mapping.
func parseExpectation(n *Node) (e *Expectation, err error) {
	e = new(Expectation)
	if !n.IsMapping() {
		word, err := yamlnode.Word("expectation", []string{"holds", "violated", "refuted"})(n)
		e.Violated = word != "holds"
		return e, err
	}
	var violated, known, issue *Node
	anomalies := func(at **Node) func(n *Node) ([]string, error) {
		return func(n *Node) ([]string, error) {
			*at, e.Violated = n, true
			return yamlnode.Once("anomaly", yamlnode.Word("anomaly", names(anomaly.Names(), func(a anomaly.Name) string { return string(a) })))(n)
		}
	}
	if err := n.Read(
		yamlnode.To("loss-window", &e.MaxWindow, lossWindow),
		yamlnode.To("max-lost", &e.MaxLost, writes),
		yamlnode.To("min-lost", &e.MinLost, writes),
		yamlnode.To("but-for", &e.ButFor, yamlnode.Once("finding", yamlnode.Word("finding", naming()))),
		yamlnode.To("violated", &e.Anomalies, anomalies(&violated)),
		yamlnode.To("known", &e.Anomalies, anomalies(&known)),
		yamlnode.To("issue", &e.Issue, func(n *Node) (string, error) {
			issue = n
			return n.Text()
		})); err != nil {
		return e, err
	}
	limited := e.MaxWindow != nil || e.MaxLost != nil || e.MinLost != nil || len(e.ButFor) > 0
	switch {
	case violated != nil && known != nil:
		return e, n.Wrong("violated and known say the same: want one of them")
	case known != nil && e.Issue == "":
		return e, known.Wrong("a known violation needs the issue where it is being dealt with: want issue: LINK beside it")
	case issue != nil && !e.Violated:
		return e, issue.Wrong("an issue without a violation that it is about: want known: ANOMALY beside it")
	case e.Violated && limited:
		return e, cmp.Or(violated, known).Wrong("what is expected to be violated has no limits: want either violated or loss-window and max-lost")
	case !e.Violated && !limited:
		return e, n.Wrong("nothing is expected here: want holds, violated, or fields such as loss-window")
	}
	return e, nil
}

// naming are the findings that name the cause of what they break.
func naming() (names []string) {
	for _, f := range redis.Store.Findings() {
		if f.Names {
			names = append(names, f.Name)
		}
	}
	return names
}

// lossWindow is a duration, or 0.
func lossWindow(n *Node) (*time.Duration, error) {
	if text, _ := n.Text(); text == "0" || text == "0s" {
		return new(time.Duration), nil
	}
	d, err := n.Duration()
	return &d, err
}

// writes is a number of them.
func writes(n *Node) (*int64, error) {
	count, err := yamlnode.Int(0)(n)
	limit := int64(count)
	return &limit, err
}
