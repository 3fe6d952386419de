//go:build !linux || (!amd64 && !arm64)

package runtimedeath

// ExitWith does nothing: the runtime ends with 2 here.
func ExitWith(int) error { return nil }
