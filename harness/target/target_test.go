package target_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/target"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

func TestMain(m *testing.M) {
	guard.Main()
	status := m.Run()
	removeBuilt()
	os.Exit(status)
}

func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   `x.yaml:1:1: empty: want "target: 1" and a command`,
		"command: [a]":                       `x.yaml:1:1: no version: want "target: 1"`,
		"target: 2\ncommand: [a]":            `x.yaml:1:9: target: "2" is not a version`,
		"target: 1":                          "x.yaml:1:1: no command: want for example",
		"target: 1\ncommnad: [a]":            `x.yaml:2:1: field "commnad" is not known: did you mean "command"?`,
		"target: 1\ncommand: [a]":            "x.yaml:2:10: no {{port}} in the command",
		"target: 1\ncommand: []":             "x.yaml:2:10: an empty list, where at least one word of a command is expected",
		"target: 1\ncommand: [a, '{{prt}}']": `x.yaml:2:14: "{{prt}}" has a template that is not known here: want {{port}}, {{addr}}`,
		"target: 1\ncommand: [a, '-p {{port}}', 'x{{directives}}']": "{{directives}} becomes several words and must stand alone",
		"target: 1\ncommand: [a, '{{port}}']\nrename: {KEY: A}":     `field "KEY" is not known: did you mean "KEYS"?`,
		"target: 1\ncommand: [a, '{{port}}']\nrename: {KEYS: ''}":   `x.yaml:3:16: KEYS: "" is no name of a command; torntail needs KEYS`,
		"target: 1\ncommand: [a, '{{port}}']":                       "x.yaml:2:10: no {{dir}} in the command: the server must be told where its files belong",
		good + "user: me":                                           "x.yaml:3:7: a user without a password",
		good + "log: '*.aof'":                                       `x.yaml:3:6: "*.aof": want the name of a file below {{dir}}`,
		good + "snapshot: /x":                                       `x.yaml:3:11: "/x": want the name of a file below {{dir}}`,
		good + "lacks: [a b]":                                       `x.yaml:3:9: "a b": want the name of a directive`,
		good + "dump: keyz":                                         `x.yaml:3:7: way to list keys "keyz" is not known: did you mean "keys"?`,
		good + "ready: pin":                                         `x.yaml:3:8: readiness "pin" is not known: did you mean "ping"?`,
		good + "types: [string]":                                    `x.yaml:3:9: type "string" is not known: did you mean "strings"?`,
		good + "says: x":                                            `x.yaml:3:7: "x", where a mapping with snapshot, rewrite, ended and sync is expected`,
		good + "says: {snapshot: ''}":                               `x.yaml:3:18: "": want the beginning of a message`,
		good + "directory: env 1X":                                  `x.yaml:3:12: "env 1X": want argument`,
		good + "failover: raft":                                     `x.yaml:3:11: way of failing over "raft" is not known: want one of sentinel, none`,
		good + "within: 11m":                                        "x.yaml:3:9: 11m0s: want at most 10m0s",
		good + "directives: [hz 5, dir /x]":                         "x.yaml:3:20: torntail decides on dir itself",
		good + "rename: {GET: x, SET: x}":                           `GET and SET are both called "x"`,
		good + "store: walcache\nlog: x":                            "x.yaml:4:6: log is said of Redis's kin, and not of walcache",
		"target: 1\ncommand: [a, '{{port}}', '{{dir}}']":            "x.yaml:2:10: neither {{directives}} nor {{conf}} in the command: the settings of a mode do not reach the server",
		"target: 1\ncommand: [a, '{{port}}', '{{dir}}']\nmodes: always\ndirectives: [hz 5]": "the directives of this file do not reach the server",
		"target: 1\ncommand: [a, '{{port}}', '{{dir}}', --daemonize, 'yes', '{{conf}}']":    "x.yaml:2:10: daemonize yes: the server must stay in the foreground",
		"target: 1\ncommand: [a, '{{port}}']\nmodes: [alway]":                               `x.yaml:3:9: mode "alway" is not known: did you mean "always"?`,
		"target: 1\ncommand: [a, '{{port}}']\nwithin: 5":                                    `x.yaml:3:9: "5", where a duration is expected`,
		"target: 1\ncommand: [a, '{{port}}']\ntls: {cert: a}":                               "x.yaml:3:6: no ca: want the file",
		"target: 1\ncommand: [a, '{{port}}']\ntls: {ca: nowhere.pem}":                       "x.yaml:3:11: open nowhere.pem",
		"target: 1\ncommand: [a, '{{port}}']\ntls: {ca: a, cert: b}":                        "x.yaml:3:6: cert and key belong together",
		"target: 1\ncommand: [a, '{{port}}']\ndirectives: [requirepass]":                    `x.yaml:3:14: "requirepass": want a line of redis.conf`,
		"target: 1\ncommand: [a, '{{port}}']\nrepair: [fix, '{{directives}}']":              "has a template that is not known here: want {{dir}}, {{manifest}}, {{log}}",
	} {
		_, err := target.Parse("x.yaml", []byte(text))
		if assert.Error(t, err, text) {
			assert.Contains(t, err.Error(), want)
		}
	}
}

// good is the beginning of a file that is.
const good = "target: 1\ncommand: [a, '{{port}}', '{{dir}}', '{{conf}}']\n"

