package lint

import (
	"go/types"

	"golang.org/x/tools/container/intsets"
	"golang.org/x/tools/go/ssa"
	"golang.org/x/tools/go/types/typeutil"
)

// flow follows functions and the types of interface values through the whole
// program, to know what each dynamic call can call. It is a points-to analysis
// of code alone, in Andersen's manner, without regard to contexts or order:
//
//   - a leaf is a value of function or interface type; it has a set of objects
//     (functions, concrete types) that flow into it;
//   - a container is a value through which leaves can be reached without passing
//     a field of a struct that was read (a pointer, slice, map or channel, or a
//     struct of the standard library); containers that may be one another share
//     one set, for all that is in them at any depth;
//   - a field of a struct is one variable, whichever struct value it is in.
//
// The standard library has no bodies. What is given to one of its functions may
// be called by it then and there, may come out of it, and may be kept in what
// else it was given (see pot).
//
// golang.org/x/tools/go/callgraph/vta does not serve here: it says what bodies
// call, not what reaches a function that has none, such as a comparison given to
// sort.Slice or a reader given to bufio.
type flow struct {
	prog  *ssa.Program
	read  map[*types.Package]bool // whose source is known
	kinds typeutil.Map            // kind by type

	objects  []object
	objectOf map[any]int // by *ssa.Function, outcome, or canonical type
	types    typeutil.Map

	parent  []node
	sets    []*intsets.Sparse
	news    []*intsets.Sparse // of sets, what has not been passed on
	edges   [][]edge
	watches [][]func(object)
	queued  []bool
	queue   []node

	values  map[ssa.Value]node
	results map[resultOf]node
	fields  map[*types.Var]node
	panics  node

	built   map[*ssa.Function]bool
	pending []*ssa.Function

	// calls are what each call can call besides its static callee: methods,
	// functions, and what a function of the standard library calls back.
	calls     map[ssa.CallInstruction][]called
	called    map[calledKey]bool
	stdResult map[ssa.CallInstruction][]*ssa.Function
}

// called is one callee of a dynamic call.
type called struct {
	fn  *ssa.Function
	via *types.Interface // the interface that it was called through; nil for a function value
	// back: called by the function of the standard library that is called there.
	back bool
}

type calledKey struct {
	site ssa.CallInstruction
	fn   *ssa.Function
}

// object is what flows: a function, a concrete type in an interface, or
// whatever a function of the standard library has made.
type object struct {
	fn  *ssa.Function
	typ types.Type
	std *ssa.Function
	as  types.Type // of what std has made, as it says
}

type outcome struct {
	of *ssa.Function
	i  int
}

type (
	node     int
	resultOf struct {
		of any // *ssa.Function or ssa.Value
		i  int
	}
	edge struct {
		to     node
		filter types.Type // nil: everything
	}
	kind uint8
)

const (
	nothing kind = iota
	leaf
	container
)

const none node = -1

func newFlow(prog *ssa.Program, read map[*types.Package]bool) *flow {
	f := &flow{
		prog: prog, read: read, objectOf: map[any]int{}, values: map[ssa.Value]node{}, results: map[resultOf]node{},
		fields: map[*types.Var]node{}, built: map[*ssa.Function]bool{},
		calls: map[ssa.CallInstruction][]called{}, called: map[calledKey]bool{},
		stdResult: map[ssa.CallInstruction][]*ssa.Function{},
	}
	f.panics = f.newNode()
	return f
}

// run reads everything that was added and follows it to the end.
func (f *flow) run() {
	for {
		if n := len(f.pending); n > 0 {
			fn := f.pending[n-1]
			f.pending = f.pending[:n-1]
			f.body(fn)
			continue
		}
		if len(f.queue) == 0 {
			return
		}
		n := f.queue[len(f.queue)-1]
		f.queue = f.queue[:len(f.queue)-1]
		f.queued[n] = false
		f.propagate(n)
	}
}

// add has a function's body read.
func (f *flow) add(fn *ssa.Function) {
	if fn == nil || f.built[fn] {
		return
	}
	f.built[fn] = true
	if fn.Blocks != nil {
		f.pending = append(f.pending, fn)
	}
}

// kind of a type; see flow.
func (f *flow) kind(t types.Type) kind {
	if k := f.kinds.At(t); k != nil {
		return k.(kind)
	}
	f.kinds.Set(t, nothing) // a recursive type adds nothing of its own
	k := f.kindOf(t)
	f.kinds.Set(t, k)
	return k
}

