package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/reports/result"
)

type doctorCmd struct {
	Clean bool `help:"Remove what a torntail has left that was killed together with its watchdog, and do nothing else."`
}

func (c *doctorCmd) Help() string {
	return `Exit status 0 when everything works, 5 when something is missing. --clean removes process
groups, mounts, loop devices, sockets and temporary directories that a torntail registered,
if neither it nor its watchdog lives; exit status 5 if some cannot be removed. Examples:
  torntail doctor
  torntail doctor --clean`
}

// examination is one thing a machine can or cannot do.
type examination struct {
	what  string // the thing
	needs string // what needs it; "" when torntail does without, only less well
	look  func() (found string, err error)
}

var examinations = []examination{
	{"simulation", "torntail run", func() (string, error) {
		return fmt.Sprintf("%s/%s, %d CPUs; needs nothing else", runtime.GOOS, runtime.GOARCH, runtime.NumCPU()), nil
	}},
	{"redis-server", "torntail run --target redis-server", func() (string, error) {
		if _, err := exec.LookPath("redis-server"); err != nil {
			return "", lacking("redis-server", err)
		}
		v, err := process.Version("redis-server")
		return "version " + v, err
	}},
	{"redis-check-aof", "the repair of an append-only file that the server refuses", func() (string, error) {
		path, err := exec.LookPath("redis-check-aof")
		if err != nil {
			return "", errors.New("not in PATH; scripts/setup installs it (Debian and Ubuntu: apt-get install redis-tools)")
		}
		return path, nil
	}},
	{"FUSE", "power cuts under real servers (without it: --disk host, process kills only, which suites take by themselves)", func() (string, error) {
		if err := fusefs.Available(); err != nil {
			return "", err
		}
		mount, err := fusefs.Serve("", fusefs.Options{})
		if err != nil {
			return "", err
		}
		return "a file system was mounted and unmounted", mount.Close()
	}},
	{"root", "", func() (string, error) {
		if os.Geteuid() != 0 {
			return "", errors.New("not root; FUSE mounts go through fusermount3, which works as well")
		}
		return "yes", nil
	}},
	{"namespaces", "", func() (string, error) {
		if _, err := guard.NewSpace(true); err != nil {
			return "", fmt.Errorf("no private mount namespace (%w); while a run goes on, its mount can be seen by others", err)
		}
		return "mounts are private, and vanish with torntail however it ends", nil
	}},
	{"user namespaces", "", func() (string, error) {
		for _, limit := range []struct{ file, forbids, set string }{
			{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor lets no program without a profile have one (sysctl kernel.apparmor_restrict_unprivileged_userns=1)"},
			{"/proc/sys/kernel/unprivileged_userns_clone", "0", "the kernel gives none to other users than root (sysctl kernel.unprivileged_userns_clone=0)"},
			{"/proc/sys/user/max_user_namespaces", "0", "the kernel gives none (sysctl user.max_user_namespaces=0)"},
		} {
			if text, err := os.ReadFile(limit.file); err == nil && strings.TrimSpace(string(text)) == limit.forbids && os.Geteuid() != 0 {
				return "", errors.New(limit.set + "; as another user than root, mounts are seen by others, and go through fusermount3")
			}
		}
		return "nothing forbids them, or root needs none", nil
	}},
	{"Landlock", "", func() (string, error) {
		if err := guard.CanConfine(); err != nil {
			return "", fmt.Errorf("%w; that servers write outside of torntail's own directory is only looked for", err)
		}
		return "servers write in torntail's own directory and nowhere else", nil
	}},
	{"block devices", "", func() (string, error) {
		if err := blocklog.Available(); err != nil {
			return "", fmt.Errorf("%w; --backend block and torntail fidelity need that", err)
		}
		host, err := blocklog.NewHost()
		if err != nil {
			return "", err
		}
		return "root, FUSE, loop devices and a mount namespace: real file systems can be watched", host.Close()
	}},
	{"ext4", "", func() (string, error) { return fileSystem("ext4") }},
	{"xfs", "", func() (string, error) { return fileSystem("xfs") }},
	{"btrfs", "", func() (string, error) { return fileSystem("btrfs") }},
}

// fileSystem says whether the block backend can use a file system.
func fileSystem(kind string) (string, error) {
	if err := blocklog.AvailableFS(kind); err != nil {
		return "", err
	}
	return "mkfs." + kind + " and the kernel's file system are there", nil
}

func (c *doctorCmd) Run(a *app) error {
	if c.Clean {
		if !clean(a.stdout) {
			return status(result.ExitEnvironment)
		}
		return nil
	}
	sayLeft(a.stdout)
	missing := 0
	for _, e := range examinations {
		found, err := e.look()
		switch {
		case err == nil:
			fmt.Fprintf(a.stdout, "%-16s ok: %s\n", e.what, found)
		case e.needs == "":
			fmt.Fprintf(a.stdout, "%-16s no: %v\n", e.what, err)
		default:
			missing++
			fmt.Fprintf(a.stdout, "%-16s missing: %v\n%-16s needed for %s\n", e.what, err, "", e.needs)
		}
	}
	if missing > 0 {
		return status(result.ExitEnvironment)
	}
	return nil
}
