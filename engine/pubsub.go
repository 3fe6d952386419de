package engine

import (
	"maps"
	"slices"
	"strings"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/engine/glob"
)

// subscriptions are one session's channels or patterns, in the order it asked
// for them.
type subscriptions []string

// pubsub knows who listens to what. Subscribers are told in the order in which
// they subscribed, channels before patterns (redis 7.0.15 pubsub.c).
type pubsub struct {
	channels map[string][]*Session
	patterns map[string][]*Session
	shards   map[string][]*Session // shard channels: a namespace of their own
	// order is the patterns in the order of their first subscription, so that
	// messages do not depend on the order of a map.
	order []string
}

// kind is what SUBSCRIBE and PSUBSCRIBE differ in.
type kind struct {
	subscribe, unsubscribe, message string
	own                             func(c *Session) *subscriptions
	all                             func(p *pubsub) *map[string][]*Session
}

var (
	byChannel = &kind{"subscribe", "unsubscribe", "message",
		func(c *Session) *subscriptions { return &c.channels },
		func(p *pubsub) *map[string][]*Session { return &p.channels }}
	byPattern = &kind{"psubscribe", "punsubscribe", "pmessage",
		func(c *Session) *subscriptions { return &c.patterns },
		func(p *pubsub) *map[string][]*Session { return &p.patterns }}
	byShard = &kind{"ssubscribe", "sunsubscribe", "smessage",
		func(c *Session) *subscriptions { return &c.shards },
		func(p *pubsub) *map[string][]*Session { return &p.shards }}
)

// count is the number that answers a subscription: shard channels are counted
// alone.
func (k *kind) count(c *Session) int64 {
	if k == byShard {
		return int64(len(c.shards))
	}
	return int64(len(c.channels) + len(c.patterns))
}

func (s *Server) subscribe(c *Session, k *kind, name string) {
	c.startStream()
	if own := k.own(c); !slices.Contains(*own, name) {
		*own = append(*own, name)
		all := k.all(&s.pubsub)
		if *all == nil {
			*all = make(map[string][]*Session)
		}
		if k == byPattern && (*all)[name] == nil {
			s.pubsub.order = append(s.pubsub.order, name)
		}
		(*all)[name] = append((*all)[name], c)
	}
	c.pushing(func() {
		c.pushArray(3)
		c.bulkText(k.subscribe)
		c.bulkText(name)
		c.int(k.count(c))
	})
}

// unsubscribe forgets one subscription, if it is there.
func (s *Server) unsubscribe(c *Session, k *kind, name string) {
	own := k.own(c)
	i := slices.Index(*own, name)
	if i < 0 {
		return
	}
	*own = slices.Delete(*own, i, i+1)
	all := *k.all(&s.pubsub)
	all[name] = slices.DeleteFunc(all[name], func(o *Session) bool { return o == c })
	if len(all[name]) > 0 {
		return
	}
	delete(all, name)
	if k == byPattern {
		s.pubsub.order = slices.DeleteFunc(s.pubsub.order, func(p string) bool { return p == name })
	}
}

// unsubscribeAll is for a session that ends or starts anew: nobody is told.
func (s *Server) unsubscribeAll(c *Session) {
	for _, k := range []*kind{byChannel, byPattern, byShard} {
		for _, name := range slices.Clone(*k.own(c)) {
			s.unsubscribe(c, k, name)
		}
	}
}

// subscribed is how many subscriptions a session has.
func (c *Session) subscribed() int64 {
	return int64(len(c.channels) + len(c.patterns) + len(c.shards))
}

// restricted reports whether a session may only subscribe, unsubscribe, and
// leave: a RESP2 client could not tell a reply from a message.
func (c *Session) restricted() bool { return c.resp == 2 && c.subscribed() > 0 }

// pushArray starts something a client did not ask for, or an answer to a
// subscription, which looks the same.
func (c *Session) pushArray(n int) {
	if c.resp == 3 {
		c.out = appendHeader(c.out, '>', n)
		return
	}
	c.array(n)
}

