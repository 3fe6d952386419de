package plan

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/torntail/torntail/faults/disk"
)

// GenOptions say what plans to generate. The zero value of a field picks the
// default in its comment.
type GenOptions struct {
	On         System        // nil: any; what cannot strike there is left out
	Servers    []string      // n1
	Others     []string      // further nodes that links can name: sentinels, clients
	Span       time.Duration // 5 s: statements begin within it
	Statements int           // 4: at most so many, at least 1
	Acks       int           // 1000: ack#N is drawn from 1 to it
	Calls      int           // 20: #N of a call is drawn from 1 to it
	Globs      []string      // Redis's own files; all of them can be in the calls that the system sees, or none
	Commands   [][]string    // BGREWRITEAOF, BGSAVE
	// Weights is each verb's share, by its name; a verb without an entry has its
	// own default, one with 0 is not generated.
	Weights map[string]int
}

// generator draws from one seeded source, in a fixed order, so that a seed and
// options always give the same plan.
type generator struct {
	rng    *rand.Rand
	shares *rand.Rand // its own: plans of old seeds stay what they were but for it
	o      GenOptions
}

// Generate makes the plan that belongs to a seed. Plans can therefore be
// listed without being run.
func Generate(seed uint64, o GenOptions) *Plan {
	o.fill()
	g := &generator{rng: rand.New(rand.NewPCG(seed, 0x746f726e7461696c)), shares: rand.New(rand.NewPCG(seed, 0x7368617265)), o: o}
	verbs, total := g.weighted()
	p := new(Plan)
	if total == 0 {
		return p
	}
	for range 1 + g.rng.IntN(o.Statements) {
		v := verbs[0].verb
		for i, pick := 0, g.rng.IntN(total); i < len(verbs); i++ {
			if pick -= verbs[i].weight; pick < 0 {
				v = verbs[i].verb
				break
			}
		}
		s := Statement{At: g.instant(len(p.Statements) > 0), Action: v.generate(g)}
		if _, own := s.Action.(CallFault); own && g.shares.IntN(4) == 0 {
			s.Percent = []float64{1, 10, 50}[g.shares.IntN(3)]
		}
		s.Span = g.span(v.spans)
		p.Statements = append(p.Statements, s)
	}
	return p
}

func (o *GenOptions) fill() {
	if len(o.Servers) == 0 {
		o.Servers = []string{"n1"}
	}
	if o.Span <= 0 {
		o.Span = 5 * time.Second
	}
	if o.Statements <= 0 {
		o.Statements = 4
	}
	if o.Acks <= 0 {
		o.Acks = 1000
	}
	if o.Calls <= 0 {
		o.Calls = 20
	}
	if len(o.Globs) == 0 {
		o.Globs = []string{"*.incr.aof", "*.base.aof", "*.base.rdb", "*.manifest", "dump.rdb", "temp-*.rdb", "temp-rewriteaof*", "*"}
	}
	if len(o.Commands) == 0 {
		o.Commands = [][]string{{"BGREWRITEAOF"}, {"BGSAVE"}}
	}
}

type weightedVerb struct {
	verb   *Verb
	weight int
}

func (g *generator) weighted() (list []weightedVerb, total int) {
	for _, v := range Verbs() {
		w, set := g.o.Weights[v.Name]
		if !set {
			w = v.weight
		}
		ok, _ := v.Available(g.o.On)
		if v.betweenNodes() {
			ok = ok && len(g.o.Servers)+len(g.o.Others) > 1
		}
		if ok && v.generate != nil && w > 0 {
			list = append(list, weightedVerb{v, w})
			total += w
		}
	}
	return list, total
}

// chance is true once in n.
func (g *generator) chance(n int) bool { return g.rng.IntN(n) == 0 }

// duration is log-uniform, rounded to its three leading digits so that a
// person can read it.
func (g *generator) duration(from, to time.Duration) time.Duration {
	d := from << g.rng.IntN(bits.Len64(uint64(to/from)))
	d = min(d+time.Duration(g.rng.Int64N(int64(d))), to)
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d / unit * unit
}

