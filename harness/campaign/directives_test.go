package campaign

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/reports/result"
)

// settings are the directives of one server that have an effect on the engine, and values
// of each; along are those without which one has no effect: they are drawn along with it.
var settings, along = func() (values, with map[string][]string) {
	values, with = map[string][]string{}, map[string][]string{}
	for _, t := range redis.Store.Settings() {
		values[t.Name], with[t.Name] = t.Values, t.With
	}
	return values, with
}()

// wants are directives that have an effect in other experiments than most: what makes one
// of those of it, and in which part of the experiments that have the directive.
var wants = map[string]struct {
	one  int // of so many
	make func(x *experiment.Experiment)
}{
	// A child syncs every 4 MiB that it has written, from the second on.
	"aof-rewrite-incremental-fsync": {300, large},
	"rdb-save-incremental-fsync":    {300, large},
	"stop-writes-on-bgsave-error": {2, func(x *experiment.Experiment) {
		p, err := plan.Parse("plan 1\nat 0s: fail n1 write(temp-*.rdb) ENOSPC for 3 calls")
		if err != nil {
			panic(err)
		}
		x.Plan.Statements = append(p.Statements, x.Plan.Statements...)
	}},
}

func large(x *experiment.Experiment) { x.Workload.Ops, x.Workload.ValueSize = 60, 600<<10 }

// settled are the directives that the engine obeys and that are not drawn, each with why.
var settled = map[string]string{
	"appendonly": "the mode", "appendfsync": "the mode",
	"appendfilename": files, "appenddirname": files, "dbfilename": files, "dir": files,
	"port": clients, "bind": clients, "unixsocket": clients, "unixsocketperm": clients, "always-show-logo": telling, "bind-source-addr": clients, "maxclients": clients, "maxmemory-clients": clients, "requirepass": clients, "acl-pubsub-default": clients, "acllog-max-len": telling, "tracking-table-max-keys": telling, "latency-tracking": telling, "latency-tracking-info-percentiles": telling, "aclfile": clients,
	"enable-debug-command": clients, "enable-protected-configs": clients, "proto-max-bulk-len": clients,
	"client-query-buffer-limit": clients, "client-output-buffer-limit": clients, "databases": clients,
	"loglevel": telling, "logfile": telling, "latency-monitor-threshold": telling,
	"slowlog-log-slower-than": telling, "slowlog-max-len": telling, "timeout": clients,
	"repl-backlog-size": replicas, "repl-backlog-ttl": replicas, "repl-timeout": replicas, "repl-ping-replica-period": replicas,
	"repl-diskless-sync": replicas, "repl-diskless-sync-delay": replicas, "repl-diskless-sync-max-replicas": replicas,
	"min-replicas-to-write": replicas, "min-replicas-max-lag": replicas, "replica-read-only": replicas,
	"replica-serve-stale-data": replicas, "replica-announce-ip": replicas, "replica-announce-port": replicas,
	"replica-announced": replicas, "replica-priority": replicas, "replicaof": replicas, "masterauth": replicas,
	"masteruser": replicas, "rdb-del-sync-files": replicas,
	"key-load-delay": loading, "loading-process-events-interval-bytes": loading,
	"shutdown-timeout": replicas, "shutdown-on-sigint": "the harness sends SIGTERM", "shutdown-on-sigterm": "what SIGTERM promises is the mode's",
	"zset-max-listpack-entries": types, "zset-max-listpack-value": types, "stream-node-max-bytes": types,
	"stream-node-max-entries": types, "hll-sparse-max-bytes": types,
	"active-expire-effort":        "no workload has more expiring keys than one step of the cycle looks at",
	"propagation-error-behavior":  "no log is made that is an error to load",
	"set-max-intset-entries":      "no workload has sets of integers",
	"list-max-listpack-size":      "DEBUG OBJECT alone tells it",
	"notify-keyspace-events":      "no workload subscribes",
	"lazyfree-lazy-user-del":      "no workload sets what is past its time at once",
	"busy-reply-threshold":        "no workload has a script that takes long",
	"maxmemory-eviction-tenacity": "evicting takes no simulated time",
	"replica-ignore-maxmemory":    replicas, "repl-diskless-load": replicas, "replica-ignore-disk-write-errors": replicas,
	"cluster-enabled": nodes, "cluster-config-file": nodes, "cluster-node-timeout": nodes, "cluster-port": nodes,
	"cluster-announce-ip": nodes, "cluster-announce-hostname": nodes, "cluster-announce-port": nodes, "cluster-announce-bus-port": nodes,
	"cluster-preferred-endpoint-type": nodes, "cluster-require-full-coverage": nodes, "cluster-allow-reads-when-down": nodes, "cluster-allow-pubsubshard-when-down": nodes,
	"cluster-allow-replica-migration": nodes, "cluster-migration-barrier": nodes, "cluster-replica-no-failover": nodes, "cluster-replica-validity-factor": nodes,
	"cluster-link-sendbuf-limit": nodes,
	"lfu-decay-time":             "what values remember of their use is not judged", "lfu-log-factor": "what values remember of their use is not judged",
}

