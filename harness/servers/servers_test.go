package servers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/harness/servers/serverstest"
	"github.com/torntail/torntail/internal/needs"
)

func TestMain(m *testing.M) {
	guard.Main()
	os.Exit(m.Run())
}

// open is the stub archive, for a user with an empty cache.
func open(t *testing.T, a *serverstest.Archive) *Archive {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	m, err := FindMirror(a.Etc, "")
	require.NoError(t, err)
	archive, err := Open(m)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, archive.Close()) })
	return archive
}

// A server is unpacked with what it was made from on record, and found by its name.
func TestGet(t *testing.T) {
	a := serverstest.New(t)
	debs := a.Add("sid", "valkey", "9.1.2+dfsg-1~x")
	a.Add("trixie", "valkey", "8.1.1-1")
	archive := open(t, a)
	_, err := Find("valkey-9.1")
	require.ErrorIs(t, err, ErrNotHere)
	assert.ErrorContains(t, err, "torntail servers get valkey-9.1")

	s, err := archive.Get(t.Context(), "valkey-9.1")
	require.NoError(t, err)
	data, err := os.ReadFile(debs["valkey-tools"])
	require.NoError(t, err)
	sum := sha256.Sum256(data)
	assert.Equal(t, "9.1.2", s.Version)
	assert.Equal(t, "valkey-tools 9.1.2+dfsg-1~x (sid) sha256:"+hex.EncodeToString(sum[:]), s.Origin())
	found, err := Find("valkey-9.1")
	require.NoError(t, err)
	assert.Equal(t, s, found)
	v, err := process.Version(found.Program())
	require.NoError(t, err)
	assert.Equal(t, "9.1.2", v)
	tool, err := exec.Command(filepath.Join(s.Dir, "valkey-check-aof")).CombinedOutput()
	require.NoError(t, err)
	assert.Equal(t, "valkey-check-aof\n", string(tool))

	exact, err := archive.Get(t.Context(), "valkey-8.1.1")
	require.NoError(t, err)
	assert.Equal(t, "8.1.1", exact.Version)
	here, err := Here()
	require.NoError(t, err)
	assert.Len(t, here, 2)
	require.NoError(t, archive.Close())
	dir, err := Dir()
	require.NoError(t, err)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 2, "lists or half a server were left behind: %v", left)
}

// One program is many and asks for the name that it was called by, and needs the loader and
// the libraries of its own release.
func TestRunsWithItsOwnLibraries(t *testing.T) {
	binary, err := filepath.EvalSymlinks(needs.Program(t, "redis-server"))
	require.NoError(t, err)
	a := serverstest.New(t)
	a.AddProgram("trixie", "redis", "8.0.2-1", binary)
	s, err := open(t, a).Get(t.Context(), "redis-8.0")
	require.NoError(t, err)
	assert.NotEmpty(t, s.Version)
	text, err := os.ReadFile(s.Program())
	require.NoError(t, err)
	assert.Contains(t, string(text), "--library-path")
	out, err := exec.Command(filepath.Join(s.Dir, "redis-check-aof")).CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(out), "Usage")
	// It has mapped the libraries that were unpacked, and none of the machine's.
	r, err := process.StartRedis(t.Context(), process.RedisSpec{Binary: s.Program(), Dir: t.TempDir()})
	require.NoError(t, err)
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", r.Pid()))
	r.KillTree()
	r.WaitTree()
	require.NoError(t, err)
	libraries := 0
	for line := range strings.Lines(string(maps)) {
		if i := strings.Index(line, "/"); i >= 0 && strings.Contains(line, ".so") {
			assert.Contains(t, line[i:], s.Dir)
			libraries++
		}
	}
	assert.Positive(t, libraries)
}

// What is not there any more is named beside what there is.
func TestGone(t *testing.T) {
	a := serverstest.New(t)
	a.Add("sid", "valkey", "9.2.0-1")
	a.Add("trixie", "valkey", "8.1.1-1")
	_, err := open(t, a).Get(t.Context(), "valkey-9.1")
	var gone *Gone
	require.ErrorAs(t, err, &gone)
	assert.Equal(t, "valkey-9.1 is not in Debian's archive any more: there is valkey-9.2.0 (sid), valkey-8.1.1 (trixie)", err.Error())
	_, err = Find("valkey-9.1")
	assert.ErrorIs(t, err, ErrNotHere)
}

