package splitbrain

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/torntail/torntail/checker"
	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/replication"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/until"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// Schema is the version of the JSON form of a Report.
const Schema = 1

// Report is one experiment, judged. All fields that end in MS are milliseconds,
// -1 where what they measure did not happen.
type Report struct {
	Schema     int      `json:"schema"`
	Target     string   `json:"target"`
	Version    string   `json:"version"`
	Backend    string   `json:"backend"` // sim or process
	Name       string   `json:"scenario,omitempty"`
	Topology   Topology `json:"topology"`
	Partition  string   `json:"partition,omitempty"`
	Timing     string   `json:"timing"`
	Quorum     int      `json:"quorum"`
	Directives []string `json:"directives,omitempty"` // what the user set
	Wait       int      `json:"wait_replicas,omitempty"`
	LagMS      float64  `json:"lag_ms,omitempty"`
	Plan       string   `json:"plan"`
	Seed       uint64   `json:"seed"`
	SpanMS     float64  `json:"span_ms"` // how long clients wrote

	Total        int            `json:"total"` // writes sent
	Acknowledged int            `json:"acknowledged"`
	Survivors    int            `json:"survivors"` // of the acknowledged
	Lost         int            `json:"lost"`
	LostBy       map[string]int `json:"lost_by_phase"`
	// LostTo are the lost writes by what took them: disk (not synced, not kept, taken away),
	// replication (not handed on yet when the fault came) and failover.
	LostTo       map[string]int `json:"lost_to,omitempty"`
	Unattributed int            `json:"unattributed"` // lost, and the offsets do not say why
	Refuted      int            `json:"refuted"`      // lost by the offsets, and there all the same
	Unknown      int            `json:"unknown"`      // no reply, or too few replicas
	UnknownThere int            `json:"unknown_there"`
	Failed       int            `json:"failed"` // refused
	Refusals     map[string]int `json:"refusals,omitempty"`
	// RefusedWrites are those of the refused that were only for now (NOREPLICAS, MISCONF, OOM),
	// RefusedForMS for how long at a stretch no write was taken.
	RefusedWrites int     `json:"refused_writes,omitempty"`
	RefusedForMS  float64 `json:"refused_for_ms,omitempty"`

	Waits *Waits `json:"waits,omitempty"`

	DualMasterMS float64        `json:"dual_master_ms"` // for how long two servers were up and masters at once
	DualAcked    map[string]int `json:"dual_acked"`     // what each acknowledged in that time
	SplitBrain   int            `json:"split_brain_writes"`
	SplitLost    int            `json:"split_brain_lost"`

	DetectMS   float64 `json:"detect_ms"`   // cut to the Sentinels' agreement
	FailoverMS float64 `json:"failover_ms"` // cut to the promotion
	AcceptMS   float64 `json:"accept_ms"`   // cut to the old master's last acknowledgement
	DemoteMS   float64 `json:"demote_ms"`   // heal to the old master's demotion; 0 when that came first
	ConvergeMS float64 `json:"converge_ms"` // heal to convergence
	Promotions int     `json:"promotions"`
	// Failovers are the promotions one by one, in the order of time.
	Failovers []Failover `json:"failovers,omitempty"`

	Exposure []Exposed `json:"exposure"`
	// Moves are the ways of clients to each master that was promoted.
	Moves []Move `json:"moves,omitempty"`
	// LostWrites are the lost writes one by one, those that are attributed.
	LostWrites []LostWrite `json:"lost_writes,omitempty"`
	Suffixes   []Suffix    `json:"suffixes,omitempty"`
	// AOFAgrees: every lost write is in the append-only file of the server that
	// acknowledged it, and in no other's that leads to the last master.
	AOFAgrees int `json:"aof_agrees"`
	AOFDiffer int `json:"aof_differ"`

	Anomalies map[string]int `json:"anomalies,omitempty"`
	Plants    string         `json:"plants,omitempty"`
	Trace     string         `json:"trace,omitempty"`     // simulation: the hash of everything that happened, hexadecimal
	Struck    bool           `json:"struck"`              // every statement of the plan did
	LeftDown  []string       `json:"left_down,omitempty"` // by the plan: the others are judged
	// Returned: the first master was started again before anybody missed it, as was wanted.
	Returned bool `json:"returned,omitempty"`
	// Itself are those that nobody has ended, or that refused to start again, with their words.
	Itself  map[string]string `json:"ended_by_itself,omitempty"`
	Verdict result.Verdict    `json:"verdict"`
	Why     string            `json:"why,omitempty"`
	Story   string            `json:"story,omitempty"` // of the first anomaly that violates
	Dir     string            `json:"dir,omitempty"`   // where it is saved
}

