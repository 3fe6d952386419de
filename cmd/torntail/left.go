package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/reports/wording"
)

// sayLeft says what killed torntails have left, and how it is removed.
func sayLeft(w io.Writer) {
	for _, l := range guard.LookForLeft() {
		fmt.Fprintf(w, "torntail: process %d was killed with its watchdog and has left %s; torntail doctor --clean removes that\n",
			l.Pid, wording.Clean(strings.Join(l.Things(), ", "), false))
		l.Close()
	}
}

// clean removes what killed torntails have left; it reports whether all of it is gone.
func clean(w io.Writer) bool {
	found, whole := guard.LookForLeft(), true
	for _, l := range found {
		things := l.Things()
		err := l.Clean()
		for _, what := range things {
			fmt.Fprintf(w, "%-16s %s of process %d\n", map[bool]string{true: "removed", false: "looked at"}[err == nil], wording.Clean(what, false), l.Pid)
		}
		if err != nil {
			whole = false
			fmt.Fprintf(w, "%-16s %s\n", "not removed", oneLine(err))
		}
	}
	if len(found) == 0 {
		fmt.Fprintln(w, "nothing is left of torntails that were killed")
	}
	return whole
}
