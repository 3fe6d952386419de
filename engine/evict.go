package engine

import (
	"math"
	"strings"
	"time"

	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
)

// Keeping within maxmemory, as redis 7.0.15 evict.c does: before a command is executed
// keys are evicted until what is reckoned (keyspace/memory.go) is below the limit; a
// command that takes memory is refused when that cannot be.

const errOOM = "OOM command not allowed when used memory > 'maxmemory'."

// candidates is how many keys are remembered that were sampled and not evicted (EVPOOL_SIZE).
const candidates = 16

// candidate is a key that might be evicted; the higher its score the sooner.
type candidate struct {
	db    int
	key   string
	score uint64
}

// evicting is what evictions remember of each other.
type evicting struct {
	pool   []candidate // by score, the best last
	nextDB int         // of random policies
	// unfinished: the limit is passed still, though time was up; it goes on between commands.
	unfinished bool
	over       time.Duration // since when it is; 0: it is not
	overBefore time.Duration // and was, in all
	settled    []func()      // of this turn's, see Options.Evicted
}

// settleEvicted says that what was evicted is as durable as it must be.
func (s *Server) settleEvicted() {
	for _, f := range s.evicting.settled {
		f()
	}
	clear(s.evicting.settled)
	s.evicting.settled = s.evicting.settled[:0]
}

// allKeys reports whether keys without a deadline may be evicted, too.
func (s *Server) allKeys() bool { return strings.HasPrefix(s.cfg.MaxmemoryPolicy, "allkeys-") }

// evict brings memory below the limit, and reports whether it is (performEvictions).
func (s *Server) evict() (within bool) {
	// Replicas are what their master is, unless told otherwise, and nothing changes by
	// itself in a pause (isSafeToPerformEvictions).
	if s.cfg.Maxmemory == 0 || s.loading || s.repl.Up != nil && s.cfg.ReplicaIgnoreMaxmemory || s.pauses.on() {
		return true
	}
	within = s.evictUntilWithin()
	e, now := &s.evicting, s.env.Now()
	switch {
	case (!within || e.unfinished) && e.over == 0:
		e.over = max(now, 1)
	case within && !e.unfinished && e.over != 0:
		e.overBefore += now - e.over
		e.over = 0
	}
	return within
}

func (s *Server) evictUntilWithin() bool {
	e := &s.evicting
	e.unfinished = false
	left := s.countedMemory() - s.cfg.Maxmemory
	if left <= 0 {
		return true
	}
	if s.cfg.MaxmemoryPolicy == "noeviction" {
		return false
	}
	began, limit := s.env.Now(), s.evictionTime()
	for n := 1; left > 0; n++ {
		db, key, ok := s.bestToEvict()
		if !ok {
			return false
		}
		before := s.ks.Bytes()
		s.evictKey(db, key)
		left -= before - s.ks.Bytes()
		if n%16 == 0 && s.env.Now()-began > limit {
			e.unfinished = true
			return true
		}
	}
	return true
}

// evictionTime is how long a command waits for evictions (evictionTimeLimitUs).
func (s *Server) evictionTime() time.Duration {
	switch t := s.cfg.MaxmemoryTenacity; {
	case t <= 10:
		return time.Duration(t) * 50 * time.Microsecond
	case t < 100:
		return time.Duration(500*math.Pow(1.15, float64(t-10))) * time.Microsecond
	}
	return math.MaxInt64
}

