package conduct

import "time"

// Timekeeper lets plans strike at times of the wall clock. It is what real worlds
// wake the Conductor with: their Wake is the Timekeeper's.
type Timekeeper struct {
	news    chan struct{} // one slot: something is due sooner than what it waits for
	awaited time.Duration // under the world's lock
}

// NewTimekeeper makes one that keeps nothing yet.
func NewTimekeeper() *Timekeeper {
	return &Timekeeper{news: make(chan struct{}, 1), awaited: Never}
}

// Wake implements World.
func (k *Timekeeper) Wake(next time.Duration) {
	if next >= k.awaited {
		return
	}
	select {
	case k.news <- struct{}{}:
	default: // it has not looked since it was last told
	}
}

// nothingFor is how long it waits when nothing is known: news will come before.
const nothingFor = time.Hour

// Keep carries out what the conductor's plans have at given times, until over is closed.
func (k *Timekeeper) Keep(c *Conductor, over <-chan struct{}) {
	for {
		c.world.Lock()
		k.awaited = c.NextTime()
		wait := nothingFor
		if k.awaited != Never {
			wait = k.awaited - c.world.Now()
		}
		c.world.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-over:
			timer.Stop()
			return
		case <-k.news:
			timer.Stop()
		case <-timer.C:
		}
		select {
		case <-over:
			return // what comes now waits until somebody keeps the time again
		default:
		}
		c.world.Lock()
		now := c.world.Now()
		c.world.Unlock()
		c.Due(now)
	}
}
