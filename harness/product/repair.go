package product

import (
	"context"
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/faults/vfs"
)

// FixAOF is the engine's redis-check-aof --fix, as an operator would run it
// after the server has refused to start.
func FixAOF(fsys vfs.FS, conf *config.Config, e env.Env) error {
	var report strings.Builder
	err := aof.Check(aof.CheckOptions{
		FS: fsys, Path: path.Join(conf.Appenddirname, conf.Appendfilename+".manifest"),
		Fix: true, Confirm: func(string) bool { return true },
		Out: &report, NowMs: e.Wall().UnixMilli(),
	})
	if err != nil {
		return fmt.Errorf("check-aof --fix: %w", err)
	}
	return nil
}

// RepairTool is the path of the tool that belongs to a server binary:
// redis-server's is redis-check-aof, valkey-server's valkey-check-aof. "" when
// it is not installed.
func RepairTool(binary string) string {
	dir, name := filepath.Split(binary)
	product, _, ok := strings.Cut(name, "-server")
	if !ok {
		return ""
	}
	tool, err := exec.LookPath(dir + product + "-check-aof")
	if err != nil {
		return ""
	}
	return tool
}

// RepairCommand is how that tool is called; nil when there is none.
func RepairCommand(binary string) []string {
	tool := RepairTool(binary)
	if tool == "" {
		return nil
	}
	return []string{tool, "--fix", "{{manifest}}"}
}

// Refused reports whether a server that did not come up is to blame itself: it
// exited, or crashed. One that was killed, or did not answer in time, may have
// lacked memory or CPU.
func Refused(e *process.StartError) bool {
	if !e.Exited {
		return false
	}
	switch e.Exit.Signal {
	case 0, syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL:
		return true
	}
	return false
}

// RunRepair is repair for the AOF in a server's directory.
func RunRepair(ctx context.Context, command []string, dir string, clock func() time.Duration) (bool, error) {
	fill := strings.NewReplacer("{{dir}}", dir, "{{manifest}}", path.Join(dir, Manifest))
	args := []string{"-c", `yes | "$0" "$@"`}
	for _, w := range command {
		args = append(args, fill.Replace(w))
	}
	p, err := process.Start(process.Spec{Path: "sh", Args: args, Clock: clock})
	if err != nil {
		return false, err
	}
	defer p.OutputDone()
	defer p.WaitTree()
	defer p.KillTree()
	timer := time.NewTimer(ReplyLimit)
	defer timer.Stop()
	select {
	case <-p.Done():
		return p.Wait().Code == 0, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case <-timer.C:
		return false, fmt.Errorf("%s did not end within %v:\n%s", command[0], ReplyLimit, p.Tail())
	}
}

// LastWords is the last line that a server wrote before it gave up, without
// its process id and time.
func LastWords(e *process.StartError) string {
	lines := strings.Split(strings.TrimSpace(e.Output), "\n")
	last := lines[len(lines)-1]
	if i := strings.Index(last, " # "); i >= 0 {
		last = last[i+3:]
	}
	if last == "" {
		return e.Error()
	}
	return last
}
