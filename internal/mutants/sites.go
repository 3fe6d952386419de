package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"slices"
	"strconv"
	"strings"
)

// mutant is one change to one file.
type mutant struct {
	pkg  string // import path; "" when nobody knows
	file string // as the compiler is told
	at   place
	what string
	edit // the change
	// either is an edit after which the file has both, the change and what was
	// there, and chooses by its number (see switchboard); empty when nobody knows.
	either edit
}

// edit replaces bytes of a file.
type edit struct {
	from, to int
	text     string
}

func (m *mutant) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", m.file, m.at.line, m.at.column, m.what)
}

// apply is the file with the change.
func (m *mutant) apply() ([]byte, error) {
	src, err := os.ReadFile(m.file)
	if err != nil {
		return nil, fmt.Errorf("mutate: %w", err)
	}
	return slices.Concat(src[:m.from], []byte(m.text), src[m.to:]), nil
}

// swaps are the operators that stand for each other.
var swaps = map[token.Token][]token.Token{
	token.LSS: {token.LEQ, token.GEQ}, token.LEQ: {token.LSS, token.GTR},
	token.GTR: {token.GEQ, token.LEQ}, token.GEQ: {token.GTR, token.LSS},
	token.EQL: {token.NEQ}, token.NEQ: {token.EQL},
	token.LAND: {token.LOR}, token.LOR: {token.LAND},
	token.ADD: {token.SUB}, token.SUB: {token.ADD},
}

// source is one package's files, with the types of what is in them.
type source struct {
	fset  *token.FileSet
	files []*ast.File
	names []string // of the files
	info  *types.Info
	pkg   *types.Package
}

// parse reads the files of a package. importer finds what they import.
func parse(path string, names []string, importer types.Importer) (*source, error) {
	s := &source{fset: token.NewFileSet(), names: names, info: &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}}
	for _, name := range names {
		f, err := parser.ParseFile(s.fset, name, nil, 0)
		if err != nil {
			return nil, fmt.Errorf("find mutants: %w", err)
		}
		s.files = append(s.files, f)
	}
	var err error
	if s.pkg, err = (&types.Config{Importer: importer}).Check(path, s.fset, s.files, s.info); err != nil {
		return nil, fmt.Errorf("find mutants: %w", err)
	}
	return s, nil
}

// sites lists every change of one token that can be made to file i: a comparison
// or a connective for another, plus for minus, a constant for the next, min for
// max, true for false, break for continue, a condition for its opposite.
func (s *source) sites(i int) ([]mutant, error) {
	file, tree := s.names[i], s.files[i]
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("find mutants: %w", err)
	}
	offset := func(pos token.Pos) int { return s.fset.Position(pos).Offset }
	text := func(n ast.Node) string { return string(src[offset(n.Pos()):offset(n.End())]) }
	var all []mutant
	// add adds the change of old at pos to new. With the text either in its place
	// all of n is what the switchboard says.
	add := func(pos token.Pos, what, old, new string, n ast.Node, either string) {
		p := s.fset.Position(pos)
		m := mutant{pkg: s.pkg.Path(), file: file, at: place{p.Line, p.Column}, what: what, edit: edit{p.Offset, p.Offset + len(old), new}}
		if either != "" {
			m.either = edit{offset(n.Pos()), offset(n.End()), either}
		}
		all = append(all, m)
	}
	signed := map[ast.Expr]ast.Expr{} // of numbers behind a minus: both together have a type
	instead := func(old, new string) string { return new + " for " + old }
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec, *ast.ArrayType:
			return false
		case *ast.GenDecl:
			return n.Tok != token.CONST // what is declared is counted where it is used
		case *ast.BinaryExpr:
			if s.isText(n.X) {
				break // + joins strings
			}
			x, y, op := text(n.X), text(n.Y), n.Op.String()
			for _, other := range swaps[n.Op] {
				either := fmt.Sprintf("(mutantIs(#) && (%s %s %s) || !mutantIs(#) && (%s %s %s))", x, other, y, x, op, y)
				switch n.Op {
				case token.ADD:
					either = fmt.Sprintf("mutantAdd(#, %s, %s)", x, y)
				case token.SUB:
					either = fmt.Sprintf("mutantSub(#, %s, %s)", x, y)
				}
				add(n.OpPos, instead(op, other.String()), op, other.String(), n, either)
			}
		case *ast.UnaryExpr:
			if n.Op == token.SUB {
				signed[n.X] = n
			}
			if n.Op == token.NOT {
				add(n.OpPos, "no ! before "+strings.Join(strings.Fields(text(n.X)), " "), "!", "", n, fmt.Sprintf("((%s) == mutantIs(#))", text(n.X)))
			}
		case *ast.BasicLit:
			if v, err := strconv.ParseInt(n.Value, 10, 32); n.Kind == token.INT && err == nil {
				next := strconv.FormatInt(v+1, 10)
				var typed ast.Expr = n
				if both := signed[n]; both != nil {
					typed = both
				}
				add(n.Pos(), instead(n.Value, next), n.Value, next, n, fmt.Sprintf("mutantInt[%s](#, %s)", s.typeOf(typed), n.Value))
			}
		case *ast.BranchStmt:
			if n.Label == nil && (n.Tok == token.BREAK || n.Tok == token.CONTINUE) {
				other := token.BREAK
				if n.Tok == token.BREAK {
					other = token.CONTINUE
				}
				add(n.Pos(), instead(n.Tok.String(), other.String()), n.Tok.String(), other.String(), n, fmt.Sprintf("if mutantIs(#) { %s } else { %s }", other, n.Tok))
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "min" || f.Name == "max") {
				other, either := "min", "mutantMax(#, "
				if f.Name == "min" {
					other, either = "max", "mutantMin(#, "
				}
				add(f.Pos(), instead(f.Name, other), f.Name, other, n, either+string(src[offset(n.Lparen)+1:offset(n.End())]))
			}
		case *ast.Ident:
			if n.Name == "true" || n.Name == "false" {
				other, either := "true", "mutantIs(#)"
				if n.Name == "true" {
					other, either = "false", "!mutantIs(#)"
				}
				add(n.Pos(), instead(n.Name, other), n.Name, other, n, either)
			}
		}
		return true
	})
	return all, nil
}

// isText reports whether an expression is a string.
func (s *source) isText(e ast.Expr) bool {
	basic, ok := s.info.TypeOf(e).Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsString != 0
}

// typeOf is the type of a number, as the package's own files write it.
func (s *source) typeOf(e ast.Expr) string {
	return types.TypeString(types.Default(s.info.TypeOf(e)), func(p *types.Package) string {
		if p == s.pkg {
			return ""
		}
		return p.Name()
	})
}
