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
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/harness"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/workloads"
)

// machine is one computer: a fault disk and at most one server on it, driven by
// hand. Its methods block; they are called from the measurement's own task,
// which holds the environment's exclusion.
type machine interface {
	env() env.Env
	addr() string
	// start starts the server with these directives, on what the disk holds; a
	// *refusal when it does not start.
	start(conf ...string) error
	// again starts the server with the directives of the last start.
	again() error
	running() bool
	kill()
	term()
	powerCut(keep disk.Choice)
	// onCall is asked about every call of the server to its disk; nil: nothing.
	onCall(h disk.Hook)
	// cutAt is a decision that cuts the power at that call.
	cutAt(place disk.Place, keep disk.Choice) disk.Decision
	// awaitDown waits until the server is gone, by itself or by cutAt; false when
	// it still runs after that time.
	awaitDown(limit time.Duration) bool
	// downAt is when the server's last life was ended by kill, powerCut or cutAt.
	downAt() time.Duration
	// files calls f with the disk; nothing else uses it meanwhile.
	files(f func(d *disk.Disk))
	// repair runs the server's own repair tool on the append-only files and
	// reports whether it says that they are in order now.
	repair() (bool, error)
	// resident is the server's memory in bytes, with its children's; 0: not known.
	resident() int64
}

// refusal is a server that does not start on what its disk holds.
type refusal struct{ words string }

func (r *refusal) Error() string { return "the server does not start: " + r.words }

// refused reports whether an error of a start is the server's own refusal.
func refused(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}

// Target is what the claims are measured on.
type Target struct {
	Backend harness.Backend // for campaigns of crash experiments
	// Clusters are for experiments with several servers; none without Run.
	Clusters splitbrain.Backend

	plants harness.Plants // bugs of the embedded engine, to see a claim refuted
	binary string         // "" for the embedded engine in simulation
	tool   string         // the server's repair tool; "" when there is none
	mount  *fusefs.Mount
	began  time.Time
}

// Engine is the embedded engine in simulation, with these bugs planted.
func Engine(plants harness.Plants) *Target {
	return &Target{Backend: harness.Simulation(), plants: plants}
}

// Server is a server binary on a fault disk; b runs it there. Close it when done.
func Server(b harness.Backend, binary string) (*Target, error) {
	t := &Target{Backend: b, binary: binary, tool: product.RepairTool(binary), began: time.Now()}
	var err error
	t.mount, err = fusefs.Serve("", fusefs.Options{Clock: t.now})
	return t, err
}

// Close takes the disk away.
func (t *Target) Close() error {
	if !t.real() {
		return nil
	}
	return t.mount.Close()
}

func (t *Target) real() bool { return t.binary != "" }

func (t *Target) now() time.Duration { return time.Since(t.began) }

// lab is where one claim is measured.
type lab struct {
	ctx    context.Context
	target *Target
	seed   uint64
}

// on drives a fresh machine by hand. f runs as a task of the machine's world; an
// error that it returns is the measurement's.
func (l *lab) on(o machineOptions, f func(m machine) error) error {
	if err := l.ctx.Err(); err != nil {
		return context.Cause(l.ctx)
	}
	l.seed++
	if l.target.real() {
		return onServer(l.ctx, l.target, l.seed, o, f)
	}
	return onEngine(l.seed, l.target.plants.Engine, o, f)
}

// machineOptions are what a measurement asks of its machine. The zero value is
// ext4 on an NVMe disk.
type machineOptions struct {
	personality string
	profile     string
	// latency, when not 0, is how long every sync takes, instead of the profile's.
	latency time.Duration
	limit   time.Duration // of virtual time in simulation; 0: ten minutes
}

func (o machineOptions) withDefaults() machineOptions {
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

// directive splits a line of redis.conf; "" stands for an empty argument.
func directive(line string) (name string, args []string) {
	fields := strings.Fields(line)
	for _, f := range fields[1:] {
		if f == `""` {
			f = ""
		}
		args = append(args, f)
	}
	return fields[0], args
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
	m    machine
	conn *workloads.Conn
}

// dial connects to the machine's server.
func dial(m machine) (*client, error) {
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
func do(m machine, args ...string) (reply, error) {
	c, err := dial(m)
	if err != nil {
		return reply{}, err
	}
	defer c.close()
	return c.do(args...)
}

// must is do for commands that have to succeed.
func must(m machine, args ...string) (reply, error) {
	r, err := do(m, args...)
	if err == nil && r.error {
		err = fmt.Errorf("%s: %s", strings.Join(args, " "), r.text)
	}
	return r, err
}

// info reads a field of INFO.
func info(m machine, field string) (string, error) {
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
func await(m machine, field, value string) error {
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
func rewritten(m machine) error {
	if _, err := must(m, "BGREWRITEAOF"); err != nil {
		return err
	}
	return idle(m)
}

// idle waits until no child of the server works or waits to.
func idle(m machine) error {
	for _, field := range []string{"aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress"} {
		if err := await(m, field, "0"); err != nil {
			return err
		}
	}
	return nil
}

// set writes n keys of that prefix one after the other, each acknowledged.
func set(m machine, prefix string, n int) error {
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
func keys(m machine) (int64, error) {
	r, err := must(m, "DBSIZE")
	return r.int(), err
}