// Exposed is what a placement of clients cost: losses by the time that clients went
// on with a master that was cut off.
type Exposed struct {
	Side      string  `json:"clients"`
	Clients   int     `json:"number"`
	Acked     int     `json:"acknowledged"`
	Lost      int     `json:"lost"`
	Seconds   float64 `json:"exposed_s"`
	PerSecond float64 `json:"lost_per_s"`
}

// Move is how a client came to a master that was promoted. Times are those from the promotion.
type Move struct {
	Client  string  `json:"client"`
	Side    Side    `json:"side"`
	Routing Routing `json:"routing"`
	Node    string  `json:"node"`
	AtMS    float64 `json:"promoted_ms"` // since clients began
	How     How     `json:"learnt_by,omitempty"`
	// LearntMS is when it was told, and FirstMS when its first write there was acknowledged; -1:
	// it was not, before another was promoted.
	LearntMS float64 `json:"learnt_ms"`
	FirstMS  float64 `json:"first_write_ms"`
}

// LostWrite is an acknowledged write that is gone.
type LostWrite struct {
	Key    string  `json:"key"`
	Client string  `json:"client"`
	Node   string  `json:"node"` // that acknowledged it
	AtMS   float64 `json:"at_ms"`
	Offset int64   `json:"offset"`
	Phase  string  `json:"phase"`
	// To is the server whose promotion cost it, or whose return.
	To string `json:"to,omitempty"`
}

