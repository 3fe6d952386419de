// Package target reads target.yaml, which describes a RESP server that torntail
// does not know: how it is started, how clients get in, which persistence modes it
// has, and what repairs its files.
package target

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/yamlnode"
	"github.com/torntail/torntail/internal/bounded"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// Version is the version of the file that this package reads.
const Version = 1

// Target is a described server.
type Target struct {
	Path    string // of the file
	Name    string
	Store   product.Store // the kind of server that it is
	Server  process.Server
	Within  time.Duration // until it must answer; 0: 30 s
	Version []string      // command whose output has the version
	Repair  []string      // command that repairs files after a crash; nil: there is none
	Modes   []string      // that it has; nil: all
	// NoFailover is why it cannot be one of several that Sentinels watch; "": it can.
	NoFailover string
}

// IsFile reports whether a target is the name of a target file: one that ends in
// .yaml, or a directory with a target.yaml, which path then names.
func IsFile(target string) (path string, ok bool) {
	if result.Named(target) {
		return "", false // a name, also beside a directory that is called so
	}
	if ext := filepath.Ext(target); ext == ".yaml" || ext == ".yml" {
		return target, true
	}
	inside := filepath.Join(target, "target.yaml")
	if info, err := os.Stat(inside); err == nil && info.Mode().IsRegular() {
		return inside, true
	}
	return "", false
}

// Load reads a target file.
func Load(path string) (*Target, error) {
	text, err := bounded.Text(path, "a target")
	if err != nil {
		return nil, err
	}
	return Parse(path, text)
}

