package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/fusefs/control"
	"github.com/torntail/torntail/harness/cluster"
	"github.com/torntail/torntail/harness/conduct"
	"github.com/torntail/torntail/harness/mount"
	"github.com/torntail/torntail/internal/bounded"
)

type mountCmd struct {
	Dir         string `arg:"" help:"The mount point: an empty directory." placeholder:"DIR"`
	Personality string `default:"ext4" help:"File system whose crash behaviour the disk has (torntail list personalities)." placeholder:"NAME"`
	FailureMode string `help:"What a failed fsync leaves: ext4, ext4-journal, xfs or btrfs; default the personality's own." placeholder:"NAME"`
	Backing     string `help:"Keep the disk in this directory, so that it can be mounted again; default memory only." placeholder:"DIR"`
	SyncLatency string `help:"How long an fsync takes: host (as measured here), a profile (torntail list profiles) or a duration; default no time." placeholder:"host|PROFILE|DURATION"`
	Buffered    bool   `help:"Go through the page cache, for programs that map files shared and writable (SQLite's WAL)."`
	Socket      string `help:"Path of the control socket; default a place where the other commands find it." placeholder:"PATH"`
	Log         string `help:"Write every call that changes or syncs something to this file." placeholder:"FILE"`
	Record      string `help:"Write the log with all data to this file, from which torntail image makes every image." placeholder:"FILE"`
	Seed        uint64 `default:"1" help:"Of what is drawn: latencies, and what power cuts in plans keep that do not say so."`
}

func (c *mountCmd) Help() string {
	return `Any program may use the directory as a file system. It stays until Ctrl-C, or until
it is unmounted; what programs wrote is then kept with --backing, or gone. Examples:

  mkdir disk && torntail mount disk
  torntail mount disk --backing saved --personality xfs --sync-latency host

Then, in another terminal:

  torntail status                                   what a power cut would take now
  torntail fault 'fail fsync(*) EIO for 1 calls'
  torntail power-cut                                lose what is not durable
  torntail log --follow`
}

// gcPercent makes the mount collect garbage as Go does by default: what it
// holds is mostly the contents of files.
const gcPercent = 100

// fewestProcs is how many of the Go scheduler's processors a mount has at least.
// Each goroutine that waits in a read of /dev/fuse holds one for a while, and
// needs one when a request arrives: with two, on two CPUs, a small write took
// 20 us, with four 16 us.
const fewestProcs = 4

func (c *mountCmd) Run(a *app) error {
	debug.SetGCPercent(gcPercent)
	runtime.GOMAXPROCS(max(fewestProcs, runtime.GOMAXPROCS(0)))
	o := mount.Options{Dir: c.Dir, Backing: c.Backing, Buffered: c.Buffered, Socket: c.Socket, Log: c.Log, Record: c.Record, Seed: c.Seed}
	err := known("--personality", c.Personality, personalityNames())
	if err == nil {
		o.Personality, err = disk.PersonalityByName(c.Personality)
	}
	if err == nil && c.FailureMode != "" {
		names := namesOf(disk.FailureModes, func(m *disk.FailureMode) string { return m.Name })
		if err = known("--failure-mode", c.FailureMode, names); err == nil {
			o.Failure, err = disk.FailureModeByName(c.FailureMode)
		}
	}
	if err == nil {
		err = c.outside()
	}
	if err != nil {
		return usage(err)
	}
	if err := fusefs.Available(); err != nil {
		return environment(err)
	}
	var latency string
	if o.SyncLatency, latency, err = mount.SyncLatency(c.SyncLatency, c.measuredAt(), c.Seed); err != nil {
		return usage(fmt.Errorf("--sync-latency: %w", err))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	m, err := mount.Open(o)
	if err != nil {
		return mountFailed(err)
	}
	c.greet(a, m, latency)
	failed := m.Wait(ctx)
	interrupted := ctx.Err() != nil
	stop() // a second Ctrl-C ends torntail at once; the watchdog then cleans up
	if interrupted {
		fmt.Fprintf(a.stderr, "torntail: unmounting %s\n", m.Dir())
	}
	if err := m.Close(); failed == nil {
		failed = err
	}
	if failed != nil {
		return environment(failed)
	}
	return nil
}

// measuredAt is where --sync-latency host measures: on the file system that
// keeps the disk, else on the one below the mount point.
func (c *mountCmd) measuredAt() string {
	if info, err := os.Stat(c.Backing); err == nil && info.IsDir() {
		return c.Backing
	}
	return filepath.Dir(filepath.Clean(c.Dir))
}

// outside reports files that would lie on the mounted disk itself: whoever
// serves a file system must not use it.
func (c *mountCmd) outside() error {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	for flag, path := range map[string]string{"--backing": c.Backing, "--log": c.Log, "--record": c.Record, "--socket": c.Socket} { // any order: one is enough
		if path == "" {
			continue
		}
		abs, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		if rel, err := filepath.Rel(dir, abs); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			return fmt.Errorf("%s %s: lies on the fault disk itself", flag, path)
		}
	}
	return nil
}

