// Package result is what a run of torntail found: one Result for each
// configuration and crash kind, gathered in a Report. The harness fills it in,
// every report format reads it, and its JSON form is versioned: a file written
// by an older torntail still loads.
//
// All fields that end in MS are milliseconds, as fractions where needed.
package result

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/verdict"
)

// Verdict is what is reported of one configuration under one fault: a word of
// the checkers, or that they were not asked.
type Verdict string

const (
	Holds    = Verdict(verdict.Holds)
	Violated = Verdict(verdict.Violated)
	Unknown  = Verdict(verdict.Unknown) // Result.Why says what was lacking
	// NotApplicable: the fault has nothing to strike in this configuration, or
	// cannot strike on this machine. It was not run.
	NotApplicable Verdict = "n/a"
)

// UnmarshalText accepts the four verdicts and nothing else, so that a misspelt
// verdict in a file is an error and not a silent fifth value.
func (v *Verdict) UnmarshalText(text []byte) error {
	switch w := Verdict(text); w {
	case Holds, Violated, Unknown, NotApplicable:
		*v = w
		return nil
	}
	return fmt.Errorf("verdict %q: expected %q, %q, %q or %q", text, Holds, Violated, Unknown, NotApplicable)
}

// Schema is the version of the JSON form that this package writes. It grows
// when a field changes its meaning or goes away, not when one is added.
const Schema = 1

// Report is everything one command found.
type Report struct {
	Schema   int       `json:"schema"`
	Torntail string    `json:"torntail"` // version of torntail
	Command  string    `json:"command"`  // as it would be typed again
	Seed     uint64    `json:"seed"`
	Started  time.Time `json:"started"`
	ElapsedS float64   `json:"elapsed_s"`
	Machine  Machine   `json:"machine"`
	Results  []Result  `json:"results"`
	Policies *Policies `json:"policies,omitempty"` // what the modes cost, where that was measured
	Claims   []Claim   `json:"claims,omitempty"`   // of a suite that puts claims to the test
	Suite    *Suite    `json:"suite,omitempty"`    // nil: no suite
}

// Machine is where the run took place, as far as it can matter for its figures.
type Machine struct {
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	CPUs       int    `json:"cpus"`
	Kernel     string `json:"kernel,omitempty"`
	FileSystem string `json:"file_system,omitempty"` // of the directory where the server's files were
}

