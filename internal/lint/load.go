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
	"slices"
	"strings"
)

// Module is the path of the module whose source is read.
const Module = "github.com/torntail/torntail"

// Package is a type-checked package, without its tests: they run outside the
// simulated world and may do as they like.
type Package struct {
	Path  string // import path; Name has it without the module
	Own   bool   // of torntail, not of a dependency
	Files []*ast.File
	Types *types.Package
	Info  *types.Info
}

// Name is the path relative to the module for its own packages ("engine/aof",
// "" for its root), the import path for others.
func (p *Package) Name() string { return relative(p.Path) }

func relative(path string) string {
	if path == Module {
		return ""
	}
	return strings.TrimPrefix(path, Module+"/")
}

// Source is the source of the module and of those dependencies that the world
// may use; of other dependencies and of the standard library only the types are
// known. What was read lives in one universe, so that a call of a dependency is
// a call of its body.
type Source struct {
	Fset     *token.FileSet
	Packages []*Package // dependencies first

	byPath  map[string]*Package
	exports map[string]string // import path to export file
	known   types.Importer    // of what is not read
}

// listed is what go list says of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles, CgoFiles, Deps []string
	Module                  *struct{ Path string }
}

// Load reads the packages under dir, without those in internal that no other imports, and of what they
// import the packages for which read is true, with all that those import in
// turn. Packages named besides can be imported by Add. The error joins what went
// wrong with packages that are missing from the result.
func Load(dir string, read func(path string) bool, besides ...string) (*Source, error) {
	own, err := trees(dir)
	if err != nil {
		return nil, err
	}
	args := append([]string{"list", "-e", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,CgoFiles,Deps,Module"}, append(own, besides...)...)
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, stderr.String())
	}
	s := &Source{Fset: token.NewFileSet(), byPath: map[string]*Package{}, exports: map[string]string{}}
	s.known = importer.ForCompiler(s.Fset, "gc", s.open)
	var all []listed
	wanted := map[string]bool{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		all = append(all, p)
		s.exports[p.ImportPath] = p.Export
		if read(p.ImportPath) && !standard(p.ImportPath) {
			wanted[p.ImportPath] = true
			for _, d := range p.Deps {
				wanted[d] = true
			}
		}
	}
	var failed []error
	for _, p := range all {
		ours := p.Module != nil && p.Module.Path == Module
		if standard(p.ImportPath) || !ours && !wanted[p.ImportPath] {
			continue
		}
		files := map[string]any{}
		for _, name := range p.GoFiles {
			files[filepath.Join(p.Dir, name)] = nil
		}
		switch {
		case len(p.CgoFiles) > 0:
			failed = append(failed, fmt.Errorf("%s uses cgo: what C does cannot be read", p.ImportPath))
		case len(files) == 0: // only tests, or nothing for this platform
		default:
			if err := s.add(p.ImportPath, ours, files); err != nil {
				failed = append(failed, err)
			}
		}
	}
	return s, errors.Join(failed...)
}

// trees are the patterns of the module's top directories but internal: of that,
// what other parts import comes with them.
func trees(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var patterns []string
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() && name != "internal" && name != "testdata" && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "_") {
			patterns = append(patterns, "./"+name+"/...")
		}
	}
	return patterns, nil
}

// open finds the export data of a package.
func (s *Source) open(path string) (io.ReadCloser, error) {
	file := s.exports[path]
	if file == "" {
		return nil, fmt.Errorf("no export data for %s: does it compile?", path)
	}
	return os.Open(file)
}

// Import makes a Source a types.Importer.
func (s *Source) Import(path string) (*types.Package, error) {
	if path == "unsafe" {
		return types.Unsafe, nil
	}
	if p := s.byPath[path]; p != nil {
		return p.Types, nil
	}
	return s.known.Import(path)
}

// Add reads a package from text, as if it were there: file names and what is in
// them. One whose path begins with the module's is torntail's own.
func (s *Source) Add(path string, files map[string]string) error {
	src := map[string]any{}
	for name, text := range files { // any order: add sorts them
		src[name] = text
	}
	return s.add(path, strings.HasPrefix(path, Module+"/"), src)
}

func (s *Source) add(path string, own bool, files map[string]any) error {
	p := &Package{
		Path: path,
		Own:  own,
		Info: &types.Info{
			Types:      map[ast.Expr]types.TypeAndValue{},
			Uses:       map[*ast.Ident]types.Object{},
			Defs:       map[*ast.Ident]types.Object{},
			Implicits:  map[ast.Node]types.Object{},
			Selections: map[*ast.SelectorExpr]*types.Selection{},
			Scopes:     map[ast.Node]*types.Scope{},
			Instances:  map[*ast.Ident]types.Instance{},
		},
	}
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	mode := parser.SkipObjectResolution
	if own {
		mode |= parser.ParseComments
	}
	for _, name := range names {
		f, err := parser.ParseFile(s.Fset, name, files[name], mode)
		if err != nil {
			return err
		}
		p.Files = append(p.Files, f)
	}
	conf := types.Config{Importer: s}
	var err error
	if p.Types, err = conf.Check(path, s.Fset, p.Files, p.Info); err != nil {
		return fmt.Errorf("type-check %s: %w", path, err)
	}
	s.byPath[path] = p
	s.Packages = append(s.Packages, p)
	return nil
}
