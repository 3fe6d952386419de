package splitbrain

import (
	"slices"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
)

// Nodes are the servers and Sentinels of a cluster. Each is a machine; what plans do to
// it is the machine's own, in every world.
type Nodes struct {
	All []*Node
	// Start starts the server of a machine on which none runs; why: it refused.
	Start func(n *Node) (why string, err error)
	// InCall: a disk call waits for the strike under way. A process that dies does so once
	// its call is answered: Later then runs what waits for it.
	InCall bool
	Later  func(f func())
	// Refused are the words of those that did not start again.
	Refused map[string]string
	// Ended, when not nil, is told that a node's process has ended.
	Ended func(node string)
}

// Node is a machine and its place in the network.
type Node struct {
	machine.Machine
	Name string
	Mode *product.Mode
	// Announced is where clients and other nodes reach it, where faults of the network
	// strike, and Reached where Admin does, whatever is cut.
	Announced, Reached string
}

// Node finds a server or Sentinel; nil when there is none of that name.
func (n *Nodes) Node(name string) *Node {
	i := slices.IndexFunc(n.All, func(of *Node) bool { return of.Name == name })
	if i < 0 {
		return nil
	}
	return n.All[i]
}

// Addr implements Cluster.
func (n *Nodes) Addr(node string) string { return n.Node(node).Announced }

// AdminAddr implements Cluster.
func (n *Nodes) AdminAddr(node string) string { return n.Node(node).Reached }

// NodeAt implements Cluster.
func (n *Nodes) NodeAt(addr string) string {
	for _, of := range n.All {
		if of.Announced == addr {
			return of.Name
		}
	}
	return ""
}

// Files implements Cluster.
func (n *Nodes) Files(server string, f func(fsys vfs.FS)) error { return n.Node(server).Files(f) }

// EndedItself implements Cluster.
func (n *Nodes) EndedItself(node string) (words string) {
	of := n.Node(node)
	switch how, _ := of.Down(); {
	case of.Running():
		return ""
	case how == history.Exited || how == history.Terminated:
		return of.Exit().Words
	}
	return n.Refused[node]
}

// strike does something to a node whose process runs, while others go on.
func (n *Nodes) strike(name string, do func(m machine.Machine) (why string, err error)) (why string, err error) {
	of := n.Node(name)
	switch {
	case of == nil:
		return name + " is no server or Sentinel", nil
	case !of.Running():
		return name + " was down already", nil
	}
	of.GiveWay(func() { why, err = do(of.Machine) })
	return why, err
}

// end is strike for what ends the process.
func (n *Nodes) end(name string, how func(m machine.Machine) (why string, err error)) (why string, err error) {
	inCall := n.InCall
	return n.strike(name, func(m machine.Machine) (string, error) {
		why, err := how(m)
		ended := func() {
			m.AwaitExit()
			if n.Ended != nil {
				n.Ended(name)
			}
		}
		switch {
		case why != "" || err != nil:
		case inCall:
			n.Later(ended)
		default:
			ended()
		}
		return why, err
	})
}

// Kill implements plan.Processes.
func (n *Nodes) Kill(name string, tree bool) (why string, err error) {
	return n.end(name, func(m machine.Machine) (string, error) { return m.Kill(name, tree) })
}

// Terminate implements plan.Processes.
func (n *Nodes) Terminate(name string) (why string, err error) {
	return n.end(name, func(m machine.Machine) (string, error) { return m.Terminate(name) })
}

// KillChildren implements plan.Children.
func (n *Nodes) KillChildren(name string) (why string, err error) {
	return n.strike(name, func(m machine.Machine) (string, error) { return m.KillChildren(name) })
}

// RefuseForks implements plan.Forks.
func (n *Nodes) RefuseForks(name string, on bool) (why string, err error) {
	return n.strike(name, func(m machine.Machine) (string, error) {
		if f, ok := m.(plan.Forks); ok {
			return f.RefuseForks(name, on)
		}
		return "a real kernel refuses no fork on demand", nil
	})
}

// Pause implements plan.Processes.
func (n *Nodes) Pause(name string) (why string, err error) {
	return n.strike(name, func(m machine.Machine) (string, error) { return m.Pause(name) })
}

// Resume implements plan.Processes.
func (n *Nodes) Resume(name string) (why string, err error) {
	return n.strike(name, func(m machine.Machine) (string, error) { return m.Resume(name) })
}

// Restart implements plan.Restarts.
func (n *Nodes) Restart(name string) (why string, err error) {
	switch of := n.Node(name); {
	case of == nil:
		return name + " is no server or Sentinel", nil
	case of.Running():
		return name + " runs", nil
	default:
		return n.Start(of)
	}
}
