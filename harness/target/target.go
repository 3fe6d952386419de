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
	"strings"
	"time"

	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/yamlnode"
	"github.com/torntail/torntail/internal/bounded"
	"github.com/torntail/torntail/reports/result"
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
	var user *yamlnode.Node
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
		yamlnode.Field{Name: "command", Read: t.command, Must: noCommand},
		yamlnode.To("version", &t.Version, words()),
		yamlnode.To("directives", &s.Directives, directives),
		yamlnode.To("repair", &t.Repair, words("{{dir}}", "{{manifest}}")),
		yamlnode.To("within", &t.Within, (*yamlnode.Node).Duration),
		yamlnode.To("modes", &t.Modes, func(n *yamlnode.Node) ([]string, error) {
			var names []string
			for _, m := range t.Store.Modes() {
				names = append(names, m.Name)
			}
			return yamlnode.Once("mode", yamlnode.Word("mode", names))(n)
		}),
		yamlnode.To("user", &s.User, func(n *yamlnode.Node) (string, error) {
			user = n
			return n.Text()
		}),
		yamlnode.To("password", &s.Password, (*yamlnode.Node).Text),
		yamlnode.To("tls", &s.TLS, tlsOf),
		yamlnode.To("rename", &s.Rename, renames))
	if err != nil {
		return nil, err
	}
	if t.Version == nil {
		t.Version = []string{s.Command[0], "--version"}
	}
	for i, w := range t.Repair {
		t.Repair[i] = strings.ReplaceAll(w, "{{manifest}}", "{{dir}}/"+t.Store.DataFile(&product.Mode{AOF: true}))
	}
	if own := t.Store.Server(s.Command[0]); own != nil {
		s.Ready = own.Ready
	}
	if s.User != "" && s.Password == "" {
		return nil, user.Wrong("a user without a password")
	}
	return t, nil
}

// noCommand is what is wrong with a file that does not say how the server is started.
const noCommand = `no command: want for example command: [some-server, --port, "{{port}}", --dir, "{{dir}}", "{{directives}}"]`

// command is how the server is started.
func (t *Target) command(n *yamlnode.Node) (err error) {
	t.Server.Command, err = words("{{port}}", "{{addr}}", "{{dir}}", "{{conf}}", "{{directives}}")(n)
	if err == nil && !strings.Contains(strings.Join(t.Server.Command, " "), "{{port}}") {
		return n.Wrong("no {{port}} in the command: the server must listen where it is told to")
	}
	return err
}

func directives(n *yamlnode.Node) (list []process.Directive, err error) {
	lines, err := n.Directives()
	for _, l := range lines {
		list = append(list, process.Directive{Name: l[0], Args: product.Directive{Value: l[1]}.Arguments()})
	}
	return list, err
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
var renamable = []string{"APPEND", "AUTH", "BGREWRITEAOF", "BGSAVE", "CONFIG", "DEBUG", "EXEC", "GET", "INFO", "KEYS", "LRANGE", "MULTI", "PEXPIRETIME", "PING",
	"PTTL", "ROLE", "RPUSH", "SET", "SHUTDOWN"}

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
