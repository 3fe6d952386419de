// Package config holds the server's directives: those the engine obeys as
// typed fields, every other directive of redis 7.0.15 as checked text without
// effect, so that a real redis.conf loads and CONFIG GET shows it back.
package config

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/torntail/torntail/engine/acl"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/engine/words"
)

// Fsync is the value of appendfsync.
type Fsync string

// The policies of appendfsync.
const (
	Always   Fsync = "always"
	Everysec Fsync = "everysec"
	No       Fsync = "no"
)

// SavePoint asks for a snapshot when at least Changes writes happened and the
// last snapshot is at least Seconds old.
type SavePoint struct {
	Seconds int64
	Changes int64
}

// Config is a set of directives. Copying the struct copies the configuration:
// its slices and its map are replaced, never changed in place.
type Config struct {
	// Append-only file.
	AppendOnly                 bool
	AppendFsync                Fsync
	Appendfilename             string
	Appenddirname              string
	AofLoadTruncated           bool
	AofUseRdbPreamble          bool
	AofRewriteIncrementalFsync bool
	AofDisableAutoGc           bool
	AofTimestampEnabled        bool
	NoAppendfsyncOnRewrite     bool
	AutoAofRewritePercentage   int64 // 0: never
	AutoAofRewriteMinSize      int64 // bytes

	// Snapshots.
	Save                    []SavePoint
	Dbfilename              string
	RdbCompression          bool
	RdbChecksum             bool
	RdbSaveIncrementalFsync bool
	// RdbKeySaveDelay makes a child save slowly, for tests: microseconds for each key.
	RdbKeySaveDelay         int64
	StopWritesOnBgsaveError bool
	BusyReplyThreshold      int64 // ms

	NotifyEvents Events // notify-keyspace-events

	HllSparseMaxBytes int64 // how long a HyperLogLog is before it is dense

	ActiveExpireEffort     int64 // 1 to 10
	Maxmemory              int64 // bytes; 0: no limit
	MaxmemoryPolicy        string
	MaxmemoryClients       int64 // bytes; below 0: so many hundredths of Maxmemory; 0: no limit
	MaxmemorySamples       int64
	MaxmemoryTenacity      int64 // 0 to 100: how long evicting may keep a command waiting
	ReplicaIgnoreMaxmemory bool
	LazyfreeLazyEviction   bool
	LfuDecayTime           int64 // minutes; 0: counters never fall
	LfuLogFactor           int64

	// Limits of encodings.
	Limits keyspace.Limits

	// Replication. Times are seconds, sizes bytes.
	ReplBacklogSize         int64
	ReplBacklogTTL          int64 // 0: never freed
	ReplTimeout             int64
	ReplPingPeriod          int64
	ReplDisklessSync        bool
	ReplDisklessSyncDelay   int64
	ReplDisklessMaxReplicas int64 // 0: no number ends the delay early
	MinReplicasToWrite      int64
	MinReplicasMaxLag       int64
	ReplicaReadOnly         bool
	ReplicaServeStaleData   bool
	ReplicaAnnounceIP       string
	ReplicaAnnouncePort     int64
	ReplicaAnnounced        bool
	ReplicaPriority         int64
	ReplicaOf               string // "host port" of the configuration file; "" for a master
	Masterauth              string
	Masteruser              string
	Timeout                 int64 // seconds after which idle clients are closed; 0: never
	ReplDisklessLoad        string
	// ReplicaIgnoreDiskWriteErrors has a replica go on when it cannot write what its master sends.
	ReplicaIgnoreDiskWriteErrors bool
	RdbDelSyncFiles              bool
	BindSourceAddr               string
	Unixsocket                   string // "": none
	Unixsocketperm               string // octal; 0: as the process makes files
	AlwaysShowLogo               bool
	OutputLimits                 OutputLimits

	// Redis Cluster. Times are ms.
	ClusterEnabled               bool
	ClusterConfigFile            string // nodes.conf
	ClusterNodeTimeout           int64
	ClusterPort                  int64 // of the bus; 0: the clients' + 10000
	ClusterAnnounceIP            string
	ClusterAnnounceHostname      string
	ClusterAnnouncePort          int64 // 0: the port itself
	ClusterAnnounceBusPort       int64
	ClusterEndpoint              string // what clients are told: ip, hostname, unknown-endpoint
	ClusterRequireFullCoverage   bool
	ClusterAllowReadsWhenDown    bool
	ClusterAllowPubsubWhenDown   bool
	ClusterAllowReplicaMigration bool
	ClusterMigrationBarrier      int64
	ClusterNoFailover            bool
	ClusterValidityFactor        int64 // 0: data are never too old
	ClusterLinkLimit             int64 // bytes that may wait on a link; 0: no limit

	// Server.
	Dir                                     string // as given; the server's vfs.FS is rooted there
	Port                                    int64
	Bind                                    []string
	Hz                                      int64 // as given; Redis uses 1 to 500
	Databases                               int64
	Maxclients                              int64
	SlowlogLogSlowerThan                    int64 // µs; below 0: no command is logged
	SlowlogMaxLen                           int64
	LazyfreeLazyExpire, LazyfreeLazyUserDel bool

	KeyLoadDelay    int64 // microseconds a key
	LoadingInterval int64 // bytes after which clients have their turn

	ShutdownOnSigint, ShutdownOnSigterm Shutdown
	ShutdownTimeout                     int64 // seconds to wait for replicas; 0: none

	LatencyMonitorThreshold int64 // ms; 0: nothing is sampled
	LatencyTracking         bool
	LatencyPercentiles      string // numbers that INFO latencystats tells
	Requirepass             string
	// Users are those of the configuration file; Aclfile is another file that has them.
	Users        []acl.Declaration
	Aclfile      string
	AcllogMaxLen int64
	// TrackingTableMaxKeys bounds what is known of who has read what; 0: nothing does.
	TrackingTableMaxKeys   int64
	AclPubsubDefault       string // which channels new users have: resetchannels, allchannels
	EnableDebugCommand     string // no, local, yes
	EnableProtectedConfigs string // no, local, yes
	ProtoMaxBulkLen        int64  // bytes
	ClientQueryBufferLimit int64  // bytes
	Loglevel               string
	Logfile                string

	// Renamed are the commands that have another name, or none.
	Renamed []Renaming

	// PropagationErrorBehavior is what becomes of a server that a command of its master or of
	// its log is an error to: ignore, panic, panic-on-replicas.
	PropagationErrorBehavior string

	// SentinelMode makes the server a Sentinel; Sentinel is the file's lines for it.
	SentinelMode bool
	Sentinel     []SentinelLine

	// other holds the directives that differ from their default and have no field.
	other map[string]string
	// saveSeen: a save line was read; the first one replaces the default save points.
	saveSeen bool
}

