package acl

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// User is somebody who may log in.
type User struct {
	Name string

	enabled, nopass bool
	sanitize        sanitizing
	passwords       []string // hashed, in the order they were added
	selectors       []*selector
	super           bool // may do everything: see settle
}

// sanitizing says whether a rule about what RESTORE examines was given, and which.
type sanitizing uint8

const (
	sanitizeUnsaid sanitizing = iota
	sanitizeSkipped
	sanitizeDone
)

// selector is a set of permissions, of which one must cover all of a command. A user's
// first is the root, which rules outside of parentheses are about.
type selector struct {
	// everyKey and its like are said apart from patterns and bits, since what is added
	// to them is an error or does nothing.
	everyKey, everyChannel, everyCommand bool
	commands                             [mostCommands / 64]uint64
	firstArgs                            map[int][]string // of commands that are not allowed otherwise
	keys                                 []keyPattern
	channels                             []string
}

// keyPattern is a pattern of keys and what may be done to those.
type keyPattern struct {
	pattern     string
	read, write bool
}

// newUser makes one who may do nothing, and not log in.
func newUser(name string, channels bool) *User {
	return &User{Name: name, selectors: []*selector{{everyChannel: channels}}}
}

// newDefault makes the user of those who have not said who they are.
func newDefault() *User {
	u := newUser("default", false)
	root := u.selectors[0]
	root.everyKey, root.everyChannel = true, true
	root.allowAll(true)
	u.enabled, u.nopass = true, true
	u.settle()
	return u
}

// clone is a copy that shares nothing which changes.
func (u *User) clone() *User {
	out := *u
	out.passwords = slices.Clone(u.passwords)
	out.selectors = make([]*selector, len(u.selectors))
	for i, sel := range u.selectors {
		c := *sel
		c.keys, c.channels = slices.Clone(sel.keys), slices.Clone(sel.channels)
		if sel.firstArgs != nil {
			c.firstArgs = make(map[int][]string, len(sel.firstArgs))
			for id, args := range sel.firstArgs { // any order: a map is filled
				c.firstArgs[id] = slices.Clone(args)
			}
		}
		out.selectors[i] = &c
	}
	return &out
}

// become takes another user's rules, and keeps its own name and identity: sessions
// point at it.
func (u *User) become(o *User) {
	name := u.Name
	*u = *o.clone()
	u.Name = name
	u.settle()
}

// settle finds out whether anything need be checked at all.
func (u *User) settle() {
	u.super = slices.ContainsFunc(u.selectors, func(s *selector) bool { return s.everyKey && s.everyChannel && s.everyCommand })
}

// Open reports whether nobody need say a password to be this user.
func (u *User) Open() bool { return u.nopass && u.enabled }

// NoPass reports whether any password will do.
func (u *User) NoPass() bool { return u.nopass }

// SkipsSanitizing reports whether the user was said to need no examination of payloads.
func (u *User) SkipsSanitizing() bool { return u.sanitize == sanitizeSkipped }

// Passes reports whether a password is one of the user's.
func (u *User) Passes(password []byte) bool {
	switch {
	case !u.enabled:
		return false
	case u.nopass:
		return true
	}
	return slices.Contains(u.passwords, hashed(password))
}

func hashed(password []byte) string {
	sum := sha256.Sum256(password)
	return hex.EncodeToString(sum[:])
}

// SetPassword is requirepass: the only password, or none at all.
func (u *User) SetPassword(password string) {
	u.passwords, u.nopass = nil, password == ""
	if password != "" {
		u.passwords = []string{hashed([]byte(password))}
	}
}
