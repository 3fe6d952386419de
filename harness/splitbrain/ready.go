package splitbrain

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// look makes a run that only looks at a cluster.
func look(c Cluster, s *Scenario) *run {
	r := &run{c: c, s: s, env: c.Env(Admin), admin: map[string]*link{}, out: new(Outcome)}
	r.pause = r.env.NewCond()
	return r
}

// AwaitReady waits, as a task of Admin's environment, until a cluster that was just
// started is complete: every replica follows, every Sentinel knows all it is to know.
func AwaitReady(c Cluster, s *Scenario) error {
	r := look(c, s)
	defer r.close()
	return r.awaitReady()
}

// await waits until nothing is lacking, or nobody wants it any more, and for longer than
// limit at most by one look; it returns what is lacking still.
func (r *run) await(limit, every time.Duration, lacking func() string) (lacks string) {
	for until := r.env.Now() + limit; ; r.env.Sleep(every) {
		if lacks = lacking(); lacks == "" || r.stopping() || r.env.Now() > until {
			return lacks
		}
	}
}

// awaitReady waits until every replica follows, every Sentinel knows the others
// and the replicas, and sets the Sentinels' periods.
func (r *run) awaitReady() error {
	switch lacks := r.await(readyLimit, max(readyEvery, r.s.Poll), r.lacking); {
	case lacks == "":
		return nil
	case r.stopping():
		return ErrInterrupted
	default:
		return fmt.Errorf("the cluster is not ready after %v: %s", readyLimit, lacks)
	}
}

// lacking is what the cluster lacks to be ready, "" when nothing.
func (r *run) lacking() string {
	t := r.s.Topology
	for i := range t.Servers {
		node := Server(i)
		reply, err := r.on(node).do(adminLimit, "ROLE")
		if err != nil {
			return err.Error()
		}
		is, ok := parseRole(reply)
		switch of := t.MasterOf(i); {
		case !ok:
			return node + " answers ROLE with " + strconv.Quote(string(reply.Raw))
		case is.master != (of == ""):
			return node + " has another role than the topology gives it"
		case of != "" && (is.state != "connected" || r.c.NodeAt(is.of) != of):
			return fmt.Sprintf("%s follows %s (%s): %s", node, is.of, of, is.state)
		}
	}
	for _, node := range t.SentinelNames() {
		if len(r.s.Timing.Debug) > 0 {
			if _, err := r.on(node).do(adminLimit, append([]string{"SENTINEL", "DEBUG"}, r.s.Timing.Debug...)...); err != nil {
				return err.Error()
			}
		}
		if r.s.Discover {
			continue // they are to find each other while clients write
		}
		reply, err := r.on(node).do(adminLimit, "SENTINEL", "MASTER", Master)
		if err != nil {
			return err.Error()
		}
		fields := pairs(reply)
		if others := number(fields["num-other-sentinels"]); others != int64(t.Sentinels-1) {
			return fmt.Sprintf("%s knows %d other Sentinels of %d", node, others, t.Sentinels-1)
		}
		if replicas := number(fields["num-slaves"]); replicas != int64(t.Known()) {
			return fmt.Sprintf("%s knows %d replicas of %d", node, replicas, t.Known())
		}
		if flags := fields["flags"]; flags != "master" {
			return fmt.Sprintf("%s has the master as %q", node, flags)
		}
		if down := r.downReplica(node); down != "" {
			return down
		}
	}
	return ""
}

// downReplica reports a replica or Sentinel that a Sentinel has not reached yet: it
// would not be chosen, or not be asked.
func (r *run) downReplica(node string) string {
	for _, what := range []string{"REPLICAS", "SENTINELS"} {
		reply, err := r.on(node).do(adminLimit, "SENTINEL", what, Master)
		if err != nil {
			return err.Error()
		}
		if down := downIn(reply); down != "" {
			return fmt.Sprintf("%s: %s", node, down)
		}
	}
	return ""
}

// convergeEvery is the time between two looks at whether the cluster has converged.
const convergeEvery = 25 * time.Millisecond

