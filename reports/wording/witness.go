package wording

import (
	"fmt"

	"github.com/torntail/torntail/reports/result"
)

// Witness says which of the runs porcupine judged as well, and whether it agreed;
// "" when it was not asked.
func Witness(results []result.Result) string {
	var all result.Witness
	runs := 0
	for i := range results {
		if w := results[i].Witness; w != nil {
			all.Asked += w.Asked
			all.Unanswered += w.Unanswered
			all.Disagreed += w.Disagreed
		}
		runs += results[i].Runs
	}
	if all.Asked == 0 {
		return ""
	}
	said := "agreed"
	if all.Disagreed > 0 {
		said = fmt.Sprintf("disagreed about %d: torntail itself is at fault", all.Disagreed)
	}
	if all.Unanswered > 0 {
		said += fmt.Sprintf("; of %d it did not say everything within the steps it was given", all.Unanswered)
	}
	return fmt.Sprintf("porcupine judged %d of %s as well and %s", all.Asked, Times(runs, "run"), said)
}
