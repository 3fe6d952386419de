package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/replication"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/fusefs/control"
	"github.com/torntail/torntail/harness/account"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/internal/companion"
	"github.com/torntail/torntail/internal/needs"
)

// up keeps a cluster up for a test's own clients.
func up(t *testing.T, topology string) *Control {
	t.Helper()
	needs.Program(t, "redis-server")
	of, err := splitbrain.ParseTopology(topology)
	require.NoError(t, err)
	s, err := splitbrain.New(splitbrain.Options{Topology: of, Clients: 1})
	require.NoError(t, err)
	k, err := Up(context.Background(), s, Options{Seed: 1, Anybody: true, Name: fmt.Sprintf("account-%d-%d", os.Getpid(), rand.IntN(1<<30))})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	return k
}

// asked is the account that a topology gives.
func asked(t *testing.T, k *Control, args ...string) (a account.Account) {
	t.Helper()
	text, err := control.Call(k.Socket(), "account", append(args, "json")...)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(text), &a))
	return a
}

// TestAccountOfASoundServer: of whatever commands several clients send at once nothing is
// lost; what is then taken behind their backs is, and nothing else.
func TestAccountOfASoundServer(t *testing.T) {
	k := up(t, "2+0")
	var all sync.WaitGroup
	for seed := range uint64(4) {
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, 19))
			client := redis.NewClient(&redis.Options{Addr: k.c.Addr("n1"), DB: int(seed % 2), MaxRetries: -1})
			defer client.Close()
			for i := range 400 {
				client.Do(context.Background(), "SET", fmt.Sprintf("own:%d:%d", seed, i), i)
				client.Do(context.Background(), drawn(r)...)
				if i%20 == 0 {
					client.TxPipelined(context.Background(), func(p redis.Pipeliner) error {
						p.Do(context.Background(), drawn(r)...)
						p.Do(context.Background(), drawn(r)...)
						return nil
					})
				}
			}
		})
	}
	all.Wait()
	a := asked(t, k)
	require.Zero(t, a.Fates[account.Lost], "%+v", a.Lost)
	require.Zero(t, a.RefusedThere)
	require.Empty(t, a.Sums)
	require.Greater(t, a.Acknowledged, 2500)
	require.Greater(t, a.Fates[account.There], 1600)
	require.Greater(t, a.Fates[account.Replaced], 100)
	require.Less(t, a.Fates[account.NotTold], a.Acknowledged/3, "%v", a.NotFollowed)

	admin := redis.NewClient(&redis.Options{Addr: k.c.AdminAddr("n1"), DB: 1, Protocol: 2, Dialer: dialFrom(k)})
	defer admin.Close()
	var taken []string
	for i := range 100 {
		key := fmt.Sprintf("own:1:%d", 3*i)
		require.NoError(t, admin.Del(context.Background(), key).Err())
		taken = append(taken, fmt.Sprintf("SET %s %d", key, 3*i))
	}
	a = asked(t, k)
	var lost []string
	for _, l := range a.Lost {
		lost = append(lost, l.Command)
		require.Equal(t, byNobody, l.By)
		require.Equal(t, "n1", l.Node)
	}
	require.ElementsMatch(t, taken, lost)
}

// TestAccountOfAPowerCut: what a master that syncs nothing has acknowledged is gone when its
// power was cut, and the account says that its restart took it.
func TestAccountOfAPowerCut(t *testing.T) {
	needs.Working(t, fusefs.Available())
	k := up(t, "2+0")
	client := redis.NewClient(&redis.Options{Addr: k.c.Addr("n1"), MaxRetries: -1})
	defer client.Close()
	for i := range 150 {
		require.NoError(t, client.SAdd(context.Background(), "members", i).Err())
	}
	for _, fault := range []string{"power-cut all keep none", "restart n1", "restart n2"} {
		said, err := control.Call(k.Socket(), "fault", fault)
		require.NoError(t, err)
		require.Contains(t, said, ": struck")
	}
	a := asked(t, k)
	require.Equal(t, map[account.Fate]int{account.Lost: 150}, a.Fates)
	require.Equal(t, map[string]int{string(replication.RestartedWithout): 150}, a.LostBy)
}

// dialFrom makes connections that no proxy sees.
func dialFrom(k *Control) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: k.c.at.ip(adminSource).AsSlice()}}).DialContext(ctx, network, addr)
	}
}

