package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/internal/needs"
)

// TestNothingIsLeftOfBlockRuns: however torntail ends while servers run on real
// file systems, the kernel takes loop devices and mounts away. TORNTAIL_ENDS is how
// often it is ended, one way and file system after the other.
func TestNothingIsLeftOfBlockRuns(t *testing.T) {
	needs.Program(t, "redis-server")
	needs.Working(t, blocklog.Available())
	ends := 3
	if text := os.Getenv("TORNTAIL_ENDS"); text != "" {
		var err error
		ends, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	ways := []syscall.Signal{syscall.SIGKILL, syscall.SIGINT, syscall.SIGTERM}
	for n := range ends {
		kind, how := blocklog.Kinds[n%len(blocklog.Kinds)], ways[n/len(blocklog.Kinds)%len(ways)]
		if ends < len(ways)*len(blocklog.Kinds) {
			how = ways[n%len(ways)]
		}
		needs.Working(t, blocklog.AvailableFS(kind))
		t.Run(fmt.Sprintf("%d/%s/%v", n, kind, how), func(t *testing.T) {
			u := startUnder(t, "run", "--target", "redis-server", "--backend", "block", "--fs", kind, "--mode", "always,everysec", "--crash", "power", "--runs", "100000", "--out", "out")
			u.await(t, "a server runs on a device", func() bool { return u.running() && len(devicesBelow(u.temp)) > 0 })
			time.Sleep(time.Duration(n*37%400) * time.Millisecond) // anywhere in its work
			require.NoError(t, u.Process.Signal(how))
			u.end(t)
			require.Empty(t, leftover(u.work, u.temp))
			require.True(t, within(3*time.Minute, func() bool { return len(devicesBelow(u.temp)) == 0 }), "loop devices are left: %v", devicesBelow(u.temp))
		})
	}
}

// devicesBelow are the loop devices whose files are below a directory.
func devicesBelow(dir string) (devices []string) {
	all, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, file := range all {
		if name, err := os.ReadFile(file); err == nil && strings.HasPrefix(string(name), dir+"/") {
			devices = append(devices, file)
		}
	}
	return devices
}