func (f *flow) kindOf(t types.Type) kind {
	in := func(elems ...types.Type) kind {
		for _, e := range elems {
			if f.kind(e) != nothing {
				return container
			}
		}
		return nothing
	}
	if n, ok := types.Unalias(t).(*types.Named); ok {
		if st, ok := n.Underlying().(*types.Struct); ok {
			if f.read[n.Obj().Pkg()] || n.Obj().Pkg().Path() == "reflect" {
				return nothing // fields are variables; what reflection does is not followed
			}
			for i := range st.NumFields() {
				if in(st.Field(i).Type()) != nothing {
					return container
				}
			}
			return nothing
		}
	}
	switch t := t.Underlying().(type) {
	case *types.Interface, *types.Signature:
		return leaf
	case *types.Pointer:
		return in(t.Elem())
	case *types.Slice:
		return in(t.Elem())
	case *types.Array:
		return in(t.Elem())
	case *types.Chan:
		return in(t.Elem())
	case *types.Map:
		return in(t.Key(), t.Elem())
	}
	return nothing
}

func (f *flow) newNode() node {
	n := node(len(f.parent))
	f.parent = append(f.parent, n)
	f.sets = append(f.sets, nil)
	f.news = append(f.news, nil)
	f.edges = append(f.edges, nil)
	f.watches = append(f.watches, nil)
	f.queued = append(f.queued, false)
	return n
}

func (f *flow) find(n node) node {
	for f.parent[n] != n {
		f.parent[n] = f.parent[f.parent[n]]
		n = f.parent[n]
	}
	return n
}

// unify makes two containers one.
func (f *flow) unify(a, b node) {
	if a == none || b == none {
		return
	}
	a, b = f.find(a), f.find(b)
	if a == b {
		return
	}
	if len(f.edges[a])+len(f.watches[a]) < len(f.edges[b])+len(f.watches[b]) {
		a, b = b, a
	}
	f.parent[b] = a
	// What either has and the other's readers do not know yet: all of it, once more.
	all := &intsets.Sparse{}
	for _, s := range []*intsets.Sparse{f.sets[a], f.sets[b]} {
		if s != nil {
			all.UnionWith(s)
		}
	}
	f.edges[a] = append(f.edges[a], f.edges[b]...)
	f.watches[a] = append(f.watches[a], f.watches[b]...)
	f.edges[b], f.watches[b], f.sets[b], f.news[b] = nil, nil, nil, nil
	if !all.IsEmpty() {
		f.sets[a] = all
		f.news[a] = &intsets.Sparse{}
		f.news[a].Copy(all)
		f.enqueue(a)
	}
}

func (f *flow) enqueue(n node) {
	if !f.queued[n] {
		f.queued[n] = true
		f.queue = append(f.queue, n)
	}
}

// put adds an object to a node.
func (f *flow) put(n node, o int) {
	if n == none {
		return
	}
	n = f.find(n)
	if f.sets[n] == nil {
		f.sets[n], f.news[n] = &intsets.Sparse{}, &intsets.Sparse{}
	}
	if f.sets[n].Insert(o) {
		f.news[n].Insert(o)
		f.enqueue(n)
	}
}

func (f *flow) propagate(n node) {
	n = f.find(n)
	if f.news[n] == nil || f.news[n].IsEmpty() {
		return
	}
	var fresh intsets.Sparse
	fresh.Copy(f.news[n])
	f.news[n].Clear()
	objects := fresh.AppendTo(nil)
	for _, e := range f.edges[n] {
		f.pass(objects, e)
	}
	for _, w := range f.watches[n] { // watches added meanwhile are told by watch
		for _, o := range objects {
			w(f.objects[o])
		}
	}
}

func (f *flow) pass(objects []int, e edge) {
	for _, o := range objects {
		if e.filter == nil || f.fits(f.objects[o], e.filter) {
			f.put(e.to, o)
		}
	}
}

// fits reports whether an object can be in a value of a leaf's type.
func (f *flow) fits(o object, t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Interface:
		if o.typ != nil {
			return types.Implements(o.typ, u)
		}
		if o.std != nil {
			as, ok := o.as.Underlying().(*types.Interface)
			return ok && (types.Implements(as, u) || types.Implements(u, as)) || !ok && types.Implements(o.as, u)
		}
		return u.NumMethods() == 0
	case *types.Signature:
		if o.fn != nil {
			return alike(o.fn.Signature, u)
		}
		as, ok := o.as.(*types.Signature)
		return ok && alike(as, u)
	}
	return true
}

