package claims

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/workloads"
)

// computer is a machine with a fault disk and a server, driven by hand. Its methods
// block; they are called from the measurement's own task, which holds the
// environment's exclusion.
type computer struct {
	machine.Machine
	ctx     context.Context
	hook    disk.Hook // under the machine's lock
	latency time.Duration
}

// Target is what the claims are measured on.
type Target struct {
	Backend campaign.Backend // for campaigns of crash experiments
	// Clusters are for experiments with several servers; none without Run.
	Clusters splitbrain.Backend

	plants experiment.Plants // bugs of the embedded engine, to see a claim refuted
}

// Engine is the embedded engine in simulation, with these bugs planted.
func Engine(plants experiment.Plants) *Target {
	return &Target{Backend: campaign.Simulation(), plants: plants}
}

// Server is a real server on the fault disk.
func Server(b campaign.Backend) *Target { return &Target{Backend: b} }

func (t *Target) real() bool { return t.Backend.Rig() != nil }

// lab is where one claim is measured.
type lab struct {
	ctx    context.Context
	target *Target
	seed   uint64
}

// on drives a fresh computer by hand. f runs as a task of its world; an error that it
// returns is the measurement's.
func (l *lab) on(o options, f func(m *computer) error) error {
	if err := l.ctx.Err(); err != nil {
		return context.Cause(l.ctx)
	}
	l.seed++
	o = o.withDefaults()
	m := &computer{ctx: l.ctx, latency: o.latency}
	setup := &machine.Setup{Mode: &product.Mode{}, Personality: o.personality, Profile: o.profile, Seed: l.seed, SyncLatency: o.latency,
		Bugs: l.target.plants.Engine, Watch: machine.Watch{Call: m.ask}}
	run := func() error { return f(m) }
	if l.target.real() {
		m.Machine = l.target.Backend.Rig().Machine()
		if err := m.Reset(setup); err != nil {
			return err
		}
		return m.Drive(l.ctx, run)
	}
	personality, err := disk.PersonalityByName(o.personality)
	if err != nil {
		return err
	}
	sim := machine.NewSimulated()
	defer sim.Close()
	m.Machine = sim
	if err := sim.ResetOn(setup, disk.New(disk.Options{Personality: personality, KeepLog: true}), 0); err != nil {
		return err
	}
	return sim.DriveFrom("c1", o.limit, run)
}

// options are what a measurement asks of its computer. The zero value is ext4 on an
// NVMe disk.
type options struct {
	personality string
	profile     string
	// latency, when not 0, is how long every sync takes, instead of the profile's.
	latency time.Duration
	limit   time.Duration // of virtual time in simulation; 0: ten minutes
}

func (o options) withDefaults() options {
	if o.personality == "" {
		o.personality = "ext4"
	}
	if o.profile == "" {
		o.profile = "nvme"
	}
	if o.limit == 0 {
		o.limit = 10 * time.Minute
	}
	return o
}

// ask is asked about every call of the server to its disk.
func (m *computer) ask(c *disk.Call) disk.Decision {
	m.Lock()
	h := m.hook
	m.Unlock()
	var d disk.Decision
	if h != nil {
		d = h(c)
	}
	if _, simulated := m.Machine.(*machine.Simulated); simulated && c.Kind.IsSync() {
		d.Delay += m.latency // beside the profile's
	}
	return d
}

// onCall has h asked about every call of the server to its disk; nil: nothing.
func (m *computer) onCall(h disk.Hook) {
	m.Lock()
	defer m.Unlock()
	m.hook = h
}

// start starts the server with these directives, on what the disk holds; a
// *machine.Refusal when it does not start.
func (m *computer) start(conf ...string) error {
	mode := &product.Mode{}
	for _, line := range conf {
		name, value, _ := strings.Cut(line, " ")
		if value == `""` {
			value = ""
		}
		mode.Directives = append(mode.Directives, product.Directive{Name: name, Value: value})
	}
	if err := m.Configure(mode); err != nil {
		return err
	}
	return m.again()
}

// again starts the server with the directives of the last start.
func (m *computer) again() error { return m.Start(m.ctx) }

func (m *computer) env() env.Env  { return m.Env() }
func (m *computer) addr() string  { return m.Addr() }
func (m *computer) running() bool { return m.Running() }

// resident is the server's memory in bytes, with its children's; 0: not known.
func (m *computer) resident() int64 { return m.Resident() }

// childrenEvery is how often is looked whether children of a server have ended.
const childrenEvery = time.Millisecond

func (m *computer) kill() {
	m.GiveWay(func() { m.Kill(machine.Node, false) })
	m.AwaitGone(childrenEvery)
}

func (m *computer) term() {
	m.Terminate(machine.Node)
	m.awaitDown(replyLimit)
}

func (m *computer) powerCut(keep disk.Choice) { m.GiveWay(func() { m.cutPower(keep) }) }

func (m *computer) cutPower(keep disk.Choice) {
	m.Machine.(plan.Power).PowerCut(machine.Node, &keep) // a failure of the world ends the driving
}

// cutAt is a decision that cuts the power at that call.
func (m *computer) cutAt(place disk.Place, keep disk.Choice) disk.Decision {
	return disk.Decision{Place: place, Fraction: 0.5, Strike: func() { m.cutPower(keep) }}
}

// awaitDown waits until the server is gone, by itself or by cutAt; false when
// it still runs after that time.
func (m *computer) awaitDown(limit time.Duration) bool {
	if !m.AwaitDown(m.ctx, m.env().Now()+limit) {
		return false
	}
	m.AwaitGone(childrenEvery)
	return true
}

