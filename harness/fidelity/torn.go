package fidelity

import (
	"bytes"
	"strings"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/vfs/script"
)

// torn reports whether an image is what a torn write of a file's data leaves of
// two allowed ones: all but one file as in the first, and of that each sector as
// in the first or as in the second. The model tears only the last write of all,
// for it would have too many images otherwise; where a page may survive or not,
// each of its sectors may.
func torn(image string, allowed map[string]bool) bool {
	got := parseTree(image)
	for a := range allowed { // any order: one pair is enough
		first := parseTree(a)
		differs, n := "", 0
		for name, text := range got {
			if first[name] != text {
				differs, n = name, n+1
			}
		}
		if n != 1 || len(first) != len(got) {
			continue
		}
		for b := range allowed { // any order: see above
			if second, ok := parseTree(b)[differs]; ok && spliced(got[differs], first[differs], second) {
				return true
			}
		}
	}
	return false
}

// parseTree is what each name of a list holds; directories hold "/".
func parseTree(tree string) map[string]string {
	all := map[string]string{}
	for word := range strings.FieldsSeq(tree) {
		if name, content, ok := strings.Cut(word, "="); ok {
			all[name] = content
		} else {
			all[word] = "/"
		}
	}
	return all
}

// spliced reports whether each sector of a file is that of one of two others.
func spliced(got, a, b string) bool {
	g, err1 := script.Expand(got)
	x, err2 := script.Expand(a)
	y, err3 := script.Expand(b)
	if err1 != nil || err2 != nil || err3 != nil || len(g) != len(x) && len(g) != len(y) {
		return false
	}
	sector := func(p []byte, i int) []byte { return p[min(i, len(p)):min(i+blocklog.SectorSize, len(p))] }
	for i := 0; i < len(g); i += blocklog.SectorSize {
		if s := sector(g, i); !bytes.Equal(s, sector(x, i)) && !bytes.Equal(s, sector(y, i)) {
			return false
		}
	}
	return true
}
