// Package runtimedeath gives the end of a program that the Go runtime itself makes an exit
// status of the program's choice: a panic that nobody recovers, a fatal error (out of memory,
// two writers of a map, a deadlock, no more threads), a signal that nothing is made of, such
// as SIGQUIT. Go ends with 2 then, which on most command lines means bad usage.
//
// There is no other process behind it, which would have to pass on signals and the terminal.
// The runtime can be told to end with SIGABRT instead of a status of its own
// (GOTRACEBACK=crash, runtime package, "Environment Variables"), once it has said everything.
// It raises that signal in its own thread, and the handler that is there then, a handful of
// instructions of ours, exits. Whatever SIGABRT comes from somebody else goes to Go's own
// handler.
//
// Left are deaths of which the runtime says nothing to anybody: before ExitWith is called,
// and those in the middle of which it fails again, twice ("stack trace unavailable", 4 and 5),
// or has lost its own state ("bad g in signal handler", 2).
package runtimedeath
