package splitbrain

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/workloads"
)

// dump reads everything that a server holds.
func (r *run) dump(node string) error {
	state := history.State{Began: r.env.Now(), Node: node, Converged: true}
	l := r.on(node)
	reply, err := l.do(adminLimit, "KEYS", "*")
	if err != nil {
		return fmt.Errorf("read %s: %w", node, err)
	}
	keys := elements(reply)
	slices.Sort(keys)
	state.Keys = make([]history.KV, len(keys))
	for i, key := range keys {
		state.Keys[i].Key = key
	}
	const batch = 512
	for from := 0; from < len(state.Keys); from += batch {
		part := state.Keys[from:min(from+batch, len(state.Keys))]
		args := []string{"MGET"}
		for i := range part {
			args = append(args, part[i].Key)
		}
		reply, err := l.do(adminLimit, args...)
		if err != nil {
			return fmt.Errorf("read %s: %w", node, err)
		}
		i := 0
		reply.ForEach(func(value redcon.RESP) bool {
			if i < len(part) {
				if part[i].Value = part[i].Key; string(value.Data) != part[i].Key { // what clients write needs no memory
					part[i].Value = string(value.Data)
				}
			}
			i++
			return true
		})
		if i != len(part) {
			return fmt.Errorf("read %s: MGET of %d keys answered with %d values", node, len(part), i)
		}
	}
	state.At = r.env.Now()
	r.out.History.States = append(r.out.History.States, state)
	return nil
}

// suffixReader reads the part of an old master's history that the new one lacks,
// as a replica would, from shortly before the heal until its connection ends
// because the server is demoted.
type suffixReader struct {
	suffix Suffix
	conn   *workloads.Conn
	done   bool
}

// readSuffixes begins to read from each server that still acts as master though
// another has been promoted in its place.
//
// A reader counts as a replica. Where min-replicas-to-write is set that would make
// the old master accept writes: only what is there now is read then, in a few
// milliseconds. To Sentinels the reader shows itself as the new master, whom they
// know, so that none adds a replica that is none.
func (r *run) readSuffixes() {
	for i := range r.out.Turns {
		t := &r.out.Turns[i]
		if !t.Master || t.SecondID == "" || t.SecondOffset < 1 {
			continue
		}
		for _, node := range r.s.Topology.ServerNames() {
			if node == t.Node || r.suffixes[node] != nil || !r.seenMaster(node) {
				continue
			}
			if sr := r.attach(node, t); sr != nil {
				r.suffixes[node] = sr
			}
		}
	}
}

// seenMaster reports whether a server was a master when last polled.
func (r *run) seenMaster(node string) bool {
	for _, t := range slices.Backward(r.out.Turns) {
		if t.Node == node {
			return t.Master
		}
	}
	return false
}

// attach reads what the old master has now, and where it disturbs nothing goes on
// in a task of its own. nil: the server is not an old master of this promotion.
func (r *run) attach(node string, t *Turn) *suffixReader {
	reply, err := r.on(node).do(adminLimit, "INFO", "replication")
	if err != nil {
		return nil // it is down, or paused
	}
	info := parseInfo(reply)
	if info["role"] != "master" || info["master_replid"] != t.SecondID {
		return nil
	}
	sr := &suffixReader{suffix: Suffix{Node: node, From: t.SecondOffset, ReadAt: r.env.Now()}}
	has := number(info["master_repl_offset"]) - t.SecondOffset + 1
	first, size := number(info["repl_backlog_first_byte_offset"]), number(info["repl_backlog_histlen"])
	switch {
	case has <= 0:
		return sr // it has nothing that the new master lacks
	case info["repl_backlog_active"] != "1" || first > t.SecondOffset || size < has:
		sr.suffix.Why = fmt.Sprintf("its backlog no longer reaches back to offset %d: repl-backlog-size is too small", t.SecondOffset)
		return sr
	}
	if sr.conn, err = dial(r.env, r.c.AdminAddr(node), adminLimit); err == nil {
		host, port, _ := strings.Cut(r.c.Addr(t.Node), ":")
		for _, args := range [][]string{{"REPLCONF", "listening-port", port}, {"REPLCONF", "ip-address", host}} {
			if err == nil {
				_, err = sr.conn.Do(adminLimit, args...)
			}
		}
		if err == nil {
			reply, err = sr.conn.Do(adminLimit, "PSYNC", t.SecondID, strconv.FormatInt(t.SecondOffset, 10))
		}
	}
	if err == nil && !strings.HasPrefix(string(reply.Data), "CONTINUE") {
		err = fmt.Errorf("PSYNC answered %.80q", reply.Raw)
	}
	for err == nil && sr.suffix.Bytes < has {
		err = sr.next(adminLimit)
	}
	if err != nil {
		sr.suffix.Why = err.Error()
	}
	if err != nil || number(r.s.directive("min-replicas-to-write")) > 0 {
		sr.end()
		return sr
	}
	r.observers = append(r.observers, r.env.Go("suffix of "+node, func() {
		for !r.over && !sr.done {
			if err := sr.next(listenFor); err != nil && !errors.Is(err, env.ErrTimeout) {
				break // the demotion ended it, or the run
			}
		}
		sr.end()
	}))
	return sr
}

