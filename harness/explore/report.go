package explore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// Report is what an exploration found. Its JSON form is versioned.
type Report struct {
	Schema      int      `json:"schema"`
	Mode        string   `json:"mode"`
	Directives  []string `json:"directives"`
	Personality string   `json:"personality"`
	Profile     string   `json:"profile"`
	Seed        uint64   `json:"seed"`
	Plants      string   `json:"plants,omitempty"`
	Plan        string   `json:"plan"`
	Trace       string   `json:"trace"` // of the recorded run

	Bound   string `json:"bound"`
	Tried   string `json:"tried"`
	LeftOut string `json:"left_out"`

	Commands     int `json:"commands"`
	Acknowledged int `json:"acknowledged"` // writes
	Calls        int `json:"calls"`        // that changed or synced something
	Crossings    int `json:"crossings"`    // writes to the log that cross a page
	Rewrites     int `json:"rewrites"`     // of the AOF
	Snapshots    int `json:"snapshots"`
	InRewrite    int `json:"in_rewrite"` // writes acknowledged during the longest rewrite or snapshot
	Most         int `json:"most"`       // operations in play at the fullest moment

	States      int   `json:"states"`
	Built       int   `json:"built"`                       // images made
	Images      int   `json:"images"`                      // distinct ones, each started on
	NotJudged   int   `json:"images_not_judged,omitempty"` // of them, for want of time
	ImagesOfTwo int   `json:"images_of_two"`               // of them, with two or more operations in play
	Recovered   int   `json:"recovered"`                   // distinct data that came back
	Judged      int   `json:"judged"`                      // times that the contract was put to such data
	Compared    int   `json:"compared"`                    // images started on a second time, cold
	Vacuous     int   `json:"vacuous"`                     // states before anything was acknowledged
	Cut         int   `json:"cut,omitempty"`               // moments at which the bound "all" was too much
	Saved       Saved `json:"saved"`

	Double *Double       `json:"double,omitempty"`
	Server *ServerReport `json:"server,omitempty"` // nil: the engine

	Holds    int     `json:"holds"`
	Excused  int     `json:"excused"` // by known findings
	Violated int     `json:"violated"`
	Unknown  int     `json:"unknown"`
	WindowMS float64 `json:"window_ms"` // longest loss of a state that holds

	Findings []Finding  `json:"findings,omitempty"`
	Groups   []Violated `json:"violations,omitempty"`

	Verdict  result.Verdict `json:"verdict"`
	Why      string         `json:"why,omitempty"`
	ElapsedS float64        `json:"elapsed_s"`
	Rate     float64        `json:"rate"` // states a second

	Positions []Position `json:"positions"`

	Window   time.Duration `json:"-"`
	distrust string
}

// Schema is the version of a Report's JSON form.
const Schema = 1

// Position is one moment of the map of the run.
type Position struct {
	AtMS     float64 `json:"at_ms"`
	Kind     string  `json:"kind"`
	Call     uint64  `json:"call,omitempty"` // ID in the disk's log
	Op       string  `json:"op,omitempty"`
	Path     string  `json:"path,omitempty"`
	Ack      int     `json:"ack,omitempty"`
	InPlay   int     `json:"in_play"` // operations
	States   int     `json:"states"`
	Holds    int     `json:"holds"`
	Excused  int     `json:"excused,omitempty"`
	Violated int     `json:"violated,omitempty"`
	Unknown  int     `json:"unknown,omitempty"`
}

// Finding is a known finding, with the first state that shows it.
type Finding struct {
	Name   string `json:"name"`
	Title  string `json:"title"`
	States int    `json:"states"`
	Plan   string `json:"plan"`            // of the example
	Where  string `json:"where,omitempty"` // instead of a plan, on a real file system
	Dir    string `json:"dir,omitempty"`

	g *group
}

// Violated is all violating states with one cause.
type Violated struct {
	Cause   Cause  `json:"cause,omitzero"`
	Anomaly string `json:"anomaly"`
	Story   string `json:"story"` // of the smallest example
	States  int    `json:"states"`
	// Plan reproduces the smallest example. Confirmed says that it did.
	Plan      string `json:"plan,omitempty"`
	Confirmed bool   `json:"confirmed"`
	Dir       string `json:"dir,omitempty"` // for torntail replay

	g *group
}