const (
	files    = "where files are is the harness's to say"
	clients  = "whom the server listens to, and how much it takes; not what it promises"
	telling  = "what the server tells, not what it promises"
	replicas = "no effect without a replica; torntail splitbrain has clusters"
	loading  = "how long a start takes, and whom it lets in; not what is loaded"
	nodes    = "no effect outside of Redis Cluster, of which no experiment is"
	types    = "no workload has such keys"
)

// TestDirectivesAreDrawn: every directive that the engine obeys is drawn, or left out for
// a reason.
func TestDirectivesAreDrawn(t *testing.T) {
	obeyed := config.Obeyed()
	for _, name := range obeyed {
		_, drawn := settings[name]
		require.NotEqual(t, drawn, settled[name] != "", "%s: drawn, or left out with a reason", name)
	}
	for name := range settings {
		require.Contains(t, obeyed, name, "it has no effect")
	}
	for name := range settled {
		require.Contains(t, obeyed, name, "it has no effect")
	}
}

// stretch is what came of some of the experiments that TestNoFalseAlarmWhateverIsSet
// draws, as it stands in the log of a run that was stopped.
type stretch struct {
	From    int            `json:"from"`
	To      int            `json:"to"`
	Struck  int            `json:"struck"`
	Unknown int            `json:"unknown"`
	Why     map[string]int `json:"why,omitempty"`    // how often what was not known
	Alarms  []string       `json:"alarms,omitempty"` // of what was violated, what it was
}

// stretchLength is how many experiments are put on record at once.
const stretchLength = 5000

// TestNoFalseAlarmWhateverIsSet: the clean engine keeps its contract with any directives
// that have an effect. TORNTAIL_EXPERIMENTS is how many are tried, TORNTAIL_PROGRESS a
// file that remembers those that are done.
func TestNoFalseAlarmWhateverIsSet(t *testing.T) {
	total := wanted(t, "TORNTAIL_EXPERIMENTS", 1500)
	before := debug.SetGCPercent(400) // as torntail does
	t.Cleanup(func() { debug.SetGCPercent(before) })
	var all stretch
	all.Why = map[string]int{}
	take := func(s stretch) {
		all.To, all.Struck, all.Unknown = s.To, all.Struck+s.Struck, all.Unknown+s.Unknown
		for why, n := range s.Why {
			all.Why[why] += n
		}
		for _, alarm := range s.Alarms {
			t.Error(alarm)
		}
	}
	var file *os.File
	if path := os.Getenv("TORNTAIL_PROGRESS"); path != "" {
		var err error
		file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
		require.NoError(t, err)
		defer file.Close()
		lines := bufio.NewScanner(file)
		for lines.Buffer(nil, 64<<20); lines.Scan(); {
			var s stretch
			if json.Unmarshal(lines.Bytes(), &s) == nil && s.From == all.To { // the last line may be torn
				take(s)
			}
		}
		require.NoError(t, lines.Err())
	}
	b := Simulation()
	pool, err := NewPool(b, b.Parallel(nil))
	require.NoError(t, err)
	defer pool.Close()
	for all.To < total {
		s := whateverIsSet(t, pool, all.To, min(total, all.To+stretchLength))
		take(s)
		if file != nil {
			line, err := json.Marshal(s)
			require.NoError(t, err)
			_, err = file.Write(append(line, '\n'))
			require.NoError(t, err)
			t.Logf("%d of %d experiments, %d crashes struck, %d unknown", all.To, total, all.Struck, all.Unknown)
		}
	}
	t.Logf("%d experiments, %d crashes struck, %d unknown %v", total, all.Struck, all.Unknown, all.Why)
	require.Greater(t, all.Struck, total*7/10, "too few crashes struck")
	require.LessOrEqual(t, all.Unknown, max(1, total/50), "too many could not be judged")
}

// nothing is what most experiments need beyond their directives.
func nothing(*experiment.Experiment) {}

// whateverIsSet makes the experiments from one number to another.
func whateverIsSet(t *testing.T, pool *Pool, from, to int) stretch {
	draw := newDrawing(t)
	s := stretch{From: from, To: to, Why: map[string]int{}}
	err := pool.Run(context.Background(), Simulation().Parallel(nil), to-from, func(n int) *experiment.Experiment {
		number := uint64(from + n)
		d := seeding.NewDraws(seeding.Derive(draw.Seed, number, 1))
		var set []product.Directive
		suit := nothing
		for range 1 + d.Below(3) {
			name := draw.names[d.Below(len(draw.names))]
			set = append(set, alongWith(name, d)...)
			set = append(set, product.Directive{Name: name, Value: valueOf(name, d)})
			if w := wants[name]; w.one > 0 && d.Below(w.one) == 0 {
				suit = w.make
			}
		}
		x := draw.experiment(number, set...)
		suit(x)
		return x
	}, func(x *experiment.Experiment, o *experiment.Outcome) error {
		if !o.Struck {
			return nil
		}
		s.Struck++
		switch o.Verdict {
		case result.Unknown:
			s.Unknown++
			s.Why[kindOf(o.Why)]++
		case result.Violated:
			if !alarmed(x, o) {
				return nil
			}
			var set []string
			for _, d := range x.Mode.Directives[max(0, len(x.Mode.Directives)-9):] {
				set = append(set, d.String())
			}
			what := fmt.Sprintf("%s %s %s %s %s seed %d, %s", x.Mode.Name, x.Crash, x.Personality, x.Profile, x.Workload.Name, x.Seed, strings.Join(set, ", "))
			s.Alarms = append(s.Alarms, fmt.Sprintf("%s: %s\n%s\n%s", what, o.Anomalies[0].Name, o.Anomalies[0].Story, x.Plan))
		}
		return nil
	})
	require.NoError(t, err)
	return s
}

