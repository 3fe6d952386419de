package listen_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// said are replies and log lines of both servers, by their names.
type said map[string][]string

// files writes files below a directory.
func writeFiles(t *testing.T, dir string, files map[string]string) {
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
}

// up reports whether a server serves, once it has decided.
func (p *process) up() (serves bool) {
	p.eventually("it has started or not", func() bool {
		select {
		case <-p.done:
			return true
		default:
			serves = strings.Contains(p.log(), "Ready to accept")
			return serves
		}
	})
	return serves
}

var commandsOf = regexp.MustCompile(`[+-]@all[^\n()]*`)

// sorted puts commands in one order: redis-server's is drawn by each of its runs.
func sorted(text string) string {
	return commandsOf.ReplaceAllStringFunc(text, func(rules string) string {
		words := strings.Fields(rules)
		slices.Sort(words[1:])
		return strings.Join(words, " ")
	})
}

// Users come from redis.conf or from a file of their own, which ACL LOAD reads again and
// ACL SAVE writes; what is wrong with either is told in redis-server's words.
func TestFilesOfUsersLikeRedis(t *testing.T) {
	const hash = "#9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	for _, c := range []struct {
		name  string
		conf  string
		users string // users.acl
		do    []string
	}{
		{"in redis.conf", "user alice on >pw ~a* +@read\nuser bob on nopass ~* &* (~x +get) +config|get\n", "", []string{"ACL LIST", "ACL WHOAMI", "AUTH alice pw", "GET a", "GET b", "SET a b"}},
		{"the default user in redis.conf", "requirepass x\nuser default on >y ~* +@all\n", "", []string{"PING", "AUTH x", "AUTH y", "ACL LIST", "CONFIG SET requirepass z", "ACL LIST"}},
		{"nobody's default user", "user default off\n", "", []string{"PING", "AUTH x", "ACL WHOAMI"}},
		{"somebody who is disabled", "user alice\n", "", []string{"ACL LIST"}},
		{"an unknown command", "user alice +nosuch\n", "", nil},
		{"an unknown category", "user alice +@nosuch\n", "", nil},
		{"a rule that is none", "user alice on nosuch\n", "", nil},
		{"twice", "user alice on\nuser alice off\n", "", nil},
		{"a password that is no hash", "user alice #123 on\n", "", nil},
		{"without a name", "user\n", "", nil},
		{"both", "user alice on\naclfile users.acl\n", "user bob on\n", nil},
		{"a file", "aclfile users.acl\n", "user alice on " + hash + " ~a* +get\n\n  user default on nopass ~* &* +@all\r\n", []string{"ACL LIST", "ACL SETUSER alice +set", "ACL SETUSER bob on >pw", "ACL LOAD", "ACL LIST", "ACL SETUSER carol +get ~c &d", "ACL SAVE", "ACL LIST", "CONFIG SET aclfile x", "CONFIG GET aclfile", "CONFIG REWRITE"}},
		{"a file without the default user", "requirepass x\naclfile users.acl\n", "user alice on nopass +@all\n", []string{"ACL LIST", "PING"}},
		{"an empty file", "aclfile users.acl\n", "\n", []string{"ACL LIST", "ACL SAVE"}},
		{"no such file", "aclfile nosuch.acl\n", "", nil},
		{"a file with a comment", "aclfile users.acl\n", "# users\nuser alice on\n", nil},
		{"a file with mistakes", "aclfile users.acl\n", "user alice on nosuch +nosuch other\nbob\nuser\nuser alice\nuser bob +@nosuch -nosuch ~* ~a\nuser car\tol on\n", nil},
		{"a file with a selector that has no end", "aclfile users.acl\n", "user alice (~a\n", nil},
		{"a file with quotes and blanks", "aclfile users.acl\n", "user  alice on\n", nil},
		{"a file with selectors", "aclfile users.acl\n", "user alice on nopass (~a +get) ( ~b +set )\n", []string{"ACL LIST", "ACL SAVE"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			said := said{}
			for name, start := range servers {
				dir := t.TempDir()
				writeFiles(t, dir, map[string]string{"redis.conf": c.conf})
				if c.users != "" {
					writeFiles(t, dir, map[string]string{"users.acl": c.users})
				}
				p := start(t, dir, filepath.Join(dir, "redis.conf"))
				note := func(format string, args ...any) {
					said[name] = append(said[name], strings.ReplaceAll(sorted(fmt.Sprintf(format, args...)), dir, "DIR"))
				}
				if p.up() {
					p.dial()
					for _, line := range c.do {
						reply, err := p.c.Do(strings.Fields(line)...)
						note("%s: %s %v", line, reply, err)
					}
				} else if _, fatal, found := strings.Cut(readFile(p.errors), "Reading the configuration file"); found {
					note("%s", strings.TrimSpace(fatal))
				}
				for _, l := range p.logged("ACL", "user", "Ready") {
					note("log: %s", l)
				}
				if names, err := os.ReadDir(dir); assert.NoError(t, err) {
					for _, n := range names {
						if n.Name() == "users.acl" || strings.Contains(n.Name(), "tmp") {
							note("%s:\n%s", n.Name(), readFile(filepath.Join(dir, n.Name())))
						}
					}
				}
				_ = p.cmd.Process.Kill()
				<-p.done
			}
			assert.NotEmpty(t, said["redis"])
			assert.Equal(t, said["redis"], said["engine"])
		})
	}
}

