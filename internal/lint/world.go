package lint

import (
	"fmt"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// World is what is of the simulated world: the functions that the scheduler's
// tasks reach, and the trees whose answers must be the same each time.
type World struct {
	p      *program
	tables *Tables

	// tasks: what the scheduler reaches is being read. After that come functions
	// of the trees that no task reaches: they are called from outside, and what
	// their callers hand to them is the callers' own.
	tasks    bool
	initial  bool // the initial value of a variable is being read
	reached  map[*ssa.Function]arrival
	queue    []*ssa.Function
	packages map[*types.Package]bool // whose init functions were reached
	globals  map[*ssa.Global]bool
	stores   map[*ssa.Package]map[*ssa.Global][]*ssa.Store // in initialisers
	anyOrder map[string]map[int]bool

	findings []Finding
	reported map[string]bool
	excused  map[int]bool    // rows of Tables.May that were needed
	cut      map[int]bool    // rows of Tables.Elsewhere that were needed
	left     map[int]bool    // rows of Tables.Outside that were needed
	used     map[string]bool // packages of Tables.Allowed that were needed
}

// arrival is how a function was reached first.
type arrival struct {
	from *ssa.Function // nil: a root
	pos  token.Pos     // where it is mentioned or called
}

// Finding is a broken rule.
type Finding struct {
	File string
	Line int
	Rule string
	Text string
	Path string // how the world gets there: the function, what mentions or calls it, and so on
}

func (f Finding) String() string {
	s := fmt.Sprintf("%s:%d: %s: %s", f.File, f.Line, f.Rule, f.Text)
	if f.Path != "" {
		s += "\n\tin " + f.Path
	}
	return s
}

func explore(p *program, t *Tables) *World {
	w := &World{
		p: p, tables: t,
		reached: map[*ssa.Function]arrival{}, packages: map[*types.Package]bool{}, globals: map[*ssa.Global]bool{},
		stores: map[*ssa.Package]map[*ssa.Global][]*ssa.Store{}, anyOrder: map[string]map[int]bool{},
		reported: map[string]bool{}, excused: map[int]bool{}, cut: map[int]bool{}, left: map[int]bool{}, used: map[string]bool{},
	}
	for _, pkg := range p.list {
		if !pkg.Own {
			continue
		}
		w.comments(pkg)
		if t.tree(pkg.Name()) != "" {
			w.blankImports(pkg)
		}
	}
	// First what the scheduler and its tasks reach, then the rest of the trees.
	for _, w.tasks = range []bool{true, false} {
		for _, pkg := range p.list {
			for _, fn := range p.declared(pkg) {
				if pkg.Own && t.root(fn) && (!w.tasks || within(pkg.Name(), t.Scheduler)) && !w.outside(fn) {
					w.reach(fn, nil, fn.Pos())
				}
			}
		}
		for len(w.queue) > 0 {
			fn := w.queue[0]
			w.queue = w.queue[1:]
			w.scan(fn)
		}
	}
	w.unneeded()
	slices.SortFunc(w.findings, func(a, b Finding) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return strings.Compare(a.Rule+a.Text, b.Rule+b.Text)
	})
	return w
}

// outside reports whether a function of a tree is none of its roots.
func (w *World) outside(fn *ssa.Function) bool {
	for i, row := range w.tables.Outside {
		if row.covers(fn) {
			w.left[i] = true
			return true
		}
	}
	return false
}

// reach adds a function to the world.
func (w *World) reach(fn *ssa.Function, from *ssa.Function, pos token.Pos) {
	if _, ok := w.reached[fn]; ok {
		return
	}
	w.reached[fn] = arrival{from, pos}
	w.queue = append(w.queue, fn)
	if t := typesPackageOf(fn); t != nil && !w.packages[t] && w.p.packages[t] != nil && !w.p.packages[t].Own {
		w.packages[t] = true
		for name, m := range w.p.ssa.Package(t).Members { // any order: what is reached is a set, findings are sorted
			if init, ok := m.(*ssa.Function); ok && strings.HasPrefix(name, "init#") && !w.outside(init) {
				w.reach(init, fn, init.Pos())
			}
		}
	}
}