// Result is what was found for one target in one mode under one crash kind.
type Result struct {
	Target      string   `json:"target"`            // "engine", "redis-server", or a path
	Version     string   `json:"version"`           // of the target
	Package     string   `json:"package,omitempty"` // it comes from, and its hash; "": not out of an archive
	Backend     string   `json:"backend"`           // "sim", "process", "block"
	Mode        string   `json:"mode"`              // "always", "everysec", ...
	Directives  []string `json:"directives"`        // what the mode sets, as lines of redis.conf
	Crash       string   `json:"crash"`             // "kill", "power", "power-in-fsync", ...
	Workload    string   `json:"workload"`          // name
	Personality string   `json:"personality"`       // of the disk; "" on the host's own

	ElapsedS float64 `json:"elapsed_s,omitempty"` // that its runs took, side by side; 0: not known

	Runs   int `json:"runs"`
	Struck int `json:"struck"` // crashes that really happened as asked

	Acknowledged int64 `json:"acknowledged"` // writes, over all runs
	Lost         int64 `json:"lost"`         // of these, certainly lost
	LostMax      int64 `json:"lost_max"`     // most in one run

	LossWindow *LossWindow `json:"loss_window_ms,omitempty"` // nil when nothing struck
	Bounds     []Bound     `json:"bounds_ms,omitempty"`
	SpanMS     float64     `json:"span_ms"` // how long clients wrote in one run, at most
	Rate       float64     `json:"rate"`    // acknowledged writes a second, in one run

	Samples *Samples `json:"samples,omitempty"` // the crashes one by one; nil when they are not known

	// NotServed counts the crashes after which the server never served again, and
	// OutOfReach the acknowledged writes of those: they are neither kept nor lost.
	NotServed  int   `json:"not_served,omitempty"`
	OutOfReach int64 `json:"out_of_reach,omitempty"`
	// Outside are the runs that say nothing about the server, for the machine or somebody
	// else ended them; nil: none.
	Outside *Outside `json:"outside,omitempty"`

	// Damage is what the plan did to files at rest, and what is gone by it, which is in no
	// figure of the crash kind; nil: nothing.
	Damage *Damage `json:"damage,omitempty"`

	// Evicted counts the keys that the server deleted to make room, over all runs.
	Evicted int64 `json:"evicted,omitempty"`
	// RefusedWrites are those that the server answered it does not take for now; nil: none.
	RefusedWrites *RefusedWrites `json:"refused_writes,omitempty"`

	// Unstruck are the statements of a plan that was asked for and that did not strike
	// in some run, in the order in which they were first seen.
	Unstruck []Unstruck `json:"unstruck,omitempty"`

	// OwnEnds are the ways in which the server ended by itself, before any crash struck it.
	OwnEnds []OwnEnd `json:"own_ends,omitempty"`

	Anomalies  map[string]int `json:"anomalies,omitempty"` // name: runs in which it was seen
	Recovery   Recovery       `json:"recovery"`
	RecoveryMS *RecoveryTime  `json:"recovery_ms,omitempty"`
	Findings   map[string]int `json:"findings,omitempty"` // known findings, name: runs in which it was seen
	Causes     *Causes        `json:"causes,omitempty"`   // nil: no finding names one
	Witness    *Witness       `json:"witness,omitempty"`  // nil when it was not asked

	// Compared counts the crashes after which a state was read and compared with what was
	// promised: those that the verdict stands on. Strength is what they prove of a
	// result that holds: with 95 % certainty fewer than this share of crashes break the
	// contract, 0 to 1.
	Compared int     `json:"compared,omitempty"`
	Strength float64 `json:"strength,omitempty"`

	Verdict Verdict `json:"verdict"`
	// Why says what an unknown verdict lacked, or why the pair is not applicable.
	Why      string    `json:"why,omitempty"`
	Failures []Failure `json:"failures,omitempty"`

	Cell     string    `json:"cell,omitempty"`     // its name in the suite that it belongs to
	Expected *Expected `json:"expected,omitempty"` // what the suite expects of it
}

// Causes are the runs that broke the contract, by the known finding that names the cause of
// that, and those of which none does.
type Causes struct {
	Named   map[string]int `json:"named"`
	Unnamed int            `json:"unnamed,omitempty"`
}

// Outside are runs that were lost to something outside the server, and what the first was
// lost to.
type Outside struct {
	Runs int    `json:"runs"`
	Why  string `json:"why"`
}

// MostOutside is the share of runs that may be lost so before the command as a whole has
// failed for lack of what it needs.
const MostOutside = 0.01

// LostOutside says that too many runs were lost to something outside the server; "" when
// they were not.
func LostOutside(results []Result) string {
	lost, runs, why := 0, 0, ""
	for i := range results {
		r := &results[i]
		if runs += r.Runs; r.Outside != nil {
			lost += r.Outside.Runs
			why = cmp.Or(why, r.Outside.Why)
		}
	}
	if float64(lost) <= MostOutside*float64(runs) {
		return ""
	}
	return fmt.Sprintf("%d of %d runs were lost to something outside the server: %s", lost, runs, why)
}

// Unstruck is a statement of a plan that did not strike.
type Unstruck struct {
	Statement string `json:"statement"`
	Why       string `json:"why"`
	Runs      int    `json:"runs"` // in how many it did not, for this reason
}

func (u *Unstruck) String() string { return fmt.Sprintf("%q did not strike: %s", u.Statement, u.Why) }

