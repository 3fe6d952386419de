package campaign

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/reports/result"
)

// Until is a condition on what a pair has shown so far, at which it is let be:
// "lost>0", "window>1.5s", "F2>=3".
type Until struct {
	text  string
	value func(t *tally) float64
	more  bool // > instead of >=
	bound float64
}

func (u *Until) String() string { return u.text }

// quantities are what conditions can be about.
var quantities = []struct {
	name  string
	value func(t *tally) float64
}{
	{"lost", func(t *tally) float64 { return float64(t.lost) }},
	{"violated", func(t *tally) float64 { return float64(t.violated) }},
	{"repaired", func(t *tally) float64 { return float64(t.recovery.Repaired) }},
	{"refused", func(t *tally) float64 { return float64(t.recovery.Refused) }},
	{"unknown", func(t *tally) float64 { return float64(t.unknown) }},
	{"window", func(t *tally) float64 {
		if len(t.windows) == 0 {
			return 0
		}
		return float64(slices.Max(t.windows))
	}},
}

// Quantities are the names that conditions can be about, beside those of findings.
func Quantities() []string {
	var names []string
	for _, q := range quantities {
		names = append(names, q.name)
	}
	return append(names, result.FindingNames()...)
}

// ParseUntil reads a condition.
func ParseUntil(text string) (*Until, error) {
	name, rest, ok := strings.Cut(text, ">")
	if !ok {
		return nil, fmt.Errorf("%q: want QUANTITY>NUMBER or QUANTITY>=NUMBER, such as lost>0", text)
	}
	u := &Until{text: text, more: true}
	if after, ok := strings.CutPrefix(rest, "="); ok {
		rest, u.more = after, false
	}
	name, rest = strings.TrimSpace(name), strings.TrimSpace(rest)
	for _, q := range quantities {
		if q.name == name {
			u.value = q.value
		}
	}
	if u.value == nil {
		if !slices.Contains(result.FindingNames(), name) {
			return nil, fmt.Errorf("%q: %q is no quantity: want one of %s", text, name, strings.Join(Quantities(), ", "))
		}
		u.value = func(t *tally) float64 { return float64(t.findings[name]) }
	}
	if name == "window" {
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 {
			return nil, fmt.Errorf("%q: %q is not a duration, such as 1.5s", text, rest)
		}
		u.bound = float64(d)
		return u, nil
	}
	n, err := strconv.ParseUint(rest, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("%q: %q is not a whole number", text, rest)
	}
	u.bound = float64(n)
	return u, nil
}

// met reports whether a pair has shown it.
func (u *Until) met(t *tally) bool {
	if u == nil || t.struck == 0 {
		return false
	}
	if v := u.value(t); u.more {
		return v > u.bound
	} else {
		return v >= u.bound
	}
}

// errMet ends the queue of a pair whose condition is met.
var errMet = errors.New("what was waited for has been seen")
