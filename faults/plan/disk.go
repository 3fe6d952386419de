package plan

import (
	"fmt"
	"sort"
	"strings"
	"syscall"
	"time"
)

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

// Fail makes calls fail. What a failed sync leaves behind is up to the disk's
// failure mode.
type Fail struct {
	Target
	Err syscall.Errno
}

// Short makes writes take at most Bytes bytes (1 or more: Redis spins on a
// write that takes none).
type Short struct {
	Target
	Bytes int64
}

// Slow adds By to the duration of calls.
type Slow struct {
	Target
	By time.Duration
}

// Stall leaves calls unanswered until the span ends.
type Stall struct{ Target }

// Full leaves a disk only Bytes of space: beyond, writes get ENOSPC.
type Full struct {
	Node  string
	Bytes int64
}

// ReadOnly remounts a disk read-only, as ext4 does after an error.
type ReadOnly struct{ Node string }

func (*Fail) Verb() string     { return "fail" }
func (*Short) Verb() string    { return "short" }
func (*Slow) Verb() string     { return "slow" }
func (*Stall) Verb() string    { return "stall" }
func (*Full) Verb() string     { return "full" }
func (*ReadOnly) Verb() string { return "readonly" }

func (a *Fail) String() string     { return "fail " + a.Target.String() + " " + ErrnoName(a.Err) }
func (a *Short) String() string    { return "short " + a.Target.String() + " " + formatBytes(a.Bytes) }
func (a *Slow) String() string     { return "slow " + a.Target.String() + " " + a.By.String() }
func (a *Stall) String() string    { return "stall " + a.Target.String() }
func (a *Full) String() string     { return "full " + a.Node + " " + formatBytes(a.Bytes) }
func (a *ReadOnly) String() string { return "readonly " + a.Node }

func (a *Full) nodes() []string     { return []string{a.Node} }
func (a *ReadOnly) nodes() []string { return []string{a.Node} }

// errnos are the errors that a fault can give, by the names of errno(3).
var errnos = map[string]syscall.Errno{
	"EIO": syscall.EIO, "ENOSPC": syscall.ENOSPC, "EDQUOT": syscall.EDQUOT, "EROFS": syscall.EROFS,
	"EACCES": syscall.EACCES, "EPERM": syscall.EPERM, "ENOENT": syscall.ENOENT, "EEXIST": syscall.EEXIST,
	"EMFILE": syscall.EMFILE, "ENFILE": syscall.ENFILE, "ENOMEM": syscall.ENOMEM, "EFBIG": syscall.EFBIG,
	"EINTR": syscall.EINTR, "EAGAIN": syscall.EAGAIN, "EBUSY": syscall.EBUSY, "EINVAL": syscall.EINVAL,
	"ENODEV": syscall.ENODEV, "ENXIO": syscall.ENXIO, "ESTALE": syscall.ESTALE, "ETIMEDOUT": syscall.ETIMEDOUT,
}

