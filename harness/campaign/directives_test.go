package campaign

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/reports/result"
)

// settings are the directives of one server that have an effect on the engine, and values
// of each.
var settings = map[string][]string{
	"aof-load-truncated":            {"yes", "no"},
	"aof-use-rdb-preamble":          {"yes", "no"},
	"aof-rewrite-incremental-fsync": {"yes", "no"},
	"aof-disable-auto-gc":           {"yes"},
	"aof-timestamp-enabled":         {"yes"},
	"no-appendfsync-on-rewrite":     {"yes"},
	"auto-aof-rewrite-percentage":   {"1", "20", "100"},
	"auto-aof-rewrite-min-size":     {"100", "1kb", "10kb"},
	"save":                          {"", "1 1", "1 100", "3 2 1 50"},
	"rdbcompression":                {"no"},
	"rdbchecksum":                   {"no"},
	"rdb-key-save-delay":            {"100", "20000"},
	"rdb-save-incremental-fsync":    {"no"},
	"stop-writes-on-bgsave-error":   {"no"},
	"hz":                            {"1", "2", "100", "500"},
	"hash-max-listpack-entries":     {"0", "3"},
	"hash-max-listpack-value":       {"2"},
	"set-max-intset-entries":        {"0", "3"},
	"list-max-listpack-size":        {"1", "-1"},
	"maxmemory-policy":              {"allkeys-lfu", "volatile-lru", "allkeys-random", "volatile-ttl"},
	"maxmemory":                     {"930kb", "960kb", "962kb", "1gb"},
	"active-expire-effort":          {"1", "10"},
	"maxmemory-samples":             {"1", "100"},
	"lazyfree-lazy-eviction":        {"yes", "no"},
	"notify-keyspace-events":        {"KEA"},
	"lazyfree-lazy-expire":          {"yes", "no"},
	"lazyfree-lazy-user-del":        {"yes", "no"},
}

// settled are the directives that the engine obeys and that are not drawn, each with why.
var settled = map[string]string{
	"appendonly": "the mode", "appendfsync": "the mode",
	"appendfilename": files, "appenddirname": files, "dbfilename": files, "dir": files,
	"port": clients, "bind": clients, "bind-source-addr": clients, "maxclients": clients, "requirepass": clients,
	"enable-debug-command": clients, "enable-protected-configs": clients, "proto-max-bulk-len": clients,
	"client-query-buffer-limit": clients, "client-output-buffer-limit": clients, "databases": clients,
	"loglevel": telling, "logfile": telling, "latency-monitor-threshold": telling,
	"slowlog-log-slower-than": telling, "slowlog-max-len": telling,
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
	"busy-reply-threshold":        "no workload has a script that takes long",
	"maxmemory-eviction-tenacity": "evicting takes no simulated time",
	"replica-ignore-maxmemory":    replicas,
	"lfu-decay-time":              "what values remember of their use is not judged", "lfu-log-factor": "what values remember of their use is not judged",
}

const (
	files    = "where files are is the harness's to say"
	clients  = "whom the server listens to, and how much it takes; not what it promises"
	telling  = "what the server tells, not what it promises"
	replicas = "no effect without a replica; torntail splitbrain has clusters"
	loading  = "how long a start takes, and whom it lets in; not what is loaded"
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
	pool, err := newPool(b, b.Parallel(nil))
	require.NoError(t, err)
	defer pool.close()
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

// whateverIsSet makes the experiments from one number to another.
func whateverIsSet(t *testing.T, pool *pool, from, to int) stretch {
	personalities := []string{"ext4", "ext4-dioread-lock", "ext4-journal", "xfs", "btrfs", "prefix", "posix"}
	profiles := []string{"cloud-ssd", "nvme", "hdd", "cloud-ssd-stall"}
	kinds := []string{"registers", "mixed", "transactions", "lists", "sets", "hashes"}
	names := slices.Sorted(maps.Keys(settings))
	c := campaignOf(t, 17, 1, modeNames(), crashNames())
	list := pairs(c)
	s := stretch{From: from, To: to, Why: map[string]int{}}
	err := pool.run(context.Background(), Simulation().Parallel(nil), to-from, func(n int) *experiment.Experiment {
		number := uint64(from + n)
		draw := seeding.NewDraws(seeding.Derive(c.Seed, number))
		p := list[draw.Below(len(list))]
		var set []product.Directive
		for range 1 + draw.Below(3) {
			name := names[draw.Below(len(names))]
			set = append(set, product.Directive{Name: name, Value: settings[name][draw.Below(len(settings[name]))]})
		}
		m := c.Modes[p[0]].With(set)
		x := c.Experiment(&m, c.Crashes[p[1]], number)
		x.Personality, x.Profile = personalities[draw.Below(len(personalities))], profiles[draw.Below(len(profiles))]
		x.Workload.Name = kinds[draw.Below(len(kinds))]
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
			var set []string
			for _, d := range x.Mode.Directives[max(0, len(x.Mode.Directives)-3):] {
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
