package acl

import (
	"fmt"
	"strings"

	"github.com/torntail/torntail/engine/words"
)

// ruleError is why a rule is no rule, in redis-server's words (redis 7.0.15 acl.c
// ACLSetUserStringError).
type ruleError string

func (e ruleError) Error() string { return string(e) }

func said(format string, args ...any) error { return ruleError(fmt.Sprintf(format, args...)) }

const (
	// errUnknown alone does not stop the reading of redis.conf: modules may bring the command.
	errUnknown   ruleError = "Unknown command or category name in ACL"
	errSyntax    ruleError = "Syntax error"
	errAllKeys   ruleError = "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns"
	errAllChans  ruleError = "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels"
	errNoSuch    ruleError = "The password you are trying to remove from the user does not exist"
	errHash      ruleError = "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
	errDuplicate ruleError = "Duplicate user found. A user can only be defined once in config files"
	errSubArg    ruleError = "Allowing first-arg of a subcommand is not supported"
	errFormat    ruleError = "Wrong format"
)

// cString is what C reads of a string: what is before its first zero byte.
func cString(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return s
}

// is compares as C's strcasecmp.
func is(op, word string) bool { return len(op) == len(word) && strings.EqualFold(op, word) }

// hasSpaces reports what neither names nor patterns may have.
func hasSpaces(s string) bool { return strings.ContainsAny(s, " \t\n\v\f\r\x00") }

// rule applies one rule (redis 7.0.15 acl.c ACLSetUser). channels says what a new or
// reset set of permissions begins with: acl-pubsub-default.
func (u *User) rule(op string, channels bool) error {
	if op == "" {
		return nil
	}
	switch word := cString(op); {
	case is(word, "on"), is(word, "off"):
		u.enabled = is(word, "on")
	case is(word, "skip-sanitize-payload"):
		u.sanitize = sanitizeSkipped
	case is(word, "sanitize-payload"):
		u.sanitize = sanitizeDone
	case is(word, "nopass"), is(word, "resetpass"):
		u.nopass, u.passwords = is(word, "nopass"), nil
	case op[0] == '>' || op[0] == '#' || op[0] == '<' || op[0] == '!':
		return u.passwordRule(op[0], op[1:])
	case op[0] == '(' && op[len(op)-1] == ')':
		return u.selectorRule(op[1:len(op)-1], channels)
	case is(word, "clearselectors"):
		u.selectors = u.selectors[:1:1]
	case is(word, "reset"):
		u.passwords, u.nopass, u.enabled, u.sanitize = nil, false, false, sanitizeDone
		u.selectors = []*selector{{everyChannel: channels}}
	default:
		return u.selectors[0].rule(op)
	}
	return nil
}

func (u *User) passwordRule(kind byte, value string) error {
	if kind == '>' || kind == '<' {
		value = hashed([]byte(value))
	} else if !isHash(value) {
		return errHash
	}
	at := -1
	for i, p := range u.passwords {
		if p == value {
			at = i
		}
	}
	if kind == '<' || kind == '!' {
		if at < 0 {
			return errNoSuch
		}
		u.passwords = append(u.passwords[:at:at], u.passwords[at+1:]...)
		return nil
	}
	if at < 0 {
		u.passwords = append(u.passwords, value)
	}
	u.nopass = false
	return nil
}

