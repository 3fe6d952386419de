package redis

import (
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/product"
)

// FixAOF is the engine's redis-check-aof --fix, as an operator would run it
// after the server has refused to start; said is what it prints.
func FixAOF(fsys vfs.FS, conf *config.Config, e env.Env) (said string, err error) {
	var report strings.Builder
	err = aof.Check(aof.CheckOptions{
		FS: fsys, Path: path.Join(conf.Appenddirname, conf.Appendfilename+".manifest"),
		Fix: true, Confirm: func(string) bool { return true },
		Out: &report, NowMs: e.Wall().UnixMilli(),
	})
	if err != nil {
		err = fmt.Errorf("check-aof --fix: %w", err)
	}
	return report.String(), err
}

// repairTool is the path of the tool that belongs to a server binary:
// redis-server's is redis-check-aof, valkey-server's valkey-check-aof. "" when
// it is not installed.
func repairTool(binary string) string {
	dir, name := filepath.Split(binary)
	kin, _, ok := strings.Cut(name, "-server")
	if !ok {
		return ""
	}
	tool, err := exec.LookPath(dir + kin + "-check-aof")
	if err != nil {
		return ""
	}
	return tool
}

// Repair implements product.Store.
func (s store) Repair(binary string) []string {
	tool := repairTool(binary)
	if tool == "" {
		return nil
	}
	return []string{tool, "--fix", "{{dir}}/" + s.DataFile(&product.Mode{AOF: true})}
}