// Whoever listens to a channel that his user loses is disconnected, and so is who was
// logged in as a user that a file replaces.
func TestUsersLoseConnectionsLikeRedis(t *testing.T) {
	said := said{}
	for name, start := range servers {
		dir := t.TempDir()
		writeFiles(t, dir, map[string]string{"users.acl": "user u on nopass +@all ~* &c* &d\n", "redis.conf": "aclfile users.acl\n"})
		p := start(t, dir, filepath.Join(dir, "redis.conf")).listens()
		require.True(t, p.up())
		admin := p.c
		connected := func(subscribe ...string) func() bool {
			p.dial()
			c := p.c
			_, err := c.Do("AUTH", "u", "x")
			require.NoError(t, err)
			if subscribe != nil {
				reply, err := c.Do(subscribe...)
				said[name] = append(said[name], fmt.Sprint(subscribe, reply, err))
			}
			return func() bool { _, err := c.Do("PING"); return err == nil }
		}
		clients := []func() bool{connected(), connected("SUBSCRIBE", "c1"), connected("PSUBSCRIBE", "c*"), connected("SUBSCRIBE", "x"), connected("SUBSCRIBE", "d"), connected("SSUBSCRIBE", "c2")}
		for _, rules := range []string{"&e", "resetchannels &c1 &d &e", "resetchannels &d"} {
			_, err := admin.Do(append([]string{"ACL", "SETUSER", "u"}, strings.Fields(rules)...)...)
			require.NoError(t, err)
			for i, alive := range clients {
				said[name] = append(said[name], fmt.Sprint(rules, ": ", i, " is there: ", alive()))
			}
		}
		_, err := admin.Do("ACL", "LOAD")
		require.NoError(t, err)
		for i, alive := range clients {
			said[name] = append(said[name], fmt.Sprint("loaded: ", i, " is there: ", alive()))
		}
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	assert.Equal(t, said["redis"], said["engine"])
}

// A replica follows as a user who may do no more than that (masteruser).
func TestFollowAsAUser(t *testing.T) {
	eachPair(t, func(t *testing.T, master, replica kind) {
		m := master.start(t)
		m.do("ACL", "SETUSER", "follower", "on", ">pw", "+psync", "+replconf", "+ping")
		m.do("ACL", "SETUSER", "default", ">secret")
		r := replica.start(t, "--masteruser", "follower", "--masterauth", "pw")
		r.follow(m)
		m.do("SET", "k", "v")
		converge(m, r)
	})
}
