package engine

import (
	"time"

	"github.com/torntail/torntail/engine/keyspace"
)

// The active cycle deletes keys that are past their time and that nobody asks for, as redis
// 7.0.15 expire.c activeExpireCycle does: it looks at some keys of each database, and at more
// while many of those were past their time. So there always are some that are not found yet:
// in memory, in the log, at replicas.

const (
	cycleKeys      = 20                   // a database is looked at in steps of so many (ACTIVE_EXPIRE_CYCLE_KEYS_PER_LOOP)
	cycleFast      = 1 * time.Millisecond // how long a fast cycle lasts (ACTIVE_EXPIRE_CYCLE_FAST_DURATION)
	cycleSlowPart  = 25                   // per cent of the time between two slow ones (ACTIVE_EXPIRE_CYCLE_SLOW_TIME_PERC)
	cycleStale     = 10                   // per cent of what was looked at that may be past its time (ACTIVE_EXPIRE_CYCLE_ACCEPTABLE_STALE)
	cycleTimeEvery = 16                   // steps after which the time is looked at
)

// expireCycles is what cycles remember of each other.
type expireCycles struct {
	db       int  // the next database
	timedOut bool // the last cycle ended because it had lasted long enough
	lastFast time.Duration
	stale    float64 // which part of the keys was past its time, lately
	timeouts int64
	took     time.Duration // all of them
}

// activeExpire is one cycle; fast: before the server waits for clients, else from cron.
func (s *Server) activeExpire(fast bool) {
	c := &s.cycles
	effort := s.cfg.ActiveExpireEffort - 1
	keys := cycleKeys + cycleKeys/4*int(effort)
	fastFor := cycleFast + cycleFast/4*time.Duration(effort)
	stale := cycleStale - effort
	began := s.env.Now()
	limit := max(time.Duration(cycleSlowPart+2*effort)*s.period()/100, time.Microsecond)
	if fast {
		// The part is below 1 always, so that only a cycle that timed out is followed by a
		// fast one; so it is there.
		if !c.timedOut && c.stale < float64(stale) || began < c.lastFast+2*fastFor {
			return
		}
		c.lastFast, limit = began, fastFor
	}
	c.timedOut = false
	sampled, expired, steps := 0, 0, 0
	for i := 0; i < keyspace.Databases && !c.timedOut; i++ {
		number := c.db
		db := s.ks.DB(number)
		c.db = (c.db + 1) % keyspace.Databases
		for {
			steps++
			if db.Expires() == 0 {
				db.ForgetTTL()
				break
			}
			seen, gone := s.expireSome(number, min(keys, db.Expires()))
			sampled, expired = sampled+seen, expired+gone
			if steps%cycleTimeEvery == 0 && s.env.Now()-began > limit {
				c.timedOut = true
				c.timeouts++
				break
			}
			if seen > 0 && int64(gone*100/seen) <= stale {
				break
			}
		}
	}
	took := s.env.Now() - began
	c.took += took
	s.sampleSpike("expire-cycle", took)
	part := 0.0
	if sampled > 0 {
		part = float64(expired) / float64(sampled)
	}
	c.stale = part*0.05 + c.stale*0.95
}

// expireSome looks at n keys of a database, and returns how many these were, and how many
// of them past their time.
func (s *Server) expireSome(number, n int) (seen, gone int) {
	s.nowMs = 0
	now := s.now()
	live, ttl := int64(0), int64(0)
	db := s.ks.DB(number)
	seen = db.VisitExpiring(n, func(key string, at int64) {
		if now > at {
			s.expireActively(number, []byte(key))
			gone++
		} else if at > now {
			live++
			ttl += at - now
		}
	})
	if live > 0 {
		db.NoteTTL(ttl / live)
	}
	return seen, gone
}
