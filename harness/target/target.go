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
)

// Version is the version of the file that this package reads.
const Version = 1

// Target is a described server.
type Target struct {
	Path    string // of the file
	Name    string
	Server  process.Server
	Within  time.Duration // until it must answer; 0: 30 s
	Version []string      // command whose output has the version
	Repair  []string      // command that repairs files after a crash; nil: there is none
	Modes   []string      // that it has; nil: all
}

// IsFile reports whether a target is the name of a target file: one that ends in
// .yaml, or a directory with a target.yaml, which path then names.
func IsFile(target string) (path string, ok bool) {
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
	text, err := os.ReadFile(path)
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
	fields, err := root.Fields(append([]string{"target"}, fieldNames...)...)
	if err != nil {
		return nil, err
	}
	switch n := fields["target"]; {
	case n == nil:
		return nil, root.Wrong(`no version: want "target: 1"`)
	case n.What() != `"1"`:
		return nil, n.Wrong("target: %s is not a version that this torntail reads: want 1", n.What())
	case fields["command"] == nil:
		return nil, root.Wrong(`no command: want for example command: [some-server, --port, "{{port}}", --dir, "{{dir}}", "{{directives}}"]`)
	}
	t := &Target{Path: path, Name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))}
	if err := fields.Each(fieldNames, t.field); err != nil {
		return nil, err
	}
	if t.Version == nil {
		t.Version = []string{t.Server.Command[0], "--version"}
	}
	if t.Server.User != "" && t.Server.Password == "" {
		return nil, fields["user"].Wrong("a user without a password")
	}
	return t, nil
}

// fieldNames are those that describe it, in the order in which they are read.
var fieldNames = []string{"name", "command", "version", "directives", "repair", "within", "modes", "user", "password", "tls", "rename"}

func (t *Target) field(name string, n *yamlnode.Node) (err error) {
	switch name {
	case "name":
		t.Name, err = n.Text()
	case "command":
		t.Server.Command, err = t.words(n, "{{port}}", "{{addr}}", "{{dir}}", "{{conf}}", "{{directives}}")
		if err == nil && !strings.Contains(strings.Join(t.Server.Command, " "), "{{port}}") {
			err = n.Wrong("no {{port}} in the command: the server must listen where it is told to")
		}
	case "version":
		t.Version, err = t.words(n)
	case "repair":
		t.Repair, err = t.words(n, "{{dir}}", "{{manifest}}")
	case "directives":
		var lines [][2]string
		lines, err = n.Directives()
		for _, l := range lines {
			t.Server.Directives = append(t.Server.Directives, process.Directive{Name: l[0], Args: arguments(l[1])})
		}
	case "within":
		t.Within, err = n.Duration()
	case "modes":
		var all []string
		for _, m := range product.Modes {
			all = append(all, m.Name)
		}
		t.Modes, err = n.Words("mode", all)
	case "user":
		t.Server.User, err = n.Text()
	case "password":
		t.Server.Password, err = n.Text()
	case "tls":
		t.Server.TLS, err = t.tls(n)
	case "rename":
		t.Server.Rename, err = renames(n)
	}
	return err
}

func arguments(value string) []string {
	if value == "" {
		return []string{""}
	}
	return strings.Fields(value)
}

// words are a command line; in each word only the templates that are named may stand.
func (t *Target) words(n *yamlnode.Node, templates ...string) (words []string, err error) {
	for i, e := range n.List() {
		w, err := e.Text()
		if err != nil {
			return nil, err
		}
		rest := w
		for _, template := range templates {
			rest = strings.ReplaceAll(rest, template, "")
		}
		if strings.Contains(rest, "{{") {
			return nil, e.Wrong("%q has a template that is not known here: want %s", w, strings.Join(append(templates, "none else"), ", "))
		}
		if strings.Contains(w, "{{directives}}") && w != "{{directives}}" {
			return nil, e.Wrong("%q: {{directives}} becomes several words and must stand alone", w)
		}
		if i == 0 && strings.Contains(w, "/") {
			w = t.relative(w)
		}
		words = append(words, w)
	}
	if len(words) == 0 || words[0] == "" {
		return nil, n.Wrong("an empty command")
	}
	return words, nil
}

// relative is a path that the file names, as a path from here.
func (t *Target) relative(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	joined := filepath.Join(filepath.Dir(t.Path), path)
	if !strings.Contains(joined, "/") {
		return "./" + joined // not to be looked up in PATH
	}
	return joined
}

// tls is true, or the files of a certificate authority and a client's certificate.
func (t *Target) tls(n *yamlnode.Node) (*tls.Config, error) {
	fields, err := n.Fields("ca", "cert", "key", "server-name")
	if err != nil {
		return nil, err
	}
	text := map[string]string{}
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
	if conf.ServerName == "" {
		conf.ServerName = "127.0.0.1"
	}
	pem, err := os.ReadFile(t.file(text["ca"]))
	if err != nil {
		return nil, fields["ca"].At(err)
	}
	if !conf.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fields["ca"].Wrong("%s holds no certificate", text["ca"])
	}
	if text["cert"] != "" {
		pair, err := tls.LoadX509KeyPair(t.file(text["cert"]), t.file(text["key"]))
		if err != nil {
			return nil, fields["cert"].At(err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

func (t *Target) file(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(t.Path), path)
}

// renamable are the commands that torntail sends to servers.
var renamable = []string{"APPEND", "AUTH", "BGREWRITEAOF", "BGSAVE", "CONFIG", "DEBUG", "EXEC", "GET", "INFO", "KEYS", "LRANGE", "MULTI", "PING",
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
