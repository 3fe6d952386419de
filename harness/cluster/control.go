package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/torntail/torntail/faults/fusefs/control"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/mount"
	"github.com/torntail/torntail/harness/splitbrain"
)

// Control lets other processes break a cluster that stays: torntail fault, status
// and topology down talk to its socket.
type Control struct {
	c      *Cluster
	socket string
	server *control.Server
	ended  chan struct{} // closed when somebody asked for the end
	quit   chan struct{}
	news   chan struct{}
	clock  sync.WaitGroup

	mu    sync.Mutex
	runs  []*faultRun
	links plan.LinkFaults
	next  int // index of the next statement, over all plans
	once  sync.Once
}

// faultRun is one plan that was given. Its time counts from then.
type faultRun struct {
	runner plan.Runner
	began  time.Time
	base   int // of its statements' indices among those of all plans
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
	err = c.awaitReady()
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
	k := &Control{c: c, socket: filepath.Join(dir, filepath.Base(c.dir)+socketSuffix),
		ended: make(chan struct{}), quit: make(chan struct{}), news: make(chan struct{}, 1)}
	k.server, err = control.Listen(k.socket, control.Commands{
		"fault":  k.fault,
		"clear":  func([]string) (string, error) { return k.clear(), nil },
		"status": func([]string) (string, error) { return k.status(), nil },
		"env":    func([]string) (string, error) { return k.c.Environment(), nil },
		"where":  func([]string) (string, error) { return k.c.String(), nil },
		"down":   func([]string) (string, error) { return k.down() },
	})
	if err != nil {
		return nil, err
	}
	k.clock.Add(1)
	go k.keepTime()
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
	close(k.quit)
	k.clock.Wait()
	err := k.server.Close()
	k.once.Do(func() {
		if closed := k.c.Close(); err == nil {
			err = closed
		}
	})
	return err
}

func (k *Control) down() (text string, err error) {
	k.once.Do(func() {
		err = k.c.Close()
		close(k.ended)
	})
	return "down\n", err
}