// scan reads a function of the world.
func (w *World) scan(fn *ssa.Function) {
	for _, b := range fn.Blocks {
		for _, instr := range b.Instrs {
			w.instruction(fn, instr)
		}
	}
}

func (w *World) instruction(fn *ssa.Function, instr ssa.Instruction) {
	w.rules(fn, instr)
	var operands [12]*ssa.Value
	for _, op := range instr.Operands(operands[:0]) {
		switch v := (*op).(type) {
		case *ssa.Function:
			if w.initial && !standard(packageOf(v)) && !calls(instr, v) {
				continue // a table of functions: those that are called come by the calls
			}
			w.mention(fn, instr, v, nil)
		case *ssa.Global:
			w.global(fn, instr, v)
		}
	}
	site, ok := instr.(ssa.CallInstruction)
	if !ok {
		return
	}
	for _, c := range w.p.flow.calls[site] {
		w.mention(fn, instr, c.fn, site)
	}
	if !w.tasks {
		return
	}
	for _, made := range w.p.flow.stdResult[site] {
		if m := site.Common().Method; m != nil && m.Name() == "Error" {
			continue // the text of an error
		}
		if unordered(made) && !w.orderDoesNotMatter(fn, instr) {
			w.report(fn, instr, "map", "map", "what maps.%s has made is in no order", nameOf(made))
		}
		if !w.allows(packageOf(made), nameOf(made)) {
			w.report(fn, instr, "use", packageOf(made)+"."+nameOf(made), "calls what %s.%s has made, which is not on the list", packageOf(made), nameOf(made))
		}
	}
}

// calls reports whether an instruction calls a function by its name.
func calls(instr ssa.Instruction, fn *ssa.Function) bool {
	c, ok := instr.(ssa.CallInstruction)
	return ok && c.Common().StaticCallee() == fn
}

// mention is what fn names or, where dynamic is not nil, calls without naming it.
func (w *World) mention(fn *ssa.Function, instr ssa.Instruction, to *ssa.Function, dynamic ssa.CallInstruction) {
	pkg, name := packageOf(to), nameOf(to)
	if to.Name() == "init" && to.Synthetic != "" {
		return // an initialiser calls those of its imports
	}
	if dynamic != nil && !w.tasks && w.tables.tree(relative(pkg)) == "" {
		return
	}
	if dynamic != nil {
		if row := w.tables.elsewhere(to); row >= 0 {
			w.cut[row] = true
			return
		}
	}
	how := ""
	if dynamic != nil {
		how = " (through " + w.through(dynamic, to) + ")"
	}
	foreign := pkg != "" && !strings.HasPrefix(pkg, Module) && (pkg != packageOf(fn) || wraps(fn))
	if foreign && !w.allows(pkg, name) && !wraps(to) {
		w.report(fn, instr, "use", pkg+"."+name, "%s.%s is not on the list of what the world may use%s", pkg, name, how)
		return
	}
	if row := w.tables.elsewhere(to); row >= 0 && w.tables.elsewhere(fn) < 0 {
		w.cut[row] = true
		w.report(fn, instr, "use", relative(pkg)+"."+name, "%s.%s is on the other side of a seam: call it through the seam", relative(pkg), name)
		return
	}
	if bodyless(to) {
		if !standard(pkg) {
			w.report(fn, instr, "body", relative(pkg)+"."+name, "%s.%s has no body that could be read: it is linked from elsewhere or written in assembly", relative(pkg), name)
		}
		return
	}
	pos := instr.Pos()
	if !pos.IsValid() || fn.Synthetic != "" && w.reached[fn].from != nil {
		pos = w.position(fn, instr)
	}
	w.reach(to, fn, pos)
}

