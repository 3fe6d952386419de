package splitbrain

import (
	"fmt"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
)

// OnDisks is what plans do to the disks of a cluster's nodes, of which each has one of
// torntail's own. Its methods are called as those of Cluster are.
type OnDisks struct{ Of *Nodes }

// node finds one.
func (d OnDisks) node(name string) (n *Node, why string) {
	if n = d.Of.Node(name); n == nil {
		why = name + " is no server or Sentinel"
	}
	return n, why
}

// OnDisk implements plan.Disks.
func (d OnDisks) OnDisk(name string, f func(*disk.Disk)) (why string, err error) {
	n, why := d.node(name)
	if why != "" {
		return why, nil
	}
	return n.Machine.(plan.Disks).OnDisk(name, f)
}

// ReleaseCalls implements plan.HeldCalls.
func (d OnDisks) ReleaseCalls(name string) (why string, err error) {
	for _, n := range d.Of.All {
		if name == "" || n.Name == name {
			if why, err = n.Machine.(plan.HeldCalls).ReleaseCalls(n.Name); why != "" || err != nil {
				return why, err
			}
		}
	}
	return "", nil
}

// AtRest implements plan.AtRest.
func (d OnDisks) AtRest(name string, damage func(*disk.Disk, string) (int, string)) (why string, err error) {
	if name != "" {
		n, why := d.node(name)
		if why != "" {
			return why, nil
		}
		return d.atRest(n, damage)
	}
	missed, files := "no server or Sentinel is down", false
	for _, n := range d.Of.All {
		if n.Running() {
			continue
		}
		switch why, err := d.atRest(n, damage); {
		case err != nil:
			return "", err
		case why == "":
			files = true
		default:
			missed = why
		}
	}
	if files {
		missed = ""
	}
	return missed, nil
}

func (d OnDisks) atRest(n *Node, damage func(*disk.Disk, string) (int, string)) (why string, err error) {
	return d.whileDown(n, func() (string, error) {
		return n.Machine.(plan.AtRest).AtRest(n.Name, func(of *disk.Disk, _ string) (int, string) { return damage(of, n.Name) })
	})
}

// whileDown does something to the files of a node once its last process is gone.
func (d OnDisks) whileDown(n *Node, do func() (why string, err error)) (why string, err error) {
	if n.Running() {
		return fmt.Sprintf("%s runs, so its files are not at rest", n.Name), nil
	}
	if err := n.AwaitGone(0); err != nil {
		return "", err
	}
	n.AtRestNow(func() {})
	return do()
}

// Wipe implements plan.Directories.
func (d OnDisks) Wipe(name string) (why string, err error) {
	return d.directory(name, plan.Directories.Wipe)
}

// Restore implements plan.Directories.
func (d OnDisks) Restore(name string) (why string, err error) {
	return d.directory(name, plan.Directories.Restore)
}

func (d OnDisks) directory(name string, do func(of plan.Directories, name string) (why string, err error)) (why string, err error) {
	n, why := d.node(name)
	if why != "" {
		return why, nil
	}
	return d.whileDown(n, func() (string, error) { return do(n.Machine.(plan.Directories), name) })
}

// AddLines implements plan.Configured.
func (d OnDisks) AddLines(name string, lines []string) (why string, err error) {
	n, why := d.node(name)
	if why != "" {
		return why, nil
	}
	return d.whileDown(n, func() (string, error) { return n.Machine.(plan.Configured).AddLines(name, lines) })
}

// Backup implements plan.Directories.
func (d OnDisks) Backup(name string) (why string, err error) {
	n, why := d.node(name)
	if why != "" {
		return why, nil
	}
	return n.Machine.(plan.Directories).Backup(name)
}

// Denied implements Watched.
func (d OnDisks) Denied(node string) (n uint64) {
	d.OnDisk(node, func(of *disk.Disk) { n = of.Denied() })
	return n
}

// Heal gives all disks back what faults have taken from them.
func (d OnDisks) Heal() {
	for _, n := range d.Of.All {
		n.Machine.(plan.Disks).OnDisk(n.Name, func(of *disk.Disk) { // which always can
			of.SetFree(-1)
			of.SetReadOnly(false)
		})
		n.Machine.(plan.HeldCalls).ReleaseCalls(n.Name)
	}
}
