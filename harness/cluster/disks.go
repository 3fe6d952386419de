package cluster

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/splitbrain"
)

// OnFaultDisks is a cluster of which every server and Sentinel has a fault disk of its own.
type OnFaultDisks struct {
	*Cluster
	splitbrain.OnDisks
}

var _ splitbrain.Watched = (*OnFaultDisks)(nil)

// watching is who is asked about the calls to disks, and what his conductor does under a lock.
type watching struct {
	conducting sync.Mutex
	mu         sync.Mutex
	onCall     func(node string, c *disk.Call) disk.Decision
	onPower    func(node string, before vfs.FS)
}

// call asks about a call of a node. It is called under the disk's lock.
func (w *watching) call(node string) func(c *disk.Call) disk.Decision {
	return func(c *disk.Call) disk.Decision {
		w.mu.Lock()
		f := w.onCall
		w.mu.Unlock()
		if f == nil {
			return disk.Decision{}
		}
		return f(node, c)
	}
}

// frozen shows what a node's disk held when its power was cut.
func (w *watching) frozen(node string) func(before *disk.Disk, at time.Duration, midway bool) {
	return func(before *disk.Disk, _ time.Duration, _ bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.onPower != nil {
			w.onPower(node, before.FS(nil))
		}
	}
}

// faultDisks reports whether this machine can have fault disks.
func faultDisks() bool { return fusefs.Available() == nil }

// world is the cluster as experiments know it.
func (c *Cluster) world() splitbrain.Cluster {
	if !c.onFaultDisks {
		return c
	}
	return &OnFaultDisks{c, splitbrain.OnDisks{Of: &c.Nodes}}
}

// Name implements plan.System.
func (*OnFaultDisks) Name() string { return "cluster" }

// Lacks implements plan.System.
func (*OnFaultDisks) Lacks(plan.Need) string { return "" }

// Unseen implements plan.Calls.
func (*OnFaultDisks) Unseen(p plan.CallPattern) string { return plan.UnseenOnFUSE(p) }

// WatchPower implements splitbrain.Watched, as do the next five.
func (d *OnFaultDisks) WatchPower(f func(node string, before vfs.FS)) {
	d.calls.mu.Lock()
	defer d.calls.mu.Unlock()
	d.calls.onPower = f
}

func (d *OnFaultDisks) WatchCalls(f func(node string, c *disk.Call) disk.Decision) {
	d.calls.mu.Lock()
	defer d.calls.mu.Unlock()
	d.calls.onCall = f
}

// Lock is taken under a disk's lock, and nothing is awaited under it.
func (d *OnFaultDisks) Lock()   { d.calls.conducting.Lock() }
func (d *OnFaultDisks) Unlock() { d.calls.conducting.Unlock() }

// Wake does nothing: a disk call cannot wait until it may wake somebody, who looks often.
func (d *OnFaultDisks) Wake(func()) {}

// Striking has the exclusion while something strikes in a call, on a goroutine of the disk's.
// Whose call waits does not die before.
func (d *OnFaultDisks) Striking(inCall bool) (end func()) {
	if !inCall {
		return func() {}
	}
	d.env.Enter()
	d.InCall = true
	return func() {
		d.InCall = false
		d.env.Leave()
	}
}

// PowerCut implements plan.Power: all machines at one instant, as far as one can.
func (d *OnFaultDisks) PowerCut(nodes []string, keep *disk.Choice) (why string, err error) {
	var struck []*splitbrain.Node
	for _, n := range d.All {
		if (nodes[0] == plan.All || slices.Contains(nodes, n.Name)) && n.Running() {
			struck = append(struck, n)
		}
	}
	if len(struck) == 0 {
		return strings.Join(nodes, ",") + " was off already", nil
	}
	whys, errs := make([]string, len(struck)), make([]error, len(struck))
	struck[0].GiveWay(func() {
		var all sync.WaitGroup
		for i, n := range struck {
			all.Go(func() { whys[i], errs[i] = n.Machine.(plan.Power).PowerCut(nodes, keep) })
		}
		all.Wait()
	})
	for i, n := range struck {
		if errs[i] != nil {
			return "", errs[i]
		}
		if why == "" {
			why = whys[i]
		}
		d.Ended(n.Name)
	}
	return why, nil
}

// disksOf are where the files of a cluster's nodes are.
func (c *Cluster) disksOf(host bool) func(clock func() time.Duration) (machine.Disks, error) {
	if c.onFaultDisks = !host && faultDisks(); c.onFaultDisks {
		return machine.FaultDisks
	}
	return machine.HostDirs("")
}
