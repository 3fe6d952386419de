package redis

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/spec"
	"github.com/torntail/torntail/harness/product"
)

// doors are the directives that the engine obeys and that no stranger sets, beside Own.
var doors = map[string]string{
	"bind-source-addr": "an address", "replica-announce-ip": "an address", "replica-announce-port": "an address",
	"enable-debug-command": "who may command", "enable-protected-configs": "who may command",
	"acl-pubsub-default": "who may command", "aclfile": "who may command", "acllog-max-len": "who may command",
	"cluster-config-file": "a node of a cluster", "cluster-node-timeout": "a node of a cluster", "cluster-port": "a node of a cluster",
	"cluster-announce-ip": "a node of a cluster", "cluster-announce-hostname": "a node of a cluster", "cluster-announce-port": "a node of a cluster", "cluster-announce-bus-port": "a node of a cluster",
	"cluster-preferred-endpoint-type": "a node of a cluster", "cluster-require-full-coverage": "a node of a cluster", "cluster-allow-reads-when-down": "a node of a cluster", "cluster-allow-pubsubshard-when-down": "a node of a cluster",
	"cluster-allow-replica-migration": "a node of a cluster", "cluster-migration-barrier": "a node of a cluster", "cluster-replica-no-failover": "a node of a cluster", "cluster-replica-validity-factor": "a node of a cluster",
	"cluster-link-sendbuf-limit": "a node of a cluster",
	"always-show-logo":           "what the log says",
	"unixsocketperm":             "who may command",
	"masterauth":                 "who may command", "masteruser": "who may command", "requirepass": "who may command",
}

// TestStrangersDirectives: each directive that has an effect is taken from a saved failure, or
// left out for a reason.
func TestStrangersDirectives(t *testing.T) {
	for _, name := range config.Obeyed() {
		left := slices.Contains(Own, name) || doors[name] != ""
		require.NotEqual(t, left, slices.Contains(deciding, name), "%s: taken, or left out with a reason", name)
	}
	for _, m := range Store.Modes() {
		for _, d := range m.Directives {
			require.NoError(t, Store.Takes(d), m.Name)
		}
	}
	for _, d := range []product.Directive{{Name: "hz", Value: "100"}, {Name: "save", Value: ""}, {Name: "aof-load-corrupt-tail-max-size", Value: "4096"}} {
		require.NoError(t, Store.Takes(d))
	}
	for directive, why := range map[string]string{
		"dir /tmp": "torntail decides on dir itself", "dbfilename x": "itself", "logfile /x": "itself", "pidfile /x": "itself", "unixsocket /x": "itself",
		"include /x": "none of those", "loadmodule /x.so": "none of those", "aclfile /x": "none of those", "user x": "none of those", "rename-command SET x": "none of those",
		"tls-cert-file /x": "none of those", "tls-ca-cert-dir /x": "none of those", "cluster-config-file /x": "none of those", "enable-module-command yes": "none of those",
		"enable-debug-command yes": "none of those", "enable-protected-configs yes": "none of those", "bind-source-addr 1.2.3.4": "none of those",
		"server_cpulist 0": "none of those", "oom-score-adj yes": "none of those", "syslog-ident x": "none of those", "LOADMODULE /x.so": "none of those",
		"nosuch /x": "none of those", "hz yes": "argument couldn't be parsed", "save 1": "Invalid save parameters",
	} {
		name, value, _ := strings.Cut(directive, " ")
		require.ErrorContains(t, Store.Takes(product.Directive{Name: name, Value: value}), why, directive)
	}
	require.ErrorContains(t, Store.Takes(product.Directive{Name: "hz", Value: "10\nloadmodule /x.so"}), "control characters")
	require.ErrorContains(t, Takes(product.Directive{Name: "appendonly", Value: "no"}, []string{"appendonly"}), "itself")
}

// TestStrangersCommands: what reads, writes or saves keys is sent because a saved plan says
// so, and nothing else.
func TestStrangersCommands(t *testing.T) {
	for _, words := range []string{
		"BGREWRITEAOF", "bgsave SCHEDULE", "SAVE", "SHUTDOWN NOSAVE", "SET k v", "DEL k", "FLUSHALL", "GET k", "CONFIG SET appendfsync no hz 100", "config get *",
		"CONFIG SET save", "REPLICAOF no ONE", "PING", "INFO", "EXPIRE k 5", "SENTINEL FAILOVER mymaster",
	} {
		require.NoError(t, Store.Obeys(strings.Fields(words)), words)
	}
	for _, words := range []string{
		"CONFIG SET dir /tmp", "CONFIG SET appendfsync no dbfilename x", "CONFIG SET aclfile /x", "CONFIG SET logfile /x", "MODULE LOAD /x.so", "MODULE LOADEX /x.so",
		"DEBUG SEGFAULT", "DEBUG SLEEP 1", "REPLICAOF 10.0.0.1 6379", "SLAVEOF no 6379", "REPLICAOF no", "MIGRATE 10.0.0.1 6379 k 0 5", "ACL LOAD", "ACL SETUSER x on",
		"SCRIPT LOAD x", "EVAL x 0", "EVAL_RO x 0", "FCALL f 0", "FUNCTION LOAD x", "CONFIG", "CONFIG set|x", "SENTINEL SET mymaster notification-script /x",
		"SENTINEL MONITOR m 10.0.0.1 6379 1", "CLUSTER MEET 10.0.0.1 6379", "CLIENT KILL x", "AUTH x", "MONITOR", "NOSUCH", "PFDEBUG GETREG k", "CONFIG|SET dir /tmp",
	} {
		require.Error(t, Store.Obeys(strings.Fields(words)), words)
	}
	for _, name := range reaching {
		require.True(t, slices.ContainsFunc(spec.Commands(), func(c *spec.Command) bool { return c.Name == name }), name)
	}
}