// next takes one command of the stream, waiting at most limit.
func (sr *suffixReader) next(limit time.Duration) error {
	sr.conn.Deadline(limit)
	command, err := sr.conn.Reply()
	if err != nil {
		return err
	}
	sr.suffix.Bytes += int64(len(command.Raw))
	if words := elements(command); len(words) > 1 && strings.EqualFold(words[0], "SET") {
		sr.suffix.Keys = append(sr.suffix.Keys, words[1])
	}
	return nil
}

func (sr *suffixReader) end() {
	if !sr.done && sr.conn != nil {
		sr.conn.Close()
	}
	sr.done = true
}

// takeSuffixes puts what was read into the outcome.
func (r *run) takeSuffixes() {
	for _, node := range r.s.Topology.ServerNames() {
		if sr := r.suffixes[node]; sr != nil {
			r.out.Suffixes = append(r.out.Suffixes, sr.suffix)
		}
	}
}

// readFiles takes from every server's append-only files what it has executed. A
// server that received data in a full synchronisation did not execute it: that is
// in base files, which are not read.
func (r *run) readFiles() {
	for _, node := range r.s.Topology.ServerNames() {
		e := Executed{Node: node, Before: r.before[node], None: r.s.directive("appendonly", node) != "yes" || r.s.Plan.Configures(node)}
		if e.None {
			r.out.Executed = append(r.out.Executed, e)
			continue
		}
		var failed error
		err := r.c.Files(node, func(fsys vfs.FS) { e.Keys, failed = executed(fsys) })
		if err = cmp.Or(err, failed); err != nil {
			e.Err = err.Error()
		}
		r.out.Executed = append(r.out.Executed, e)
	}
}

// remember reads the files of servers from which an action may take something, and how far
// those had come that it ends.
func (r *run) remember(a plan.Action) {
	nodes := plan.Ends(a)
	if exact, ok := r.c.(interface {
		At(server string) (offset int64, known bool)
	}); ok {
		for _, node := range r.s.Topology.ServerNames() {
			if slices.Contains(nodes, node) || slices.Contains(nodes, plan.All) {
				if at, known := exact.At(node); known {
					r.offsets[node] = at
				}
			}
		}
	}
	if !plan.DamagesFiles(a) {
		return
	}
	nodes = plan.Named(a)
	for _, node := range r.s.Topology.ServerNames() {
		if !slices.Contains(nodes, node) && !slices.Contains(nodes, plan.All) || r.s.directive("appendonly", node) != "yes" {
			continue
		}
		// What cannot be read is missed when it is asked for.
		_ = r.c.Files(node, func(fsys vfs.FS) { r.rememberLog(node, fsys) })
	}
}

// rememberLog takes from a server's files what they may be about to lose: when the power is
// cut, as they are then.
func (r *run) rememberLog(node string, fsys vfs.FS) {
	if slices.Contains(r.s.Topology.ServerNames(), node) && r.s.directive("appendonly", node) == "yes" {
		keys, _ := executed(fsys)
		r.before[node] = append(r.before[node], keys...)
	}
}

// executed are the keys that the SETs in all incr files name, in order.
func executed(fsys vfs.FS) (keys []string, err error) {
	err = redis.LogCommands(fsys, func(argv [][]byte) {
		if len(argv) >= 3 && strings.EqualFold(string(argv[0]), "SET") {
			keys = append(keys, string(argv[1]))
		}
	})
	return keys, err
}
