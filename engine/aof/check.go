package aof

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"path"

	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/engine/rdb"
	"github.com/torntail/torntail/faults/vfs"
)

// CheckOptions says what to check.
type CheckOptions struct {
	FS   vfs.FS
	Path string // a manifest, an append-only file, or one with an RDB preamble
	// Fix cuts off what is wrong at the end of the last file, if Confirm agrees.
	Fix     bool
	Confirm func(prompt string) bool
	Out     io.Writer // the report
	// NowMs is the time by which keys of an RDB part count as expired, Unix milliseconds.
	NowMs int64
}

// CheckError is the last line of a report that ends in exit status 1.
type CheckError struct{ Line string }

func (e *CheckError) Error() string { return e.Line }

func failed(format string, a ...any) error { return &CheckError{fmt.Sprintf(format, a...)} }

// Check does what redis-check-aof 7.0.15 does and reports in its words: it
// validates every file and, asked to fix, truncates the last one. A nil error
// is its exit status 0; otherwise the error is a *CheckError, whose line has not
// been written to Out.
func Check(o CheckOptions) error {
	c := &check{o: o, line: 1}
	data, err := c.firstBytes(o.Path)
	if err != nil {
		return failed("Cannot open file %s: %s", o.Path, Reason(err))
	}
	switch multi, err := c.isManifest(o.Path); {
	case err != nil:
		return failed("Cannot open file %s: %s", o.Path, Reason(err))
	case multi:
		return c.multiPart()
	}
	c.say("Start checking Old-Style AOF")
	state, err := c.single(o.Path, o.Path, true, isRDB(data))
	if err != nil {
		return err
	}
	switch state {
	case fileOK:
		c.say("AOF %s is valid", o.Path)
	case fileEmpty:
		c.say("AOF %s is empty", o.Path)
	case fileTruncated:
		c.say("Successfully truncated AOF %s", o.Path)
	}
	return nil
}

type fileState uint8

const (
	fileOK fileState = iota
	fileEmpty
	fileTruncated
)

type check struct {
	o    CheckOptions
	line int64 // goes on counting from file to file, as redis-check-aof's does
	head [4096]byte
}

func (c *check) say(format string, a ...any) { fmt.Fprintf(c.o.Out, format+"\n", a...) }

func (c *check) multiPart() error {
	c.say("Start checking Multi Part AOF")
	data, err := vfs.ReadFile(c.o.FS, c.o.Path)
	if err != nil {
		return failed("Fatal error: can't open the AOF manifest file %s for reading: %s", c.o.Path, Reason(err))
	}
	m, err := ParseManifest(c.o.Path, data)
	if err != nil {
		var me *ManifestError
		errors.As(err, &me)
		return failed("FATAL AOF MANIFEST FILE ERROR: %s", me.Error())
	}
	dir := path.Dir(c.o.Path)
	total := len(m.Incr)
	if m.Base != nil {
		total++
		head, err := c.firstBytes(dir + "/" + m.Base.Name)
		if err != nil {
			return failed("Cannot open file %s: %s", dir+"/"+m.Base.Name, Reason(err))
		}
		preamble := isRDB(head)
		format := "RESP"
		if preamble {
			format = "RDB"
		}
		c.say("Start to check BASE AOF (%s format).", format)
		if err := c.part("BASE AOF", dir, m.Base.Name, total == 1, preamble); err != nil {
			return err
		}
	}
	if len(m.Incr) > 0 {
		c.say("Start to check INCR files.")
	}
	for i, e := range m.Incr {
		if err := c.part("INCR AOF", dir, e.Name, i == len(m.Incr)-1, false); err != nil {
			return err
		}
	}
	c.say("All AOF files and manifest are valid")
	return nil
}

func (c *check) part(role, dir, name string, last, preamble bool) error {
	state, err := c.single(name, dir+"/"+name, last, preamble)
	if err != nil {
		return err
	}
	switch state {
	case fileOK:
		c.say("%s %s is valid", role, name)
	case fileEmpty:
		c.say("%s %s is empty", role, name)
	case fileTruncated:
		c.say("Successfully truncated AOF %s", name)
	}
	return nil
}

