package mount

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/sim"
)

// SyncLatency reads how long a sync takes: "host" for what fsync takes on the
// host's file system at dir, measured now; the name of a latency profile; or a
// duration. "" is no time at all. about says it in words.
func SyncLatency(text, dir string, seed uint64) (latency func(*disk.Call) time.Duration, about string, err error) {
	if text == "" {
		return nil, "syncs take no time", nil
	}
	if text == "host" {
		measured, err := fusefs.MeasureSync(dir)
		if err != nil {
			return nil, "", err
		}
		return measured.Source(seed), fmt.Sprintf("syncs take what they take in %s (median %v)", dir, measured.Median().Round(time.Microsecond)), nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return func(*disk.Call) time.Duration { return d }, fmt.Sprintf("syncs take %v", d), nil
	}
	profile, err := sim.ProfileByName(text)
	if err != nil {
		return nil, "", fmt.Errorf("want host, a duration or a profile (%s), got %q", strings.Join(sim.ProfileNames(), ", "), text)
	}
	draws := rand.New(rand.NewPCG(seed, 0))
	return func(*disk.Call) time.Duration { return profile.SyncTime(draws.Uint32(), 0) },
		fmt.Sprintf("syncs take what they take on %s (median %v)", profile.Name, profile.Sync.P50), nil
}
