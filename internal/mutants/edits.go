package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// edits reads changes that somebody thought of, from a file of blocks: a line
// that begins with # and says what is wrong, the file, and the text that is
// replaced and its replacement, in lines that begin with - and +. The text
// must be in the file exactly once.
func edits(path string) ([]mutant, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load edits: %w", err)
	}
	var all []mutant
	for n, block := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
		var m mutant
		var old, new []string
		for _, line := range strings.Split(block, "\n") {
			switch {
			case strings.HasPrefix(line, "# "):
				m.what = line[2:]
			case strings.HasPrefix(line, "- "):
				old = append(old, line[2:])
			case strings.HasPrefix(line, "+ "):
				new = append(new, line[2:])
			default:
				m.file = line
			}
		}
		src, err := os.ReadFile(m.file)
		if err != nil {
			return nil, fmt.Errorf("load edits %s: block %d: %w", path, n+1, err)
		}
		find := []byte(strings.Join(old, "\n"))
		if count := bytes.Count(src, find); len(old) == 0 || count != 1 {
			return nil, fmt.Errorf("load edits %s: block %d (%s): its text is %d times in %s, want once", path, n+1, m.what, count, m.file)
		}
		m.from = bytes.Index(src, find)
		m.to, m.text = m.from+len(find), strings.Join(new, "\n")
		m.at = place{1 + bytes.Count(src[:m.from], []byte("\n")), m.from - bytes.LastIndexByte(src[:m.from], '\n')}
		all = append(all, m)
	}
	return all, nil
}
