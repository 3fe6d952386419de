package policies

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/reports/result"
)

// restartKeysShare: each key is written so often before the restart, so that a
// log holds more than what there is to load.
const restartKeysShare = 2

// timeRestart fills a fresh life of the server with the writes that a restart
// loads, has it rewrite or save in the middle (so that a hybrid log is one),
// shuts it down in order, and times its start.
func (m *Measurement) timeRestart(ctx context.Context, host machine.Machine, mode *product.Mode, r *rounds) error {
	c, err := dial(host.Addr(), &m.Load, 8)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.do("FLUSHALL"); err != nil {
		return err
	}
	keys := max(1, m.RestartWrites/restartKeysShare)
	if err := c.setAll(0, m.RestartWrites/2, keys); err != nil {
		return err
	}
	if err := background(ctx, c, mode); err != nil {
		return err
	}
	if err := c.setAll(m.RestartWrites/2, m.RestartWrites, keys); err != nil {
		return err
	}
	host.Terminate(machine.Node) // it saves, or flushes and syncs the log
	if err := host.AwaitGone(0); err != nil {
		return err
	}
	var sized error
	// The place's own eyes see them: the fault disk is mounted where only servers see it.
	if err := host.Files(func(fsys vfs.FS) {
		r.size = 0
		sized = vfs.Walk(fsys, ".", func(_ string, info vfs.Info) error {
			if !info.Dir {
				r.size += info.Size
			}
			return nil
		})
	}); err != nil || sized != nil {
		return errors.Join(err, sized)
	}
	if err := host.Start(ctx); err != nil {
		return fmt.Errorf("the restart that was to be timed: %w", err)
	}
	r.restarts = append(r.restarts, result.MS(host.Took()))
	return nil
}

// background has the server rewrite its log, or save, and waits for the end.
func background(ctx context.Context, c *client, mode *product.Mode) error {
	what := "BGREWRITEAOF"
	switch {
	case mode.AOF:
	case mode.RDB:
		what = "BGSAVE"
	default:
		return nil
	}
	if _, err := c.do(what); err != nil && !strings.Contains(err.Error(), "in progress") {
		return err
	}
	for {
		info, err := c.do("INFO", "persistence")
		if err != nil {
			return err
		}
		if strings.Contains(info, "aof_rewrite_in_progress:0") && strings.Contains(info, "rdb_bgsave_in_progress:0") &&
			strings.Contains(info, "aof_rewrite_scheduled:0") {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
