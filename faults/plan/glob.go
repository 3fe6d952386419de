package plan

import (
	"path"
	"strings"

	"github.com/torntail/torntail/faults/disk"
)

// matcher is a compiled CallPattern. It allocates nothing when it matches.
type matcher struct {
	kinds uint64 // bit per disk.OpKind
	glob  glob
}

func (p CallPattern) compile() matcher {
	return matcher{kinds: kindsOf(p.Op), glob: compileGlob(p.Glob)}
}

// match reports whether the call is one of those meant. A rename or a link
// matches by either of its names: rename(dump.rdb) is the one that puts
// temp-7.rdb in its place.
func (m *matcher) match(c *disk.Call) bool {
	return m.kinds&(1<<c.Kind) != 0 && (m.glob.match(c.Path) || c.Path2 != "" && m.glob.match(c.Path2))
}

// glob is a pattern as in path.Match. Without a slash it is matched against
// the base name; with slashes against as many trailing elements of the path as
// it has itself; with a leading slash against the whole path. A path's own
// leading slash means nothing: inside a volume there is none.
type glob struct {
	pattern  string
	elements int // 0: the whole path
	// Most patterns are a name with at most one star, for which two comparisons do.
	simple         bool
	prefix, suffix string
	star           bool
}

func compileGlob(pattern string) glob {
	g := glob{pattern: pattern}
	if whole, ok := strings.CutPrefix(pattern, "/"); ok {
		g.pattern = whole
	} else {
		g.elements = 1 + strings.Count(pattern, "/")
	}
	if !strings.ContainsAny(g.pattern, `?[\`) && strings.Count(g.pattern, "*") <= 1 {
		g.simple = true
		g.prefix, g.suffix, g.star = strings.Cut(g.pattern, "*")
	}
	return g
}

func (g *glob) match(name string) bool {
	if g.elements > 0 {
		name = lastElements(name, g.elements)
	}
	return g.matchText(strings.TrimPrefix(name, "/"))
}

func (g *glob) matchText(name string) bool {
	if !g.simple {
		ok, _ := path.Match(g.pattern, name) // the pattern was checked when it was parsed
		return ok
	}
	if !g.star {
		return name == g.prefix
	}
	return len(name) >= len(g.prefix)+len(g.suffix) &&
		strings.HasPrefix(name, g.prefix) && strings.HasSuffix(name, g.suffix) &&
		strings.IndexByte(name[len(g.prefix):len(name)-len(g.suffix)], '/') < 0
}

// lastElements is the end of a path from its n-th last element on; the whole
// path when it has fewer.
func lastElements(name string, n int) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] != '/' {
			continue
		}
		if n--; n == 0 {
			return name[i+1:]
		}
	}
	return name
}
