package lua

// The parser's tree. Each node knows the line that an error in it is told with.

type expr interface{ at() int }

type line int

func (l line) at() int { return int(l) }

type (
	constant struct {
		line
		v Value
	}
	varargs struct{ line }
	local   struct {
		line
		v *variable
	}
	global struct {
		line
		name string
	}
	index struct {
		line
		obj, key expr
	}
	call struct {
		line
		fn     expr
		method string // obj:method(...), where fn is obj
		args   []expr
	}
	function struct {
		line
		params  []*variable
		vararg  bool
		body    *block
		endLine int
		scope   *funcScope
	}
	binary struct {
		line
		op   op
		a, b expr
		swap bool // evaluated in this order, and compared in the other
	}
	logical struct { // and, or
		line
		and  bool
		a, b expr
	}
	unary struct {
		line
		op op
		a  expr
	}
	concat struct { // a chain, which is evaluated from the right
		line
		parts []expr
		lines []int
	}
	paren struct { // one value of what may have several
		line
		e expr
	}
	constructor struct {
		line
		items []item
	}
)

// item of a constructor: positional when key is nil.
type item struct {
	key, value expr
	line       int
}

type (
	stmt  interface{}
	block struct {
		stmts []stmt
		end   int // line
	}
	localStmt struct {
		vars  []*variable
		exprs []expr
		line  int
	}
	localFunction struct {
		v    *variable
		fn   *function
		line int
	}
	assign struct {
		targets []expr
		exprs   []expr
		line    int
	}
	callStmt struct{ c *call }
	doStmt   struct{ body *block }
	while    struct {
		cond expr
		body *block
		line int
	}
	repeat struct {
		body *block
		cond expr
		line int
	}
	ifStmt struct {
		conds  []expr
		blocks []*block // one more when there is an else
		line   int
	}
	forNum struct {
		v                *variable
		from, to, step   expr
		body             *block
		line, headerLine int
	}
	forIn struct {
		vars  []*variable
		exprs []expr
		body  *block
		line  int
	}
	returnStmt struct {
		exprs []expr
		line  int
	}
	breakStmt struct{ line int }
)

// variable is a local variable.
type variable struct {
	name     string
	owner    *funcScope
	captured bool
	reg      int // set by the compiler
}

// funcScope is a function while it is parsed.
type funcScope struct {
	parent   *funcScope
	active   []*variable
	vararg   bool
	line     int // where it begins
	loops    int
	upvalues []*variable
}
