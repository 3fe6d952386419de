package script

import (
	"testing"

	"github.com/torntail/torntail/faults/vfs/osfs"
)

// TestStepsDoWhatTheySay on the host's file system.
func TestStepsDoWhatTheySay(t *testing.T) {
	for _, c := range []struct{ program, want string }{
		{"create f", "f="},
		{"create f; write f AB; swrite f CD; dwrite f E", "f=ABCDE"},
		{"create f; write f A*20+B; trunc f 3; pwrite f 4 X", "f=AAA.X"},
		{"create f; write f A*20+B; fsync f; fdatasync f; range f", "f=A*20+B"},
		{"create f; alloc f 0 2; write f A", "f=..A"},
		{"mkdir d; create d/f; dirsync d; dirsync .; link d/f g; rename g h; unlink d/f", "d/ h="},
		{"mkdir d; rmdir d", "-"},
		{"create f; write f ab", "f=~~"}, // the old bytes
	} {
		fsys := osfs.New(t.TempDir())
		for _, step := range Steps(c.program) {
			if err := Run(fsys, step); err != nil {
				t.Fatalf("%s: %s: %v", c.program, step, err)
			}
		}
		if got, err := Tree(fsys, "ab"); err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.program, got, err, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, bad := range []string{"", "nonsense f", "write f", "pwrite f x A", "trunc f -1", "write f A*x", "write f AAAA*1000000000", "sync f"} {
		if Check(bad) == nil {
			t.Errorf("%q passes", bad)
		}
	}
	if err := Run(osfs.New(t.TempDir()), "sync"); err == nil {
		t.Error("a file system that cannot sync everything says it has")
	}
}

func FuzzCheck(f *testing.F) {
	for _, step := range []string{"create f", "write f A*3+B", "pwrite f 4 XX", "alloc f 0 4", "rename a b", "sync", "write f A*", "trunc f 99999999999999999999"} {
		f.Add(step)
	}
	f.Fuzz(func(t *testing.T, step string) {
		if Check(step) == nil && len(Steps(step)) == 0 {
			t.Errorf("%q passes as a step and is none", step)
		}
	})
}
