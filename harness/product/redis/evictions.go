package redis

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/workloads"
)

// A server tells of each key that it evicts, as it does (redis 7.0.15 evict.c
// performEvictions: notifyKeyspaceEvent "evicted"), in the order of its replies: what is
// told goes out in the same turn of the loop, after the log was written and, under always,
// synced (server.c beforeSleep). INFO counts them.

// HearEvictions implements product.TellsEvictions.
func (store) HearEvictions(c *workloads.Conn, limit time.Duration) error {
	reply, err := c.Do(limit, "CONFIG", "GET", "notify-keyspace-events")
	if err != nil {
		return err
	}
	flags := ""
	reply.ForEach(func(r redcon.RESP) bool { flags = string(r.Data); return true }) // the value comes last
	if reply, err = c.Do(limit, "CONFIG", "SET", "notify-keyspace-events", flags+"Ee"); err == nil && reply.Type == redcon.Error {
		err = errors.New(string(reply.Data))
	}
	if err != nil {
		return err
	}
	if reply, err = c.Do(limit, "PSUBSCRIBE", "__keyevent@*__:evicted"); err == nil && reply.Type == redcon.Error {
		err = errors.New(string(reply.Data))
	}
	c.Deadline(0)
	return err
}

// MarkEvictions implements product.TellsEvictions.
func (store) MarkEvictions(c *workloads.Conn) error {
	c.Begin(1)
	c.Arg("PING")
	return c.Flush()
}

// NextEviction implements product.TellsEvictions.
func (store) NextEviction(c *workloads.Conn) (key string, mark bool, err error) {
	reply, err := c.Reply()
	if err != nil {
		return "", false, err
	}
	var words []string
	reply.ForEach(func(r redcon.RESP) bool { words = append(words, string(r.Data)); return true })
	switch {
	case len(words) == 4 && words[0] == "pmessage":
		return words[3], false, nil
	case len(words) == 2 && words[0] == "pong":
		return "", true, nil
	}
	return "", false, fmt.Errorf("where evictions are told the server answered %q", reply.Raw)
}

// CountEvictions implements product.TellsEvictions.
func (store) CountEvictions(c *workloads.Conn, limit time.Duration) (int, error) {
	reply, err := c.Do(limit, "INFO", "stats")
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(string(reply.Data), "\r\nevicted_keys:")
	if !found {
		return 0, errors.New("INFO stats has no evicted_keys")
	}
	n, _, _ := strings.Cut(rest, "\r\n")
	return strconv.Atoi(n)
}

// LimitMemory implements product.TellsEvictions.
func (store) LimitMemory(c *workloads.Conn, limit time.Duration, to string) error {
	reply, err := c.Do(limit, "CONFIG", "SET", "maxmemory", to)
	if err == nil && reply.Type == redcon.Error {
		err = errors.New(string(reply.Data))
	}
	return err
}

// Deleted implements product.TellsEvictions. An eviction is logged as a deletion of that key
// (7.0.15 db.c propagateDeletion).
func (store) Deleted(fsys vfs.FS) (keys []string) {
	// What is cut off, or stray, ends the file: what the server makes of it is another matter.
	_ = LogCommands(fsys, func(argv [][]byte) {
		if name := string(argv[0]); len(argv) == 2 && (strings.EqualFold(name, "DEL") || strings.EqualFold(name, "UNLINK")) {
			keys = append(keys, string(argv[1]))
		}
	})
	return keys
}

// LogCommands gives the commands that all incr files of a server hold, in order. One that is
// cut off at the end is none: its server was killed in it.
func LogCommands(fsys vfs.FS, each func(argv [][]byte)) error {
	names, err := fsys.List(AOFDir)
	if err != nil {
		return err
	}
	files := map[int]string{} // by number
	for _, name := range names {
		stem, ok := strings.CutSuffix(name, ".incr.aof")
		if !ok {
			continue
		}
		seq, err := strconv.Atoi(stem[strings.LastIndexByte(stem, '.')+1:])
		if err != nil {
			return fmt.Errorf("%s: an incr file without a number", name)
		}
		files[seq] = name
	}
	for _, seq := range slices.Sorted(maps.Keys(files)) {
		if err := commandsOf(fsys, AOFDir+"/"+files[seq], each); err != nil {
			return err
		}
	}
	return nil
}

func commandsOf(fsys vfs.FS, name string, each func(argv [][]byte)) error {
	f, err := fsys.Open(name, vfs.ReadOnly)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	commands := aof.Reader{Passing: true}
	commands.Reset(name, f, 0, info.Size)
	for {
		argv, err := commands.Next()
		switch {
		case err == io.EOF || errors.Is(err, aof.ErrTruncated):
			return nil
		case err != nil:
			return err
		case len(argv) > 0:
			each(argv)
		}
	}
}
