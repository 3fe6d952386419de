package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"slices"
	"strconv"
	"strings"
)

// world are the trees whose code runs inside the simulation, or whose answers
// must be the same each time.
var world = []string{"engine", "workloads", "harness/splitbrain", "faults/disk", "faults/network", "faults/sim", "checker"}

// exceptions let a file or a tree break a rule. Each must be needed: one that
// nothing uses any more is itself a finding.
var exceptions = []exception{
	{"engine/listen", "os net sync go channel time runtime floors", "the engine on real sockets: outside the simulated world, joined to it through osenv"},
	{"checker/contract/file.go", "os", "reads the user's contract, before any world begins"},
	{"harness/splitbrain/backend.go", "context", "starts experiments from outside their world, and may call them off"},
	{"harness/splitbrain/save.go", "os", "saves and loads experiments, after their world has ended"},
	{"checker/history", "os", "saves and loads histories, after the world has ended"},
	{"checker/linear/limits.go", "context runtime sync", "the general judge searches on all CPUs within a time limit; running out of it is the verdict unknown, the other verdicts do not depend on it"},
	{"checker/linear/porcupine.go", "context sync", "porcupine as a witness, within the same limits"},
	{"faults/sim/coroutine.go", "iter recover", "runs the tasks: makes their coroutines, and recovers to report a task's panic or to end its unwinding"},
}

type exception struct {
	where string // file or tree
	rules string // space-separated
	why   string
}

// bannedImports are packages of which nothing may be used.
var bannedImports = map[string]struct{ rule, why string }{
	"os/exec":      {"os", "the simulated world starts no processes"},
	"os/signal":    {"os", "the simulated world gets no signals"},
	"os/user":      {"os", "the simulated world has no users"},
	"io/ioutil":    {"os", "the disk is vfs.FS"},
	"net":          {"net", "the network is env.Listen and env.Dial"},
	"net/http":     {"net", "the network is env.Listen and env.Dial"},
	"log":          {"log", "it stamps wall time; logs go through the function a server is given"},
	"log/slog":     {"log", "it stamps wall time; logs go through the function a server is given"},
	"sync":         {"sync", "one task runs at a time; a lock held across a seam stops the world"},
	"sync/atomic":  {"sync", "one task runs at a time"},
	"context":      {"context", "its timers run on the wall clock; use deadlines of the seams"},
	"crypto/rand":  {"random", "draw from env.Env.Uint64"},
	"hash/maphash": {"random", "its seed differs in each run"},
	"unique":       {"runtime", "depends on the garbage collector"},
	"weak":         {"runtime", "depends on the garbage collector"},
	"runtime":      {"runtime", "what it tells differs in each run, and Goexit kills the scheduler"},
	"reflect":      {"reflect", "its map iteration is in no order"},
}