// Failover is a promotion and its outcome.
type Failover struct {
	AtMS    float64 `json:"at_ms"` // since clients began
	Node    string  `json:"node"`
	From    string  `json:"from"`
	Again   bool    `json:"again,omitempty"` // it had been master before
	Lost    int     `json:"lost"`            // acknowledged writes that it cost
	Outcome string  `json:"outcome"`         // "is left", "went down", "was demoted" or "is a master still"
	EndedMS float64 `json:"ended_ms"`        // when it was master no more, since clients began
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// between is the time from one instant to another, -1 where the second did not come.
func between(from, to time.Duration) float64 {
	if to == history.Never {
		return -1
	}
	return ms(to - from)
}

// Judge accounts for what an experiment did.
func Judge(s *Scenario, o *Outcome) *Report {
	h := o.History
	r := &Report{
		Schema: Schema, Name: s.Name, Topology: s.Topology, Partition: s.Partition, Timing: s.Timing.Name, Quorum: s.Quorum, Wait: s.Wait,
		LagMS: ms(s.Lag), Plan: s.Plan.String(), Seed: o.Seed, SpanMS: ms(o.Ended - o.Began), LostBy: map[string]int{}, Refusals: o.Refused,
		LeftDown: o.Down, Itself: o.Itself, Suffixes: o.Suffixes, Anomalies: map[string]int{}, Struck: true,
		DetectMS: -1, FailoverMS: -1, AcceptMS: -1, DemoteMS: -1, ConvergeMS: -1,
	}
	if s.Wait > 0 {
		r.Waits = &o.Waits
	}
	r.Directives = s.said()
	a := replication.Of(h, Server(0))
	for i := range h.Ops {
		switch h.Ops[i].Outcome {
		case history.OK:
			r.Acknowledged++
		case history.Failed:
			r.Failed++
		case history.Unknown:
			r.Unknown++
		}
	}
	r.Total = len(h.Ops)
	refused, _, longest := checker.Refusals(h.Ops, o.Ended)
	r.RefusedWrites, r.RefusedForMS = refused, ms(longest)
	r.DualMasterMS, r.DualAcked = ms(a.DualMaster), a.DualAcked
	r.SplitBrain = len(a.SplitBrain)
	for _, w := range a.SplitBrain {
		if w.Lost {
			r.SplitLost++
		}
	}
	for i := range a.Anomalies {
		r.Anomalies[string(a.Anomalies[i].Name)]++
	}
	r.steps(o, &a)
	r.exposures(s, o, &a)
	r.moves(s, o, &a)
	r.lostWrites(o, &a)
	fates, settled := replication.Fate(h, &a, lastMaster(o))
	if settled && o.Converged {
		r.Survivors, r.Lost = fates.Survived+len(fates.Refuted), len(fates.Lost)
		r.Unattributed, r.Refuted, r.UnknownThere = len(fates.Unattributed), len(fates.Refuted), fates.UnknownSurvived
		for i := range fates.Anomalies {
			r.Anomalies[string(fates.Anomalies[i].Name)]++
		}
		r.agree(s, o, &a)
	} else {
		r.Lost = len(a.Lost)
		r.Survivors = r.Acknowledged - r.Lost - a.Unattributed
		r.Unattributed = a.Unattributed
	}
	for phase, n := range a.LostBy() { // any order: into a map
		r.LostBy[string(phase)] = n
		if r.LostTo == nil {
			r.LostTo = map[string]int{}
		}
		r.LostTo[causeOf(phase)] += n
	}
	if o.Trace != 0 {
		r.Trace = fmt.Sprintf("%016x", o.Trace)
	}
	r.judge(s, o, &a, &fates)
	return r
}

// causeOf is what took the writes of a phase.
func causeOf(p replication.Phase) string {
	switch p {
	case replication.RestartedWithout, replication.LostOnDisk:
		return "disk"
	case replication.BeforeCut:
		return "replication"
	}
	return "failover"
}

// lastMaster is the server that is left as master: of those whose last turn made them
// masters the one that turned last.
func lastMaster(o *Outcome) string {
	turned := map[string]bool{}
	for _, t := range slices.Backward(o.Turns) {
		if t.Master && !turned[t.Node] {
			return t.Node
		}
		turned[t.Node] = true
	}
	return ""
}

func (r *Report) steps(o *Outcome, a *replication.Account) {
	r.Promotions = len(a.Promotions)
	for _, p := range a.Promotions {
		f := Failover{AtMS: ms(p.At - o.Began), Node: p.Node, From: p.From, Again: p.Again, Lost: p.Lost, EndedMS: -1, Outcome: "is a master still"}
		switch {
		case p.Ended != history.Never:
			f.EndedMS = ms(p.Ended - o.Began)
			f.Outcome = map[bool]string{true: "went down", false: "was demoted"}[p.How == "down"]
		case p.Left:
			f.Outcome = "is left"
		}
		r.Failovers = append(r.Failovers, f)
	}
	if o.Converged {
		r.ConvergeMS = ms(o.TookToHeal)
	}
	if s, ok := replication.StepsOf(o.History, Server(0)); ok {
		r.DetectMS, r.FailoverMS, r.AcceptMS = between(s.Cut, s.Odown), between(s.Cut, s.Promoted), ms(s.LastAck-s.Cut)
		if s.Demoted != history.Never {
			r.DemoteMS = ms(max(0, s.Demoted-o.Healed))
		}
	}
}

// exposures adds up by where clients are, and how they find the master.
func (r *Report) exposures(s *Scenario, o *Outcome, a *replication.Account) {
	groups := make([]string, len(s.Clients))
	mixed := map[Routing]bool{}
	for _, c := range s.Clients {
		mixed[c.Routing] = true
	}
	for i, c := range s.Clients {
		groups[i] = sideWords[c.Side]
		if len(mixed) > 1 {
			groups[i] += ", " + string(c.Routing)
		}
	}
	for _, e := range replication.Exposures(o.History, a, Server(0), groups) {
		r.Exposure = append(r.Exposure, Exposed{Side: e.Group, Clients: e.Clients, Acked: e.Acked, Lost: e.Lost, Seconds: e.For.Seconds(), PerSecond: e.PerSecond()})
	}
}

// moves looks for each client's way to each new master.
func (r *Report) moves(s *Scenario, o *Outcome, a *replication.Account) {
	for i, p := range a.Promotions {
		until := time.Duration(history.Never)
		if i+1 < len(a.Promotions) {
			until = a.Promotions[i+1].At
		}
		first := map[int]time.Duration{}
		for j := range o.History.Ops {
			op := &o.History.Ops[j]
			if _, known := first[op.Client]; !known && op.Acked() && op.More.Node == p.Node && op.Return >= p.At && op.Return < until {
				first[op.Client] = op.Return
			}
		}
		for c, place := range s.Clients {
			m := Move{Client: Client(c), Side: place.Side, Routing: place.Routing, Node: p.Node, AtMS: ms(p.At - o.Began), LearntMS: -1, FirstMS: -1}
			for _, l := range o.Learnt {
				// A poll may see the promotion after a Sentinel has told of it.
				if l.Client == c && l.Node == p.Node && l.At < until && l.At >= p.At-s.Timing.DownAfter {
					m.How, m.LearntMS = l.How, ms(max(0, l.At-p.At))
					break
				}
			}
			if at, known := first[c]; known {
				m.FirstMS = ms(at - p.At)
			}
			r.Moves = append(r.Moves, m)
		}
	}
}

func (r *Report) lostWrites(o *Outcome, a *replication.Account) {
	for _, l := range a.Lost {
		op := &o.History.Ops[l.Op]
		w := LostWrite{Key: op.Key, Client: Client(op.Client), Node: op.More.Node, AtMS: ms(op.Return - o.Began), Offset: op.More.Offset, Phase: string(l.Phase)}
		if l.Promotion >= 0 {
			w.To = o.History.Events[l.Promotion].Node
		}
		r.LostWrites = append(r.LostWrites, w)
	}
}

var sideWords = map[Side]string{WithMaster: "with the master", WithMajority: "with the majority", Everywhere: "reach both sides"}

// agree holds the attribution against what the servers' files say that they executed.
func (r *Report) agree(s *Scenario, o *Outcome, a *replication.Account) {
	if len(o.Executed) == 0 {
		return
	}
	by, ever := map[string]map[string]bool{}, map[string]map[string]bool{}
	for _, e := range o.Executed {
		if e.None || s.writesFail(e.Node) {
			continue
		}
		by[e.Node], ever[e.Node] = map[string]bool{}, map[string]bool{}
		for _, k := range e.Keys {
			by[e.Node][k], ever[e.Node][k] = true, true
		}
		for _, k := range e.Before {
			ever[e.Node][k] = true
		}
	}
	master := lastMaster(o)
	for _, l := range a.Lost {
		op := &o.History.Ops[l.Op]
		own, heir := op.More.Node, master
		if l.Promotion >= 0 {
			heir = o.History.Events[l.Promotion].Node
		}
		// Whoever followed a master that came back without it, or was promoted again, has
		// executed it and has been given everything anew since.
		had := causeOf(l.Phase) == "disk" || l.Phase == replication.StaleMaster || own == heir
		switch {
		case by[own] == nil || by[heir] == nil: // no file says anything
		case ever[own][op.Key] && (had || !by[heir][op.Key]):
			r.AOFAgrees++
		default:
			r.AOFDiffer++
		}
	}
}

// minReplicasSlack is what an isolated master may go on accepting beyond max-lag:
// replicas report once a second, the master looks once a second.
const minReplicasSlack = 2 * time.Second

// judge gives the verdict. Losing acknowledged writes to a failover is allowed to
// asynchronous replication: it is counted, and violates nothing by itself.
func (r *Report) judge(s *Scenario, o *Outcome, a *replication.Account, f *replication.Fates) {
	for _, st := range o.Statements {
		if !st.Struck {
			r.Struck = false
			r.unknown(fmt.Sprintf("%q did not strike: %s", st.Text, st.Why))
		}
	}
	missing := s.Must.missing(o, a)
	r.Returned = s.Must == MustRestart && missing == ""
	switch {
	case !o.Converged:
		r.unknown(cmp.Or(o.Why, "not converged"))
	case r.Acknowledged == 0:
		r.unknown("no write was acknowledged")
	case missing != "":
		r.unknown(missing)
	case r.Promotions == 0 && len(s.Plan.Statements) == 0:
		r.unknown("nobody was promoted: the plan has no fault")
	case r.Promotions == 0 && s.Must == "" && s.takesMaster():
		why := "the Sentinels never agreed that it was down"
		if r.DetectMS >= 0 {
			why = "the Sentinels agreed that it was down, and did not get another in its place"
		}
		if n := r.LostBy[string(replication.RestartedWithout)]; n > 0 {
			why += fmt.Sprintf("; %s, for %s", wording.Times(n, "acknowledged write")+" lost", replication.RestartedWithout)
		}
		r.unknown(fmt.Sprintf("nobody was promoted in place of %s: %s", Server(0), why))
	case r.Unattributed > 0:
		r.unknown(fmt.Sprintf("%d lost writes are not attributed", r.Unattributed))
	case r.Refuted > 0:
		r.unknown(fmt.Sprintf("%d writes are lost by their offsets, and are there", r.Refuted))
	case r.AOFDiffer > 0:
		why := fmt.Sprintf("the append-only files disagree about %d lost writes", r.AOFDiffer)
		for _, e := range o.Executed {
			if e.Err != "" {
				why += "; those of " + e.Node + " cannot be read: " + e.Err
			}
		}
		r.unknown(why)
	}
	switch {
	case len(f.Anomalies) > 0:
		r.violated(f.Anomalies[0].Story)
	case len(a.Diverged) > 0:
		if i := slices.IndexFunc(a.Anomalies, func(a anomaly.Anomaly) bool { return a.Name == anomaly.Divergence }); i >= 0 {
			r.violated(a.Anomalies[i].Story)
		}
	}
	for _, f := range o.Findings {
		if f.Anomaly != "divergence" { // which is counted above
			r.Anomalies[f.Anomaly]++
		}
		r.violated(f.String())
	}
	for _, node := range slices.Sorted(maps.Keys(o.Itself)) {
		if !s.mayEnd(node) {
			r.Anomalies["exited"]++
			r.violated(fmt.Sprintf("exited: %s does not run, and nobody has ended it: %s", node, o.Itself[node]))
		}
	}
	if story, n := s.owed(o, a); n > 0 {
		r.Anomalies[string(anomaly.LostWrite)] += n
		r.violated(story)
	}
	if bound, limited := minReplicasBound(s); limited && r.AcceptMS > ms(bound) {
		r.Anomalies["refused"]++
		r.violated(fmt.Sprintf("with min-replicas-to-write the master that was cut off from every replica must refuse writes within %v; it acknowledged one %.1f s after the cut",
			bound, r.AcceptMS/1000))
	}
	if most := s.MaxRefused; most != nil && r.RefusedWrites > *most {
		r.refusedTooMuch(fmt.Sprintf("at most %d writes may be refused", *most))
	}
	if most := s.MaxRefusedFor; most != nil && r.RefusedForMS > ms(*most) {
		r.refusedTooMuch(fmt.Sprintf("writes may be refused for %s at most", *most))
	}
	r.Verdict = cmp.Or(r.Verdict, result.Holds)
}

func (r *Report) refusedTooMuch(rule string) {
	r.Anomalies[string(anomaly.Refused)]++
	r.violated(rule + ": " + r.refusedForNow())
}

// refusedForNow says how many writes were refused for now, and for how long.
func (r *Report) refusedForNow() string {
	return fmt.Sprintf("%s refused for now, for up to %s", wording.Times(r.RefusedWrites, "write"), wording.Duration(r.RefusedForMS))
}

func (r *Report) unknown(why string) {
	if r.Verdict == "" {
		r.Verdict, r.Why = result.Unknown, why
	}
}

func (r *Report) violated(story string) {
	if r.Verdict != result.Violated {
		r.Verdict, r.Story = result.Violated, story
	}
}

// minReplicasBound is how long a master may go on accepting writes when no replica
// is on its side of the first cut; limited is false where that bounds nothing.
func minReplicasBound(s *Scenario) (bound time.Duration, limited bool) {
	if number(s.directive("min-replicas-to-write")) < 1 {
		return 0, false
	}
	lag := int64(10)
	if v := s.directive("min-replicas-max-lag"); v != "" {
		lag = number(v)
	}
	if lag < 1 || len(s.Plan.Statements) != 1 {
		return 0, false // lag 0 switches it off; plans of one's own may do anything
	}
	cut, ok := s.Plan.Statements[0].Action.(*plan.Cut)
	if !ok || !cut.Both || s.replicaWithMaster(cut) {
		return 0, false
	}
	return time.Duration(lag)*time.Second + minReplicasSlack, true
}

// mayEnd reports whether a server may end by itself, or refuse to start: the plan strikes
// its disk, or gives it other settings (redis 7.0.15 aof.c flushAppendOnlyFile under always; server.c processCommand of
// a replica that cannot write).
func (s *Scenario) mayEnd(node string) bool {
	return s.Plan.Configures(node) || slices.ContainsFunc(s.Plan.Statements, func(st plan.Statement) bool { return plan.StrikesDisk(st.Action, node) })
}

// writesFail reports whether the plan makes calls to a server's disk fail: its log may lack
// what it has executed.
func (s *Scenario) writesFail(node string) bool {
	return slices.ContainsFunc(s.Plan.Statements, func(st plan.Statement) bool {
		return plan.StrikesDisk(st.Action, node) && !plan.DamagesFiles(st.Action)
	})
}

// takesMaster reports whether the plan takes the first master away from clients or
// Sentinels, or strikes its disk. What a plan does to others only is judged without anybody's promotion.
func (s *Scenario) takesMaster() bool {
	return slices.ContainsFunc(s.Plan.Statements, func(st plan.Statement) bool {
		nodes := slices.Concat(plan.Ends(st.Action), plan.CutOff(st.Action))
		return slices.Contains(nodes, Server(0)) || slices.Contains(nodes, plan.All) || plan.StrikesDisk(st.Action, Server(0))
	})
}

// replicaWithMaster reports whether a cut leaves the first master a replica.
func (s *Scenario) replicaWithMaster(cut *plan.Cut) bool {
	for i := 1; i < s.Topology.Servers; i++ {
		if s.Topology.MasterOf(i) == Server(0) && !slices.Contains(cut.To, Server(i)) {
			return true
		}
	}
	return false
}

// figures are what --until may ask for.
var figures = []until.Figure[*Report]{
	{Name: "lost", Of: func(r *Report) float64 { return float64(r.Lost) }},
	{Name: "acknowledged", Of: func(r *Report) float64 { return float64(r.Acknowledged) }},
	{Name: "survivors", Of: func(r *Report) float64 { return float64(r.Survivors) }},
	{Name: "unattributed", Of: func(r *Report) float64 { return float64(r.Unattributed) }},
	{Name: "unknown", Of: func(r *Report) float64 { return float64(r.Unknown) }},
	{Name: "refused", Of: func(r *Report) float64 { return float64(r.RefusedWrites) }},
	{Name: "refused-ms", Of: func(r *Report) float64 { return r.RefusedForMS }},
	{Name: "violations", Of: func(r *Report) float64 { return map[bool]float64{true: 1}[r.Verdict == result.Violated] }},
	{Name: "failed", Of: func(r *Report) float64 { return float64(r.Failed) }},
	{Name: "split-brain", Of: func(r *Report) float64 { return float64(r.SplitBrain) }},
	{Name: "promotions", Of: func(r *Report) float64 { return float64(r.Promotions) }},
	{Name: "dual-master-ms", Of: func(r *Report) float64 { return r.DualMasterMS }},
	{Name: "accept-ms", Of: func(r *Report) float64 { return r.AcceptMS }},
	{Name: "failover-ms", Of: func(r *Report) float64 { return r.FailoverMS }},
}

// ParseUntil reads a condition on a report, such as "lost>0".
func ParseUntil(text string) (*until.Condition[*Report], error) { return until.Parse(text, figures) }