var errnoNames = func() []string {
	var names []string
	for n := range errnos { // any order: sorted below
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}()

// ErrnoName is the symbol of an error that Fail can give, such as EIO; its
// number for any other.
func ErrnoName(e syscall.Errno) string {
	for _, n := range errnoNames {
		if errnos[n] == e {
			return n
		}
	}
	return fmt.Sprintf("errno-%d", int(e))
}

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

// callFaults is why faults of single calls cannot strike in a backend.
func callFaults(b Backend) string {
	switch b {
	case ProcessHost:
		return "calls on the host's own disk are out of reach; it needs --disk fuse"
	case Cluster:
		return "the servers of a cluster are on the host's own disk, whose calls nobody sees"
	}
	return ""
}

// fileSystemFaults is why faults of a file system, not of a call or a block, cannot
// strike in a backend.
func fileSystemFaults(b Backend) string {
	if b == Block {
		return "the file system is the kernel's own; of its disk, requests can fail, be slow or be short"
	}
	return callFaults(b)
}

// blockDir is where the requests of a logged disk seem to be files: block/aof is a
// write that carries a part of an append-only file, block/other any other write,
// block/flush a flush, whose word is fsync.
const blockDir = "block/"

// blocksOnly is why a call is out of reach of the block backend; "" when it is a
// request of the disk.
func blocksOnly(c CallPattern) string {
	if strings.HasPrefix(c.Glob, blockDir) && (c.Op == "write" || c.Op == "fsync") {
		return ""
	}
	return "the block backend sees blocks, not calls: write(block/*), write(block/aof) and fsync(block/*) are the disk's requests"
}

func init() {
	register(Verb{
		Name: "fail", Form: "fail [NODE] OP(GLOB) ERRNO", Example: "at n1 fsync(*.incr.aof)#3: fail n1 fsync(*.incr.aof) EIO for 1 calls",
		Doc: "calls fail with the error", spans: timeSpan | callSpan, weight: 2, available: callFaults,
		parse: func(c *cursor) (Action, *Error) {
			t, err := c.target()
			if err != nil {
				return nil, err
			}
			w, err := c.oneOf("an error: "+strings.Join(errnoNames, ", "), errnoNames...)
			return &Fail{t, errnos[w]}, err
		},
		generate: func(g *generator) Action {
			common := []syscall.Errno{syscall.EIO, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS}
			return &Fail{g.target(""), common[g.rng.IntN(len(common))]}
		},
	})
	register(Verb{
		Name: "short", Form: "short [NODE] write(GLOB) BYTES", Example: "at 1s: short write(*.incr.aof) 7 for 2 calls",
		Doc: "writes take at most so many bytes", spans: timeSpan | callSpan, weight: 1, available: callFaults,
		parse: func(c *cursor) (Action, *Error) {
			c.skip()
			pos := c.pos
			t, err := c.target()
			if err != nil {
				return nil, err
			}
			if t.Call.Op != "write" {
				return nil, c.expected(pos, "write(GLOB): no other call can be short")
			}
			n, err := c.bytes(1, "")
			return &Short{t, n}, err
		},
		generate: func(g *generator) Action { return &Short{g.target("write"), 1 + g.rng.Int64N(600)} },
	})
	register(Verb{
		Name: "slow", Form: "slow [NODE] OP(GLOB) DURATION", Example: "at 1s: slow fsync(*.incr.aof) 3s for 5s",
		Doc: "calls take so much longer", spans: timeSpan | callSpan, weight: 2, available: callFaults,
		parse: func(c *cursor) (Action, *Error) {
			t, err := c.target()
			if err != nil {
				return nil, err
			}
			d, err := c.duration()
			return &Slow{t, d}, err
		},
		generate: func(g *generator) Action { return &Slow{g.target(""), g.duration(time.Millisecond, 4*time.Second)} },
	})
	register(Verb{
		Name: "stall", Form: "stall [NODE] OP(GLOB)", Example: "at n1 fsync(*.incr.aof)#2: stall n1 fsync(*.incr.aof) for 3s",
		Doc: "calls are not answered until the span ends", spans: timeSpan | callSpan, weight: 1, available: fileSystemFaults,
		parse: func(c *cursor) (Action, *Error) {
			t, err := c.target()
			return &Stall{t}, err
		},
		generate: func(g *generator) Action { return &Stall{g.target("")} },
	})
	register(Verb{
		Name: "full", Form: "full NODE BYTES", Example: "at 1s: full n1 64KiB for 2s",
		Doc: "only so much space is left: ENOSPC beyond", spans: timeSpan, weight: 1, available: fileSystemFaults,
		parse: func(c *cursor) (Action, *Error) {
			n, err := c.node()
			if err != nil {
				return nil, err
			}
			b, err := c.bytes(0, "")
			return &Full{n, b}, err
		},
		generate: func(g *generator) Action { return &Full{g.server(), g.rng.Int64N(64 << 10)} },
	})
	register(Verb{
		Name: "readonly", Form: "readonly NODE", Example: "at 1s: readonly n1 for 2s",
		Doc: "the disk is remounted read-only: EROFS", spans: timeSpan, weight: 1, available: fileSystemFaults,
		parse: func(c *cursor) (Action, *Error) {
			n, err := c.node()
			return &ReadOnly{n}, err
		},
		generate: func(g *generator) Action { return &ReadOnly{g.server()} },
	})
}
