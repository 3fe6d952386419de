package engine

import (
	"strings"

	"github.com/torntail/torntail/engine/acl"
)

// What users may do, as commands are about to be executed.

// request is a command as package acl looks at it.
func (cmd *command) request(argv [][]byte) *acl.Request {
	return &acl.Request{ID: cmd.acl, NoAuth: cmd.flags&noAuth != 0, Argv: argv, Keys: func() (keys []acl.Key) {
		found, _ := cmd.keys(argv) // arguments that are none are the command's own to refuse
		for _, k := range found {
			key := acl.Key{At: k.at}
			for _, f := range k.flags {
				key.Read = key.Read || f == "access"
				key.Write = key.Write || f == "insert" || f == "delete" || f == "update"
			}
			keys = append(keys, key)
		}
		return keys
	}}
}

// check says whether the session's user may execute a command, and notes it in ACL LOG
// if not.
func (s *Server) check(c *Session, cmd *command, argv [][]byte, context acl.Context) acl.Reason {
	if c.user == nil {
		return acl.Allowed
	}
	why, at := c.user.Check(cmd.request(argv))
	if why != acl.Allowed {
		object := cmd.fullName
		if why != acl.DeniedCommand {
			object = string(argv[at])
		}
		s.noteDenied(c, why, context, object, c.user.Name)
	}
	return why
}

// context is what ACL LOG says of a command that a client sends.
func (c *Session) context() acl.Context {
	if c.multi {
		return acl.InMulti
	}
	return acl.TopLevel
}

func (s *Server) noteDenied(c *Session, why acl.Reason, context acl.Context, object, user string) {
	var client strings.Builder
	s.describe(&client, c)
	s.denied.Add(acl.Entry{Reason: why, Context: context, Object: object, User: user, At: s.env.Wall().UnixMilli(), Client: strings.TrimSuffix(client.String(), "\n")}, s.cfg.AcllogMaxLen)
}

// permissionRefusal is "", or why the user may not execute a command (redis 7.0.15
// server.c processCommand).
func (s *Server) permissionRefusal(c *Session, cmd *command, argv [][]byte) string {
	switch s.check(c, cmd, argv, c.context()) {
	case acl.DeniedCommand:
		return "NOPERM this user has no permissions to run the '" + cmd.fullName + "' command"
	case acl.DeniedKey:
		return "NOPERM this user has no permissions to access one of the keys used as arguments"
	case acl.DeniedChannel:
		return "NOPERM this user has no permissions to access one of the channels used as arguments"
	}
	return ""
}

// queuedRefusal is "", or why EXEC may not execute a command that was queued when the
// user might still have done so (redis 7.0.15 multi.c execCommand).
func (s *Server) queuedRefusal(c *Session, q *queued) string {
	reason := ""
	switch s.check(c, q.cmd, q.argv, acl.InMulti) {
	case acl.DeniedCommand:
		reason = "no permission to execute the command or subcommand"
	case acl.DeniedKey:
		reason = "no permission to touch the specified keys"
	case acl.DeniedChannel:
		reason = "no permission to access one of the channels used as arguments"
	default:
		return ""
	}
	return "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: " + reason
}

// scriptPermission is "", or why the user who has called a script may not execute one of
// its commands (redis 7.0.15 script.c scriptVerifyACL).
func (s *Server) scriptPermission(caller *Session, cmd *command, argv [][]byte) string {
	switch s.check(caller, cmd, argv, acl.InScript) {
	case acl.DeniedCommand:
		return "The user executing the script can't run this command or subcommand"
	case acl.DeniedKey:
		return "The user executing the script can't access at least one of the keys mentioned in the command arguments"
	case acl.DeniedChannel:
		return "The user executing the script can't publish to the channel mentioned in the command"
	}
	return ""
}