// Parse reads a target. path is what mistakes name, and what files that the
// target names are found from.
func Parse(path string, text []byte) (*Target, error) {
	root, err := yamlnode.Parse(path, text, `"target: 1" and a command`)
	if err != nil {
		return nil, err
	}
	t := &Target{Path: path, Name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), Store: Stores[0]}
	r := reader{t: t, kin: redis.Kin{Told: true}}
	s := &t.Server
	err = root.Read(
		yamlnode.Version("target", Version),
		yamlnode.To("name", &t.Name, (*yamlnode.Node).Text),
		yamlnode.To("store", &t.Store, func(n *yamlnode.Node) (product.Store, error) {
			name, err := yamlnode.Word("store", storeNames())(n)
			if err != nil {
				return nil, err
			}
			return StoreByName(name)
		}),
		yamlnode.Field{Name: "command", Read: r.command, Must: noCommand},
		yamlnode.To("sentinel", &s.Sentinel, words("{{port}}", "{{addr}}", "{{dir}}", "{{conf}}")),
		yamlnode.To("version", &t.Version, words()),
		yamlnode.Field{Name: "directives", Read: r.directives},
		yamlnode.Field{Name: "directory", Read: r.directory},
		yamlnode.To("ready", &s.PingAlone, func(n *yamlnode.Node) (bool, error) {
			how, err := yamlnode.Word("readiness", []string{"info", "ping"})(n)
			return how == "ping", err
		}),
		yamlnode.To("repair", &t.Repair, words("{{dir}}", "{{manifest}}", "{{log}}")),
		yamlnode.To("within", &t.Within, within),
		yamlnode.To("modes", &t.Modes, func(n *yamlnode.Node) ([]string, error) {
			var names []string
			for _, m := range t.Store.Modes() {
				names = append(names, m.Name)
			}
			return yamlnode.Once("mode", yamlnode.Word("mode", names))(n)
		}),
		r.redis("log", yamlnode.To("log", &r.kin.Log, fileName)),
		r.redis("snapshot", yamlnode.To("snapshot", &r.kin.Snapshot, fileName)),
		r.redis("lacks", yamlnode.To("lacks", &r.kin.Without, lacks)),
		r.redis("dump", yamlnode.To("dump", &r.kin.Speaks.Listing, func(n *yamlnode.Node) (workloads.Listing, error) {
			how, err := yamlnode.Word("way to list keys", []string{"keys", string(workloads.ByScan), string(workloads.OfClients)})(n)
			if how == "keys" {
				how = ""
			}
			return workloads.Listing(how), err
		})),
		r.redis("types", yamlnode.To("types", &r.kin.Speaks.Without, types)),
		r.redis("says", yamlnode.To("says", &r.kin.Words, says)),
		r.redis("failover", yamlnode.To("failover", &t.NoFailover, func(n *yamlnode.Node) (string, error) {
			how, err := yamlnode.Word("way of failing over", []string{"sentinel", "none"})(n)
			if how == "none" {
				return "it says failover: none", err
			}
			return "", err
		})),
		yamlnode.To("user", &s.User, func(n *yamlnode.Node) (string, error) {
			r.user = n
			return n.Text()
		}),
		yamlnode.To("password", &s.Password, (*yamlnode.Node).Text),
		yamlnode.To("tls", &s.TLS, tlsOf),
		yamlnode.To("rename", &s.Rename, renames))
	if err == nil {
		err = r.whole()
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// reader is what reading a target has to remember.
type reader struct {
	t         *Target
	kin       redis.Kin
	commandAt *yamlnode.Node
	user      *yamlnode.Node // a field that needs another; nil: not there
	dirSaid   bool           // the file says how the server is told its directory
}

// redis is a field of what stores of Redis's kind differ in.
func (r *reader) redis(name string, f yamlnode.Field) yamlnode.Field {
	read := f.Read
	f.Read = func(n *yamlnode.Node) error {
		if r.t.Store.Name() != redis.Store.Name() {
			return n.Wrong("%s is said of Redis's kin, and not of %s", name, r.t.Store.Name())
		}
		return read(n)
	}
	return f
}

// whole checks what several fields say together, and fills in what follows from them.
func (r *reader) whole() error {
	t, s := r.t, &r.t.Server
	all := strings.Join(s.Command, " ")
	if !r.dirSaid && !strings.Contains(all, "{{dir}}") {
		return r.commandAt.Wrong("no {{dir}} in the command: the server must be told where its files belong (or say so under directory)")
	}
	if !strings.Contains(all, "{{directives}}") && !strings.Contains(all, "{{conf}}") {
		if len(t.Modes) != 1 {
			return r.commandAt.Wrong("neither {{directives}} nor {{conf}} in the command: the settings of a mode do not reach the server; say under modes which one it has")
		}
		if len(s.Directives) > 0 {
			return r.commandAt.Wrong("neither {{directives}} nor {{conf}} in the command: the directives of this file do not reach the server")
		}
	}
	if r.user != nil && s.Password == "" {
		return r.user.Wrong("a user without a password")
	}
	if t.Version == nil {
		t.Version = []string{s.Command[0], "--version"}
	}
	if t.Store.Name() == redis.Store.Name() {
		t.Store = redis.With(r.kin)
	}
	log := "{{dir}}/" + t.Store.DataFile(&product.Mode{AOF: true})
	for i, w := range t.Repair {
		t.Repair[i] = strings.NewReplacer("{{manifest}}", log, "{{log}}", log).Replace(w)
	}
	if own := t.Store.Server(s.Command[0]); own != nil {
		s.Ready = own.Ready
	}
	return nil
}

// Fixed reports whether the settings of a mode do not reach the server.
func (t *Target) Fixed() bool {
	all := strings.Join(t.Server.Command, " ")
	return !strings.Contains(all, "{{directives}}") && !strings.Contains(all, "{{conf}}")
}

// alone is why it cannot be one of several that Sentinels watch; "": it can. Each server gets
// a configuration file that the Sentinels have it rewrite, and all speak to each other as
// Redis's do.
func (t *Target) alone() string {
	s := &t.Server
	has := func(command []string, template string) bool {
		return strings.Contains(strings.Join(command, " "), template)
	}
	switch {
	case t.NoFailover != "":
		return t.NoFailover
	case !has(s.Command, "{{conf}}"):
		return "no {{conf}} in its command: each server has a configuration file"
	case s.Password != "", s.TLS != nil:
		return "servers and Sentinels do not give each other its password or certificates (torntail topology up --password draws one)"
	case len(s.Rename) > 0:
		return "Sentinels send commands under their own names (rename)"
	case s.PingAlone:
		return "Sentinels ask for INFO (ready)"
	case s.Sentinel == nil:
		return `it is not known how a Sentinel is started: want for example sentinel: [some-server, "{{conf}}", --sentinel, --port, "{{port}}", --bind, "{{addr}}"]`
	case !has(s.Sentinel, "{{conf}}"), !has(s.Sentinel, "{{port}}"):
		return "want {{conf}} and {{port}} in the command of its Sentinel"
	}
	return ""
}

// noCommand is what is wrong with a file that does not say how the server is started.
const noCommand = `no command: want for example command: [some-server, --port, "{{port}}", --dir, "{{dir}}", "{{directives}}"]`

// command is how the server is started.
func (r *reader) command(n *yamlnode.Node) (err error) {
	r.commandAt = n
	c := &r.t.Server.Command
	if *c, err = words("{{port}}", "{{addr}}", "{{dir}}", "{{conf}}", "{{directives}}")(n); err != nil {
		return err
	}
	if !strings.Contains(strings.Join(*c, " "), "{{port}}") {
		return n.Wrong("no {{port}} in the command: the server must listen where it is told to")
	}
	for i, w := range *c {
		if strings.TrimLeft(w, "-") == "daemonize" && i+1 < len(*c) && (*c)[i+1] == "yes" {
			return n.Wrong("daemonize yes: the server must stay in the foreground")
		}
	}
	return nil
}

// directives are those that the server always has.
func (r *reader) directives(n *yamlnode.Node) error {
	for _, e := range n.List() {
		lines, err := e.Directives()
		if err != nil {
			return err
		}
		for _, l := range lines {
			if owner, ok := r.t.Store.(product.Owner); ok && owner.Owns(l[0]) {
				return e.Wrong("torntail decides on %s itself", l[0])
			}
			r.t.Server.Directives = append(r.t.Server.Directives, process.Directive{Name: l[0], Args: product.Directive{Value: l[1]}.Arguments()})
		}
	}
	return nil
}

// directory is how the server is told where its files belong, if not by its command.
func (r *reader) directory(n *yamlnode.Node) error {
	text, err := n.Text()
	if err != nil {
		return err
	}
	s := &r.t.Server
	r.dirSaid = true
	how, name, _ := strings.Cut(text, " ")
	switch {
	case text == "argument":
		r.dirSaid = false
	case text == "working":
		s.InDir = true
	case how == "env" && isVariable(name):
		s.Env = append(s.Env, name+"={{dir}}")
	default:
		return n.Wrong(`%q: want argument ({{dir}} stands in the command), working (it is started there) or env NAME (a variable of its environment)`, text)
	}
	return nil
}

// isVariable reports whether a word is the name of a variable.
func isVariable(name string) bool {
	return name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == "" && (name[0] < '0' || name[0] > '9')
}

// longest is how long a server may be waited for.
const longest = 10 * time.Minute

func within(n *yamlnode.Node) (time.Duration, error) {
	d, err := n.Duration()
	if err == nil && d > longest {
		err = n.Wrong("%v: want at most %v", d, longest)
	}
	return d, err
}

// fileName is the name of a file below the server's directory.
func fileName(n *yamlnode.Node) (string, error) {
	name, err := n.Text()
	if err == nil && (!filepath.IsLocal(name) || filepath.Clean(name) != name || name == "." || strings.ContainsAny(name, "*?[\\")) {
		err = n.Wrong("%q: want the name of a file below {{dir}}", name)
	}
	return name, err
}

// lacks are directives that the server does not have.
func lacks(n *yamlnode.Node) (string, error) {
	names, err := yamlnode.Once("directive", func(e *yamlnode.Node) (string, error) {
		name, err := e.Text()
		if err == nil && (name == "" || strings.ContainsAny(name, " \t")) {
			err = e.Wrong("%q: want the name of a directive, such as aof-use-rdb-preamble", name)
		}
		return strings.ToLower(name), err
	})(n)
	if err != nil {
		return "", err
	}
	return strings.Join(names, " ") + " ", nil
}

// types are what the server has; what is said of a protocol is what it has not.
func types(n *yamlnode.Node) (without string, err error) {
	var names []string
	for _, a := range workloads.Abilities {
		names = append(names, a.Name)
	}
	have, err := yamlnode.Once("type", yamlnode.Word("type", names))(n)
	for _, name := range names {
		if !slices.Contains(have, name) {
			without += name + " "
		}
	}
	return without, err
}

// says are the words of the server's log.
func says(n *yamlnode.Node) (*redis.Words, error) {
	w := &redis.Words{}
	if !n.IsMapping() {
		if text, err := n.Text(); err != nil || text != "nothing" {
			return nil, n.Wrong(`%s, where a mapping with snapshot, rewrite, ended and sync is expected, or "nothing"`, n.What())
		}
		return w, nil
	}
	word := func(n *yamlnode.Node) (string, error) {
		text, err := n.Text()
		if err == nil && strings.TrimSpace(text) == "" {
			err = n.Wrong("%q: want the beginning of a message", text)
		}
		return text, err
	}
	return w, n.Read(yamlnode.To("snapshot", &w.Snapshot, word), yamlnode.To("rewrite", &w.Rewrite, word),
		yamlnode.To("ended", &w.Ended, yamlnode.Each("message", word)), yamlnode.To("sync", &w.Sync, word))
}

// words reads a command line; in each word only the templates that are named may stand.
func words(templates ...string) func(n *yamlnode.Node) ([]string, error) {
	known := strings.Join(append(templates, "none else"), ", ")
	word := func(n *yamlnode.Node) (string, error) {
		w, err := n.Text()
		if err != nil {
			return "", err
		}
		rest := w
		for _, template := range templates {
			rest = strings.ReplaceAll(rest, template, "")
		}
		if strings.Contains(rest, "{{") {
			return "", n.Wrong("%q has a template that is not known here: want %s", w, known)
		}
		if strings.Contains(w, "{{directives}}") && w != "{{directives}}" {
			return "", n.Wrong("%q: {{directives}} becomes several words and must stand alone", w)
		}
		return w, nil
	}
	return func(n *yamlnode.Node) ([]string, error) {
		words, err := yamlnode.Each("word of a command", word)(n)
		switch {
		case err != nil:
			return nil, err
		case words[0] == "":
			return nil, n.Wrong("an empty command")
		case strings.Contains(words[0], "/"):
			if words[0] = n.Relative(words[0]); !strings.Contains(words[0], "/") {
				words[0] = "./" + words[0] // not to be looked up in PATH
			}
		}
		for i, w := range words[1:] {
			if strings.HasPrefix(w, "./") || strings.HasPrefix(w, "../") {
				if words[i+1], err = filepath.Abs(n.Relative(w)); err != nil { // a server does not run where torntail does
					return nil, err
				}
			}
		}
		return words, nil
	}
}

// tlsOf are the files of a certificate authority and a client's certificate.
func tlsOf(n *yamlnode.Node) (*tls.Config, error) {
	fields, err := n.Fields("ca", "cert", "key", "server-name")
	if err != nil {
		return nil, err
	}
	text := map[string]string{"server-name": "127.0.0.1"}
	for name, f := range fields { // any order: each stands for itself
		if text[name], err = f.Text(); err != nil {
			return nil, err
		}
	}
	if text["ca"] == "" {
		return nil, n.Wrong("no ca: want the file of the certificate that the server's is signed with")
	}
	if (text["cert"] == "") != (text["key"] == "") {
		return nil, n.Wrong("cert and key belong together")
	}
	conf := &tls.Config{ServerName: text["server-name"], RootCAs: x509.NewCertPool()}
	pem, err := bounded.Read(n.Relative(text["ca"]), "a certificate", bounded.ByHand)
	if err != nil {
		return nil, fields["ca"].At(err)
	}
	if !conf.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fields["ca"].Wrong("%s holds no certificate", text["ca"])
	}
	if text["cert"] != "" {
		pair, err := tls.LoadX509KeyPair(n.Relative(text["cert"]), n.Relative(text["key"]))
		if err != nil {
			return nil, fields["cert"].At(err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// renamable are the commands that torntail sends to servers.
var renamable = []string{"APPEND", "AUTH", "BGREWRITEAOF", "BGSAVE", "CONFIG", "DEBUG", "EXEC", "GET", "HGETALL", "HSET", "INFO", "KEYS", "LRANGE", "MULTI", "PEXPIRETIME",
	"PING", "PTTL", "ROLE", "RPUSH", "SADD", "SAVE", "SCAN", "SET", "SHUTDOWN", "SMEMBERS", "TYPE", "ZRANGE"}

func renames(n *yamlnode.Node) (map[string]string, error) {
	fields, err := n.Fields(renamable...)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for name, f := range fields { // any order: each stands for itself
		to, err := f.Text()
		if err != nil {
			return nil, err
		}
		if to == "" || strings.ContainsAny(to, " \r\n") {
			return nil, f.Wrong("%s: %q is no name of a command; torntail needs %s, so it cannot be taken away", name, to, name)
		}
		for other, same := range names { // any order: at most one has that name
			if same == to {
				return nil, f.Wrong("%s and %s are both called %q", min(name, other), max(name, other), to)
			}
		}
		names[name] = to
	}
	return names, nil
}

// Available says what is missing to start it here.
func (t *Target) Available() error {
	if _, err := exec.LookPath(t.Server.Command[0]); err != nil {
		return fmt.Errorf("target %s: %w", t.Path, err)
	}
	return nil
}
