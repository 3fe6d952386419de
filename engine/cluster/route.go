package cluster

import (
	"bytes"
	"fmt"
)

// Where a command is executed: here, or elsewhere.

// Query is a command that somebody wants executed.
type Query struct {
	Keys []([]byte) // of a transaction, all of its commands'
	// Channels: the keys are shard channels.
	Channels bool
	Writes   bool // the command's own flag
	Changes  bool // it writes, or is EXEC of something that does
	Asking   bool // behind ASKING, or RESTORE-ASKING
	ReadOnly bool // behind READONLY
	Migrate  bool // it is MIGRATE itself
	Exists   func(key []byte) bool
}

// Why a command is not executed here, as clients are told.
const (
	errCrossSlot = "CROSSSLOT Keys in request don't hash to the same slot"
	errTryAgain  = "TRYAGAIN Multiple keys request during rehashing of slot"
	// ErrDown and ErrReadsOnly: the cluster does not serve. ErrUnbound: nobody has the slot.
	ErrDown      = "CLUSTERDOWN The cluster is down"
	ErrReadsOnly = "CLUSTERDOWN The cluster is down and only accepts read commands"
	ErrUnbound   = "CLUSTERDOWN Hash slot not served"
)

// Route returns why a command is not executed here, "" when it is, and the slot of its keys,
// -1 without any (redis 7.0.15 cluster.c getNodeByQuery).
func (m *Machine) Route(q *Query) (slot int, refusal string) {
	if len(q.Keys) == 0 {
		return -1, ""
	}
	slot = KeySlot(q.Keys[0])
	owner := m.owner[slot]
	if owner == nil {
		return slot, ErrUnbound
	}
	migrating := owner == m.me && m.migrating[slot] != nil
	importing := !migrating && m.importing[slot] != nil
	several, missing, existing := false, 0, 0
	for i, key := range q.Keys {
		if i > 0 && !bytes.Equal(key, q.Keys[0]) {
			if KeySlot(key) != slot {
				return slot, errCrossSlot
			}
			several = true
		}
		if (migrating || importing) && !q.Channels {
			if q.Exists(key) {
				existing++
			} else {
				missing++
			}
		}
	}
	if m.failed {
		switch {
		case q.Channels:
			if !m.cfg.ClusterAllowPubsubWhenDown {
				return slot, ErrDown
			}
		case !m.cfg.ClusterAllowReadsWhenDown:
			return slot, ErrDown
		case q.Writes:
			return slot, ErrReadsOnly
		}
	}
	switch {
	case (migrating || importing) && q.Migrate:
		return slot, ""
	case migrating && missing > 0 && existing > 0:
		return slot, errTryAgain
	case migrating && missing > 0 && m.migrating[slot] == m.me: // to itself, which SETSLOT takes
		return slot, ""
	case migrating && missing > 0:
		return slot, m.redirection("ASK", slot, m.migrating[slot])
	case importing && q.Asking && several && missing > 0:
		return slot, errTryAgain
	case importing && q.Asking:
		return slot, ""
	case (q.ReadOnly || q.Channels) && !q.Changes && m.me.is(Replica) && m.me.master == owner:
		return slot, ""
	case owner != m.me:
		return slot, m.redirection("MOVED", slot, owner)
	}
	return slot, ""
}

func (m *Machine) redirection(word string, slot int, to *node) string {
	return fmt.Sprintf("%s %d %s:%d", word, slot, m.endpoint(to), to.port)
}

// RouteBlocked returns why a client need not wait for a key any longer; "" if it may (redis
// 7.0.15 cluster.c clusterRedirectBlockedClientIfNeeded).
func (m *Machine) RouteBlocked(key []byte, readOnly, writes bool) string {
	if m.failed {
		return ErrDown
	}
	slot := KeySlot(key)
	owner := m.owner[slot]
	switch {
	case readOnly && !writes && m.me.is(Replica) && m.me.master == owner, owner == m.me, m.importing[slot] != nil:
		return ""
	case owner == nil:
		return ErrUnbound
	}
	return m.redirection("MOVED", slot, owner)
}
