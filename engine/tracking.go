package engine

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// CLIENT TRACKING: who is told that keys have changed which he may keep a copy of
// (redis 7.0.15 tracking.c). Keys are known by name, whatever their database.

// tracking is how a session is told; a nil one is not.
type tracking struct {
	redirect              int64 // the session that is told instead; 0: itself
	bcast                 bool  // of all keys with a prefix, not of those that were read
	optin, optout, noloop bool
	caching               bool // CLIENT CACHING was the last command
	broken                bool // redirect is gone
	prefixes              []string
}

// tracker knows which session has read what, and what those are told who asked for prefixes.
type tracker struct {
	clients int // that are told
	// at and keys are the keys that were read, each with the sessions that did so; a slice,
	// so that one of them can be drawn.
	at   map[string]int
	keys []trackedKey
	// items is how many sessions there are in keys, together.
	items int
	// prefixes are in order.
	prefixes []*prefix
	current  *Session // whose command is executed, were it by a script
	acting   *Session // who executes it: of a script the script's own
	depth    int      // of commands that are being executed
	// pending are what current is told once it has its reply; nil: of all keys.
	pending []*string
	tries   int // how often in a row the limit of keys was passed
}

type trackedKey struct {
	name string
	ids  []int64
}

// prefix is one that sessions asked for, and the keys that have changed in this turn with
// who did that last.
type prefix struct {
	text    string
	clients []*Session
	changed map[string]*Session
}

// clientTracking follows redis 7.0.15 networking.c clientCommand.
func clientTracking(s *Server, c *Session, argv [][]byte) {
	var t tracking
	for i := 3; i < len(argv); i++ {
		more := i+1 < len(argv)
		switch {
		case same(argv[i], "redirect") && more:
			i++
			if t.redirect != 0 {
				c.error("ERR A client can only redirect to a single other client")
				return
			}
			id, ok := c.intArg(argv[i])
			if !ok {
				return
			}
			if s.sessionByID(id) == nil {
				c.error("ERR The client ID you want redirect to does not exist")
				return
			}
			t.redirect = id
		case same(argv[i], "bcast"):
			t.bcast = true
		case same(argv[i], "optin"):
			t.optin = true
		case same(argv[i], "optout"):
			t.optout = true
		case same(argv[i], "noloop"):
			t.noloop = true
		case same(argv[i], "prefix") && more:
			i++
			t.prefixes = append(t.prefixes, string(argv[i]))
		default:
			c.error(errSyntax)
			return
		}
	}
	switch {
	case same(argv[2], "on"):
		if refusal := c.trackingRefusal(&t); refusal != "" {
			c.error(refusal)
			return
		}
		if t.bcast && !c.prefixesFit(t.prefixes) {
			return
		}
		s.track(c, t)
	case same(argv[2], "off"):
		s.untrack(c)
	default:
		c.error(errSyntax)
		return
	}
	c.ok()
}

// trackingRefusal is "", or why options do not go together, or with those the session has.
func (c *Session) trackingRefusal(t *tracking) string {
	old := c.tracking
	switch {
	case !t.bcast && len(t.prefixes) > 0:
		return "ERR PREFIX option requires BCAST mode to be enabled"
	case old != nil && old.bcast != t.bcast:
		return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode."
	case t.bcast && (t.optin || t.optout):
		return "ERR OPTIN and OPTOUT are not compatible with BCAST"
	case t.optin && t.optout:
		return "ERR You can't specify both OPTIN mode and OPTOUT mode"
	case old != nil && (t.optin && old.optout || t.optout && old.optin):
		return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode."
	}
	return ""
}

// prefixesFit answers those that overlap. Sic: where the first of them is not the one to
// blame, redis-server says so and goes on.
func (c *Session) prefixesFit(all []string) bool {
	overlap := func(a, b string) bool { n := min(len(a), len(b)); return a[:n] == b[:n] }
	for i, p := range all {
		if c.tracking != nil {
			for _, old := range c.tracking.prefixes {
				if overlap(old, p) {
					c.error("ERR Prefix '" + p + "' overlaps with an existing prefix '" + old + "'. Prefixes for a single client must not overlap.")
					return false
				}
			}
		}
		for _, other := range all[i+1:] {
			if overlap(p, other) {
				c.error("ERR Prefix '" + p + "' overlaps with another provided prefix '" + other + "'. Prefixes for a single client must not overlap.")
				return i > 0
			}
		}
	}
	return true
}