// The examples are read; those that nobody has tried say so.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../targets/*.yaml")
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, file := range files {
		x, err := target.Load(file)
		require.NoError(t, err)
		assert.Equal(t, strings.TrimSuffix(filepath.Base(file), ".yaml"), x.Name)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		tested := strings.HasPrefix(x.Name, "redis-")
		assert.Equal(t, tested, strings.Contains(string(text), "Tested with"), file)
		assert.Equal(t, !tested, strings.Contains(string(text), "UNTESTED"), file)
		path, ok := target.IsFile(file)
		assert.True(t, ok && path == file)
	}
	_, ok := target.IsFile("redis-server")
	assert.False(t, ok)
}

// crash runs two kills of a described server on the host's own disk.
func crash(t *testing.T, x *target.Target, mode string) result.Result {
	rig, err := machine.NewRig(x.Store, x.Path, machine.HostDirs(""))
	require.NoError(t, err)
	defer func() { require.NoError(t, rig.Close()) }()
	rig.Describe(&machine.Description{Server: &x.Server, Within: x.Within, Repair: x.Repair, Modes: x.Modes})
	m, err := redis.ModeByName(mode)
	require.NoError(t, err)
	kill, err := experiment.CrashByName("kill")
	require.NoError(t, err)
	c := &campaign.Campaign{Modes: []product.Mode{m}, Crashes: []*experiment.CrashKind{kill}, Workload: workloads.Default(),
		Personality: experiment.HostDisk, Profile: "nvme", Seed: 1, Runs: 2}
	results, err := c.Run(context.Background(), campaign.RealServer(rig, "?"))
	require.NoError(t, err)
	return results[0]
}

// A described server is crashed like any other: with a password, renamed
// commands, a configuration file, or TLS.
func TestDescribedServers(t *testing.T) {
	needs.Program(t, "redis-server")
	t.Setenv("TMPDIR", t.TempDir())
	ca := certificates(t)
	for name, text := range map[string]string{
		"plain":  "../../targets/redis-server.yaml",
		"locked": "../../targets/redis-locked.yaml",
		"tls": fmt.Sprintf(`target: 1
command: [redis-server, --port, "0", --tls-port, "{{port}}", --bind, "{{addr}}", --dir, "{{dir}}", "{{directives}}"]
directives: [tls-cert-file %[1]s/server.pem, tls-key-file %[1]s/server.key, tls-ca-cert-file %[1]s/ca.pem, tls-auth-clients no]
tls: {ca: %[1]s/ca.pem}
`, ca),
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.HasSuffix(text, ".yaml") {
				file := filepath.Join(t.TempDir(), "target.yaml")
				require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
				text = filepath.Dir(file)
			}
			path, ok := target.IsFile(text)
			require.True(t, ok)
			x, err := target.Load(path)
			require.NoError(t, err)
			require.NoError(t, x.Available())
			r := crash(t, x, "always")
			assert.Equal(t, result.Holds, r.Verdict, r.Why)
			assert.Equal(t, 2, r.Struck)
			assert.Positive(t, r.Acknowledged)
		})
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	for _, e := range left {
		assert.False(t, strings.Contains(e.Name(), "torntail-") && !strings.HasSuffix(e.Name(), ".ledger"), "left behind: %s", e.Name()) // the ledger is there while this program is
	}
}

// A mode that the server does not have is n/a, with the reason.
func TestModesThatItHas(t *testing.T) {
	needs.Program(t, "redis-server")
	x, err := target.Load("../../targets/redis-server.yaml")
	require.NoError(t, err)
	x.Modes = []string{"rdb"}
	r := crash(t, x, "always")
	assert.Equal(t, result.NotApplicable, r.Verdict)
	assert.Contains(t, r.Why, "has no mode always")
}

// A wrong password is one clear error, not a server that never gets ready.
func TestWrongPassword(t *testing.T) {
	needs.Program(t, "redis-server")
	x, err := target.Load("../../targets/redis-locked.yaml")
	require.NoError(t, err)
	client, server := net.Pipe()
	go func() {
		buf := make([]byte, 256)
		server.Read(buf)
		server.Write([]byte("-WRONGPASS invalid username-password pair\r\n"))
	}()
	_, err = x.Server.Secure(client)
	require.ErrorContains(t, err, `AUTH: the server answers "-WRONGPASS`)
}

// certificates makes an authority and a server's certificate for 127.0.0.1.
func certificates(t *testing.T) string {
	dir := t.TempDir()
	write := func(name, kind string, der []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	}
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		return k
	}
	caKey, serverKey := key(), key()
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "torntail test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	server := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, server, ca, &serverKey.PublicKey, caKey)
	require.NoError(t, err)
	keyDER, err := x509.MarshalECPrivateKey(serverKey)
	require.NoError(t, err)
	write("ca.pem", "CERTIFICATE", caDER)
	write("server.pem", "CERTIFICATE", der)
	write("server.key", "EC PRIVATE KEY", keyDER)
	return dir
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("target: 1\ncommand: [a, '{{port}}', '{{dir}}', '{{directives}}']\nrename: {KEYS: x}\nwithin: 3s"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if x, err := target.Parse("x.yaml", text); err == nil && len(x.Server.Command) == 0 {
			t.Fatal("a target without a command")
		}
	})
}
