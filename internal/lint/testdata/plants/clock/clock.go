// Package clock reads the real clock in tasks of the simulated world.
package clock

import (
	"context"
	"os"
	. "time"
	wall "time"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/faults/vfs"
)

func Direct(n *sim.Node) {
	n.Start(func(e env.Env, fs vfs.FS) {
		_ = wall.Now() // want use: time.Now
	})
}

func MethodValue(n *sim.Node) {
	n.Start(func(e env.Env, fs vfs.FS) {
		f := wall.Now
		timed(f) // want use: time.Now
	})
}

func timed(func() wall.Time) {}

func DotImport(e env.Env) {
	e.Go("task", func() {
		Sleep(Second) // want use: time.Sleep
	})
}

// A clock that is made outside and read inside.
type server struct{ clock func() wall.Time }

func (s *server) run() {
	_ = s.clock() // want use: time.Now is not on the list of what the world may use (through a function value)
}

func Field(e env.Env) {
	s := &server{clock: wall.Now}
	e.Go("server", s.run)
}

// The same behind an interface.
type ticker interface{ now() int64 }

type machine struct{ began wall.Time }

func (m *machine) now() int64 {
	return int64(wall.Since(m.began)) // want use: time.Since
}

type client struct{ t ticker }

func (c *client) live() { _ = c.t.now() }

func Interface(e env.Env) {
	c := &client{t: &machine{}}
	e.Fork("client", c.live)
}

// As a type parameter.
type clock interface{ Now() wall.Time }

type system struct{}

func (system) Now() wall.Time {
	return wall.Now() // want use: time.Now
}

func read[C clock](c C) wall.Time { return c.Now() }

func Generic(w *sim.World) {
	w.At(0, func() { read(system{}) })
}

// Under another name.
type sameSystem = zoned

type zoned struct{ t wall.Time }

func (z zoned) hour() int {
	return z.t.Local().Hour() // want use: time.Time.Local
}

func Alias(w *sim.World) {
	z := sameSystem{}
	w.After(1, func() { z.hour() })
}

func Timers(e env.Env) {
	e.Go("task", func() {
		<-wall.After(1)                          // want channel: receive // want use: time.After
		t := wall.NewTimer(1)                    // want use: time.NewTimer
		defer t.Stop()                           // want use: time.Timer.Stop
		wall.AfterFunc(1, func() {})             // want use: time.AfterFunc
		_, cancel := context.WithTimeout(nil, 1) // want use: context.WithTimeout
		cancel()                                 // want use: calls what context.WithTimeout has made
	})
}

func FileTime(e env.Env) {
	e.Go("task", func() {
		info, _ := os.Stat("x") // want use: os.Stat
		_ = info.ModTime()      // want use: calls what os.Stat has made
	})
}

func Zone(e env.Env) {
	e.Go("task", func() {
		_ = wall.Unix(0, 0).Hour()          // want zone: time.Unix
		_ = wall.Unix(0, 0).UTC().In(Local) // want use: time.Local
		_, _ = wall.LoadLocation("Local")   // want use: time.LoadLocation
		f := (wall.Time).Local
		_ = f(wall.Unix(0, 0).UTC())          // want use: time.Time.Local
		_ = new(wall.Time).UnmarshalText(nil) // want use: time.Time.UnmarshalText
	})
}

// The initial value of a variable was read from the clock.
var began = wall.Now() // want use: time.Now

func Variable(e env.Env) {
	e.Go("task", func() { _ = began })
}

// A table of functions.
var table = map[string]func() int64{
	"now": func() int64 {
		return wall.Now().UnixNano() // want use: time.Now
	},
	"zero": func() int64 { return 0 },
}

func Table(e env.Env) {
	e.Go("task", func() { table["now"]() })
}

// A function that a function has made.
func maker() func() int64 {
	return func() int64 {
		return wall.Now().Unix() // want use: time.Now
	}
}

func Made(e env.Env) {
	f := maker()
	e.Go("task", func() { defer f() })
}

// all is the outside: what runs before the world does.
func all(w *sim.World, n *sim.Node) {
	Direct(n)
	MethodValue(n)
	DotImport(n.Env())
	Field(n.Env())
	Interface(n.Env())
	Generic(w)
	Alias(w)
	Timers(n.Env())
	FileTime(n.Env())
	Zone(n.Env())
	Variable(n.Env())
	Table(n.Env())
	Made(n.Env())
}
