package sim

import (
	"fmt"
	"math/bits"
	"slices"
)

// traceKind is the kind of an event in the running hash. The values are part of
// what two runs compare, so new ones go at the end.
type traceKind uint64

const (
	traceSwitch traceKind = iota + 1
	traceCallback
	traceStart
	traceEnd
	traceDiskEnter
	traceDiskReturn
	traceSend
	traceArrive
	traceDial
	traceAccept
	traceMark
	traceNode // start, kill, power cut, pause, resume of a node
	traceLink
)

// mix puts one number into the hash of the run: a multiplication and a
// rotation, which let every earlier number matter.
func (w *World) mix(x uint64) {
	w.hash = bits.RotateLeft64((w.hash^x)*0x9e3779b97f4a7c15, 29)
}

// event puts an event into the hash: what, when, and two numbers of its own.
func (w *World) event(k traceKind, a, b uint64) {
	w.mix(uint64(k)<<56 ^ uint64(w.now))
	w.mix(a)
	w.mix(b)
}

// mixBytes puts a string or a byte slice into the hash, eight bytes at a time.
func mixBytes[T string | []byte](w *World, s T) {
	w.mix(uint64(len(s)))
	for len(s) >= 8 {
		w.mix(uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56)
		s = s[8:]
	}
	if len(s) > 0 {
		var x uint64
		for i := 0; i < len(s); i++ {
			x |= uint64(s[i]) << (8 * i)
		}
		w.mix(x)
	}
}

// line writes one line of the text trace. Callers check w.trace first: boxing
// the arguments would cost allocations that an untraced run must not pay.
func (w *World) line(format string, args ...any) {
	fmt.Fprintf(w.trace, "%15.9f "+format+"\n", append([]any{w.now.Seconds()}, args...)...)
}

// Hash is the hash of everything that has happened: every scheduling decision,
// disk call, message with its content, fault and mark, with its time.
func (w *World) Hash() uint64 { return w.hash }

// Mark puts an event of the harness or of a workload into the trace.
func (w *World) Mark(kind string, args ...uint64) {
	w.event(traceMark, uint64(len(args)), 0)
	mixBytes(w, kind)
	for _, a := range args {
		w.mix(a)
	}
	if w.trace != nil {
		w.line("mark %s %v", kind, slices.Clone(args)) // a copy: the caller's stay on its stack
	}
}

// MarkText is Mark with a text.
func (w *World) MarkText(kind, text string) {
	w.event(traceMark, 1, 1)
	mixBytes(w, kind)
	mixBytes(w, text)
	if w.trace != nil {
		w.line("mark %s %s", kind, text)
	}
}
