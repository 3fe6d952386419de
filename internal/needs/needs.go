// Package needs is how tests ask for what a machine may lack.
package needs

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Program is the path of a program, such as redis-server. Without it the test
// is skipped and says why; in CI (CI=true), where scripts/setup has installed
// everything, that is a failure.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		err = fmt.Errorf("%s is not installed (scripts/setup does that): %w", name, err)
	}
	Working(t, err)
	return path
}

// Working is the same for what has been tried: err says why it does not work
// here, such as fusefs.Available's.
func Working(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}
