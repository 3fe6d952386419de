package claims

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/workloads"
)

// computer is a machine with a fault disk and a server, driven by hand. Its methods
// block; they are called from the measurement's own task, which holds the
// environment's exclusion.
type computer struct {
	machine.Machine
	ctx     context.Context
	hook    func(c *disk.Call, d *disk.Decision) // under the machine's lock
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

// on drives a fresh computer by hand. f runs as a task of its world.
func (l *lab) on(o options, f func(m *computer)) {
	if l.ctx.Err() != nil {
		check(context.Cause(l.ctx))
	}
	l.seed++
	m := &computer{ctx: l.ctx, latency: o.latency}
	setup := &machine.Setup{Mode: &product.Mode{Store: redis.Store}, Personality: "ext4", Profile: cmp.Or(o.profile, "nvme"), Seed: l.seed,
		Bugs: l.target.plants.Engine, Watch: machine.Watch{Call: m.ask}}
	if o.latency > 0 {
		setup.SyncLatency = func(*disk.Call) time.Duration { return o.latency }
	}
	run := func() error { return attempt(func() { f(m) }) }
	if l.target.real() {
		m.Machine = l.target.Backend.Rig().Machine()
		check(m.Reset(setup))
		check(m.Drive(l.ctx, run))
		return
	}
	personality := get(disk.PersonalityByName(setup.Personality))
	sim := machine.NewSimulated()
	defer sim.Close()
	m.Machine = sim
	check(sim.ResetOn(setup, disk.New(disk.Options{Personality: personality, KeepLog: true}), 0))
	check(sim.DriveFrom("c1", cmp.Or(o.limit, 10*time.Minute), run))
}

// options are what a measurement asks of its computer, which has ext4 on its disk.
type options struct {
	profile string // "": an NVMe disk
	// latency, when not 0, is how long every sync takes, instead of the profile's.
	latency time.Duration
	limit   time.Duration // of virtual time in simulation; 0: ten minutes
}

// ask is asked about every call of the server to its disk.
func (m *computer) ask(c *disk.Call) (d disk.Decision) {
	m.Lock()
	h := m.hook
	m.Unlock()
	if h != nil {
		h(c, &d)
	}
	if _, simulated := m.Machine.(*machine.Simulated); simulated && c.Kind.IsSync() {
		d.Delay += m.latency // beside the profile's
	}
	return d
}

// onCall has h decide on every call of the server to its disk; nil: nothing is decided.
func (m *computer) onCall(h func(c *disk.Call, d *disk.Decision)) {
	m.Lock()
	defer m.Unlock()
	m.hook = h
}

// start starts the server with these directives, on what the disk holds.
func (m *computer) start(conf ...string) {
	m.configure(conf...)
	m.again()
}

// configure gives the server's next lives these directives.
func (m *computer) configure(conf ...string) {
	check(m.Configure(&product.Mode{Store: redis.Store, Directives: directives(conf...)}))
}

// directives are lines of redis.conf.
func directives(lines ...string) (list []product.Directive) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, " ")
		if value == `""` {
			value = ""
		}
		list = append(list, product.Directive{Name: name, Value: value})
	}
	return list
}

// again starts the server with the directives of the last start.
func (m *computer) again() { check(m.Start(m.ctx)) }

// starts is again for a server that may refuse, and reports whether it did not.
func (m *computer) starts() bool {
	err := m.Start(m.ctx)
	var refusal *machine.Refusal
	if errors.As(err, &refusal) {
		return false
	}
	check(err)
	return true
}

// recover is again for a server that may refuse and whose own repair tool is run on its
// append-only files then.
func (m *computer) recover() machine.Recovery {
	return get(machine.Recover(m.ctx, m, &product.Mode{Store: redis.Store, AOF: true}, nil)).How
}

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
	m.Machine.(plan.Power).PowerCut([]string{machine.Node}, &keep) // a failure of the world ends the driving
}