// drawn is a command on one of a few keys, each of which has a type of its own most of the time.
func drawn(r *rand.Rand) []any {
	n := func() string { return strconv.Itoa(r.IntN(6)) }
	forms := []string{
		"SET s" + n() + " " + n(), "SET s" + n() + " v NX", "SET s" + n() + " v XX", "SETNX s" + n() + " w", "GETSET s" + n() + " " + n(), "MSET s1 a s2 " + n() + " s3 c", "APPEND a" + n() + " x",
		"HSET h" + n() + " f" + n() + " " + n() + " g " + n(), "HDEL h" + n() + " f" + n(), "HSETNX h" + n() + " f" + n() + " 1", "HINCRBY hc" + n() + " f 2",
		"SADD m" + n() + " " + n() + " " + n(), "SREM m" + n() + " " + n(), "ZADD z" + n() + " " + n() + " m" + n(), "ZADD z" + n() + " NX 1.5 m" + n(), "ZREM z" + n() + " m" + n(),
		"RPUSH l" + n() + " " + n(), "LPUSH l" + n() + " " + n() + " x", "RPUSH p" + n() + " a", "LPOP p" + n(), "XADD x" + n() + " * f " + n(), "XADD x" + n() + " MAXLEN 3 * f v",
		"INCR c" + n(), "INCRBY c" + n() + " 3", "DECR d" + n(), "DEL s" + n() + " h" + n(), "UNLINK m" + n(), "DEL c1", "GETDEL s" + n(),
		"SETEX e" + n() + " 100 v", "EXPIRE s" + n() + " 100", "RENAME s1 s2", "COPY h1 h2", "EVAL redis.call('set',KEYS[1],'x') 1 s" + n(), "INCR s" + n(), "GET s" + n(), "HGETALL h" + n(),
	}
	var args []any
	for _, w := range strings.Fields(forms[r.IntN(len(forms))]) {
		args = append(args, w)
	}
	return args
}

// TestApplicationsAgree: two applications of the kind that people write, in Go and in Python,
// lose acknowledged writes to a failover; each finds by itself which ones, and torntail says the
// same of every write, by the applications' journals and by what passed the proxies.
func TestApplicationsAgree(t *testing.T) {
	python := needs.Program(t, "/usr/bin/python3")
	if err := exec.Command(python, "-c", "import redis").Run(); err != nil {
		needs.Working(t, fmt.Errorf("redis-py is not installed (scripts/setup --tests does that): %w", err))
	}
	goApp := filepath.Join(t.TempDir(), "app")
	built := exec.Command(needs.Program(t, "go"), "build", "-o", goApp, "../../examples/go")
	out, err := built.CombinedOutput()
	require.NoError(t, err, "%s", out)
	k := up(t, "3+3")
	var env []string
	for line := range strings.Lines(k.Environment()) {
		env = append(env, strings.TrimPrefix(strings.TrimSpace(line), "export "))
	}
	app := func(words ...string) (*exec.Cmd, *bytes.Buffer) {
		cmd, out := exec.Command(words[0], words[1:]...), new(bytes.Buffer)
		cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), env...), out, out
		companion.Start(t, cmd)
		return cmd, out
	}
	apps := []struct {
		journal, seconds string
		words            []string
	}{
		{filepath.Join(t.TempDir(), "go.journal"), "5s", []string{goApp}},
		{filepath.Join(t.TempDir(), "python.journal"), "5", []string{python, "../../examples/python/app.py"}},
	}
	var journals []string
	var ends []func()
	for _, a := range apps {
		cmd, out := app(append(slices.Clone(a.words), "write", a.journal, a.seconds)...)
		journals = append(journals, "journal="+a.journal)
		ends = append(ends, func() { require.NoError(t, cmd.Wait(), "%s", out) })
	}
	oks := func(path string) int {
		text, _ := os.ReadFile(path)
		return bytes.Count(text, []byte("\nok "))
	}
	within(t, func() string {
		return waiting(oks(apps[0].journal) > 20 && oks(apps[1].journal) > 20, "the applications write")
	})
	_, err = control.Call(k.Socket(), "fault", "cut n1,c1 -> n2,n3,s1,s2,s3 both for 2500ms")
	require.NoError(t, err)
	for _, end := range ends {
		end()
	}
	within(t, func() string {
		text, err := control.Call(k.Socket(), "status")
		require.NoError(t, err)
		return waiting(strings.Count(text, ": master\n") == 1 && strings.Count(text, "(connected)") == 2 && !strings.Contains(text, "takes n1"), text)
	})
	whole := asked(t, k, journals...)
	require.Empty(t, whole.Disagree)
	require.Zero(t, whole.Fates[account.NotTold]+whole.Fates[account.Replaced])
	heard := map[string]bool{}
	for _, l := range asked(t, k).Lost {
		heard[strings.ToUpper(l.Command)] = true // libraries send it in small letters, too
	}
	for i, a := range apps {
		cmd, out := app(append(slices.Clone(a.words), "lost", a.journal)...)
		require.NoError(t, cmd.Wait(), "%s", out)
		own := strings.Fields(out.String())
		var ours []string
		for _, l := range whole.Lost {
			if l.Journal == strings.TrimPrefix(journals[i], "journal=") {
				ours = append(ours, l.ID)
				require.True(t, heard[strings.ToUpper(l.Command)], "%s is lost by the journal alone", l.Command)
				require.Equal(t, "n1", l.Node, l.Command)
			}
		}
		require.Equal(t, own, ours, "the application's figure and torntail's, write by write")
		require.GreaterOrEqual(t, len(own), 100)
		t.Logf("%s: %d acknowledged, %d lost, write by write the same", filepath.Base(a.journal), oks(a.journal), len(own))
	}
	require.Len(t, whole.LostBy, 2, "%v", whole.LostBy)
}

// waiting is what a condition lacks.
func waiting(met bool, lacks string) string {
	if met {
		return ""
	}
	return lacks
}

// within waits for a condition: as long as it takes, up to a bound that only a broken one meets.
func within(t *testing.T, lacking func() string) {
	t.Helper()
	for range 1200 {
		if lacking() == "" {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal(lacking())
}
