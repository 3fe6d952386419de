package engine_test

import (
	"fmt"
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

// In simulation, too, a command that takes too much is not executed, and who has sent it is
// gone; of those who take about as much the oldest goes first.
func TestClientsAreEvictedInSimulation(t *testing.T) {
	w := sim.New(sim.Options{Seed: 1})
	defer w.Close()
	var left []string
	var gone bool
	w.Node("n1", disk.New(disk.Options{})).Start(func(e env.Env, fs vfs.FS) {
		cfg := config.Default()
		must(cfg.Set("save", ""))
		must(cfg.Set("maxmemory-clients", "300kb"))
		srv := engine.New(engine.Options{Env: e, FS: fs, Config: cfg})
		must(srv.Load())
		e.Go("main", func() { srv.Run() })
		connect := func() func(argv ...string) (string, bool) {
			s, _ := srv.Open(wire{})
			return func(argv ...string) (string, bool) {
				must(s.AddAll(encode(argv...)))
				reply, more := s.Execute()
				return string(reply), more
			}
		}
		admin, first, second, third := connect(), connect(), connect(), connect()
		admin("CLIENT", "NO-EVICT", "ON")
		for i, c := range []func(...string) (string, bool){first, second, third} {
			c("CLIENT", "SETNAME", fmt.Sprint("c", i))
		}
		// The second and third wait with transactions that take as much.
		for _, c := range []func(...string) (string, bool){second, third} {
			c("MULTI")
			c("SET", "k", strings.Repeat("x", 70<<10))
		}
		_, more := first("SET", "k", strings.Repeat("x", 280<<10))
		gone = !more
		third("SET", "k", strings.Repeat("x", 70<<10))
		second("SET", "k", strings.Repeat("x", 60<<10))
		for i, c := range []func(...string) (string, bool){first, second, third} {
			if _, more := c("PING"); more {
				left = append(left, fmt.Sprint("c", i))
			}
		}
		reply, _ := admin("EXISTS", "k")
		left = append(left, reply)
	})
	require.NoError(t, w.Run(time.Minute))
	assert.True(t, gone)
	assert.Equal(t, []string{"c2", ":0\r\n"}, left)
}