// Default returns redis 7.0.15's own defaults.
func Default() *Config {
	c := defaults
	return &c
}

var defaults = Config{
	AppendFsync:                Everysec,
	Appendfilename:             "appendonly.aof",
	Appenddirname:              "appendonlydir",
	AofLoadTruncated:           true,
	AofUseRdbPreamble:          true,
	AofRewriteIncrementalFsync: true,
	AutoAofRewritePercentage:   100,
	AutoAofRewriteMinSize:      64 << 20,

	Unixsocketperm: "0",

	Save:                    []SavePoint{{3600, 1}, {300, 100}, {60, 10000}},
	Dbfilename:              "dump.rdb",
	RdbCompression:          true,
	RdbChecksum:             true,
	RdbSaveIncrementalFsync: true,
	StopWritesOnBgsaveError: true,
	BusyReplyThreshold:      5000,

	HllSparseMaxBytes: 3000,

	ActiveExpireEffort:     1,
	MaxmemoryPolicy:        "noeviction",
	ReplDisklessLoad:       "disabled",
	MaxmemorySamples:       5,
	MaxmemoryTenacity:      10,
	ReplicaIgnoreMaxmemory: true,
	LfuDecayTime:           1,
	LfuLogFactor:           10,

	Limits: keyspace.DefaultLimits,

	ReplBacklogSize:       1 << 20,
	ReplBacklogTTL:        3600,
	ReplTimeout:           60,
	ReplPingPeriod:        10,
	ReplDisklessSync:      true,
	ReplDisklessSyncDelay: 5,
	MinReplicasMaxLag:     10,
	ShutdownTimeout:       10,
	LoadingInterval:       2 << 20,
	ReplicaReadOnly:       true,
	ReplicaServeStaleData: true,
	ReplicaAnnounced:      true,
	ReplicaPriority:       100,
	OutputLimits:          OutputLimits{Replica: OutputLimit{256 << 20, 64 << 20, 60}, Pubsub: OutputLimit{32 << 20, 8 << 20, 60}},

	ClusterConfigFile:            "nodes.conf",
	ClusterNodeTimeout:           15000,
	ClusterEndpoint:              "ip",
	ClusterRequireFullCoverage:   true,
	ClusterAllowPubsubWhenDown:   true,
	ClusterAllowReplicaMigration: true,
	ClusterMigrationBarrier:      1,
	ClusterValidityFactor:        10,

	Dir:                  ".",
	Port:                 6379,
	Bind:                 []string{"*", "-::*"},
	Hz:                   10,
	Databases:            16,
	Maxclients:           10000,
	SlowlogLogSlowerThan: 10000,
	SlowlogMaxLen:        128,
	AcllogMaxLen:         128,

	PropagationErrorBehavior: "ignore",

	LatencyTracking:        true,
	LatencyPercentiles:     "50 99 99.9",
	TrackingTableMaxKeys:   1000000,
	AclPubsubDefault:       "resetchannels",
	EnableDebugCommand:     "no",
	EnableProtectedConfigs: "no",
	ProtoMaxBulkLen:        512 << 20,
	ClientQueryBufferLimit: 1 << 30,
	Loglevel:               "notice",
}

