package mount

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/process"
)

// envLoopback makes the test binary serve a plain loopback file system: the
// directory on the host and the mount point, separated by a colon.
const envLoopback = "MOUNT_TEST_LOOPBACK"

// serveLoopback is the yardstick: go-fuse's own loopback, with passthrough off
// because with it the kernel does not ask a FUSE server at all.
func serveLoopback(dirs string) int {
	host, at, _ := strings.Cut(dirs, ":")
	root, err := fs.NewLoopbackRoot(host)
	if err == nil {
		var server *fuse.Server
		if server, err = fs.Mount(at, root, &fs.Options{MountOptions: fuse.MountOptions{DisabledCapabilities: fuse.CAP_PASSTHROUGH, DirectMount: true}}); err == nil {
			fmt.Println("serving")
			io.Copy(io.Discard, os.Stdin) // until the test closes it, or dies
			server.Unmount()
			return 0
		}
	}
	fmt.Println(err)
	return 1
}

// number reads an environment variable that makes the benchmark longer or shorter.
func number(b *testing.B, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(b, err, name)
	return n
}

// BenchmarkRedisOnMount runs redis-benchmark SET with 50 clients against
// redis-server on the host's file system, on a torntail mount that logs
// everything to a file, and on a plain go-fuse loopback, one after the other in
// each of several rounds (MOUNT_BENCH_ROUNDS, MOUNT_BENCH_REQUESTS). It reports
// medians, and medians of each round's ratios. After the last round the mounted
// disk takes a power cut and must lose exactly what was not durable.
func BenchmarkRedisOnMount(b *testing.B) {
	for _, program := range []string{"redis-server", "redis-benchmark"} {
		if _, err := exec.LookPath(program); err != nil {
			b.Skip(err)
		}
	}
	needFUSE(b)
	rounds, requests := number(b, "MOUNT_BENCH_ROUNDS", 3), number(b, "MOUNT_BENCH_REQUESTS", 200_000)
	for _, appendfsync := range []string{"no", "everysec", "always"} {
		b.Run("appendfsync="+appendfsync, func(b *testing.B) {
			for b.Loop() {
				benchRedis(b, appendfsync, rounds, requests)
			}
			b.ReportMetric(0, "ns/op") // says nothing here
		})
	}
}

func benchRedis(b *testing.B, appendfsync string, rounds, requests int) {
	h := newHost(b)
	for _, dir := range []string{"host", "behind", "loopback"} {
		require.NoError(b, os.Mkdir(filepath.Join(h.dir, dir), 0o755))
	}
	flags := []string{"--log", "log"}
	if appendfsync == "always" {
		// Nothing syncs in memory: without a latency there is nothing to compare.
		requests /= 10
		flags = append(flags, "--sync-latency", "host")
	}
	p := h.mount(b, flags...)
	endLoopback := h.loopback(b)
	rate := map[string][]float64{}
	places := []string{"host", "d", "loopback"}
	for range rounds {
		for _, place := range places {
			server := h.redis(b, place, appendfsync)
			rate[place] = append(rate[place], benchmark(b, server.Addr, requests))
			server.KillTree()
			server.WaitTree()
		}
	}
	endLoopback()
	ratio := func(to string) float64 {
		var list []float64
		for i := range rounds {
			list = append(list, rate["d"][i]/rate[to][i])
		}
		return median(list)
	}
	b.ReportMetric(median(rate["host"]), "host-req/s")
	b.ReportMetric(median(rate["d"]), "mount-req/s")
	b.ReportMetric(median(rate["loopback"]), "loopback-req/s")
	b.ReportMetric(ratio("host"), "of-host")
	b.ReportMetric(ratio("loopback"), "of-loopback")
	b.ReportMetric(peakMiB(b, p.cmd.Process.Pid), "peak-MiB")
	h.cutExactly(b, appendfsync, requests)
	require.NoError(b, p.cmd.Process.Signal(syscall.SIGINT))
	require.Zero(b, p.end(b), p.stderr)
}

