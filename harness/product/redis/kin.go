package redis

import (
	"slices"
	"strconv"
	"strings"

	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/workloads"
)

// Kin is what a server does otherwise than redis-server 7 that keeps its data as Redis does.
// The zero Kin is that server.
type Kin struct {
	// Log is the name of the append-only file of a server that has a single one, as Redis
	// had before 7.0 (redis #9788). "": several, in AOFDir.
	Log string
	// Snapshot is what the server calls its snapshot; "": dump.rdb.
	Snapshot string
	// Without are the directives that it does not have, in lower case, each followed by a
	// blank. A server refuses to start with one that it does not know.
	Without string
	// Words are what its log says; nil: Redis's.
	Words *Words
	// Speaks is what it can of the protocol.
	Speaks workloads.RESP
	// Told: all this is somebody's word, and what is not seen of it is not known.
	Told bool
}

// Words are the beginnings of messages in a server's log that tell something, instead of
// Redis's. Without any the log tells nothing.
type Words struct {
	Snapshot string   // a child was forked that writes a snapshot
	Rewrite  string   // one was that rewrites the log
	Ended    []string // either has ended
	Sync     string   // a snapshot comes next that is for a replica
}

// says is what a message tells.
func (w *Words) says(msg string) product.Said {
	begins := func(with string) bool { return with != "" && strings.HasPrefix(msg, with) }
	switch {
	case begins(w.Snapshot):
		return product.SnapshotForked
	case begins(w.Rewrite):
		return product.RewriteBegan
	case begins(w.Sync):
		return product.SyncWritten
	case slices.ContainsFunc(w.Ended, begins):
		return product.ChildEnded
	}
	return product.Nothing
}

// singleLog is the log of servers before 7.0, as they call it if nobody says otherwise.
const singleLog = "appendonly.aof"

// since are directives that torntail's modes and clusters state, with the first version that
// has them.
var since = []struct {
	major, minor int
	directive    string
}{
	{2, 8, "aof-load-truncated"},
	{4, 0, "aof-use-rdb-preamble"},
	{7, 0, SourceAddr},
}

// Of is the store of a server's product and version, by what it answers to --version. All
// versions of Valkey and of products that are not known are taken for Redis 7.
func Of(name, version string) product.Store {
	major, minor, ok := number(version)
	if name != "redis" || !ok || major >= 7 {
		return Store
	}
	k := Kin{Log: singleLog}
	for _, s := range since {
		if major < s.major || major == s.major && minor < s.minor {
			k.Without += s.directive + " "
		}
	}
	return With(k)
}

// With is the store of a server that does some things otherwise.
func With(k Kin) product.Store { return store{RESP: k.Speaks, kin: k} }

// Told implements product.Told.
func (s store) Told() bool { return s.kin.Told }

func number(version string) (major, minor int, ok bool) {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return 0, 0, false
	}
	major, err := strconv.Atoi(parts[0])
	if err != nil {
		return 0, 0, false
	}
	minor, err = strconv.Atoi(parts[1])
	return major, minor, err == nil
}

// Lacks implements product.Store: a mode that rests on a directive which the server does
// not have is another mode there. What states no more than the server's own way is left out.
func (s store) Lacks(m *product.Mode) string {
	for _, d := range m.Directives {
		if s.without(d.Name) && !unneeded(m, d) {
			return "the server has no directive " + d.Name
		}
	}
	if w := s.kin.Words; w != nil {
		switch {
		case m.RDB && w.Snapshot == "":
			return "it is not known what its log says when a snapshot begins (says, snapshot)"
		case m.Get("no-appendfsync-on-rewrite") == "yes" && (w.Snapshot == "" || w.Rewrite == "" || len(w.Ended) == 0):
			return "it is not known what its log says when a rewrite or a snapshot begins and ends (says)"
		}
	}
	return ""
}

// SourceAddr is the directive by which a server says who it is to a proxy in its way.
const SourceAddr = "bind-source-addr"

// Without reports whether a store's server does not have a directive.
func Without(s product.Store, directive string) bool {
	its, ok := s.(store)
	return ok && its.without(directive)
}

func (s store) without(directive string) bool {
	return slices.Contains(strings.Fields(s.kin.Without), directive)
}

// unneeded reports whether a directive that a mode states is what servers do that do not
// have it: they write a log of commands alone, sync it whatever goes on, rewrite it when they
// are asked to, and make no snapshots. In a mode without a log those of logs say nothing.
func unneeded(m *product.Mode, d product.Directive) bool {
	switch d.Name {
	case "aof-use-rdb-preamble", "no-appendfsync-on-rewrite":
		return d.Value == "no" || !m.AOF
	case "auto-aof-rewrite-percentage":
		return d.Value == "0" || !m.AOF
	case "save":
		return d.Value == ""
	case "aof-load-truncated", "appendonly", "appendfsync":
		return !m.AOF
	}
	return false
}

// On implements product.Store.
func (s store) On(m product.Mode) product.Mode {
	if m.Store = s; s.kin.Without != "" {
		m.Directives = slices.DeleteFunc(slices.Clone(m.Directives), func(d product.Directive) bool { return s.without(d.Name) && unneeded(&m, d) })
	}
	return m
}
