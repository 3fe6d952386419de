package main

import (
	"os"
	"syscall"
)

// syncData syncs what is in a file, as redis does on Linux (config.h redis_fsync).
func syncData(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }
