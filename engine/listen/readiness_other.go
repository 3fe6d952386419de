//go:build !linux

package listen

func newReadiness() (readiness, error) { return newWatchers(), nil }