// single is checkSingleAof.
func (c *check) single(name, file string, last, preamble bool) (fileState, error) {
	f, err := c.o.FS.Open(file, vfs.ReadWrite)
	if err != nil {
		return 0, failed("Cannot open file %s: %s, aborting...", file, Reason(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, failed("Cannot stat file: %s, aborting...", name)
	}
	if info.Size == 0 {
		return fileEmpty, nil
	}
	start := int64(0)
	if preamble {
		if start, err = c.preamble(file, f, info.Size); err != nil {
			return 0, err
		}
	}
	v := validator{name: name, file: file, off: start, line: c.line,
		in: bufio.NewReaderSize(io.NewSectionReader(f, start, info.Size-start), int(min(info.Size-start, 64<<10)))}
	pos, err := v.run()
	c.line = v.line
	if err != nil {
		return 0, failed("Failed to read from AOF %s, aborting...", name)
	}
	for _, line := range v.said {
		c.say("%s", line)
	}
	diff := info.Size - pos
	c.say("AOF analyzed: filename=%s, size=%d, ok_up_to=%d, ok_up_to_line=%d, diff=%d", name, info.Size, pos, v.line, diff)
	if diff == 0 {
		return fileOK, nil
	}
	if !c.o.Fix {
		return 0, failed("AOF %s is not valid. Use the --fix option to try fixing it.", name)
	}
	if !last {
		return 0, failed("Failed to truncate AOF %s because it is not the last file", name)
	}
	c.say("This will shrink the AOF %s from %d bytes, with %d bytes, to %d bytes", name, info.Size, diff, pos)
	if !c.o.Confirm("Continue? [y/N]: ") {
		return 0, failed("Aborting...")
	}
	if err := f.Truncate(pos); err != nil {
		return 0, failed("Failed to truncate AOF %s", name)
	}
	return fileTruncated, nil
}

// preamble checks the RDB part and returns where it ends.
func (c *check) preamble(file string, f vfs.File, size int64) (int64, error) {
	c.say("[offset 0] Checking RDB file %s", path.Base(file))
	var keys, expires, expired int64
	var r rdb.Reader
	end, err := keyspace.LoadRDB(&r, file, f, size, rdb.ReadOptions{
		Checksum:  true,
		Databases: keyspace.Databases,
		Aux: func(name, value string) {
			c.say("[offset %d] AUX FIELD %s = '%s'", r.Offset(), name, value)
		},
		Database: func(n int) { c.say("[offset %d] Selecting DB ID %d", r.Offset(), n) },
	}, &keyspace.DefaultLimits, func(e *rdb.Entry, _ keyspace.Object) error {
		keys++
		if e.ExpireAtMs != 0 {
			expires++
			if e.ExpireAtMs < c.o.NowMs {
				expired++
			}
		}
		return nil
	})
	var bad *rdb.Error
	if errors.As(err, &bad) {
		c.say("--- RDB ERROR DETECTED ---")
		c.say("[offset %d] %s", bad.Offset, bad.What)
	} else {
		c.say("[offset %d] Checksum OK", end)
		c.say(`[offset %d] \o/ RDB looks OK! \o/`, end)
	}
	c.say("[info] %d keys read", keys)
	c.say("[info] %d expires", expires)
	c.say("[info] %d already expired", expired)
	if err != nil {
		return 0, failed("RDB preamble of AOF file is not sane, aborting.")
	}
	c.say("RDB preamble is OK, proceeding with AOF tail...")
	return end, nil
}

// validator reads commands strictly: unlike the server's loader it insists on
// every CRLF.
type validator struct {
	name, file string
	in         *bufio.Reader
	off        int64 // of the next byte
	at         int64 // of the part being read (epos)
	line       int64
	multi      int
	wrong      string
	said       []string
	eof        bool
	word       [16]byte // a command's name, if it is no longer
}

// run returns the end of the last whole command outside a transaction.
func (v *validator) run() (pos int64, err error) {
	for {
		if v.multi == 0 {
			pos = v.off
		}
		b, err := v.in.Peek(1)
		if err == io.EOF {
			v.eof = true
			break
		}
		if err != nil {
			return pos, err
		}
		if b[0] == '#' {
			v.take(maxFgets)
			continue
		}
		if b[0] != '*' {
			v.said = append(v.said, fmt.Sprintf("AOF %s format error", v.name))
			break
		}
		if !v.command() {
			break
		}
	}
	if v.eof && v.multi != 0 && v.wrong == "" {
		v.fail("Reached EOF before reading EXEC for MULTI")
	}
	if v.wrong != "" {
		v.said = append(v.said, v.wrong)
	}
	return pos, nil
}

func (v *validator) fail(format string, a ...any) bool {
	v.wrong = fmt.Sprintf("0x%16x: %s", v.at, fmt.Sprintf(format, a...))
	return false
}

func (v *validator) command() bool {
	n, ok := v.number('*')
	if !ok {
		return false
	}
	for i := int64(0); i < n; i++ {
		size, ok := v.number('$')
		if !ok {
			return false
		}
		word, ok := v.data(size, i == 0)
		if !ok {
			return false
		}
		if i > 0 {
			continue
		}
		switch {
		case bytes.EqualFold(word, []byte("multi")):
			v.multi++
			if v.multi != 1 {
				return v.fail("Unexpected MULTI in AOF %s", v.file)
			}
		case bytes.EqualFold(word, []byte("exec")):
			v.multi--
			if v.multi != 0 {
				return v.fail("Unexpected EXEC in AOF %s", v.file)
			}
		}
	}
	return true
}

// number is readLong: a line of at most 127 bytes.
func (v *validator) number(prefix byte) (int64, bool) {
	v.at = v.off
	line := v.take(127)
	if len(line) == 0 {
		v.eof = true
		return 0, false
	}
	if line[0] != prefix {
		return 0, v.fail("Expected prefix '%c', got: '%c'", prefix, line[0])
	}
	i := 1 // behind what strtol reads, which is nothing when there is no digit
	for i < len(line) && (line[i] == ' ' || line[i] >= '\t' && line[i] <= '\r') {
		i++
	}
	if i < len(line) && (line[i] == '-' || line[i] == '+') {
		i++
	}
	digits := i
	for i < len(line) && line[i] >= '0' && line[i] <= '9' {
		i++
	}
	if i == digits {
		i = 1
	}
	var end [2]byte
	copy(end[:], line[i:])
	return leadingInt(line[1:]), v.newline(end)
}

func (v *validator) newline(b [2]byte) bool {
	if b[0] != '\r' || b[1] != '\n' {
		return v.fail(`Expected \r\n, got: %02x%02x`, b[0], b[1])
	}
	v.line++
	return true
}

// data reads an argument and its CRLF; want says whether its text is needed, which is
// good until the next call.
func (v *validator) data(size int64, want bool) (word []byte, ok bool) {
	if size < 0 || size > math.MaxInt64-2 {
		return nil, v.fail("Expected to read string of %d bytes, which is not in the suitable range", size)
	}
	v.at = v.off
	got := 0
	if want && size <= int64(len(v.word)) {
		word = v.word[:size]
		got, _ = io.ReadFull(v.in, word)
	} else {
		got, _ = v.in.Discard(int(size)) // of lengths for which redis-check-aof finds no memory, all there is
	}
	var end [2]byte
	for i := range end {
		b, err := v.in.ReadByte()
		if err != nil {
			break
		}
		end[i] = b
		got++
	}
	v.off += int64(got)
	if int64(got) != size+2 {
		v.eof = true
		return nil, v.fail("Expected to read %d bytes, got %d bytes", size+2, got)
	}
	return word, v.newline(end)
}

// take is fgets with a buffer for n bytes and the NUL. The line is good until v.in is
// read again.
func (v *validator) take(n int) []byte {
	b, _ := v.in.Peek(n)
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		b = b[:i+1]
	}
	m, _ := v.in.Discard(len(b))
	v.off += int64(m)
	return b
}

// firstBytes returns enough of a file's start to tell its kind. They are good until
// the next call.
func (c *check) firstBytes(name string) ([]byte, error) {
	f, err := c.o.FS.Open(name, vfs.ReadOnly)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	n, err := f.ReadAt(c.head[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	return c.head[:n], nil
}

// isRDB reports whether a file that begins so is a snapshot, or has one in front (fileIsRDB).
func isRDB(head []byte) bool {
	return len(head) >= 8 && (bytes.HasPrefix(head, []byte("REDIS")) || bytes.HasPrefix(head, []byte("VALKEY")))
}

// isManifest reports whether any line of a file that is no comment begins as a
// manifest's do (fileIsManifest). Longer ones are taken for several.
func (c *check) isManifest(name string) (bool, error) {
	f, err := c.o.FS.Open(name, vfs.ReadOnly)
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	v := validator{in: bufio.NewReaderSize(io.NewSectionReader(f, 0, info.Size), 64<<10)}
	for {
		line := v.take(maxLine)
		if len(line) == 0 {
			return false, nil
		}
		if bytes.HasPrefix(line, []byte("file")) {
			return true, nil
		}
	}
}
