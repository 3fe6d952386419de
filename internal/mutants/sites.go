package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
)

// mutant is one change to one file.
type mutant struct {
	file     string // as the compiler is told
	at       place
	what     string
	from, to int // the bytes that are replaced
	text     string
	// function is where the function stands that is changed; zero when none is,
	// or nobody knows.
	function struct{ from, to place }
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
	return append(append(append([]byte{}, src[:m.from]...), m.text...), src[m.to:]...), nil
}

// swaps are the operators that stand for each other.
var swaps = map[token.Token][]token.Token{
	token.LSS: {token.LEQ, token.GEQ}, token.LEQ: {token.LSS, token.GTR},
	token.GTR: {token.GEQ, token.LEQ}, token.GEQ: {token.GTR, token.LSS},
	token.EQL: {token.NEQ}, token.NEQ: {token.EQL},
	token.LAND: {token.LOR}, token.LOR: {token.LAND},
	token.ADD: {token.SUB}, token.SUB: {token.ADD},
}

// sites lists every change of one token that can be made to a file: a comparison
// or a connective for another, plus for minus, a constant for the next, min for
// max, true for false, break for continue, a condition for its opposite.
func sites(file string) ([]mutant, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("find mutants: %w", err)
	}
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, file, src, 0)
	if err != nil {
		return nil, fmt.Errorf("find mutants: %w", err)
	}
	var all []mutant
	change := func(pos token.Pos, what, old, text string) {
		p := fset.Position(pos)
		m := mutant{file: file, at: place{p.Line, p.Column}, what: what, from: p.Offset, to: p.Offset + len(old), text: text}
		for _, d := range tree.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Pos() <= pos && pos < f.End() {
				from, to := fset.Position(f.Pos()), fset.Position(f.End())
				m.function.from, m.function.to = place{from.Line, from.Column}, place{to.Line, to.Column}
			}
		}
		all = append(all, m)
	}
	add := func(pos token.Pos, old, text string) { change(pos, fmt.Sprintf("%s for %s", text, old), old, text) }
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec, *ast.ArrayType:
			return false
		case *ast.GenDecl:
			return n.Tok != token.CONST // what is declared is counted where it is used
		case *ast.BinaryExpr:
			if isText(n.X) || isText(n.Y) {
				break // + joins strings
			}
			for _, other := range swaps[n.Op] {
				add(n.OpPos, n.Op.String(), other.String())
			}
		case *ast.UnaryExpr:
			if n.Op == token.NOT {
				of := src[fset.Position(n.X.Pos()).Offset:fset.Position(n.X.End()).Offset]
				change(n.OpPos, "no ! before "+strings.Join(strings.Fields(string(of)), " "), "!", "")
			}
		case *ast.BasicLit:
			if v, err := strconv.ParseInt(n.Value, 10, 32); n.Kind == token.INT && err == nil {
				add(n.Pos(), n.Value, strconv.FormatInt(v+1, 10))
			}
		case *ast.BranchStmt:
			if n.Label == nil && (n.Tok == token.BREAK || n.Tok == token.CONTINUE) {
				other := token.BREAK
				if n.Tok == token.BREAK {
					other = token.CONTINUE
				}
				add(n.Pos(), n.Tok.String(), other.String())
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "min" || f.Name == "max") {
				other := "min"
				if f.Name == "min" {
					other = "max"
				}
				add(f.Pos(), f.Name, other)
			}
		case *ast.Ident:
			if n.Name == "true" || n.Name == "false" {
				other := "true"
				if n.Name == "true" {
					other = "false"
				}
				add(n.Pos(), n.Name, other)
			}
		}
		return true
	})
	return all, nil
}

func isText(e ast.Expr) bool {
	lit, ok := e.(*ast.BasicLit)
	return ok && lit.Kind == token.STRING
}