// UnknownError is a name no directive has.
type UnknownError struct{ Name string }

func (e *UnknownError) Error() string { return "Bad directive or wrong number of arguments" }

// Set sets a directive as a line of the configuration file does. The error is
// redis-server's own text for it.
func (c *Config) Set(name string, args ...string) error {
	d := lookup(name)
	if d == nil {
		return &UnknownError{Name: name}
	}
	switch {
	case !d.multi && len(args) != 1:
		return errWrongCount
	case d.multi && len(args) == 1 && args[0] != "": // so that --save "1 1 2 2" works
		if words, err := words.Split(args[0]); err == nil {
			args = words
		}
	}
	return d.set(c, args)
}

// SetRuntime sets a directive as CONFIG SET does: the value is one string, and
// some directives cannot be changed in a running server. allowProtected says
// whether enable-protected-configs lets this client change dir and dbfilename.
func (c *Config) SetRuntime(name, value string, allowProtected bool) error {
	d := lookup(name)
	switch {
	case d == nil:
		return &UnknownError{Name: name}
	case d.immutable:
		return errImmutable
	case d.protected && !allowProtected:
		return errProtected
	}
	args := []string{value}
	if d.multi {
		args = strings.Split(value, " ")
	}
	// CONFIG SET save replaces all save points.
	c.saveSeen = false
	err := d.set(c, args)
	c.saveSeen = true
	return err
}

// Value returns a directive as CONFIG GET prints it.
func (c *Config) Value(name string) (string, bool) {
	d := lookup(name)
	if d == nil {
		return "", false
	}
	return d.get(c), true
}

// Hidden reports whether there is a directive of that name which Each leaves out.
func (c *Config) Hidden(name string) bool {
	d := lookup(name)
	return d != nil && d.hidden
}

// Each calls f with every directive's name and value, sorted by name; a
// directive with two names (replica-…, slave-…) comes under both. Those that
// are for tests only (Redis's HIDDEN_CONFIG) are left out.
func (c *Config) Each(f func(name, value string)) {
	for _, n := range names {
		if d := directives[n]; !d.hidden {
			f(n, d.get(c))
		}
	}
}

