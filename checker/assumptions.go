package checker

import (
	"fmt"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
)

// Assumption names what a history must fulfil before it can prove anything.
type Assumption string

const (
	// Times: clocks monotonic, operations in order of invocation, none returning before it began.
	Times Assumption = "times"
	// Struck: a crash of the contract's kind really happened.
	Struck Assumption = "struck"
	// Enough: enough operations were acknowledged.
	Enough Assumption = "operations"
	// Reopened: the server was started again on what the crash left, and read in full.
	Reopened Assumption = "recovered state"
	// DiskLog: what the disk was told is on record.
	DiskLog Assumption = "disk log"
	// Scheduled: the machine had time for the server where a clause is about time.
	Scheduled Assumption = "processor time"
	// Resources: time or memory ran out before an answer.
	Resources Assumption = "time and memory"
)

// assume checks the assumptions that hold for the whole history.
func (j *Judge) assume() (Assumption, string) {
	h := j.h
	for i := range h.Ops {
		op := &h.Ops[i]
		if op.Return < op.Invoke {
			return Times, fmt.Sprintf("operation %d returned at %s, before it was invoked at %s", i, op.Return, op.Invoke)
		}
		if i > 0 && op.Invoke < h.Ops[i-1].Invoke {
			return Times, fmt.Sprintf("operation %d was invoked at %s, before operation %d at %s", i, op.Invoke, i-1, h.Ops[i-1].Invoke)
		}
	}
	for i := range h.Epochs {
		e := &h.Epochs[i]
		if e.Ended < e.Began {
			return Times, fmt.Sprintf("epoch %d ended at %s, before it began at %s", i, e.Ended, e.Began)
		}
		if i > 0 && e.Began < h.Epochs[i-1].Ended {
			return Times, fmt.Sprintf("epoch %d began at %s, before epoch %d ended at %s", i, e.Began, i-1, h.Epochs[i-1].Ended)
		}
	}
	for i := range h.States {
		s := &h.States[i]
		if s.At < s.Began {
			return Times, fmt.Sprintf("state %d was read at %s, before the read began at %s", i, s.At, s.Began)
		}
		for k := 1; k < len(s.Keys); k++ {
			if s.Keys[k].Key <= s.Keys[k-1].Key {
				return Reopened, fmt.Sprintf("state %d: key %q follows %q: not sorted, or there twice", i, s.Keys[k].Key, s.Keys[k-1].Key)
			}
		}
	}
	return "", ""
}

// afterwards checks the assumptions that need the whole picture.
func (j *Judge) afterwards() {
	want := max(1, j.Options.MinAcked)
	if j.out.Acked < want {
		j.unknown(Enough, fmt.Sprintf("%d acknowledged writes: want at least %d", j.out.Acked, want))
	}
	if j.c.Crash != "" && j.out.Crashes == 0 {
		j.unknown(Struck, fmt.Sprintf("no crash of kind %s struck", j.c.Crash))
	}
}

// matches reports whether the end of a life is a crash that the contract is about.
func (j *Judge) matches(life *history.Epoch) bool {
	switch j.c.Crash {
	case contract.Kill, contract.KillInSync:
		if life.How != history.ProcessKill {
			return false
		}
	case contract.Power, contract.PowerInSync:
		if life.How != history.PowerCut {
			return false
		}
	case contract.Term:
		return life.How == history.Terminated
	}
	return !j.c.Crash.InSync() || syncInFlight(life)
}

// syncInFlight reports whether a sync (of the log, or of a snapshot that was
// being made durable) had entered and not returned when the life ended.
func syncInFlight(life *history.Epoch) bool {
	for i := len(life.LogSyncs) - 1; i >= 0; i-- {
		if s := &life.LogSyncs[i]; s.Enter <= life.Ended && s.Return > life.Ended {
			return true
		}
	}
	for i := range life.Snapshots {
		if s := &life.Snapshots[i]; s.Began <= life.Ended && s.Durable > life.Ended {
			return true
		}
	}
	return false
}
