package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/network"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/faults/vfs"
)

// simulated is three engine servers and three engine Sentinels in a simulated
// world, each a machine with a disk on which its configuration file is.
type simulated struct {
	t     *testing.T
	w     *sim.World
	nodes map[string]*sim.Node
	log   []string          // what Sentinels say, with the time and who
	votes map[string]string // who was told, by whom, in which epoch
	twice []string
}

func simulate(t *testing.T, seed uint64) *simulated {
	s := &simulated{t: t, w: sim.New(sim.Options{Seed: seed}), nodes: map[string]*sim.Node{}, votes: map[string]string{}}
	t.Cleanup(s.w.Close)
	for i, name := range []string{"n1", "n2", "n3", "s1", "s2", "s3"} {
		conf := "port 6379\nsave \"\"\nrepl-diskless-sync-delay 0\nreplica-announce-ip " + name + "\n"
		if name[0] == 's' {
			conf = "port 26379\nsentinel resolve-hostnames yes\nsentinel announce-ip " + name + "\nsentinel monitor mymaster n1 6379 2\n" +
				"sentinel down-after-milliseconds mymaster 2000\nsentinel failover-timeout mymaster 5000\n"
		} else if i > 0 {
			conf += "replicaof n1 6379\n"
		}
		n := s.w.Node(name, disk.New(disk.Options{}))
		s.nodes[name] = n
		n.Start(func(_ env.Env, fs vfs.FS) {
			must(vfs.WriteFile(fs, "x.conf", []byte(conf)))
			f, err := fs.Open("x.conf", vfs.ReadWrite)
			must(err)
			must(f.Sync())
			must(vfs.SyncDir(fs, "."))
		})
	}
	s.run(time.Second)
	for _, name := range []string{"n1", "n2", "n3", "s1", "s2", "s3"} {
		s.start(name)
	}
	return s
}

// must is for tasks, which may not end the test: a panic ends the world's Run.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// start starts a node's server on what its disk holds.
func (s *simulated) start(name string) {
	s.nodes[name].Start(func(e env.Env, fs vfs.FS) {
		cfg := config.Default()
		if name[0] == 's' {
			cfg.MakeSentinel()
		}
		err := cfg.ParseFile("x.conf", func(name string) ([]byte, error) { return vfs.ReadFile(fs, name) })
		must(err)
		srv := engine.New(engine.Options{Env: e, FS: fs, Config: cfg, ConfigFile: "/x.conf", ConfigFS: fs,
			Log: func(_ byte, msg string) { s.heard(e.Now(), name, msg) }})
		must(srv.Load())
		l, err := e.Listen(fmt.Sprintf(":%d", cfg.Port))
		must(err)
		e.Go("accept", func() { srv.Serve(l) })
		srv.Run()
	})
}

// heard is a log line. "ID voted for X EPOCH" is a vote that was told.
func (s *simulated) heard(at time.Duration, name, msg string) {
	if name[0] != 's' {
		return
	}
	s.log = append(s.log, fmt.Sprintf("%8.3f %s %s", at.Seconds(), name, msg))
	voter, rest, ok := strings.Cut(msg, " voted for ")
	if !ok {
		return
	}
	candidate, epoch, _ := strings.Cut(rest, " ")
	key := voter + " in epoch " + epoch
	if old, ok := s.votes[key]; ok && old != candidate {
		s.twice = append(s.twice, key+" voted for "+old+" and "+candidate)
	}
	s.votes[key] = candidate
}

func (s *simulated) run(d time.Duration) { require.NoError(s.t, s.w.Run(s.w.Now()+d)) }

// until runs until somebody has said something, at most for d.
func (s *simulated) until(d time.Duration, what string) {
	s.t.Helper()
	from := len(s.log)
	for end := s.w.Now() + d; s.w.Now() < end; {
		s.run(50 * time.Millisecond)
		for _, l := range s.log[from:] {
			if strings.Contains(l, what) {
				return
			}
		}
	}
	s.t.Fatalf("nobody says %q within %v:\n%s", what, d, strings.Join(s.log, "\n"))
}

// ask sends an inline command from a machine that nobody cuts.
func (s *simulated) ask(to, command string) string {
	name := fmt.Sprintf("c%d", s.w.Now())
	reply := "(no reply)"
	s.nodes[name] = s.w.Node(name, nil)
	s.nodes[name].Go("ask", func(e env.Env) {
		port := "6379"
		if to[0] == 's' {
			port = "26379"
		}
		c, err := e.Dial(to + ":" + port)
		if err != nil {
			return
		}
		c.SetReadDeadline(e.Now() + time.Second)
		if _, err := c.Write([]byte(command + "\r\n")); err != nil {
			return
		}
		buf := make([]byte, 8192)
		if n, err := c.Read(buf); err == nil {
			reply = string(buf[:n])
		}
		c.Close()
	})
	s.run(1100 * time.Millisecond)
	return reply
}

