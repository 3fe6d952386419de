// Package aof reads and writes the append-only file of Redis 7: the manifest,
// the commands in base and incr files, a rewrite's base, and the checks and
// repairs of redis-check-aof. It decides nothing about when to write or sync;
// that is engine/persist.
package aof

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/torntail/torntail/engine/config"
)

// Kind is a file's role in the manifest.
type Kind byte

// The roles.
const (
	Base    Kind = 'b' // the data at the last rewrite
	History Kind = 'h' // superseded, to be removed
	Incr    Kind = 'i' // the writes since
)

// Entry is one line of a manifest.
type Entry struct {
	Name string
	Seq  int64
	Kind Kind
}

// Manifest lists the files an append-only file consists of, in loading order:
// the base, then the incr files.
type Manifest struct {
	Base    *Entry // nil: none
	History []Entry
	Incr    []Entry

	// The highest numbers used so far.
	BaseSeq, IncrSeq int64
	// Dirty: it differs from what is on the disk.
	Dirty bool
}

// maxLine is the longest line of a manifest (redis 7.0.15 MANIFEST_MAX_LINE).
const maxLine = 1024

// Clone returns a deep copy.
func (m *Manifest) Clone() *Manifest {
	c := *m
	if m.Base != nil {
		b := *m.Base
		c.Base = &b
	}
	c.History = slices.Clone(m.History)
	c.Incr = slices.Clone(m.Incr)
	return &c
}

// Empty reports whether there is nothing to load.
func (m *Manifest) Empty() bool { return m.Base == nil && len(m.Incr) == 0 }

// NewBase names the next base, and makes the present one history. rdb says
// which format it has.
func (m *Manifest) NewBase(filename string, rdb bool) string {
	if m.Base != nil {
		old := *m.Base
		old.Kind = History
		m.History = slices.Insert(m.History, 0, old)
	}
	suffix := ".base.aof"
	if rdb {
		suffix = ".base.rdb"
	}
	m.BaseSeq++
	m.Base = &Entry{Name: filename + "." + strconv.FormatInt(m.BaseSeq, 10) + suffix, Seq: m.BaseSeq, Kind: Base}
	m.Dirty = true
	return m.Base.Name
}

// NewIncr names the next incr file.
func (m *Manifest) NewIncr(filename string) string {
	m.IncrSeq++
	name := filename + "." + strconv.FormatInt(m.IncrSeq, 10) + ".incr.aof"
	m.Incr = append(m.Incr, Entry{Name: name, Seq: m.IncrSeq, Kind: Incr})
	m.Dirty = true
	return name
}

// RetireIncr makes the incr files history, all but the last keep of them.
func (m *Manifest) RetireIncr(keep int) {
	n := len(m.Incr) - keep
	if n < 0 || len(m.Incr) == 0 {
		return
	}
	for i := n - 1; i >= 0; i-- { // newest first, as markRewrittenIncrAofAsHistory walks
		e := m.Incr[i]
		e.Kind = History
		m.History = slices.Insert(m.History, 0, e)
	}
	m.Incr = slices.Clone(m.Incr[n:])
	m.Dirty = true
}

// Append appends the text of the manifest.
func (m *Manifest) Append(dst []byte) []byte {
	if m.Base != nil {
		dst = appendEntry(dst, *m.Base)
	}
	for _, e := range m.History {
		dst = appendEntry(dst, e)
	}
	for _, e := range m.Incr {
		dst = appendEntry(dst, e)
	}
	return dst
}

func appendEntry(dst []byte, e Entry) []byte {
	dst = append(dst, "file "...)
	dst = appendName(dst, e.Name)
	dst = append(dst, " seq "...)
	dst = strconv.AppendInt(dst, e.Seq, 10)
	dst = append(dst, " type "...)
	return append(dst, byte(e.Kind), '\n')
}

