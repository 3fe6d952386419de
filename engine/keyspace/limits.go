package keyspace

// Limits say how large a collection may become, and its elements, before it is
// held in the form for large ones. Each is a directive of the configuration.
type Limits struct {
	HashEntries int64 // hash-max-listpack-entries
	HashValue   int64 // hash-max-listpack-value, bytes
	SetInts     int64 // set-max-intset-entries
	ZSetEntries int64 // zset-max-listpack-entries
	ZSetValue   int64 // zset-max-listpack-value, bytes
	ListNode    int64 // list-max-listpack-size: elements, or below zero a size class
	StreamBytes int64 // stream-node-max-bytes; 0: no limit
	StreamNode  int64 // stream-node-max-entries; 0: no limit
}

// DefaultLimits are those of a server that is not configured otherwise.
var DefaultLimits = Limits{
	HashEntries: 512, HashValue: 64, SetInts: 512, ZSetEntries: 128, ZSetValue: 64,
	ListNode: -2, StreamBytes: 4096, StreamNode: 100,
}
