package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/torntail/torntail/engine"
	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/listen"
	"github.com/torntail/torntail/faults/vfs/osfs"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/internal/bounded"
	"github.com/torntail/torntail/reports/result"
)

type serverCmd struct {
	Args []string `arg:"" optional:"" help:"redis-server's arguments: [redis.conf] [--directive value ...]."`
}

func (c *serverCmd) Help() string {
	return `It serves loopback addresses only. Log lines and exit status are redis-server's own. Examples:

  torntail server --port 6399 --appendonly yes --appendfsync everysec
  torntail server redis.conf --dir data
  torntail server --port 6399 --plant skip-every-50th-fsync
  torntail server sentinel.conf --sentinel

--sentinel makes it a Sentinel, which keeps its state in its configuration file.
--plant switches planted bugs on (torntail list plants). The same when the binary is
called redis-server.`
}

// serverGCPercent has a server collect garbage sooner than the search does: what it holds is
// its data, of which the garbage is a share.
const serverGCPercent = 50

func (c *serverCmd) Run(a *app) error {
	if len(c.Args) == 1 && c.Args[0] == childFlag {
		if code := listen.RunChild(os.Stdin, unshown(a.stdout)); code != 0 {
			return status(code)
		}
		return nil
	}
	args, planted, err := takePlant(c.Args)
	if err != nil {
		return usage(err)
	}
	if len(args) == 1 {
		switch args[0] {
		case "--version", "-v":
			fmt.Fprintf(a.stdout, "Redis server v=%s sha=00000000:0 malloc=go bits=64 build=torntail-%s\n", engine.RedisVersion, version)
			return nil
		case "--help", "-h":
			fmt.Fprintln(a.stdout, "Usage: torntail server [redis.conf] [--directive value ...] [--plant NAMES]\n\n"+c.Help())
			return nil
		}
	}
	args, sentinel := config.AskedForSentinel(os.Args[0], args)
	conf := config.Default()
	if sentinel {
		conf.MakeSentinel()
	}
	file, err := conf.ParseArgs(args, listen.Matching(readConf()))
	if err != nil {
		return usage(err)
	}
	if wd, err := os.Getwd(); err == nil {
		file = config.AbsolutePath(wd, file)
	}
	debug.SetGCPercent(serverGCPercent)
	child := []string{os.Args[0], "server", childFlag}
	if calledAsServer(os.Args[0]) {
		child = []string{os.Args[0], childFlag}
	}
	if code := listen.Run(listen.Options{Config: conf, ConfigFile: file, Output: unshown(a.stdout), Bugs: planted.Engine, Child: child}); code != 0 {
		return status(code)
	}
	return nil
}

// childFlag makes the program the child of a server that writes a snapshot.
const childFlag = "--child"

// mostConfs is how many files a redis.conf may be made of: one that includes itself twice
// would be without end, however deep includes may nest.
const mostConfs = 1000

// readConf reads the files of one redis.conf.
func readConf() func(name string) ([]byte, error) {
	n := 0
	return func(name string) ([]byte, error) {
		if n++; n > mostConfs {
			return nil, fmt.Errorf("more than %d files are included", mostConfs)
		}
		return bounded.Read(name, "a redis.conf", bounded.ByHand)
	}
}

// takePlant takes --plant NAMES out of redis-server's arguments.
func takePlant(args []string) (rest []string, p experiment.Plants, err error) {
	for i := 0; i < len(args); i++ {
		if args[i] != "--plant" {
			rest = append(rest, args[i])
			continue
		}
		if i++; i == len(args) {
			return nil, p, errors.New("--plant: want the names of planted bugs after it")
		}
		if p, err = plants(args[i]); err != nil {
			return nil, p, err
		}
		if outside := (experiment.Plants{Engine: p.Engine}); p != outside {
			return nil, p, fmt.Errorf("--plant %s: a server can have only planted bugs of the engine", args[i])
		}
	}
	return rest, p, nil
}

type checkAOFCmd struct {
	File string `arg:"" help:"A manifest, an append-only file, or one with an RDB preamble."`
	Fix  bool   `help:"Cut off what is wrong at the end of the last file."`
	Yes  bool   `short:"y" help:"Do not ask before cutting."`
}

func (c *checkAOFCmd) Help() string {
	return `Examples:
  torntail check-aof appendonlydir/appendonly.aof.manifest
  torntail check-aof --fix appendonlydir/appendonly.aof.manifest`
}

func (c *checkAOFCmd) Run(a *app) error {
	dir, name := filepath.Split(c.File)
	if dir == "" {
		dir = "."
	}
	if info, err := os.Stat(c.File); err != nil || info.IsDir() {
		if err == nil {
			err = fmt.Errorf("%s is a directory: want a manifest or an append-only file", c.File)
		}
		return usage(err)
	}
	said := new(bytes.Buffer) // the simulated world checks files, too, and prints to nothing else
	err := aof.Check(aof.CheckOptions{FS: osfs.New(dir), Path: name, Fix: c.Fix, Out: said, NowMs: time.Now().UnixMilli(),
		Confirm: func(prompt string) bool {
			if c.Yes {
				return true
			}
			said.WriteString(prompt)
			said.WriteTo(a.stdout)
			var answer string
			fmt.Fscanln(os.Stdin, &answer)
			return strings.HasPrefix(strings.ToLower(answer), "y")
		}})
	said.WriteTo(a.stdout)
	if err != nil {
		fmt.Fprintln(a.stdout, err)
		return status(result.ExitViolated)
	}
	return nil
}