// appendName quotes a name that the line could not carry otherwise (redis sds.c
// sdsneedsrepr, sdscatrepr).
func appendName(dst []byte, name string) []byte {
	plain := name != ""
	for i := 0; i < len(name) && plain; i++ {
		c := name[i]
		plain = c > ' ' && c < 0x7f && c != '\\' && c != '"' && c != '\''
	}
	if plain {
		return append(dst, name...)
	}
	dst = append(dst, '"')
	for i := 0; i < len(name); i++ {
		switch c := name[i]; c {
		case '\\', '"':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '\a':
			dst = append(dst, `\a`...)
		case '\b':
			dst = append(dst, `\b`...)
		default:
			if c >= ' ' && c < 0x7f {
				dst = append(dst, c)
			} else {
				dst = fmt.Appendf(dst, `\x%02x`, c)
			}
		}
	}
	return append(dst, '"')
}

// ManifestError is a manifest that redis-server does not accept.
type ManifestError struct {
	File   string
	Line   int    // 1 is the first; 0: the file as a whole
	Offset int64  // where the line begins
	Text   string // the line, "" when it could not be read
	What   string // redis-server's words
}

func (e *ManifestError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.What)
	}
	return fmt.Sprintf("%s: line %d (offset %d): %s", e.File, e.Line, e.Offset, e.What)
}

// ParseManifest reads a manifest as strictly, and as laxly, as redis 7.0.15
// aofLoadManifestFromFile. The error is a *ManifestError.
func ParseManifest(file string, data []byte) (*Manifest, error) {
	m := &Manifest{}
	if len(data) == 0 {
		return nil, &ManifestError{File: file, What: "Found an empty AOF manifest"}
	}
	for n, off := 1, 0; off < len(data); n++ {
		// What fgets would return: up to the newline, at most maxLine bytes.
		line := data[off:min(off+maxLine, len(data))]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		fail := func(text, what string) (*Manifest, error) {
			return nil, &ManifestError{File: file, Line: n, Offset: int64(off), Text: text, What: what}
		}
		if line[0] != '#' {
			// A C string ends at its first NUL, and the newline must come before.
			if line[len(line)-1] != '\n' || bytes.IndexByte(line, 0) >= 0 {
				return fail("", "The AOF manifest file contains too long line")
			}
			text := strings.Trim(string(line), " \t\r\n")
			if what := m.addLine(text); what != "" {
				return fail(text, what)
			}
		}
		off += len(line)
	}
	return m, nil
}

func (m *Manifest) addLine(text string) (wrong string) {
	const format = "Invalid AOF manifest file format"
	args, err := config.SplitArgs(text)
	if err != nil || len(args) < 6 || len(args)%2 != 0 {
		return format
	}
	var e Entry
	for i := 0; i < len(args); i += 2 {
		switch strings.ToLower(args[i]) {
		case "file":
			e.Name = args[i+1]
			if strings.ContainsAny(e.Name, `/\`) {
				return "File can't be a path, just a filename"
			}
		case "seq":
			e.Seq = leadingInt([]byte(args[i+1]))
		case "type":
			if args[i+1] != "" {
				e.Kind = Kind(args[i+1][0])
			}
		}
	}
	if e.Name == "" || e.Seq == 0 || e.Kind == 0 {
		return format
	}
	switch e.Kind {
	case Base:
		if m.Base != nil {
			return "Found duplicate base file information"
		}
		m.Base, m.BaseSeq = &e, e.Seq
	case History:
		m.History = append(m.History, e)
	case Incr:
		if e.Seq <= m.IncrSeq {
			return "Found a non-monotonic sequence number"
		}
		m.Incr, m.IncrSeq = append(m.Incr, e), e.Seq
	default:
		return "Unknown AOF file type"
	}
	return ""
}

// leadingInt is C's atoll: white space, a sign, digits, and the rest ignored;
// what does not fit is clamped.
func leadingInt(s []byte) int64 {
	i := 0
	for i < len(s) && (s[i] == ' ' || s[i] >= '\t' && s[i] <= '\r') {
		i++
	}
	neg := false
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		neg = s[i] == '-'
		i++
	}
	var v int64
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		if d := int64(s[i] - '0'); v > (1<<63-1-d)/10 {
			v = 1<<63 - 1
		} else {
			v = v*10 + d
		}
	}
	if neg {
		return -v
	}
	return v
}
