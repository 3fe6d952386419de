package html

import (
	"strings"

	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// claim is a row of the table of claims.
type claim struct {
	ID, Quote, Tried, Expected, Outcome, Figure, Verdict, Class string
}

func claimsOf(claims []result.Claim) []claim {
	var list []claim
	for i := range claims {
		c := &claims[i]
		var tried []string
		for _, s := range []string{c.Configuration, c.Fault, c.Quantity} {
			if s != "" {
				tried = append(tried, s)
			}
		}
		x := claim{ID: clean(c.ID), Quote: clean(c.Quote), Tried: clean(strings.Join(tried, "; ")), Expected: clean(c.Expected),
			Outcome: clean(c.Outcome), Figure: clean(c.Figure), Verdict: string(c.Verdict), Class: classes[c.Verdict]}
		if c.NotMeasured != "" {
			x.Outcome, x.Figure = "not measured", clean(c.NotMeasured)
		}
		list = append(list, x)
	}
	return list
}

// claimsHeadline is the page's verdict when claims are all there is.
func claimsHeadline(claims []result.Claim) (class, text string) {
	v, text := wording.Claims(claims)
	return string(v), string(v) + ": " + text
}