// Ignored names the directives that were given a value other than their default
// and have no effect on the engine, sorted.
func (c *Config) Ignored() []string {
	var out []string
	for _, n := range slices.Sorted(maps.Keys(c.other)) {
		if c.other[n] != directives[n].get(&defaults) {
			out = append(out, n)
		}
	}
	return out
}

// Obeyed are the directives that have an effect on the engine, each by its first name,
// sorted.
func Obeyed() (obeyed []string) {
	for _, d := range table {
		if !d.inert {
			obeyed = append(obeyed, d.name)
		}
	}
	slices.Sort(obeyed)
	return obeyed
}

func (c *Config) setOther(name, value string) {
	m := maps.Clone(c.other)
	if m == nil {
		m = make(map[string]string)
	}
	m[name] = value
	c.other = m
}

// SaveText is the save points as CONFIG GET save prints them.
func (c *Config) SaveText() string {
	var b []byte
	for i, p := range c.Save {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendInt(b, p.Seconds, 10)
		b = append(b, ' ')
		b = strconv.AppendInt(b, p.Changes, 10)
	}
	return string(b)
}

// setSave follows redis 7.0.15 config.c setConfigSaveOption: an empty string
// asks for no save points, the first save line of a configuration replaces the
// defaults and the following ones add to it.
func (c *Config) setSave(args []string) error {
	if len(args) == 1 && args[0] == "" {
		args = nil
	}
	if len(args)%2 != 0 {
		return errSave
	}
	var points []SavePoint
	for i := 0; i < len(args); i += 2 {
		seconds, err1 := strconv.ParseInt(args[i], 10, 64)
		changes, err2 := strconv.ParseInt(args[i+1], 10, 32)
		if err1 != nil || err2 != nil || seconds < 1 || changes < 0 {
			return errSave
		}
		points = append(points, SavePoint{seconds, changes})
	}
	switch {
	case !c.saveSeen || len(points) == 0:
		c.Save = points
	default:
		c.Save = append(append([]SavePoint(nil), c.Save...), points...)
	}
	c.saveSeen = true
	return nil
}

func parseMemory(s string) (int64, error) {
	digits := strings.TrimRight(s, "bkmgBKMG")
	var unit int64
	switch strings.ToLower(s[len(digits):]) {
	case "", "b":
		unit = 1
	case "k":
		unit = 1000
	case "kb":
		unit = 1 << 10
	case "m":
		unit = 1000 * 1000
	case "mb":
		unit = 1 << 20
	case "g":
		unit = 1000 * 1000 * 1000
	case "gb":
		unit = 1 << 30
	default:
		return 0, errMemory
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n > uint64(1<<63-1)/uint64(unit) {
		return 0, errMemory
	}
	return int64(n) * unit, nil
}

// splitWords splits a single argument at blanks: on the command line "--replicaof
// host port" may come as one.
func splitWords(args []string) []string {
	if len(args) == 1 && strings.Contains(args[0], " ") {
		return strings.Fields(args[0])
	}
	return args
}

// setReplicaOf reads the directive of the configuration file.
func (c *Config) setReplicaOf(args []string) error {
	args = splitWords(args)
	if len(args) == 1 && args[0] == "" || len(args) == 2 && isWord(args[0], "no") && isWord(args[1], "one") {
		c.ReplicaOf = ""
		return nil
	}
	if len(args) != 2 {
		return errWrongCount
	}
	if port, err := strconv.Atoi(args[1]); err != nil || port < 0 || port > 65535 {
		return errMasterPort
	}
	c.ReplicaOf = args[0] + " " + args[1]
	return nil
}

// reason is why a value is refused, in redis-server's own words.
type reason string

func (r reason) Error() string { return string(r) }

// The reasons of redis 7.0.15 config.c.
const (
	errWrongCount reason = "wrong number of arguments"
	errImmutable  reason = "can't set immutable config"
	errProtected  reason = "can't set protected config"
	errSave       reason = "Invalid save parameters"
	errMemory     reason = "argument must be a memory value"
	errBool       reason = "argument must be 'yes' or 'no'"
	errInteger    reason = "argument couldn't be parsed into an integer"
	errMasterPort reason = "Invalid master port"
)
