package engine

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
)

var sortingCommands = []entry{
	{name: "sort", run: func(s *Server, c *Session, argv [][]byte) { s.sort(c, argv, false) }},
	{name: "sort_ro", run: func(s *Server, c *Session, argv [][]byte) { s.sort(c, argv, true) }},
}

// sortOptions are SORT's arguments behind the key.
type sortOptions struct {
	desc, alpha  bool
	start, count int64 // count -1: all
	by, store    []byte
	get          [][]byte
	unsorted     bool // BY has no star: there is nothing to sort by
}

// readsAll says whether the user may read every key, as BY and GET do.
func (c *Session) sortOptions(args [][]byte, readOnly, readsAll bool) (o sortOptions, ok bool) {
	o.count = -1
	for ; len(args) > 0; args = args[1:] {
		switch left := len(args) - 1; {
		case same(args[0], "asc"):
			o.desc = false
		case same(args[0], "desc"):
			o.desc = true
		case same(args[0], "alpha"):
			o.alpha = true
		case same(args[0], "limit") && left >= 2:
			if o.start, ok = c.intArg(args[1]); !ok {
				return o, false
			}
			if o.count, ok = c.intArg(args[2]); !ok {
				return o, false
			}
			args = args[2:]
		case !readOnly && same(args[0], "store") && left >= 1:
			o.store = args[1]
			args = args[1:]
		case same(args[0], "by") && left >= 1:
			o.by = args[1]
			o.unsorted = o.unsorted || bytes.IndexByte(o.by, '*') < 0
			if c.s.cluster != nil && bytes.IndexByte(o.by, '*') >= 0 {
				c.error("ERR BY option of SORT denied in Cluster mode.")
				return o, false
			}
			if !readsAll && bytes.IndexByte(o.by, '*') >= 0 {
				c.error("ERR BY option of SORT denied due to insufficient ACL permissions.")
				return o, false
			}
			args = args[1:]
		case same(args[0], "get") && left >= 1:
			if c.s.cluster != nil {
				c.error("ERR GET option of SORT denied in Cluster mode.")
				return o, false
			}
			if !readsAll {
				c.error("ERR GET option of SORT denied due to insufficient ACL permissions.")
				return o, false
			}
			o.get = append(o.get, args[1])
			args = args[1:]
		default:
			c.error(errSyntax)
			return o, false
		}
	}
	return o, true
}

// sortElement is an element and what it is sorted by.
type sortElement struct {
	value []byte
	score float64
	by    []byte // with ALPHA and BY; nil: there is none
}

// sort follows redis 7.0.15 sort.c sortCommandGeneric.
func (s *Server) sort(c *Session, argv [][]byte, readOnly bool) {
	o, ok := c.sortOptions(argv[2:], readOnly, c.user == nil || c.user.ReadsAll(s.lookupCommand(argv).request(argv)))
	if !ok {
		return
	}
	obj := s.lookupRead(c, argv[1])
	if obj != nil && obj.Kind != keyspace.List && obj.Kind != keyspace.Set && obj.Kind != keyspace.ZSet {
		c.error(errWrongType)
		return
	}
	if o.unsorted && obj != nil && obj.Kind == keyspace.Set && (o.store != nil || c.script) {
		// So that replicas store the same, and scripts always see the same.
		o.unsorted, o.alpha, o.by = false, true, nil
	}
	if obj != nil && obj.Kind == keyspace.ZSet {
		s.ks.DB(c.db).EditZSet(argv[1]).Enlarge() // sic
		obj = s.ks.DB(c.db).Get(argv[1])
	}
	elements := sortable(obj)
	if o.unsorted {
		if o.desc && obj != nil && obj.Kind != keyspace.Set {
			slices.Reverse(elements)
		}
	}
	n := int64(len(elements))
	start := min(max(o.start, 0), n)
	end := n
	if o.count >= 0 {
		end = min(start+min(o.count, n), n)
	}
	if !o.unsorted && !s.sortElements(c, elements, &o, int(start), int(end)) {
		c.error("ERR One or more scores can't be converted into double")
		return
	}
	s.answerSort(c, argv, elements[start:end], &o)
}

// sortable are an object's elements, in its own order.
func sortable(o *keyspace.Object) (elements []sortElement) {
	if o == nil {
		return nil
	}
	elements = make([]sortElement, 0, o.Coll.Len())
	add := func(b []byte) { elements = append(elements, sortElement{value: b}) }
	switch o.Kind {
	case keyspace.List:
		for i := range o.List().Len() {
			add(o.List().At(i))
		}
	case keyspace.Set:
		o.Set().Each(func(m string) bool { add([]byte(m)); return true })
	default:
		o.ZSet().Each(func(m *keyspace.Scored) bool { add([]byte(m.Member)); return true })
	}
	return elements
}

