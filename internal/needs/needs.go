// Package needs is how tests ask for what a machine may lack.
package needs

import (
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
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed (scripts/setup does that): %v", name, err)
	}
	t.Skipf("%s is not installed (scripts/setup does that): %v", name, err)
	return ""
}
