package explore

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/image"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// explorer judges the states of one recorded run.
type explorer struct {
	o        *Options
	x        *experiment.Experiment
	ctx      context.Context
	server   *server // a real one; nil: the engine
	sim      *experiment.Simulator
	bare     *image.Bare
	cold     *image.Cold
	contract contract.Contract
	final    contract.Contract // after the orderly end
	enum     enumerator
	again    *again // nil: recoveries are not crashed
	imager   disk.Imager
	begun    bool      // the imager is at this moment's disk
	second   disk.Disk // for an image made from nothing

	calls map[uint64]*call // by ID in the disk's log
	seen  map[string]int   // by operation and path: how many so far

	images   map[uint64]int32 // by signature: number of the result
	contents map[uint64]int32 // by hash
	results  []*recovered
	known    map[string]int32 // results by what they hold
	key      []byte
	verdicts map[verdictKey]*verdict

	// Of the present moment.
	acked    int
	pending  int
	flight   int // operations in play
	promise  int64
	excepted [2]int
	late     bool // a sync or snapshot was due

	// Of the moment before.
	none, full uint64
	inPlay     []state

	repaired int // images whose recovery changed a file
	appends  []appended
	working  []history.Interval // rewrites and snapshots, from the temporary file to its rename
	// rewrites and snapshots that were written whole.
	rewrites, snapshots int

	groups  []*group
	groupOf map[uint64]*group // by signature
	last    uint64            // ID of the last call
	out     *Report
	err     error

	// Of a real server of which not all images were judged: those that were not are left out
	// for now, and what cut it short, if it was not the end of the time that there was.
	skip     bool
	cutShort error
}

// call is a call of the recorded run that changed or synced something.
type call struct {
	ID    uint64
	Kind  disk.OpKind
	Path  string
	Path2 string
	Ino   disk.Ino
	n     int // it is the n-th of its operation and path; see experiment.Moment.Cut
	enter time.Duration
	done  int // moment at which its effect was there: of a sync, its return
}

// state is a choice at the present moment and what its image comes back as.
type state struct {
	choice disk.Choice
	result int32
	cut    *cut // instead of the choice, on a real file system
}

// recovered is what an image comes back as. Different images may.
type recovered struct {
	experiment.Recovered
	settled int // operations that had begun when it was first judged
}

// verdictKey is all that the verdict on a recovered state depends on.
type verdictKey struct {
	result int32
	// promise stands for what the contract promises at the moment: the number of
	// acknowledgements where all of them count, the instant before which they do
	// elsewhere, and on a real file system, where neither is known, the moment itself.
	promise int64
	// excepted stands for what the promise excepts where children delay syncs: the number
	// of acknowledgements, and of children that had begun. One that ends excepts nothing
	// less of what was acknowledged by then.
	excepted [2]int
	// settled: no operation that was under way when the state was first judged is
	// under way any more. A reply that comes later may order it.
	settled, late, final bool
	signs                finding.Signs
}

type verdict struct {
	*experiment.Outcome
	class class
}

// class is what a state counts as.
type class uint8

const (
	holds class = iota
	vacuous
	excused
	violated
	unknown
)

// Run records the run and judges its states. When it cannot go on, or ctx ends, the
// report on the states that were judged comes with the error; nil when there are none.
func Run(ctx context.Context, o *Options) (*Report, error) {
	if !o.Mode.AOF && !o.Mode.RDB {
		return notApplicable(o)
	}
	began := time.Now()
	e, err := newExplorer(ctx, o)
	if err != nil {
		return nil, err
	}
	defer e.close()
	if e.server != nil && e.server.blocks != nil {
		err = e.server.sample()
	} else {
		err = e.explore()
	}
	if err == nil && e.server != nil {
		err = e.server.confirm()
	}
	if err != nil && e.out.States == 0 {
		return nil, err
	}
	e.finish(time.Since(began))
	if err != nil {
		e.out.notAll("not all states were judged", err)
	}
	return e.out, err
}

// explore judges the states of every moment of the run, and looks for their causes.
func (e *explorer) explore() error {
	if e.server != nil {
		if err := e.server.images(); err != nil {
			return err
		}
	}
	h, trace, err := e.record(e.moment)
	if h != nil {
		e.out.Trace = trace
		e.describe(h)
	}
	if e.skip = false; err != nil || e.cutShort != nil {
		return cmp.Or(err, e.cutShort)
	}
	return e.causes()
}