// sortElements sorts, those from start to end at least; it reports false when something
// to sort by is no number.
func (s *Server) sortElements(c *Session, elements []sortElement, o *sortOptions, start, end int) bool {
	numbers := true
	for i := range elements {
		e := &elements[i]
		by := e.value
		if o.by != nil {
			if by = s.byPattern(c, o.by, e.value); by == nil {
				continue
			}
		}
		if o.alpha {
			if end := bytes.IndexByte(by, 0); end >= 0 && o.store == nil {
				by = by[:end] // strcoll compares so far; what is stored is compared whole
			}
			e.by = by
			continue
		}
		score, inRange, ok := cDouble(by)
		numbers = numbers && ok && inRange
		e.score = score
	}
	if !numbers {
		return false
	}
	compare := func(a, b sortElement) int {
		order := 0
		switch {
		case o.alpha && (a.by == nil || b.by == nil):
			order = number(a.by != nil) - number(b.by != nil)
		case o.alpha:
			order = bytes.Compare(a.by, b.by)
		case a.score != b.score:
			order = 1
			if a.score < b.score {
				order = -1
			}
		default:
			order = bytes.Compare(a.value, b.value)
		}
		if o.desc {
			return -order
		}
		return order
	}
	if o.by != nil && (start > 0 || end < len(elements)) {
		partialSort(elements, compare, start, end-1)
	} else {
		slices.SortStableFunc(elements, compare)
	}
	return true
}

// answerSort replies or stores elements, or what GET gets for each.
func (s *Server) answerSort(c *Session, argv [][]byte, elements []sortElement, o *sortOptions) {
	var out [][]byte
	for i := range elements {
		if o.get == nil {
			out = append(out, elements[i].value)
		}
		for _, pattern := range o.get {
			out = append(out, s.byPattern(c, pattern, elements[i].value))
		}
	}
	if o.store == nil {
		c.array(len(out))
		for _, b := range out {
			if b == nil {
				c.null()
			} else {
				c.bulk(b)
			}
		}
		return
	}
	for i := range out { // what is missing is stored empty
		if out[i] == nil {
			out[i] = []byte{}
		}
	}
	s.storeResult(c, argv, o.store, s.ks.DB(c.db).ListObject(out), config.ListEvents, "sortstore", len(out))
	c.int(int64(len(out)))
}

// byPattern is the value of the key that a pattern names when its star is the
// element, or of a field of it; nil when there is none (redis 7.0.15 sort.c
// lookupKeyByPattern).
func (s *Server) byPattern(c *Session, pattern, element []byte) []byte {
	if string(pattern) == "#" {
		return element
	}
	star := bytes.IndexByte(pattern, '*')
	if star < 0 {
		return nil
	}
	rest, field := pattern[star+1:], []byte(nil)
	if i := bytes.Index(rest, []byte("->")); i >= 0 && i+2 < len(rest) {
		rest, field = rest[:i], rest[i+2:]
	}
	key := slices.Concat(pattern[:star], element, rest)
	o := s.lookupRead(c, key)
	switch {
	case o == nil:
	case field != nil && o.Kind == keyspace.Hash:
		if v, ok := o.Hash().Get(field); ok {
			return present(v)
		}
	case field == nil && o.Kind == keyspace.String:
		return present(o.Str)
	}
	return nil
}

// present is a value that is not nil even when it is empty.
func present(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// cDouble reads a number as C's strtod does: to a zero byte, blanks in front are
// skipped, nothing at all is 0. What is out of range is an infinity, or as near
// to zero as can be.
func cDouble(b []byte) (f float64, inRange, ok bool) {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	if len(b) == 0 {
		return 0, true, true
	}
	text := strings.TrimLeft(string(b), " \t\n\v\f\r")
	rest := strings.TrimLeft(text, "+-")
	if len(text)-len(rest) > 1 {
		return 0, true, false
	}
	switch strings.ToLower(rest) {
	case "inf", "infinity":
		if text[0] == '-' {
			return math.Inf(-1), true, true
		}
		return math.Inf(1), true, true
	}
	if !numberText(rest) {
		return 0, true, false
	}
	if strings.ContainsAny(text, "xX") && !strings.ContainsAny(text, "pP") {
		text += "p0"
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return f, false, errors.Is(err, strconv.ErrRange)
	}
	tiny := math.Abs(f) < 0x1p-1022 && strings.ContainsAny(mantissa(rest), "123456789abcdefABCDEF")
	return f, !tiny, true
}
