package engine_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/engine"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/engine/spec"
)

// coverage is what the comparison with redis-server has tried.
type coverage struct {
	Seeds map[string]bool // that are done
	// Commands by name ("object|encoding") and the state of their first key.
	Commands map[string]map[string]*tried
	// Excused are replies that differed as an excuse allows, by its command.
	Excused map[string]int
	// Unordered are replies that were equal but for the order of elements that
	// redis-server's hash seed makes.
	Unordered int
	Times     int // in logs, that differed by the time between two commands
}

// tried counts the runs of a command, and those that were no error.
type tried struct{ Runs, Succeeded int }

// least is what the proof at length must reach.
const (
	leastRuns    = 200 // of each command, in each of leastStates states of its first key
	leastStates  = 3
	leastSuccess = 0.60
	mostExcused  = 0.005
	mostExcuses  = 10
)

func newCoverage() *coverage {
	return &coverage{Seeds: map[string]bool{}, Commands: map[string]map[string]*tried{}, Excused: map[string]int{}}
}

// loadCoverage takes up what a file says of an earlier run, if there is one.
func loadCoverage(file string) (*coverage, error) {
	c := newCoverage()
	text, err := os.ReadFile(file)
	if file == "" || os.IsNotExist(err) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(text, c)
	}
	return c, err
}

