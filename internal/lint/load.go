// Package lint reads torntail's source and says where it breaks the rules that
// a compiler does not know: what the simulated world may not touch, which
// package may import which, and what a package may not be called. Its test is
// the lint; it runs with the others.
package lint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Module is the path of the module whose source is read.
const Module = "github.com/torntail/torntail"

// Package is a type-checked package, without its tests: they run outside the
// simulated world and may do as they like.
type Package struct {
	Path  string // relative to the module: "engine/aof"; "" is its root
	Fset  *token.FileSet
	Files []*ast.File
	Info  *types.Info
}

// Loader type-checks packages against the export data that the go command has in its cache.
type Loader struct {
	fset    *token.FileSet
	exports map[string]string // import path to export file
	imports types.Importer
	own     []listed
}

// listed is what go list says of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	Module                  *struct{ Path string }
}

// NewLoader asks the go command for all packages under dir, what they import,
// and the packages of the standard library named besides.
func NewLoader(dir string, std ...string) (*Loader, error) {
	args := append([]string{"list", "-e", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,Module", "./..."}, std...)
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w: %s", strings.Join(args[:2], " "), err, stderr.String())
	}
	l := &Loader{fset: token.NewFileSet(), exports: map[string]string{}}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		l.exports[p.ImportPath] = p.Export
		if p.Module != nil && p.Module.Path == Module {
			l.own = append(l.own, p)
		}
	}
	l.imports = importer.ForCompiler(l.fset, "gc", l.open)
	return l, nil
}

func (l *Loader) open(path string) (io.ReadCloser, error) {
	file := l.exports[path]
	if file == "" {
		return nil, fmt.Errorf("no export data for %s: does it compile?", path)
	}
	return os.Open(file)
}

// Packages type-checks the module's own packages. The error joins what went
// wrong with those that are missing from the result.
func (l *Loader) Packages() ([]*Package, error) {
	var all []*Package
	var failed []error
	for _, p := range l.own {
		if len(p.GoFiles) == 0 {
			continue // only tests, or nothing for this platform
		}
		var names []string
		for _, name := range p.GoFiles {
			names = append(names, filepath.Join(p.Dir, name))
		}
		pkg, err := l.check(p.ImportPath, names, nil)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		all = append(all, pkg)
	}
	return all, errors.Join(failed...)
}

// Source type-checks one file given as text, as if it were the package at path.
func (l *Loader) Source(path, text string) (*Package, error) {
	return l.check(Module+"/"+path, []string{"sample.go"}, text)
}

func (l *Loader) check(path string, names []string, src any) (*Package, error) {
	p := &Package{
		Path: strings.TrimPrefix(strings.TrimPrefix(path, Module), "/"),
		Fset: l.fset,
		Info: &types.Info{
			Types:     map[ast.Expr]types.TypeAndValue{},
			Uses:      map[*ast.Ident]types.Object{},
			Defs:      map[*ast.Ident]types.Object{},
			Instances: map[*ast.Ident]types.Instance{},
		},
	}
	for _, name := range names {
		f, err := parser.ParseFile(l.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		p.Files = append(p.Files, f)
	}
	conf := types.Config{Importer: l.imports}
	if _, err := conf.Check(path, l.fset, p.Files, p.Info); err != nil {
		return nil, fmt.Errorf("type-check %s: %w", path, err)
	}
	return p, nil
}