// fault puts a plan in place and says of each statement what has become of it. What
// strikes at once has struck when it returns. A plan of which a statement cannot
// strike is refused whole.
func (k *Control) fault(args []string) (string, error) {
	p, err := mount.ParseFaults(strings.Join(args, " "))
	if err != nil {
		return "", err
	}
	names := make([]string, len(k.c.nodes))
	for i := range k.c.nodes {
		names[i] = k.c.nodes[i].Name
	}
	for i := range p.Statements {
		if s := &p.Statements[i]; s.At.Kind == plan.AtAck || s.Span.Until.Kind == plan.AtAck {
			return "", fmt.Errorf("nothing was put in place: %q: no client of torntail's counts acknowledged writes", s)
		}
	}
	if err := p.Check(plan.Cluster, names); err != nil {
		return "", fmt.Errorf("nothing was put in place: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.runs = slices.DeleteFunc(k.runs, func(r *faultRun) bool { return r.runner.Over() })
	r := &faultRun{began: time.Now(), base: k.next}
	k.next += len(p.Statements)
	r.runner.Reset(p)
	k.runs = append(k.runs, r)
	k.due(r)
	select {
	case k.news <- struct{}{}:
	default: // it will look anyway
	}
	var b strings.Builder
	for _, s := range r.runner.Report() {
		fmt.Fprintf(&b, "%s: %s\n", s.Text, mount.Standing(s))
	}
	return b.String(), nil
}

// due carries out what a plan has by now. The caller holds mu.
func (k *Control) due(r *faultRun) {
	now := time.Since(r.began)
	for _, t := range slices.Clone(r.runner.Due(now)) {
		if r.runner.Arm(t, now) {
			continue
		}
		if why := k.act(r, t); why != "" {
			r.runner.Missed(t, now, why)
		} else {
			r.runner.Struck(t, now)
		}
	}
}

func (k *Control) act(r *faultRun, t plan.Trigger) (why string) {
	if plan.OnLinks(t.Statement.Action) {
		t.Index += r.base
		return k.links.Apply(t, k.c)
	}
	if do, ok := t.Statement.Action.(*plan.Do); ok {
		if _, err := k.c.do(do.Node, do.Args); err != nil {
			return err.Error()
		}
		return ""
	}
	why, err := k.c.act(t)
	if err != nil {
		return err.Error()
	}
	return why
}

// keepTime carries out what plans have at later instants.
func (k *Control) keepTime() {
	defer k.clock.Done()
	for {
		wait := time.Hour // news will come before
		k.mu.Lock()
		for _, r := range k.runs {
			k.due(r)
			if next, ok := r.runner.NextTime(); ok {
				wait = min(wait, next-time.Since(r.began))
			}
		}
		k.mu.Unlock()
		timer := time.NewTimer(max(0, wait))
		select {
		case <-k.quit:
			timer.Stop()
			return
		case <-k.news:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// clear ends all faults.
func (k *Control) clear() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range k.runs {
		for _, t := range slices.Clone(r.runner.End()) {
			k.act(r, t)
		}
	}
	k.runs = nil
	k.links.Apply(plan.Trigger{Index: -1, Statement: &plan.Statement{Action: &plan.Heal{}}}, k.c)
	return "no fault is in place\n"
}

// status says which processes run, whom the Sentinels take for the master, and which
// faults are in place.
func (k *Control) status() string {
	var b strings.Builder
	for i := range k.c.nodes {
		n := &k.c.nodes[i]
		if !n.Listen.IsValid() {
			continue
		}
		fmt.Fprintf(&b, "%s %s: %s\n", n.Name, n.Listen, k.c.describe(n.Name))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range k.runs {
		if r.runner.Over() {
			continue
		}
		for _, s := range r.runner.Report() {
			fmt.Fprintf(&b, "fault: %s: %s\n", s.Text, mount.Standing(s))
		}
	}
	for _, text := range k.links.InPlace() {
		fmt.Fprintf(&b, "in place: %s\n", text)
	}
	return b.String()
}

// ErrNone means that no topology is up.
var ErrNone = errors.New("no topology is up; torntail topology up 3+3 starts one")

// FindSocket is the control socket of the only topology that is up.
func FindSocket() (string, error) {
	dir, err := mount.SocketDir()
	if err != nil {
		return "", err
	}
	entries, err := filepath.Glob(filepath.Join(dir, "*"+socketSuffix))
	if err != nil {
		return "", err
	}
	var found []string
	for _, entry := range entries {
		if _, err := control.Call(entry, "where"); err == nil {
			found = append(found, entry)
		} else if errors.Is(err, control.ErrNoServer) {
			os.Remove(entry) // of one that died
		}
	}
	switch len(found) {
	case 0:
		return "", ErrNone
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%d topologies are up: say which with --socket %s", len(found), strings.Join(found, " or --socket "))
}

// Environment is the cluster's addresses, as lines that a shell takes.
func (c *Cluster) Environment() string {
	var b strings.Builder
	var servers, sentinels []string
	for i := range c.nodes {
		n := &c.nodes[i]
		if !n.Listen.IsValid() {
			continue
		}
		fmt.Fprintf(&b, "export TORNTAIL_%s=%s\n", strings.ToUpper(n.Name), n.Listen)
		if i < c.s.Topology.Servers {
			servers = append(servers, n.Listen.String())
		} else {
			sentinels = append(sentinels, n.Listen.String())
		}
	}
	fmt.Fprintf(&b, "export TORNTAIL_SERVERS=%s\n", strings.Join(servers, ","))
	if len(sentinels) > 0 {
		fmt.Fprintf(&b, "export TORNTAIL_SENTINELS=%s\n", strings.Join(sentinels, ","))
	}
	fmt.Fprintf(&b, "export TORNTAIL_MASTER_NAME=%s\n", splitbrain.Master)
	return b.String()
}

// String says what the cluster is.
func (c *Cluster) String() string { return fmt.Sprintf("topology %s in %s", c.s.Topology, c.dir) }