// converge waits until there is one master, everybody that is up follows it with the
// same data, and every Sentinel names it; then it reads what each server holds.
func (r *run) converge() {
	for _, node := range slices.Concat(r.s.Topology.ServerNames(), r.s.Topology.SentinelNames()) {
		if r.downed[node] {
			r.out.Down = append(r.out.Down, node)
		}
	}
	r.lookForEnded()
	if r.out.Why = r.stranded(); r.out.Why != "" {
		r.out.Stranded = true
		return
	}
	lacks := r.await(r.s.Timing.Settle, convergeEvery, func() string {
		r.lookForEnded()
		return r.diverged()
	})
	r.out.TookToHeal = r.env.Now() - r.out.Healed
	if lacks != "" {
		r.out.Why = fmt.Sprintf("not converged %v after the clients stopped: %s", r.s.Timing.Settle, lacks)
		return
	}
	for _, node := range r.s.Topology.ServerNames() {
		if r.downed[node] {
			continue
		}
		if err := r.dump(node); err != nil {
			r.out.Why = err.Error()
			return
		}
	}
	r.out.Converged = true
}

// lookForEnded notes who does not run though nobody has ended it: the others are judged.
func (r *run) lookForEnded() {
	for _, node := range slices.Concat(r.s.Topology.ServerNames(), r.s.Topology.SentinelNames()) {
		if r.downed[node] {
			continue
		}
		if words := r.c.EndedItself(node); words != "" {
			r.downed[node], r.out.Itself[node] = true, words
		}
	}
}

// stranded says why those that are up cannot converge: what the plan left down is needed
// for it. "" when they can.
func (r *run) stranded() string {
	t := r.s.Topology
	up := func(nodes []string) int {
		return len(nodes) - len(slices.DeleteFunc(slices.Clone(nodes), func(n string) bool { return !r.downed[n] }))
	}
	switch able := up(t.SentinelNames()); {
	case up(t.ServerNames()) == 0:
		return "no server is left up"
	case r.downed[r.acting] && able < max(r.s.Quorum, t.Sentinels/2+1):
		return fmt.Sprintf("%s, the master, is down, and of %d Sentinels %d are up: too few to promote another", r.acting, t.Sentinels, able)
	}
	for i := 2; t.Chain && i < t.Servers; i++ {
		if of := t.MasterOf(i); r.downed[of] && !r.downed[Server(i)] {
			return fmt.Sprintf("%s follows %s, which is down, and no Sentinel knows it", Server(i), of)
		}
	}
	return ""
}

// diverged says what keeps the cluster from having converged, "" when nothing.
func (r *run) diverged() string {
	master, offset := "", int64(-1)
	roles := make([]role, r.s.Topology.Servers)
	for i := range roles {
		node := Server(i)
		if r.downed[node] {
			continue
		}
		reply, err := r.on(node).do(adminLimit, "ROLE")
		if err != nil {
			return err.Error()
		}
		is, ok := parseRole(reply)
		switch {
		case !ok:
			return node + " does not answer ROLE"
		case is.master && master != "":
			return master + " and " + node + " are masters"
		case is.master:
			master, offset = node, is.offset
		}
		roles[i] = is
	}
	if master == "" {
		return "nobody is master"
	}
	for i, is := range roles {
		switch node := Server(i); {
		case is.master || r.downed[node]:
		case is.state != "connected":
			return node + " does not follow yet: " + is.state
		case is.offset != offset:
			return fmt.Sprintf("%s is at offset %d, %s at %d", node, is.offset, master, offset)
		}
	}
	for _, node := range r.s.Topology.SentinelNames() {
		if r.downed[node] {
			continue
		}
		reply, err := r.on(node).do(adminLimit, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", Master)
		if err != nil {
			return err.Error()
		}
		if named := r.c.NodeAt(address(reply)); named != master {
			return fmt.Sprintf("%s takes %s for the master", node, named)
		}
	}
	return ""
}
