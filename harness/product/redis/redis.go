// Package redis is Redis and its kin as a product.Store: the directives of persistence
// and the modes made of them, which files the server keeps and what their names mean,
// what it says in its log, how its own tool repairs what a crash left, and what is known
// of it, a finding in a file. The embedded engine is Redis too.
package redis

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/workloads"
)

// Store is Redis.
var Store product.Store = store{}

// store is Redis, which speaks RESP.
type store struct {
	workloads.RESP
	kin Kin
}

// Name implements product.Store.
func (store) Name() string { return "redis" }

// Program implements product.Store.
func (store) Program() string { return "redis-server" }

// Server implements product.Store.
func (store) Server(string) *process.Server { return nil }

// Policy implements product.Store.
func (store) Policy(m *product.Mode) (product.Policy, error) {
	p := product.Policy{Fsync: m.Get("appendfsync"), NoSyncOnRewrite: m.Get("no-appendfsync-on-rewrite") == "yes",
		RefusesCut: m.Get("aof-load-truncated") == "no"}
	if hz, err := strconv.Atoi(m.Get("hz")); err == nil && hz > 0 {
		p.Timer = time.Second / time.Duration(hz)
	}
	p.Evicts = Evicts(m.Directives)
	if !m.States("save") {
		return p, nil
	}
	text := m.Get("save")
	fields := strings.Fields(text)
	wrong := fmt.Errorf("save %q: want pairs of seconds and changes", text)
	if len(fields)%2 != 0 {
		return p, wrong
	}
	p.SavePoints = []contract.SavePoint{}
	for i := 0; i < len(fields); i += 2 {
		seconds, err1 := strconv.Atoi(fields[i])
		changes, err2 := strconv.Atoi(fields[i+1])
		if err1 != nil || err2 != nil {
			return p, wrong
		}
		p.SavePoints = append(p.SavePoints, contract.SavePoint{After: time.Duration(seconds) * time.Second, Changes: changes})
	}
	return p, nil
}
