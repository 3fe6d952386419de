package image

import (
	"context"
	"errors"
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
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/workloads"
)

// Bare starts the engine on crash images outside of any world: its own start-up
// code runs, with a clock that stands still, no latency, no network and no
// scheduler, and the data is read straight from the keyspace. That is faithful
// because start-up is one task that waits for nothing. It costs a tenth of a
// start in the simulated world, against which explorations compare it.
type Bare struct {
	mode   *product.Mode
	engine machine.Engine
	server *engine.Server // that was loaded last
	size   int            // of values
	beside bool
	tokens workloads.Tokens
	kvs    []history.KV
	names  map[string]string
	env    bareEnv
	cut    string // see starter.cutOff

	// What is started on.
	image *disk.Disk
	gate  disk.Gate
}

// NewBare makes one for the images of an experiment's runs.
func NewBare(x *experiment.Experiment) (*Bare, error) {
	conf, err := redis.Config(&x.Mode)
	if err != nil {
		return nil, err
	}
	b := &Bare{mode: &x.Mode, size: x.Workload.ValueSize, beside: x.Workload.Beside, names: make(map[string]string)}
	b.engine = machine.Engine{
		Config: func(vfs.FS) (*config.Config, error) {
			c := *conf
			return &c, nil
		},
		Bugs: x.Plants.Engine, Keyspace: keyspace.New(),
		Made: func(s *engine.Server) { b.server = s },
		Log: func(_ time.Duration, _ byte, msg string) {
			if what, file := redis.Store.Says(msg); what == product.TailCut {
				b.cut = file
			}
		},
	}
	for c := range x.Workload.Clients {
		b.tokens.Token(c, TokensAhead) // handed out, so that values come back as shared strings
		for n := range TokensAhead {
			b.tokens.Token(c, n)
		}
	}
	return b, nil
}

// background is the context of starts that nobody calls off.
var background = context.Background()

// TokensAhead is for how many writes of a client values are recognised without
// an allocation.
const TokensAhead = 512

// Recover starts the engine on a crash image, which it changes as a start does,
// at the given time of the run; with its repair tool if it refuses. gate, when
// not nil, is passed by every call to the disk. What is returned is good until
// the next call.
func (b *Bare) Recover(image *disk.Disk, at time.Duration, gate disk.Gate) experiment.Recovered {
	b.env.now, b.image, b.gate, b.cut = at, image, gate, ""
	r, _ := bringBack(background, (*bareImage)(b), b.mode) // all errors are refusals
	return r
}

// bareImage is a Bare as something that a server is brought back on.
type bareImage Bare

func (b *bareImage) Start(context.Context) error {
	if err := b.engine.Load(&b.env, b.image.FS(b.gate)); err != nil {
		return &machine.Refusal{Words: err.Error()}
	}
	return nil
}

func (b *bareImage) Repair(ctx context.Context) (fixed bool, said string, err error) {
	_, failed := b.engine.Fix(ctx, &b.env, b.image.FS(b.gate))
	return failed == nil, "", nil
}

func (b *bareImage) Files(f func(fsys vfs.FS)) error {
	f(b.image.FS(nil))
	return nil
}

func (b *bareImage) cutOff() string { return b.cut }

// dump reads database 0 as workloads.Run.Dump does through a client.
func (b *bareImage) dump() (history.State, error) {
	b.kvs = b.kvs[:0]
	now := b.env.Wall().UnixMilli()
	b.engine.Keyspace.DB(0).Each(func(key string, o *keyspace.Object, expireAtMs int64) bool {
		if expireAtMs != 0 && expireAtMs <= now {
			return true
		}
		kv := history.KV{Key: b.name(key)}
		if expireAtMs != 0 {
			kv.TTL = time.Duration(expireAtMs-now) * time.Millisecond
			kv.Deadline = time.UnixMilli(expireAtMs).Sub(sim.WorldBegan)
		}
		b.read(o, &kv)
		b.kvs = append(b.kvs, kv)
		return true
	})
	slices.SortFunc(b.kvs, func(x, y history.KV) int { return strings.Compare(x.Key, y.Key) })
	state := history.State{Keys: b.kvs}
	if b.beside {
		db := b.engine.Keyspace.DB(workloads.BesideDatabase)
		state.Beside, _ = workloads.BesideState(func(kv *history.KV) (expires, there bool, _ error) {
			if kv.Key == workloads.BesideLibraries {
				kv.List = b.server.Libraries()
				return false, len(kv.List) > 0, nil
			}
			o, at := db.Get([]byte(kv.Key)), db.ExpireAt([]byte(kv.Key))
			if o == nil || at != 0 && at <= now {
				return false, false, nil
			}
			b.read(o, kv)
			return at != 0, true, nil
		})
	}
	return state, nil
}

// read fills in a key's value.
func (b *bareImage) read(o *keyspace.Object, kv *history.KV) {
	if o.Kind == keyspace.String {
		kv.Value = b.tokens.Parse(o.Str, b.size)
		return
	}
	kv.List = make([]string, 0, o.Coll.Len())
	o.Coll.Elements(func(elem []byte) { kv.List = append(kv.List, b.tokens.Parse(elem, b.size)) })
	workloads.InOrder(kv, o.Kind.Name())
	if o.Kind == keyspace.Stream {
		kv.GroupsRead = true
		for _, g := range o.Stream().Groups() {
			group := history.Group{Name: g.Name, Last: string(g.Last.Bytes())}
			g.Each(keyspace.StreamID{}, func(p *keyspace.Pending) bool {
				group.Pending = append(group.Pending, string(p.ID.Bytes()), p.Consumer)
				return true
			})
			kv.Groups = append(kv.Groups, group)
		}
	}
}

// name is a key as a string that is shared by all dumps.
func (b *bareImage) name(key string) string {
	s, ok := b.names[key]
	if !ok {
		s = strings.Clone(key)
		b.names[s] = s
	}
	return s
}

// bareEnv is an environment in which one task runs and nothing waits.
type bareEnv struct {
	now   time.Duration
	draws uint64
}

// errBare is what the network of a bare environment answers.
var errBare = errors.New("there is no network in a bare environment")

func (e *bareEnv) Node() string                        { return experiment.Server }
func (e *bareEnv) Now() time.Duration                  { return e.now }
func (e *bareEnv) Wall() time.Time                     { return sim.WorldBegan.Add(e.now) }
func (e *bareEnv) Sleep(time.Duration)                 {}
func (e *bareEnv) NewCond() env.Cond                   { return bareCond{} }
func (e *bareEnv) Listen(string) (env.Listener, error) { return nil, errBare }
func (e *bareEnv) Dial(string) (env.Conn, error)       { return nil, errBare }

// Uint64 draws from a generator of its own: the world's must not notice.
func (e *bareEnv) Uint64() uint64 {
	e.draws++
	return seeding.Derive(e.draws)
}

// Go and Fork run what they are given to its end: nothing else could go on meanwhile.
func (e *bareEnv) Go(_ string, f func()) env.Task {
	f()
	return bareTask{}
}

func (e *bareEnv) Fork(name string, f func()) (env.Task, error) { return e.Go(name, f), nil }
func (e *bareEnv) Orphaned() bool                               { return false }

type bareTask struct{}

func (bareTask) Wait()      {}
func (bareTask) Done() bool { return true }

// bareCond wakes at once, as conditions may: nobody else could signal.
type bareCond struct{}

func (bareCond) Wait()                      {}
func (bareCond) WaitFor(time.Duration) bool { return false }
func (bareCond) Signal()                    {}
func (bareCond) Broadcast()                 {}
