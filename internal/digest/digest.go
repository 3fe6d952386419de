// Package digest makes numbers of what is said of many cases, for golden text that
// would otherwise be megabytes: what changes shows, and of which case. Its words are
// had by asking for that case alone, before and after the change.
package digest

import (
	"fmt"
	"hash/fnv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
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

// Told answers a command of golden text about cases that are drawn, by number:
//
//	OF from=0 to=10             all that say writes of each
//	digest of=OF from=0 to=10   of each only a number (Each)
func Told(t *testing.T, d *datadriven.TestData, say func(b *strings.Builder, of string, n int)) string {
	t.Helper()
	of := d.Cmd
	if of == "digest" {
		d.ScanArgs(t, "of", &of)
	}
	var from, to int
	d.ScanArgs(t, "from", &from)
	d.ScanArgs(t, "to", &to)
	var b strings.Builder
	if d.Cmd == "digest" {
		Each(&b, from, to, func(b *strings.Builder, n int) { say(b, of, n) })
		return b.String()
	}
	for n := from; n < to; n++ {
		say(&b, of, n)
	}
	return b.String()
}
