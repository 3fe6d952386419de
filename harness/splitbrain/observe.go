package splitbrain

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/checker/history"
)

// observe starts the tasks that watch every server's role and listen to what
// every Sentinel announces, all on administrative connections.
func (r *run) observe() {
	for _, node := range r.s.Topology.ServerNames() {
		w := &watched{node: node, link: &link{env: r.env, addr: r.c.AdminAddr(node), within: connectLimit}}
		r.watched = append(r.watched, w)
		r.observers = append(r.observers, r.env.Go("role of "+node, func() { r.watchRole(w) }))
	}
	for _, node := range r.s.Topology.SentinelNames() {
		r.observers = append(r.observers, r.env.Go("events of "+node, func() { r.listen(node) }))
	}
}

// silentAfter is how long a poll may go unanswered before its server counts as down: as
// nobody's master. A sound one answers within a period of its timer, 10 ms.
const silentAfter = 250 * time.Millisecond

// watched is what polls know of a server.
type watched struct {
	node   string
	link   *link
	starts []start       // by the plan, which it was not polled since
	began  time.Duration // of the life that it was polled in last; 0: not by the plan
	known  bool          // it has answered
	down   bool          // and did not when last polled
	master bool          // when it answered last
	offset int64
	alone  bool   // as a master that is back, or was one from the start, and whose history has no name yet that others know
	broken bool   // its connection was, since it was last asked for its run
	run    string // its run_id: another one, another life
	id     string // of its history, when it came back from the dead with one of its own
}

// watchRole polls a server's role and records its changes. A change of role kills
// the connection, which the next poll makes again: one that fails says nothing yet.
func (r *run) watchRole(w *watched) {
	defer w.link.close()
	failed := history.Never // the first of some polls in a row
	for !r.over {
		sent := r.env.Now()
		reply, err := w.link.do(adminLimit, "ROLE")
		is, ok := parseRole(reply)
		silent := r.env.Now()-sent > silentAfter || err != nil && failed != history.Never
		if w.known && !w.down && !r.over && silent {
			w.down = true
			at := min(failed, sent)
			r.out.Turns = append(r.out.Turns, Turn{At: at, Node: w.node, Down: true})
			r.roleSeen(w, at)
		}
		if failed = min(failed, sent); err == nil {
			failed = history.Never
		}
		if w.broken = w.broken || err != nil; err == nil && ok {
			again := r.startedAgain(w)
			if !w.known || w.down || is.master != w.master || again {
				r.turned(w, is, again)
			}
		}
		if err == nil && ok {
			w.offset = is.offset
		}
		if w.alone && w.master && !w.down && !r.over {
			r.name(w)
		}
		if r.over {
			break
		}
		r.pause.WaitFor(r.s.Poll)
	}
	if w.known {
		r.roleSeen(w, r.env.Now()) // the last poll, which ends the time it was in that role
	}
}

func (r *run) roleSeen(w *watched, at time.Duration) {
	text := "slave"
	switch {
	case w.down:
		text = "down"
	case w.master:
		text = "master"
	}
	r.out.History.Events = append(r.out.History.Events, history.Event{At: at, Kind: history.RoleSeen, Node: w.node, Text: text})
}

func (r *run) event(e history.Event) {
	e.At = r.env.Now()
	r.out.History.Events = append(r.out.History.Events, e)
}

// startedAgain reports whether a server is in another life than when it was last asked, and
// records it, with the offset at which it was in that one. Only one whose connection broke
// can be.
func (r *run) startedAgain(w *watched) bool {
	if w.known && !w.broken {
		return false
	}
	reply, err := w.link.do(adminLimit, "INFO", "server")
	if err != nil {
		return false
	}
	run := parseInfo(reply)["run_id"]
	again := w.run != "" && run != w.run
	w.run, w.broken = run, false
	if again && len(w.starts) == 0 { // somebody else has started it
		w.began = 0
		r.event(history.Event{Kind: history.Restarted, Node: w.node, Offset: w.offset})
	}
	if again {
		r.livesOf(w)
	}
	return again
}

// start is one of a server by the plan, and the offset at which it was in its life before,
// where that is known exactly.
type start struct {
	at     time.Duration
	offset int64
	exact  bool
}

// started notes that the plan has started a server.
func (r *run) started(node string) {
	for _, w := range r.watched {
		if w.node == node {
			offset, exact := r.offsets[node]
			delete(r.offsets, node)
			w.starts = append(w.starts, start{r.striking, offset, exact})
		}
	}
}