// greet says what is there and what to type next.
func (c *mountCmd) greet(a *app, m *mount.Disk, latency string) {
	where := "in memory"
	if c.Backing != "" {
		where = "kept in " + c.Backing
	}
	fmt.Fprintf(a.stdout, `%s is a fault disk: personality %s, %s; %s
control socket %s
in another terminal:
  torntail status                                   what a power cut would take now
  torntail fault 'fail fsync(*) EIO for 1 calls'    (torntail list faults)
  torntail power-cut                                lose what is not durable; who has files open dies
  torntail log --follow
Ctrl-C unmounts it
`, m.Dir(), c.Personality, where, latency, m.Socket())
}

// mountFailed gives an error of mount.Open its exit status.
func mountFailed(err error) error {
	var point *fusefs.PointError
	if errors.As(err, &point) || errors.Is(err, mount.ErrInUse) || errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) ||
		errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, mount.ErrDamaged) {
		return usage(err)
	}
	return environment(err)
}

// socketFlags say which mounted disk a command is for.
type socketFlags struct {
	Mount  string `help:"Mount point of the disk; default the only one." placeholder:"DIR" xor:"where"`
	Socket string `help:"Control socket of the disk." placeholder:"PATH" xor:"where"`
	// Topology is one that is up, instead of a disk.
	Topology string `help:"Name of the topology, instead of a disk (torntail topology up --name)." placeholder:"NAME" xor:"where"`
}

// call sends a command to the mounted disk and prints what it answers.
func (f *socketFlags) call(out io.Writer, command string, args ...string) error {
	socket, err := f.find()
	if err != nil {
		return err
	}
	text, err := control.Call(socket, command, args...)
	io.WriteString(out, text)
	return callFailed(err)
}

func (f *socketFlags) find() (string, error) {
	if f.Socket != "" {
		return f.Socket, nil
	}
	if f.Topology != "" {
		socket, err := cluster.FindSocket(f.Topology)
		return socket, usageOf(err)
	}
	socket, err := mount.FindSocket(f.Mount)
	if f.Mount == "" {
		up, none := cluster.FindSocket("")
		switch {
		case errors.Is(none, cluster.ErrNone):
		case errors.Is(err, mount.ErrNoMount):
			socket, err = up, none
		case err == nil && none == nil:
			err = fmt.Errorf("a fault disk is mounted and a topology is up: say which with --socket %s or --socket %s", socket, up)
		}
	}
	if err != nil {
		return "", usage(err)
	}
	return socket, nil
}

// usageOf is an error of what the user asked for; nil stays nil.
func usageOf(err error) error {
	if err == nil {
		return nil
	}
	return usage(err)
}

// callFailed gives an error of control.Call its exit status: what the disk
// refuses, and a disk that is not there, are bad input.
func callFailed(err error) error {
	var refused *control.Refused
	if errors.As(err, &refused) || errors.Is(err, control.ErrNoServer) {
		return usage(err)
	}
	return err
}

type faultCmd struct {
	socketFlags
	Plan  string `arg:"" optional:"" help:"Statements of a fault plan, or a file that holds them."`
	Clear bool   `help:"End all faults; calls that stall go on."`
}

