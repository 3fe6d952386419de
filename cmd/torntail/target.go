package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/guest"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/target"
	"github.com/torntail/torntail/reports/result"
)

// targetFlags say what is tested and on which disk.
type targetFlags struct {
	Target      string `default:"engine" help:"engine, redis-server, a name of torntail servers, the path of a server binary, a target.yaml that describes one, or HOST:PORT of one that runs (run alone); default ${default}." placeholder:"TARGET"`
	Backend     string `help:"sim (the engine), process (real servers on the fault disk) or block (real servers on a real file system, as root); sim or process follows from the target." placeholder:"NAME"`
	FS          string `name:"fs" default:"${fs}" help:"With --backend block: the file system and its mount options, such as ext4,data=writeback; default ${default}." placeholder:"FS"`
	Disk        string `default:"fuse" enum:"${disks}" help:"Where a real server writes: ${disks_about}; default ${default}." placeholder:"${disks_hint}"`
	Personality string `default:"ext4" help:"What the disk promises about a power cut (torntail list personalities); default ${default}." placeholder:"NAME"`
	Profile     string `default:"cloud-ssd" help:"How long things take (torntail list profiles); default ${default}." placeholder:"NAME"`
}

func (f *targetFlags) check() error {
	if _, err := backendOf(f.Target, f.Backend); err != nil {
		return err
	}
	if err := checkFS(f.FS, f.Backend == string(plan.Block)); err != nil {
		return err
	}
	if f.Backend == string(plan.Block) {
		if f.Disk != faultDisk {
			return fmt.Errorf("--backend block brings its own disk; it does not go with --disk %s", f.Disk)
		}
	}
	if f.Disk != faultDisk && f.Target == "engine" {
		return fmt.Errorf("--disk %s is for real servers: the engine runs in simulation, on a disk in memory", f.Disk)
	}
	if err := known("--personality", f.Personality, personalityNames()); err != nil {
		return err
	}
	return known("--profile", f.Profile, profileNames())
}

// usualFS is the default of --fs.
const usualFS = "ext4"

// checkFS reports what is wrong with --fs: which file system is below says nothing where
// none is.
func checkFS(text string, block bool) error {
	if _, err := blocklog.ParseFS(text); err != nil {
		return fmt.Errorf("--fs: %w", err)
	}
	if !block && text != usualFS {
		return fmt.Errorf("--fs %s: only --backend block has a file system below", text)
	}
	return nil
}

// backendOf is where a target runs; name is what --backend asks for, or "".
func backendOf(target, name string) (plan.Backend, error) {
	b := plan.Process
	if versions := result.Versions(target); len(versions) > 1 {
		for _, version := range versions {
			if _, err := backendOf(version, name); err != nil || version == "engine" {
				return b, cmp.Or(err, errors.New("--then is for real servers: the engine runs in simulation, where there are no other versions"))
			}
		}
		target = versions[0]
	}
	if target == "engine" {
		b = plan.Sim
	} else if near := nearest(target, result.Targets); near != "" && !slices.Contains(result.Targets, target) {
		if _, err := exec.LookPath(target); err != nil {
			return b, fmt.Errorf("--target %q is not known: did you mean %q?", target, near)
		}
	}
	if name == "" || name == string(b) {
		return b, nil
	}
	if name == string(plan.Block) && b == plan.Process {
		return plan.Block, nil
	}
	if err := known("--backend", name, []string{string(plan.Sim), string(plan.Process), string(plan.Block)}); err != nil {
		return b, err
	}
	return b, fmt.Errorf("--backend %s cannot run target %s: want %s", name, target, b)
}

// Values of --disk that commands choose themselves.
const (
	faultDisk = "fuse"
	onHost    = "host"
)

// diskVars are what help says of --disk.
func diskVars() kong.Vars {
	var about []string
	for _, word := range machine.DiskWords() {
		about = append(about, word+", "+machine.DiskCalled(word).About)
	}
	return kong.Vars{"fs": usualFS, "disks": strings.Join(machine.DiskWords(), ","), "disks_hint": strings.Join(machine.DiskWords(), "|"), "disks_about": strings.Join(about, "; ")}
}