// livesOf records the starts of a server. In a life that was over before anybody polled it,
// a master was one.
func (r *run) livesOf(w *watched) {
	for i, s := range w.starts {
		if !s.exact && i == 0 {
			s.offset = w.offset
		}
		w.began = s.at
		r.out.History.Events = append(r.out.History.Events, history.Event{At: s.at, Kind: history.Restarted, Node: w.node, Offset: s.offset})
		if unseen := i < len(w.starts)-1 || r.over; unseen && w.master {
			r.out.History.Events = append(r.out.History.Events, history.Event{At: s.at, Kind: history.Returned, Node: w.node})
		}
	}
	w.starts = nil
}

// since is when the life of a server began that has just been found to be another: what it
// acknowledged before it was polled is of that life.
func (r *run) since(w *watched) time.Duration {
	if w.began > 0 {
		return w.began
	}
	return r.env.Now()
}

// turned records a server's role, and of a master where its own history began: that is
// told of the last promotion only, so it is asked for at each. One that was started again
// and is a master, as it was before, has other offsets from then on. It is the acting
// master only if nobody was promoted meanwhile. again: it was started again.
func (r *run) turned(w *watched, is role, again bool) {
	promoted := is.master && w.known && !w.master
	returned := is.master && w.master && again
	first := !w.known
	w.known, w.down, w.master = true, false, is.master
	turn := Turn{At: r.env.Now(), Node: w.node, Master: is.master}
	if again && !promoted {
		turn.At = r.since(w)
	}
	if w.alone = is.master && (first || returned || w.alone && again); first && w.alone {
		r.name(w)
	}
	if promoted || returned {
		reply, err := w.link.do(adminLimit, "INFO", "replication")
		if err != nil { // once more, on a new connection: the change may have killed this one
			reply, err = w.link.do(adminLimit, "INFO", "replication")
		}
		e := history.Event{At: turn.At, Kind: history.Promoted, Node: w.node, Offset: -1}
		info := map[string]string{}
		if err == nil {
			info = parseInfo(reply)
		}
		w.id = info["master_replid"]
		if returned {
			e = history.Event{At: turn.At, Kind: history.Returned, Node: w.node, Text: w.id}
		} else {
			r.acting = w.node
			if err == nil {
				e.Offset, e.Text = number(info["second_repl_offset"]), info["master_replid2"]+" "+w.id
				turn.SecondID = info["master_replid2"]
			}
			turn.SecondOffset = e.Offset
		}
		r.out.History.Events = append(r.out.History.Events, e)
	}
	if !first && !is.master && w.node == r.acting {
		r.resumed(is.of)
	}
	r.out.Turns = append(r.out.Turns, turn)
	r.roleSeen(w, turn.At)
	if promoted || returned {
		r.lacks(w)
	}
}

// resumed records that the acting master follows another now who was promoted by nobody: its
// predecessor, where a Sentinel has called the failover off (redis 7.0.15 sentinel.c
// sentinelRefreshInstanceInfo, +convert-to-slave).
func (r *run) resumed(addr string) {
	node := r.c.NodeAt(addr)
	i := slices.IndexFunc(r.watched, func(w *watched) bool { return w.node == node })
	if i < 0 || !r.watched[i].master || r.watched[i].down {
		return
	}
	r.acting = node
	r.event(history.Event{Kind: history.Resumed, Node: node})
}

// name records the name of a master's history once it keeps a backlog: with the first
// replica after its start it gets another (redis 7.0.15 replication.c syncCommand).
func (r *run) name(w *watched) {
	reply, err := w.link.do(adminLimit, "INFO", "replication")
	if info := parseInfo(reply); err == nil && info["repl_backlog_active"] == "1" && info["role"] == "master" {
		w.alone, w.id = false, info["master_replid"]
		r.event(history.Event{Kind: history.Began, Node: w.node, Text: w.id})
	}
}

// lacks records which acknowledged writes a new master does not hold.
func (r *run) lacks(w *watched) {
	var acked []string
	for i := range r.out.History.Ops {
		if op := &r.out.History.Ops[i]; op.Acked() && op.Writes() {
			acked = append(acked, op.Key)
		}
	}
	reply, err := w.link.do(adminLimit, "KEYS", "*")
	if err != nil {
		return
	}
	held := map[string]bool{}
	for _, key := range elements(reply) {
		held[key] = true
	}
	acked = slices.DeleteFunc(acked, func(key string) bool { return held[key] })
	r.event(history.Event{Kind: history.Lacks, Node: w.node, Text: strings.Join(acked, " ")})
}

