package product

import (
	"bytes"
	"path"
	"strings"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/vfs"
)

// Where the data is, in every mode.
const (
	AOFDir   = "appendonlydir"
	Manifest = AOFDir + "/appendonly.aof.manifest"
	Snapshot = "dump.rdb"
)

// DataFile is the file without which a server in the mode starts empty and says
// nothing: the AOF's manifest, or the snapshot.
func DataFile(m *Mode) string {
	if m.AOF {
		return Manifest
	}
	return Snapshot
}

// HasData reports whether a mode's data can be found on a disk.
func HasData(fsys vfs.FS, m *Mode) bool {
	_, err := fsys.Stat(DataFile(m))
	return err == nil
}

// StrayBytes are what stands where the size of an append survived and its data
// did not: zeroes, or what the block held before (disk.OldBytesText, without
// its line end). No command of a workload has any of them.
const StrayBytes = "\x00~-oldbytes"

// HasStrayBytes reports whether an incr file of the AOF holds stray bytes.
func HasStrayBytes(fsys vfs.FS) bool {
	names, err := fsys.List(AOFDir)
	if err != nil {
		return false
	}
	for _, name := range names {
		if !IsIncr(name) {
			continue
		}
		data, err := vfs.ReadFile(fsys, path.Join(AOFDir, name))
		if err != nil {
			continue
		}
		if bytes.IndexByte(data, 0) >= 0 || bytes.ContainsAny(bytes.ReplaceAll(data, []byte(ProbeKey), nil), StrayBytes) {
			return true
		}
	}
	return false
}

// IsIncr reports whether a path is an incr file of the AOF, its temporary name
// during CONFIG SET appendonly yes included.
func IsIncr(path string) bool {
	return strings.HasSuffix(path, ".incr.aof") || strings.HasSuffix(path, ".aof.incr")
}

// IsSnapshotTemp reports whether a path is a snapshot being written (rdb.c: temp-PID.rdb).
func IsSnapshotTemp(path string) bool {
	return strings.HasPrefix(path, "temp-") && strings.HasSuffix(path, ".rdb")
}

// IsRewrite reports whether a call is part of an AOF rewrite: the child's files,
// the base, the manifest, and the removal of old files.
func IsRewrite(c *disk.Call) bool {
	return strings.Contains(c.Path, "temp-rewriteaof-") || strings.Contains(c.Path, ".base.") ||
		strings.Contains(c.Path, ".manifest") || strings.HasSuffix(c.Path, "appendonlydir") && c.Kind == disk.OpDirSync ||
		IsIncr(c.Path) && (c.Kind == disk.OpCreate || c.Kind == disk.OpUnlink)
}

func IsRoot(path string) bool { return path == "" || path == "." || path == "/" }

// Role is a path without what differs from run to run: process ids and
// sequence numbers.
func Role(path string) string {
	out := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		if ch := path[i]; ch < '0' || ch > '9' {
			out = append(out, ch)
		} else if len(out) == 0 || out[len(out)-1] != '#' {
			out = append(out, '#')
		}
	}
	return string(out)
}

// HoldsCommands reports whether blocks carry a part of an append-only file: an
// argument's length on a line of its own, behind an argument.
func HoldsCommands(b []byte) bool {
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

// BetweenIncrs reports whether the manifest names two incr files, so that a rewrite
// has gone on to the next one and not ended: where nobody sees the server's calls,
// the cause of F3.
func BetweenIncrs(fsys vfs.FS) bool {
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
