package redis

import (
	"slices"
	"strconv"
	"strings"

	"github.com/torntail/torntail/harness/product"
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
}

// singleLog is the log of servers before 7.0, as they call it if nobody says otherwise.
const singleLog = "appendonly.aof"

// since are directives that torntail's modes state, with the first version that has them.
var since = []struct {
	major, minor int
	directive    string
}{
	{2, 8, "aof-load-truncated"},
	{4, 0, "aof-use-rdb-preamble"},
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
func With(k Kin) product.Store { return store{kin: k} }

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
	return ""
}

func (s store) without(directive string) bool {
	return slices.Contains(strings.Fields(s.kin.Without), directive)
}

// unneeded reports whether a directive that a mode states is what servers do that do not
// have it: they write a log of commands alone. In a mode without a log those of logs say
// nothing.
func unneeded(m *product.Mode, d product.Directive) bool {
	switch d.Name {
	case "aof-use-rdb-preamble":
		return d.Value == "no" || !m.AOF
	case "aof-load-truncated":
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