// place is where a target writes: a word of --disk, or what experiment.RealFS says of a file
// system of the block backend.
func (f *targetFlags) place() string {
	if f.Backend != string(plan.Block) {
		return f.Disk
	}
	fs, _ := blocklog.ParseFS(f.FS) // it has been checked
	return experiment.RealFS(fs)
}

// openTarget prepares the backend for a target on a disk; done releases it.
func openTarget(name, disk string) (b campaign.Backend, done func(), err error) {
	if name == "engine" {
		return campaign.Simulation(), func() {}, nil
	}
	open := openRig
	if versions := result.Versions(name); len(versions) > 1 {
		open = func(_, disk string) (*machine.Rig, string, error) { return openVersions(versions, disk) }
	}
	rig, v, err := open(name, disk)
	if err != nil {
		return b, nil, err
	}
	return campaign.RealServer(rig, v), func() { rig.Close() }, nil
}

// onlyLooked says once what this machine cannot promise.
var onlyLooked sync.Once

// openRig prepares a disk for a real server, and finds out its version.
func openRig(name, disk string) (*machine.Rig, string, error) {
	found, err := findServer(name)
	if err != nil {
		return nil, "", err
	}
	rig, err := openOn(found, disk)
	return rig, found.Version, err
}

// openVersions is openRig for servers that follow each other on the same files.
func openVersions(names []string, disk string) (_ *machine.Rig, version string, err error) {
	found := make([]*target.Server, len(names))
	said := make([]string, len(names))
	for i, name := range names {
		if name == "engine" {
			return nil, "", usage(errors.New("--then: the engine runs in simulation, where there are no other versions"))
		}
		if found[i], err = findServer(name); err != nil {
			return nil, "", err
		}
		if why := found[i].Apart(found[0]); why != "" {
			return nil, "", usage(fmt.Errorf("--then %s: %s", name, why))
		}
		said[i] = found[i].Version
	}
	rig, err := openOn(found[0], disk)
	if err != nil {
		return nil, "", err
	}
	for _, next := range found[1:] {
		if err := rig.Follow(next.Rig); err != nil {
			return nil, "", errors.Join(environment(err), rig.Close())
		}
	}
	rig.Name = result.Then(names...)
	return rig, result.Then(said...), nil
}

// openOn prepares a disk for a server.
func openOn(found *target.Server, disk string) (*machine.Rig, error) {
	if disk == "" {
		disk = faultDisk
	}
	fs, block := experiment.IsRealFS(disk)
	kind := machine.DiskCalled(disk)
	switch {
	case block:
		if err := errors.Join(blocklog.Available(), blocklog.AvailableFS(fs.Kind)); err != nil {
			return nil, environment(fmt.Errorf("the block backend: %w", err))
		}
	case kind.Available != nil:
		if err := kind.Available(); err != nil {
			return nil, environment(err)
		}
	}
	open := machine.BlockDisks(fs)
	if !block {
		open = kind.Open
	}
	rig, err := found.Rig(open)
	var refused *blocklog.RefusedError
	switch {
	case errors.As(err, &refused):
		return nil, usage(fmt.Errorf("--fs %s: %s; dmesg may say why", fs, refused.Why))
	case err != nil:
		return nil, environment(fmt.Errorf("the disk: %w", err))
	}
	if err := guard.CanConfine(); err != nil {
		onlyLooked.Do(func() {
			fmt.Fprintf(os.Stderr, "torntail: %v: servers are not kept from writing outside of torntail's own directory, it is only looked for\n", err)
		})
	}
	return rig, nil
}