func (w *World) allows(pkg, name string) bool {
	if !w.tables.allows(pkg, name) {
		return false
	}
	w.used[pkg] = true
	return true
}

// wraps reports whether a function only calls a method of another package that
// is seen when it is read: bound methods, thunks, promoted methods.
func wraps(fn *ssa.Function) bool {
	return fn.Synthetic != "" && fn.Blocks != nil && fn.Origin() == nil && fn.Object() != nil
}

func (w *World) through(site ssa.CallInstruction, to *ssa.Function) string {
	c := site.Common()
	for _, called := range w.p.flow.calls[site] {
		if called.fn == to && called.back {
			if s := c.StaticCallee(); s != nil {
				return packageOf(s) + "." + nameOf(s)
			}
			return "a callback"
		}
	}
	if c.IsInvoke() {
		return types.TypeString(c.Value.Type(), (*types.Package).Name) + "." + c.Method.Name()
	}
	return "a function value"
}

// global is a package's variable that fn names.
func (w *World) global(fn *ssa.Function, instr ssa.Instruction, g *ssa.Global) {
	pkg := g.Pkg.Pkg
	if standard(pkg.Path()) {
		if !w.allows(pkg.Path(), g.Name()) {
			w.report(fn, instr, "use", pkg.Path()+"."+g.Name(), "%s.%s is not on the list of what the world may use", pkg.Path(), g.Name())
		}
		return
	}
	if w.globals[g] || strings.HasPrefix(g.Name(), "init$") {
		return
	}
	w.globals[g] = true
	init := g.Pkg.Func("init")
	if _, ok := w.reached[init]; ok || init == nil {
		return
	}
	// Its initial value was made before the world began, but the world sees it.
	w.reachedBy(init, fn, w.position(fn, instr))
	w.initial = true
	defer func() { w.initial = false }()
	seen := map[ssa.Instruction]bool{}
	var value func(v ssa.Value)
	all := func(i ssa.Instruction) {
		if seen[i] {
			return
		}
		seen[i] = true
		w.instruction(init, i)
		var operands [12]*ssa.Value
		for _, op := range i.Operands(operands[:0]) {
			value(*op)
		}
	}
	value = func(v ssa.Value) {
		i, ok := v.(ssa.Instruction)
		if !ok {
			return
		}
		all(i)
		if a, ok := v.(*ssa.Alloc); ok { // what is stored in a composite
			for _, r := range *a.Referrers() {
				all(r)
				if addr, ok := r.(ssa.Value); ok && addr.Referrers() != nil {
					for _, s := range *addr.Referrers() {
						if _, ok := s.(*ssa.Store); ok {
							all(s)
						}
					}
				}
			}
		}
	}
	for _, s := range w.initialStores(g) {
		all(s)
	}
	delete(w.reached, init)
}

// reachedBy notes how a function came in view without having all of it read.
func (w *World) reachedBy(fn, from *ssa.Function, pos token.Pos) {
	w.reached[fn] = arrival{from, pos}
}

// initialStores are the stores of a package's initialiser into a variable.
func (w *World) initialStores(g *ssa.Global) []*ssa.Store {
	stores, ok := w.stores[g.Pkg]
	if !ok {
		stores = map[*ssa.Global][]*ssa.Store{}
		for _, b := range g.Pkg.Func("init").Blocks {
			for _, i := range b.Instrs {
				s, ok := i.(*ssa.Store)
				if !ok {
					continue
				}
				addr := s.Addr
				for {
					if f, ok := addr.(*ssa.FieldAddr); ok {
						addr = f.X
					} else if x, ok := addr.(*ssa.IndexAddr); ok {
						addr = x.X
					} else {
						break
					}
				}
				if to, ok := addr.(*ssa.Global); ok {
					stores[to] = append(stores[to], s)
				}
			}
		}
		w.stores[g.Pkg] = stores
	}
	return stores[g]
}

