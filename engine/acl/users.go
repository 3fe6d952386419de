package acl

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Users are all who may log in. Default is the user of those who have not; sessions keep
// pointers to users, so that rules that change count for them at once.
type Users struct {
	Default *User
	byName  map[string]*User
}

// New makes a set of the default user alone, who may do everything.
func New() *Users {
	u := newDefault()
	return &Users{Default: u, byName: map[string]*User{u.Name: u}}
}

// Find looks a user up; nil: there is none.
func (us *Users) Find(name string) *User { return us.byName[name] }

// All are the users by name.
func (us *Users) All() (all []*User) {
	for _, name := range slices.Sorted(maps.Keys(us.byName)) {
		all = append(all, us.byName[name])
	}
	return all
}

// Set applies rules to a user, who need not be there before; all of them or none. revoked
// is nil unless channels were taken away from the user; it says which are still allowed.
func (us *Users) Set(name string, rules []string, channels bool) (u *User, revoked func(name string, isPattern bool) bool, err error) {
	merged, open := merge(rules)
	if open >= 0 {
		return nil, nil, said("Unmatched parenthesis in acl selector starting at '%s'.", cString(rules[open]))
	}
	before := us.byName[name]
	next := newUser(name, channels)
	if before != nil {
		next = before.clone()
	}
	for _, rule := range merged {
		if err := next.rule(rule, channels); err != nil {
			return nil, nil, said("Error in ACL SETUSER modifier '%s': %v", cString(rule), err)
		}
	}
	if before == nil {
		next.settle()
		us.byName[name] = next
		return next, nil, nil
	}
	revoked = next.revoked(before)
	before.become(next)
	return before, revoked, nil
}

// Remove forgets a user; nil: there was none.
func (us *Users) Remove(name string) *User {
	u := us.byName[name]
	delete(us.byName, name)
	return u
}

// GoodName reports whether a user can have a name.
func GoodName(name string) bool { return !hasSpaces(name) }

// Declaration is a user of redis.conf.
type Declaration struct {
	Name  string
	Rules []string // selectors in one each
}

// Declare reads the line "user name rules..." of redis.conf, argv[0] being "user". blamed
// is the argument at which redis-server finds what is wrong: sic, it counts from the rules
// and is shown of the line (redis 7.0.15 acl.c ACLAppendUserForLoading).
func Declare(argv []string, before []Declaration, channels bool) (d Declaration, blamed string, err error) {
	if slices.ContainsFunc(before, func(o Declaration) bool { return o.Name == argv[1] }) {
		return d, argv[1], errDuplicate
	}
	merged, open := merge(argv[2:])
	if open >= 0 {
		return d, argv[open], errFormat
	}
	u := newUser("", channels)
	for i, rule := range merged {
		if err := u.rule(rule, channels); err != nil && err != errUnknown {
			return d, argv[i], err
		}
	}
	return Declaration{argv[1], merged}, "", nil
}

// Configure makes the users of redis.conf. disabled are those who may not log in, which
// may be a mistake. An error is what the log says of the first rule that is none.
func (us *Users) Configure(all []Declaration, channels bool) (disabled []string, err error) {
	for _, d := range all {
		if hasSpaces(d.Name) {
			return nil, said("Spaces not allowed in ACL usernames")
		}
		u := us.byName[d.Name]
		if u == nil {
			u = newUser(d.Name, channels)
			us.byName[d.Name] = u
		} else {
			_ = u.rule("reset", channels)
		}
		for _, rule := range d.Rules {
			if err := u.rule(rule, channels); err != nil {
				return nil, said("Error loading ACL rule '%s' for the user named '%s': %v", rule, d.Name, err)
			}
		}
		u.settle()
		if !u.enabled {
			disabled = append(disabled, d.Name)
		}
	}
	return disabled, nil
}

// Load reads a file of users, all of it or nothing. removed are the users who were there
// before but for the default one: sessions of theirs end, even if the file has them too
// (redis 7.0.15 acl.c ACLLoadFromFile).
func (us *Users) Load(file string, text []byte, channels bool) (removed []*User, errs error) {
	next := map[string]*User{}
	var wrong strings.Builder
	for i, line := range strings.Split(cString(string(text)), "\n") {
		line = strings.Trim(line, " \t\r\n")
		if line == "" {
			continue
		}
		loadLine(next, file, i+1, strings.Split(line, " "), channels, &wrong)
	}
	if wrong.Len() > 0 {
		return nil, said("%sWARNING: ACL errors detected, no change to the previously active ACL rules was performed", wrong.String())
	}
	def := next["default"]
	if def == nil {
		def = newDefault()
	}
	for _, u := range us.All() {
		if u != us.Default {
			removed = append(removed, u)
		}
	}
	us.Default.become(def)
	next["default"] = us.Default
	us.byName = next
	return removed, nil
}

func loadLine(next map[string]*User, file string, n int, argv []string, channels bool, wrong *strings.Builder) {
	switch {
	case argv[0] != "user" || len(argv) < 2:
		fmt.Fprintf(wrong, "%s:%d should start with user keyword followed by the username. ", file, n)
		return
	case hasSpaces(argv[1]):
		fmt.Fprintf(wrong, "'%s:%d: username '%s' contains invalid characters. ", file, n, argv[1])
		return
	case next[argv[1]] != nil:
		fmt.Fprintf(wrong, "WARNING: Duplicate user '%s' found on line %d. ", argv[1], n)
		return
	}
	u := newUser(argv[1], channels)
	next[argv[1]] = u
	rules, open := merge(argv[2:])
	if open >= 0 {
		fmt.Fprintf(wrong, "%s:%d: Unmatched parenthesis in selector definition.", file, n)
		return
	}
	told := false
	for _, rule := range rules {
		rule = strings.Trim(rule, "\t\r\n")
		switch err := u.rule(rule, channels); {
		case err == nil:
		case err == errUnknown:
			fmt.Fprintf(wrong, "%s:%d: Error in applying operation '%s': %s. ", file, n, rule, err)
		case !told: // of the others only the first, which may have made the rest
			fmt.Fprintf(wrong, "%s:%d: %s. ", file, n, err)
			told = true
		}
	}
	u.settle()
}

// Lines are all users as a file of users, and redis.conf, say them.
func (us *Users) Lines() (lines []string) {
	for _, u := range us.All() {
		lines = append(lines, "user "+u.Name+" "+u.Describe())
	}
	return lines
}