func (c *coverage) save(file string) error {
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(c, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

// add takes over what another has counted.
func (c *coverage) add(o *coverage) {
	for name, states := range o.Commands {
		for state, n := range states {
			t := c.at(name, state)
			t.Runs += n.Runs
			t.Succeeded += n.Succeeded
		}
	}
	for name, n := range o.Excused {
		c.Excused[name] += n
	}
	c.Unordered += o.Unordered
	c.Times += o.Times
}

func (c *coverage) at(name, state string) *tried {
	if c.Commands[name] == nil {
		c.Commands[name] = map[string]*tried{}
	}
	if c.Commands[name][state] == nil {
		c.Commands[name][state] = &tried{}
	}
	return c.Commands[name][state]
}

func (c *coverage) count(a asked, reply string) {
	t := c.at(commandName(a.argv), a.state)
	t.Runs++
	if reply[0] != '-' {
		t.Succeeded++
	}
}

// total is how many commands were compared, and how many succeeded.
func (c *coverage) total() (runs, succeeded int) {
	for _, states := range c.Commands {
		for _, n := range states {
			runs += n.Runs
			succeeded += n.Succeeded
		}
	}
	return runs, succeeded
}

// groups are the commands' groups of COMMAND DOCS, with the type of key that they are for.
var groups = func() map[string]string {
	out := map[string]string{}
	for name, d := range spec.Docs() {
		out[name] = d.Group
	}
	return out
}()

// groupKinds are the types whose keys the commands of a group are for; of the
// others any key is right.
var groupKinds = map[string]string{
	"string": "string", "bitmap": "string", "hyperloglog": "string", "list": "list", "hash": "hash",
	"set": "set", "sorted-set": "zset", "geo": "zset", "stream": "stream",
}

// commandName is a command's or subcommand's name in package spec.
func commandName(argv []string) string {
	name := strings.ToLower(argv[0])
	if len(argv) > 1 {
		if sub := name + "|" + strings.ToLower(argv[1]); groups[sub] != "" {
			return sub
		}
	}
	return name
}

// isKey reports whether an argument is a key's name.
func isKey(arg string) bool {
	return slices.Contains(comparedKeys, arg) || strings.HasPrefix(arg, "hll")
}

// state is that of the first key of a command: absent, expired and not deleted
// yet, of a wrong type, or how it is held.
func (p *couple) state(db int, argv []string) string {
	at := slices.IndexFunc(argv[1:], isKey)
	if at < 0 {
		return "no key"
	}
	key := []byte(argv[1+at])
	p.world.env.Enter()
	defer p.world.env.Leave()
	d := p.world.server.Keyspace().DB(db)
	o := d.Get(key)
	if o == nil {
		return "absent"
	}
	if at := d.ExpireAt(key); at != 0 && at < time.Now().UnixMilli() {
		return "expired"
	}
	if kind := groupKinds[groups[commandName(argv)]]; kind != "" && kind != o.Kind.Name() {
		return "wrong type"
	}
	if e := o.Encoding(); e != o.Kind.Name() {
		return o.Kind.Name() + " " + e
	}
	return o.Kind.Name()
}

// expired counts a database's keys that have expired and are not deleted yet.
func (p *couple) expired(db int) (n int) {
	p.world.env.Enter()
	defer p.world.env.Leave()
	now := time.Now().UnixMilli()
	p.world.server.Keyspace().DB(db).Each(func(_ string, _ *keyspace.Object, at int64) bool {
		if at != 0 && at < now {
			n++
		}
		return true
	})
	return n
}

// wanted is a command that has not run often enough in a state of its first key:
// "absent", "own" (its type, in each encoding) or "wrong" (another type).
type wanted struct{ command, state string }

// ownStates is in how many states of "own" a command is wanted, by the type that
// it is for: in each encoding.
var ownStates = map[string]int{"string": 3, "list": 1, "hash": 2, "set": 2, "zset": 2, "stream": 1, "": 11}

// wanted is what to draw more often. A seed's draws depend on it, so that it may
// not change while they are tried again and shrunk.
func (c *coverage) wanted() (out []wanted) {
	for _, name := range comparable() {
		if !hasKeys(name) {
			continue
		}
		runs, own, kind := map[string]int{}, 0, groupKinds[groups[name]]
		for state, n := range c.Commands[name] {
			runs[state] = n.Runs
			switch state {
			case "absent", "expired", "wrong type", "no key", "in a transaction":
			default:
				if n.Runs >= leastRuns {
					own++
				}
			}
		}
		if runs["absent"] < leastRuns {
			out = append(out, wanted{name, "absent"})
		}
		if kind != "" && runs["wrong type"] < leastRuns {
			out = append(out, wanted{name, "wrong"})
		}
		for range ownStates[kind] - own {
			out = append(out, wanted{name, "own"})
		}
	}
	return out
}

// missing says what the proof at length has not reached.
func (c *coverage) missing() (out []string) {
	runs, succeeded := c.total()
	if float64(succeeded) < leastSuccess*float64(runs) {
		out = append(out, fmt.Sprintf("%d of %d commands succeeded, fewer than %.0f %%", succeeded, runs, 100*leastSuccess))
	}
	excused := 0
	for _, n := range c.Excused {
		excused += n
	}
	if float64(excused) > mostExcused*float64(runs) {
		out = append(out, fmt.Sprintf("%d of %d replies are excused, more than %.1f %%", excused, runs, 100*mostExcused))
	}
	if len(excuses) > mostExcuses {
		out = append(out, fmt.Sprintf("%d excuses, more than %d", len(excuses), mostExcuses))
	}
	for _, name := range comparable() {
		enough, all := 0, 0
		for state, n := range c.Commands[name] {
			all += n.Runs
			if n.Runs >= leastRuns && state != "no key" && state != "in a transaction" {
				enough++
			}
		}
		switch {
		case all < leastRuns:
			out = append(out, fmt.Sprintf("%s ran %d times, fewer than %d", name, all, leastRuns))
		case enough < leastStates && hasKeys(name):
			out = append(out, fmt.Sprintf("%s ran %d times in %d states only: %s", name, leastRuns, enough, c.line(name)))
		}
	}
	return out
}

// line is what was counted of one command.
func (c *coverage) line(name string) string {
	var parts []string
	for _, state := range slices.Sorted(maps.Keys(c.Commands[name])) {
		n := c.Commands[name][state]
		parts = append(parts, fmt.Sprintf("%s %d/%d", state, n.Succeeded, n.Runs))
	}
	return strings.Join(parts, ", ")
}

// report is the coverage as text.
func (c *coverage) report() string {
	var b strings.Builder
	runs, succeeded := c.total()
	fmt.Fprintf(&b, "%d commands, %d seeds, %d succeeded (%.1f %%)\n", runs, len(c.Seeds), succeeded, 100*float64(succeeded)/float64(max(runs, 1)))
	fmt.Fprintf(&b, "%d replies were equal but for the order that redis-server's hash seed makes\n", c.Unordered)
	fmt.Fprintf(&b, "%d times in logs differed by the time between two commands\n", c.Times)
	excused := 0
	for _, e := range excuses {
		fmt.Fprintf(&b, "excused %-16s %5d: %s\n", e.command, c.Excused[e.command], e.why)
		excused += c.Excused[e.command]
	}
	fmt.Fprintf(&b, "excused in all   %6d (%.2f %%)\n", excused, 100*float64(excused)/float64(max(runs, 1)))
	for _, name := range slices.Sorted(maps.Keys(c.Commands)) {
		fmt.Fprintf(&b, "%-22s %s\n", name, c.line(name))
	}
	return b.String()
}

// elsewhere are commands of the compared groups that random streams leave out,
// and which test compares them with redis-server instead.
var elsewhere = map[string]string{
	"migrate": "TestMigrate", "randomkey": "TestSameAdministrationAsRedis",
}

// comparable are the names of the commands that must be compared: all that the
// engine has in the groups of data, without HELP.
func comparable() (names []string) {
	add := func(c *spec.Command) {
		group := groups[c.Name]
		data := groupKinds[group] != "" || group == "generic" || group == "transactions"
		if data && elsewhere[c.Name] == "" && engine.Has(c.Name) && !strings.HasSuffix(c.Name, "|help") {
			names = append(names, c.Name)
		}
	}
	for _, c := range spec.Commands() {
		if len(c.Sub) == 0 {
			add(c)
		}
		for _, sub := range c.Sub {
			add(sub)
		}
	}
	return names
}

func hasKeys(name string) bool {
	for _, c := range spec.Commands() {
		if c.Name == name {
			return len(c.Keys) > 0
		}
		for _, sub := range c.Sub {
			if sub.Name == name {
				return len(sub.Keys) > 0
			}
		}
	}
	return false
}
