package engine

import (
	"math"
	"math/bits"
	"slices"
	"strings"
)

// Keeping what clients take within maxmemory-clients: whoever takes most is disconnected
// (redis 7.0.15 networking.c evictClients).

// leastForClients is what clients may take whatever the configuration says, so that one
// can still be spoken to.
const leastForClients = 128 << 10

// clientsLimit is how much they may take together, in bytes; 0: there is no limit.
func (s *Server) clientsLimit() int64 {
	limit := s.cfg.MaxmemoryClients
	switch {
	case limit == 0:
		return 0
	case limit < 0 && s.cfg.Maxmemory == 0: // a share of nothing
		return math.MaxInt64
	case limit < 0:
		limit = int64(float64(s.cfg.Maxmemory) * float64(-limit) / 100)
	}
	return max(limit, leastForClients)
}

// memory is what a client is reckoned to take: what it has sent and is not answered yet, its
// transaction, and what it has not read. (Redis-server also reckons what it reserves for an
// argument whose length it knows.)
func (c *Session) memory() int64 {
	n := clientMemory + c.input + c.batch + int64(queuedOverhead*len(c.queue)) + c.Unsent()
	for _, q := range c.queue {
		for _, a := range q.argv {
			n += int64(len(a))
		}
	}
	n += int64(watchMemory * len(c.watching))
	if c.tracking != nil {
		n += int64(prefixMemory * len(c.tracking.prefixes))
	}
	for _, names := range []subscriptions{c.channels, c.patterns, c.shards} {
		n += int64(subscriptionMemory * len(names))
	}
	return n
}

// What redis-server takes for a session's knowledge of a channel, a watched key, a prefix;
// about.
const (
	subscriptionMemory = 40
	watchMemory        = 80
	prefixMemory       = 64
)

// sizeClass is a power of two, between those that redis-server tells clients apart by
// (CLIENT_MEM_USAGE_BUCKET_MIN_LOG, MAX_LOG): of one class the oldest goes first.
func sizeClass(n int64) int { return min(max(bits.Len64(uint64(n)), 15), 34) }

// sampleClients looks at what those take who are not evicted: that is known as of the last
// cron only (redis 7.0.15 server.c clientsCron).
func (s *Server) sampleClients() {
	if l := s.cfg.OutputLimits; l.Normal.Soft > 0 || l.Pubsub.Soft > 0 {
		for _, c := range s.sessions {
			s.limitReplies(c)
			s.limitMessages(c)
		}
	}
	if s.cfg.MaxmemoryClients == 0 {
		return
	}
	for _, c := range s.sessions {
		if c.noEvict {
			c.sampled = c.memory()
		}
	}
}

// evictClients disconnects clients until the others take less than they may; those that are
// to be left alone (CLIENT NO-EVICT), replicas and the master are. It reports whether c is
// among those who went; c may be nil.
func (s *Server) evictClients(c *Session) (gone bool) {
	limit := s.clientsLimit()
	if limit == 0 {
		return false
	}
	type candidate struct {
		c    *Session
		size int64
	}
	var all []candidate
	sum := int64(0)
	for _, o := range s.sessions {
		if kind := o.class(); !o.dead && (kind == normalClient || kind == pubsubClient) {
			if o.noEvict {
				sum += o.sampled
				continue
			}
			size := o.memory()
			sum += size
			all = append(all, candidate{o, size})
		}
	}
	if sum < limit {
		return false
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return sizeClass(b.size) - sizeClass(a.size) })
	for _, one := range all {
		var text strings.Builder
		s.describe(&text, one.c)
		s.notice("Evicting client: " + strings.TrimSuffix(text.String(), "\n"))
		one.c.kill()
		s.stats.evictedClients++
		gone = gone || one.c == c
		if sum -= one.size; sum < limit {
			return gone
		}
	}
	s.warn("Over client maxmemory after evicting all evictable clients")
	return gone
}
