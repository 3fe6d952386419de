package policies

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

func TestMain(m *testing.M) {
	guard.Main()
	// The space and its watchdog stay as long as the process.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/torntail/torntail/faults/guard.(*Space).serve"),
		goleak.IgnoreAnyFunction("os.(*Process).Wait"))
}

func modes(t *testing.T, names ...string) (list []product.Mode) {
	for _, n := range names {
		m, err := redis.ModeByName(n)
		require.NoError(t, err)
		list = append(list, m)
	}
	return list
}

// TestCostsOfARealServer: what is counted is what the settings mean. The figures
// themselves depend on the machine.
func TestCostsOfARealServer(t *testing.T) {
	binary := needs.Program(t, "redis-server")
	needs.Working(t, fusefs.Available())
	turns := 0
	m := &Measurement{Server: machine.Serving(redis.Store, binary), Dir: ".", Modes: modes(t, "always", "rdb", "none"), Rounds: 2, Round: 500 * time.Millisecond, RestartWrites: 2000,
		Load: result.Offered{Clients: 4, Pipeline: 2, ValueSize: 50, Keys: 100, ReadRatio: 0.5}, Tell: func(string, int, int) { turns++ }}
	p, err := m.Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3*2*2, turns)
	require.NotNil(t, p.Host.Fsync)
	for _, x := range p.Policies {
		for _, c := range []*result.Cost{x.Host, x.FaultDisk} {
			require.NotNil(t, c, x.Mode)
			if x.Mode != "always" { // a disk that others keep busy may not finish an fsync in half a second
				require.Positive(t, c.Rate, x.Mode)
				require.Positive(t, c.P50, x.Mode)
			}
			require.GreaterOrEqual(t, c.P99, c.P50)
			require.GreaterOrEqual(t, c.P999, c.P99)
			require.Len(t, c.Rounds, 2)
			require.Len(t, c.Over, 5, "ticks of a tenth of a second")
		}
		require.Positive(t, x.RestartMS)
	}
	always, rdb, none := p.Policies[0], p.Policies[1], p.Policies[2]
	require.Greater(t, always.FsyncsPerOp, 0.01, "one for each turn of the event loop that writes: four clients of two commands share it")
	require.LessOrEqual(t, always.FsyncsPerOp, 1.0)
	require.Greater(t, always.BytesPerOp, 30.0, "half of the operations write 50 bytes and more")
	require.Less(t, always.BytesPerOp, 70.0)
	require.Less(t, rdb.FsyncsPerOp, 0.01)
	require.Zero(t, none.FsyncsPerOp)
	require.Zero(t, none.BytesPerOp)
	require.Greater(t, always.FileBytes, rdb.FileBytes, "the log holds overwritten values, too")
	require.Zero(t, none.FileBytes)
	left, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, e := range left {
		require.False(t, strings.HasPrefix(e.Name(), ".torntail"), "%s was left behind", e.Name())
	}
}

// TestASlowDiskCostsThroughput is the planted fault of the measurement: fsyncs
// of 20 ms must show under always, and not without an fsync.
func TestASlowDiskCostsThroughput(t *testing.T) {
	binary := needs.Program(t, "redis-server")
	needs.Working(t, fusefs.Available())
	rig, err := machine.NewRig(redis.Store, binary, machine.FaultDisks)
	require.NoError(t, err)
	defer rig.Close()
	m := &Measurement{Load: result.Offered{Clients: 2, Pipeline: 1, ValueSize: 10, Keys: 10}, Round: 300 * time.Millisecond}
	rate := func(mode string, sync time.Duration) float64 {
		r := new(rounds)
		require.NoError(t, m.one(t.Context(), &place{rig: rig, faults: true, syncs: fusefs.Latencies{sync}}, &modes(t, mode)[0], r, false))
		return r.costs[0].Rate
	}
	require.LessOrEqual(t, rate("always", 20*time.Millisecond), 2*1000.0/20, "two clients, one reply for each fsync")
	require.Greater(t, rate("none", 20*time.Millisecond), 2*1000.0/20)
}

func TestLatenciesAreExact(t *testing.T) {
	var list []batch
	for i := range 1000 {
		list = append(list, batch{took: time.Duration(1000-i) * time.Millisecond, n: 1})
	}
	p50, p99, p999 := latencies(list)
	require.Equal(t, []float64{500, 990, 999}, []float64{p50, p99, p999})
	taken := taken{batches: []batch{{at: 250 * time.Millisecond, took: time.Millisecond, n: 3}, {at: 399 * time.Millisecond, took: time.Millisecond, n: 3}},
		from: 200 * time.Millisecond, span: 200 * time.Millisecond}
	c := taken.cost()
	require.Equal(t, 30.0, c.Rate)
	require.Equal(t, []result.Tick{{AtMS: 0, Rate: 30, P99: 1}, {AtMS: 100, Rate: 30, P99: 1}}, c.Over)
}

func TestMediansTakeTheMiddleRound(t *testing.T) {
	c := medians([]result.Cost{{Rate: 5, P50: 9, Over: []result.Tick{{Rate: 5}}}, {Rate: 100, P50: 1}, {Rate: 7, P50: 2, Over: []result.Tick{{Rate: 7}}}})
	require.Equal(t, &result.Cost{Rate: 7, P50: 2, Rounds: []float64{5, 100, 7}, Over: []result.Tick{{Rate: 7}}}, c)
	require.Nil(t, medians(nil))
}

