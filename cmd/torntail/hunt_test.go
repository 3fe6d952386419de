package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness/hunt"
)

// sameHunt compares what two hunts found, but for when, where to and how they were called.
func sameHunt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: same-hunt FILE FILE")
	}
	var both [2]hunt.Result
	for i, name := range args {
		data, err := os.ReadFile(ts.MkAbs(name))
		ts.Check(err)
		r := &both[i]
		ts.Check(json.Unmarshal(data, r))
		r.Command, r.Started, r.ElapsedS = "", r.Started.Truncate(1<<62), 0
		for _, f := range r.Findings {
			f.AfterS, f.Dir = 0, ""
			if f.Shrunk != nil {
				f.Shrunk.Dir = ""
			}
		}
	}
	if both[0].Experiments == 0 || len(both[0].Findings) == 0 {
		ts.Fatalf("%s found nothing", args[0])
	}
	if diff := cmp.Diff(both[0], both[1], cmp.AllowUnexported(), cmp.FilterPath(func(p cmp.Path) bool {
		f, ok := p.Last().(cmp.StructField)
		return ok && f.Name()[0] >= 'a'
	}, cmp.Ignore())); diff != "" {
		ts.Fatalf("they differ:\n%s", diff)
	}
}

// Lists of fingerprints have comments, blank lines and spaces at the ends of lines.
func TestFingerprints(t *testing.T) {
	list, err := parseFingerprints([]byte("# of 2026\n\nF12\n  lost-write/kill/idle/by itself \r\n#F3\nhole/term/after rename temp-rewriteaof-#.aof/refused"))
	require.NoError(t, err)
	require.Equal(t, []string{"F12", "lost-write/kill/idle/by itself", "hole/term/after rename temp-rewriteaof-#.aof/refused"}, list)
	_, err = parseFingerprints([]byte("F1\nlost\x1b[2J\n"))
	require.ErrorContains(t, err, "line 2: ")
	_, err = parseFingerprints([]byte(strings.Repeat("x", 2*longestFingerprint)))
	require.ErrorContains(t, err, "no list of fingerprints")
}

// Whatever stands in the file is refused, or a list of lines that can be printed.
func FuzzFingerprints(f *testing.F) {
	f.Add([]byte("# of 2026\n\nF12\nlost-write/kill/idle/by itself\n"))
	f.Add([]byte("\xff\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parseFingerprints(data)
		if err != nil {
			return
		}
		for _, l := range list {
			require.NotEmpty(t, l)
			require.NotContains(t, l, "\n")
			require.Equal(t, strings.TrimSpace(l), l)
		}
	})
}
