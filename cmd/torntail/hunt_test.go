package main

import (
	"encoding/json"
	"os"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

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