func TestMemoryIsNoPlaceToMeasureFsyncs(t *testing.T) {
	if PlaceOf("/dev/shm").FileSystem == "tmpfs" {
		require.Contains(t, PlaceOf("/dev/shm").Why, "/dev/shm is on tmpfs, which is memory")
	}
	for _, c := range []struct{ line, point, fileSystem, device string }{
		{"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue", "/mnt2", "ext3", "/dev/root"},
		{`25 1 0:5 / /a\040b rw - tmpfs none rw`, "/a b", "tmpfs", "none"},
	} {
		point, fileSystem, device, ok := mountLine(c.line)
		require.True(t, ok)
		require.Equal(t, []string{c.point, c.fileSystem, c.device}, []string{point, fileSystem, device})
	}
	_, _, _, ok := mountLine("nonsense")
	require.False(t, ok)
	require.True(t, within("/a/b", "/a"))
	require.False(t, within("/ab", "/a"))
}

// answering is a server that answers each command line it can count with a text.
func answering(t *testing.T, text string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for in := bufio.NewReader(conn); ; {
					line, err := in.ReadString('\n')
					if err != nil {
						return
					}
					if line[0] == '*' {
						if _, err := conn.Write([]byte(text)); err != nil {
							return
						}
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestErrorRepliesEndTheMeasurement(t *testing.T) {
	o := &result.Offered{Clients: 3, Pipeline: 1, ValueSize: 10, Keys: 10}
	_, err := offer(t.Context(), answering(t, "-MISCONF no\r\n"), o, 0, 10*time.Second)
	require.ErrorContains(t, err, "the server answers MISCONF no")
	_, err = offer(t.Context(), answering(t, "HTTP/1.1 400\r\n"), o, 0, 10*time.Second)
	require.ErrorIs(t, err, workloads.ErrProtocol)
}

func TestInterruptedAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("no more")
	addr := answering(t, "") // never answers
	go cancel(why)
	_, err := offer(ctx, addr, &result.Offered{Clients: 2, Pipeline: 1, ValueSize: 10, Keys: 10}, 0, time.Hour)
	require.ErrorIs(t, err, why)
}

// TestOfferedRateIsKept: an open loop sends what is due and no more.
func TestOfferedRateIsKept(t *testing.T) {
	o := &result.Offered{Clients: 4, Pipeline: 5, ValueSize: 10, Keys: 10, Rate: 2000}
	took, err := offer(t.Context(), answering(t, "+OK\r\n"), o, 0, 500*time.Millisecond)
	require.NoError(t, err)
	require.LessOrEqual(t, took.all, int64(1000+4*5))
}

func TestAdvice(t *testing.T) {
	policy := func(mode string, rate float64) result.Policy {
		return result.Policy{Mode: mode, Host: &result.Cost{Rate: rate}}
	}
	cell := func(mode, crash string, ms float64) result.Result {
		return result.Result{Mode: mode, Crash: crash, Struck: 20, Verdict: result.Holds, LossWindow: &result.LossWindow{Max: ms}}
	}
	results := []result.Result{
		cell("always", "kill", 0), cell("always", "power", 0), cell("always", "power-slow-fsync", 0),
		cell("everysec", "kill", 0), cell("everysec", "power", 990), cell("everysec", "power-slow-fsync", 2900),
		cell("no", "power", 12_000), cell("broken", "power", 0),
	}
	results[6].LossWindow.Censored = 3
	results[7].Verdict = result.Unknown
	list := []result.Policy{policy("always", 9000), policy("everysec", 60_000), policy("no", 80_000), policy("broken", 90_000)}
	limit := func(ms float64) *float64 { return &ms }
	for _, c := range []struct {
		name           string
		loss           *float64
		rate           float64
		choice, advice string
	}{
		{"nothing asked", nil, 0, "", ""},
		{"both", limit(1000), 20_000, "everysec",
			"Choose everysec, because it lost at most the last 990ms in 40 crashes and took 60.0k operations a second; always took only 9000 operations a second, " +
				"no lost the last 12s or more, broken proved nothing about its loss. (While each fsync took 2 s longer it lost up to the last 2.90s: no setting of everysec bounds that.)"},
		{"loss only: the fastest", limit(1000), 0, "everysec", ""},
		{"no loss at all", limit(0), 0, "always", "Choose always, because it lost nothing in 40 crashes and took 9000 operations a second; everysec lost at most the last 990ms, no lost the last 12s or more, broken proved nothing about its loss."},
		{"rate only: the least loss", nil, 5000, "always", ""},
		{"others that would do", limit(1000), 5000, "always",
			"Choose always, because it lost nothing in 40 crashes and took 9000 operations a second; everysec would do as well: it lost at most the last 990ms and took 60.0k; " +
				"no lost the last 12s or more, broken proved nothing about its loss."},
		{"a lower bound is no bound", limit(13_000), 70_000, "",
			"Choose none of these: always took only 9000 operations a second, everysec took only 60.0k operations a second, no lost the last 12s or more, and a longer run could lose more, broken proved nothing about its loss."},
	} {
		p := &result.Policies{Policies: list, MaxLossMS: c.loss, MinRate: c.rate}
		Advise(p, results)
		require.Equal(t, c.choice, p.Choice, c.name)
		if c.advice != "" || c.name == "nothing asked" {
			require.Equal(t, c.advice, p.Advice, c.name)
		}
	}
}
