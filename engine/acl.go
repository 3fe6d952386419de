package engine

import (
	"fmt"
	"slices"

	"github.com/torntail/torntail/engine/acl"
)

var aclCommands = []entry{
	{name: "acl|whoami", run: func(_ *Server, c *Session, _ [][]byte) {
		if c.user == nil {
			c.null()
			return
		}
		c.bulkText(c.user.Name)
	}},
	{name: "acl|users", run: func(s *Server, c *Session, _ [][]byte) {
		all := s.users.All()
		c.array(len(all))
		for _, u := range all {
			c.bulkText(u.Name)
		}
	}},
	{name: "acl|list", run: func(s *Server, c *Session, _ [][]byte) {
		lines := s.users.Lines()
		c.array(len(lines))
		for _, line := range lines {
			c.bulkText(line)
		}
	}},
	{name: "acl|getuser", run: aclGetuser},
	{name: "acl|cat", run: aclCat},
	{name: "acl|genpass", run: aclGenpass},
	{name: "acl|dryrun", run: aclDryrun},
	{name: "acl|setuser", run: aclSetuser},
	{name: "acl|deluser", run: aclDeluser},
	{name: "acl|load", run: aclLoad},
	{name: "acl|save", run: aclSave},
	{name: "acl|log", run: aclLog},
	{name: "acl|help", run: help("ACL",
		"CAT [<category>]", "    List all commands that belong to <category>, or all command categories", "    when no category is specified.",
		"DELUSER <username> [<username> ...]", "    Delete a list of users.",
		"DRYRUN <username> <command> [<arg> ...]", "    Returns whether the user can execute the given command without executing the command.",
		"GETUSER <username>", "    Get the user's details.",
		"GENPASS [<bits>]", "    Generate a secure 256-bit user password. The optional `bits` argument can", "    be used to specify a different size.",
		"LIST", "    Show users details in config file format.",
		"LOAD", "    Reload users from the ACL file.",
		"LOG [<count> | RESET]", "    Show the ACL log entries.",
		"SAVE", "    Save the current config to the ACL file.",
		"SETUSER <username> <attribute> [<attribute> ...]", "    Create or modify a user with the specified attributes.",
		"USERS", "    List all the registered usernames.",
		"WHOAMI", "    Return the current connection username.")},
}

// newChannels says whether who is new may use every channel.
func (s *Server) newChannels() bool { return s.cfg.AclPubsubDefault == "allchannels" }

// aclSetuser follows redis 7.0.15 acl.c aclCommand. Who listens to a channel that his
// user loses is disconnected.
func aclSetuser(s *Server, c *Session, argv [][]byte) {
	name := string(argv[2])
	if !acl.GoodName(name) {
		c.error("ERR Usernames can't contain spaces or null characters")
		return
	}
	rules := make([]string, 0, len(argv)-3)
	for _, a := range argv[3:] {
		rules = append(rules, string(a))
	}
	u, may, err := s.users.Set(name, rules, s.newChannels())
	if err != nil {
		c.error("ERR " + oneLine(err.Error()))
		return
	}
	if may != nil {
		denied := func(names subscriptions, patterns bool) bool {
			return slices.ContainsFunc(names, func(n string) bool { return !may(n, patterns) })
		}
		for _, o := range slices.Clone(s.sessions) {
			if o.user == u && o.class() == pubsubClient && (denied(o.patterns, true) || denied(o.channels, false) || denied(o.shards, false)) {
				o.kill()
			}
		}
	}
	c.ok()
}

func aclDeluser(s *Server, c *Session, argv [][]byte) {
	for _, name := range argv[2:] {
		if string(name) == "default" {
			c.error("ERR The 'default' user cannot be removed")
			return
		}
	}
	deleted := int64(0)
	for _, name := range argv[2:] {
		if u := s.users.Remove(string(name)); u != nil {
			s.endSessionsOf(u, c)
			deleted++
		}
	}
	c.int(deleted)
}

// endSessionsOf disconnects a user who is no more; asker, who has asked for that, gets his
// answer first.
func (s *Server) endSessionsOf(u *acl.User, asker *Session) {
	for _, o := range slices.Clone(s.sessions) {
		switch {
		case o.user != u:
		case o == asker:
			o.user, o.authed, o.closing = s.users.Default, false, true
		default:
			o.user, o.authed = s.users.Default, false
			o.kill()
		}
	}
}

