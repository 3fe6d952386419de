package fidelity

import (
	"strings"
	"testing"

	"github.com/torntail/torntail/faults/blocklog"
)

func TestTorn(t *testing.T) {
	allowed := map[string]bool{"f=A*8192": true, "f=B*4096+A*4096": true, "f=B*8192": true, "f=A g=": true}
	for image, want := range map[string]bool{
		"f=B*512+A*7680":        true,
		"f=A*512+B*7680":        true,
		"f=B*100+A*8092":        false, // not at a sector
		"f=C*512+A*7680":        false,
		"f=B*512+A*7679":        false, // neither's size
		"f=B*512+A*7680 g=":     false, // another file is there
		"f=B*4096+C*512+A*3584": false,
		"-":                     false,
	} {
		if got := torn(image, allowed); got != want {
			t.Errorf("%s: torn %v", image, got)
		}
	}
}

func FuzzTorn(f *testing.F) {
	f.Add("f=A*8192", "f=B*512+A*7680")
	f.Add("a/ a/f=..", "-")
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a)+len(b) > 200 {
			return
		}
		for _, tree := range []string{a, b} {
			for _, content := range parseTree(tree) { // any order: each is looked at alone
				if len(content) > 20 {
					return // "A*999999999" takes long to write out
				}
			}
		}
		torn(b, map[string]bool{a: true})
	})
}

// TestEpiloguesFillIn: the files of a program are found whatever it does to names.
func TestEpiloguesFillIn(t *testing.T) {
	p := Program{Base: []string{"create t", "mkdir d", "create d/f"}, Run: []string{"create n", "rename n t", "rename d e", "create x", "unlink x"}}
	got := Epilogue{Run: "range FILES; range LAST; sync"}.fill(p.files(len(p.Run)))
	want := []string{"range e/f", "range t", "range t", "sync"}
	if len(got) != len(want) {
		t.Fatalf("%q", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if len(Programs()) < 60 {
		t.Error("programs are missing")
	}
	for _, p := range Programs() {
		for _, step := range append(append([]string(nil), p.Base...), p.Run...) {
			if strings.HasSuffix(step, " z") {
				t.Errorf("%s: %s: z is the file of epilogues", p.Name, step)
			}
		}
	}
}

// TestEveryFileSystemHasItsModel, but those that promise nothing.
func TestEveryFileSystemHasItsModel(t *testing.T) {
	for text, want := range map[string]string{"ext4": "ext4", "ext4,dioread_lock": "ext4-dioread-lock", "ext4,data=writeback": "ext4",
		"ext4,data=journal": "ext4-journal", "xfs": "xfs", "btrfs": "btrfs", "ext4,barrier=0": "", "btrfs,nobarrier": ""} {
		fs, err := blocklog.ParseFS(text)
		if err != nil || fs.Personality() != want {
			t.Errorf("%s: %q, %v", text, fs.Personality(), err)
		}
	}
}
