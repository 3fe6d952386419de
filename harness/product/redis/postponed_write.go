package redis

import (
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// postponedWrite: the loss is one that the contract of everysec allows.
func init() {
	register(finding.Finding{
		Finding: result.Finding{
			Name:  "postponed-write",
			Title: "everysec can lose acknowledged writes to a plain process kill",
			Text: "While an fsync is in flight in the background, the server holds the write itself back, for up to 2 s, and answers all the same. " +
				"A kill in that time loses what only its memory had.",
		},
		Cause: func(r *finding.Run) bool { return r.Postponed > 0 && !r.Power },
	})
}