func newExplorer(ctx context.Context, o *Options) (*explorer, error) {
	x, err := o.experiment()
	if err != nil {
		return nil, err
	}
	e := &explorer{o: o, x: x, ctx: ctx, images: make(map[uint64]int32), contents: make(map[uint64]int32),
		known: make(map[string]int32), verdicts: make(map[verdictKey]*verdict), groupOf: make(map[uint64]*group), out: newReport(o, x)}
	contractOf := func(crash *experiment.CrashKind) (contract.Contract, error) {
		return experiment.ContractOf(&o.Mode, crash, o.Personality, nil)
	}
	e.enum = enumerator{bound: o.Bound, class: e.classOf}
	if o.Server != nil {
		if e.server, err = newServer(e, o.Server); err != nil {
			return nil, err
		}
		contractOf = e.server.run.Contract
	} else if err = e.newEngine(); err != nil {
		return nil, err
	}
	e.contract, err = contractOf(experiment.PowerLoss())
	if err == nil {
		e.final, err = contractOf(experiment.OrderlyEnd())
	}
	if err != nil {
		e.close()
		return nil, err
	}
	// After an orderly end a power cut may take nothing that the end has synced.
	e.final.Crash, e.final.AllowRepair = contract.Power, true
	return e, nil
}

// newEngine prepares to explore the embedded engine.
func (e *explorer) newEngine() (err error) {
	if e.bare, err = image.NewBare(e.x); err != nil {
		return err
	}
	if e.cold, err = image.NewCold(e.x); err != nil {
		return err
	}
	if e.o.Double {
		if e.again, err = newAgain(e); err != nil {
			return err
		}
	}
	e.sim = experiment.NewSimulator()
	return nil
}

func (e *explorer) close() {
	if e.server != nil {
		e.server.close()
		return
	}
	e.sim.Close()
	e.cold.Close()
}

// record runs the experiment, or plays its recording, and calls f at each
// moment. It returns the run's history and the hash of its trace, if it has one; the
// history also when f did not see all moments.
func (e *explorer) record(f func(m *experiment.Moment)) (h *history.History, trace string, err error) {
	e.calls, e.seen, e.appends, e.working = make(map[uint64]*call), make(map[string]int), nil, nil
	e.rewrites, e.snapshots = 0, 0
	watch := func(m *experiment.Moment) {
		if m.Number == 0 {
			e.startUp(m)
		}
		if e.err == nil && e.ctx.Err() != nil && e.cutShort == nil {
			e.err = context.Cause(e.ctx)
		}
		e.note(m)
		e.begun = false
		if e.err == nil {
			f(m)
		}
	}
	if e.server != nil {
		e.server.run.Watch(watch)
		return e.server.run.Hist, "", e.err
	}
	e.sim.Watch(watch)
	out, err := e.sim.Run(e.x, nil)
	if err != nil {
		return nil, "", errors.Join(err, e.err)
	}
	return out.History, fmt.Sprintf("%x", out.Trace), e.err
}

// startUp notes the calls that were made before the first moment: they may still be in play.
func (e *explorer) startUp(m *experiment.Moment) {
	log := m.Disk().Log()
	for i := range log {
		c := &log[i].Call
		if c.ID != 0 && (m.Call == nil || c.ID != m.Call.ID) {
			e.calls[c.ID] = &call{ID: c.ID, Kind: c.Kind, Path: c.Path, Path2: c.Path2, Ino: c.Ino, enter: c.Enter, done: -1}
		}
	}
}

// note keeps what a moment's call was.
func (e *explorer) note(m *experiment.Moment) {
	if m.Call == nil {
		return
	}
	c := &call{ID: m.Call.ID, Kind: m.Call.Kind, Path: m.Call.Path, Path2: m.Call.Path2, Ino: m.Call.Ino,
		enter: m.Call.Enter, done: m.Number}
	e.last = max(e.last, c.ID)
	e.calls[c.ID] = c
	e.measure(m)
	word := c.Kind.Word()
	e.seen[word+" "+c.Path]++
	c.n = e.seen[word+" "+c.Path]
	if c.Path2 != "" && c.Path2 != c.Path {
		e.seen[word+" "+c.Path2]++
	}
}

