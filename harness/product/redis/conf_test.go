package redis

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness/product"
)

func confFile(t testing.TB, text string) string {
	file := filepath.Join(t.TempDir(), "redis.conf")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	return file
}

// A configuration file is judged as what keeps its data in the same way.
func TestConfIsAMode(t *testing.T) {
	for _, c := range []struct {
		text, mode, save string
		period           time.Duration
	}{
		{"", "rdb", "", 302 * time.Second}, // the server's own save points: 300 s, 100 changes
		{"save \"\"", "none", "", 100 * time.Millisecond},
		{"save 900 1\nsave 10 5", "rdb", "900 1 10 5", 12 * time.Second},
		{"save 900 1\nsave \"\"\nsave 20 1\n", "rdb", "20 1", 22 * time.Second},
		{"appendonly yes\nsave \"\"", "hybrid", "", 2 * time.Second},
		{"appendonly yes # not a comment in redis.conf", "", "", 0},
		{"APPENDONLY yes\nappendfsync always\naof-use-rdb-preamble no", "always", "", 100 * time.Millisecond},
		{"appendonly yes\nappendfsync always", "hybrid-always", "", 100 * time.Millisecond},
		{"appendonly yes\nappendfsync no", "no", "", 40 * time.Second},
		{"appendonly yes\nsave 60 1", "everysec+rdb", "60 1", time.Second},
	} {
		conf, err := Store.ReadConf(confFile(t, c.text), false)
		if c.mode == "" {
			require.ErrorContains(t, err, `:1: appendonly yes # not a comment in redis.conf`, c.text)
			continue
		}
		require.NoError(t, err, c.text)
		m := conf.Mode
		assert.Equal(t, c.mode, m.Name, c.text)
		assert.Equal(t, c.save, m.Get("save"), c.text)
		assert.Equal(t, c.period, m.Period, c.text)
		assert.LessOrEqual(t, m.Span, longestPaced)
	}
}

// What an experiment decides on itself is named with its line; mistakes too.
func TestConfSaysWhatIsOverridden(t *testing.T) {
	conf, err := Store.ReadConf(confFile(t, "port 7000\n\n# dir /x\ndir /var/lib/redis\nappendonly yes\nappendfsync everysec\nhz 100"), false)
	require.NoError(t, err)
	require.Len(t, conf.Overridden, 2)
	assert.Equal(t, []int{1, 4}, []int{conf.Overridden[0].Line, conf.Overridden[1].Line})
	always, err := ModeByName("always")
	require.NoError(t, err)
	m, lost := conf.On(always)
	assert.Equal(t, directives{{Name: "appendfsync", Value: "everysec"}}, lost)
	assert.Equal(t, "always", m.Get("appendfsync"))
	assert.Equal(t, "100", m.Get("hz"))

	for text, want := range map[string]string{
		"appendfsyn always":         `redis.conf:1: "appendfsyn" is no directive of redis.conf`,
		"\nappendfsync sometime":    "redis.conf:2: appendfsync sometime: argument(s) must be one of",
		"save 10":                   "redis.conf:1: save 10: Invalid save parameters",
		"locale-collate 'a":         "redis.conf:1: quotes that do not end",
		"proc-title-template 'a b'": "redis.conf:1: proc-title-template has a value with blanks",
		"include /no/such/file":     "redis.conf:1: include: open /no/such/file",
	} {
		_, err := Store.ReadConf(confFile(t, text), false)
		assert.ErrorContains(t, err, want, text)
	}
	for text, want := range map[string]string{ // for real servers, too
		"\nrename-command SET x":    "redis.conf:2: rename-command is not taken: torntail asks for commands by their own names",
		"user alice on >p ~* +@all": "redis.conf:1: user is not taken",
		"loadmodule /x.so":          "redis.conf:1: loadmodule is not taken: a module may do anything; leave the line out, or describe the server",
		"aclfile /x":                "redis.conf:1: aclfile is not taken",
		"hz 5\nRequirePass s3cret":  "redis.conf:2: requirepass is not taken: torntail and its clients give no password; leave the line out, or describe the server in a target file",
		"masterauth s3cret":         "redis.conf:1: masterauth is not taken",
		"tls-port 6380":             "redis.conf:1: tls-port is not taken",
		"cluster-enabled yes":       "redis.conf:1: cluster-enabled is not taken: a node of Redis Cluster",
		"replicaof 10.0.0.1 6379":   "redis.conf:1: replicaof is not taken: a replica's data are its master's",
		"maxmemory-policy allkeys-lru\nmaxmemory 0\nmaxmemory-samples": "redis.conf:3: maxmemory-samples",
	} {
		_, err := Store.ReadConf(confFile(t, text), true)
		assert.ErrorContains(t, err, want, text)
	}
	_, err = Store.ReadConf(confFile(t, "requirepass \"\"\ntls-port 0\ncluster-enabled no\nreplicaof no one"), true)
	assert.NoError(t, err, "as every server has it that says nothing")
	_, err = ReadConf(confFile(t, "replicaof 10.0.0.1 6379"), true, Own)
	assert.NoError(t, err, "in a cluster torntail decides who is whose replica")
	_, err = Store.ReadConf(confFile(t, "maxmemory 1mb"), true)
	assert.NoError(t, err, "a limit at which writes are refused")
	evicts := "maxmemory 5mb\nmaxmemory-policy allkeys-lfu"
	got, err := Store.ReadConf(confFile(t, evicts), false)
	require.NoError(t, err, "the engine tells of what it evicts")
	policy, err := Store.Policy(&product.Mode{Store: Store, Directives: got.Directives})
	require.NoError(t, err)
	assert.True(t, policy.Evicts)
	_, err = ReadConf(confFile(t, evicts), false, Own)
	assert.ErrorContains(t, err, "evicted keys cannot be told from lost ones", "in a cluster nobody is told")
	_, err = Store.ReadConf(confFile(t, "some-new-directive yes"), true)
	assert.NoError(t, err, "a server that is not the engine may know more")
	own := filepath.Join(t.TempDir(), "self.conf")
	require.NoError(t, os.WriteFile(own, []byte("include "+own), 0o644))
	_, err = Store.ReadConf(own, false)
	assert.ErrorContains(t, err, "includes nest too deep")
}

func FuzzReadConf(f *testing.F) {
	f.Add("appendonly yes\nsave 900 1\nsave \"\"\nport 1")
	f.Add("include x\nsave 1 1 1")
	f.Fuzz(func(t *testing.T, text string) {
		if conf, err := Store.ReadConf(confFile(t, text), false); err == nil {
			_, err := Config(&conf.Mode)
			require.NoError(t, err)
		}
	})
}
