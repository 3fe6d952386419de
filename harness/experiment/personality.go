package experiment

import (
	"strings"
	"time"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/sim"
)

// This file is what an experiment's disk may do, by the name of its personality: one of
// the models of faults/disk, the host's own, or a real file system, of which no model
// has a part.

// HostDisk is the personality of experiments on the host's own disk: none of ours.
const HostDisk = ""

// Measured is the prefix of personalities that are none of ours: the file system
// itself follows.
const Measured = "real "

// RealFS is the personality of experiments on a real file system.
func RealFS(fs blocklog.FS) string { return Measured + fs.String() }

// IsRealFS is the file system that RealFS was given.
func IsRealFS(personality string) (blocklog.FS, bool) {
	text, ok := strings.CutPrefix(personality, Measured)
	if !ok {
		return blocklog.FS{}, false
	}
	fs, err := blocklog.ParseFS(text)
	return fs, err == nil
}

// CheckPlace says what is wrong with the names of an experiment's disk and of its speed.
func CheckPlace(personality, profile string) error {
	if text, ok := strings.CutPrefix(personality, Measured); ok {
		if _, err := blocklog.ParseFS(text); err != nil {
			return err
		}
	} else if personality != HostDisk {
		if _, err := disk.PersonalityByName(personality); err != nil {
			return err
		}
	}
	_, err := sim.ProfileByName(profile)
	return err
}

// withoutModel reports whether the disk is none of our models.
func withoutModel(personality string) bool {
	return personality == HostDisk || strings.HasPrefix(personality, Measured)
}

// commitOf is how long a real file system keeps metadata before it writes it
// unasked, as its personality has it: write-back is no use to a reader before.
func commitOf(personality string) time.Duration {
	fs, ok := IsRealFS(personality)
	if !ok {
		return 0
	}
	p, err := disk.PersonalityByName(fs.Kind)
	if err != nil {
		return 0
	}
	return p.Commit
}

// withoutLog is a contract as far as it can be judged without the disk's log:
// what was written, synced or saved at which instant is not known, so any prefix
// will do that is not shorter than the source's bound allows.
func withoutLog(c contract.Contract) contract.Contract {
	switch c.Keeps {
	case contract.KeepsSynced, contract.KeepsWritten, contract.KeepsSnapshot:
	default:
		return c
	}
	longest := time.Duration(0)
	for _, b := range c.Bounds {
		longest = max(longest, b.Value)
	}
	for _, p := range c.SavePoints {
		longest = max(longest, p.After+time.Second)
	}
	c.Keeps, c.SyncWithin, c.SavePoints = contract.KeepsNothing, 0, nil
	if c.MaxWindow < 0 && longest > 0 {
		c.MaxWindow = longest + c.SyncSlack
	}
	return c
}

// revertsMemory reports whether memory goes back to what the disk has where a sync fails.
func revertsMemory(personality string) bool {
	p, err := disk.PersonalityByName(personality)
	return err == nil && p.Failure.Revert
}

// commitsCarryData reports whether a disk that makes a name or a size durable
// makes all data durable that was written before: its log has the data too, or
// everything is in order.
func commitsCarryData(personality string) bool {
	p, err := disk.PersonalityByName(personality)
	return err == nil && (p.Has(disk.DataInLog) || p.Has(disk.AllInOrder))
}
