package history

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
)

// extensions are those that files of histories have, before one of compression.
var extensions = []string{".jsonl", ".edn", ".json", ".log", ".txt", ".jepsen"}

// FileName takes a file's name apart: what it is called, and the extension that
// a history may have; "" for any other.
func FileName(path string) (stem, ext string) {
	name := filepath.Base(path)
	for _, packed := range []string{".gz", ".zst"} {
		name = strings.TrimSuffix(name, packed)
	}
	ext = filepath.Ext(name)
	if !slices.Contains(extensions, ext) {
		return name, ""
	}
	return strings.TrimSuffix(name, ext), ext
}

// Recognize reports whether a file looks like a history at its beginning. It is
// for finding them among others; LoadFile says what is wrong with one.
func Recognize(path string) bool {
	f, err := openRegular(path)
	if err != nil {
		return false
	}
	defer f.Close()
	in, err := open(f, 0)
	if err != nil {
		return false
	}
	head, _ := in.Peek(in.Size())
	if bytes.HasPrefix(head, []byte(storeMagic)) {
		return true
	}
	format, err := detect(in)
	if err != nil {
		return false
	}
	switch format {
	case JSON:
		return bytes.Contains(head, []byte(`"ops"`))
	case EDN:
		return bytes.Contains(head, []byte(":process")) && bytes.Contains(head, []byte(":invoke"))
	}
	return true
}