// bannedFuncs are functions and variables of packages of which other things,
// such as types and constants, are fine.
var bannedFuncs = map[string]struct {
	names     []string // all but these when allBut
	allBut    bool
	rule, why string
}{
	"os":            {[]string{"ErrNotExist", "ErrExist", "ErrPermission", "ErrInvalid", "ErrClosed"}, true, "os", "the disk is vfs.FS, the rest of the machine is out of reach"},
	"time":          {[]string{"Now", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Since", "Until", "Local", "LoadLocation"}, false, "time", "time is env.Env's: Now, Wall, Sleep, WaitFor"},
	"math/rand":     {[]string{"New", "NewSource", "NewZipf"}, true, "random", "the global generator is not seeded; draw from env.Env.Uint64 or a seeded generator"},
	"math/rand/v2":  {[]string{"New", "NewPCG", "NewChaCha8", "NewZipf"}, true, "random", "the global generator is not seeded; draw from env.Env.Uint64 or a seeded generator"},
	"iter":          {[]string{"Pull", "Pull2"}, false, "iter", "makes a coroutine, which only the scheduler may"},
	"runtime/debug": {[]string{"Stack", "PrintStack"}, true, "runtime", "what it tells or sets differs in each run"},
}

// anyOrder is the comment that lets a loop go over a map.
const anyOrder = "any order: "

// check is one package being read.
type check struct {
	pkg      *Package
	findings []Finding
	anyOrder map[string]map[int]bool // file, line
}

// Finding is a broken rule.
type Finding struct {
	File string // as the loader was told
	Line int
	Rule string
	Text string
}

func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", f.File, f.Line, f.Rule, f.Text)
}

func (c *check) report(pos token.Pos, rule, format string, args ...any) {
	p := c.pkg.Fset.Position(pos)
	c.findings = append(c.findings, Finding{p.Filename, p.Line, rule, fmt.Sprintf(format, args...)})
}

// Check reads one package and returns what breaks a rule, exceptions not yet applied.
func Check(p *Package) []Finding {
	c := &check{pkg: p, anyOrder: map[string]map[int]bool{}}
	c.imports()
	if slices.ContainsFunc(world, func(tree string) bool { return within(p.Path, tree) }) {
		for _, f := range p.Files {
			c.file(f)
		}
	}
	slices.SortFunc(c.findings, func(a, b Finding) int {
		if a.File != b.File {
			return strings.Compare(a.File, b.File)
		}
		return a.Line - b.Line
	})
	return c.findings
}

// Excuse drops the findings that an exception covers and adds one for each
// exception and rule that covers nothing.
func Excuse(root string, findings []Finding, exceptions []exception) []Finding {
	used := map[string]bool{}
	var left []Finding
	for _, f := range findings {
		rel := strings.TrimPrefix(strings.TrimPrefix(f.File, root), "/")
		excused := false
		for _, e := range exceptions {
			if within(rel, e.where) && slices.Contains(strings.Fields(e.rules), f.Rule) {
				used[e.where+" "+f.Rule] = true
				excused = true
			}
		}
		if !excused {
			left = append(left, f)
		}
	}
	for _, e := range exceptions {
		for _, rule := range strings.Fields(e.rules) {
			if !used[e.where+" "+rule] {
				left = append(left, Finding{e.where, 0, rule, "exception that nothing needs: remove it"})
			}
		}
	}
	return left
}

func (c *check) file(f *ast.File) {
	lines := map[int]bool{}
	for _, group := range f.Comments {
		for _, comment := range group.List {
			text := strings.TrimSpace(strings.TrimPrefix(comment.Text, "//"))
			if reason, ok := strings.CutPrefix(text, anyOrder); ok && len(strings.TrimSpace(reason)) > 3 {
				line := c.pkg.Fset.Position(comment.Pos()).Line
				lines[line], lines[line+1] = true, true
			}
		}
	}
	c.anyOrder[c.pkg.Fset.Position(f.Pos()).Filename] = lines

	for _, spec := range f.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		if ban, ok := bannedImports[imported]; ok {
			c.report(spec.Pos(), ban.rule, "import of %s: %s", imported, ban.why)
		}
	}
	var stack []ast.Node
	ast.Inspect(f, func(n ast.Node) bool {
		if n == nil {
			stack = stack[:len(stack)-1]
			return true
		}
		c.node(n, stack)
		stack = append(stack, n)
		return true
	})
}

// node checks one node of the syntax tree; above are those that enclose it, outermost first.
func (c *check) node(n ast.Node, above []ast.Node) {
	switch n := n.(type) {
	case *ast.GoStmt:
		c.report(n.Pos(), "go", "go statement: start tasks with env.Env.Go or Fork")
	case *ast.SelectStmt:
		c.report(n.Pos(), "channel", "select: wait on an env.Cond")
	case *ast.SendStmt:
		c.report(n.Pos(), "channel", "send on a channel: use memory and an env.Cond")
	case *ast.ChanType:
		c.report(n.Pos(), "channel", "channel: use memory and an env.Cond")
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			c.report(n.Pos(), "channel", "receive from a channel: wait on an env.Cond")
		}
	case *ast.RangeStmt:
		switch c.pkg.Info.TypeOf(n.X).Underlying().(type) {
		case *types.Map:
			if !c.orderDoesNotMatter(n.Pos()) {
				c.report(n.Pos(), "map", "loop over a map: sort the keys, or say why it does not matter: // %s<why>", anyOrder)
			}
		case *types.Chan:
			c.report(n.Pos(), "channel", "loop over a channel: wait on an env.Cond")
		}
	case *ast.CallExpr:
		c.call(n, above)
	case *ast.Ident:
		c.ident(n)
	}
}

