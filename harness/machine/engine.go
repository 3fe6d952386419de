package machine

import (
	"context"
	"time"

	"github.com/torntail/torntail/engine"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/product/redis"
)

// Engine is the embedded server as the process of a machine: what it is configured
// with, and where it listens. It is started here and nowhere else.
type Engine struct {
	// Config makes the configuration of a life, from the machine's files if need be.
	Config func(fs vfs.FS) (*config.Config, error)
	Listen string // its address

	Bugs     bugs.Set
	Keyspace *keyspace.Keyspace // reused memory; nil: its own
	Log      func(at time.Duration, level byte, msg string)
	Evicted  func(db int, key []byte) (settled func())
	// ConfigFile is the file on the machine's disk that CONFIG REWRITE writes; "": none.
	ConfigFile string
	// Made gets the server before it loads; Serving is called once it accepts
	// connections. Both may be nil.
	Made    func(*engine.Server)
	Serving func()
	// Status is that with which it ended last.
	Status int
}

// open makes a server and loads what it finds.
func (p *Engine) open(e env.Env, fs vfs.FS) (*engine.Server, error) {
	c, err := p.Config(fs)
	if err != nil {
		return nil, err
	}
	o := engine.Options{Env: e, FS: fs, Config: c, Bugs: p.Bugs, Keyspace: p.Keyspace, Evicted: p.Evicted}
	if p.ConfigFile != "" {
		o.ConfigFile, o.ConfigFS = p.ConfigFile, fs
	}
	if p.Log != nil {
		o.Log = func(level byte, msg string) { p.Log(e.Now(), level, msg) }
	}
	srv := engine.New(o)
	if p.Made != nil {
		p.Made(srv)
	}
	return srv, srv.Load()
}

// Load loads what the disk holds, as a start does, without a network: into Keyspace.
func (p *Engine) Load(e env.Env, fs vfs.FS) error {
	_, err := p.open(e, fs)
	return err
}

// Main is the process's main function. It returns when the server has ended, or why
// it did not start.
func (p *Engine) Main(e env.Env, fs vfs.FS) error {
	srv, err := p.open(e, fs)
	if err != nil {
		return err
	}
	l, err := e.Listen(p.Listen)
	if err != nil {
		return err
	}
	e.Go("accept", func() { srv.Serve(l) })
	if p.Serving != nil {
		p.Serving()
	}
	p.Status = srv.Run()
	return nil
}

// Fix is the engine's repair tool, as an operator runs it; said is what it prints.
func (p *Engine) Fix(_ context.Context, e env.Env, fs vfs.FS) (said string, err error) {
	c, err := p.Config(fs)
	if err != nil {
		return "", err
	}
	return redis.FixAOF(fs, c, e)
}
