package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/fusefs/control"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/conduct"
	"github.com/torntail/torntail/harness/mount"
	"github.com/torntail/torntail/harness/splitbrain"
)

// Control lets other processes break a cluster that stays: torntail fault, status
// and topology down talk to its socket.
type Control struct {
	c       *Cluster
	socket  string
	server  *control.Server
	ended   chan struct{} // closed when somebody asked for the end
	release func()        // takes the socket off the watchdog's list

	plans  *conduct.Desk
	acting sync.Mutex // a strike; taken before the exclusion of the environment
	links  *plan.LinkFaults
	once   sync.Once
}

// socketSuffix ends the names of the sockets of topologies, beside those of mounted disks.
const socketSuffix = ".topology"

// Up starts a cluster, waits until it is complete, and opens its control socket.
func Up(ctx context.Context, s *splitbrain.Scenario, o Options) (*Control, error) {
	c, err := Start(ctx, s, o)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, c.Stop)
	c.env.Enter()
	err = splitbrain.AwaitReady(c, s)
	c.env.Leave()
	stop()
	var k *Control
	if err == nil {
		k, err = serve(c)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return k, nil
}

// serve opens the control socket of a cluster that is complete.
func serve(c *Cluster) (*Control, error) {
	dir, err := mount.SocketDir()
	if err != nil {
		return nil, err
	}
	watchdog, err := guard.Default()
	if err != nil {
		return nil, err
	}
	name := cmp.Or(c.o.Name, filepath.Base(c.rig.Disks.Dir()))
	k := &Control{c: c, socket: filepath.Join(dir, name+socketSuffix),
		ended: make(chan struct{}), links: plan.NewLinkFaults(c)}
	k.plans = conduct.NewDesk(c.rig.Clock, k.begin)
	k.server, err = control.Listen(k.socket, control.Commands{
		"fault":   func(args []string) (string, error) { return k.plans.Fault(args, strike{k}, c.s.Nodes(), c.o.Seed) },
		"clear":   func([]string) (string, error) { return k.clear(), nil },
		"status":  func([]string) (string, error) { return k.status(), nil },
		"env":     func([]string) (string, error) { return k.c.Environment(), nil },
		"where":   func([]string) (string, error) { return k.c.String(), nil },
		"down":    k.down,
		"account": k.account,
	})
	if err != nil {
		k.plans.Close()
		return nil, err
	}
	k.release = watchdog.Dir(k.socket)
	k.c.heard.watch(k.c)
	return k, nil
}

// Environment is the cluster's.
func (k *Control) Environment() string { return k.c.Environment() }

// Socket is where it listens.
func (k *Control) Socket() string { return k.socket }

// Ended is closed when somebody has asked for the cluster's end; it is down then.
func (k *Control) Ended() <-chan struct{} { return k.ended }

// Close ends the socket and the cluster.
func (k *Control) Close() error {
	k.plans.Close()
	k.c.heard.stop()
	err := k.server.Close()
	k.release()
	k.once.Do(func() {
		if closed := k.c.Close(); err == nil {
			err = closed
		}
	})
	return err
}

// down says what became of the client's writes, and ends the cluster.
func (k *Control) down(args []string) (text string, err error) {
	k.once.Do(func() {
		if k.c.heard.any() || slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "journal=") }) {
			if text, err = k.account(args); err != nil {
				text, err = "no account: "+err.Error()+"\n", nil
			}
		}
		k.c.heard.stop()
		err = k.c.Close()
		close(k.ended)
	})
	return text + "down\n", err
}

// clear ends all faults.
func (k *Control) clear() string {
	k.plans.End()
	k.c.env.Enter()
	defer k.c.env.Leave()
	k.links.Clear()
	return "no fault is in place\n"
}

// status says which processes run, whom the Sentinels take for the master, and which
// faults are in place.
func (k *Control) status() string {
	var b strings.Builder
	k.c.env.Enter()
	defer k.c.env.Leave()
	for _, n := range k.c.All {
		fmt.Fprintf(&b, "%s %s: %s\n", n.Name, n.Announced, splitbrain.Describe(k.c, n))
	}
	b.WriteString(k.plans.Status())
	for _, text := range k.links.InPlace() {
		fmt.Fprintf(&b, "in place: %s\n", text)
	}
	return b.String()
}

// begin begins a strike. One strikes at a time.
func (k *Control) begin(plan.Trigger) conduct.Strike {
	k.acting.Lock()
	k.c.env.Enter()
	return strike{k}
}

