package fidelity

import (
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/faults/disk/promised"
	"github.com/torntail/torntail/faults/vfs/script"
)

// Program is what is run on a file system.
type Program struct {
	Name string
	Base []string // durable before it begins
	Run  []string
}

// String is its name, and the program as the command line takes it.
func (p Program) String() string {
	return fmt.Sprintf("%s\n  --base '%s' --program '%s'", p.Name, strings.Join(p.Base, "; "), strings.Join(p.Run, "; "))
}

// Epilogue is what happens after a program, so that of what the file system keeps
// in memory some reaches the disk and some does not. It stands for what the kernel
// does by itself in its own time.
type Epilogue struct {
	Name string
	Run  string // FILES stands for the program's files, one step for each
}

// Epilogues, each with what it makes likely.
var Epilogues = []Epilogue{
	{"at once", ""}, // what the program itself has written
	{"all written", "sync"},
	{"another file's fsync", "create z; fsync z"}, // the log, and no data
	{"data written, another file's fsync", "range FILES; create z; fsync z"},          // data, then the log
	{"last file's data written, then the log", "range LAST; create z; fsync z; sync"}, // some data, then the log, then all
	{"another file's fsync, then all written", "create z; fsync z; sync"},
}

// more are programs that the model's own list has no need of.
var more = []struct{ name, base, run string }{
	{"append, O_SYNC", "create f; write f AAAA", "swrite f BBBB"},
	{"append, O_DSYNC", "create f; write f AAAA", "dwrite f BBBB"},
	{"append to a new page, O_DSYNC", "create f; write f A*4096", "dwrite f BBBB"},
	{"append to a new page, fsync", "create f; write f A*4096", "write f BBBB; fsync f"},
	{"append to a new page, fdatasync", "create f; write f A*4096", "write f BBBB; fdatasync f"},
	{"append to a new page, sync_file_range", "create f; write f A*4096", "write f BBBB; range f"},
	{"append across pages, fdatasync, append", "create f; write f A*4094", "write f BBBB; fdatasync f; write f CC"},
	{"overwrite, fsync", "create f; write f AAAA", "pwrite f 0 BB; fsync f"},
	{"overwrite, fdatasync", "create f; write f A*8192", "pwrite f 4090 B*12; fdatasync f"},
	{"overwrite, O_SYNC by append of another", "create f; create g; write f AAAA; write g AAAA", "pwrite f 0 BB; swrite g CC"},
	{"append, another file appended with fdatasync", "create f; create g; write f AAAA; write g AAAA", "write f BB; write g CC; fdatasync g"},
	{"append to a new page, another file made and synced", "create f; write f A*4096", "write f BBBB; create g; fsync g"},
	{"unlink, fsync of another file", "create f; create g; write f A", "unlink f; fsync g"},
	{"mkdir, fsync of another file", "create g", "mkdir d; create d/f; write g A; fsync g"},
	{"rename over existing, fdatasync of the file", "create t; write t OLD", "create n; write n NEW; rename n t; fdatasync t"},
	{"rename over existing, fsync of the file", "create t; write t OLD", "create n; write n NEW; rename n t; fsync t"},
	{"rename over existing, big file", "create t; write t OLD", "create n; write n N*16384; rename n t"},
	{"link, fsync of another file", "create f; create g; write f A", "link f h; write g A; fsync g"},
	{"append large", "create f; write f AAAA", "write f B*12000"},
	{"append twice, fdatasync between", "create f", "write f A*100; fdatasync f; write f B*100; write f C*4000"},
	{"grown by allocate, written, fdatasync", "create f", "alloc f 0 8192; pwrite f 0 BB; fdatasync f"},
}

// Programs are those of the model's own list and more.
func Programs() []Program {
	var all []Program
	for _, p := range promised.Programs() {
		all = append(all, Program{p.Name, p.Base, p.Run})
	}
	for _, m := range more {
		all = append(all, Program{m.name, script.Steps(m.base), script.Steps(m.run)})
	}
	return all
}

// run is a program with something in it or behind it that brings a part of what the
// file system has in memory to the disk.
type run struct {
	steps []string
	whole int // steps that must have returned for the whole program to have
}

// runs are a program with each epilogue and, if asked, with the log or data and
// log written between any two of its steps, as the kernel may do by itself.
func (p Program) runs(epilogues []Epilogue, between bool) []run {
	var all []run
	for _, e := range epilogues {
		all = append(all, run{slices.Concat(p.Run, e.fill(p.files(len(p.Run)))), len(p.Run)})
	}
	if !between {
		return all
	}
	for i := 1; i < len(p.Run); i++ {
		for _, e := range betweens {
			steps := slices.Concat(p.Run[:i], e.fill(p.files(i)), p.Run[i:])
			all = append(all, run{steps, len(steps)})
		}
	}
	return all
}

// betweens are what is put between two steps.
var betweens = []Epilogue{
	{"the log", "create z; fsync z"},
	{"data and the log", "range FILES; create z; fsync z"},
}

// fill is the epilogue's steps for a program's files.
func (e Epilogue) fill(files []string) (steps []string) {
	for _, step := range script.Steps(e.Run) {
		switch {
		case strings.Contains(step, "FILES"):
			for _, f := range files {
				steps = append(steps, strings.Replace(step, "FILES", f, 1))
			}
		case strings.Contains(step, "LAST"):
			if len(files) > 0 {
				steps = append(steps, strings.Replace(step, "LAST", files[len(files)-1], 1))
			}
		default:
			steps = append(steps, step)
		}
	}
	return steps
}

// files are those that are there after so many steps, in the order in which they were made.
func (p Program) files(returned int) []string {
	var names []string
	drop := func(name string) { names = slices.DeleteFunc(names, func(n string) bool { return n == name }) }
	for _, step := range slices.Concat(p.Base, p.Run[:returned]) {
		f := strings.Fields(step)
		switch f[0] {
		case "create":
			names = append(names, f[1])
		case "unlink":
			drop(f[1])
		case "rename":
			drop(f[2])
			for i, n := range names {
				if n == f[1] || strings.HasPrefix(n, f[1]+"/") {
					names[i] = f[2] + strings.TrimPrefix(n, f[1])
				}
			}
		}
	}
	return names
}

// withoutZ is a list without the file that is no program's own.
func withoutZ(tree string) string {
	if tree == "z=" {
		return "-"
	}
	return strings.TrimSuffix(tree, " z=")
}