// track begins to tell a session, or changes how; prefixes are added to those it has.
func (s *Server) track(c *Session, t tracking) {
	asked := t.prefixes
	if t.bcast && len(asked) == 0 {
		asked = []string{""}
	}
	t.prefixes = nil
	if c.tracking != nil {
		t.prefixes, t.caching = c.tracking.prefixes, c.tracking.caching
	} else {
		s.tracker.clients++
	}
	c.tracking = &t
	c.startStream()
	if to := s.sessionByID(t.redirect); to != nil {
		to.startStream()
	}
	for _, text := range asked {
		i, found := slices.BinarySearchFunc(s.tracker.prefixes, text, func(p *prefix, text string) int { return strings.Compare(p.text, text) })
		if !found {
			s.tracker.prefixes = slices.Insert(s.tracker.prefixes, i, &prefix{text: text, changed: map[string]*Session{}})
		}
		if p := s.tracker.prefixes[i]; !slices.Contains(p.clients, c) {
			p.clients = append(p.clients, c)
			t.prefixes = append(t.prefixes, text)
		}
	}
	slices.Sort(t.prefixes)
	c.tracking.prefixes = t.prefixes
}

// untrack ends it. Keys that the session has read are still known, until they change.
func (s *Server) untrack(c *Session) {
	if c.tracking == nil {
		return
	}
	s.tracker.clients--
	c.tracking = nil
	for _, p := range s.tracker.prefixes {
		p.clients = without(p.clients, c)
	}
	s.tracker.prefixes = slices.DeleteFunc(s.tracker.prefixes, func(p *prefix) bool { return len(p.clients) == 0 })
}

// remember notes what a command that reads has read, for whoever sent it: of a script the
// keys that it declares.
func (s *Server) remember(c *Session, cmd *command, argv [][]byte) {
	if s.tracker.clients == 0 || !cmd.spec.Has("readonly") || strings.HasSuffix(cmd.name, "_ro") && cmd.callsScript {
		return
	}
	if run := s.scripting.run; c.script && run != nil {
		c, argv = run.caller, run.argv
		cmd = c.lastCmd
	}
	t := c.tracking
	if t == nil || t.bcast || t.optin && !t.caching || t.optout && t.caching || cmd.spec.Has("pubsub") {
		return
	}
	keys, _ := cmd.keys(argv)
	for _, k := range keys {
		name := string(argv[k.at])
		i, known := s.tracker.at[name]
		if !known {
			if s.tracker.at == nil {
				s.tracker.at = make(map[string]int)
			}
			i = len(s.tracker.keys)
			s.tracker.at[name] = i
			s.tracker.keys = append(s.tracker.keys, trackedKey{name: name})
		}
		if one := &s.tracker.keys[i]; !slices.Contains(one.ids, c.id) {
			one.ids = append(one.ids, c.id)
			s.tracker.items++
		}
	}
}

// invalidate tells those who may have a copy of a key that it changes. by is who changes
// it; nil: nobody, it expires. broadcast is false when it does not change, and is only
// forgotten.
func (s *Server) invalidate(key []byte, by *Session, broadcast bool) {
	if broadcast {
		for _, p := range s.tracker.prefixes {
			if bytes.HasPrefix(key, []byte(p.text)) {
				p.changed[string(key)] = by
			}
		}
	}
	i, known := s.tracker.at[string(key)]
	if !known {
		return
	}
	one := s.tracker.keys[i]
	s.tracker.items -= len(one.ids)
	delete(s.tracker.at, one.name)
	last := len(s.tracker.keys) - 1
	if i < last {
		s.tracker.keys[i] = s.tracker.keys[last]
		s.tracker.at[s.tracker.keys[i].name] = i
	}
	s.tracker.keys = s.tracker.keys[:last]
	for _, id := range one.ids {
		c := s.sessionByID(id)
		switch {
		case c == nil || c.tracking == nil || c.tracking.bcast,
			c.tracking.noloop && c == s.tracker.current:
		case c == s.tracker.current && s.tracker.depth > 0:
			s.tracker.pending = append(s.tracker.pending, &one.name)
		default:
			s.tellInvalid(c, keyArray(one.name))
		}
	}
}

// keyArray is an array of one name.
func keyArray(name string) []byte {
	return fmt.Appendf(nil, "*1\r\n$%d\r\n%s\r\n", len(name), name)
}

// nothing is the null that a session is told when all keys are gone.
func (c *Session) nothing() []byte {
	if c.resp == 3 {
		return []byte("_\r\n")
	}
	return []byte("$-1\r\n")
}