// bestToEvict is the key that the policy wants to go, as far as samples tell.
func (s *Server) bestToEvict() (db int, key string, ok bool) {
	if strings.HasSuffix(s.cfg.MaxmemoryPolicy, "-random") {
		return s.randomToEvict()
	}
	for expiring := !s.allKeys(); ; {
		keys := 0
		for i := range keyspace.Databases {
			db := s.ks.DB(i)
			n := db.Len()
			if expiring {
				n = db.Expires()
			}
			if n > 0 {
				db.Sample(int(s.cfg.MaxmemorySamples), expiring, s.env.Uint64, func(k keyspace.Sampled) { s.consider(i, k) })
				keys += n
			}
		}
		if keys == 0 {
			return 0, "", false
		}
		e := &s.evicting
		for len(e.pool) > 0 {
			best := e.pool[len(e.pool)-1]
			e.pool = e.pool[:len(e.pool)-1]
			// It may have gone since it was sampled, or need no longer expire.
			in := s.ks.DB(best.db)
			if k := []byte(best.key); in.Get(k) != nil && (!expiring || in.ExpireAt(k) != 0) {
				return best.db, best.key, true
			}
		}
	}
}

// randomToEvict takes the databases in turn.
func (s *Server) randomToEvict() (db int, key string, ok bool) {
	for range keyspace.Databases {
		s.evicting.nextDB = (s.evicting.nextDB + 1) % keyspace.Databases
		db = s.evicting.nextDB
		if key, ok = s.ks.DB(db).Random(!s.allKeys(), s.env.Uint64); ok {
			return db, key, true
		}
	}
	return 0, "", false
}

// consider puts a key into the pool if it is a better one to evict than some there
// (evictionPoolPopulate).
func (s *Server) consider(db int, k keyspace.Sampled) {
	var score uint64
	switch {
	case s.lfu():
		score = uint64(lfuSaturate - s.decayed(k.Object.Access))
	case s.cfg.MaxmemoryPolicy == "volatile-ttl":
		score = math.MaxUint64 - uint64(k.ExpireAt)
	default:
		score = uint64(keyspace.IdleSeconds(s.access(k.Object), s.clock))
	}
	pool := s.evicting.pool
	at := 0
	for at < len(pool) && pool[at].score < score {
		at++
	}
	c := candidate{db, k.Key, score}
	switch {
	case len(pool) < candidates:
		pool = append(pool, c)
		copy(pool[at+1:], pool[at:])
		pool[at] = c
	case at > 0: // the worst goes
		copy(pool, pool[1:at])
		pool[at-1] = c
	}
	s.evicting.pool = pool
}

// evictKey deletes a key for the room it takes. That is logged and sent to replicas by
// itself, as what it is: DEL or UNLINK.
func (s *Server) evictKey(db int, name string) {
	key := []byte(name)
	s.ks.DB(db).Delete(key)
	s.stats.evicted++
	s.touchAsNobody(db, key)
	s.notify(config.EvictedEvents, "evicted", db, key)
	if s.o.Evicted != nil {
		if settled := s.o.Evicted(db, key); settled != nil {
			s.evicting.settled = append(s.evicting.settled, settled)
		}
	}
	if s.bugs.Has(bugs.EvictionNotLogged) {
		return
	}
	s.feedDeletion(db, key, s.cfg.LazyfreeLazyEviction)
}

// feedDeletion logs a deletion that no command asked for, and sends it to replicas, by itself.
func (s *Server) feedDeletion(db int, key []byte, lazy bool) {
	argv := [][]byte{deletion(lazy), key}
	s.mgr.Feed(db, argv)
	s.repl.Feed(db, argv)
}

// memoryRefusal evicts what must be evicted before a command is executed, and is the
// error that it is answered with when it may not be: "" for none (redis 7.0.15 server.c
// processCommand).
func (s *Server) memoryRefusal(c *Session, cmd *command, f flags) string {
	if s.scripting.late() { // what a script writes must not be mixed with evictions
		return ""
	}
	s.scripting.noMemory = s.cfg.Maxmemory != 0 && !s.evict()
	if !s.scripting.noMemory {
		return ""
	}
	// What is queued takes memory as well, whatever it is.
	queues := c.multi && cmd != execCmd && cmd.flags&leavesMulti == 0
	if queues || f&denyOOM != 0 || cmd == execCmd && c.queues(denyOOM) {
		return errOOM
	}
	return ""
}