// position is where an instruction stands; for what the compiler made, where it
// is used.
func (w *World) position(fn *ssa.Function, instr ssa.Instruction) token.Pos {
	for range 8 { // a wrapper of a wrapper, at most
		if fn.Synthetic == "" || fn.Origin() != nil || w.reached[fn].from == nil || fn.Name() == "init" {
			break
		}
		a := w.reached[fn]
		if a.pos.IsValid() {
			return a.pos
		}
		fn = a.from
		instr = nil
	}
	if instr != nil {
		if instr.Pos().IsValid() {
			return instr.Pos()
		}
		var operands [12]*ssa.Value
		for _, op := range instr.Operands(operands[:0]) {
			if c, ok := (*op).(*ssa.MakeClosure); ok {
				return c.Fn.Pos() // the body of a loop over a function
			}
			if f, ok := (*op).(*ssa.Function); ok && f.Parent() == fn {
				return f.Pos()
			}
			if i, ok := (*op).(ssa.Instruction); ok && i.Pos().IsValid() {
				return i.Pos()
			}
		}
		for _, i := range instr.Block().Instrs { // the nearest that has one
			if i.Pos().IsValid() {
				return i.Pos()
			}
		}
	}
	return fn.Pos()
}

func (w *World) report(fn *ssa.Function, instr ssa.Instruction, rule, what, format string, args ...any) {
	for i, m := range w.tables.May {
		if m.covers(fn, what) || m.covers(fn, rule) {
			w.excused[i] = true
			return
		}
	}
	pos := w.p.src.Fset.Position(w.position(fn, instr))
	f := Finding{File: pos.Filename, Line: pos.Line, Rule: rule, Text: fmt.Sprintf(format, args...), Path: w.path(fn)}
	key := fmt.Sprint(f.File, f.Line, f.Rule, f.Text)
	if !w.reported[key] {
		w.reported[key] = true
		w.findings = append(w.findings, f)
	}
}

// path says how the world gets to a function.
func (w *World) path(fn *ssa.Function) string {
	var steps []string
	seen := map[*ssa.Function]bool{}
	for fn != nil && !seen[fn] {
		seen[fn] = true
		step := relative(packageOf(fn)) + "." + nameOf(fn)
		if len(steps) == 0 || steps[len(steps)-1] != step {
			steps = append(steps, step)
		}
		fn = w.reached[fn].from
	}
	if len(steps) > 9 {
		steps = append(append(steps[:5:5], "..."), steps[len(steps)-3:]...)
	}
	return strings.Join(steps, " < ")
}

// unneeded reports the rows that nothing needs any more.
func (w *World) unneeded() {
	for _, a := range w.tables.Allowed {
		if !w.used[a.Package] {
			w.findings = append(w.findings, Finding{File: a.Package, Rule: "table", Text: "allowed, but nothing in the world uses it: remove it"})
		}
	}
	for i, m := range w.tables.May {
		if !w.excused[i] {
			w.findings = append(w.findings, Finding{File: m.Where, Rule: "table", Text: m.What + ": permission that nothing needs: remove it"})
		}
	}
	for i, e := range w.tables.Elsewhere {
		if !w.cut[i] {
			w.findings = append(w.findings, Finding{File: e.Where, Rule: "table", Text: "on the other side of a seam, but the world does not come near it: remove it"})
		}
	}
	for i, o := range w.tables.Outside {
		if !w.left[i] {
			w.findings = append(w.findings, Finding{File: o.Where, Rule: "table", Text: "outside the world, but not there: has it moved?"})
		}
	}
}

func (f Finding) place() string { return fmt.Sprintf("%s:%d", f.File, f.Line) }

// handed counts the functions outside the trees that the scheduler calls.
func (w *World) handed() (n int) {
	for fn, a := range w.reached { // any order: they are counted
		if a.from != nil && relative(packageOf(a.from)) == w.tables.Scheduler && w.tables.tree(relative(packageOf(fn))) == "" {
			n++
		}
	}
	return n
}