// invalidateAll tells everybody that no copy is good any more.
func (s *Server) invalidateAll() {
	if s.tracker.clients > 0 {
		for _, c := range s.sessions {
			switch {
			case c.tracking == nil:
			case c == s.tracker.current:
				s.tracker.pending = append(s.tracker.pending, nil)
			default:
				s.tellInvalid(c, c.nothing())
			}
		}
	}
	s.tracker.at, s.tracker.keys, s.tracker.items = nil, nil, 0
}

// tellPending tells the session whose command has been executed what it did to its own
// copies, behind the reply.
func (s *Server) tellPending() {
	pending := s.tracker.pending
	s.tracker.pending = s.tracker.pending[:0]
	for _, name := range pending {
		switch c := s.tracker.current; {
		case c == nil || c.tracking == nil:
		case name == nil:
			s.tellInvalid(c, c.nothing())
		default:
			s.tellInvalid(c, keyArray(*name))
		}
	}
}

// tellInvalid sends a session, or the one it has named, that keys are invalid: as a push,
// or in RESP2 as a message to a subscriber.
func (s *Server) tellInvalid(c *Session, keys []byte) {
	to, t := c, c.tracking
	if t.redirect != 0 {
		if to = s.sessionByID(t.redirect); to == nil || to.dead {
			t.broken = true
			if c.resp > 2 {
				s.pushTo(c, fmt.Appendf(nil, ">2\r\n$21\r\ntracking-redir-broken\r\n:%d\r\n", t.redirect))
			}
			return
		}
	}
	switch {
	case to.resp > 2:
		s.pushTo(to, append([]byte(">2\r\n$10\r\ninvalidate\r\n"), keys...))
	case t.redirect != 0 && to.subscribed() > 0:
		s.pushTo(to, append([]byte("*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n"), keys...))
	}
}

// broadcastInvalid tells of what has changed in this turn those who asked for prefixes.
func (s *Server) broadcastInvalid() {
	for _, p := range s.tracker.prefixes {
		if len(p.changed) == 0 {
			continue
		}
		names := slices.Sorted(maps.Keys(p.changed))
		for _, c := range p.clients {
			told := names
			if c.tracking.noloop {
				told = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return p.changed[n] == c })
				if len(told) == 0 {
					continue
				}
			}
			out := []byte("*" + strconv.Itoa(len(told)) + "\r\n")
			for _, n := range told {
				out = fmt.Appendf(out, "$%d\r\n%s\r\n", len(n), n)
			}
			s.tellInvalid(c, out)
		}
		clear(p.changed)
	}
}

// limitTracked forgets keys while more are known than the configuration wants, the more
// the longer that lasts.
func (s *Server) limitTracked() {
	most := s.cfg.TrackingTableMaxKeys
	if most == 0 || int64(len(s.tracker.keys)) <= most {
		s.tracker.tries = 0
		return
	}
	for range 100 * (s.tracker.tries + 1) {
		name := s.tracker.keys[s.env.Uint64()%uint64(len(s.tracker.keys))].name
		s.invalidate([]byte(name), nil, false)
		if int64(len(s.tracker.keys)) <= most {
			s.tracker.tries = 0
			return
		}
	}
	s.tracker.tries++
}

func clientCaching(_ *Server, c *Session, argv [][]byte) {
	t := c.tracking
	switch {
	case t == nil:
		c.error("ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled")
		return
	case same(argv[2], "yes") && !t.optin:
		c.error("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
		return
	case same(argv[2], "no") && !t.optout:
		c.error("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
		return
	case !same(argv[2], "yes") && !same(argv[2], "no"):
		c.error(errSyntax)
		return
	}
	t.caching = true
	c.ok()
}

// redirection is what CLIENT GETREDIR says: -1 without tracking.
func (c *Session) redirection() int64 {
	if c.tracking == nil {
		return -1
	}
	return c.tracking.redirect
}

func clientTrackingInfo(_ *Server, c *Session, _ [][]byte) {
	t, flags := c.tracking, []string{"on"}
	if t == nil {
		t, flags[0] = &tracking{}, "off"
	}
	for _, f := range []struct {
		name string
		on   bool
	}{{"bcast", t.bcast}, {"optin", t.optin}, {"caching-yes", t.optin && t.caching}, {"optout", t.optout}, {"caching-no", t.optout && t.caching}, {"noloop", t.noloop}, {"broken_redirect", t.broken}} {
		if f.on {
			flags = append(flags, f.name)
		}
	}
	c.mapOf(3)
	c.bulkText("flags")
	c.set(len(flags))
	for _, f := range flags {
		c.bulkText(f)
	}
	c.bulkText("redirect")
	c.int(c.redirection())
	c.bulkText("prefixes")
	c.array(len(t.prefixes))
	for _, p := range t.prefixes {
		c.bulkText(p)
	}
}
