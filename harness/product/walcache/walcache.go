// Package walcache is a store that is not Redis: a cache in the manner of memcached with a
// write-ahead log, as targets/walcached is one. It shows, and its test holds, what a
// package must say of a store so that torntail can crash it and judge it.
package walcache

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/workloads"
)

// Store is walcached.
var Store product.Store = store{}

type store struct{ product.Plain }

func (store) Name() string    { return "walcache" }
func (store) Program() string { return "walcached" }

// Server implements product.Store.
func (store) Server(binary string) *process.Server {
	return &process.Server{Command: []string{binary, "--listen", "{{addr}}:{{port}}", "--dir", "{{dir}}", "{{directives}}"}, Ready: ready}
}

// ready asks for the statistics, which tell the process id.
func ready(c net.Conn, pid int) (version string, ok bool) {
	fmt.Fprint(c, "stats\r\n")
	for lines := bufio.NewScanner(c); lines.Scan(); {
		switch f := strings.Fields(lines.Text()); {
		case len(f) == 1 && f[0] == "END":
			return version, ok
		case len(f) != 3:
			return "", false
		case f[1] == "pid":
			ok = f[2] == strconv.Itoa(pid)
		case f[1] == "version":
			version = f[2]
		}
	}
	return "", false
}

// The log, and the directive that says when it is synced.
const (
	log  = "wal"
	sync = "sync"
)

var syncs = []string{product.Always, product.EverySecond, product.Never}

// Modes implements product.Store. They are those of Redis that sync at the same times.
func (store) Modes() []product.Mode {
	modes := []product.Mode{
		{About: "fsync before each reply", Sync: true, Period: 100 * time.Millisecond, Span: 600 * time.Millisecond},
		{About: "fsync once a second in the background", Period: 2 * time.Second, Span: 7 * time.Second, Rate: 80},
		{About: "the kernel decides when to write", Period: 40 * time.Second, Span: 130 * time.Second, Rate: 8},
	}
	for i, policy := range syncs {
		m := &modes[i]
		m.Store, m.Name, m.AOF, m.Directives = Store, policy, true, []product.Directive{{Name: sync, Value: policy}}
	}
	return modes
}

// Lacks implements product.Store.
func (store) Lacks(*product.Mode) string { return "" }

func (store) DefaultModes() []string { return syncs }

func (store) Policy(m *product.Mode) (product.Policy, error) {
	return product.Policy{Fsync: m.Get(sync)}, nil
}

// Settings implements product.Store: there is nothing to set.
func (store) Settings() []product.Setting { return nil }

func (store) Check(d product.Directive) error {
	switch {
	case d.Name == sync && !slices.Contains(syncs, d.Value):
		return fmt.Errorf("%s: want one of %s", d, strings.Join(syncs, ", "))
	case d.Name != sync && d.Name != "plant":
		return fmt.Errorf("walcached has no flag --%s", d.Name)
	}
	return nil
}

// Takes implements product.Strangers: its flags decide what is durable, and nothing else.
func (s store) Takes(d product.Directive) error { return s.Check(d) }

func (store) Role(path string) product.Role {
	if path == log {
		return product.TheLog
	}
	return product.Other
}

func (store) Globs() (logs, snapshots string) { return log, "" }
func (store) DataFile(*product.Mode) string   { return log }
func (store) Has(k history.Kind) bool         { return k == history.Read || k == history.Write }

// Ask implements workloads.Protocol.
func (store) Ask(c *workloads.Conn, op *history.Op, size int) {
	if op.Kind == history.Read {
		c.Write([]byte("get " + op.Key + "\r\n"))
		return
	}
	c.Write([]byte("set " + op.Key + " 0 0 " + strconv.Itoa(max(len(op.Value), size)) + "\r\n"))
	c.Write(workloads.Padded(nil, op.Value, size))
	c.Write([]byte("\r\n"))
}

// Answer implements workloads.Protocol.
func (store) Answer(c *workloads.Conn, op *history.Op) (a workloads.Answer, err error) {
	all, err := c.Take(answer)
	if err != nil {
		return a, err
	}
	line, rest, _ := bytes.Cut(all, []byte("\r\n"))
	switch {
	case op.Kind == history.Read && string(line) == "END":
		a.Absent = true
	case op.Kind == history.Read && bytes.HasPrefix(line, []byte("VALUE ")):
		a.Value = rest[:len(rest)-len("\r\nEND\r\n")]
	case op.Kind != history.Write || string(line) != "STORED":
		a.Refused, a.Why = true, string(line)
	}
	return a, nil
}

// longest is what a value has at most, in bytes.
const longest = 1 << 20

// answer is the length of the first answer in b: a line, or a value between two lines.
func answer(b []byte) (int, error) {
	line, _, whole := bytes.Cut(b, []byte("\r\n"))
	switch {
	case !whole && len(b) > 4096:
		return 0, fmt.Errorf("%w: a line of more than 4096 bytes", workloads.ErrProtocol)
	case !whole:
		return 0, nil
	case !bytes.HasPrefix(line, []byte("VALUE ")):
		return len(line) + 2, nil
	}
	n, err := strconv.Atoi(string(line[bytes.LastIndexByte(line, ' ')+1:]))
	if err != nil || n < 0 || n > longest {
		return 0, fmt.Errorf("%w: %.40q", workloads.ErrProtocol, line)
	}
	const end = "\r\nEND\r\n"
	n += len(line) + 2 + len(end)
	switch {
	case len(b) < n:
		return 0, nil
	case string(b[n-len(end):n]) != end:
		return 0, fmt.Errorf("%w: a value of another length than it says", workloads.ErrProtocol)
	}
	return n, nil
}

// Dump implements workloads.Protocol.
func (s store) Dump(c *workloads.Conn, read history.Kind, r *workloads.Run, timeout time.Duration) (keys []history.KV, err error) {
	c.Deadline(timeout)
	c.Write([]byte("keys\r\n"))
	if err := c.Flush(); err != nil {
		return nil, err
	}
	for {
		line, err := c.Take(answer)
		if err != nil {
			return nil, fmt.Errorf("dump: %w", err)
		}
		name, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("KEY "))
		if !ok {
			break
		}
		keys = append(keys, history.KV{Key: r.Key(name)})
	}
	for i := range keys {
		kv := &keys[i]
		s.Ask(c, &history.Op{Kind: read, Key: kv.Key}, 0)
		if err := c.Flush(); err != nil {
			return nil, err
		}
		a, err := s.Answer(c, &history.Op{Kind: read})
		switch {
		case err != nil:
			return nil, fmt.Errorf("dump of key %q: %w", kv.Key, err)
		case a.Refused, a.Absent:
			return nil, fmt.Errorf("dump of key %q, which is there: %s", kv.Key, a.Why)
		}
		kv.Value = r.Value(a.Value)
	}
	return keys, nil
}

// errorWords begin an answer that says that nothing was done (memcached's protocol.txt).
var errorWords = []string{"ERROR", "CLIENT_ERROR", "SERVER_ERROR"}

// Command implements workloads.Protocol.
func (store) Command(c *workloads.Conn, words []string) error {
	c.Write([]byte(strings.Join(words, " ") + "\r\n"))
	if err := c.Flush(); err != nil {
		return err
	}
	line, err := c.Take(answer)
	if err == nil && slices.ContainsFunc(errorWords, func(word string) bool { return strings.HasPrefix(string(line), word) }) {
		err = &workloads.ServerError{Text: strings.TrimSpace(string(line))}
	}
	return err
}
