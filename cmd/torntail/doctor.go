package main

import (
	"fmt"
	"os/exec"
	"runtime"

	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/reports/result"
)

type doctorCmd struct{}

func (c *doctorCmd) Help() string {
	return `Exit status 0 when everything works, 5 when something is missing. Example:
  torntail doctor`
}

// examination is one thing a machine can or cannot do.
type examination struct {
	what  string // the thing
	needs string // what needs it
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
	{"redis-check-aof", "repair of a refused append-only file", func() (string, error) {
		path, err := exec.LookPath("redis-check-aof")
		if err != nil {
			return "", fmt.Errorf("not found in PATH; scripts/setup installs it (Debian and Ubuntu: apt-get install redis-tools)")
		}
		return path, nil
	}},
	{"FUSE", "power cuts under real servers", func() (string, error) { return "a file system can be mounted", fusefs.Available() }},
}

func (c *doctorCmd) Run(a *app) error {
	missing := 0
	for _, e := range examinations {
		found, err := e.look()
		if err != nil {
			missing++
			fmt.Fprintf(a.stdout, "%-16s missing: %v\n%-16s needed for %s\n", e.what, err, "", e.needs)
			continue
		}
		fmt.Fprintf(a.stdout, "%-16s ok: %s\n", e.what, found)
	}
	if missing > 0 {
		return status(result.ExitEnvironment)
	}
	return nil
}