// settled waits until all Sentinels name one master, which is one, and the
// others follow it, and returns its name.
func (s *simulated) settled(within time.Duration) string {
	s.t.Helper()
	why := ""
	for end := s.w.Now() + within; s.w.Now() < end; s.run(2 * time.Second) {
		seen := map[string]bool{}
		for _, name := range []string{"s1", "s2", "s3"} {
			seen[s.ask(name, "SENTINEL GET-MASTER-ADDR-BY-NAME mymaster")] = true
		}
		if why = fmt.Sprintf("Sentinels name %v", seen); len(seen) != 1 {
			continue
		}
		master := ""
		for _, name := range []string{"n1", "n2", "n3"} {
			if seen["*2\r\n$2\r\n"+name+"\r\n$4\r\n6379\r\n"] {
				master = name
			}
		}
		for _, name := range []string{"n1", "n2", "n3"} {
			info := s.ask(name, "INFO replication")
			switch {
			case name == master && !strings.Contains(info, "role:master"),
				name != master && !strings.Contains(info, "master_host:"+master+"\r\n"),
				name != master && !strings.Contains(info, "master_link_status:up"):
				why = name + " says " + info
				master = ""
			}
		}
		if master != "" {
			return master
		}
	}
	s.t.Fatalf("not settled within %v of virtual time: %s\n%s", within, why, strings.Join(s.log, "\n"))
	return ""
}

func (s *simulated) isolate(name string) {
	for _, other := range []string{"n1", "n2", "n3", "s1", "s2", "s3"} {
		if other != name {
			s.w.Cut(name, other, network.Hold)
			s.w.Cut(other, name, network.Hold)
		}
	}
}

// TestSimulatedSentinels: engine Sentinels over engine servers, under faults
// that come while they are at work.
func TestSimulatedSentinels(t *testing.T) {
	for _, c := range []struct {
		name   string
		fault  func(s *simulated)
		moved  bool // another master is wanted in the end
		silent string
	}{
		{"the master's machine loses power", func(s *simulated) {
			s.nodes["n1"].PowerCut(disk.Choice{Mode: disk.KeepNone})
			s.until(20*time.Second, "+switch-master")
			s.start("n1")
		}, true, ""},
		{"the master is alone, both ways", func(s *simulated) {
			s.isolate("n1")
			s.until(20*time.Second, "+switch-master")
			s.run(5 * time.Second)
			s.w.HealAll()
		}, true, ""},
		{"nothing that the master says arrives", func(s *simulated) {
			for _, other := range []string{"n2", "n3", "s1", "s2", "s3"} {
				s.w.Cut("n1", other, network.Hold)
			}
			s.until(20*time.Second, "+switch-master")
			s.w.HealAll()
		}, true, ""},
		{"one Sentinel alone loses the master", func(s *simulated) {
			s.w.Cut("s1", "n1", network.Hold)
			s.until(20*time.Second, "+sdown master")
			s.run(20 * time.Second)
			s.w.HealAll()
		}, false, "+try-failover"},
		{"a clock steps, and the Sentinel keeps its hands off", func(s *simulated) {
			s.nodes["s1"].SetClock(time.Hour)
			s.until(time.Second, "s1 +tilt")
			s.nodes["n1"].Kill(true)
			s.until(20*time.Second, "+switch-master")
			s.start("n1")
			s.until(40*time.Second, "s1 -tilt")
		}, true, "s1 +elected-leader"},
		{"the leader loses power once it is elected: an election again", func(s *simulated) {
			s.nodes["n1"].Kill(true)
			s.until(20*time.Second, "+elected-leader")
			last := s.log[len(s.log)-1]
			for _, l := range s.log {
				if strings.Contains(l, "+elected-leader") {
					last = l
				}
			}
			leader := strings.Fields(last)[1]
			s.nodes[leader].PowerCut(disk.Choice{Mode: disk.KeepNone})
			s.start("n1")
			s.run(time.Second)
			s.nodes["n1"].Kill(true)
			s.start(leader)
			s.until(60*time.Second, "+switch-master")
			s.start("n1")
		}, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			hash := uint64(0)
			for round := range 2 {
				s := simulate(t, 5)
				s.until(10*time.Second, "+sentinel sentinel")
				s.run(15 * time.Second)
				c.fault(s)
				master := s.settled(3 * time.Minute)
				require.Equal(t, c.moved, master != "n1", "%s is the master\n%s", master, strings.Join(s.log, "\n"))
				require.Empty(t, s.twice)
				for _, l := range s.log {
					if c.silent != "" {
						require.NotContains(t, l, c.silent)
					}
				}
				if round == 0 {
					hash = s.w.Hash()
				} else {
					require.Equal(t, hash, s.w.Hash(), "the same seed, another run")
				}
				if round == 1 && testing.Verbose() {
					t.Log("\n" + strings.Join(s.log, "\n"))
				}
			}
		})
	}
}
