package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/reports/result"
)

// rightTarget is a target file with nothing wrong in it. Rows change lines of it. DIR is where
// it is, and OUTSIDE a directory that is nobody's business.
const rightTarget = `target: 1
command: [redis-server, --port, "{{port}}", --bind, "{{addr}}", --dir, "{{dir}}", "{{directives}}"]
version: [redis-server, --version]
`

// byScript is a command that is a script.
const byScript = `command: [./start, --port, "{{port}}", --bind, "{{addr}}", --dir, "{{dir}}", "{{directives}}"]`

// wrongTarget is a file with a mistake in it.
type wrongTarget struct {
	name   string
	line   int    // of rightTarget, that is replaced; 0: text is the whole file, -1: it is added
	text   string // what stands there instead
	script string // of ./start; "": there is none
	says   string // pattern of the line that it ends in
	status int    // 0: 2, bad input
}

var wrongTargets = []wrongTarget{
	// The file.
	{name: "nothing in it", text: "", says: `t\.yaml:1:1: empty: want "target: 1" and a command`},
	{name: "no YAML", text: "target: [\n", says: `t\.yaml: line 1: did not find`},
	{name: "NUL bytes", text: "target: 1\x00", says: `a NUL byte: want text`},
	{name: "a list", text: "- target\n", says: `t\.yaml:1:1: a list, where a mapping`},
	{name: "no version", line: 1, text: "", says: `t\.yaml:2:1: no version: want "target: 1"`},
	{name: "another version", line: 1, text: "target: 7", says: `t\.yaml:1:9: target: "7" is not a version`},
	{name: "a field that is not known", line: -1, text: "comand: x", says: `t\.yaml:4:1: field "comand" is not known: did you mean "command"\?`},
	{name: "a key twice", line: -1, text: "version: [a]", says: `t\.yaml:4:1: field "version" stands here a second time`},
	{name: "a second document", line: -1, text: "---\ntarget: 1", says: `a second document begins`},
	{name: "a name that is a list", line: -1, text: "name: [a]", says: `t\.yaml:4:7: a list, where a word is expected`},
	// The command.
	{name: "no command", line: 2, text: "", says: `no command: want for example`},
	{name: "an empty command", line: 2, text: "command: []", says: `t\.yaml:2:10: an empty list`},
	{name: "no {{port}}", line: 2, text: `command: [redis-server, --dir, "{{dir}}", "{{directives}}"]`, says: `t\.yaml:2:10: no \{\{port\}\} in the command`},
	{name: "no {{dir}}", line: 2, text: `command: [redis-server, --port, "{{port}}", "{{directives}}"]`, says: `t\.yaml:2:10: no \{\{dir\}\} in the command`},
	{name: "no {{directives}}", line: 2, text: `command: [redis-server, --port, "{{port}}", --dir, "{{dir}}"]`, says: `t\.yaml:2:10: neither \{\{directives\}\} nor \{\{conf\}\}`},
	{name: "another template", line: 2, text: `command: [redis-server, "{{prt}}"]`, says: `t\.yaml:2:25: "\{\{prt\}\}" has a template that is not known here`},
	{name: "directives within a word", line: 2, text: `command: [a, "{{port}}", "{{dir}}", "x{{directives}}"]`, says: `must stand alone`},
	{name: "a daemon by its command", line: 2, text: `command: [a, "{{port}}", "{{dir}}", "{{conf}}", --daemonize, "yes"]`, says: `daemonize yes: the server must stay in the foreground`},
	{name: "a program that is not there", line: 2, text: `command: [./nowhere, "{{port}}", "{{dir}}", "{{conf}}"]`, says: `nowhere.*no such file`, status: result.ExitEnvironment},
	// The other fields.
	{name: "a directive that is torntail's", line: -1, text: "directives: [port 1]", says: `t\.yaml:4:14: torntail decides on port itself`},
	{name: "a directory that is torntail's", line: -1, text: "directives: [hz 10, dir OUTSIDE]", says: `torntail decides on dir itself`},
	{name: "a directive that redis does not know", line: -1, text: "directives: [some-thing yes]", says: `started on an empty directory: exit status 1; its last line: "Bad directive`},
	{name: "a mode that is not known", line: -1, text: "modes: [allways]", says: `mode "allways" is not known: did you mean "always"\?`},
	{name: "no time", line: -1, text: "within: 0s", says: `t\.yaml:4:9: "0s", where a duration is expected`},
	{name: "a time without end", line: -1, text: "within: 10000h", says: `want at most 10m0s`},
	{name: "a user without a password", line: -1, text: "user: me", says: `t\.yaml:4:7: a user without a password`},
	{name: "a repair tool's template", line: -1, text: `repair: [fix, "{{port}}"]`, says: `has a template that is not known here`},
	{name: "a command that is taken away", line: -1, text: `rename: {KEYS: ""}`, says: `it cannot be taken away`},
	{name: "a certificate that is not there", line: -1, text: "tls: {ca: none.pem}", says: `t\.yaml:4:11: open .*none\.pem`},
	{name: "a log elsewhere", line: -1, text: "log: ../x.aof", says: `want the name of a file below \{\{dir\}\}`},
	{name: "no directory of its own", line: -1, text: "directory: env 1", says: `want argument`},
	// Its version.
	{name: "a version command that hangs", line: 3, text: "version: [sleep, '1000']", says: `version: sleep 1000: has not ended after 5s`},
	{name: "a version command that floods", line: 3, text: "version: ['yes']", says: `version: yes: prints more than`},
	{name: "a version command that fails", line: 3, text: "version: ['false']", says: `version: false: exit status 1`},
	{name: "a version that is none", line: 3, text: "version: [echo, hello]", says: `version: echo hello: no version in "hello"`},
	// What shows when it is started.
	{name: "a wrong password", line: -1, text: "password: x\ndirectives: [requirepass y]", says: `AUTH: the server answers "-WRONGPASS`},
	{name: "a password that it does not want", line: -1, text: "password: x", says: `AUTH: the server answers "-ERR AUTH`},
	{name: "a password that is missing", line: -1, text: "directives: [requirepass y]", says: `it wants a password, which the target does not have`},
	{name: "a user that it does not know", line: -1, text: "user: me\npassword: y\ndirectives: [requirepass y]", says: `AUTH: the server answers "-WRONGPASS`},
	{name: "another name for KEYS", line: -1, text: "rename: {KEYS: ALL}", says: `dump: KEYS: the server answered .*unknown command`},
	{name: "TLS, and a server without", line: -1, text: "tls: {ca: CERTIFICATE}", says: `(TLS|did not answer)`, status: result.ExitEnvironment},
	{name: "writes that it refuses", line: -1, text: "directives: [min-replicas-to-write 1]", says: `it refuses a write: "NOREPLICAS`},
	{name: "a port that nobody binds", line: 2, text: byScript, script: "exec sleep 1000", says: `it did not answer within \d+s \(within says how long it may take\)`, status: result.ExitEnvironment},
	{name: "another port", line: 2, text: byScript, script: `shift 2; exec redis-server "$@" --port 0 --unixsocket ./s`, says: `did not answer within`, status: result.ExitEnvironment},
	{name: "an output without end", line: 2, text: byScript, script: "exec yes", says: `did not answer within \d+s .*its last line: "y"`, status: result.ExitEnvironment},
	{name: "a server that ends at once", line: 2, text: byScript, script: "echo no licence; exit 3", says: `started on an empty directory: exit status 3; its last line: "no licence"`},
	{name: "a server that is killed", line: 2, text: byScript, script: "kill -9 $$", says: `killed by signal 9`, status: result.ExitEnvironment},
	{name: "a daemon", line: 2, text: byScript, script: `exec redis-server "$@" --daemonize yes`, says: `it became a daemon: it must stay in the foreground`},
	{name: "a script that does not wait", line: 2, text: byScript, script: `redis-server "$@" & exit 0`, says: `left the server behind`},
	{name: "a directory of its own", line: 2, text: byScript, script: `exec redis-server "$@" --dir OUTSIDE`, says: `(Read-only file system|Permission denied|outside of torntail|refuses a write)`},
	{name: "files elsewhere", line: 2, text: byScript, script: `echo x >OUTSIDE/file || exit 1; exec redis-server "$@"`, says: `exit status 1; its last line: ".*OUTSIDE/file`},
}

