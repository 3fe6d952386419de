package wording

import (
	"fmt"

	"github.com/torntail/torntail/reports/result"
)

// Report is one sentence on what a report says: Meaning of its results, or, when
// claims are all there is, how these came out.
func Report(r *result.Report, catalogue []result.Finding) string {
	if len(r.Results) > 0 || len(r.Claims) == 0 {
		return Meaning(r.Results, catalogue)
	}
	_, text := Claims(r.Claims)
	return text + "."
}

// Claims is the verdict on a list of claims, and it in words.
func Claims(claims []result.Claim) (v result.Verdict, text string) {
	other, unknown := 0, 0
	for i := range claims {
		switch claims[i].Verdict {
		case result.Violated:
			other++
		case result.Unknown:
			unknown++
		}
	}
	measured := fmt.Sprintf("%d of %d claims measured", result.Measured(claims), len(claims))
	switch {
	case other > 0:
		return result.Violated, fmt.Sprintf("%d claims came out other than expected; %s", other, measured)
	case unknown > 0:
		return result.Unknown, fmt.Sprintf("what was measured came out as expected; %s", measured)
	}
	return result.Holds, "every claim came out as expected; " + measured
}
