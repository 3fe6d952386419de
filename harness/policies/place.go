package policies

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"

	"github.com/torntail/torntail/reports/result"
)

// inMemory are file systems on which nothing is ever synced to anything.
var inMemory = []string{"tmpfs", "ramfs", "devtmpfs", "rootfs"}

// PlaceOf says on which file system and device a directory lies; Why says so
// when an fsync there costs nothing because there is no disk.
func PlaceOf(dir string) result.Place {
	p := result.Place{Dir: dir, FileSystem: "unknown"}
	full, err := filepath.Abs(dir)
	if err == nil {
		full, err = filepath.EvalSymlinks(full)
	}
	if err != nil {
		return p
	}
	p.Dir = full
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return p // no Linux
	}
	defer f.Close()
	longest := -1
	for lines := bufio.NewScanner(f); lines.Scan(); {
		point, fileSystem, device, ok := mountLine(lines.Text())
		if ok && len(point) >= longest && within(full, point) { // a later mount hides an earlier one
			longest, p.FileSystem, p.Device = len(point), fileSystem, device
		}
	}
	for _, name := range inMemory {
		if p.FileSystem == name {
			p.Why = full + " is on " + name + ", which is memory: an fsync there costs nothing, and what it costs on a disk would not be measured"
		}
	}
	return p
}

// mountLine reads a line of mountinfo (proc(5)): ... mount point, options,
// optional fields, a dash, type, source.
func mountLine(line string) (point, fileSystem, device string, ok bool) {
	before, after, ok := strings.Cut(line, " - ")
	words, more := strings.Fields(before), strings.Fields(after)
	if !ok || len(words) < 5 || len(more) < 2 {
		return "", "", "", false
	}
	return unescape(words[4]), more[0], more[1], true
}

// unescape undoes the kernel's octal escapes of blanks and backslashes.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

func within(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}