// measure follows what the run must hold to be worth exploring.
func (e *explorer) measure(m *experiment.Moment) {
	c := m.Call
	role := e.o.Mode.Store.Role(c.Path)
	temporary := role == product.Draft || role == product.SnapshotDraft
	switch {
	case c.Kind == disk.OpWrite && role == product.TheLog:
		e.appends = append(e.appends, appended{c.Off, c.Len})
	case c.Kind == disk.OpCreate && temporary:
		e.working = append(e.working, history.Interval{From: c.Enter, To: history.Never})
	case c.Kind == disk.OpRename && temporary && len(e.working) > 0:
		if w := &e.working[len(e.working)-1]; w.To == history.Never {
			if w.To = m.At; role == product.SnapshotDraft {
				e.snapshots++
			} else {
				e.rewrites++
			}
		}
	}
}

// moment judges the states of one moment.
func (e *explorer) moment(m *experiment.Moment) {
	e.look(m)
	p := e.out.position(m)
	p.InPlay = e.flight
	if e.changed(m) {
		e.inPlay = e.inPlay[:0]
		e.enum.choices(m.Disk(), func(c disk.Choice) {
			if e.err == nil {
				if n := e.image(m, c); n != notJudged {
					e.inPlay = append(e.inPlay, state{choice: c, result: n})
				}
			}
		})
	} else {
		e.enum.saved.Instants++
	}
	for i := range e.inPlay {
		e.judge(m, p, &e.inPlay[i])
	}
}

// changed reports whether other states are possible at this moment than at the
// one before.
func (e *explorer) changed(m *experiment.Moment) bool {
	d := m.Disk()
	none, full := d.Signature(disk.Choice{}), d.Signature(disk.Choice{Mode: disk.KeepAll})
	changed := none != e.none || full != e.full || m.Number == 0
	e.none, e.full = none, full
	if e.flight > 0 && none == full {
		e.out.doubt("at %s %d operations were in play, and the disk leaves all of them when nothing is to survive", m.At, e.flight)
	}
	return changed
}

// image is the result of the image that a choice leaves; a new one is built and
// started on.
func (e *explorer) image(m *experiment.Moment, c disk.Choice) int32 {
	sig := e.choose(m, c)
	if n, ok := e.images[sig]; ok && (n != notJudged || e.skip) {
		return n
	}
	image := e.imager.Image()
	e.out.Built++
	hash := image.Hash()
	if n, ok := e.contents[hash]; ok && (n != notJudged || e.skip) {
		e.images[sig] = n
		return n
	}
	e.out.Images++
	if e.flight >= 2 {
		e.out.ImagesOfTwo++
	}
	n := e.recover(m, c, image, hash)
	e.images[sig], e.contents[hash] = n, n
	if e.server == nil {
		e.compare(m, c, hash, e.results[n])
	}
	return n
}

// choose makes the imager's next image the one that a choice leaves, and
// returns its signature. Each image is made from the one before.
func (e *explorer) choose(m *experiment.Moment, c disk.Choice) uint64 {
	if !e.begun {
		e.begun = true
		e.imager.Begin(m.Disk())
	}
	return e.imager.Choose(c)
}

// recover starts the server on the image that a choice left, and changes it.
func (e *explorer) recover(m *experiment.Moment, c disk.Choice, image *disk.Disk, hash uint64) int32 {
	if s := e.server; s != nil {
		if s.counting {
			return s.first(m, c, image, hash)
		}
		return s.one(image)
	}
	if e.again == nil {
		return e.add(e.bare.Recover(image, m.At, nil))
	}
	e.again.begin(m, image, c)
	n := e.add(e.bare.Recover(image, m.At, eachChange(e.again.cut)))
	e.again.end(n)
	return n
}

// add finds what came back among the results, or adds it.
func (e *explorer) add(r experiment.Recovered) int32 {
	e.key = appendResultKey(e.key[:0], &r)
	if n, ok := e.known[string(e.key)]; ok {
		return n
	}
	r.State.Keys = slices.Clone(r.State.Keys)
	n := int32(len(e.results))
	e.results = append(e.results, &recovered{Recovered: r, settled: -1})
	e.known[string(e.key)] = n
	return n
}

