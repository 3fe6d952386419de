package image

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/workloads"
)

// Keys of every type are read whole, and alike from the keyspace and through a
// client, whatever type the workload writes.
func TestEveryTypeIsRead(t *testing.T) {
	mode, err := redis.ModeByName("always")
	require.NoError(t, err)
	image := disk.New(disk.Options{})
	fsys := image.FS(nil)
	var log []byte
	for _, argv := range [][]string{
		{"SELECT", "0"},
		{"SET", "string", "v"}, {"RPUSH", "list", "b", "a"}, {"SADD", "set", "z", "a", "1"}, {"HSET", "hash", "g", "2", "f", "1"},
		{"ZADD", "zset", "2", "b", "-inf", "c", "0.1", "a"}, {"PEXPIREAT", "zset", "4102444800000"},
		{"XADD", "stream", "1-1", "f", "v", "g", "w"}, {"XADD", "stream", "2-0", "f", "x"}, {"XDEL", "stream", "3-0"},
		{"XGROUP", "CREATE", "stream", "readers", "1-1"}, {"XCLAIM", "stream", "readers", "alice", "0", "1-1", "TIME", "1", "RETRYCOUNT", "1", "FORCE", "JUSTID", "LASTID", "1-1"},
		{"XGROUP", "CREATE", "empty", "readers", "$", "MKSTREAM"},
	} {
		var args [][]byte
		for _, a := range argv {
			args = append(args, []byte(a))
		}
		log = aof.AppendCommand(log, args)
	}
	require.NoError(t, fsys.Mkdir("appendonlydir"))
	for name, text := range map[string][]byte{
		"appendonly.aof.manifest":   []byte("file appendonly.aof.1.incr.aof seq 1 type i\n"),
		"appendonly.aof.1.incr.aof": log,
	} {
		f, err := fsys.Open(path.Join("appendonlydir", name), vfs.WriteOnly|vfs.Create)
		require.NoError(t, err)
		_, err = f.Write(text)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	const want = `empty stream [] [{readers 0-0 []}]
hash hash [f 1 g 2] []
list  [b a] []
set set [1 a z] []
stream stream [1-1 f v 1-1 g w 2-0 f x] [{readers 1-1 [1-1 alice]}]
string  [] []
zset zset [c -inf a 0.10000000000000001 b 2] []
`
	for _, workload := range []string{"registers", "lists"} {
		x := &experiment.Experiment{Mode: mode, Workload: workloads.Default(), Profile: "nvme", Seed: 1}
		x.Workload.Name = workload
		bare, err := NewBare(x)
		require.NoError(t, err)
		fromKeyspace := bare.Recover(image.Clone(), 0, nil)
		cold, err := NewCold(x)
		require.NoError(t, err)
		throughClient, _, err := cold.Recover(image.Clone(), 0)
		cold.Close()
		require.NoError(t, err)
		for _, r := range []experiment.Recovered{fromKeyspace, throughClient} {
			var got strings.Builder
			for _, kv := range r.State.Keys {
				fmt.Fprintln(&got, kv.Key, kv.Type, kv.List, kv.Groups)
				require.Equal(t, kv.Type == "stream", kv.GroupsRead)
				require.Equal(t, kv.Key == "zset", kv.TTL > 0)
				require.Equal(t, kv.Key == "string", kv.Value == "v")
			}
			require.Equal(t, want, got.String())
		}
	}
}
