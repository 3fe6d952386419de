package engine

import (
	"strconv"
	"strings"

	"github.com/torntail/torntail/engine/glob"
	"github.com/torntail/torntail/engine/keyspace"
)

// scanOptions are the arguments of SCAN and its kin behind the key.
type scanOptions struct {
	args    [][]byte // not parsed yet: a missing key is answered first
	keys    bool     // SCAN itself, which has TYPE
	cursor  uint64
	count   int
	pattern []byte // nil: any
	kind    []byte // nil: any
}

// scanArgs reads the cursor; parse reads the rest.
func (c *Session) scanArgs(args [][]byte, keys bool) (*scanOptions, bool) {
	cursor, ok := parseCursor(args[0])
	if !ok {
		c.error("ERR invalid cursor")
		return nil, false
	}
	return &scanOptions{args: args[1:], keys: keys, cursor: cursor, count: 10}, true
}

// parseCursor reads what C's strtoul does, to the end, without a blank before
// it: nothing at all is 0 (redis 7.0.15 db.c parseScanCursorOrReply).
func parseCursor(b []byte) (uint64, bool) {
	text, _, _ := strings.Cut(string(b), "\x00") // where a text ends in C
	if text == "" {
		return 0, true
	}
	negative := false
	if text[0] == '-' || text[0] == '+' {
		negative = text[0] == '-'
		text = text[1:]
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, false
	}
	if negative {
		n = -n
	}
	return n, true
}

// parse reads the options, or answers what is wrong with them (redis 7.0.15
// db.c scanGenericCommand).
func (o *scanOptions) parse(c *Session) bool {
	for args := o.args; len(args) > 0; args = args[2:] {
		switch {
		case len(args) >= 2 && same(args[0], "count"):
			n, ok := c.intArg(args[1])
			if !ok {
				return false
			}
			if n < 1 {
				c.error(errSyntax)
				return false
			}
			o.count = int(min(n, 1<<31))
		case len(args) >= 2 && same(args[0], "match"):
			o.pattern = args[1]
		case len(args) >= 2 && same(args[0], "type") && o.keys:
			o.kind = args[1]
		default:
			c.error(errSyntax)
			return false
		}
	}
	return true
}

func (o *scanOptions) matches(name string) bool {
	return o.pattern == nil || glob.Match(o.pattern, name, false)
}

// scanned replies a step of a scan.
func (c *Session) scanned(next uint64, found []string) {
	c.array(2)
	c.bulkText(strconv.FormatUint(next, 10))
	c.array(len(found))
	for _, f := range found {
		c.bulkText(f)
	}
}

// cmdScan's cursor is a slot of the keyspace, see keyspace.DB.Scan. Asked for a
// type it reads each key, so that one which has expired is told of as missing
// too, and is of the type "none" (redis 7.0.15 db.c scanGenericCommand).
func cmdScan(s *Server, c *Session, argv [][]byte) {
	o, ok := c.scanArgs(argv[1:], true)
	if !ok || !o.parse(c) {
		return
	}
	var names []string
	next := s.ks.DB(c.db).Scan(o.cursor, o.count, func(key string, _ *keyspace.Object) {
		if o.matches(key) {
			names = append(names, key)
		}
	})
	found := names[:0]
	for _, n := range names {
		if o.kind == nil {
			if s.find(c, []byte(n)) != nil {
				found = append(found, n)
			}
			continue
		}
		kind := keyspace.None
		if obj := s.lookupUntouched(c, []byte(n)); obj != nil {
			kind = obj.Kind
		}
		if same(o.kind, kind.Name()) {
			found = append(found, n)
		}
	}
	c.scanned(next, found)
}
