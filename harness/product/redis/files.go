package redis

import (
	"bytes"
	"cmp"
	"path"
	"strconv"
	"strings"

	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/workloads"
)

// AOFDir is the directory of the append-only file.
const AOFDir = "appendonlydir"

const (
	manifest = AOFDir + "/appendonly.aof.manifest"
	snapshot = "dump.rdb"
)

// Globs implements product.Store.
func (s store) Globs() (log, snapshot string) {
	if s.kin.Log != "" {
		return s.kin.Log, "*.rdb"
	}
	return "*.incr.aof", "*.rdb"
}

// DataFile implements product.Store: the AOF's manifest, the one file that it is, or the
// snapshot.
func (s store) DataFile(m *product.Mode) string {
	switch {
	case m.AOF && s.kin.Log != "":
		return s.kin.Log
	case m.AOF:
		return manifest
	}
	return cmp.Or(s.kin.Snapshot, snapshot)
}

// Role implements product.Store. A single log that is being rewritten is a draft until it
// has the log's name (redis 6.0 aof.c backgroundRewriteDoneHandler).
func (s store) Role(path string) product.Role {
	if s.kin.Log != "" && path == s.kin.Log {
		return product.TheLog
	}
	switch {
	case isIncr(path):
		return product.TheLog
	case strings.HasPrefix(path, "temp-") && strings.HasSuffix(path, ".rdb"): // rdb.c: temp-PID.rdb
		return product.SnapshotDraft
	case strings.Contains(path, "temp-rewriteaof-"):
		return product.Draft
	case strings.Contains(path, ".base."):
		return product.Base
	case strings.Contains(path, ".manifest"):
		return product.Index
	case strings.Contains(path, AOFDir):
		return product.LogDir
	}
	return product.Other
}

// isIncr reports whether a path is an incr file of the AOF, its temporary name
// during CONFIG SET appendonly yes included.
func isIncr(path string) bool {
	return strings.HasSuffix(path, ".incr.aof") || strings.HasSuffix(path, ".aof.incr")
}

// strayBytes are what stands where the size of an append survived and its data
// did not: zeroes, or what the block held before (disk.OldBytesText, without
// its line end). No command of a workload has any of them, but for the IDs of entries of streams;
// what the client beside has is in besideWords.
const strayBytes = "\x00~-oldbytes"

// isStray says of each byte whether it is one of them: every log is looked through,
// at each crash.
var isStray = func() (is [256]bool) {
	for _, b := range []byte(strayBytes) {
		is[b] = true
	}
	return is
}()

// Stray implements product.Store.
func (s store) Stray(fsys vfs.FS) product.Stray {
	if s.kin.Log != "" {
		if data, err := vfs.ReadFile(fsys, s.kin.Log); err == nil {
			if at := firstStray(data[preamble(data):]); at >= 0 {
				return product.Stray{s.kin.Log: int64(at + preamble(data))}
			}
		}
		return nil
	}
	names, err := fsys.List(AOFDir)
	if err != nil {
		return nil
	}
	var found product.Stray
	for _, name := range names {
		if !isIncr(name) {
			continue
		}
		file := path.Join(AOFDir, name)
		data, err := vfs.ReadFile(fsys, file)
		if err != nil {
			continue
		}
		if at := firstStray(data); at >= 0 {
			if found == nil {
				found = product.Stray{}
			}
			found[file] = int64(at)
		}
	}
	return found
}

// OpenTransaction implements product.Store. No client of torntail writes such words into a value.
func (s store) OpenTransaction(fsys vfs.FS) bool {
	last := s.kin.Log
	if last == "" {
		names, err := fsys.List(AOFDir)
		if err != nil {
			return false
		}
		newest := int64(-1)
		for _, name := range names {
			if n := sequence(name); isIncr(name) && n > newest {
				last, newest = path.Join(AOFDir, name), n
			}
		}
	}
	data, err := vfs.ReadFile(fsys, last)
	return err == nil && bytes.LastIndex(data, []byte("*1\r\n$5\r\nMULTI\r\n")) > bytes.LastIndex(data, []byte("*1\r\n$4\r\nEXEC\r\n"))
}