// Double is what crashes during recoveries showed.
type Double struct {
	Images int `json:"images"` // recoveries that were crashed again
	States int `json:"states"`
	Bad    int `json:"bad"`
	// Excused are those that F5 explains.
	Excused int `json:"excused,omitempty"`
	// Groups are the bad ones, by what is wrong and after which call of the recovery
	// the power was cut again.
	Groups []Violated `json:"groups,omitempty"`
}

// violations are groups as a report has them.
func violations(groups []*group) (list []Violated) {
	for _, g := range groups {
		list = append(list, Violated{Cause: g.cause, Anomaly: g.anomaly.Name, Story: g.anomaly.Story, States: g.states, g: g})
	}
	return list
}

func newReport(o *Options, x *experiment.Experiment) *Report {
	r := &Report{Schema: Schema, Mode: o.Mode.Name, Personality: o.Personality, Profile: x.Profile, Seed: o.Seed, Plants: o.Plants.String(),
		Plan: x.Plan.String(), Bound: o.Bound.Name, Tried: o.Bound.About, LeftOut: o.Bound.Left}
	for _, d := range x.Mode.Directives {
		r.Directives = append(r.Directives, d.String())
	}
	return r
}

// notApplicable is the report of a mode that keeps nothing.
func notApplicable(o *Options) (*Report, error) {
	x, err := o.experiment()
	if err != nil {
		return nil, err
	}
	r := newReport(o, x)
	r.Verdict, r.Why = result.NotApplicable, "without persistence there is nothing that a crash could take from the disk"
	return r, nil
}

// NotExplored is the report of an exploration that was not done, because of err.
func NotExplored(o *Options, err error) (*Report, error) {
	x, bad := o.experiment()
	if bad != nil {
		return nil, bad
	}
	r := newReport(o, x)
	r.notAll("not explored", err)
	return r, nil
}

// notAll makes of what is not violated something unknown, because of err.
func (r *Report) notAll(what string, err error) {
	if r.Verdict == result.Violated {
		return
	}
	why, _, _ := strings.Cut(err.Error(), "\n")
	if errors.Is(err, context.Canceled) {
		why = "interrupted"
	}
	r.Verdict, r.Why = result.Unknown, what+": "+why
}

// position begins the entry of a moment.
func (r *Report) position(m *experiment.Moment) *Position {
	p := Position{AtMS: inMS(m.At), Kind: m.Kind.String(), Ack: m.Ack}
	if m.Call != nil {
		p.Call, p.Op, p.Path = m.Call.ID, m.Call.Kind.String(), m.Call.Path
	}
	r.Positions = append(r.Positions, p)
	return &r.Positions[len(r.Positions)-1]
}