// findServer finds the real server that a target is, and asks it for its version.
func findServer(name string) (*target.Server, error) {
	if len(result.Versions(name)) > 1 {
		return nil, usage(fmt.Errorf("target %q: versions follow each other in run and in the matrix of a suite alone", name))
	}
	if guest.Is(name) {
		return nil, usage(fmt.Errorf("target %s: a server that runs already is for run alone (%s)", name, notOwned))
	}
	s, err := target.Find(name)
	if err == nil {
		err = s.Try(context.Background())
	}
	var trial *target.TrialError
	if errors.As(err, &trial) {
		var start *process.StartError
		if errors.As(err, &start) && start.Silent() {
			return nil, environment(err) // see asUsage
		}
		if lacksNothing := strings.Contains(strings.ToLower(trial.Text), syscall.EROFS.Error()); takenAway(err) && !lacksNothing {
			return nil, environment(err)
		}
		return nil, usage(err) // a directory that it may not write to is one that it was not told
	}
	var missing *target.MissingError
	switch {
	case errors.As(err, &missing) && missing.Err != nil:
		return nil, lacking(name, missing.Err)
	case errors.As(err, &missing):
		return nil, environment(err)
	case err != nil:
		return nil, usage(err)
	}
	return s, nil
}

// asUsage makes bad input of a server that will not start on an empty disk: it
// does not like its directives, or is not what its --version says. One that the
// environment did not let start says nothing about the input, and neither does one that
// only kept silent: on a busy machine any server may. An experiment that is too long for a
// simulated world is bad input, too.
func asUsage(err error) error {
	var refusal *process.StartError
	var long *experiment.TooLongError
	switch {
	case errors.As(err, &long):
		return usage(err)
	case takenAway(err), errors.As(err, &refusal) && refusal.Silent():
		return environment(err)
	case errors.As(err, &refusal):
		return usage(err)
	}
	return err
}

// withFailure ends a command that has reported what it knew, with the status of that; or
// with what kept it from knowing more, if anything did: then that is never the input's.
func withFailure(reported, broken error) error {
	var start *process.StartError
	var f *failure
	switch {
	case broken == nil:
		return reported
	case errors.As(broken, &f):
		return f
	case takenAway(broken), errors.As(broken, &start) && !start.Exited: // too slow, or not the one that was started, where it has served
		return environment(broken)
	}
	return &failure{result.ExitInternal, broken}
}

// lostOutside is why a command could not go on, or that too many of its runs were lost.
func lostOutside(broken error, results []result.Result) error {
	if why := result.LostOutside(results); broken == nil && why != "" {
		return environment(errors.New(why))
	}
	return broken
}

// takenAway reports whether an error is the environment's: it had no room, no
// descriptors or no memory left, killed a server, lost its program, gave its port to
// somebody else, or lets nothing be mounted.
func takenAway(err error) bool {
	var denied *fusefs.MountError
	if errors.As(err, &denied) {
		return true
	}
	var refusal *process.StartError
	if errors.As(err, &refusal) {
		if refusal.Exited && refusal.Exit.Signal == syscall.SIGKILL || refusal.PortTaken() {
			return true
		}
		said := strings.ToLower(refusal.Output)
		if strings.Contains(said, "ulimit -n") || slices.ContainsFunc(runsOut, func(lacks error) bool { return strings.Contains(said, lacks.Error()) }) {
			return true
		}
	}
	var path *fs.PathError
	return errors.Is(err, machine.ErrTaken) || slices.ContainsFunc(runsOut, func(lacks error) bool { return errors.Is(err, lacks) }) || errors.As(err, &path) && path.Op == "fork/exec"
}

// runsOut are what a machine may run out of, or lose. Servers that cannot go on
// print their text; redis 7.0.15 server.c adjustOpenFilesLimit speaks of ulimit -n.
var runsOut = []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EROFS, syscall.ENOTCONN}

// lacking says how to get a server that is not there. A path that is not there
// is a mistake of the user's, a program that is not installed is the machine's.
func lacking(target string, err error) error {
	var what *exec.Error
	if errors.As(err, &what) {
		err = what.Err
	}
	switch {
	case strings.ContainsRune(target, '/'):
		return usage(fmt.Errorf("target %s: %w", target, err))
	case target == "redis-server":
		return environment(errors.New("redis-server is not in PATH; scripts/setup installs it (Debian and Ubuntu: apt-get install redis-server)"))
	}
	return environment(fmt.Errorf("target %s: %w; targets are engine, redis-server, or the path of a server binary", target, err))
}
