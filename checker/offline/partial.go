package offline

import (
	"fmt"
	"strings"

	"github.com/torntail/torntail/checker"
	"github.com/torntail/torntail/checker/history"
)

// partialOps is how many operations of an order are told.
const partialOps = 3

// partial tells how far a search came that ran out of time or memory: the end of
// the longest order that explains the replies in it, and what came next.
func partial(h *history.History, p *checker.Progress) string {
	var b strings.Builder
	fmt.Fprintln(&b, p)
	if n := len(p.Longest); n > 0 {
		if n > partialOps {
			fmt.Fprintf(&b, "the longest order that was found begins with %d others\n", n-partialOps)
		} else {
			b.WriteString("the longest order that was found\n")
		}
		for _, place := range p.Longest[max(0, n-partialOps):] {
			b.WriteString("  " + checker.Tell(&h.Ops[place]) + "\n")
		}
	}
	if p.Stuck >= 0 && p.Stuck < len(h.Ops) {
		b.WriteString("and does not explain\n  " + checker.Tell(&h.Ops[p.Stuck]) + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}