func (c *check) orderDoesNotMatter(pos token.Pos) bool {
	p := c.pkg.Fset.Position(pos)
	return c.anyOrder[p.Filename][p.Line]
}

// ident checks the use of a function or variable of another package.
func (c *check) ident(id *ast.Ident) {
	obj := c.pkg.Info.Uses[id]
	if obj == nil || obj.Pkg() == nil {
		return
	}
	from := obj.Pkg().Path()
	switch obj := obj.(type) {
	case *types.Func:
		if obj.Signature().Recv() != nil {
			if from == "time" && obj.Name() == "Local" {
				c.report(id.Pos(), "time", "Time.Local depends on the machine's time zone: use UTC")
			}
			return
		}
	case *types.Var:
		if obj.IsField() {
			return
		}
	default:
		return
	}
	if ban, ok := bannedFuncs[from]; ok && slices.Contains(ban.names, obj.Name()) != ban.allBut {
		c.report(id.Pos(), ban.rule, "%s.%s: %s", path.Base(from), obj.Name(), ban.why)
	}
	if _, isFunc := obj.(*types.Func); isFunc && from == "syscall" {
		c.report(id.Pos(), "os", "syscall.%s: only error numbers are allowed", obj.Name())
	}
}

// call checks what is called: recover, and the iterators over maps.
func (c *check) call(call *ast.CallExpr, above []ast.Node) {
	switch f := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		if b, ok := c.pkg.Info.Uses[f].(*types.Builtin); ok && b.Name() == "recover" && !repanics(above) {
			c.report(call.Pos(), "recover", "recover without a panic in the same function: it would keep a killed task alive")
		}
	case *ast.SelectorExpr:
		obj, ok := c.pkg.Info.Uses[f.Sel].(*types.Func)
		if !ok || obj.Pkg() == nil || obj.Pkg().Path() != "maps" {
			return
		}
		switch obj.Name() {
		case "Keys", "Values", "All":
			if !sortedAtOnce(c.pkg.Info, above) && !c.orderDoesNotMatter(call.Pos()) {
				c.report(call.Pos(), "map", "maps.%s: wrap it in slices.Sorted, or say why the order does not matter: // %s<why>", obj.Name(), anyOrder)
			}
		}
	}
}

// repanics reports whether the innermost function around a node calls panic.
func repanics(above []ast.Node) bool {
	for _, n := range slices.Backward(above) {
		var body *ast.BlockStmt
		switch f := n.(type) {
		case *ast.FuncLit:
			body = f.Body
		case *ast.FuncDecl:
			body = f.Body
		default:
			continue
		}
		found := false
		ast.Inspect(body, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "panic" {
					found = true
				}
			}
			return true
		})
		return found
	}
	return false
}

// sortedAtOnce reports whether the call directly around is one of slices.Sorted, SortedFunc, SortedStableFunc.
func sortedAtOnce(info *types.Info, above []ast.Node) bool {
	if len(above) == 0 {
		return false
	}
	outer, ok := above[len(above)-1].(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := ast.Unparen(outer.Fun).(*ast.SelectorExpr)
	if !ok {
		return false
	}
	obj := info.Uses[sel.Sel]
	return obj != nil && obj.Pkg() != nil && obj.Pkg().Path() == "slices" && strings.HasPrefix(obj.Name(), "Sorted")
}
