package engine_test

import (
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

// What has been idle for as long as is asked for is claimed, and what was for a
// millisecond less is not: on a clock that stands still while commands run.
func TestIdleTimesToTheMillisecond(t *testing.T) {
	w := sim.New(sim.Options{Seed: 1})
	defer w.Close()
	var got []string
	w.Node("n1", disk.New(disk.Options{})).Start(func(e env.Env, fs vfs.FS) {
		cfg := config.Default()
		must(cfg.Set("save", ""))
		srv := engine.New(engine.Options{Env: e, FS: fs, Config: cfg, Log: func(byte, string) {}})
		must(srv.Load())
		e.Go("main", func() { srv.Run() })
		s, _ := srv.Open(wire{})
		do := func(argv ...string) string {
			var args [][]byte
			for _, a := range argv {
				args = append(args, []byte(a))
			}
			s.Add(args)
			reply, _ := s.Execute()
			return string(reply)
		}
		const start = 10 * time.Second
		e.Sleep(start - e.Now())
		do("XADD", "s", "1-1", "f", "v")
		do("XGROUP", "CREATE", "s", "g", "0")
		do("XREADGROUP", "GROUP", "g", "alice", "STREAMS", "s", ">")
		e.Sleep(start + 5*time.Millisecond - e.Now())
		for _, argv := range [][]string{
			{"XPENDING", "s", "g", "IDLE", "6", "-", "+", "10"}, {"XPENDING", "s", "g", "IDLE", "5", "-", "+", "10"},
			{"XINFO", "CONSUMERS", "s", "g"},
			{"XCLAIM", "s", "g", "bob", "6", "1-1", "JUSTID"}, {"XAUTOCLAIM", "s", "g", "bob", "6", "0", "JUSTID"},
			{"XAUTOCLAIM", "s", "g", "bob", "5", "0", "JUSTID"}, {"XPENDING", "s", "g", "-", "+", "10"},
			{"XCLAIM", "s", "g", "carol", "0", "1-1", "JUSTID", "IDLE", "7"}, {"XCLAIM", "s", "g", "dave", "8", "1-1", "JUSTID"}, {"XCLAIM", "s", "g", "dave", "7", "1-1", "JUSTID"},
			{"SET", "k", "v", "PX", "2"}, {"PTTL", "k"},
		} {
			got = append(got, do(argv...))
		}
		e.Sleep(start + 7*time.Millisecond - e.Now())
		got = append(got, do("PTTL", "k"))
		e.Sleep(start + 8*time.Millisecond - e.Now())
		got = append(got, do("EXISTS", "k"))
	})
	require.NoError(t, w.Run(time.Minute))
	const none, one = "*0\r\n", "*1\r\n$3\r\n1-1\r\n"
	assert.Equal(t, []string{
		none, "*1\r\n*4\r\n$3\r\n1-1\r\n$5\r\nalice\r\n:5\r\n:1\r\n",
		"*1\r\n*6\r\n$4\r\nname\r\n$5\r\nalice\r\n$7\r\npending\r\n:1\r\n$4\r\nidle\r\n:5\r\n",
		none, "*3\r\n$3\r\n0-0\r\n*0\r\n*0\r\n",
		"*3\r\n$3\r\n0-0\r\n" + one + "*0\r\n", "*1\r\n*4\r\n$3\r\n1-1\r\n$3\r\nbob\r\n:0\r\n:1\r\n",
		one, none, one,
		"+OK\r\n", ":2\r\n", ":0\r\n", ":0\r\n",
	}, got)
}
