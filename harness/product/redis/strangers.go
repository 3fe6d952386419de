package redis

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/spec"
	"github.com/torntail/torntail/harness/product"
)

// deciding are the directives that have a part in what is durable and what replicas have of
// it, in how it is stored, or in when and how clients are served and what is told of that.
// None names a file, an address, a program or a processor, opens a door, or says who may
// command. One is of servers newer than 7.0.15.
var deciding = strings.Fields(`
	appendonly appendfsync no-appendfsync-on-rewrite auto-aof-rewrite-percentage auto-aof-rewrite-min-size
	aof-load-truncated aof-use-rdb-preamble aof-timestamp-enabled aof-rewrite-incremental-fsync aof-disable-auto-gc
	aof-load-corrupt-tail-max-size
	save stop-writes-on-bgsave-error rdbcompression rdbchecksum rdb-del-sync-files rdb-save-incremental-fsync
	busy-reply-threshold lua-time-limit rdb-key-save-delay key-load-delay loading-process-events-interval-bytes sanitize-dump-payload
	hz dynamic-hz databases shutdown-timeout shutdown-on-sigint shutdown-on-sigterm propagation-error-behavior
	maxmemory maxmemory-policy maxmemory-samples maxmemory-eviction-tenacity lfu-log-factor lfu-decay-time
	active-expire-effort lazyfree-lazy-eviction lazyfree-lazy-expire lazyfree-lazy-server-del lazyfree-lazy-user-del
	lazyfree-lazy-user-flush activerehashing activedefrag jemalloc-bg-thread disable-thp
	hash-max-listpack-entries hash-max-listpack-value hash-max-ziplist-entries hash-max-ziplist-value
	list-max-listpack-size list-max-ziplist-size list-compress-depth set-max-intset-entries
	zset-max-listpack-entries zset-max-listpack-value zset-max-ziplist-entries zset-max-ziplist-value
	hll-sparse-max-bytes stream-node-max-bytes stream-node-max-entries
	maxclients maxmemory-clients timeout tcp-keepalive client-output-buffer-limit client-query-buffer-limit proto-max-bulk-len
	notify-keyspace-events loglevel latency-monitor-threshold latency-tracking latency-tracking-info-percentiles tracking-table-max-keys slowlog-log-slower-than slowlog-max-len
	min-replicas-to-write min-replicas-max-lag min-slaves-to-write min-slaves-max-lag
	repl-backlog-size repl-backlog-ttl repl-timeout repl-ping-replica-period repl-ping-slave-period
	repl-disable-tcp-nodelay repl-diskless-load repl-diskless-sync repl-diskless-sync-delay repl-diskless-sync-max-replicas
	replica-read-only slave-read-only replica-serve-stale-data slave-serve-stale-data replica-priority slave-priority
	replica-announced replica-lazy-flush slave-lazy-flush replica-ignore-maxmemory slave-ignore-maxmemory
	replica-ignore-disk-write-errors
`)

// Takes implements product.Strangers.
func (store) Takes(d product.Directive) error { return Takes(d, Own) }

// Takes is that for an experiment that decides on other directives than Own itself.
func Takes(d product.Directive, own []string) error {
	if slices.Contains(own, d.Name) {
		return decided(d.Name)
	}
	if err := decides(d); err != nil {
		return err
	}
	var unknown *config.UnknownError
	if err := config.Default().Set(d.Name, d.Arguments()...); err != nil && !errors.As(err, &unknown) {
		return fmt.Errorf("directive %q: %w", d.String(), err)
	}
	return nil
}

func decides(d product.Directive) error {
	switch {
	case !slices.Contains(deciding, d.Name):
		return fmt.Errorf("directive %q is none of those that decide what is durable", d.String())
	case strings.ContainsFunc(d.Value, unicode.IsControl):
		return fmt.Errorf("directive %q: there are control characters in its value", d.String())
	}
	return nil
}

// asking are the commands beside those that read and write keys that a stranger's plan may
// send: they keep data, or tell something. With a subcommand where only that one is meant.
var asking = strings.Fields(`bgrewriteaof bgsave save lastsave shutdown flushall flushdb wait ping echo info role time dbsize client|pause
	client|unpause debug|reload debug|loadaof config|get config|resetstat config|rewrite failover sentinel|failover`)

// reaching are commands on keys that do more than that: they open a connection, or run a
// script.
var reaching = strings.Fields("migrate eval evalsha eval_ro evalsha_ro fcall fcall_ro")

// Obeys implements product.Strangers.
func (store) Obeys(words []string) error {
	name, long := strings.ToLower(words[0]), ""
	if len(words) > 1 {
		long = name + "|" + strings.ToLower(words[1])
	}
	switch {
	case long == "config|set":
		for pair := range slices.Chunk(words[2:], 2) {
			if len(pair) < 2 {
				continue // the server says so
			}
			if err := decides(product.Directive{Name: strings.ToLower(pair[0]), Value: pair[1]}); err != nil {
				return fmt.Errorf("CONFIG SET: %w", err)
			}
		}
		return nil
	case slices.Contains(asking, name), slices.Contains(asking, long):
		return nil
	case name == "replicaof" || name == "slaveof":
		if len(words) == 3 && strings.EqualFold(words[1]+" "+words[2], "no one") {
			return nil
		}
		return errors.New("torntail decides whose replica a server is")
	case !slices.Contains(reaching, name) && slices.ContainsFunc(spec.Commands(), func(c *spec.Command) bool {
		return c.Name == name && (c.Has("write") || c.Has("readonly")) && !c.Has("admin")
	}):
		return nil
	}
	return fmt.Errorf("%s is none of the commands that read, write or save keys", strings.ToUpper(strings.Join(words[:min(2, len(words))], " ")))
}
