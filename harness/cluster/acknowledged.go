package cluster

import (
	"bytes"
	"slices"
	"strconv"
	"sync"
)

// acknowledged is what replicas have said to masters, as the proxies saw it pass: the
// offsets of their REPLCONF ACKs (redis 7.0.15 replication.c replicationSendAck).
type acknowledged struct {
	mu      sync.Mutex
	servers []string
	upTo    map[[2]string]int64 // the most that a replica has acknowledged to a master
}

// tap looks at what one server sends to another on a connection that it has made.
func (a *acknowledged) tap(from, to string) (sent, answered func(data []byte)) {
	if !slices.Contains(a.servers, from) || !slices.Contains(a.servers, to) {
		return nil, nil
	}
	var tail []byte // of what came before, as long as it may hold a part of an ACK
	return func(data []byte) {
		tail = append(tail, data...)
		var offset int64
		if offset, tail = lastAck(tail); offset < 0 {
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.upTo[[2]string{from, to}] = max(a.upTo[[2]string{from, to}], offset)
	}, nil
}

// ackStart begins an ACK, up to the length of the offset.
const ackStart = "REPLCONF\r\n$3\r\nACK\r\n$"

// longestAck is more than an ACK has bytes.
const longestAck = len(ackStart) + len("19\r\n9223372036854775807\r\n")

// lastAck is the offset of the last whole ACK in some bytes, -1 when there is none, and
// what of them may be the beginning of another.
func lastAck(b []byte) (offset int64, rest []byte) {
	offset = -1
	for {
		i := bytes.Index(b, []byte(ackStart))
		if i < 0 {
			break
		}
		next := b[i+len(ackStart):] // where to go on if it is none after all
		length, digits, _ := bytes.Cut(next, []byte("\r\n"))
		text, after, whole := bytes.Cut(digits, []byte("\r\n"))
		switch n, err := strconv.ParseInt(string(text), 10, 64); {
		case !whole && len(b)-i < longestAck:
			return offset, slices.Clone(b[i:])
		case whole && len(length)+len(text)+4 <= longestAck-len(ackStart) && err == nil && n >= 0:
			offset, next = n, after
		}
		b = next
	}
	return offset, slices.Clone(b[max(0, len(b)-len(ackStart)+1):])
}

// Acknowledged implements splitbrain.Cluster. A replica that has acknowledged nothing of a
// master's may be in the middle of its first synchronisation: it counts.
func (c *Cluster) Acknowledged(master string, offset int64) (replicas int, known bool) {
	a := &c.acks
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, node := range a.servers {
		if said, ever := a.upTo[[2]string{node, master}]; node != master && (!ever || said >= offset) {
			replicas++
		}
	}
	return replicas, true
}
