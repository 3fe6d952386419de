package sim

import "time"

// SyncTime is how long a sync of so many dirty pages takes by this profile, for
// one uniform draw: what the fault disk under a real server waits for, where
// nothing really syncs.
func (p *Profile) SyncTime(draw uint32, pages int64) time.Duration {
	return p.Sync.draw(draw) + time.Duration(pages)*p.PerPageSync
}
