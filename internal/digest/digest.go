// Package digest makes numbers of what is said of many cases, for golden text that
// would otherwise be megabytes: what changes shows, and of which case. Its words are
// had by asking for that case alone, before and after the change.
package digest

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// perLine is how many numbers stand in a line.
const perLine = 10

// Each writes a number for each case from from up to to, ten a line, with the first
// one's case in front: of all that say writes of it.
func Each(b *strings.Builder, from, to int, say func(b *strings.Builder, n int)) {
	for n := from; n < to; n++ {
		if (n-from)%perLine == 0 {
			fmt.Fprintf(b, "%d:", n)
		}
		var one strings.Builder
		say(&one, n)
		h := fnv.New32a()
		_, _ = h.Write([]byte(one.String())) // it never fails
		fmt.Fprintf(b, " %08x", h.Sum32())
		if (n-from)%perLine == perLine-1 || n == to-1 {
			b.WriteByte('\n')
		}
	}
}
