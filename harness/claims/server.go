package claims

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/faults/sim"
)

// serverMachine is a real server on a volume of the fault disk.
type serverMachine struct {
	ctx    context.Context
	target *Target
	e      *osenv.Env
	volume *fusefs.Volume
	conf   []string
	redis  *process.Redis

	mu       sync.Mutex
	hook     disk.Hook     // under mu
	striking bool          // under mu: a decision to cut the power has been handed out
	cut      chan struct{} // closed when the image is in place
	cutErr   error
	ended    time.Duration
}

// onServer runs f against a fresh machine with a real server.
func onServer(ctx context.Context, t *Target, seed uint64, o machineOptions, f func(m machine) error) error {
	o = o.withDefaults()
	personality, err := disk.PersonalityByName(o.personality)
	if err != nil {
		return err
	}
	profile, err := sim.ProfileByName(o.profile)
	if err != nil {
		return err
	}
	m := &serverMachine{ctx: ctx, target: t, e: osenv.NewAt("c1", seed, t.began)}
	rng := osenv.New("disk", seed)
	m.volume, err = t.mount.Attach("claim"+strconv.FormatUint(seed, 10), disk.New(disk.Options{Personality: personality, KeepLog: true}),
		fusefs.VolumeOptions{
			Hook: m.ask,
			SyncLatency: func(*disk.Call) time.Duration { // under the volume's lock
				if o.latency > 0 {
					return o.latency
				}
				return profile.SyncTime(uint32(rng.Uint64()), 0)
			},
		})
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() {
		if r := m.redis; r != nil {
			r.KillTree()
		}
	})
	defer stop()
	defer m.windUp()
	m.e.Enter()
	defer m.e.Leave()
	err = f(m)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// windUp ends the server and takes its disk away.
func (m *serverMachine) windUp() {
	if m.redis != nil {
		m.redis.KillTree()
	}
	m.volume.Detach()
	if m.redis != nil {
		m.redis.WaitTree()
		m.redis.OutputDone()
	}
}

func (m *serverMachine) ask(c *disk.Call) disk.Decision {
	m.mu.Lock()
	h := m.hook
	m.mu.Unlock()
	if h == nil {
		return disk.Decision{}
	}
	return h(c)
}

func (m *serverMachine) onCall(h disk.Hook) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hook = h
}

func (m *serverMachine) env() env.Env  { return m.e }
func (m *serverMachine) addr() string  { return m.redis.Addr }
func (m *serverMachine) running() bool { return m.redis != nil && !m.redis.Exited() }

func (m *serverMachine) downAt() time.Duration { return m.ended }

// outside lets the machine's other tasks run while f blocks.
func (m *serverMachine) outside(f func()) {
	m.e.Leave()
	defer m.e.Enter()
	f()
}

func (m *serverMachine) start(conf ...string) error {
	m.conf = conf
	return m.again()
}

func (m *serverMachine) again() (err error) {
	var directives []process.Directive
	for _, line := range m.conf {
		name, args := directive(line)
		directives = append(directives, process.Directive{Name: name, Args: args})
	}
	m.cut, m.cutErr, m.striking = make(chan struct{}), nil, false
	m.outside(func() {
		m.redis, err = process.StartRedis(m.ctx, process.RedisSpec{Binary: m.target.binary, Dir: m.volume.Path(), Directives: directives, Clock: m.target.now})
	})
	var refused *process.StartError
	if errors.As(err, &refused) && refused.Exited {
		lines := strings.Split(strings.TrimSpace(refused.Error()), "\n")
		return &refusal{lines[len(lines)-1]}
	}
	return err
}

// gone waits until the server and its children are.
func (m *serverMachine) gone() {
	m.outside(func() {
		m.redis.Wait()
		m.redis.WaitChildren(replyLimit)
	})
}

func (m *serverMachine) kill() {
	m.ended = m.target.now()
	m.redis.Kill(false)
	m.gone()
}

func (m *serverMachine) term() {
	m.redis.Term()
	m.gone()
}

func (m *serverMachine) powerCut(keep disk.Choice) {
	m.ended = m.target.now()
	m.outside(func() { _, m.cutErr = m.volume.PowerCut(keep, m.redis) })
}

func (m *serverMachine) cutAt(place disk.Place, keep disk.Choice) disk.Decision {
	m.mu.Lock()
	m.striking = true
	m.mu.Unlock()
	return disk.Decision{Place: place, Fraction: 0.5, Strike: func() {
		m.ended = m.target.now()
		_, m.cutErr = m.volume.PowerCut(keep, m.redis)
		close(m.cut)
	}}
}

func (m *serverMachine) awaitDown(limit time.Duration) (down bool) {
	m.outside(func() {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		select {
		case <-m.redis.Done():
		case <-timer.C:
			return
		}
		down = true
		m.redis.WaitTree()
		m.mu.Lock()
		striking := m.striking
		m.mu.Unlock()
		if striking {
			<-m.cut // the image takes the disk's place after the last process is gone
		}
	})
	return down
}

func (m *serverMachine) files(f func(d *disk.Disk)) { m.volume.With(f) }

func (m *serverMachine) repair() (fixed bool, err error) {
	if m.target.tool == "" {
		return false, errors.New("the server's repair tool is not installed")
	}
	m.outside(func() {
		manifest := path.Join(m.volume.Path(), "appendonlydir", "appendonly.aof.manifest")
		var exit process.Exit
		_, exit, err = process.Run(process.Spec{Path: "sh", Args: []string{"-c", `yes | "$0" --fix "$1"`, m.target.tool, manifest}, Clock: m.target.now})
		fixed = exit.Code == 0 && exit.Signal == 0
	})
	return fixed, err
}

// resident is read from /proc/PID/smaps_rollup: shared pages count once.
func (m *serverMachine) resident() int64 {
	var sum int64
	for _, pid := range append(m.redis.Children(), m.redis.Pid()) {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue // it has ended
		}
		for _, line := range strings.Split(string(data), "\n") {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
				kb, _ := strconv.ParseInt(f[1], 10, 64)
				sum += kb << 10
			}
		}
	}
	return sum
}
