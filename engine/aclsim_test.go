package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/faults/vfs"
)

// sentWire keeps what a session with a stream is sent.
type sentWire struct {
	wire
	text []byte
}

func (r *sentWire) Write(p []byte) (int, error) {
	r.text = append(r.text, p...)
	return len(p), nil
}

// inSimulation runs a server on a simulated disk and gives a client's commands to it; then,
// if not nil, is called at once after them. What is no reply is the last of what it returns.
func inSimulation(t *testing.T, seed uint64, d *disk.Disk, then func(), directives [][2]string, commands ...string) (replies []string) {
	w := sim.New(sim.Options{Seed: seed})
	defer w.Close()
	w.Node("n1", d).Start(func(e env.Env, fs vfs.FS) {
		cfg := config.Default()
		must(cfg.Set("save", ""))
		for _, d := range directives {
			must(cfg.Set(d[0], d[1]))
		}
		srv := engine.New(engine.Options{Env: e, FS: fs, Config: cfg, Log: func(byte, string) {}})
		if err := srv.Load(); err != nil {
			replies = append(replies, err.Error())
			return
		}
		e.Go("main", func() { srv.Run() })
		sent := &sentWire{}
		s, _ := srv.Open(sent)
		for _, line := range commands {
			argv, err := config.SplitArgs(line)
			must(err)
			var args [][]byte
			for _, a := range argv {
				args = append(args, []byte(a))
			}
			s.Add(args)
			reply, _ := s.Execute()
			replies = append(replies, string(reply))
		}
		if then != nil {
			then()
		}
		if e.Sleep(time.Second); len(sent.text) > 0 {
			replies = append(replies, string(sent.text))
		}
	})
	require.NoError(t, w.Run(time.Minute))
	return replies
}

// A password that ACL GENPASS makes is the world's own: the same in every run of a seed.
func TestPasswordsOfASeed(t *testing.T) {
	one, again, other := inSimulation(t, 1, disk.New(disk.Options{}), nil, nil, "ACL GENPASS"), inSimulation(t, 1, disk.New(disk.Options{}), nil, nil, "ACL GENPASS"), inSimulation(t, 2, disk.New(disk.Options{}), nil, nil, "ACL GENPASS")
	assert.Equal(t, one, again)
	assert.NotEqual(t, one, other)
	assert.Len(t, one[0], len("$64\r\n\r\n")+64)
}

// ACL SAVE syncs nothing, as redis-server: what a power cut leaves of the file is the old
// users, the new ones, or no users at all.
func TestPowerCutAfterSavingUsers(t *testing.T) {
	const file, old = "users.acl", "user old on nopass +@all\n"
	d := disk.New(disk.Options{})
	fs := d.FS(nil)
	f, err := fs.Open(file, vfs.WriteOnly|vfs.Create)
	require.NoError(t, err)
	_, err = f.Write([]byte(old))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, fs.SyncFS())
	aclfile := [][2]string{{"aclfile", file}}
	images := make([]*disk.Disk, 200)
	then := func() {
		for seed := range images {
			images[seed] = &disk.Disk{}
			d.Image(images[seed], disk.Choice{Mode: disk.KeepRandom, Seed: uint64(seed)})
		}
	}
	require.Equal(t, []string{"+OK\r\n", "+OK\r\n"}, inSimulation(t, 1, d, then, aclfile, "ACL SETUSER new on >pw +get ~k", "ACL SAVE"))
	text, err := vfs.ReadFile(fs, file)
	require.NoError(t, err)
	require.Contains(t, string(text), "user new on #")
	left := map[string]bool{}
	for _, after := range images {
		users := inSimulation(t, 1, after, nil, aclfile, "ACL USERS")[0]
		switch {
		case strings.Contains(users, "new"):
			left["new"] = true
		case strings.Contains(users, "old"):
			left["old"] = true
		default:
			left["none"] = true
		}
	}
	assert.Equal(t, map[string]bool{"new": true, "old": true, "none": true}, left)
}
