package acl

import (
	"math"
	"strings"
)

// Flags are a user's, in the order in which they are told.
func (u *User) Flags() []string {
	flags := []string{"off"}
	if u.enabled {
		flags[0] = "on"
	}
	if u.nopass {
		flags = append(flags, "nopass")
	}
	switch u.sanitize {
	case sanitizeSkipped:
		flags = append(flags, "skip-sanitize-payload")
	case sanitizeDone:
		flags = append(flags, "sanitize-payload")
	}
	return flags
}

// Passwords are the hashes of a user's passwords.
func (u *User) Passwords() []string { return u.passwords }

// Permissions are a selector's, as rules that would make them.
type Permissions struct{ Commands, Keys, Channels string }

// Permissions are those of the root and of each selector behind it.
func (u *User) Permissions() (all []Permissions) {
	for _, s := range u.selectors {
		all = append(all, Permissions{s.describeCommands(), strings.Join(s.keyRules(), " "), strings.Join(s.channelRules(), " ")})
	}
	return all
}

// Describe is a user as rules that would make it, as ACL LIST, ACL SAVE and CONFIG
// REWRITE write it behind the name (redis 7.0.15 acl.c ACLDescribeUser).
func (u *User) Describe() string {
	parts := u.Flags()
	for _, p := range u.passwords {
		parts = append(parts, "#"+p)
	}
	for i, s := range u.selectors {
		rules := s.keyRules()
		if !s.everyChannel {
			rules = append(rules, "resetchannels")
		}
		rules = append(append(rules, s.channelRules()...), s.describeCommands())
		text := strings.Join(rules, " ")
		if i > 0 {
			text = "(" + text + ")"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}

func (s *selector) keyRules() (rules []string) {
	if s.everyKey {
		return []string{"~*"}
	}
	for _, k := range s.keys {
		prefix := "~"
		switch {
		case !k.write:
			prefix = "%R~"
		case !k.read:
			prefix = "%W~"
		}
		rules = append(rules, prefix+k.pattern)
	}
	return rules
}

func (s *selector) channelRules() (rules []string) {
	if s.everyChannel {
		return []string{"&*"}
	}
	for _, c := range s.channels {
		rules = append(rules, "&"+c)
	}
	return rules
}

// describeCommands finds categories that come near to what is allowed, then the commands
// in which they differ (redis 7.0.15 acl.c ACLDescribeSelectorCommandRules). Redis tells
// these commands in an order that each of its runs draws anew; here it is that of names.
func (s *selector) describeCommands() string {
	add := !s.toCome()
	sign, rules := "-", []string{"+@all"}
	if add {
		sign, rules = "+", []string{"-@all"}
	}
	var said selector // what the rules so far allow
	said.allowAll(!add)
	left := selector{commands: s.commands} // what they do not say yet
	var applied uint32
	for {
		best := s.nearest(&left, applied, add)
		if best < 0 {
			break
		}
		bit := uint32(1) << best
		said.allowCategory(bit, add)
		left.allowCategory(bit, !add)
		rules = append(rules, sign+"@"+Categories[best])
		applied |= bit
	}
	for _, cmd := range table {
		yes := s.has(cmd.id)
		if yes != said.has(cmd.id) {
			if yes {
				rules = append(rules, "+"+cmd.name)
			} else {
				rules = append(rules, "-"+cmd.name)
			}
			said.allow(cmd, yes)
		}
		if !yes {
			for _, arg := range s.firstArgs[cmd.id] {
				rules = append(rules, "+"+cmd.name+"|"+arg)
			}
		}
	}
	return strings.Join(rules, " ")
}

// nearest is the category with the fewest commands that differ from what is left to be
// said, and of those the one with the most that agree; -1 when none agrees in more than
// it differs.
func (*selector) nearest(left *selector, applied uint32, add bool) int {
	best, leastDiff, mostSame := -1, math.MaxInt, 0
	for i := range Categories {
		if applied>>i&1 == 1 {
			continue
		}
		same, diff := 0, 0
		for _, cmd := range table {
			switch {
			case cmd.categories>>i&1 == 0:
			case left.has(cmd.id) == add:
				same++
			default:
				diff++
			}
		}
		if same > diff && (diff < leastDiff || diff == leastDiff && same > mostSame) {
			best, leastDiff, mostSame = i, diff, same
		}
	}
	return best
}