func (c *faultCmd) Help() string {
	return `A statement without "at INSTANT:" strikes at once; the disk's node is n1. The command
returns when the faults are in place and says of each whether it has struck, is in
place, or waits for its instant. Plans are explained in docs/plans.md. Examples:

  torntail fault 'fail fsync(*.db) EIO for 1 calls'
  torntail fault 'at n1 fsync(*.aof)#3 in-flight 0.5: power-cut n1 keep torn 512'
  torntail fault 'full n1 64KiB for 10s; slow write(*) 20ms for 10s'
  torntail fault 'cut n1 -> n2,n3,s1,s2,s3 both for 10s'      (torntail topology up)
  torntail fault --clear`
}

func (c *faultCmd) Run(a *app) error {
	switch {
	case c.Clear && c.Plan == "":
		return c.call(a.stdout, "clear")
	case c.Clear || c.Plan == "":
		return usage(errors.New("fault: want a plan, or --clear"))
	}
	text := c.Plan
	if _, err := os.Stat(text); err == nil {
		b, err := bounded.Text(text, "a plan")
		if err != nil {
			return usage(err)
		}
		text = string(b)
	}
	if _, err := conduct.ParseFaults(text); err != nil {
		return usage(err)
	}
	return c.call(a.stdout, "fault", text)
}

type powerCutCmd struct {
	socketFlags
	Keep string `default:"none" help:"What survives of what is not durable: none, all, prefix K, torn BYTES, drop IDS, keep IDS or random SEED." placeholder:"CHOICE"`
}

func (c *powerCutCmd) Help() string {
	return `The machine whose disk this is loses its power: programs that have files of it open die,
and of what was not durable only what --keep says is there afterwards. The command
returns when the disk can be used again. Examples:

  torntail power-cut
  torntail power-cut --keep 'torn 512'`
}

func (c *powerCutCmd) Run(a *app) error {
	if _, err := disk.ParseChoice(c.Keep); err != nil {
		return usage(fmt.Errorf("--keep: %w", err))
	}
	return c.call(a.stdout, "power-cut", "keep", c.Keep)
}

type saveCmd struct{ socketFlags }

func (c *saveCmd) Help() string {
	return `Puts the mounted disk into the directory that torntail mount --backing named, as it is
now, durable or not; programs go on meanwhile. The same happens after each power cut
and when the mount ends. Example:
  torntail save`
}

func (c *saveCmd) Run(a *app) error { return c.call(a.stdout, "save") }

type statusCmd struct{ socketFlags }

func (c *statusCmd) Help() string {
	return `What of the mounted disk is not durable, by file, and which faults are in place. Example:
  torntail status`
}

func (c *statusCmd) Run(a *app) error { return c.call(a.stdout, "status") }

type logCmd struct {
	socketFlags
	Lines  uint64 `short:"n" default:"100" help:"So many of the last lines."`
	Follow bool   `short:"f" help:"Go on with what comes, until Ctrl-C or the end of the mount."`
}

func (c *logCmd) Help() string {
	return `The calls that changed or synced something, and what faults did in between: number, time
since the mount, call, file, range, how long it took. The last 65536 lines are kept;
torntail mount --log FILE keeps all. Examples:

  torntail log
  torntail log --follow`
}

// followEvery is how often --follow asks for more.
const followEvery = 200 * time.Millisecond

func (c *logCmd) Run(a *app) error {
	if !c.Follow {
		return c.call(a.stdout, "log", fmt.Sprint(c.Lines))
	}
	socket, err := c.find()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	next, err := control.Call(socket, "log-tail", fmt.Sprint(c.Lines))
	if err != nil {
		return callFailed(err)
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		text, err := control.Call(socket, "log-from", next)
		var refused *control.Refused
		if errors.As(err, &refused) {
			return usage(err)
		}
		if err != nil {
			return nil // the mount has ended
		}
		number, lines, _ := bytes.Cut([]byte(text), []byte("\n"))
		next = string(number)
		if _, err := a.stdout.Write(lines); err != nil {
			return nil // nobody reads any more
		}
		if len(lines) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