func isHash(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// selectorRule adds a set of permissions. What cannot be split into rules is one without
// any (redis 7.0.15 acl.c aclCreateSelectorFromOpSet).
func (u *User) selectorRule(text string, channels bool) error {
	sel := &selector{everyChannel: channels}
	ops, _ := words.Split(text)
	for _, op := range ops {
		if op == "" {
			return errSyntax
		}
		if err := sel.rule(op); err != nil {
			return err
		}
	}
	u.selectors = append(u.selectors, sel)
	return nil
}

// rule applies a rule about permissions (redis 7.0.15 acl.c ACLSetSelector).
func (s *selector) rule(op string) error {
	word := cString(op)
	switch {
	case is(word, "allkeys"), word == "~*":
		s.everyKey, s.keys = true, nil
	case is(word, "resetkeys"):
		s.everyKey, s.keys = false, nil
	case is(word, "allchannels"), word == "&*":
		s.everyChannel, s.channels = true, nil
	case is(word, "resetchannels"):
		s.everyChannel, s.channels = false, nil
	case is(word, "allcommands"), is(word, "+@all"):
		s.allowAll(true)
	case is(word, "nocommands"), is(word, "-@all"):
		s.allowAll(false)
	case op[0] == '~' || op[0] == '%':
		return s.keyRule(op)
	case op[0] == '&':
		return s.channelRule(op[1:])
	case strings.HasPrefix(word, "+@"), strings.HasPrefix(word, "-@"):
		bit := category(word[2:])
		if bit == 0 {
			return errUnknown
		}
		s.allowCategory(bit, op[0] == '+')
	case op[0] == '+':
		return s.allowRule(word[1:])
	case op[0] == '-':
		cmd := find(word[1:])
		if cmd == nil {
			return errUnknown
		}
		s.allow(cmd, false)
	default:
		return errSyntax
	}
	return nil
}

func (s *selector) keyRule(op string) error {
	if s.everyKey {
		return errAllKeys
	}
	p := keyPattern{read: op[0] == '~', write: op[0] == '~'}
	rest := op[1:]
	if op[0] == '%' {
		for rest != "" && rest[0] != '~' {
			switch {
			case rest[0]|0x20 == 'r' && !p.read:
				p.read = true
			case rest[0]|0x20 == 'w' && !p.write:
				p.write = true
			default:
				return errSyntax
			}
			rest = rest[1:]
		}
		if !p.read && !p.write {
			return errSyntax // redis-server takes "%~x", and dies when it has to describe it
		}
		rest = strings.TrimPrefix(rest, "~")
	}
	if hasSpaces(rest) {
		return errSyntax
	}
	p.pattern = rest
	for i := range s.keys {
		if k := &s.keys[i]; k.pattern == rest {
			k.read, k.write = k.read || p.read, k.write || p.write
			return nil
		}
	}
	s.keys = append(s.keys, p)
	return nil
}

func (s *selector) channelRule(pattern string) error {
	switch {
	case s.everyChannel:
		return errAllChans
	case hasSpaces(pattern):
		return errSyntax
	}
	for _, c := range s.channels {
		if c == pattern {
			return nil
		}
	}
	s.channels = append(s.channels, pattern)
	return nil
}

// allowRule is "+command", "+command|subcommand" or "+command|argument".
func (s *selector) allowRule(name string) error {
	bar := strings.LastIndexByte(name, '|')
	if bar < 0 {
		cmd := find(name)
		if cmd == nil {
			return errUnknown
		}
		s.allow(cmd, true)
		return nil
	}
	cmd, arg := find(name[:bar]), name[bar+1:]
	switch {
	case cmd == nil:
		return errUnknown
	case cmd.parent != nil:
		return errSubArg
	case arg == "":
		return errSyntax
	case len(cmd.subs) > 0:
		if cmd = find(name); cmd == nil {
			return errUnknown
		}
		s.allow(cmd, true)
		return nil
	}
	for _, a := range s.firstArgs[cmd.id] {
		if is(a, arg) {
			return nil
		}
	}
	if s.firstArgs == nil {
		s.firstArgs = make(map[int][]string)
	}
	s.firstArgs[cmd.id] = append(s.firstArgs[cmd.id], arg)
	return nil
}

// allowAll allows or forbids every command, those to come included.
func (s *selector) allowAll(yes bool) {
	var bits uint64
	if yes {
		bits = ^uint64(0)
	}
	for i := range s.commands {
		s.commands[i] = bits
	}
	s.everyCommand, s.firstArgs = yes, nil
}

func (s *selector) has(id int) bool { return id >= 0 && s.commands[id/64]>>(id%64)&1 == 1 }

// toCome reports whether commands that are to come are allowed as well.
func (s *selector) toCome() bool { return s.has(mostCommands - 1) }

func (s *selector) set(id int, yes bool) {
	if yes {
		s.commands[id/64] |= 1 << (id % 64)
		return
	}
	s.commands[id/64] &^= 1 << (id % 64)
	s.everyCommand = false
}

// allow allows or forbids a command with all that it contains.
func (s *selector) allow(cmd *command, yes bool) {
	s.set(cmd.id, yes)
	delete(s.firstArgs, cmd.id)
	for _, sub := range cmd.subs {
		s.set(sub.id, yes)
	}
}

func (s *selector) allowCategory(bit uint32, yes bool) {
	for _, cmd := range table {
		if cmd.categories&bit != 0 {
			s.allow(cmd, yes)
		}
	}
}

// merge puts selectors that were written as several arguments together (redis 7.0.15
// acl.c ACLMergeSelectorArguments). open is the first argument of one that has no end;
// -1: all have.
func merge(argv []string) (merged []string, open int) {
	open = -1
	begun := ""
	for i, op := range argv {
		last := byte(0)
		if op != "" {
			last = op[len(op)-1]
		}
		switch {
		case op != "" && op[0] == '(' && last != ')':
			begun, open = op, i
		case open >= 0:
			begun += " " + cString(op)
			if last == ')' {
				merged, open = append(merged, begun), -1
			}
		default:
			merged = append(merged, op)
		}
	}
	return merged, open
}
