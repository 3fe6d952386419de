// Package waiting waits where the scheduler does not see it.
package waiting

import (
	"iter"
	"sync"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/sim"
)

func Channels(e env.Env, a, b chan int) {
	e.Go("task", func() {
		select { // want channel: select
		case <-a:
		case <-b:
		}
		a <- 1        // want channel: send
		<-b           // want channel: receive
		for range a { // want channel: receive
		}
		close(b)           // want channel: close
		_ = make(chan int) // want channel: channel
	})
}

// receive is generic in what it waits for.
func receive[C ~chan T, T any](c C) T {
	return <-c // want channel: receive
}

func Generic(e env.Env, c chan string) {
	e.Go("task", func() { receive(c) })
}

// guarded has its lock's methods for its own.
type guarded struct {
	sync.Mutex
	n int
}

func (g *guarded) add() {
	g.Lock()         // want use: sync.Mutex.Lock
	defer g.Unlock() // want use: sync.Mutex.Unlock
	g.n++
}

func Promoted(e env.Env, g *guarded) { e.Go("task", g.add) }

func Locker(e env.Env, g *guarded) {
	var l sync.Locker = g
	e.Go("task", func() {
		l.Lock() // want use: sync.Mutex.Lock is not on the list of what the world may use
	})
}

func Condition(e env.Env, c *sync.Cond) {
	e.Go("task", c.Wait) // want elsewhere use: sync.Cond.Wait is not on the list of what the world may use
}

func Coroutine(e env.Env, s iter.Seq[int]) {
	next, stop := iter.Pull(s)
	e.Go("task", func() {
		_, _ = next() // want use: calls what iter.Pull has made
		stop()        // want use: calls what iter.Pull has made
	})
}

// all is the outside: what runs before the world does.
func all(n *sim.Node) {
	Channels(n.Env(), nil, nil)
	Generic(n.Env(), nil)
	Promoted(n.Env(), nil)
	Locker(n.Env(), nil)
	Condition(n.Env(), nil)
	Coroutine(n.Env(), nil)
}
