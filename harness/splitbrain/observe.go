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
		r.observers = append(r.observers, r.env.Go("role of "+node, func() { r.watchRole(node) }))
	}
	for _, node := range r.s.Topology.SentinelNames() {
		r.observers = append(r.observers, r.env.Go("events of "+node, func() { r.listen(node) }))
	}
}

// watchRole polls a server's role and records its changes. A change of role kills
// the connection, which the next poll makes again.
func (r *run) watchRole(node string) {
	l := &link{env: r.env, addr: r.c.AdminAddr(node)}
	defer l.close()
	known, was := false, false
	for !r.over {
		if reply, err := l.do(adminLimit, "ROLE"); err == nil {
			if is, ok := parseRole(reply); ok && (!known || is.master != was) {
				r.turned(l, node, is.master, known)
				known, was = true, is.master
			}
		}
		if r.over {
			break
		}
		r.pause.WaitFor(r.s.Poll)
	}
	if known {
		r.roleSeen(node, was) // the last poll, which ends the time it was in that role
	}
}

func (r *run) roleSeen(node string, master bool) {
	text := "slave"
	if master {
		text = "master"
	}
	r.event(history.Event{Kind: history.RoleSeen, Node: node, Text: text})
}

func (r *run) event(e history.Event) {
	e.At = r.env.Now()
	r.out.History.Events = append(r.out.History.Events, e)
}

// turned records a server's role, and at a promotion where its own history began:
// that is told of the last promotion only, so it is asked for at each.
func (r *run) turned(l *link, node string, master, known bool) {
	turn := Turn{At: r.env.Now(), Node: node, Master: master}
	if master && known {
		reply, err := l.do(adminLimit, "INFO", "replication")
		if err != nil { // once more, on a new connection: the change may have killed this one
			reply, err = l.do(adminLimit, "INFO", "replication")
		}
		turn.SecondOffset = -1
		ids := ""
		if err == nil {
			info := parseInfo(reply)
			turn.SecondOffset, turn.SecondID = number(info["second_repl_offset"]), info["master_replid2"]
			ids = turn.SecondID + " " + info["master_replid"]
		}
		r.out.History.Events = append(r.out.History.Events, history.Event{At: turn.At, Kind: history.Promoted, Node: node, Offset: turn.SecondOffset, Text: ids})
	}
	r.out.Turns = append(r.out.Turns, turn)
	r.roleSeen(node, master)
}

// listenFor is how long the reader of a Sentinel's events waits at a time.
const listenFor = 250 * time.Millisecond

// listen records what a Sentinel announces.
func (r *run) listen(node string) {
	for !r.over {
		conn, err := dial(r.env, r.c.AdminAddr(node), adminLimit)
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
	if n.Event == "+odown" {
		// "master mymaster 127.0.0.1 6379 #quorum 2/2"
		if f := strings.Fields(n.Text); len(f) >= 4 && f[0] == "master" {
			r.event(history.Event{Kind: history.DownSeen, Node: r.c.NodeAt(f[2] + ":" + f[3]), Text: n.Text})
		}
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

// sortEvents puts the events in the order of time: several tasks added them.
func (r *run) sortEvents() {
	slices.SortStableFunc(r.out.History.Events, func(a, b history.Event) int { return cmp.Compare(a.At, b.At) })
}