// cutAtCall has the power cut at the k-th call that changes the disk or syncs it, of those
// for which counts is true; at says which that was, "" before it has come.
func (m *computer) cutAtCall(k int, place disk.Place, keep disk.Choice, counts func(c *disk.Call) bool) (at *string) {
	at = new(string)
	var seen atomic.Int64
	m.onCall(func(c *disk.Call, d *disk.Decision) {
		if (c.Kind.Mutates() || c.Kind.IsSync()) && counts(c) && seen.Add(1) == int64(k) {
			*at = fmt.Sprintf("%s %s", c.Kind, c.Path)
			*d = disk.Decision{Place: place, Fraction: 0.5, Strike: func() { m.cutPower(keep) }}
		}
	})
	return at
}

// awaitDown waits until the server is gone, by itself or by cutAtCall; false when
// it still runs after that time.
func (m *computer) awaitDown(limit time.Duration) bool {
	if !m.AwaitDown(m.ctx, m.Env().Now()+limit) {
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

// change is files for what may not work.
func (m *computer) change(f func(d *disk.Disk) error) {
	var err error
	m.files(func(d *disk.Disk) { err = f(d) })
	check(err)
}

// preset is the directives of a mode's preset, as start takes them, with others behind.
func preset(mode string, more ...string) []string {
	var conf []string
	for _, d := range get(redis.ModeByName(mode)).Directives {
		conf = append(conf, d.String())
	}
	return append(conf, more...)
}

// replyLimit is how long the measurements wait for a reply.
const replyLimit = 60 * time.Second

// dial connects to the server.
func (m *computer) dial() (*workloads.Conn, error) { return workloads.Dial(m.Env(), m.Addr()) }

// do sends one command on a connection of its own.
func do(m *computer, args ...string) (r redcon.RESP, err error) {
	c, err := m.dial()
	if err != nil {
		return r, err
	}
	defer c.Close()
	if r, err = c.Do(replyLimit, args...); err != nil {
		err = fmt.Errorf("%s: %w", args[0], err)
	}
	return r, err
}

// refused reports whether a reply is an error, and absent whether it is a null.
func refused(r redcon.RESP) bool { return r.Type == redcon.Error }
func absent(r redcon.RESP) bool  { return r.Type != redcon.Array && r.Data == nil }

// must is do for commands that have to succeed.
func must(m *computer, args ...string) redcon.RESP {
	r := get(do(m, args...))
	if refused(r) {
		fail("%s: %s", strings.Join(args, " "), r.Data)
	}
	return r
}

// directive is what CONFIG GET says of one.
func directive(m *computer, name string) (value string) {
	must(m, "CONFIG", "GET", name).ForEach(func(e redcon.RESP) bool {
		value = string(e.Data) // the name comes before it
		return true
	})
	return value
}

// info reads a field of INFO.
func info(m *computer, field string) string {
	for _, line := range strings.Split(string(must(m, "INFO", "everything").Data), "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && name == field {
			return value
		}
	}
	fail("INFO has no field %s", field)
	return ""
}

// await waits until INFO's field has the value.
func await(m *computer, field, value string) {
	for from := m.Env().Now(); m.Env().Now()-from < replyLimit; m.Env().Sleep(5 * time.Millisecond) {
		if info(m, field) == value {
			return
		}
	}
	fail("INFO's %s did not become %s within %s", field, value, replyLimit)
}

// rewritten lets the server rewrite its append-only file and waits for the end.
func rewritten(m *computer) {
	must(m, "BGREWRITEAOF")
	idle(m)
}

// idle waits until no child of the server works or waits to.
func idle(m *computer) {
	for _, field := range []string{"aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress"} {
		await(m, field, "0")
	}
}

// set writes n keys of that prefix one after the other, each acknowledged.
func set(m *computer, prefix string, n int) {
	c := get(m.dial())
	defer c.Close()
	check(c.Many(replyLimit, n, 1, func(i int) []string { return []string{"SET", prefix + strconv.Itoa(i), "v" + strconv.Itoa(i)} }))
}

// keys counts the keys there are.
func keys(m *computer) int64 { return must(m, "DBSIZE").Int() }
