package fusefs

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/internal/quantile"
)

// Latencies are measured durations of syncs, sorted. Nothing really syncs on a
// disk in memory, so without a latency an fsync is hardly ever in flight.
type Latencies []time.Duration

// MeasureSync syncs for so long, and at least and at most so often. The first
// syncs of a new file are not counted: they also make its first blocks.
const (
	measureFor    = 300 * time.Millisecond
	fewestSyncs   = 32 // at 10 ms each, a third of a second
	mostSyncs     = 1024
	uncountedOnes = 4
)

// MeasureSync measures fsync on the host's file system: the sync of an append of
// 4 KiB to a file in dir, as an append-only file does it.
func MeasureSync(dir string) (Latencies, error) {
	f, err := os.CreateTemp(dir, "torntail-sync-")
	if err != nil {
		return nil, fmt.Errorf("measure fsync: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	page := make([]byte, 4096)
	var l Latencies
	for from := time.Now(); len(l) < fewestSyncs+uncountedOnes || len(l) < mostSyncs && time.Since(from) < measureFor; {
		if _, err := f.Write(page); err != nil {
			return nil, fmt.Errorf("measure fsync: %w", err)
		}
		began := time.Now()
		if err := f.Sync(); err != nil {
			return nil, fmt.Errorf("measure fsync: %w", err)
		}
		l = append(l, time.Since(began))
	}
	l = l[uncountedOnes:]
	slices.Sort(l)
	return l, nil
}

// Median is the one in the middle; 0 when nothing was measured.
func (l Latencies) Median() time.Duration {
	return quantile.Median(l)
}

// Source draws from the measurements, for VolumeOptions.SyncLatency of one volume.
func (l Latencies) Source(seed uint64) func(*disk.Call) time.Duration {
	draw := rand.New(rand.NewPCG(seed, 0))
	return func(*disk.Call) time.Duration {
		if len(l) == 0 {
			return 0
		}
		return l[draw.IntN(len(l))]
	}
}
