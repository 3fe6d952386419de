package sentinel

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Failovers although the master is well, because Sentinels lose it for a short
// time, each on its own: with more Sentinels there are fewer.
func TestMoreSentinelsFewerFalseFailovers(t *testing.T) {
	const worlds, minutes = 3, 4
	count := map[int]int{}
	for _, n := range []int{1, 3, 5} {
		for seed := range uint64(worlds) {
			w := newWorld(seed)
			w.addServer("n1")
			w.addServer("n2")
			for i := range n {
				w.addSentinel(fmt.Sprintf("s%d", i+1), n/2+1)
			}
			w.run(5 * time.Second)
			for range minutes * 60 {
				// Each second each Sentinel loses the master with a probability of
				// 3 %, and finds it again with one of 30 %.
				for _, s := range w.sentinels {
					addr := w.server(s.m.master("mymaster").current().String())
					for _, o := range w.servers {
						key := s.name + " " + o.name
						if w.rng.IntN(100) < 30 {
							w.cut[key] = false
						}
						if o == addr && w.rng.IntN(100) < 3 {
							w.cut[key] = true
						}
					}
				}
				w.run(time.Second)
			}
			for _, l := range w.log {
				if strings.Contains(l, "+switch-master") && strings.Contains(l, " s1 ") {
					count[n]++
				}
			}
		}
	}
	t.Logf("false failovers in %d minutes: %d with one Sentinel, %d with three, %d with five", worlds*minutes, count[1], count[3], count[5])
	require.Greater(t, count[1], count[3])
	require.GreaterOrEqual(t, count[3], count[5])
	require.Positive(t, count[1])
}