// strike is a cluster that stays while a fault strikes.
type strike struct{ k *Control }

// ControlSystem is what plans strike that are given to a cluster that stays.
func ControlSystem() plan.System { return strike{} }

// Name implements plan.System.
func (strike) Name() string { return "topology" }

// Lacks implements plan.System.
func (s strike) Lacks(n plan.Need) string { return s.Unwrap().Lacks(n) }

// Unwrap is the cluster, which has the processes, and perhaps the disks.
func (s strike) Unwrap() plan.System {
	switch {
	case s.k == nil && faultDisks():
		return ownDisks{}
	case s.k == nil:
		return (*Cluster)(nil)
	case s.k.c.onFaultDisks:
		return ownDisks{s.k.c, splitbrain.OnDisks{Of: &s.k.c.Nodes}}
	}
	return s.k.c
}

// ownDisks is a cluster that stays, on fault disks. Nobody watches their calls: a strike
// would hold a call up that another strike may be waiting for.
type ownDisks struct {
	*Cluster
	splitbrain.OnDisks
}

// Lacks implements plan.System.
func (ownDisks) Lacks(n plan.Need) string {
	if n == plan.NeedCalls {
		return "nobody watches the disk calls of a cluster that stays: torntail splitbrain does"
	}
	return ""
}

// PowerCut implements plan.Power.
func (d ownDisks) PowerCut(nodes []string, keep *disk.Choice) (why string, err error) {
	return (&OnFaultDisks{d.Cluster, d.OnDisks}).PowerCut(nodes, keep)
}

// Links implements plan.Linked.
func (s strike) Links() *plan.LinkFaults { return s.k.links }

// Command implements plan.Commands.
func (s strike) Command(node string, args []string, _ func(history.Outcome, string)) (why string, err error) {
	if _, err := splitbrain.Command(s.k.c, node, args...); err != nil {
		return err.Error(), nil
	}
	return "", nil
}

// Done implements conduct.Strike.
func (s strike) Done(plan.Trigger, string, error) {
	s.k.c.env.Leave()
	s.k.acting.Unlock()
}

// ErrNone means that no topology is up.
var ErrNone = errors.New("no topology is up; torntail topology up 3+3 starts one")

// nameForm is what a topology may be called: a part of a file's name.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// CheckName reports a name that no topology may have, or that one has already.
func CheckName(name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("name %q: want letters, digits, - and _, at most 64", name)
	}
	if found, _, err := mount.Answering(name + socketSuffix); err != nil || len(found) > 0 {
		return cmp.Or(err, fmt.Errorf("a topology named %s is up: torntail topology down %s ends it", name, name))
	}
	return nil
}

// FindSocket is the control socket of the topology of a name; of the only one that is up
// when the name is "".
func FindSocket(name string) (string, error) {
	found, _, err := mount.Answering(cmp.Or(name, "*") + socketSuffix)
	if err != nil {
		return "", err
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0 && name == "":
		return "", ErrNone
	case len(found) == 0:
		return "", fmt.Errorf("no topology named %s is up", name)
	}
	var names []string
	for _, socket := range found {
		names = append(names, strings.TrimSuffix(filepath.Base(socket), socketSuffix))
	}
	return "", fmt.Errorf("%d topologies are up: say which with its name: %s", len(found), strings.Join(names, ", "))
}

// Environment is the cluster's addresses, as lines that a shell takes.
func (c *Cluster) Environment() string {
	var b strings.Builder
	var servers, sentinels []string
	for i, n := range c.All {
		fmt.Fprintf(&b, "export TORNTAIL_%s=%s\n", strings.ToUpper(n.Name), n.Announced)
		if i < c.s.Topology.Servers {
			servers = append(servers, n.Announced)
		} else {
			sentinels = append(sentinels, n.Announced)
		}
	}
	fmt.Fprintf(&b, "export TORNTAIL_SERVERS=%s\n", strings.Join(servers, ","))
	if len(sentinels) > 0 {
		fmt.Fprintf(&b, "export TORNTAIL_SENTINELS=%s\n", strings.Join(sentinels, ","))
	}
	fmt.Fprintf(&b, "export TORNTAIL_MASTER_NAME=%s\n", splitbrain.Master)
	if c.s.Password != "" {
		fmt.Fprintf(&b, "export TORNTAIL_PASSWORD=%s\n", c.s.Password)
	}
	return b.String()
}

// String says what the cluster is.
func (c *Cluster) String() string {
	return fmt.Sprintf("topology %s in %s", c.s.Topology, c.rig.Disks.Dir())
}
