package engine

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/faults/vfs"
)

// The file of users (directive aclfile).

// inWords is an error in redis-server's own words.
type inWords string

func (e inWords) Error() string { return string(e) }

func said(format string, args ...any) error { return inWords(fmt.Sprintf(format, args...)) }

// loadUsers makes the users of the configuration file or of the file of users, before
// data are loaded (redis 7.0.15 acl.c ACLLoadUsersAtStartup).
func (s *Server) loadUsers() error {
	if s.cfg.Aclfile != "" && len(s.cfg.Users) > 0 {
		return said("Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. " +
			"This setup is very likely to lead to configuration errors and security holes, please define either an ACL file or declare users " +
			"directly in your redis.conf, but not both.")
	}
	disabled, err := s.users.Configure(s.cfg.Users, s.newChannels())
	if err != nil {
		s.warn(err.Error())
		return said("Critical error while loading ACLs. Exiting.")
	}
	for _, name := range disabled {
		s.notice("The user '" + name + "' is disabled (there is no 'on' modifier in the user description). Make sure this is not a configuration error.")
	}
	if s.cfg.Aclfile == "" {
		return nil
	}
	if err := s.readUsers(nil); err != nil {
		return said("Aborting Redis startup because of ACL errors: %v", err)
	}
	return nil
}

// aclPlace is where the file of users is: in the working directory or, by an absolute
// path, elsewhere.
func (s *Server) aclPlace() (vfs.FS, string, error) {
	name := path.Clean(s.cfg.Aclfile)
	if strings.HasPrefix(name, "../") {
		name = path.Join(s.cfg.Dir, name)
	}
	if !path.IsAbs(name) {
		return s.o.FS, name, nil
	}
	if inside, ok := strings.CutPrefix(name, path.Clean(s.cfg.Dir)+"/"); ok {
		return s.o.FS, inside, nil
	}
	if s.o.Reach == nil {
		return nil, "", errors.New("the file of users is out of reach")
	}
	fsys, err := s.o.Reach(path.Dir(name))
	return fsys, path.Base(name), err
}

// readUsers takes over the file of users, all of it or nothing; asker, if not nil, has
// asked for that.
func (s *Server) readUsers(asker *Session) error {
	fsys, name, err := s.aclPlace()
	var text []byte
	if err == nil {
		text, err = vfs.ReadFile(fsys, name)
	}
	if err != nil {
		return said("Error loading ACLs, opening file '%s': %s", s.cfg.Aclfile, aof.Reason(err))
	}
	removed, err := s.users.Load(s.cfg.Aclfile, text, s.newChannels())
	for _, u := range removed {
		s.endSessionsOf(u, asker)
	}
	return err
}

// errNoACLFile answers what is about a file of users where there is none.
const errNoACLFile = "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE " +
	"(assuming you have a Redis configuration file set) in order to store users in the Redis configuration."

func aclLoad(s *Server, c *Session, _ [][]byte) {
	if s.cfg.Aclfile == "" {
		c.error(errNoACLFile)
		return
	}
	if err := s.readUsers(c); err != nil {
		c.error("ERR " + oneLine(err.Error()))
		return
	}
	c.ok()
}

func aclSave(s *Server, c *Session, _ [][]byte) {
	if s.cfg.Aclfile == "" {
		c.error(errNoACLFile)
		return
	}
	if err := s.writeUsers(); err != nil {
		s.warn(err.Error())
		c.error("ERR There was an error trying to save the ACLs. Please check the server logs for more information")
		return
	}
	c.ok()
}

// writeUsers writes the file of users under another name and has it take the file's
// place. Nothing is synced: after a power cut the file may be empty, as with
// redis-server (7.0.15 acl.c ACLSaveToFile).
func (s *Server) writeUsers() error {
	fsys, name, err := s.aclPlace()
	if err != nil {
		return said("Opening temp ACL file for ACL SAVE: %s", aof.Reason(err))
	}
	temp := fmt.Sprintf("%s.tmp-%d-%d", name, s.o.Pid, s.env.Wall().UnixMilli())
	f, err := fsys.Open(temp, vfs.WriteOnly|vfs.Create)
	if err != nil {
		return said("Opening temp ACL file for ACL SAVE: %s", aof.Reason(err))
	}
	var text strings.Builder
	for _, line := range s.users.Lines() {
		text.WriteString(line + "\n")
	}
	_, err = f.Write([]byte(text.String()))
	_ = f.Close() // redis-server does not look either
	if err != nil {
		_ = fsys.Remove(temp)
		return said("Writing ACL file for ACL SAVE: %s", aof.Reason(err))
	}
	if err := fsys.Rename(temp, name); err != nil {
		_ = fsys.Remove(temp)
		return said("Renaming ACL file for ACL SAVE: %s", aof.Reason(err))
	}
	return nil
}
