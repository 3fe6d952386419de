package sim

import (
	"fmt"
	"strings"
)

// PanicError says that a task panicked: a bug in the code under test or in the
// harness. The world stops there; only Reset and Close make sense afterwards.
type PanicError struct {
	Node, Task string
	Value      any
	Stack      []byte // of the task, at the panic
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("task %q of %s panicked: %v\n%s", e.Task, e.Node, e.Value, e.Stack)
}

// Unwrap gives the panic's value when it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// GoexitError says that a task called runtime.Goexit (testing.T.FailNow does),
// which ends the goroutine that runs the world.
type GoexitError struct{ Node, Task string }

func (e *GoexitError) Error() string {
	return fmt.Sprintf("task %q of %s called runtime.Goexit; use t.Error inside tasks, not t.Fatal or require", e.Task, e.Node)
}

// DeadlockError says that tasks are waiting and nothing can ever wake them: no
// timer, no message, no callback is due.
type DeadlockError struct {
	Waiting []WaitingTask // in the order the tasks were started
}

// WaitingTask is a task that does not run, and where it waits.
type WaitingTask struct {
	Node, Task string
	Where      string // "accept :6379", "read from c1", "fsync of appendonlydir/x.aof"
}

func (e *DeadlockError) Error() string {
	var b strings.Builder
	b.WriteString("nothing left to run, and these tasks wait:")
	for _, t := range e.Waiting {
		fmt.Fprintf(&b, "\n  %s %s: %s", t.Node, t.Task, t.Where)
	}
	return b.String()
}