// judge judges one state.
func (e *explorer) judge(m *experiment.Moment, p *Position, s *state) {
	p.States++
	e.out.States++
	v := e.verdict(m, s.result)
	switch v.class {
	case holds:
		p.Holds++
	case vacuous:
		p.Holds++
		e.out.Vacuous++
	case excused:
		p.Excused++
	case unknown:
		p.Unknown++
		if e.out.Why == "" {
			e.out.Why = v.Why
		}
	case violated:
		p.Violated++
		if s.cut != nil {
			e.server.violation(m, s, v)
		} else {
			e.violation(m, s, v)
		}
	}
	for _, f := range v.Findings {
		e.finding(f, m, s)
	}
	if v.class == holds && !v.Censored {
		e.out.Window = max(e.out.Window, v.Window)
	}
}

// verdict is that on a result at this moment.
func (e *explorer) verdict(m *experiment.Moment, n int32) *verdict {
	r := e.results[n]
	key := verdictKey{result: n, final: m.Kind == experiment.MomentExit, signs: m.SignsWith(&r.Recovered)}
	key.late = e.late && !key.final
	key.excepted = e.excepted
	key.promise, key.settled = e.promise, r.settled >= 0 && e.pending >= r.settled
	if v := e.verdicts[key]; v != nil {
		return v
	}
	if r.settled < 0 {
		r.settled = len(m.History().Ops)
	}
	c := &e.contract
	if key.final {
		c = &e.final
	}
	e.out.Judged++
	v := &verdict{Outcome: m.Judge(&r.Recovered, c)}
	v.History = nil
	switch {
	case v.Excused:
		v.class = excused
	case v.Verdict == result.Violated:
		v.class = violated
	case v.Verdict == result.Unknown && e.acked == 0:
		v.class = vacuous
	case v.Verdict == result.Unknown:
		v.class = unknown
	}
	e.verdicts[key] = v
	return v
}

// look takes from a moment what all its states are judged by.
func (e *explorer) look(m *experiment.Moment) {
	h := m.History()
	e.acked, e.pending = acknowledged(h), pending(h)
	e.excepted = [2]int{}
	if e.contract.SyncedFirst && m.Kind != experiment.MomentExit {
		e.excepted = [2]int{e.acked, m.Children()}
	}
	e.late = m.Late(&e.contract)
	switch e.promise = int64(e.acked); {
	case m.Disk() == nil:
		e.promise = int64(m.At) // its contract is one of times
		return
	case m.Kind != experiment.MomentExit && e.contract.Keeps != contract.KeepsAll:
		e.promise = m.KeptBefore(&e.contract)
	}
	e.flight, _ = m.Disk().InPlay()
}

// acknowledged is how many writes clients have been told of.
func acknowledged(h *history.History) int {
	n := 0
	for i := range h.Ops {
		if h.Ops[i].Acked() && h.Ops[i].Writes() {
			n++
		}
	}
	return n
}

// pending is the place of the first operation that is under way.
func pending(h *history.History) int {
	for i := range h.Ops {
		if h.Ops[i].Outcome == history.Unknown {
			return i
		}
	}
	return len(h.Ops)
}

// appendResultKey writes everything that verdicts depend on.
func appendResultKey(b []byte, r *experiment.Recovered) []byte {
	flag := func(v bool) byte {
		if v {
			return 1
		}
		return 0
	}
	b = append(b, byte(r.How), flag(r.NoData), flag(r.NoDir), flag(r.Truncated))
	b = fmt.Append(b, r.Stray) // in the order of its keys
	b = append(b, r.Refusal...)
	b = append(b, r.State.Beside...)
	for i := range r.State.Keys {
		kv := &r.State.Keys[i]
		b = append(b, 0)
		b = append(b, kv.Key...)
		b = append(b, 1, flag(kv.TTL > 0), flag(kv.List != nil))
		b = binary.LittleEndian.AppendUint64(b, uint64(kv.Deadline))
		b = append(b, kv.Value...)
		for _, v := range kv.List {
			b = append(b, 2)
			b = append(b, v...)
		}
	}
	return b
}