// inMS is a duration in milliseconds.
func inMS(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// finding counts a state that shows a known finding.
func (e *explorer) finding(name string, m *experiment.Moment, s *state) {
	i := slices.IndexFunc(e.out.Findings, func(f Finding) bool { return f.Name == name })
	if i >= 0 {
		f := &e.out.Findings[i]
		if f.States++; f.g.acked > 0 || e.acked == 0 {
			return // an example before the first acknowledgement cannot be judged by itself
		}
	}
	g := &group{acked: e.acked}
	e.example(m, g, s)
	if i < 0 {
		i = len(e.out.Findings)
		e.out.Findings = append(e.out.Findings, Finding{Name: name, Title: finding.Title(e.o.Mode.Store.Findings(), name), States: 1})
	}
	e.out.Findings[i].g, e.out.Findings[i].Where = g, g.cause.Text
}

// example makes a state of this moment a group's example.
func (e *explorer) example(m *experiment.Moment, g *group, s *state) {
	if s.cut != nil {
		g.crash, g.cause.Text = e.crashOf(m, s.cut.files, s.result), e.server.where(s.cut)
		return
	}
	g.found, g.keep = true, m.Disk().Image(&e.second, s.choice).Choice
	e.aim(m, g)
}

// finish adds up and decides.
func (e *explorer) finish(took time.Duration) {
	r := e.out
	r.LeftOut = e.o.Bound.left(e.enum.cut, len(r.Positions))
	r.Saved, r.Most, r.Cut, r.Recovered = e.enum.saved, e.enum.most, e.enum.cut, len(e.results)
	for i := range r.Positions {
		p := &r.Positions[i]
		r.Holds, r.Excused, r.Violated, r.Unknown = r.Holds+p.Holds, r.Excused+p.Excused, r.Violated+p.Violated, r.Unknown+p.Unknown
	}
	if e.again != nil {
		r.Double = &e.again.out
		r.Double.Groups = violations(e.again.groups)
	}
	r.WindowMS = inMS(r.Window)
	r.Groups = violations(e.groups)
	r.merge()
	r.ElapsedS = took.Seconds()
	r.Rate = float64(r.States) / took.Seconds()
	switch {
	case r.distrust != "":
		r.Verdict, r.Why = result.Unknown, "torntail itself is at fault: "+r.distrust
	case len(r.Groups) > 0 || r.Double != nil && r.Double.Bad > 0:
		r.Verdict = result.Violated
	case r.Unknown > 0:
		r.Verdict = result.Unknown
	case r.States == 0:
		r.Verdict, r.Why = result.Unknown, "no image was judged"
	default:
		r.Verdict = result.Holds
	}
}

// merge puts groups with the same cause together: what differs between them is
// only which of the lost operations the image misses.
func (r *Report) merge() {
	var out []Violated
	for _, v := range r.Groups {
		i := slices.IndexFunc(out, func(w Violated) bool { return v.g.found && w.g.found && v.g.sameCause(w.g) })
		if i < 0 {
			out = append(out, v)
			continue
		}
		states := out[i].States + v.States
		if v.g.smaller(out[i].g) {
			out[i] = v
		}
		out[i].States = states
	}
	slices.SortStableFunc(out, func(a, b Violated) int {
		if a.g.smaller(b.g) {
			return -1
		}
		if b.g.smaller(a.g) {
			return 1
		}
		return 0
	})
	r.Groups = out
}

// sameCause reports whether two groups have one cause. The loss of an
// operation that does harm from its own moment on is the state before it, which
// was wrong as it stood.
func (g *group) sameCause(o *group) bool {
	for _, p := range [...][2]*group{{g, o}, {o, g}} {
		if late, early := p[0], p[1]; early.order() && early.mends != nil && late.mendsItself() {
			return early.mends.class() == late.cause.x.class()
		}
	}
	return g.cause.class() == o.cause.class()
}

// mendsItself reports whether what is lost is what would have made the state right.
func (g *group) mendsItself() bool {
	return len(g.cause.y) > 0 && g.cause.x.call != nil && g.cause.y[len(g.cause.y)-1].ID == g.cause.x.call.ID
}

// smaller orders examples: fewer operations lost, then earlier.
func (g *group) smaller(o *group) bool {
	if len(g.drop) != len(o.drop) {
		return len(g.drop) < len(o.drop)
	}
	return g.at < o.at
}

// class is what two causes have in common that are one.
func (c *Cause) class() string {
	s := c.Sync + ": " + c.x.class()
	if len(c.y) > 0 {
		s += ", " + role(c.File)
		if isName(c.y[0]) {
			s += " name"
		}
	}
	return s
}

func isName(c *call) bool {
	switch c.Kind {
	case disk.OpRename, disk.OpCreate, disk.OpUnlink, disk.OpMkdir, disk.OpLink:
		return true
	}
	return false
}

// Write prints the report for people. clean makes a story fit for a terminal.
func (r *Report) Write(w io.Writer, clean func(story string) string) {
	p := func(format string, a ...any) { fmt.Fprintf(w, format+"\n", a...) }
	of, disk, plants, blocks := "", r.Profile, "", r.blocks()
	if r.Server != nil {
		of = r.target() + ", "
	}
	if blocks != nil {
		disk = "a logged block device"
	}
	if r.Plants != "" {
		plants = ", planted: " + r.Plants
	}
	p("%s%s on %s (%s%s): %s", of, r.Mode, r.Personality, disk, plants, r.Verdict)
	if r.Why != "" {
		p("  %s", r.Why)
	}
	if r.Verdict == result.NotApplicable || r.Verdict == result.Unknown && r.States == 0 && r.Commands == 0 {
		return
	}
	if blocks != nil {
		p("  run       %d commands, %d writes acknowledged; %d writes of blocks and %d flushes, at most %d writes in play",
			r.Commands, r.Acknowledged, blocks.Writes, blocks.Flushes, r.Most)
	} else {
		p("  run       %d commands, %d writes acknowledged, %d calls that change or sync, at most %d in play; %d appends cross a page; %d rewrites and %d snapshots, one of them with %d writes meanwhile",
			r.Commands, r.Acknowledged, r.Calls, r.Most, r.Crossings, r.Rewrites, r.Snapshots, r.InRewrite)
	}
	p("  bound     %s: %s", r.Bound, r.Tried)
	p("  left out  %s", r.LeftOut)
	p("  states    %d at %d moments: %d hold, %d are explained by known findings, %d violate, %d unknown; %.0f a second",
		r.States, len(r.Positions), r.Holds, r.Excused, r.Violated, r.Unknown, r.Rate)
	if blocks != nil {
		blocks.write(p)
	} else {
		r.writeImages(p)
	}
	if r.Window > 0 {
		p("  window    a state that holds loses at most the last %s", r.Window.Round(time.Millisecond))
	}
	if s := r.Server; s != nil && blocks == nil {
		s.write(p)
	}
	again := func(dir string) {
		if command := r.replay(dir); command != "" {
			p("    %s", command)
		}
	}
	show := func(v *Violated, after string) {
		p("  %s (%d states%s)", v.Anomaly, v.States, after)
		if v.Cause.Text != "" {
			p("    %s", v.Cause.Text)
		}
		for line := range strings.Lines(strings.TrimSpace(clean(v.Story))) {
			p("      %s", strings.TrimRight(line, "\n"))
		}
		again(v.Dir)
	}
	if d := r.Double; d != nil {
		p("  double    %d recoveries changed something and were crashed again at each of their operations: %d states, %d explained by F5, %d bad", d.Images, d.States, d.Excused, d.Bad)
		for i := range d.Groups {
			show(&d.Groups[i], " after a crash in the recovery")
		}
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		p("  finding %s (%d states): %s", f.Name, f.States, f.Title)
		if f.Where != "" {
			p("    %s", f.Where)
		}
		again(f.Dir)
	}
	for i := range r.Groups {
		show(&r.Groups[i], "")
	}
}

// writeImages prints how many images there were, and what was not tried.
func (r *Report) writeImages(p func(format string, a ...any)) {
	p("  images    %d distinct, %d of them with two or more operations in flight; %d kinds of data came back; %d started on again from cold, all the same",
		r.Images, r.ImagesOfTwo, r.Recovered, r.Compared)
	if r.NotJudged > 0 {
		p("  not tried %d of the %d images, for want of time (--for); those that were are spread over the run", r.NotJudged, r.Images)
	}
	saved := fmt.Sprintf("identical images %d; moments at which nothing changed %d", r.States-r.Images, r.Saved.Instants)
	if r.Saved.Partial > 0 {
		saved += fmt.Sprintf("; partial states beyond the triad %d", r.Saved.Partial)
	}
	if r.Saved.Sets > 0 {
		saved += fmt.Sprintf("; sets of the same classes %d", r.Saved.Sets)
	}
	if b, err := BoundByName(r.Bound); err == nil && b.size > 0 && !b.all && r.Saved.Most > b.size {
		saved += fmt.Sprintf("; sets of more than %d of the up to %d micro-operations in play: 2^%d at the fullest moment", b.size, r.Saved.Most, r.Saved.Most)
	}
	p("  saved     %s", saved)
}
