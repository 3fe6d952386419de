package sentinel

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/bugs"
)

// TestRandomFaults: whatever is killed, cut off, started again or misled about
// the time, no Sentinel tells two candidates that it voted for them in one
// epoch, and no epoch has two leaders. Once the faults stop, all Sentinels agree
// on one master in bounded time, and every server follows it.
func TestRandomFaults(t *testing.T) {
	seeds := uint64(20)
	if testing.Short() {
		seeds = 5
	}
	failovers := 0
	for seed := range seeds {
		w, wrong := randomWorld(seed, 0)
		require.Empty(t, wrong, "seed %d\n%s", seed, strings.Join(w.log, "\n"))
		failovers += len(w.elected)
	}
	t.Logf("%d elections won in %d worlds", failovers, seeds)
	require.Greater(t, failovers, int(seeds)/2, "the faults have become too weak")
}

// The same worlds find each bug planted in a Sentinel, and as what it is.
func TestRandomFaultsFindPlants(t *testing.T) {
	for _, c := range []struct {
		bug  bugs.Set
		want string
	}{
		{bugs.VoteTwice, ": told "},
		{bugs.OldMasterForgotten, "two masters"},
	} {
		t.Run(c.bug.String(), func(t *testing.T) {
			for seed := range uint64(200) {
				if _, wrong := randomWorld(seed, c.bug); strings.Contains(wrong, c.want) {
					t.Logf("found with seed %d, after %d seeds: %s", seed, seed+1, wrong)
					return
				}
			}
			t.Fatal("not found with 200 seeds")
		})
	}
}

// randomWorld plays twelve random faults and returns what was wrong: at any
// time with the votes, in the end with what Sentinels and servers are agreed on.
func randomWorld(seed uint64, plant bugs.Set) (w *world, wrong string) {
	w = newWorld(seed)
	w.plant = plant
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
	for range 40 { // ten seconds each
		w.run(10 * time.Second)
		if len(w.twice) > 0 {
			return w, w.twice[0]
		}
		if wrong = w.disagreement(); wrong == "" {
			break
		}
	}
	return w, wrong
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
		if s.addr != addr.String() && s.master == "" {
			return "two masters: " + s.name + " and " + w.nameOf(addr.String())
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