func (g *generator) instant(follows bool) Instant {
	switch pick := g.rng.IntN(10); {
	case pick < 3:
		return Instant{Time: time.Duration(g.rng.Int64N(int64(g.o.Span))).Round(time.Millisecond)}
	case pick < 6 && follows:
		return Instant{Kind: AtAfter, Time: g.duration(time.Millisecond, time.Second)}
	case pick < 8 && NeedCalls.lacking(g.o.On) == "" || NeedAcks.lacking(g.o.On) != "":
		return g.callInstant()
	}
	return Instant{Kind: AtAck, N: 1 + g.rng.IntN(g.o.Acks)}
}

func (g *generator) callInstant() Instant {
	t := Instant{Kind: AtCall, Node: g.server(), Call: g.call(), N: 1 + g.rng.IntN(g.o.Calls)}
	if g.chance(4) {
		t.Time = time.Duration(g.rng.Int64N(int64(g.o.Span))).Round(time.Millisecond)
	}
	switch g.rng.IntN(4) {
	case 0:
		t.Place = disk.PlaceEnter
	case 1:
		t.Place = disk.PlaceReturn
	default:
		t.Place, t.Fraction = disk.PlaceInFlight, float64(g.rng.IntN(21))/20
	}
	return t
}

func (g *generator) span(allowed spanSet) Span {
	if allowed == noSpan {
		return Span{}
	}
	switch g.rng.IntN(5) {
	case 0:
		return Span{}
	case 1:
		return Span{Kind: SpanUntil, Until: g.instant(true)}
	case 2:
		if allowed&callSpan != 0 {
			return Span{Kind: SpanCalls, Calls: 1 + g.rng.IntN(5)}
		}
	}
	return Span{Kind: SpanTime, For: g.duration(time.Millisecond, g.o.Span)}
}

// callWeights favour the calls on which durability hangs.
var callWeights = []string{"fsync", "fsync", "fsync", "write", "write", "rename", "dirsync", "unlink", "open", "truncate"}

func (g *generator) call() CallPattern {
	ops := callWeights
	if seen, ok := as[Calls](g.o.On); ok {
		ops = slices.DeleteFunc(slices.Clone(ops), func(op string) bool {
			return seen.Unseen(CallPattern{Op: op, Glob: g.o.Globs[0]}) != ""
		})
	}
	return CallPattern{Op: ops[g.rng.IntN(len(ops))], Glob: g.glob()}
}

func (g *generator) target(op string) Target {
	t := Target{Node: g.maybeServer(), Call: g.call()}
	if op != "" {
		t.Call.Op = op
	}
	return t
}

func (g *generator) glob() string {
	if len(g.o.Globs) == 1 {
		return g.o.Globs[0]
	}
	return g.o.Globs[g.rng.IntN(len(g.o.Globs))]
}

func (g *generator) server() string { return g.o.Servers[g.rng.IntN(len(g.o.Servers))] }
func (g *generator) command() []string {
	return g.o.Commands[g.rng.IntN(len(g.o.Commands))]
}

func (g *generator) maybeServer() string {
	if g.chance(2) {
		return ""
	}
	return g.server()
}

// links splits some of the nodes into two sides, neither of them empty.
func (g *generator) links() Links {
	all := append(append([]string(nil), g.o.Servers...), g.o.Others...)
	g.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	from := 1 + g.rng.IntN(len(all)-1)
	return Links{From: all[:from], To: all[from:]}
}

func (g *generator) choice() disk.Choice {
	switch g.rng.IntN(5) {
	case 0:
		return disk.Choice{}
	case 1:
		return disk.Choice{Mode: disk.KeepPrefix, K: g.rng.Int64N(20)}
	case 2:
		return disk.Choice{Mode: disk.KeepTorn, K: g.rng.Int64N(4096)}
	}
	return disk.Choice{Mode: disk.KeepRandom, Seed: uint64(g.rng.Uint32())}
}