// loopback mounts the loopback and returns what ends it.
func (h *host) loopback(b *testing.B) (end func()) {
	self, err := os.Executable()
	require.NoError(b, err)
	cmd := h.command(self)
	cmd.Env = append(cmd.Env, envLoopback+"="+filepath.Join(h.dir, "behind")+":"+filepath.Join(h.dir, "loopback"))
	stdin, err := cmd.StdinPipe()
	require.NoError(b, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(b, err)
	h.start(b, cmd)
	greeting := make([]byte, 256)
	n, _ := stdout.Read(greeting)
	require.Equal(b, "serving\n", string(greeting[:n]))
	ended := false
	end = func() {
		if !ended {
			ended = true
			stdin.Close()
			cmd.Wait()
		}
	}
	b.Cleanup(end)
	return end
}

// redis starts a server with its files at a place, empty at first.
func (h *host) redis(b *testing.B, place, appendfsync string) *process.Redis {
	space, err := guard.Open()
	require.NoError(b, err)
	dir := filepath.Join(h.dir, place)
	_, exit, err := process.Run(process.Spec{Path: "sh", Args: []string{"-c", "rm -rf appendonlydir"}, Dir: dir, Space: space})
	require.NoError(b, err)
	require.Zero(b, exit.Code)
	r, err := process.StartRedis(context.Background(), process.RedisSpec{Dir: dir, Space: space, Directives: []process.Directive{
		{Name: "appendonly", Args: []string{"yes"}}, {Name: "appendfsync", Args: []string{appendfsync}},
		{Name: "save", Args: []string{""}}, {Name: "aof-use-rdb-preamble", Args: []string{"no"}},
		{Name: "auto-aof-rewrite-percentage", Args: []string{"0"}},
	}})
	require.NoError(b, err)
	b.Cleanup(func() { r.KillTree(); r.WaitTree() })
	return r
}

// benchmark is how many requests a second redis-benchmark gets answered.
func benchmark(b *testing.B, addr string, requests int) float64 {
	at := strings.LastIndexByte(addr, ':')
	out, err := exec.Command("redis-benchmark", "-h", addr[:at], "-p", addr[at+1:], "-t", "set", "-c", "50", "-n", strconv.Itoa(requests), "--csv").CombinedOutput()
	require.NoError(b, err, "%s", out)
	found := regexp.MustCompile(`(?m)^"SET","([0-9.]+)"`).FindSubmatch(out)
	require.NotNil(b, found, "%s", out)
	rate, err := strconv.ParseFloat(string(found[1]), 64)
	require.NoError(b, err)
	return rate
}

func median(list []float64) float64 {
	list = slices.Clone(list)
	slices.Sort(list)
	return list[len(list)/2]
}

// peakMiB is the most memory a process has had (VmHWM of proc(5)).
func peakMiB(b *testing.B, pid int) float64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	require.NoError(b, err)
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	require.NotNil(b, found)
	kib, err := strconv.ParseFloat(string(found[1]), 64)
	require.NoError(b, err)
	return kib / 1024
}

const incrFile = "appendonlydir/appendonly.aof.1.incr.aof"

// cutExactly lets the server write, holds it still, cuts the power keeping
// nothing, and compares: what was the file, what did the disk say was not
// durable, what is left. What the log says of the syncs must agree.
func (h *host) cutExactly(b *testing.B, appendfsync string, requests int) {
	server := h.redis(b, "d", appendfsync)
	benchmark(b, server.Addr, requests)
	server.Pause()
	before := h.cat(b, incrFile)
	status, errs, code := h.run(b, "status")
	require.Zero(b, code, errs)
	unsynced := 0
	if found := regexp.MustCompile(`(?m)^not durable: ` + regexp.QuoteMeta(incrFile) + `: \d+ calls?, (\d+) byte`).FindStringSubmatch(status); found != nil {
		unsynced, _ = strconv.Atoi(found[1])
	}
	out, errs, code := h.run(b, "power-cut")
	require.Zero(b, code, errs)
	require.Contains(b, out, "killed: process "+strconv.Itoa(server.Pid()))
	server.WaitTree()
	after := h.cat(b, incrFile)
	require.Equal(b, len(before)-unsynced, len(after), "%s%s", status, out)
	require.True(b, bytes.HasPrefix(before, after), "what is left is not what was written")
	b.Logf("appendfsync %s: the power cut took the %d bytes that were not durable of %d", appendfsync, unsynced, len(before))
	if appendfsync == "no" {
		return // no sync covers anything: the kernel's own write-back may have
	}
	time.Sleep(2 * drainEvery)
	log, err := os.ReadFile(filepath.Join(h.dir, "log"))
	require.NoError(b, err)
	require.Equal(b, len(after), synced(b, log), "the log of syncs says otherwise")
}

// synced is the length of the incr file that the last sync of it covered, by
// the log: the end of the last write that returned before the sync entered.
func synced(b *testing.B, log []byte) int {
	line := regexp.MustCompile(`(?m)^\d+ (\S+) (create|write|fdatasync|fsync) ` + regexp.QuoteMeta(incrFile) + `(?: (\d+)\+(\d+))? in (\S+)$`)
	type write struct {
		returned time.Duration
		end      int
	}
	var writes []write
	covered := 0
	for _, m := range line.FindAllSubmatch(log, -1) {
		enter, err := time.ParseDuration(string(m[1]))
		require.NoError(b, err)
		took, err := time.ParseDuration(string(m[5]))
		require.NoError(b, err)
		switch string(m[2]) {
		case "create":
			writes, covered = nil, 0
		case "write":
			off, _ := strconv.Atoi(string(m[3]))
			n, _ := strconv.Atoi(string(m[4]))
			writes = append(writes, write{enter + took, off + n})
		default:
			for len(writes) > 0 && writes[0].returned <= enter {
				covered, writes = writes[0].end, writes[1:]
			}
		}
	}
	return covered
}

// cat reads a file of the mounted disk.
func (h *host) cat(b *testing.B, name string) []byte {
	out, err := exec.Command("cat", filepath.Join(h.dir, "d", name)).Output()
	require.NoError(b, err)
	return out
}

// BenchmarkWrites is the hot path alone: small appends by one process that does
// nothing else.
func BenchmarkWrites(b *testing.B) {
	needFUSE(b)
	m := open(b, Options{Log: filepath.Join(b.TempDir(), "log")})
	b.ReportAllocs()
	b.ResetTimer()
	m.shell(b, "dd if=/dev/zero of=f bs=500 status=none count="+strconv.Itoa(b.N))
}
