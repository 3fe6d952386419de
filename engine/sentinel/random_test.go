package sentinel

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRandomFaults: whatever is killed, cut off, started again or misled about
// the time, no Sentinel tells two candidates that it voted for them in one
// epoch, and no epoch has two leaders. Once the faults stop, all Sentinels agree
// on one master in bounded time, and every server follows it.
func TestRandomFaults(t *testing.T) {
	seeds := uint64(30)
	if testing.Short() {
		seeds = 5
	}
	failovers := 0
	for seed := range seeds {
		w := newWorld(seed)
		for i := range 3 {
			w.addServer(fmt.Sprintf("n%d", i+1))
		}
		for i := range 3 {
			w.addSentinel(fmt.Sprintf("s%d", i+1), 2)
		}
		w.run(5 * time.Second)
		for range 12 {
			w.randomFault()
			w.run(time.Duration(200+w.rng.IntN(5000)) * time.Millisecond)
		}
		w.stopFaults()
		require.Empty(t, w.twice, "seed %d\n%s", seed, strings.Join(w.log, "\n"))
		why := "not asked"
		for range 40 { // ten seconds each
			w.run(10 * time.Second)
			if why = w.disagreement(); why == "" {
				break
			}
		}
		require.Empty(t, why, "seed %d\n%s", seed, strings.Join(w.log, "\n"))
		require.Empty(t, w.twice, "seed %d", seed)
		failovers += len(w.elected)
	}
	t.Logf("%d elections won in %d worlds", failovers, seeds)
	require.Greater(t, failovers, int(seeds)/2, "the faults have become too weak")
}

func (w *world) randomFault() {
	sentinel := w.sentinels[w.rng.IntN(len(w.sentinels))].name
	server := w.servers[w.rng.IntN(len(w.servers))].name
	switch w.rng.IntN(9) {
	case 0, 1:
		for _, s := range w.servers { // whoever is master now
			if s.master == "" && s.up {
				w.kill(s.name)
				return
			}
		}
	case 2:
		w.isolate(server, true)
	case 3:
		w.isolate(sentinel, true)
	case 4:
		w.cut[sentinel+" "+server] = true
	case 5:
		if w.watcher(sentinel).m != nil {
			w.kill(sentinel)
		}
	case 6:
		if w.watcher(sentinel).m == nil {
			w.revive(sentinel)
		}
		w.revive(server)
	case 7:
		w.cut = map[string]bool{}
	case 8:
		w.watcher(sentinel).step += w.rng.Int64N(20_000) - 10_000
	}
}

func (w *world) stopFaults() {
	w.cut = map[string]bool{}
	for _, s := range w.servers {
		s.up = true
	}
	for _, s := range w.sentinels {
		if s.m == nil {
			w.start(s)
		}
	}
}

// disagreement says what is not as it should be, "" when all is well.
func (w *world) disagreement() string {
	var addr Addr
	for i, s := range w.sentinels {
		a := s.m.master("mymaster").current()
		if i > 0 && a != addr {
			return fmt.Sprintf("%s says %s, another %s", s.name, a, addr)
		}
		addr = a
	}
	for _, s := range w.servers {
		if s.addr == addr.String() && s.master != "" {
			return s.name + " should be the master"
		}
		if s.addr != addr.String() && s.master != addr.String() {
			return s.name + " follows " + s.master
		}
	}
	return ""
}

// Same seed, same world: the machine itself brings no chance of its own.
func TestSameSeedSameWorld(t *testing.T) {
	play := func() string {
		w := newWorld(11)
		w.verbose = true
		for i := range 3 {
			w.addServer(fmt.Sprintf("n%d", i+1))
		}
		for i := range 3 {
			w.addSentinel(fmt.Sprintf("s%d", i+1), 2)
		}
		w.run(5 * time.Second)
		w.kill("n1")
		w.run(20 * time.Second)
		return strings.Join(w.log, "\n")
	}
	require.Equal(t, play(), play())
}
