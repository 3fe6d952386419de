package machine

import (
	"time"

	"github.com/torntail/torntail/faults/plan"
)

// Kind is a kind of machine: the simulated one, or one with a real server on a kind of
// disk. It is in the file of that disk; another is a file and a row in Kinds.
type Kind struct {
	// System is a prototype, to ask for its name and what can strike there.
	System plan.System
	// Word is what --disk, and "disk" in suites, call the disk, and About what that is.
	// "": it is asked for in another way.
	Word, About string
	// Open opens the disks of a rig; nil where that takes more than the word.
	Open func(clock func() time.Duration) (Disks, error)
	// Available is why this host cannot have it.
	Available func() error
}

// Kinds are the machines that there are, in the order in which lists show them.
var Kinds = []*Kind{&simulated, &onFaultDisk, &onHost, &onBlocks}

// KindOf is the kind of a backend; nil when there is no such backend.
func KindOf(b plan.Backend) *Kind {
	for _, k := range Kinds {
		if k.System.Name() == string(b) {
			return k
		}
	}
	return nil
}

// System is what the kind of a backend has; nil when there is no such backend.
func System(b plan.Backend) plan.System {
	if k := KindOf(b); k != nil {
		return k.System
	}
	return nil
}

// DiskCalled is the kind whose disk has that word; nil when none has.
func DiskCalled(word string) *Kind {
	for _, k := range Kinds {
		if k.Word != "" && k.Word == word {
			return k
		}
	}
	return nil
}

// DiskWords are the words of disks, that of the fault disk first.
func DiskWords() (words []string) {
	for _, k := range Kinds {
		if k.Word != "" {
			words = append(words, k.Word)
		}
	}
	return words
}

// DiskIsOurs reports whether a system has disks that torntail makes, knows the whole of,
// and can plant faults in.
func DiskIsOurs(on plan.System) bool {
	_, ours := on.(plan.Disks)
	return ours
}
