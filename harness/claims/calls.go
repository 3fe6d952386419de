package claims

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/torntail/torntail/faults/disk"
)

// This file strikes at every disk call of something a server does, one fresh
// machine for each call: until the call to strike at is behind the last.

// step is one crash of everyCall.
type step struct {
	call    string // what the power was cut at
	account account
	refused bool  // the server did not start on the image, repaired or not
	fixed   bool  // it did after its own tool had repaired it
	kept    int64 // keys that were there
}

// everyCall lets begin start something on a prepared machine, cuts the power at
// the k-th call that changes the disk, for k = 1, 2, ..., until begin's work ends
// before the k-th, and gives what each cut left. done reports whether the work has ended.
func (l *lab) everyCall(o options, conf []string, prepare func(m *computer) error, begin func(m *computer) error, keep disk.Choice, most int) ([]step, error) {
	var steps []step
	for k := 1; k <= most; k++ {
		var st step
		over := false
		err := l.on(o, func(m *computer) error {
			if err := m.start(conf...); err != nil {
				return err
			}
			if err := prepare(m); err != nil {
				return err
			}
			writes := write(m, "w", time.Millisecond, 64)
			m.env().Sleep(20 * time.Millisecond)
			var seen atomic.Int64
			m.onCall(func(c *disk.Call) disk.Decision {
				// What the writes going on do to the log is no step of the work.
				if !c.Kind.Mutates() && !c.Kind.IsSync() || isIncr(c.Path) && (c.Kind == disk.OpWrite || c.Kind == disk.OpFdatasync) {
					return disk.Decision{}
				}
				if seen.Add(1) != int64(k) {
					return disk.Decision{}
				}
				st.call = fmt.Sprintf("%s %s", c.Kind, c.Path)
				return m.cutAt(disk.PlaceInFlight, keep)
			})
			if err := begin(m); err == nil && idle(m) == nil && st.call == "" {
				over = true
				writes.halt()
				return nil
			}
			if !m.awaitDown(replyLimit) {
				return fmt.Errorf("the power was cut at %s, and the server lives", st.call)
			}
			m.onCall(nil)
			writes.halt()
			err := m.again()
			if refused(err) {
				fixed, ferr := m.repair()
				if ferr != nil {
					return ferr
				}
				if fixed {
					err = m.again()
				}
				if st.fixed = fixed && err == nil; !st.fixed {
					st.refused = true
					return nil
				}
			}
			if err != nil {
				return err
			}
			if st.kept, err = keys(m); err != nil {
				return err
			}
			st.account, err = writes.audit(m.downAt())
			return err
		})
		if err != nil {
			return steps, err
		}
		if over {
			return steps, nil
		}
		steps = append(steps, st)
	}
	return steps, fmt.Errorf("not over after a cut at each of %d calls", most)
}
