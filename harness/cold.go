package harness

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/engine"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/workloads"
)

// Cold starts the engine on crash images as a Simulator does after a crash: as
// a server in a world of its own, read by a client. What Bare says of the same
// image must be the same.
type Cold struct {
	x       *Experiment
	conf    *config.Config
	profile *sim.Profile
	world   *sim.World
	keys    *keyspace.Keyspace
	run     workloads.Run
	rec     workloads.Recorder
	hist    history.History

	node    *sim.Node
	wake    env.Cond
	serving bool
	exited  bool
	loadErr error
	cut     string // file whose torn tail the start said it had cut off
}

// NewCold makes one for the images of an experiment's runs. Close it when done.
func NewCold(x *Experiment) (*Cold, error) {
	conf, err := x.Mode.Config()
	if err != nil {
		return nil, err
	}
	profile, err := sim.ProfileByName(x.Profile)
	if err != nil {
		return nil, err
	}
	return &Cold{x: x, conf: conf, profile: profile, world: sim.New(sim.Options{}), keys: keyspace.New()}, nil
}

// Close ends what is left of the last world.
func (c *Cold) Close() { c.world.Close() }

// SecondLife is what became of a server that came back from a crash, took one
// write, was killed and started again.
type SecondLife struct {
	// Wrong is "", or what went wrong in it.
	Wrong string
	// Cut is the file of which the first start said that it had cut the torn tail
	// off; Truncated, whether it did so.
	Cut       string
	Truncated bool
}

// Recover starts a server on the image at the given time of the run and reads
// it through a client. If it came back, it has a second life.
func (c *Cold) Recover(image *disk.Disk, at time.Duration) (Recovered, SecondLife, error) {
	c.world.Reset(sim.Options{Seed: seeding.Derive(c.x.Seed, 5), Profile: c.profile})
	c.node = c.world.Node(server, image)
	c.node.SetClock(at)
	control := c.world.Node("c0", nil)
	c.node.OnExit(func() {
		c.exited = true
		c.wake.Signal()
	})
	var r Recovered
	var second SecondLife
	var failed error
	control.Go("control", func(e env.Env) {
		c.wake = e.NewCond()
		c.run.Reset(e, serverAddr, c.x.Workload, &c.rec)
		c.rec.Reset(&c.hist)
		c.run.Expect(tokensAhead)
		if r, failed = c.first(e, image); failed == nil && r.How != RefusedToStart {
			second, failed = c.again(e, &r)
		}
		c.world.Stop()
	})
	if err := c.world.Run(time.Hour); err != nil {
		return r, second, err
	}
	return r, second, failed
}

// first is the start on the image, with the repair tool if it needs that.
func (c *Cold) first(e env.Env, image *disk.Disk) (Recovered, error) {
	r := Recovered{NoData: !product.HasData(image.FS(nil), &c.x.Mode), How: ByItself}
	c.cut = ""
	if !c.start(e) {
		r.How, r.Refusal = RefusedToStart, fmt.Sprint(c.loadErr)
		if !c.x.Mode.AOF {
			return r, nil
		}
		r.NULBytes = product.HasStrayBytes(image.FS(nil))
		fixed := errors.New("the tool did not end")
		c.exited = false
		c.node.Start(func(e env.Env, fs vfs.FS) { fixed = product.FixAOF(fs, c.conf, e) })
		for from := e.Now(); !c.exited && e.Now()-from < startLimit; {
			c.wake.WaitFor(startLimit)
		}
		if fixed != nil || !c.start(e) {
			return r, nil
		}
		r.How = Repaired
	}
	r.Truncated = c.cut != ""
	state, conn, err := c.dump(e)
	if err != nil {
		return r, err
	}
	r.State = state
	if !r.NULBytes && c.x.Mode.AOF {
		r.NULBytes = product.HasStrayBytes(image.FS(nil))
	}
	refusal, err := product.Probe(conn)
	conn.Close()
	if err == nil && refusal != "" {
		err = fmt.Errorf("the server refuses a write after it has come back: %s", refusal)
	}
	return r, err
}