func aclGetuser(s *Server, c *Session, argv [][]byte) {
	u := s.users.Find(string(argv[2]))
	if u == nil {
		c.null()
		return
	}
	c.mapOf(6)
	c.bulkText("flags")
	c.set(len(u.Flags()))
	for _, f := range u.Flags() {
		c.bulkText(f)
	}
	c.bulkText("passwords")
	c.array(len(u.Passwords()))
	for _, p := range u.Passwords() {
		c.bulkText(p)
	}
	permissions := u.Permissions()
	describe := func(p acl.Permissions) {
		for _, field := range [][2]string{{"commands", p.Commands}, {"keys", p.Keys}, {"channels", p.Channels}} {
			c.bulkText(field[0])
			c.bulkText(field[1])
		}
	}
	describe(permissions[0])
	c.bulkText("selectors")
	c.array(len(permissions) - 1)
	for _, p := range permissions[1:] {
		c.mapOf(3)
		describe(p)
	}
}

func aclCat(_ *Server, c *Session, argv [][]byte) {
	names := acl.Categories
	switch len(argv) {
	case 2:
	case 3:
		var ok bool
		if names, ok = acl.In(string(argv[2])); !ok {
			c.error("ERR Unknown category '" + clip(argv[2], 128) + "'")
			return
		}
	default:
		c.wrongSubcommand(argv)
		return
	}
	c.array(len(names))
	for _, n := range names {
		c.bulkText(n)
	}
}

// mostPasswordBits is redis 7.0.15 acl.c GENPASS_MAX_BITS.
const mostPasswordBits = 4096

func aclGenpass(s *Server, c *Session, argv [][]byte) {
	bits := int64(256)
	if len(argv) > 3 {
		c.wrongSubcommand(argv)
		return
	}
	if len(argv) == 3 {
		var ok bool
		if bits, ok = c.intArg(argv[2]); !ok {
			return
		}
	}
	if bits <= 0 || bits > mostPasswordBits {
		c.error(fmt.Sprintf("ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to %d", mostPasswordBits))
		return
	}
	var digits []byte
	for range (bits + 63) / 64 {
		digits = fmt.Appendf(digits, "%016x", s.env.Uint64())
	}
	c.bulk(digits[:(bits+3)/4])
}

// aclDryrun follows redis 7.0.15 acl.c aclCommand.
func aclDryrun(s *Server, c *Session, argv [][]byte) {
	u := s.users.Find(string(argv[2]))
	if u == nil {
		c.error("ERR User '" + clip(argv[2], len(argv[2])) + "' not found")
		return
	}
	args := argv[3:]
	cmd := s.lookupCommand(args)
	switch {
	case cmd == nil || !s.has(cmd):
		c.error("ERR Command '" + clip(args[0], len(args[0])) + "' not found")
		return
	case !cmd.arityOK(len(args)):
		c.error("ERR wrong number of arguments for '" + cmd.fullName + "' command")
		return
	}
	const denied = "This user has no permissions to "
	switch why, at := u.Check(cmd.request(args)); why {
	case acl.Allowed:
		c.ok()
	case acl.DeniedCommand:
		c.bulkText(denied + "run the '" + cmd.fullName + "' command")
	case acl.DeniedKey:
		c.bulkText(denied + "access the '" + clip(args[at], len(args[at])) + "' key")
	default:
		c.bulkText(denied + "access the '" + clip(args[at], len(args[at])) + "' channel")
	}
}

func aclLog(s *Server, c *Session, argv [][]byte) {
	count := int64(10)
	switch {
	case len(argv) > 3:
		c.wrongSubcommand(argv)
		return
	case len(argv) == 3 && same(argv[2], "reset"):
		s.denied.Entries = nil
		c.ok()
		return
	case len(argv) == 3:
		var ok bool
		if count, ok = c.intArg(argv[2]); !ok {
			return
		}
	}
	entries := s.denied.Entries[:min(max(count, 0), int64(len(s.denied.Entries)))]
	now := s.env.Wall().UnixMilli()
	c.array(len(entries))
	for _, e := range entries {
		c.mapOf(7)
		c.bulkText("count")
		c.int(e.Count)
		for _, field := range [][2]string{{"reason", e.Reason.String()}, {"context", string(e.Context)}, {"object", e.Object}, {"username", e.User}} {
			c.bulkText(field[0])
			c.bulkText(field[1])
		}
		c.bulkText("age-seconds")
		c.double(float64(now-e.At) / 1000)
		c.bulkText("client-info")
		c.bulkText(e.Client)
	}
}
