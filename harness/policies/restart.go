package policies

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/product"
)

// restartKeysShare: each key is written so often before the restart, so that a
// log holds more than what there is to load.
const restartKeysShare = 2

// timeRestart fills a fresh life of the server with the writes that a restart
// loads, has it rewrite or save in the middle (so that a hybrid log is one),
// shuts it down in order, and times its start. It returns the server that runs.
func (m *Measurement) timeRestart(ctx context.Context, server *process.Redis, at place, dir string, mode *product.Mode, r *rounds) (*process.Redis, error) {
	c, err := dial(server.Addr, &m.Load, 8)
	if err != nil {
		return server, err
	}
	defer c.conn.Close()
	if _, err := c.do("FLUSHALL"); err != nil {
		return server, err
	}
	keys := max(1, m.RestartWrites/restartKeysShare)
	if err := c.setAll(0, m.RestartWrites/2, keys); err != nil {
		return server, err
	}
	if err := background(ctx, c, mode); err != nil {
		return server, err
	}
	if err := c.setAll(m.RestartWrites/2, m.RestartWrites, keys); err != nil {
		return server, err
	}
	server.Term() // saves, or flushes and syncs the log
	server.Wait()
	server.WaitTree()
	server.OutputDone()
	if r.size, err = at.size(dir); err != nil {
		return nil, err
	}
	server, err = m.start(ctx, dir, mode)
	if err != nil {
		return nil, fmt.Errorf("the restart that was to be timed: %w", err)
	}
	r.restarts = append(r.restarts, ms(server.Took))
	return server, nil
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

// sizeOf is the bytes of all files below a directory. It takes a place's own
// eyes: the fault disk is mounted where only servers see it.
func sizeOf(fs vfs.FS, dir string) (total int64, err error) {
	names, err := fs.List(dir)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		name = path.Join(dir, name)
		info, err := fs.Stat(name)
		if err != nil {
			return 0, err
		}
		if !info.Dir {
			total += info.Size
			continue
		}
		below, err := sizeOf(fs, name)
		if err != nil {
			return 0, err
		}
		total += below
	}
	return total, nil
}
