package lint

import (
	"fmt"
	"strings"
	"testing"
)

// TestFloorsFire plants breaches of the floors and names, and beside them what
// must pass.
func TestFloorsFire(t *testing.T) {
	tests := []struct {
		pkg     string
		imports string // of the module
		name    string // of the package; sample unless given
		want    string // "" passes
	}{
		{pkg: "engine/sample", imports: "faults/vfs"},
		{pkg: "engine/sample", imports: "checker/history", want: "engine knows only faults/env and faults/vfs"},
		{pkg: "engine/sample", imports: "faults/disk", want: "engine knows only faults/env and faults/vfs"},
		{pkg: "engine/sample", imports: "faults/vfs/osfs", want: "engine knows only faults/env and faults/vfs"},
		{pkg: "engine/listen", imports: "faults/vfs/osfs"},
		{pkg: "engine/listen", imports: "faults/disk", want: "engine/listen knows only"},
		{pkg: "checker/sample", imports: "checker/history"},
		{pkg: "checker/sample", imports: "checker/verdict"},
		{pkg: "checker/sample", imports: "reports/result", want: "checker knows only internal/bounded and internal/yamlform"},
		{pkg: "checker/sample", imports: "faults/env", want: "checker knows only internal/bounded and internal/yamlform"},
		{pkg: "checker/history", imports: "checker/contract", want: "floors"},
		{pkg: "reports/result", imports: "checker/verdict"},
		{pkg: "reports/sample", imports: "reports/result"},
		{pkg: "reports/sample", imports: "harness/experiment", want: "it stands on floor 4.5, the importer on 3"},
		{pkg: "workloads", imports: "engine/aof", want: "floors"},
		{pkg: "faults/plan/sample", imports: "faults/sim", want: "floors"},
		{pkg: "faults/plan/sample", imports: "faults/disk"},
		{pkg: "faults/vfs/osfs", imports: "faults/env"},
		{pkg: "harness/image", imports: "faults/sim"},
		{pkg: "harness/product", imports: "harness/splitbrain", want: "it stands on floor 4.4, the importer on 4.1"},
		{pkg: "harness/machine", imports: "harness/experiment", want: "it stands on floor 4.5, the importer on 4.3"},
		{pkg: "harness/shrink", imports: "harness/suite", want: "floors"},
		{pkg: "harness/suite", imports: "harness/shrink"},
		{pkg: "harness/explore", imports: "harness/claims", want: "floors"},
		{pkg: "harness/cellar", want: "package harness/cellar has no floor"},
		{pkg: "elsewhere", want: "package elsewhere has no floor"},

		{pkg: "harness/suite/util", want: "names"},
		{pkg: "harness/suite/sample", name: "helpers", want: "names"},
	}
	src, _ := module(t)
	for i, tt := range tests {
		text := "package " + tt.name
		if tt.name == "" {
			text = "package sample"
		}
		if tt.imports != "" {
			text += fmt.Sprintf("\nimport _ %q\n", Module+"/"+tt.imports)
		}
		path := Module + "/" + tt.pkg
		was := src.byPath[path]
		if err := src.Add(path, map[string]string{fmt.Sprintf("sample%d.go", i): text}); err != nil {
			t.Errorf("%s: %v", tt.pkg, err)
			continue
		}
		var got []string
		for _, f := range floorsOf(src, src.byPath[path]) {
			got = append(got, f.String())
		}
		src.byPath[path] = was
		all := strings.Join(got, "\n")
		if tt.want == "" && all != "" || len(got) > 1 || !strings.Contains(all, tt.want) {
			t.Errorf("%s imports %q: want %q, got %q", tt.pkg, tt.imports, tt.want, all)
		}
	}
}
