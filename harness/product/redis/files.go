package redis

import (
	"bytes"
	"path"
	"strings"

	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/product"
)

// AOFDir is the directory of the append-only file.
const AOFDir = "appendonlydir"

const (
	manifest = AOFDir + "/appendonly.aof.manifest"
	snapshot = "dump.rdb"
)

// Globs implements product.Store.
func (store) Globs() (log, snapshot string) { return "*.incr.aof", "*.rdb" }

// DataFile implements product.Store: the AOF's manifest, or the snapshot.
func (store) DataFile(m *product.Mode) string {
	if m.AOF {
		return manifest
	}
	return snapshot
}

// Role implements product.Store.
func (store) Role(path string) product.Role {
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
// its line end). No command of a workload has any of them.
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
func (store) Stray(fsys vfs.FS) product.Stray {
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

// firstStray is the offset of the first stray byte that is not of the harness's own key;
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
		own := bytes.Index(data[begin:min(len(data), at+len(product.ProbeKey))], []byte(product.ProbeKey))
		if own < 0 {
			return at
		}
		from = begin + own + len(product.ProbeKey)
	}
}

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