// apt checks signatures, and the hash of what it downloads.
func TestWhatIsNotSignedOrDamagedIsRefused(t *testing.T) {
	a := serverstest.New(t)
	debs := a.Add("sid", "valkey", "9.1.2-1")
	archive := open(t, a)
	text, err := os.ReadFile(debs["valkey-tools"])
	require.NoError(t, err)
	text[len(text)/2] ^= 1
	require.NoError(t, os.WriteFile(debs["valkey-tools"], text, 0o644))
	_, err = archive.Get(t.Context(), "valkey-9.1")
	require.Error(t, err)
	assert.Contains(t, err.Error(), "apt-get")
	_, err = Find("valkey-9.1")
	assert.ErrorIs(t, err, ErrNotHere)

	m := *archive.Mirror
	m.Trusted = false
	unsigned, err := Open(&m)
	require.NoError(t, err)
	defer unsigned.Close()
	_, err = unsigned.Get(t.Context(), "valkey-9.1")
	assert.ErrorContains(t, err, "not signed")
}

// An interrupted get leaves nothing that looks like a server.
func TestInterrupted(t *testing.T) {
	a := serverstest.New(t)
	a.Add("sid", "valkey", "9.1.2-1")
	archive := open(t, a)
	ctx, cancel := context.WithCancel(t.Context())
	archive.Tell = func(what string) {
		if strings.HasPrefix(what, "getting") {
			cancel()
		}
	}
	_, err := archive.Get(ctx, "valkey-9.1")
	require.ErrorIs(t, err, context.Canceled)
	here, err := Here()
	require.NoError(t, err)
	assert.Empty(t, here)
}

func TestNames(t *testing.T) {
	for _, k := range Table {
		assert.NoError(t, Check(k.Name))
	}
	for _, name := range []string{"valkey", "valkey-9", "keydb-6.3", "../valkey-9.1", "redis-6.0/..", "redis-6.0.0.0", "redis-server"} {
		assert.Error(t, Check(name), name)
	}
	assert.True(t, within("8.0.2", "8.0") && within("8.0.2", "8.0.2"))
	assert.False(t, within("8.10.2", "8.1") || within("8.0.20", "8.0.2"))
}

// The mirror is the one that the machine's own sources have, with its keys.
func TestFindMirror(t *testing.T) {
	for name, row := range map[string]struct {
		file, text, asked string
		want              Mirror
		wrong             string
	}{
		"one line": {file: "sources.list", text: "# deb http://a/ sid main\ndeb-src http://b/ sid main\ndeb [arch=amd64 signed-by=/k] http://mirror/debian bookworm main contrib\n",
			want: Mirror{URI: "http://mirror/debian", SignedBy: "/k"}},
		"stanzas": {file: "sources.list.d/debian.sources", text: "Types: deb\nURIs: http://m/debian-security\nSuites: bookworm-security\nComponents: main\n\n" +
			"Types: deb deb-src\nURIs: http://m/debian\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /keys\n",
			want: Mirror{URI: "http://m/debian", SignedBy: "/keys"}},
		"switched off":    {file: "sources.list.d/x.sources", text: "Types: deb\nEnabled: no\nURIs: http://m/debian\nSuites: sid\nComponents: main\n", wrong: "name no mirror"},
		"somebody else's": {file: "sources.list", text: "deb http://ubuntu/ubuntu noble main\ndeb http://else/node nodistro main\n", wrong: "--mirror"},
		"asked for, and known": {file: "sources.list", text: "deb http://m/debian sid main\ndeb [trusted=yes] http://n/debian sid main\n", asked: "http://n/debian/",
			want: Mirror{URI: "http://n/debian", Trusted: true}},
	} {
		t.Run(name, func(t *testing.T) {
			etc := t.TempDir()
			require.NoError(t, os.MkdirAll(filepath.Join(etc, "sources.list.d"), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(etc, row.file), []byte(row.text), 0o644))
			m, err := FindMirror(etc, row.asked)
			if row.wrong != "" {
				require.ErrorContains(t, err, row.wrong)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, row.want, *m)
		})
	}
	m, err := FindMirror(t.TempDir(), "http://elsewhere/debian")
	require.NoError(t, err)
	assert.Equal(t, "http://elsewhere/debian", m.URI)
}

// TestArchive gets a server from the archive that this machine really uses. It needs the
// network, and is asked for: TORNTAIL_ARCHIVE=1.
func TestArchive(t *testing.T) {
	if os.Getenv("TORNTAIL_ARCHIVE") == "" {
		t.Skip("TORNTAIL_ARCHIVE=1 asks for downloads from Debian's archive")
	}
	m, err := FindMirror("/etc/apt", "")
	require.NoError(t, err)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	archive, err := Open(m)
	require.NoError(t, err)
	defer archive.Close()
	for _, k := range Table {
		s, err := archive.Get(t.Context(), k.Name)
		if !assert.NoError(t, err) {
			continue
		}
		product, version, _ := strings.Cut(k.Name, "-")
		v, kind, err := process.Kind(s.Program())
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprint(product, " ", true), fmt.Sprint(kind, " ", within(v, version)), v)
	}
}
