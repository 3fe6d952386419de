package redis

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/bounded"
	"github.com/torntail/torntail/internal/spelling"
)

// Own are the directives on which an experiment itself depends: where the
// server listens and writes, who may command it, and whose replica it is.
var Own = []string{
	"port", "tls-port", "bind", "unixsocket", "dir", "daemonize", "logfile", "syslog-enabled", "supervised", "pidfile",
	"appendfilename", "appenddirname", "dbfilename", "replicaof", "slaveof", "cluster-enabled", "protected-mode",
}

// Owns implements product.Owner.
func (store) Owns(directive string) bool { return slices.Contains(Own, directive) }

func decided(name string) error { return fmt.Errorf("torntail decides on %s itself", name) }

// Check implements product.Store.
func (store) Check(d product.Directive) error {
	if slices.Contains(Own, d.Name) {
		return decided(d.Name)
	}
	if why := unfit(d.Name, d.Value); why != "" {
		return fmt.Errorf("%s is not taken: %s", d.Name, why)
	}
	err := config.Default().Set(d.Name, d.Arguments()...)
	if err != nil {
		err = fmt.Errorf("directive %q: %w", d.String(), err)
	}
	var unknown *config.UnknownError
	if !errors.As(err, &unknown) {
		return err
	}
	var names []string
	config.Default().Each(func(name, _ string) { names = append(names, name) })
	if near := spelling.Nearest(d.Name, names); near != "" {
		return fmt.Errorf("%q is no directive of redis.conf: did you mean %q?", d.Name, near)
	}
	return err
}

// maxIncludes bounds how deep includes nest, so that a file that includes itself is an error.
const maxIncludes = 16

// mostIncludes bounds how many there are: one that includes itself twice would be without
// end, however deep they may nest.
const mostIncludes = 1000

// described ends what is said of a directive that a target file can carry out.
const described = "; leave the line out, or describe the server in a target file (docs/targets.md)"

// unfit is why no experiment takes a directive; "" where one does. Half of one taken is
// another server.
func unfit(name, value string) string {
	switch name {
	case "rename-command":
		return "torntail asks for commands by their own names" + described
	case "loadmodule":
		return "a module may do anything" + described
	case "user", "aclfile":
		return "torntail and its clients speak as the default user, who may do everything"
	case "requirepass", "masterauth", "masteruser":
		if value != "" {
			return "torntail and its clients give no password" + described
		}
	case "tls-port":
		if value != "0" {
			return "torntail and its clients speak without TLS" + described
		}
	case "cluster-enabled":
		if !strings.EqualFold(value, "no") {
			return "a node of Redis Cluster serves its slots alone, and torntail's clients ask for all keys"
		}
	}
	return ""
}

// notAlone is why a directive is not taken for a server that stands alone.
func notAlone(name, value string) string {
	if (name == "replicaof" || name == "slaveof") && !strings.EqualFold(value, "no one") {
		return "a replica's data are its master's; leave the line out to test the server alone (torntail splitbrain has masters and replicas)"
	}
	return unfit(name, value)
}

// conf is what a redis.conf says.
type conf struct {
	included int // files, so far
	product.Conf
	own   []string                        // names of lines that an experiment decides on itself
	unfit func(name, value string) string // why a line is not taken
	// cluster: for several servers, of which nobody tells what they evict
	cluster bool
}

// ErrEvicts is why a server is not taken that evicts keys where nobody listens to what it
// tells of them: what is gone then cannot be told from what was lost.
var ErrEvicts = errors.New("maxmemory beside a maxmemory-policy that evicts: evicted keys cannot be told from lost ones; want noeviction")

// Evicts reports whether a server with these directives evicts keys.
func Evicts(list []product.Directive) bool {
	m := product.Mode{Directives: list}
	limit, policy := m.Get("maxmemory"), m.Get("maxmemory-policy")
	return strings.Trim(limit, "0bkmgBKMG") != "" && policy != "" && !strings.EqualFold(policy, "noeviction")
}

// ReadConf implements product.Store: a file in redis.conf's syntax, includes and all.
// foreign says that the server may know directives which the engine does not;
// what it knows too is checked all the same.
func (store) ReadConf(file string, foreign bool) (*product.Conf, error) {
	return readConf(file, foreign, conf{own: Own, unfit: notAlone})
}

// ReadConf is that for an experiment with clusters, which decides on directives of its own.
func ReadConf(file string, foreign bool, own []string) (*product.Conf, error) {
	return readConf(file, foreign, conf{own: own, unfit: unfit, cluster: true})
}

func readConf(file string, foreign bool, c conf) (_ *product.Conf, err error) {
	c.File = file
	if err = c.read(file, foreign, 0); err == nil {
		c.Mode, err = c.mode()
	}
	return &c.Conf, err
}