// again kills the server and starts it once more on what it left.
func (c *Cold) again(e env.Env, r *Recovered) (SecondLife, error) {
	second := SecondLife{Cut: c.cut}
	log := c.node.Disk().Log()
	for i := range log {
		second.Truncated = second.Truncated || log[i].Kind == disk.OpTruncate && strings.HasSuffix(log[i].Path, c.cut)
	}
	c.node.Kill(false)
	for from := e.Now(); c.node.Children() > 0 && e.Now()-from < childLimit; {
		e.Sleep(10 * time.Millisecond)
	}
	if !c.start(e) {
		second.Wrong = fmt.Sprintf("it came back, took a write, was killed, and would not start again: %v", c.loadErr)
		return second, nil
	}
	state, conn, err := c.dump(e)
	if err != nil {
		return second, err
	}
	conn.Close()
	if missing := lacks(&state, &r.State); missing != "" {
		second.Wrong = fmt.Sprintf("it came back with key %q, took a write of another key, was killed, and came back without it", missing)
	}
	return second, nil
}

func (c *Cold) dump(e env.Env) (history.State, *workloads.Conn, error) {
	conn, err := workloads.Dial(e, serverAddr)
	if err != nil {
		return history.State{}, nil, err
	}
	state, err := c.run.Dump(conn, product.ReplyLimit)
	return state, conn, err
}

// start starts the server and waits until it serves or has exited.
func (c *Cold) start(e env.Env) bool {
	c.serving, c.exited, c.loadErr = false, false, nil
	c.node.Start(func(e env.Env, fs vfs.FS) {
		conf := *c.conf
		srv := engine.New(engine.Options{Env: e, FS: fs, Config: &conf, Bugs: c.x.Plants.Engine, Keyspace: c.keys,
			Log: func(_ byte, msg string) {
				if rest, ok := strings.CutPrefix(msg, "!!! Truncating the AOF "); ok {
					c.cut, _, _ = strings.Cut(rest, " ")
				}
			}})
		if c.loadErr = srv.Load(); c.loadErr != nil {
			return
		}
		l, err := e.Listen(serverAddr)
		if err != nil {
			c.loadErr = err
			return
		}
		e.Go("accept", func() { srv.Serve(l) })
		c.serving = true
		c.wake.Signal()
		srv.Run()
	})
	for from := e.Now(); !c.serving && !c.exited && e.Now()-from < startLimit; {
		c.wake.WaitFor(startLimit)
	}
	return c.serving
}

// Differs says in which way two readings of the same image differ; "" when
// they agree. A key that expires may have done so between them.
func (r *Recovered) Differs(o *Recovered) string {
	switch {
	case r.How != o.How:
		return fmt.Sprintf("one start ended as %d, the other as %d (%s%s)", r.How, o.How, r.Refusal, o.Refusal)
	case r.NULBytes != o.NULBytes || r.NoData != o.NoData || r.Truncated != o.Truncated:
		return "they disagree about the files"
	}
	if key := lacks(&r.State, &o.State); key != "" {
		return fmt.Sprintf("key %q", key)
	}
	if key := lacks(&o.State, &r.State); key != "" {
		return fmt.Sprintf("key %q", key)
	}
	return ""
}

// lacks returns a key of want that is not in got with the same value; "" when
// there is none. Keys that expire may be gone.
func lacks(got, want *history.State) string {
	for i := range want.Keys {
		w := &want.Keys[i]
		k, ok := slices.BinarySearchFunc(got.Keys, w.Key, func(kv history.KV, key string) int { return strings.Compare(kv.Key, key) })
		if !ok && w.TTL > 0 {
			continue
		}
		if !ok || got.Keys[k].Value != w.Value || !slices.Equal(got.Keys[k].List, w.List) {
			return w.Key
		}
	}
	return ""
}
