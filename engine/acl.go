package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// aclCommands tell of the one user there is, who may do everything. What would make
// others, and what is only about those, is refused by its name.
var aclCommands = []entry{
	{name: "acl|whoami", run: func(_ *Server, c *Session, _ [][]byte) { c.bulkText("default") }},
	{name: "acl|users", run: func(_ *Server, c *Session, _ [][]byte) {
		c.array(1)
		c.bulkText("default")
	}},
	{name: "acl|list", run: func(s *Server, c *Session, _ [][]byte) {
		password := "nopass"
		if hash := s.passwordHash(); hash != "" {
			password = "#" + hash
		}
		c.array(1)
		c.bulkText("user default on " + password + " ~* &* +@all")
	}},
	{name: "acl|getuser", run: aclGetuser},
	{name: "acl|cat", run: aclCat},
	{name: "acl|genpass", run: aclGenpass},
	{name: "acl|dryrun", run: aclDryrun},
	{name: "acl|setuser", run: aclRefuse},
	{name: "acl|deluser", run: aclRefuse},
	{name: "acl|load", run: aclFileless},
	{name: "acl|save", run: aclFileless},
	{name: "acl|help", run: help("ACL",
		"CAT [<category>]", "    List all commands that belong to <category>, or all command categories", "    when no category is specified.",
		"DRYRUN <username> <command> [<arg> ...]", "    Returns whether the user can execute the given command without executing the command.",
		"GETUSER <username>", "    Get the user's details.",
		"GENPASS [<bits>]", "    Generate a secure 256-bit user password. The optional `bits` argument can", "    be used to specify a different size.",
		"LIST", "    Show users details in config file format.",
		"USERS", "    List all the registered usernames.",
		"WHOAMI", "    Return the current connection username.")},
}

// aclRefuse refuses what would change who there is.
func aclRefuse(_ *Server, c *Session, argv [][]byte) {
	c.error("ERR ACL " + string(argv[1]) + " is not carried out by this server")
}

// aclFileless answers what is about a file of users: there is none.
func aclFileless(_ *Server, c *Session, _ [][]byte) {
	c.error("ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE " +
		"(assuming you have a Redis configuration file set) in order to store users in the Redis configuration.")
}

// passwordHash is the default user's, as ACL shows it; "" without one.
func (s *Server) passwordHash() string {
	if s.cfg.Requirepass == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(s.cfg.Requirepass))
	return hex.EncodeToString(sum[:])
}

func aclGetuser(s *Server, c *Session, argv [][]byte) {
	if string(argv[2]) != "default" {
		c.null()
		return
	}
	flags, passwords := []string{"on", "nopass"}, []string(nil)
	if hash := s.passwordHash(); hash != "" {
		flags, passwords = flags[:1], []string{hash}
	}
	c.mapOf(6)
	c.bulkText("flags")
	c.set(len(flags))
	for _, f := range flags {
		c.bulkText(f)
	}
	c.bulkText("passwords")
	c.array(len(passwords))
	for _, p := range passwords {
		c.bulkText(p)
	}
	for _, field := range [][2]string{{"commands", "+@all"}, {"keys", "~*"}, {"channels", "&*"}} {
		c.bulkText(field[0])
		c.bulkText(field[1])
	}
	c.bulkText("selectors")
	c.array(0)
}

// aclCategories are in the order of redis 7.0.15 acl.c ACLCommandCategories.
var aclCategories = []string{"keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo", "stream",
	"pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction", "scripting"}

func aclCat(s *Server, c *Session, argv [][]byte) {
	switch {
	case len(argv) > 3:
		c.error("ERR unknown subcommand or wrong number of arguments for '" + string(argv[1]) + "'. Try ACL HELP.")
		return
	case len(argv) == 2:
		c.array(len(aclCategories))
		for _, name := range aclCategories {
			c.bulkText(name)
		}
		return
	case !slices.Contains(aclCategories, lower(argv[2])):
		c.error("ERR Unknown category '" + string(argv[2]) + "'")
		return
	}
	var names []string
	has := func(cmd *command) {
		if slices.Contains(cmd.spec.Categories, "@"+lower(argv[2])) {
			names = append(names, cmd.fullName)
		}
	}
	for _, cmd := range s.commands() {
		has(cmd)
		for _, sub := range cmd.sub {
			has(sub)
		}
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

// aclDryrun follows redis 7.0.15 acl.c aclCommand: the one user may do everything
// that there is.
func aclDryrun(s *Server, c *Session, argv [][]byte) {
	if string(argv[2]) != "default" {
		c.error("ERR User '" + string(argv[2]) + "' not found")
		return
	}
	cmd := findCommand(argv[3])
	if cmd != nil && len(argv) > 4 && len(cmd.sub) > 0 {
		cmd = cmd.findSub(argv[4])
	}
	switch {
	case cmd == nil || !s.has(cmd):
		c.error("ERR Command '" + string(argv[3]) + "' not found")
	case !cmd.arityOK(len(argv) - 3):
		c.error("ERR wrong number of arguments for '" + cmd.fullName + "' command")
	default:
		c.ok()
	}
}
