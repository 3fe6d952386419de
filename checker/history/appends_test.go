package history

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAnAppendOfWhichNothingTellsWhatItWasIsRefused: the word "append" is RPUSH or
// APPEND, and to a key that was both the one that was not meant would explain nothing.
func TestAnAppendOfWhichNothingTellsWhatItWasIsRefused(t *testing.T) {
	const (
		untold = `{"op":"append","client":1,"key":"k","value":"abc","invoke":1,"return":2,"outcome":"ok"}`
		text   = `{"op":"read","client":1,"key":"k","value":"abc","invoke":3,"return":4,"outcome":"ok"}`
		list   = `{"op":"read-list","client":1,"key":"k","values":["a"],"invoke":5,"return":6,"outcome":"ok"}`
		refuse = "operation 1, of those invoked: an append without its result, to a key that is a string at times and a list at others: say string-append or push"
	)
	with := func(line, old, new string) string { return strings.Replace(line, old, new, 1) }
	for _, tc := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"read as both", []string{untold, text, list}, refuse},
		{"read as a string", []string{untold, text}, ""},
		{"read as a list", []string{untold, list}, ""},
		{"another key is the list", []string{untold, text, with(list, `"k"`, `"l"`)}, ""},
		{"its result tells", []string{with(untold, `"outcome"`, `"result":"3","outcome"`), text, list}, ""},
		{"the head tells", []string{with(untold, `"outcome"`, `"head":true,"outcome"`), text, list}, ""},
		{"nobody knows whether it happened", []string{with(untold, `"return":2,"outcome":"ok"`, `"outcome":"unknown"`), text, list}, ""},
		{"what was read is not known", []string{untold, with(text, `"return":4,"outcome":"ok"`, `"outcome":"unknown"`), list}, ""},
		{"nothing was there", []string{untold, with(text, `"value":"abc"`, `"absent":true`), list}, ""},
		{"the other failed", []string{untold, text, with(list, `"ok"`, `"failed"`)}, ""},
		{"set and popped", []string{untold, `{"op":"write","client":1,"key":"k","value":"abc","invoke":3,"outcome":"unknown"}`,
			`{"op":"pop","client":1,"key":"k","absent":true,"invoke":5,"return":6,"outcome":"ok"}`}, refuse},
		{"counted and moved to", []string{untold, `{"op":"incr","client":1,"key":"k","value":"1","result":"1","invoke":3,"return":4,"outcome":"ok"}`,
			`{"op":"list-move","client":1,"key":"l","to":"k","result":"a","invoke":5,"return":6,"outcome":"ok"}`}, refuse},
		{"in transactions", []string{`{"op":"txn","client":1,"invoke":1,"return":2,"outcome":"ok","parts":[{"op":"append","key":"k","value":"1"},{"op":"read","key":"k","value":"1"}]}`, list}, refuse},
		{"found as one and as the other", []string{untold, `{"epoch":0,"began":0,"ended":10,"how":"power-cut"}`, `{"epoch":1,"began":20,"ended":30,"how":"power-cut"}`,
			`{"state":1,"began":11,"at":12}`, `{"found":"k","value":"x"}`, `{"state":2,"began":31,"at":32}`, `{"found":"k","list":["x"]}`}, refuse},
		{"found as a set", []string{untold, text, `{"epoch":0,"began":0,"ended":10,"how":"power-cut"}`, `{"state":1,"began":11,"at":12}`, `{"found":"k","type":"set","list":["x"]}`}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := fmt.Sprintf("{\"history\":1}\n%s\n{\"end\":%d}\n", strings.Join(tc.lines, "\n"), len(tc.lines)+1)
			_, err := decodeText(file)
			if tc.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tc.want)
			}
		})
	}
}
