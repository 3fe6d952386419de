// Package seams gives things to the scheduler in every way that there is.
package seams

import (
	"os"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/faults/vfs/osfs"
)

func Hook() *sim.World {
	return sim.New(sim.Options{Hook: func(n *sim.Node, c *disk.Call) disk.Decision {
		time.Sleep(1) // want use: time.Sleep
		return disk.Decision{}
	}})
}

func Exit(n *sim.Node) {
	n.OnExit(func() {
		os.Exit(1) // want use: os.Exit
	})
}

func Outside(w *sim.World) {
	w.Outside(func() {
		_, _ = os.Create("x") // want use: os.Create
	})
}

func NodeTask(n *sim.Node) {
	n.Go("task", func(e env.Env) {
		_ = time.Tick(1) // want use: time.Tick
	})
}

// main is named, not written out.
func main(e env.Env, fs vfs.FS) {
	helper(e)
}

func helper(e env.Env) {
	child, _ := e.Fork("child", func() {
		_ = os.Remove("x") // want use: os.Remove
	})
	child.Wait()
}

func Start(n *sim.Node) { n.Start(main) }

// The other side of a seam, called by its name.
func Real(e env.Env) {
	e.Go("task", func() {
		_ = osfs.New("/")     // want use: faults/vfs/osfs.New
		_ = osenv.New("x", 1) // want use: faults/env/osenv.New
	})
}

// writer gives the world a place to write its trace to.
type writer struct{}

func (writer) Write(b []byte) (int, error) {
	return time.Now().Nanosecond(), nil // want use: time.Now
}

func Trace() *sim.World { return sim.New(sim.Options{Trace: writer{}}) }

// all is the outside: what runs before the world does.
func all(w *sim.World, n *sim.Node) {
	Hook()
	Exit(n)
	Outside(w)
	NodeTask(n)
	Start(n)
	Real(n.Env())
	Trace()
}
