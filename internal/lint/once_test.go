package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestServersAreStartedOnce: there is one place in harness where an embedded server is
// made, and one where a real one is started, whoever runs it.
func TestServersAreStartedOnce(t *testing.T) {
	for call, want := range map[[2]string]string{
		{"engine", "New"}:                "machine/engine.go",
		{"faults/process", "StartRedis"}: "machine/rig.go",
	} {
		if got := callers(t, "../../harness", call); !slices.Equal(got, []string{want}) {
			t.Errorf("%s of %s is called in %v of harness, want once, in %s", call[1], call[0], got, want)
		}
	}
	// The reader finds a call where there is one.
	if got := callers(t, "../../engine/listen", [2]string{"engine", "New"}); len(got) != 1 {
		t.Errorf("engine.New is called in %v of engine/listen, want one place", got)
	}
}

// localName is what a file calls a package of torntail; "": it does not import it.
func localName(f *ast.File, pkg string) string {
	for _, i := range f.Imports {
		switch {
		case !strings.HasSuffix(strings.Trim(i.Path.Value, `"`), "torntail/"+pkg):
		case i.Name != nil:
			return i.Name.Name
		default:
			return path.Base(pkg)
		}
	}
	return ""
}

// callers are the files below a directory, without tests, that call a package's
// function or take it as a value, each as often as it does.
func callers(t *testing.T, dir string, function [2]string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, file)
		pkg := localName(f, function[0])
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == function[1] {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == pkg {
					files = append(files, filepath.ToSlash(name))
				}
			}
			return true
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
