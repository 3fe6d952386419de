package acl

import (
	"slices"

	"github.com/torntail/torntail/engine/glob"
)

// Reason is why a command may not be executed. Greater ones are told before others
// (redis 7.0.15 server.h ACL_DENIED_*).
type Reason uint8

// The reasons.
const (
	Allowed Reason = iota
	DeniedCommand
	DeniedKey
	DeniedAuth // a wrong password: of the log alone
	DeniedChannel
)

// String is the reason in ACL LOG.
func (r Reason) String() string {
	return [...]string{"", "command", "key", "auth", "channel"}[r]
}

// Key is where a key is in a command's arguments, and what becomes of it.
type Key struct {
	At          int
	Read, Write bool
}

// Request is a command that somebody wants executed.
type Request struct {
	ID     int // see ID
	NoAuth bool
	Argv   [][]byte
	Keys   func() []Key // called when keys are to be looked at
	keys   []Key
	known  bool
}

// Check says whether a user may execute a command: one of the selectors must allow all of
// it. at is the argument that is to blame for a key or channel (redis 7.0.15 acl.c
// ACLCheckAllUserCommandPerm).
func (u *User) Check(r *Request) (why Reason, at int) {
	if u.super {
		return Allowed, 0
	}
	why = DeniedCommand
	for _, s := range u.selectors {
		reason, arg := s.check(r)
		if reason == Allowed {
			return Allowed, 0
		}
		if reason > why || reason == why && arg > at {
			why, at = reason, arg
		}
	}
	return why, at
}

// ReadsAll reports whether a command may be executed by a selector that may read every
// key as well: what SORT's BY and GET need.
func (u *User) ReadsAll(r *Request) bool {
	if u.super {
		return true
	}
	return slices.ContainsFunc(u.selectors, func(s *selector) bool {
		if reason, _ := s.check(r); reason != Allowed {
			return false
		}
		return s.everyKey || slices.ContainsFunc(s.keys, func(k keyPattern) bool { return k.read && k.pattern == "*" })
	})
}

func (s *selector) check(r *Request) (why Reason, at int) {
	if !s.everyCommand && !r.NoAuth && !s.has(r.ID) && !s.allowsFirst(r) {
		return DeniedCommand, 0
	}
	if !s.everyKey {
		if !r.known {
			r.keys, r.known = r.Keys(), true
		}
		for _, k := range r.keys {
			if !s.allowsKey(string(r.Argv[k.At]), k) {
				return DeniedKey, k.At
			}
		}
	}
	if s.everyChannel || r.ID < 0 {
		return Allowed, 0
	}
	kind := table[r.ID].channels
	if kind == noChannels {
		return Allowed, 0
	}
	end := len(r.Argv)
	if kind == firstChannel {
		end = min(2, end)
	}
	for i := 1; i < end; i++ {
		if !matchesChannel(s.channels, string(r.Argv[i]), kind == allPatterns) {
			return DeniedChannel, i
		}
	}
	return Allowed, 0
}

// allowsFirst reports whether a command is allowed with its first argument.
func (s *selector) allowsFirst(r *Request) bool {
	return len(r.Argv) > 1 && slices.ContainsFunc(s.firstArgs[r.ID], func(arg string) bool {
		return is(arg, cString(string(r.Argv[1])))
	})
}

func (s *selector) allowsKey(key string, k Key) bool {
	return slices.ContainsFunc(s.keys, func(p keyPattern) bool {
		return (p.read || !k.Read) && (p.write || !k.Write) && glob.Match([]byte(p.pattern), key, false)
	})
}

// matchesChannel matches a channel with patterns; a pattern must be one of them.
func matchesChannel(patterns []string, channel string, isPattern bool) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if isPattern {
			return cString(p) == cString(channel)
		}
		return glob.Match([]byte(p), channel, false)
	})
}

// Revoked says which subscriptions of the user as it was before are no longer allowed:
// may reports for a channel or pattern whether it still is. It is nil when nothing was
// taken away (redis 7.0.15 acl.c ACLKillPubsubClientsIfNeeded).
func (u *User) revoked(before *User) (may func(name string, isPattern bool) bool) {
	var now []string
	for _, s := range u.selectors {
		if s.everyChannel {
			return nil
		}
		now = append(now, s.channels...)
	}
	less := false
	for _, s := range before.selectors {
		less = less || s.everyChannel || slices.ContainsFunc(s.channels, func(c string) bool { return !slices.Contains(now, c) })
	}
	if !less {
		return nil
	}
	return func(name string, isPattern bool) bool { return matchesChannel(now, name, isPattern) }
}
