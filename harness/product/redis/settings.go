package redis

import "github.com/torntail/torntail/harness/product"

// Settings implements product.Store. The limits of memory have room for some of a
// workload's keys beside what the engine is reckoned to take with its clients
// (engine/infomemory.go); a real server takes about as much, or evicts all that it has.
func (store) Settings() []product.Setting { return settings }

var settings = []product.Setting{
	{Name: "aof-disable-auto-gc", Values: []string{"yes"}},
	{Name: "aof-load-truncated", Values: []string{"yes", "no"}},
	{Name: "aof-rewrite-incremental-fsync", Values: []string{"yes", "no"}},
	{Name: "aof-timestamp-enabled", Values: []string{"yes"}},
	{Name: "aof-use-rdb-preamble", Values: []string{"yes", "no"}},
	{Name: "auto-aof-rewrite-min-size", Values: []string{"100", "1kb", "10kb"}, With: []string{"auto-aof-rewrite-percentage"}},
	{Name: "auto-aof-rewrite-percentage", Values: []string{"1", "20", "100"}, With: []string{"auto-aof-rewrite-min-size"}},
	{Name: "hash-max-listpack-entries", Values: []string{"0", "3"}},
	{Name: "hash-max-listpack-value", Values: []string{"2"}},
	{Name: "hz", Values: []string{"1", "2", "100", "500"}},
	{Name: "lazyfree-lazy-eviction", Values: []string{"yes", "no"}, With: []string{"maxmemory", "maxmemory-policy"}},
	{Name: "lazyfree-lazy-expire", Values: []string{"yes", "no"}},
	{Name: "maxmemory", Values: []string{"930kb", "960kb", "962kb", "1gb"}},
	{Name: "maxmemory-policy", Values: []string{"allkeys-lfu", "volatile-lru", "allkeys-random", "volatile-ttl"}, With: []string{"maxmemory"}},
	{Name: "maxmemory-samples", Values: []string{"1", "100"}, With: []string{"maxmemory", "maxmemory-policy"}},
	{Name: "no-appendfsync-on-rewrite", Values: []string{"yes"}},
	{Name: "rdb-key-save-delay", Values: []string{"100", "20000"}},
	{Name: "rdb-save-incremental-fsync", Values: []string{"no"}, With: []string{"rdbcompression"}},
	{Name: "rdbchecksum", Values: []string{"no"}},
	{Name: "rdbcompression", Values: []string{"no"}},
	{Name: "save", Values: []string{"", "1 1", "1 100", "3 2 1 50"}},
	{Name: "stop-writes-on-bgsave-error", Values: []string{"no"}},
}