// TestWrongTargetFiles: each ends in one line that says what is wrong, with the right exit
// status, and leaves nothing behind or elsewhere. They run side by side.
func TestWrongTargetFiles(t *testing.T) {
	needs.Program(t, "redis-server")
	require.GreaterOrEqual(t, len(wrongTargets), 40)
	torntail, err := exec.LookPath("torntail")
	require.NoError(t, err)
	ca := authority(t)
	// Those that wait take some seconds each, and next to no CPU.
	turn := make(chan struct{}, 12)
	var all sync.WaitGroup
	for _, w := range wrongTargets {
		dir := t.TempDir()
		all.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			if wrong := w.run(torntail, dir, ca); wrong != "" {
				t.Errorf("%s: %s", w.name, wrong)
			}
		})
	}
	all.Wait()
}

// run returns what is not as it should be.
func (w *wrongTarget) run(torntail, dir, ca string) string {
	outside, work, tmp := filepath.Join(dir, "outside"), filepath.Join(dir, "work"), filepath.Join(dir, "tmp")
	for _, d := range []string{outside, work, tmp} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err.Error()
		}
	}
	text, lines := w.text, strings.SplitAfter(rightTarget, "\n")
	switch {
	case w.line > 0:
		lines[w.line-1] = w.text + "\n"
		text = strings.Join(lines, "")
	case w.line < 0:
		text = rightTarget + w.text + "\n"
	}
	named := strings.NewReplacer("OUTSIDE", outside, "CERTIFICATE", filepath.Join(work, "ca.pem"))
	files := map[string]string{"t.yaml": named.Replace(text), "ca.pem": ca}
	if w.script != "" {
		files["start"] = "#!/bin/sh\n" + named.Replace(w.script) + "\n"
	}
	for name, text := range files { // any order
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o755); err != nil {
			return err.Error()
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // only a hang takes so long
	defer cancel()
	cmd := exec.CommandContext(ctx, torntail, "run", "--target", "t.yaml", "--disk", "host", "--mode", "always", "--crash", "kill", "--runs", "1")
	cmd.Dir, cmd.Env = work, append(os.Environ(), "TMPDIR="+tmp, "WORK="+work)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Run() // its exit status is asked for below
	said, status := strings.TrimSpace(out.String()), w.status
	if status == 0 {
		status = result.ExitUsage
	}
	if got := cmd.ProcessState.ExitCode(); got != status {
		return fmt.Sprintf("exit status %d, want %d: %s", got, status, said)
	}
	if strings.Count(said, "\n") > 0 || !regexp.MustCompile(named.Replace(w.says)).MatchString(said) {
		return fmt.Sprintf("want one line like %s:\n%s", w.says, said)
	}
	if what := leftover(work, tmp); what != "" {
		return what
	}
	left := ""
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if _, ours := files[filepath.Base(path)]; err == nil && !d.IsDir() && (filepath.Dir(path) != work || !ours) {
			left += " " + path
		}
		return nil
	})
	if left != "" {
		return "it has left" + left
	}
	return ""
}

// authority is a certificate that signs nothing here.
func authority(t *testing.T) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	self := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, self, self, &key.PublicKey, key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