func cmdSubscribe(s *Server, c *Session, argv [][]byte)    { s.subscribeTo(c, byChannel, argv[1:]) }
func cmdPsubscribe(s *Server, c *Session, argv [][]byte)   { s.subscribeTo(c, byPattern, argv[1:]) }
func cmdUnsubscribe(s *Server, c *Session, argv [][]byte)  { s.unsubscribeFrom(c, byChannel, argv[1:]) }
func cmdPunsubscribe(s *Server, c *Session, argv [][]byte) { s.unsubscribeFrom(c, byPattern, argv[1:]) }

func (s *Server) subscribeTo(c *Session, k *kind, names [][]byte) {
	for _, name := range names {
		s.subscribe(c, k, string(name))
	}
}

// unsubscribeFrom answers once for each name; without names, for each
// subscription there was, or once when there was none.
func (s *Server) unsubscribeFrom(c *Session, k *kind, names [][]byte) {
	told := func(name []byte) {
		c.pushing(func() {
			c.pushArray(3)
			c.bulkText(k.unsubscribe)
			if name == nil {
				c.null()
			} else {
				c.bulk(name)
			}
			c.int(k.count(c))
		})
	}
	if len(names) == 0 {
		for _, name := range slices.Clone(*k.own(c)) {
			names = append(names, []byte(name))
		}
		if len(names) == 0 {
			told(nil)
			return
		}
	}
	for _, name := range names {
		s.unsubscribe(c, k, string(name))
		told(name)
	}
}

// appendUnsubscribed is what a client is told whose subscription to a shard channel the
// server has ended.
func appendUnsubscribed(b []byte, resp int, name string, left int64) []byte {
	lead := byte('*')
	if resp == 3 {
		lead = '>'
	}
	b = redcon.AppendBulkString(appendHeader(b, lead, 3), byShard.unsubscribe)
	return redcon.AppendInt(redcon.AppendBulkString(b, name), left)
}

// cmdPublish answers how many clients of this server got the message. It goes
// to the replicas too, whose subscribers get it there, and not to the log.
func cmdPublish(s *Server, c *Session, argv [][]byte) {
	if s.sentinel != nil {
		s.sentinel.hello(c, argv)
		return
	}
	n := s.publish(argv[1], argv[2])
	s.publishElsewhere(c, argv, false)
	c.int(int64(n))
}

// cmdSpublish is PUBLISH for shard channels.
func cmdSpublish(s *Server, c *Session, argv [][]byte) {
	n := s.publishShard(argv[1], argv[2])
	s.publishElsewhere(c, argv, true)
	c.int(int64(n))
}

// publishElsewhere tells others of a message: the nodes of a cluster, who tell their
// subscribers, or the replicas (redis 7.0.15 pubsub.c publishCommand).
func (s *Server) publishElsewhere(c *Session, argv [][]byte, shard bool) {
	if s.cluster != nil {
		s.cluster.m.Publish(s.wallMs(), argv[1], argv[2], shard)
		return
	}
	s.propagateToReplicas(c, argv)
}

// publishShard sends a message to everybody who listens to a shard channel.
func (s *Server) publishShard(channel, message []byte) (receivers int) {
	list := s.pubsub.shards[string(channel)]
	for _, o := range list {
		s.pushTo(o, appendMessage(nil, o.resp, "smessage", nil, channel, message))
	}
	return len(list)
}

// publish sends a message to everybody who listens.
func (s *Server) publish(channel, message []byte) (receivers int) {
	for _, o := range s.pubsub.channels[string(channel)] {
		s.pushTo(o, appendMessage(nil, o.resp, "message", nil, channel, message))
		receivers++
	}
	for _, pattern := range s.pubsub.order {
		if !glob.Match([]byte(pattern), string(channel), false) {
			continue
		}
		for _, o := range s.pubsub.patterns[pattern] {
			s.pushTo(o, appendMessage(nil, o.resp, "pmessage", []byte(pattern), channel, message))
			receivers++
		}
	}
	return receivers
}

