package plan

import (
	"fmt"
	"sort"
	"strings"
	"syscall"

	"github.com/torntail/torntail/faults/disk"
)

// Fail makes calls fail. What a failed sync leaves behind is up to the disk's
// failure mode.
type Fail struct {
	Target
	Err syscall.Errno
}

func (*Fail) Verb() string { return "fail" }

func (a *Fail) String() string { return "fail " + a.Target.String() + " " + ErrnoName(a.Err) }

// Strike gives the error, unless another fault has given one.
func (a *Fail) Strike(_ *disk.Call, d *disk.Decision) bool {
	if d.Err != 0 {
		return false
	}
	d.Err = a.Err
	return true
}

func (a *Fail) with(t Target) CallFault { return &Fail{t, a.Err} }

func init() {
	register(Verb{
		Name: "fail", Form: "fail [NODE] OP(GLOB) ERRNO", Example: "at n1 fsync(*.incr.aof)#3: fail n1 fsync(*.incr.aof) EIO for 1 calls",
		Shown: "at 0s: fail write(f) EIO for 1 calls",
		Doc:   "calls fail with the error", needs: []Need{NeedCalls}, spans: timeSpan | callSpan, weight: 2,
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
}

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
