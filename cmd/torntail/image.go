package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/mount"
	"github.com/torntail/torntail/internal/bounded"
)

type imageCmd struct {
	Record   string `arg:"" help:"What torntail mount --record wrote." placeholder:"RECORD"`
	Dir      string `arg:"" optional:"" help:"Directory that receives the files: missing or empty. Without it nothing is made, and what is not durable is shown." placeholder:"DIR"`
	At       uint64 `help:"The power goes when the call of this number has returned; default at the end of the record." placeholder:"CALL" xor:"at"`
	InFlight bool   `help:"With --at: while the call is in flight."`
	Cut      int    `help:"The power goes when it was cut for the so-manieth time; it keeps what it kept, unless --keep says otherwise." placeholder:"N" xor:"at"`
	Keep     string `help:"What survives of what is not durable: none, all, prefix K, torn BYTES, drop IDS, keep IDS or random SEED; default none." placeholder:"CHOICE"`
}

func (c *imageCmd) Help() string {
	return `Makes the files that a power cut leaves, or left, on a disk that was mounted with
--record: the same ones, byte for byte, as the mounted disk has after that cut. Calls
are numbered as in torntail log. Examples:

  torntail mount disk --record record               and, when that is over:
  torntail image record                             what was not durable in the end
  torntail image record --cut 1 left                what the first power cut left
  torntail image record --at 37 --in-flight --keep 'torn 512' left`
}

func (c *imageCmd) Run(a *app) error {
	if c.InFlight && c.At == 0 {
		return usage(errors.New("--in-flight: want the call's number with --at"))
	}
	var keep disk.Choice
	if c.Keep != "" {
		var err error
		if keep, err = disk.ParseChoice(c.Keep); err != nil {
			return usage(fmt.Errorf("--keep: %w", err))
		}
	}
	f, err := bounded.Open(c.Record, "a record")
	if err != nil {
		return usage(err)
	}
	defer f.Close()
	r, err := mount.ReadRecord(f, mount.Position{Call: c.At, InFlight: c.InFlight, Cut: c.Cut})
	if err != nil {
		return usage(fmt.Errorf("%s: %w", c.Record, err))
	}
	if r.Torn != nil {
		fmt.Fprintf(a.stderr, "torntail: %s: %v; what comes before is good\n", c.Record, r.Torn)
	}
	if r.Kept != nil && c.Keep == "" {
		keep = *r.Kept
	}
	var image disk.Disk
	cut := r.Disk.Image(&image, keep)
	fmt.Fprintf(a.stdout, "personality %s, after call %d, at %v: %s\n", r.Disk.Personality().Name, r.Call, r.At, mount.Describe(cut))
	if c.Dir == "" {
		for _, line := range r.InPlay() {
			fmt.Fprintln(a.stdout, line)
		}
		return nil
	}
	if err := mount.WriteTree(&image, c.Dir, r.Began); err != nil {
		if errors.Is(err, mount.ErrNotEmpty) || errors.Is(err, os.ErrPermission) {
			return usage(err)
		}
		return environment(err)
	}
	fmt.Fprintf(a.stdout, "the files are in %s\n", c.Dir)
	return nil
}