// Damage is what a plan did to files at rest.
type Damage struct {
	Crashes int   `json:"crashes"` // after which it did
	Files   int   `json:"files"`
	Lost    int64 `json:"lost"` // acknowledged writes that were not there afterwards
}

// RefusedWrites are writes that were refused for now (MISCONF, NOREPLICAS, OOM).
type RefusedWrites struct {
	Writes    int64   `json:"writes"`
	Runs      int     `json:"runs"`       // in which there were any
	LongestMS float64 `json:"longest_ms"` // for which none was taken, at a stretch, in any run
}

// OwnEnd is a way in which a server ended by itself.
type OwnEnd struct {
	How  EndKind `json:"how"`
	Why  string  `json:"why"`
	Runs int     `json:"runs"`
}

// EndKind is what it counts as that a server has ended by itself.
type EndKind string

const (
	EndRight       EndKind = "right"       // what it promises to do when its disk fails it
	EndAllowed     EndKind = "allowed"     // its disk had failed it, or the plan asked for it
	EndWrong       EndKind = "wrong"       // nothing had failed it
	EndUnexplained EndKind = "unexplained" // nobody knows, or the cause was not the server's
)

// Explained reports whether it is none of the server's faults.
func (e *OwnEnd) Explained() bool { return e.How == EndRight || e.How == EndAllowed }

func (e *OwnEnd) String() string {
	switch e.How {
	case EndRight, EndAllowed:
		return fmt.Sprintf("%s, which is %s", e.Why, e.How)
	case EndWrong:
		return "though nothing had failed it: " + e.Why
	}
	return "which nothing on record explains: " + e.Why
}

// StrengthOf is the upper bound at 95 % of a share that was seen in none of n: the n-th root
// of 5 % is what is left (Clopper and Pearson 1934; about 3/n).
func StrengthOf(n int) float64 {
	if n <= 0 {
		return 1
	}
	return math.Round((1-math.Pow(0.05, 1/float64(n)))*1e6) / 1e6
}

// NeverServed reports whether the server came back after none of the crashes: nothing
// can be compared, and nothing is proved.
func (r *Result) NeverServed() bool { return r.Struck > 0 && r.NotServed == r.Struck }

// MS is a duration in milliseconds, to the microsecond.
func MS(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}

// Names of bounds.
const (
	Documented = "documented" // what the product's documentation promises
	Source     = "source"     // what its source code allows
	Modelled   = "modelled"   // a parameter of our disk model, not a measurement
)

// Bound is a figure that the loss window is compared with.
type Bound struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

// Bound returns the bound of that name.
func (r *Result) Bound(name string) (ms float64, ok bool) {
	for _, b := range r.Bounds {
		if b.Name == name {
			return b.Value, true
		}
	}
	return 0, false
}

// OverDocumented reports whether a result that holds lost more than the
// documented figure: allowed by the product's source, not by its documentation.
func (r *Result) OverDocumented() bool {
	ms, ok := r.Bound(Documented)
	return ok && r.Verdict == Holds && r.LossWindow != nil && r.LossWindow.Max > ms
}

// Recovery counts how the server came back after the crashes that struck.
type Recovery struct {
	ByItself int `json:"by_itself"`
	Repaired int `json:"repaired"` // the product's own tool was needed
	Refused  int `json:"refused"`  // it would not start, repaired or not
}

// Witness counts the runs that porcupine judged as well: a share of all that is
// drawn, and the first that were violated.
type Witness struct {
	Asked      int `json:"asked"`
	Unanswered int `json:"unanswered"` // of some key it said nothing within the steps it was granted
	Disagreed  int `json:"disagreed"`  // torntail's own failure, see Exit
}

// Add counts one run.
func (w *Witness) Add(asked, unanswered, disagreed bool) {
	if asked {
		w.Asked++
	}
	if unanswered {
		w.Unanswered++
	}
	if disagreed {
		w.Disagreed++
	}
}

