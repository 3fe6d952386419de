package redis

import (
	"bytes"
	"strings"

	"github.com/torntail/torntail/harness/product"
)

// Rewrite implements product.Store.
func (store) Rewrite(m *product.Mode) []string {
	switch {
	case m.AOF:
		return []string{"BGREWRITEAOF"}
	case m.RDB:
		return []string{"BGSAVE"}
	}
	return nil
}

// Tour implements product.Store: after the first rewrite a change of the configuration, a
// snapshot beside the AOF, and a rewrite under the new configuration. The server looks
// after its children often, so that one is over before the next.
func (store) Tour(m *product.Mode) product.Tour {
	t := product.Tour{Held: "temp-rewriteaof-*", End: []string{"SHUTDOWN"}}
	change := "aof-use-rdb-preamble yes"
	switch {
	case !m.AOF:
		t.Held, change = "temp-*.rdb", "rdbcompression no"
	case m.Get("aof-use-rdb-preamble") == "yes":
		change = "aof-use-rdb-preamble no"
	}
	t.Later = []product.Stop{{At: 0.65, Command: "CONFIG SET " + change}, {At: 0.68, Command: "BGSAVE SCHEDULE"}}
	if m.AOF {
		t.Later = append(t.Later, product.Stop{At: 0.75, Command: "BGREWRITEAOF"})
	}
	if m.Get("hz") == "" {
		t.Often = directives{{Name: "hz", Value: "100"}}
	}
	return t
}

// Reload implements product.Store. The commands call the functions that a start calls
// (redis 7.0.15: debug.c debugCommand; server.c loadDataFromDisk), on an empty database.
func (store) Reload(m *product.Mode) *product.Reload {
	r := &product.Reload{
		Command: []string{"DEBUG", "RELOAD", "NOSAVE"},
		Waiting: directives{{Name: "appendonly", Value: "no"}, {Name: "save"}, {Name: "enable-debug-command", Value: "yes"}, {Name: "loglevel", Value: "warning"}},
		Removes: func(path string, data []byte) bool {
			return strings.HasSuffix(path, ".manifest") && bytes.Contains(data, []byte(" type h"))
		},
	}
	if m.AOF {
		r.Command = []string{"DEBUG", "LOADAOF"}
	}
	return r
}
