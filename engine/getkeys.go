package engine

import (
	"slices"

	"github.com/torntail/torntail/engine/spec"
)

// COMMAND GETKEYS, and the keys of a command's arguments.

// commandGetKeys follows redis 7.0.15 server.c getKeysSubcommandImpl.
func (s *Server) commandGetKeys(c *Session, argv [][]byte, withFlags bool) {
	args := argv[2:]
	cmd := s.findCommand(args[0])
	if cmd != nil && len(cmd.sub) > 0 && len(args) > 1 {
		cmd = cmd.findSub(args[1])
	}
	switch {
	case cmd == nil || !s.has(cmd):
		c.error("ERR Invalid command specified")
		return
	case !slices.ContainsFunc(cmd.spec.Keys, isKeySpec):
		c.error("ERR The command has no key arguments")
		return
	case !cmd.arityOK(len(args)):
		c.error("ERR Invalid number of arguments specified for command")
		return
	}
	keys, ok := cmd.keys(args)
	if !ok || len(keys) == 0 {
		if cmd.noMandatoryKeys() {
			c.array(0)
			return
		}
		c.error("ERR Invalid arguments specified for command")
		return
	}
	c.array(len(keys))
	for _, k := range keys {
		if withFlags {
			c.array(2)
		}
		c.bulk(args[k.at])
		if withFlags {
			c.statuses(k.flags)
		}
	}
}

// isKeySpec reports whether a specification is of keys: channels of shards have one too.
func isKeySpec(k spec.KeySpec) bool { return !slices.Contains(k.Flags, "not_key") }

// noMandatoryKeys are commands that may have none (CMD_NO_MANDATORY_KEYS).
func (cmd *command) noMandatoryKeys() bool {
	switch cmd.name {
	case "eval", "evalsha", "eval_ro", "evalsha_ro", "fcall", "fcall_ro":
		return true
	}
	return false
}

// keyAt is a key among a command's arguments, and what becomes of it.
type keyAt struct {
	at    int
	flags []string
}

// keys finds a command's keys by its key specifications (redis 7.0.15 db.c
// getKeysUsingKeySpecs), or by hand where those do not tell all.
func (cmd *command) keys(argv [][]byte) (keys []keyAt, ok bool) {
	switch cmd.fullName {
	case "sort":
		return sortKeys(argv), true
	case "migrate":
		return migrateKeys(argv), true
	case "set":
		return setKeys(argv), true
	case "bitfield":
		return bitfieldKeys(argv), true
	}
	for i := range cmd.spec.Keys {
		k := &cmd.spec.Keys[i]
		if !isKeySpec(*k) {
			continue
		}
		first, found := beginKeys(&k.Begin, argv)
		if !found {
			if k.Begin.Type == "unknown" {
				if cmd.name == "sort_ro" { // what it gets is told by a key's content
					continue
				}
				return nil, false
			}
			continue
		}
		last, step := first, 1
		switch k.Find.Type {
		case "range":
			step = k.Find.Number("keystep")
			n, limit := k.Find.Number("lastkey"), k.Find.Number("limit")
			switch {
			case n >= 0:
				last = first + n
			case limit == 0:
				last = len(argv) + n
			default:
				last = first + (len(argv)-first)/limit + n
			}
		case "keynum":
			at := first + k.Find.Number("keynumidx")
			if at >= len(argv) {
				return nil, false
			}
			n, ok := parseInt(argv[at])
			if !ok || n < 0 || n > int64(len(argv)) {
				return nil, false
			}
			step = k.Find.Number("keystep")
			first += k.Find.Number("firstkey")
			last = first + int(n) - 1
			if n == 0 && cmd.noMandatoryKeys() {
				continue
			}
		default:
			return nil, false
		}
		if last >= len(argv) || last < first || first >= len(argv) {
			return nil, false
		}
		for i := first; i <= last; i += step {
			keys = append(keys, keyAt{i, k.Flags})
		}
	}
	return keys, true
}

// beginKeys finds where a specification's keys begin; not found when its keyword
// is not there.
func beginKeys(s *spec.Search, argv [][]byte) (first int, found bool) {
	switch s.Type {
	case "index":
		return s.Number("index"), true
	case "keyword":
		from, end := s.Number("startfrom"), len(argv)-1
		step := 1
		if from < 0 {
			from, end, step = len(argv)+from, 1, -1
		} else if from > end {
			step = -1
		}
		for i := from; i != end && i >= 1 && i < len(argv); i += step {
			if same(argv[i], s.Word) {
				return i + 1, true
			}
		}
	}
	return 0, false
}

// sortKeys finds the last STORE, as SORT does (redis 7.0.15 db.c sortGetKeys).
func sortKeys(argv [][]byte) []keyAt {
	keys := []keyAt{{1, []string{"RO", "access"}}}
	store := -1
	for i := 2; i < len(argv); i++ {
		switch {
		case same(argv[i], "limit"):
			i += 2
		case same(argv[i], "get"), same(argv[i], "by"):
			i++
		case same(argv[i], "store") && i+1 < len(argv):
			store = i + 1
		}
	}
	if store > 0 {
		keys = append(keys, keyAt{store, []string{"OW", "update"}})
	}
	return keys
}

// migrateKeys follows redis 7.0.15 db.c migrateGetKeys.
func migrateKeys(argv [][]byte) (keys []keyAt) {
	first, n := 3, 1
	for i := 6; i < len(argv); i++ {
		if same(argv[i], "keys") {
			first, n = i+1, len(argv)-i-1
			if len(argv[3]) > 0 { // a syntax error, for MIGRATE to tell
				n = 0
			}
			break
		}
		switch {
		case same(argv[i], "auth"):
			i++
		case same(argv[i], "auth2"):
			i += 2
		}
	}
	for i := range n {
		keys = append(keys, keyAt{first + i, []string{"RW", "access", "delete"}})
	}
	return keys
}

// setKeys: SET only reads with GET (redis 7.0.15 db.c setGetKeys).
func setKeys(argv [][]byte) []keyAt {
	for _, a := range argv[3:] {
		if same(a, "get") {
			return []keyAt{{1, []string{"RW", "access", "update"}}}
		}
	}
	return []keyAt{{1, []string{"OW", "update"}}}
}

// bitfieldKeys: BITFIELD only reads when all it does is GET (redis 7.0.15 db.c
// bitfieldGetKeys).
func bitfieldKeys(argv [][]byte) []keyAt {
	for i := 2; i < len(argv); i++ {
		left := len(argv) - i - 1
		switch {
		case same(argv[i], "get") && left >= 2:
			i += 2
		case same(argv[i], "overflow") && left >= 1:
			i++
		default:
			return []keyAt{{1, []string{"RW", "access", "update"}}}
		}
	}
	return []keyAt{{1, []string{"RO", "access"}}}
}
