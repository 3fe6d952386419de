package plan

import (
	"slices"

	"github.com/torntail/torntail/faults/disk"
)

// Ops are the words for disk calls. An open that creates is an open,
// fdatasync is fsync, and the sync of a directory is dirsync.
var Ops = []string{"open", "write", "fsync", "rename", "unlink", "truncate", "read", "dirsync",
	"allocate", "link", "symlink", "mkdir", "rmdir", "syncrange", "syncfs"}

// UnseenOnFUSE is why a call never arrives at a disk that is served over FUSE.
func UnseenOnFUSE(p CallPattern) string {
	if p.Op == "syncrange" || p.Op == "syncfs" {
		return "Linux answers sync_file_range(2) and syncfs(2) on FUSE itself"
	}
	return ""
}

func isOp(w string) bool { return slices.Contains(Ops, w) }

// opKinds maps each of Ops to the kinds of calls it means, a bit per disk.OpKind.
var opKinds = func() map[string]uint64 {
	m := make(map[string]uint64, len(Ops))
	for k := disk.OpOpen; k <= disk.OpList; k++ {
		m[k.Word()] |= 1 << k
	}
	return m
}()

func kindsOf(op string) uint64 { return opKinds[op] }

// CallFault is a fault of single calls. It is the Runner's own business: Decide
// asks it about each call that matches.
type CallFault interface {
	Action
	// Strike adds the fault to the decision about a call; false when that leaves the
	// call as it is. Several add up: the first error, the shortest write, the sum of
	// the delays.
	Strike(c *disk.Call, d *disk.Decision) bool

	calls() *Target
	with(Target) CallFault // the same fault of other calls
	// holds: calls wait for the end of the fault's span, at which the world has to
	// let them go (Do with Trigger.End). Of other faults of calls it hears nothing.
	holds() bool
}

// Target is which calls a disk fault is about: those that match Call, on Node
// or, when that is "", on every node.
type Target struct {
	Node string
	Call CallPattern
}

func (t Target) String() string {
	if t.Node == "" {
		return t.Call.String()
	}
	return t.Node + " " + t.Call.String()
}

func (t Target) nodes() []string {
	if t.Node == "" {
		return nil
	}
	return []string{t.Node}
}

// CallsOf are the calls that a fault of calls is about.
func CallsOf(a Action) (t Target, ok bool) {
	f, ok := a.(CallFault)
	if !ok {
		return t, false
	}
	return *f.calls(), true
}

// OnFiles is an action whose calls are on other files; itself when it is not about calls.
func OnFiles(a Action, pattern string) Action {
	f, ok := a.(CallFault)
	if !ok {
		return a
	}
	t := *f.calls()
	t.Call.Glob = pattern
	return f.with(t)
}

// What faults of calls have in common.
func (t *Target) calls() *Target                           { return t }
func (*Target) holds() bool                                { return false }
func (*Target) Do(Trigger, System) (why string, err error) { return "", nil }

// target reads [NODE] OP(GLOB): a word right before a parenthesis is the call.
func (c *cursor) target() (t Target, err *Error) {
	saved := c.pos
	w, _ := c.word()
	if isNode(w) && c.pos < len(c.text) && isBlank(c.text[c.pos]) {
		t.Node = w
	} else {
		c.pos = saved
	}
	t.Call, err = c.call()
	return t, err
}
