// Package verdict is the checkers' own word: what was proved of a history under
// a contract. Reports have one more, for what was not run: see reports/result.
package verdict

import "fmt"

// Verdict is what the checkers say of a history.
type Verdict string

const (
	// Holds: the contract was kept, and the faults really struck.
	Holds Verdict = "holds"
	// Violated: evidence against the contract was found.
	Violated Verdict = "violated"
	// Unknown: nothing was proved. Time or memory ran out, or an assumption
	// failed. It is never success.
	Unknown Verdict = "unknown"
)

// UnmarshalText accepts the three verdicts and nothing else, so that a misspelt
// verdict in a file is an error and not a silent fourth value.
func (v *Verdict) UnmarshalText(text []byte) error {
	switch w := Verdict(text); w {
	case Holds, Violated, Unknown:
		*v = w
		return nil
	}
	return fmt.Errorf("verdict %q: expected %q, %q or %q", text, Holds, Violated, Unknown)
}
