package engine_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/vfs"
)

var clusterEnabled = [][2]string{{"cluster-enabled", "yes"}}

// nodes.conf is written in place as redis 7.0.15 cluster.c clusterSaveConfig does it: what
// says who may do what is synced before the client is answered, slots are not; what is longer is
// overwritten with blank lines and cut off.
func TestNodesConfIsWrittenLikeRedis(t *testing.T) {
	d := disk.New(disk.Options{KeepLog: true})
	replies := inSimulation(t, 1, d, nil, clusterEnabled, "CLUSTER ADDSLOTSRANGE 0 10 20 30 40 50", "CLUSTER BUMPEPOCH", "CLUSTER DELSLOTSRANGE 20 30", "CLUSTER SAVECONFIG")
	require.Equal(t, []string{"+OK\r\n", "+BUMPED 1\r\n", "+OK\r\n", "+OK\r\n"}, replies)
	var calls []string
	for _, r := range d.Log() {
		if r.Path == "nodes.conf" {
			calls = append(calls, r.Kind.String())
		}
	}
	assert.Equal(t, "create write fsync write write fsync write truncate write fsync", strings.Join(calls, " "))
}

// A config epoch that a client was told survives a power cut, under the same name, whatever the
// disk keeps of what was not synced: where that is all of a file. What was written over it and
// not synced, slots, may be left in half: then neither this server nor redis-server starts.
func TestPowerCutOfNodesConf(t *testing.T) {
	for name, commands := range map[string][]string{
		"synced":   {"CLUSTER MYID", "CLUSTER ADDSLOTSRANGE 0 100 200 300", "CLUSTER BUMPEPOCH"},
		"unsynced": {"CLUSTER MYID", "CLUSTER BUMPEPOCH", "CLUSTER ADDSLOTSRANGE 0 100 200 300", "CLUSTER DELSLOTSRANGE 0 100"},
	} {
		t.Run(name, func(t *testing.T) {
			d := disk.New(disk.Options{})
			images := make([]*disk.Disk, 100)
			then := func() {
				for seed := range images {
					images[seed] = &disk.Disk{}
					d.Image(images[seed], disk.Choice{Mode: disk.KeepRandom, Seed: uint64(seed)})
				}
			}
			id := inSimulation(t, 1, d, then, clusterEnabled, commands...)[0]
			left, refused := map[string]bool{}, 0
			for _, after := range images {
				text, err := vfs.ReadFile(after.FS(nil), "nodes.conf")
				require.NoError(t, err)
				left[string(text)] = true
				replies := inSimulation(t, 2, after, nil, clusterEnabled, "CLUSTER MYID", "CLUSTER INFO")
				if replies[0] == "Unrecoverable error: corrupted cluster config file." {
					refused++
					continue
				}
				assert.Equal(t, id, replies[0])
				assert.Contains(t, replies[1], "cluster_my_epoch:1\r\n")
			}
			assert.Equal(t, name == "unsynced", len(left) > 1, "%d files that the cut may leave", len(left))
			assert.Equal(t, name == "unsynced", refused > 0)
		})
	}
}

// The same seed makes the same node.
func TestNodeOfASeed(t *testing.T) {
	run := func(seed uint64) []string {
		return inSimulation(t, seed, disk.New(disk.Options{}), nil, clusterEnabled, "CLUSTER NODES", "CLUSTER RESET HARD", "CLUSTER NODES")
	}
	assert.Equal(t, run(1), run(1))
	assert.NotEqual(t, run(1), run(2))
}