// appendMessage is a message in the client's protocol; pattern is nil for a
// channel's subscriber.
func appendMessage(b []byte, resp int, what string, pattern, channel, message []byte) []byte {
	lead, n := byte('*'), 3
	if resp == 3 {
		lead = '>'
	}
	if pattern != nil {
		n = 4
	}
	b = appendHeader(b, lead, n)
	b = redcon.AppendBulkString(b, what)
	if pattern != nil {
		b = redcon.AppendBulk(b, pattern)
	}
	return redcon.AppendBulk(redcon.AppendBulk(b, channel), message)
}

var pubsubCommands = []entry{
	{name: "subscribe", run: cmdSubscribe, flags: sentinels | pubsubOK},
	{name: "psubscribe", run: cmdPsubscribe, flags: sentinels | pubsubOK},
	{name: "unsubscribe", run: cmdUnsubscribe, flags: sentinels | pubsubOK},
	{name: "punsubscribe", run: cmdPunsubscribe, flags: sentinels | pubsubOK},
	{name: "publish", run: cmdPublish, flags: sentinels},
	{name: "ssubscribe", run: func(s *Server, c *Session, argv [][]byte) { s.subscribeTo(c, byShard, argv[1:]) }, flags: pubsubOK},
	{name: "sunsubscribe", run: func(s *Server, c *Session, argv [][]byte) { s.unsubscribeFrom(c, byShard, argv[1:]) }, flags: pubsubOK},
	{name: "spublish", run: cmdSpublish},
	{name: "pubsub|channels", run: func(s *Server, c *Session, argv [][]byte) { c.channelNames(argv, s.pubsub.channels, "channels") }},
	{name: "pubsub|shardchannels", run: func(s *Server, c *Session, argv [][]byte) {
		c.channelNames(argv, s.pubsub.shards, "shardchannels")
	}},
	{name: "pubsub|numsub", run: func(s *Server, c *Session, argv [][]byte) { c.channelSizes(argv, s.pubsub.channels) }},
	{name: "pubsub|shardnumsub", run: func(s *Server, c *Session, argv [][]byte) { c.channelSizes(argv, s.pubsub.shards) }},
	{name: "pubsub|numpat", run: func(s *Server, c *Session, _ [][]byte) { c.int(int64(len(s.pubsub.order))) }},
	{name: "pubsub|help", run: help("PUBSUB",
		"CHANNELS [<pattern>]", "    Return the currently active channels matching a <pattern> (default: '*').",
		"NUMPAT", "    Return number of subscriptions to patterns.",
		"SHARDCHANNELS [<pattern>]", "    Return the currently active shard level channels matching a <pattern> (default: '*').",
		"SHARDNUMSUB [<shardchannel> ...]", "    Return the number of subscribers for the specified shard level channel(s)",
		"NUMSUB [<channel> ...]", "    Return the number of subscribers for the specified channels, excluding", "    pattern subscriptions(default: no channels).")},
}

// channelNames replies the channels somebody listens to, those that match a
// pattern if one is given.
func (c *Session) channelNames(argv [][]byte, channels map[string][]*Session, name string) {
	if len(argv) > 3 {
		c.error("ERR wrong number of arguments for 'pubsub|" + name + "' command")
		return
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(channels)) {
		if len(argv) == 2 || glob.Match(argv[2], name, false) {
			names = append(names, name)
		}
	}
	c.array(len(names))
	for _, name := range names {
		c.bulkText(name)
	}
}

func (c *Session) channelSizes(argv [][]byte, channels map[string][]*Session) {
	c.array(2 * (len(argv) - 2))
	for _, name := range argv[2:] {
		c.bulk(name)
		c.int(int64(len(channels[string(name)])))
	}
}

// errRestricted is the refusal of a command while a RESP2 client is subscribed.
func errRestricted(cmd *command) string {
	return "ERR Can't execute '" + strings.ToLower(cmd.fullName) + "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
}