// drawing draws experiments of all modes, crashes, disks, profiles and workloads.
type drawing struct {
	*Campaign
	pairs                              [][2]int // of modes and crashes
	names                              []string // of settings, sorted
	personalities, profiles, workloads []string
}

func newDrawing(t *testing.T) *drawing {
	c := campaignOf(t, 17, 1, modeNames(), crashNames())
	return &drawing{
		Campaign: c, pairs: pairs(c), names: slices.Sorted(maps.Keys(settings)),
		personalities: []string{"ext4", "ext4-dioread-lock", "ext4-journal", "xfs", "btrfs", "prefix", "posix"},
		profiles:      []string{"cloud-ssd", "nvme", "hdd", "cloud-ssd-stall"},
		workloads:     []string{"registers", "mixed", "transactions", "lists", "sets", "hashes"},
	}
}

// wholeSpan: one in so many experiments lasts as long as its mode may. In the others the
// crash comes within the first quarter of the time in which it may, so that there are twice
// as many of them: what a directive does it has done by then, see TestDirectivesStrike.
const wholeSpan = 8

// experiment is one of a number, with directives: all but these are the same with others.
func (d *drawing) experiment(number uint64, set ...product.Directive) *experiment.Experiment {
	draw := seeding.NewDraws(seeding.Derive(d.Seed, number))
	p := d.pairs[draw.Below(len(d.pairs))]
	m := d.Modes[p[0]].With(set)
	if draw.Below(wholeSpan) > 0 {
		m.Span = m.Period + (m.Span-m.Period)/4
	}
	x := d.Experiment(&m, d.Crashes[p[1]], number)
	x.Personality, x.Profile = d.personalities[draw.Below(len(d.personalities))], d.profiles[draw.Below(len(d.profiles))]
	x.Workload.Name = d.workloads[draw.Below(len(d.workloads))]
	return x
}

func valueOf(name string, d *seeding.Draws) string {
	return settings[name][d.Below(len(settings[name]))]
}

func alongWith(name string, d *seeding.Draws) (set []product.Directive) {
	for _, other := range along[name] {
		set = append(set, product.Directive{Name: other, Value: valueOf(other, d)})
	}
	return set
}

// TestDirectivesStrike: with each directive that is drawn an experiment that is drawn goes
// another way than without; so none is one that is only stored there.
func TestDirectivesStrike(t *testing.T) {
	draw, tries := newDrawing(t), wanted(t, "TORNTAIL_TRIES", 200)
	s := experiment.NewSimulator()
	defer s.Close()
	trace := func(name string, n int, more ...product.Directive) uint64 {
		set := alongWith(name, seeding.NewDraws(seeding.Derive(draw.Seed, uint64(n), 2)))
		x := draw.experiment(uint64(n), append(set, more...)...)
		if w := wants[name]; w.one > 0 {
			w.make(x)
		}
		o, err := s.Run(x, nil)
		require.NoError(t, err)
		return o.Trace
	}
	strikes := func(name string, n int) (value string, is bool) {
		without := trace(name, n)
		for _, value := range settings[name] { // one of them may be the default
			if trace(name, n, product.Directive{Name: name, Value: value}) != without {
				return value, true
			}
		}
		return "", false
	}
	for _, name := range draw.names {
		if testing.Short() && wants[name].one > 100 {
			continue // large ones take seconds
		}
		n, value, struck := 0, "", false
		for ; n < tries && !struck; n++ {
			value, struck = strikes(name, n)
		}
		assert.True(t, struck, "%s had no effect in %d experiments", name, tries)
		t.Logf("%s %s: %v after %d", name, value, struck, n)
	}
}

// TestNoExperimentKnowsTheOneBefore: what runners keep of one experiment, in memory and
// tables, does not show in the next: in whatever order they come, all that happens is the same.
func TestNoExperimentKnowsTheOneBefore(t *testing.T) {
	draw, n := newDrawing(t), wanted(t, "TORNTAIL_TRIES", 300)
	traces := make([]uint64, n)
	run := func(s *experiment.Simulator, i int) uint64 {
		o, err := s.Run(draw.experiment(uint64(i)), nil)
		require.NoError(t, err)
		return o.Trace
	}
	one, other := experiment.NewSimulator(), experiment.NewSimulator()
	defer one.Close()
	defer other.Close()
	for i := range n {
		traces[i] = run(one, i)
	}
	for i := n - 1; i >= 0; i-- {
		require.Equal(t, traces[i], run(other, i), "experiment %d", i)
	}
}
