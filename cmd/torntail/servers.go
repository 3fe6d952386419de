package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/torntail/torntail/engine"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/harness/servers"
	"github.com/torntail/torntail/reports/result"
)

type serversCmd struct {
	List serversListCmd `cmd:"" default:"1" help:"The servers that are here, and those that can be got."`
	Get  serversGetCmd  `cmd:"" help:"Unpack servers of other versions from Debian's archive; nothing is installed."`
}

type serversListCmd struct{}

func (c *serversListCmd) Help() string {
	return `Each name is one for --target. Examples:
  torntail servers
  torntail servers get valkey-9.1 redis-6.0`
}

func (c *serversListCmd) Run(a *app) error {
	here, err := servers.Here()
	if err != nil {
		return environment(err)
	}
	row := func(name, version, about string) { fmt.Fprintf(a.stdout, "%-14s %-10s %s\n", name, version, about) }
	row("engine", engine.RedisVersion, "the embedded engine, which behaves as redis "+engine.RedisVersion)
	for _, name := range installed() {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		v, err := process.Version(name)
		if err != nil {
			row(name, "?", err.Error())
			continue
		}
		row(name, v, path)
	}
	listed := map[string]bool{}
	for _, s := range here {
		listed[s.Name] = true
		row(s.Name, s.Version, s.Origin())
	}
	for _, k := range servers.Table {
		if !listed[k.Name] {
			row(k.Name, "-", "torntail servers get "+k.Name+" (Debian "+strings.Join(k.Suites, ", ")+")")
		}
	}
	row("a path", "", "a server binary, or a target.yaml that describes a server (docs/targets.md)")
	row("untried", "", servers.Untried)
	return nil
}

// installed are the servers that are looked for in PATH.
func installed() (names []string) {
	for _, name := range result.Targets {
		if name != "engine" {
			names = append(names, name)
		}
	}
	return names
}

type serversGetCmd struct {
	Names  []string `arg:"" help:"Servers, such as valkey-9.1, or redis-8.0.2 for exactly that." placeholder:"NAME"`
	Mirror string   `help:"A mirror of Debian's archive; default that of apt's own sources." placeholder:"URL"`
}

func (c *serversGetCmd) Help() string {
	return `Each server is unpacked with the libraries of its own release into a directory of the
user's cache; apt checks signatures and hashes. It is a name for --target from then on. Removing
its directory forgets it. Examples:
  torntail servers get valkey-9.1 redis-6.0
  torntail run --target valkey-9.1`
}

// aptSources is where apt has its sources.
const aptSources = "/etc/apt"

func (c *serversGetCmd) Run(a *app) error { return c.get(a, aptSources) }

func (c *serversGetCmd) get(a *app, etc string) error {
	for _, name := range c.Names {
		if err := servers.Check(name); err != nil {
			return usage(err)
		}
	}
	ctx, stop := a.interruptible()
	defer stop()
	var archive *servers.Archive
	defer func() {
		if archive != nil {
			archive.Close()
		}
	}()
	for _, name := range c.Names {
		s, err := servers.Find(name)
		if err != nil && archive == nil {
			if archive, err = open(a, etc, c.Mirror); err != nil {
				return environment(err)
			}
		}
		if s == nil {
			if s, err = archive.Get(ctx, name); err != nil {
				if errors.Is(err, context.Canceled) {
					return err
				}
				return environment(err)
			}
		}
		fmt.Fprintf(a.stdout, "%s: version %s, %s, in %s\n", s.Name, s.Version, s.Origin(), s.Dir)
	}
	return nil
}

// open finds the archive and prepares its lists.
func open(a *app, etc, mirror string) (*servers.Archive, error) {
	m, err := servers.FindMirror(etc, mirror)
	if _, no := exec.LookPath("apt-get"); no != nil {
		return nil, servers.ErrNoApt
	}
	if err != nil {
		return nil, err
	}
	archive, err := servers.Open(m)
	if err == nil {
		archive.Tell = func(what string) { fmt.Fprintln(a.stderr, what) }
	}
	return archive, err
}