// sequence is the number in the name of a file of the log; -1: there is none.
func sequence(name string) int64 {
	for _, part := range strings.Split(name, ".") {
		if n, err := strconv.ParseInt(part, 10, 64); err == nil {
			return n
		}
	}
	return -1
}

// preamble is the length of the snapshot at the beginning of a single log (aof-use-rdb-preamble
// of 4.0 and later), which has a checksum: it ends with the opcode EOF and that, and commands
// follow.
func preamble(data []byte) int {
	if !bytes.HasPrefix(data, []byte("REDIS")) {
		return 0
	}
	const eof, checksum = 0xff, 8
	for at := 0; ; {
		i := bytes.IndexByte(data[at:], eof)
		if at += i + 1; i < 0 || at+checksum > len(data) {
			return len(data)
		}
		if beginsCommand(data[at+checksum:]) {
			return at + checksum
		}
	}
}

// beginsCommand reports whether b begins as commands in a log do: a number of arguments,
// and the length of the first on the next line.
func beginsCommand(b []byte) bool {
	digits := bytes.TrimLeft(bytes.TrimPrefix(b, []byte("*")), "0123456789")
	return len(b) > 0 && b[0] == '*' && len(digits) < len(b)-1 && bytes.HasPrefix(digits, []byte("\r\n$"))
}

// isEntryID reports whether an argument is the ID of a stream's entry, as a server logs it.
func isEntryID(arg []byte) bool {
	ms, seq, two := bytes.Cut(arg, []byte("-"))
	digits := func(b []byte) bool { return len(b) > 0 && len(bytes.Trim(b, "0123456789")) == 0 }
	return two && digits(ms) && digits(seq)
}

// firstStray is the offset of the first stray byte that is not of the harness's own key,
// nor of a whole argument that the client beside the workload sends, nor of a stream's entry;
// -1 when there is none.
func firstStray(data []byte) int {
	for from := 0; ; {
		at := from
		for at < len(data) && !isStray[data[at]] {
			at++
		}
		if at == len(data) {
			return -1
		}
		begin := max(from, at-len(product.ProbeKey)+1)
		if own := bytes.Index(data[begin:min(len(data), at+len(product.ProbeKey))], []byte(product.ProbeKey)); own >= 0 {
			from = begin + own + len(product.ProbeKey)
			continue
		}
		arg := bytes.LastIndex(data[:at], lineEnd) + len(lineEnd)
		end := bytes.Index(data[at:], lineEnd)
		if end < 0 || !besideWords[string(data[arg:at+end])] && !isEntryID(data[arg:at+end]) {
			return at
		}
		from = at + end
	}
}

var lineEnd = []byte("\r\n")

// besideWords are the arguments that the log of the client beside the workload has.
var besideWords = workloads.BesideWords()

// HoldsCommands implements product.Store: a part of an append-only file has an
// argument's length on a line of its own, behind an argument.
func (store) HoldsCommands(b []byte) bool {
	for {
		i := bytes.Index(b, []byte("\r\n$"))
		if i < 0 || i+3 >= len(b) {
			return false
		}
		if b = b[i+3:]; b[0] >= '0' && b[0] <= '9' {
			return true
		}
	}
}

// BetweenLogs implements product.Store: the manifest names two incr files. Where nobody
// sees the server's calls, it is the cause of F3.
func (store) BetweenLogs(fsys vfs.FS) bool {
	names, err := fsys.List(AOFDir)
	if err != nil {
		return false
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".manifest") {
			continue
		}
		data, err := vfs.ReadFile(fsys, AOFDir+"/"+name)
		return err == nil && bytes.Count(data, []byte(" type i")) > 1
	}
	return false
}
