package main

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/torntail/torntail/reports/result"
)

// headerOf begins the JSON form of what this command finds on a backend.
func headerOf(schema int, seed uint64, started time.Time, backend string) result.Header {
	return result.Header{Schema: schema, Torntail: version, Command: commandLine(), Seed: seed, Started: started.UTC(), Machine: thisMachine(backend)}
}

// thisMachine is where a run takes place, as far as it can matter for its figures.
func thisMachine(backend string) result.Machine {
	m := result.Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Kernel: kernelRelease()}
	if backend == "process" {
		m.FileSystem = "fuse.torntail" // as /proc/mounts names the fault disk
	}
	return m
}

// kernelRelease is what uname -r prints, or "".
func kernelRelease() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}