// confirmed records the promotion of a server that was a master already: one that came
// back in that role, and whose successor is down. No change of role will be seen.
func (r *run) confirmed(node string) {
	i := slices.IndexFunc(r.watched, func(w *watched) bool { return w.node == node })
	if i < 0 || node == r.acting || !r.watched[i].master || r.watched[i].down {
		return
	}
	r.acting = node
	r.event(history.Event{Kind: history.Promoted, Node: node, Offset: -1, Text: r.watched[i].id + " " + r.watched[i].id})
	r.observers = append(r.observers, r.env.Go("lacks", func() {
		l := &link{env: r.env, addr: r.c.AdminAddr(node)}
		defer l.close()
		r.lacks(&watched{node: node, link: l})
	}))
}

// listenFor is how long the reader of a Sentinel's events waits at a time.
const listenFor = 250 * time.Millisecond

// listen records what a Sentinel announces.
func (r *run) listen(node string) {
	for first := true; !r.over; first = false {
		conn, err := dial(r.env, r.c.AdminAddr(node), adminLimit)
		if err == nil && !first && len(r.s.Timing.Debug) > 0 {
			// One that was started again has forgotten its periods; with its own it would take
			// for dead whom it has not asked for as long as down-after says.
			_, err = conn.Do(adminLimit, append([]string{"SENTINEL", "DEBUG"}, r.s.Timing.Debug...)...)
		}
		if err == nil {
			_, err = conn.Do(adminLimit, "PSUBSCRIBE", "*")
		}
		if err == nil {
			err = follow(conn, listenFor, func() bool { return r.over }, func(reply redcon.RESP) { r.announced(node, reply) })
		}
		if conn != nil {
			conn.Close()
		}
		if err != nil && !r.over {
			r.pause.WaitFor(listenFor)
		}
	}
}

// announced records one message: pmessage, pattern, channel, text.
func (r *run) announced(sentinel string, reply redcon.RESP) {
	parts := elements(reply)
	if len(parts) != 4 || parts[0] != "pmessage" || parts[2] == helloChannel {
		return
	}
	n := Note{At: r.env.Now(), Node: sentinel, Event: parts[2], Text: parts[3]}
	r.out.Notes = append(r.out.Notes, n)
	f := strings.Fields(n.Text)
	switch {
	case len(f) < 4:
	case n.Event == "+odown" && f[0] == "master": // "master mymaster 127.0.0.1 6379 #quorum 2/2"
		r.event(history.Event{Kind: history.DownSeen, Node: r.c.NodeAt(f[2] + ":" + f[3]), Text: n.Text})
	case n.Event == "+promoted-slave" && f[0] == "slave": // "slave 127.0.0.1:6380 127.0.0.1 6380 @ mymaster 127.0.0.1 6379"
		r.confirmed(r.c.NodeAt(f[2] + ":" + f[3]))
	}
}

// helloChannel is where Sentinels tell each other of themselves.
const helloChannel = "__sentinel__:hello"

// downIn is the first instance in a reply of SENTINEL REPLICAS or SENTINELS that
// is down, disconnected or not yet known by its INFO.
func downIn(reply redcon.RESP) (down string) {
	reply.ForEach(func(one redcon.RESP) bool {
		fields := pairs(one)
		for _, flag := range []string{"s_down", "o_down", "disconnected"} {
			if strings.Contains(fields["flags"], flag) {
				down = fields["name"] + " is " + fields["flags"]
			}
		}
		if link, ok := fields["master-link-status"]; ok && link != "ok" {
			down = fields["name"] + ": link to its master " + link
		}
		return down == ""
	})
	return down
}

// sortEvents puts the events and the turns in the order of time: several tasks added
// them, and who does not answer is found out late.
func (r *run) sortEvents() {
	slices.SortStableFunc(r.out.Turns, func(a, b Turn) int { return cmp.Compare(a.At, b.At) })
	slices.SortStableFunc(r.out.History.Events, func(a, b history.Event) int { return cmp.Compare(a.At, b.At) })
}