func (c *conf) read(file string, foreign bool, depth int) error {
	text, err := bounded.Text(file, "a redis.conf")
	if err != nil {
		return err
	}
	for i, line := range bytes.Split(text, []byte("\n")) {
		words, err := config.SplitArgs(strings.TrimSpace(string(line)))
		fail := func(why string) error { return fmt.Errorf("%s:%d: %s", file, i+1, why) }
		switch {
		case err != nil:
			return fail("quotes that do not end")
		case len(words) == 0 || strings.HasPrefix(words[0], "#"):
			continue
		}
		name, args := strings.ToLower(words[0]), words[1:]
		if name == "include" && len(args) == 1 {
			if depth == maxIncludes {
				return fail("includes nest too deep")
			}
			if c.included++; c.included > mostIncludes {
				return fail(fmt.Sprintf("more than %d files are included", mostIncludes))
			}
			if err := c.read(args[0], foreign, depth+1); err != nil {
				return fmt.Errorf("%s:%d: include: %w", file, i+1, err)
			}
			continue
		}
		d := product.Directive{Name: name, Value: strings.Join(args, " ")}
		if why := c.unfit(name, d.Value); why != "" {
			return fail(fmt.Sprintf("%s is not taken: %s", name, why))
		}
		if slices.Contains(c.own, name) {
			c.Overridden = append(c.Overridden, product.ConfLine{File: file, Line: i + 1, Directive: d})
			continue
		}
		if slices.ContainsFunc(args, func(a string) bool { return strings.ContainsAny(a, " \t\r\n") }) {
			return fail(fmt.Sprintf("%s has a value with blanks in it, which no experiment takes", name))
		}
		var unknown *config.UnknownError
		if err := config.Default().Set(name, args...); err != nil && !(foreign && errors.As(err, &unknown)) {
			if errors.As(err, &unknown) {
				return fail(fmt.Sprintf("%q is no directive of redis.conf", name))
			}
			return fail(fmt.Sprintf("%s: %v", d, err))
		}
		c.add(d)
		if strings.HasPrefix(name, "maxmemory") && Evicts(c.Directives) {
			if c.Evicts = fmt.Sprintf("%s:%d", file, i+1); c.cluster {
				return fail(ErrEvicts.Error())
			}
		}
	}
	return nil
}

// add appends a directive. Save lines add up to one, as they do for a server;
// an empty one forgets those before it.
func (c *conf) add(d product.Directive) {
	if d.Name == "save" {
		for i := range c.Directives {
			if have := &c.Directives[i]; have.Name == "save" {
				if d.Value != "" && have.Value != "" {
					d.Value = have.Value + " " + d.Value
				}
				have.Value = d.Value
				return
			}
		}
	}
	c.Directives = append(c.Directives, d)
}

// mode is the mode that the file amounts to.
func (c *conf) mode() (product.Mode, error) {
	conf := config.Default()
	for _, d := range c.Directives {
		var unknown *config.UnknownError
		if err := conf.Set(d.Name, d.Arguments()...); err != nil && !errors.As(err, &unknown) {
			return product.Mode{}, fmt.Errorf("%s: directive %q: %w", c.File, d, err)
		}
	}
	m, err := ModeByName(presetOf(conf))
	if err != nil {
		return m, err
	}
	m.Directives = c.Directives
	if !m.AOF && m.RDB {
		m = paced(m, conf.Save)
	}
	return m, nil
}

// presetOf is the name of the preset that keeps its data as a configuration does.
func presetOf(c *config.Config) string {
	switch {
	case !c.AppendOnly && len(c.Save) == 0:
		return "none"
	case !c.AppendOnly:
		return "rdb"
	case c.AppendFsync == config.Always && c.AofUseRdbPreamble:
		return "hybrid-always"
	case c.AppendFsync == config.Always:
		return "always"
	case c.AppendFsync == config.No:
		return "no"
	case len(c.Save) > 0:
		return "everysec+rdb"
	case c.AofUseRdbPreamble:
		return "hybrid"
	}
	return "everysec"
}

// How long a run of snapshots may be, and how many operations it should have.
const (
	longestPaced = 50 * time.Minute
	pacedOps     = 2500
)

// paced is the mode with a period, a span and a rate that suit its save points:
// the clients write for four times as long as the shortest one needs which they
// can afford to fill.
func paced(m product.Mode, points []config.SavePoint) product.Mode {
	best := longestPaced
	for _, p := range points {
		after := time.Duration(p.Seconds) * time.Second
		// Three quarters of the operations write; twice as many as needed, so that
		// the number of changes is there well before the time is.
		need := 2 * float64(p.Changes) / after.Seconds() / 0.75
		if need*4*after.Seconds() <= 4*pacedOps && after < best {
			best = after
		}
	}
	// "More than N seconds" on a clock of whole seconds, and the snapshot itself.
	m.Period = min(best+2*time.Second, longestPaced/4)
	m.Span = 4 * m.Period
	m.Rate = max(1, float64(pacedOps)/m.Span.Seconds())
	for _, p := range points {
		if time.Duration(p.Seconds)*time.Second == best {
			m.Rate = max(m.Rate, 2*float64(p.Changes)/best.Seconds()/0.75)
		}
	}
	return m
}
