package engine

import (
	"strings"

	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/engine/rdb"
)

// What values remember of their use, for OBJECT IDLETIME and FREQ: the second of
// the last access, or under an LFU policy the minute of it and a counter (redis
// 7.0.15 evict.c).

const (
	clockMask   = 1<<24 - 1
	lfuInitial  = 5
	lfuMinutes  = 1<<16 - 1
	lfuSaturate = 255
)

// lfu reports whether use is counted rather than timed.
func (s *Server) lfu() bool { return strings.HasSuffix(s.cfg.MaxmemoryPolicy, "-lfu") }

// tickClock brings the clock of accesses up to date; cron calls it.
func (s *Server) tickClock() {
	unix := s.env.Wall().Unix()
	s.clock = uint32(unix) & clockMask
	s.minute = uint32(unix/60) & lfuMinutes
	if s.lfu() {
		s.ks.SetClock(s.minute<<8 | lfuInitial)
	} else {
		s.ks.SetClock(s.clock)
	}
}

// used notes that a value was accessed. While a child runs nothing is noted, so
// that what it shares stays shared.
func (s *Server) used(o *keyspace.Object) {
	switch {
	case s.mgr.Busy():
	case s.lfu():
		o.Access = s.minute<<8 | s.counted(s.decayed(o.Access))
	default:
		s.setAccess(o, s.clock)
	}
}

// access is when a value was last used. A small number is one object for all keys
// that hold it, as old as the server (redis 7.0.15 object.c shared.integers).
func (s *Server) access(o *keyspace.Object) uint32 {
	n, ok := o.Shared()
	if !ok || s.lfu() || !s.sharesIntegers() {
		return o.Access
	}
	if at := s.sharedAccess[n]; at != 0 {
		return at
	}
	return s.firstClock
}

func (s *Server) setAccess(o *keyspace.Object, at uint32) {
	o.Access = at
	if n, ok := o.Shared(); ok && s.sharesIntegers() {
		if s.sharedAccess == nil {
			s.sharedAccess = make(map[int64]uint32)
		}
		s.sharedAccess[n] = at
	}
}

// decayed is a value's counter as of now.
func (s *Server) decayed(access uint32) uint32 {
	counter := access & lfuSaturate
	if s.cfg.LfuDecayTime == 0 {
		return counter
	}
	then := access >> 8
	elapsed := s.minute - then
	if s.minute < then {
		elapsed = lfuMinutes - then + s.minute
	}
	return counter - min(counter, uint32(min(int64(elapsed)/s.cfg.LfuDecayTime, lfuSaturate)))
}

// counted raises a counter by one, the less likely the higher it is.
func (s *Server) counted(counter uint32) uint32 {
	if counter == lfuSaturate {
		return counter
	}
	base := max(float64(counter)-lfuInitial, 0)
	if r := float64(s.env.Uint64()>>11) / (1 << 53); r < 1/(base*float64(s.cfg.LfuLogFactor)+1) {
		counter++
	}
	return counter
}

// accessOf makes an Access of hints, -1 for none; 0 when they do not suit the
// policy (redis 7.0.15 object.c objectSetLRUOrLFU).
func (s *Server) accessOf(freq int, idleSeconds int64) uint32 {
	switch {
	case s.lfu() && freq >= 0:
		return s.minute<<8 | uint32(freq)
	case !s.lfu() && idleSeconds >= 0:
		at := int64(s.clock) - idleSeconds%clockMask
		if at <= 0 {
			at += clockMask
		}
		return uint32(at)
	}
	return 0
}

// hint says with which hints snapshots are written.
func (s *Server) hint() (rdb.Hint, uint32) {
	switch {
	case s.lfu():
		return rdb.HintFreq, s.clock
	case strings.HasSuffix(s.cfg.MaxmemoryPolicy, "-lru"):
		return rdb.HintIdle, s.clock
	}
	return rdb.NoHint, 0
}

const (
	errLFUPolicy = "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
	errLRUPolicy = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
)

var objectCommands = []entry{
	{name: "object|encoding", run: objectCommand(func(_ *Server, c *Session, o *keyspace.Object) { c.bulkText(o.Encoding()) })},
	{name: "object|refcount", run: objectCommand(func(s *Server, c *Session, o *keyspace.Object) {
		if _, ok := o.Shared(); ok && s.sharesIntegers() {
			c.int(1<<31 - 1)
			return
		}
		c.int(1)
	})},
	{name: "object|idletime", run: objectCommand(func(s *Server, c *Session, o *keyspace.Object) {
		if s.lfu() {
			c.error(errLFUPolicy)
			return
		}
		c.int(int64(keyspace.IdleSeconds(s.access(o), s.clock)))
	})},
	{name: "object|freq", run: objectCommand(func(s *Server, c *Session, o *keyspace.Object) {
		if !s.lfu() {
			c.error(errLRUPolicy)
			return
		}
		c.int(int64(s.decayed(o.Access)))
	})},
	{name: "object|help", run: help("OBJECT",
		"ENCODING <key>", "    Return the kind of internal representation used in order to store the value", "    associated with a <key>.",
		"FREQ <key>", "    Return the access frequency index of the <key>. The returned integer is", "    proportional to the logarithm of the recent access frequency of the key.",
		"IDLETIME <key>", "    Return the idle time of the <key>, that is the approximated number of", "    seconds elapsed since the last access to the key.",
		"REFCOUNT <key>", "    Return the number of references of the value associated with the specified", "    <key>.")},
}

// sharesIntegers reports whether small numbers are shared: not while maxmemory
// is set and each needs a memory of its own use (redis 7.0.15 object.c
// tryObjectEncodingEx).
func (s *Server) sharesIntegers() bool {
	return s.cfg.Maxmemory == 0 || !s.lfu() && !strings.HasSuffix(s.cfg.MaxmemoryPolicy, "-lru")
}

// objectCommand looks at a value without a trace of that.
func objectCommand(answer func(s *Server, c *Session, o *keyspace.Object)) handler {
	return func(s *Server, c *Session, argv [][]byte) {
		if o := s.peek(c, argv[2]); o != nil {
			answer(s, c, o)
			return
		}
		c.null()
	}
}