// downAt is when the server's last life ended.
func (m *computer) downAt() time.Duration {
	_, at := m.Down()
	return at
}

// files calls f with the disk; nothing else uses it meanwhile.
func (m *computer) files(f func(d *disk.Disk)) { m.Machine.(plan.Disks).OnDisk(machine.Node, f) }

// repair runs the server's own repair tool on the append-only files and
// reports whether it says that they are in order now.
func (m *computer) repair() (bool, error) { return m.Repair(m.ctx) }

// refused reports whether an error of a start is the server's own refusal.
func refused(err error) bool {
	var r *machine.Refusal
	return errors.As(err, &r)
}

// words are the directives of a mode's preset, as start takes them, with others behind.
func preset(mode string, more ...string) []string {
	m, err := product.ModeByName(mode)
	if err != nil {
		panic(err) // names are this package's own
	}
	var conf []string
	for _, d := range m.Directives {
		conf = append(conf, d.String())
	}
	return append(conf, more...)
}

// replyLimit is how long the measurements wait for a reply.
const replyLimit = 60 * time.Second

// reply is a reply, copied: an error reply is text with its own kind.
type reply struct {
	text  string
	error bool
	null  bool
	list  []string // of an array, its elements as text
}

func (r reply) int() int64 {
	n, _ := strconv.ParseInt(r.text, 10, 64)
	return n
}

// client is a connection of a measurement.
type client struct {
	m    *computer
	conn *workloads.Conn
}

// dial connects to the machine's server.
func dial(m *computer) (*client, error) {
	c, err := workloads.Dial(m.env(), m.addr())
	if err != nil {
		return nil, err
	}
	return &client{m, c}, nil
}

func (c *client) close() { c.conn.Close() }

// do sends one command, given as words, and returns its reply.
func (c *client) do(args ...string) (reply, error) {
	r, err := c.conn.Do(replyLimit, args...)
	if err != nil {
		return reply{}, fmt.Errorf("%s: %w", args[0], err)
	}
	return copied(r), nil
}

func copied(r redcon.RESP) reply {
	out := reply{error: r.Type == redcon.Error, null: r.Type != redcon.Array && r.Data == nil, text: string(r.Data)}
	if r.Type == redcon.Array {
		out.text = ""
		r.ForEach(func(e redcon.RESP) bool {
			out.list = append(out.list, string(e.Data))
			return true
		})
	}
	return out
}

// pipeline sends many commands at once and reads their replies; f makes the i-th.
// It returns how many were answered without an error.
func (c *client) pipeline(n int, f func(i int) []string) (ok int, err error) {
	const depth = 500
	for sent := 0; sent < n; {
		batch := min(depth, n-sent)
		for i := range batch {
			args := f(sent + i)
			c.conn.Begin(len(args))
			for _, a := range args {
				c.conn.Arg(a)
			}
		}
		if err := c.conn.Flush(); err != nil {
			return ok, err
		}
		for range batch {
			r, err := c.conn.Reply()
			if err != nil {
				return ok, err
			}
			if r.Type != redcon.Error {
				ok++
			}
		}
		sent += batch
	}
	return ok, nil
}

// do sends one command on a connection of its own.
func do(m *computer, args ...string) (reply, error) {
	c, err := dial(m)
	if err != nil {
		return reply{}, err
	}
	defer c.close()
	return c.do(args...)
}

// must is do for commands that have to succeed.
func must(m *computer, args ...string) (reply, error) {
	r, err := do(m, args...)
	if err == nil && r.error {
		err = fmt.Errorf("%s: %s", strings.Join(args, " "), r.text)
	}
	return r, err
}

// info reads a field of INFO.
func info(m *computer, field string) (string, error) {
	r, err := must(m, "INFO", "everything")
	if err != nil {
		return "", err
	}
	for _, line := range strings.Split(r.text, "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && name == field {
			return value, nil
		}
	}
	return "", fmt.Errorf("INFO has no field %s", field)
}

// await waits until INFO's field has the value.
func await(m *computer, field, value string) error {
	for from := m.env().Now(); m.env().Now()-from < replyLimit; m.env().Sleep(5 * time.Millisecond) {
		got, err := info(m, field)
		if err != nil {
			return err
		}
		if got == value {
			return nil
		}
	}
	return fmt.Errorf("INFO's %s did not become %s within %s", field, value, replyLimit)
}

// rewritten lets the server rewrite its append-only file and waits for the end.
func rewritten(m *computer) error {
	if _, err := must(m, "BGREWRITEAOF"); err != nil {
		return err
	}
	return idle(m)
}

// idle waits until no child of the server works or waits to.
func idle(m *computer) error {
	for _, field := range []string{"aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress"} {
		if err := await(m, field, "0"); err != nil {
			return err
		}
	}
	return nil
}

// set writes n keys of that prefix one after the other, each acknowledged.
func set(m *computer, prefix string, n int) error {
	c, err := dial(m)
	if err != nil {
		return err
	}
	defer c.close()
	for i := range n {
		r, err := c.do("SET", prefix+strconv.Itoa(i), "v"+strconv.Itoa(i))
		if err != nil {
			return err
		}
		if r.error {
			return fmt.Errorf("SET: %s", r.text)
		}
	}
	return nil
}

// keys counts the keys there are.
func keys(m *computer) (int64, error) {
	r, err := must(m, "DBSIZE")
	return r.int(), err
}
