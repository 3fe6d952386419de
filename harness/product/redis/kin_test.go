package redis

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/product"
)

// A server is taken for what its version says: before 7.0 the log was a single file, and
// others are taken for Redis 7.
func TestKinByVersion(t *testing.T) {
	for _, c := range []struct {
		kind, version, log string
		lacks              map[string]string // of modes
	}{
		{"redis", "7.0.0", manifest, nil},
		{"redis", "8.0.2", manifest, nil},
		{"redis", "10.0", manifest, nil},
		{"redis", "255.255.255", manifest, nil},
		{"redis", "unstable", manifest, nil},
		{"redis", "", manifest, nil},
		{"valkey", "9.1.2", manifest, nil},
		{"keydb", "6.3.4", manifest, nil},
		{"redis", "6.2.14", "appendonly.aof", nil},
		{"redis", "3.2.12", "appendonly.aof", map[string]string{"hybrid": "the server has no directive aof-use-rdb-preamble", "hybrid-always": "the server has no directive aof-use-rdb-preamble", "everysec+rdb": "the server has no directive aof-use-rdb-preamble"}},
	} {
		s := Of(c.kind, c.version)
		require.Equal(t, c.log, s.DataFile(&product.Mode{AOF: true}), c.version)
		require.Equal(t, "dump.rdb", s.DataFile(&product.Mode{RDB: true}), c.version)
		for _, m := range s.Modes() {
			on := s.On(m)
			require.Equal(t, c.lacks[m.Name], s.Lacks(&on), "%s %s", c.version, m.Name)
			require.Equal(t, s, on.Store)
			if c.version == "3.2.12" && c.lacks[m.Name] == "" {
				require.False(t, on.States("aof-use-rdb-preamble"), m.Name)
			}
		}
	}
	require.Equal(t, Store, Of("valkey", "8.0.1"))
}

func TestRolesOfASingleLog(t *testing.T) {
	s := Of("redis", "6.0.16")
	for path, want := range map[string]product.Role{"appendonly.aof": product.TheLog, "temp-rewriteaof-bg-7.aof": product.Draft, "temp-rewriteaof-7.aof": product.Draft,
		"temp-7.rdb": product.SnapshotDraft, "dump.rdb": product.Other} {
		require.Equal(t, want, s.Role(path), path)
	}
	require.Equal(t, product.Other, Store.Role("appendonly.aof"))
	log, _ := s.Globs()
	require.Equal(t, "appendonly.aof", log)
}

// Stray bytes are looked for behind the snapshot that a single log may begin with, which is
// full of zeroes.
func TestStrayInASingleLog(t *testing.T) {
	s := Of("redis", "6.0.16")
	const command = "*3\r\n$3\r\nSET\r\n$1\r\nK\r\n$1\r\n1\r\n"
	snapshot := "REDIS0009\xfa\x00\xff*\x00\x01\xff\x01\x02\x03\x04\x05\x06\x07\x00"
	for name, c := range map[string]struct {
		text string
		want product.Stray
	}{
		"sound":            {command, nil},
		"a tail":           {command + "\x00\x00", product.Stray{"appendonly.aof": int64(len(command))}},
		"with a snapshot":  {snapshot + command, nil},
		"its tail":         {snapshot + command + "*3\r\n\x00\x00", product.Stray{"appendonly.aof": int64(len(snapshot) + len(command) + 4)}},
		"a snapshot alone": {snapshot, nil},
	} {
		fsys := disk.New(disk.Options{}).FS(nil)
		require.NoError(t, vfs.WriteFile(fsys, "appendonly.aof", []byte(c.text)))
		require.Equal(t, c.want, s.Stray(fsys), name)
	}
	require.True(t, beginsCommand([]byte(command)))
	for _, not := range []string{"", "*", "*\r\n$", "*3\r\n", "3\r\n$"} {
		require.False(t, beginsCommand([]byte(not)), not)
	}
	require.Equal(t, 0, preamble(bytes.Repeat([]byte("*"), 10)))
}

func TestWhatARepairToolSays(t *testing.T) {
	what, file := Store.Says("AOF appendonly.aof.2.base.rdb format error")
	require.Equal(t, product.BaseRefused, what)
	require.Equal(t, "appendonly.aof.2.base.rdb", file)
	what, _ = Store.Says("AOF appendonly.aof.2.incr.aof format error")
	require.Equal(t, product.Nothing, what)
}