// alike reports whether two functions have the same parameters and results.
func alike(a, b *types.Signature) bool {
	return types.Identical(types.NewSignatureType(nil, nil, nil, a.Params(), a.Results(), a.Variadic()),
		types.NewSignatureType(nil, nil, nil, b.Params(), b.Results(), b.Variadic()))
}

// flows lets what is in a be in b.
func (f *flow) flows(a, b node, filter types.Type) {
	if a == none || b == none {
		return
	}
	a = f.find(a)
	e := edge{b, filter}
	f.edges[a] = append(f.edges[a], e)
	if f.sets[a] != nil {
		f.pass(f.sets[a].AppendTo(nil), e)
	}
}

// assign is flows for leaves and unify for containers.
func (f *flow) assign(from, to node, t types.Type) {
	switch f.kind(t) {
	case leaf:
		f.flows(from, to, nil)
	case container:
		f.unify(from, to)
	}
}

// watch calls do for each object that comes to n.
func (f *flow) watch(n node, do func(object)) {
	if n == none {
		return
	}
	n = f.find(n)
	f.watches[n] = append(f.watches[n], do)
	if f.sets[n] != nil {
		for _, o := range f.sets[n].AppendTo(nil) {
			do(f.objects[o])
		}
	}
}

func (f *flow) function(fn *ssa.Function) int {
	return f.object(fn, object{fn: fn})
}

func (f *flow) madeBy(fn *ssa.Function, i int, t types.Type) int {
	return f.object(outcome{fn, i}, object{std: fn, as: t})
}

func (f *flow) object(key any, o object) int {
	id, ok := f.objectOf[key]
	if !ok {
		id = len(f.objects)
		f.objects = append(f.objects, o)
		f.objectOf[key] = id
	}
	return id
}

func (f *flow) typeObject(t types.Type) int {
	if id := f.types.At(t); id != nil {
		return id.(int)
	}
	f.types.Set(t, len(f.objects))
	f.objects = append(f.objects, object{typ: t})
	return len(f.objects) - 1
}

// value is the node of a value, none when it carries nothing.
func (f *flow) value(v ssa.Value) node {
	if v == nil || f.kind(v.Type()) == nothing {
		return none
	}
	if n, ok := f.values[v]; ok {
		return n
	}
	switch v.(type) {
	case *ssa.Const, *ssa.Builtin:
		return none
	}
	n := f.newNode()
	f.values[v] = n
	if fn, ok := v.(*ssa.Function); ok {
		f.add(fn)
		f.put(n, f.function(fn))
	}
	return n
}

// result is the i-th result of a function or the i-th of a tuple.
func (f *flow) result(of any, i int, t types.Type) node {
	if f.kind(t) == nothing {
		return none
	}
	key := resultOf{of, i}
	n, ok := f.results[key]
	if !ok {
		n = f.newNode()
		f.results[key] = n
	}
	return n
}

// resultNode is the node of the i-th result of a call as its caller sees it.
func (f *flow) resultNode(site ssa.CallInstruction, i, of int, t types.Type) node {
	v := site.Value()
	if v == nil {
		return none
	}
	if of == 1 {
		return f.value(v)
	}
	return f.result(v, i, t)
}

func (f *flow) field(v *types.Var) node {
	if f.kind(v.Type()) == nothing {
		return none
	}
	v = v.Origin()
	n, ok := f.fields[v]
	if !ok {
		n = f.newNode()
		f.fields[v] = n
	}
	return n
}

func fieldOf(t types.Type, i int) *types.Var {
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	if st, ok := t.Underlying().(*types.Struct); ok {
		return st.Field(i)
	}
	return nil // a type parameter's core type: its instances are read
}

// typesIn calls do for each concrete type that can be in a value.
func (f *flow) typesIn(v ssa.Value, do func(types.Type)) {
	n, ok := f.values[v]
	if !ok || f.sets[f.find(n)] == nil {
		return
	}
	for _, o := range f.sets[f.find(n)].AppendTo(nil) {
		if t := f.objects[o].typ; t != nil {
			do(t)
		}
	}
}