// RecoveryTime is how long it took from the restart until it served.
type RecoveryTime struct {
	P50 float64 `json:"p50"`
	Max float64 `json:"max"`
}

// Failure is one run that violated the contract, or a run that shows a finding.
type Failure struct {
	Seed uint64 `json:"seed"`
	Plan string `json:"plan"` // plan text
	Dir  string `json:"dir"`  // what torntail replay takes

	Anomaly string `json:"anomaly,omitempty"` // its name
	Finding string `json:"finding,omitempty"` // the finding it shows, when it is no violation
	Story   string `json:"story,omitempty"`   // what happened, in words

	Shrunk *Shrunk `json:"shrunk,omitempty"` // the same anomaly in less to read, if there is one
}

// Shrunk is a small experiment that shows the anomaly of a failure.
type Shrunk struct {
	Dir        string `json:"dir"`        // what torntail replay takes
	Plan       string `json:"plan"`       // plan text
	Faults     int    `json:"faults"`     // statements of the plan
	Operations int    `json:"operations"` // begun by clients
}

func (s *Shrunk) String() string {
	plural := func(n int) string {
		if n == 1 {
			return ""
		}
		return "s"
	}
	return fmt.Sprintf("%d fault%s and %d operation%s", s.Faults, plural(s.Faults), s.Operations, plural(s.Operations))
}

// ReplayCommand is what a user types to see it.
func (s *Shrunk) ReplayCommand() string { return "torntail replay " + shellQuote(s.Dir) }

// ReplayCommand is what a user types to see the failure again, of a target.
func (f *Failure) ReplayCommand(target string) string {
	switch {
	case f.Dir == "":
		return ""
	case Named(target):
		return "torntail replay " + shellQuote(f.Dir)
	}
	return "torntail replay " + shellQuote(f.Dir) + " --target " + shellQuote(target)
}

// Targets are those that a file of results may name: what else it names, a path above all,
// is not run because a file says so.
var Targets = []string{"engine", "redis-server", "valkey-server"}

// Named reports whether a target is one that a file of results may name; "" is the engine.
func Named(target string) bool {
	if versions := Versions(target); len(versions) > 1 {
		return !slices.ContainsFunc(versions, func(t string) bool { return !Named(t) })
	}
	return target == "" || slices.Contains(Targets, target) || Archived(target)
}

// then stands between targets that follow each other on the same files.
const then = " then "

// Versions are the targets that follow each other on the same files, of "redis-7.0 then
// redis-8.0"; most targets are one.
func Versions(target string) []string { return strings.Split(target, then) }

// Then is the target of several that follow each other.
func Then(targets ...string) string { return strings.Join(targets, then) }

// archived matches the names of servers that torntail itself has unpacked.
var archived = regexp.MustCompile(`^(redis|valkey)-[0-9]+(\.[0-9]+){1,2}$`)

// Archived reports whether a target has the name of a server of torntail servers, such as
// valkey-9.1 or redis-8.0.6.
func Archived(target string) bool { return archived.MatchString(target) }

// CommandLine is a command as it would be typed into a POSIX shell.
func CommandLine(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = shellQuote(a)
	}
	return strings.Join(words, " ")
}

// shellQuote quotes s for a POSIX shell where it needs quoting.
func shellQuote(s string) string {
	plain := len(s) > 0
	for i := 0; i < len(s) && plain; i++ {
		c := s[i]
		plain = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			c == '/' || c == '.' || c == '-' || c == '_' || c == ':' || c == '+' || c == '=' || c == ',' || c == '@'
	}
	if plain {
		return s
	}
	quoted := []byte{'\''}
	for i := 0; i < len(s); i++ {
		if s[i] == '\'' {
			quoted = append(quoted, `'\''`...)
			continue
		}
		quoted = append(quoted, s[i])
	}
	return string(append(quoted, '\''))
}
