package history

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// TestFieldsByKind compares with testdata/fields which fields an operation of each kind may
// have: each of them is put into a line, and the line is read or refused. -rewrite writes
// the file anew.
//
//	kinds
//	read       (lines of a history between its first and its last)
func TestFieldsByKind(t *testing.T) {
	contents := map[string]string{"absent": "true", "head": "true", "to-head": "true", "expect-absent": "true", "to-absent": "true",
		"evicted": "true", "values": "[]", "parts": "[]", "deadline": "5", "index": "5", "score": `"5"`}
	datadriven.RunTest(t, "testdata/fields", func(t *testing.T, d *datadriven.TestData) string {
		var b strings.Builder
		if d.Cmd == "read" {
			for line := range strings.SplitSeq(d.Input, "\n") {
				_, err := Decode(strings.NewReader("{\"history\":1}\n" + line + "\n{\"end\":2}\n"))
				fmt.Fprintln(&b, err)
			}
			return b.String()
		}
		for kind := Read; kind <= LastKind; kind++ {
			fmt.Fprintf(&b, "%s:", kind)
			for _, name := range fieldNames {
				content := contents[name]
				if content == "" {
					content = `"x"`
				}
				line := fmt.Sprintf(`{"op":%q,%q:%s,"client":0,"invoke":1,"outcome":"unknown"}`, kind, name, content)
				_, err := Decode(strings.NewReader("{\"history\":1}\n" + line + "\n{\"end\":2}\n"))
				if err == nil {
					b.WriteString(" " + name)
					continue
				}
				require.ErrorContains(t, err, fmt.Sprintf("line 2: operation %q has no %q", kind, name))
			}
			b.WriteString("\n")
		}
		return b.String()
	})
}
