package engine

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
)

var geoCommands = []entry{
	{name: "geoadd", run: cmdGeoadd},
	{name: "geodist", run: cmdGeodist},
	{name: "geohash", run: cmdGeohash},
	{name: "geopos", run: cmdGeopos},
	{name: "georadius", run: func(s *Server, c *Session, argv [][]byte) {
		s.geosearch(c, argv, geoQuery{from: fromArgs, radius: true})
	}},
	{name: "georadius_ro", run: func(s *Server, c *Session, argv [][]byte) {
		s.geosearch(c, argv, geoQuery{from: fromArgs, radius: true, readOnly: true})
	}},
	{name: "georadiusbymember", run: func(s *Server, c *Session, argv [][]byte) {
		s.geosearch(c, argv, geoQuery{from: fromMember, radius: true})
	}},
	{name: "georadiusbymember_ro", run: func(s *Server, c *Session, argv [][]byte) {
		s.geosearch(c, argv, geoQuery{from: fromMember, radius: true, readOnly: true})
	}},
	{name: "geosearch", run: func(s *Server, c *Session, argv [][]byte) { s.geosearch(c, argv, geoQuery{}) }},
	{name: "geosearchstore", run: func(s *Server, c *Session, argv [][]byte) { s.geosearch(c, argv, geoQuery{searchStore: true}) }},
}

// pointArg reads a longitude and a latitude.
func (c *Session) pointArg(long, lat []byte) (p point, ok bool) {
	if p.long, ok = parseDouble(long); !ok {
		c.error(errNotFloat)
		return p, false
	}
	if p.lat, ok = parseDouble(lat); !ok {
		c.error(errNotFloat)
		return p, false
	}
	if math.Abs(p.long) > geoLongMax || math.Abs(p.lat) > geoLatMax {
		c.error(fmt.Sprintf("ERR invalid longitude,latitude pair %f,%f", p.long, p.lat))
		return p, false
	}
	return p, true
}

// unitMeters reads a unit of length, in metres.
func (c *Session) unitMeters(b []byte) (float64, bool) {
	switch {
	case same(b, "m"):
		return 1, true
	case same(b, "km"):
		return 1000, true
	case same(b, "ft"):
		return 0.3048, true
	case same(b, "mi"):
		return 1609.34, true
	}
	c.error("ERR unsupported unit provided. please use M, KM, FT, MI")
	return 0, false
}

// cmdGeoadd is ZADD with scores made of places, and logged as that (redis 7.0.15
// geo.c geoaddCommand).
func cmdGeoadd(s *Server, c *Session, argv [][]byte) {
	at, nx, xx := 2, false, false
options:
	for ; at < len(argv); at++ {
		switch {
		case same(argv[at], "nx"):
			nx = true
		case same(argv[at], "xx"):
			xx = true
		case same(argv[at], "ch"):
		default:
			break options
		}
	}
	if (len(argv)-at)%3 != 0 || nx && xx {
		c.error(errSyntax)
		return
	}
	zadd := append([][]byte{[]byte("zadd")}, argv[1:at]...)
	for args := argv[at:]; len(args) > 0; args = args[3:] {
		p, ok := c.pointArg(args[0], args[1])
		if !ok {
			return
		}
		zadd = append(zadd, strconv.AppendUint(nil, geoEncode(p, geoLat, geoSteps).bits, 10), args[2])
	}
	s.zadd(c, zadd, false)
}

// distance replies metres in a unit, four digits behind the point.
func (c *Session) distance(d float64) {
	n := int64(math.RoundToEven(d * 1e4))
	c.bulkText(fmt.Sprintf("%d.%04d", n/1e4, n%1e4))
}

// degrees replies a coordinate as redis 7.0.15 networking.c
// addReplyHumanLongDouble does.
func (c *Session) degrees(f float64) {
	v := newLongDouble()
	v.SetFloat64(f)
	if c.resp == 3 {
		c.out = append(append(append(c.out, ','), v.human()...), '\r', '\n')
		return
	}
	c.bulk(v.human())
}

func cmdGeodist(s *Server, c *Session, argv [][]byte) {
	unit := 1.0
	if len(argv) > 5 {
		c.error(errSyntax)
		return
	}
	if len(argv) == 5 {
		var ok bool
		if unit, ok = c.unitMeters(argv[4]); !ok {
			return
		}
	}
	z, ok := s.readZSet(c, argv[1])
	if !ok {
		return
	}
	if z == nil {
		c.null()
		return
	}
	a, ok := z.Score(argv[2])
	b, ok2 := z.Score(argv[3])
	if !ok || !ok2 {
		c.null()
		return
	}
	c.distance(s.trigonometry().distance(geoDecode(a), geoDecode(b)) / unit)
}

// cmdGeohash answers the geohashes that others use: eleven letters for 52 bits,
// the last of them always 0.
func cmdGeohash(s *Server, c *Session, argv [][]byte) {
	const letters = "0123456789bcdefghjkmnpqrstuvwxyz"
	s.eachScore(c, argv, c.null, func(score float64) {
		bits := geoEncode(geoDecode(score), fullLat, geoSteps).bits
		var text [11]byte
		for i := range 10 {
			text[i] = letters[bits>>(52-(i+1)*5)&31]
		}
		text[10] = letters[0]
		c.bulk(text[:])
	})
}

func cmdGeopos(s *Server, c *Session, argv [][]byte) {
	s.eachScore(c, argv, c.nullArray, func(score float64) {
		p := geoDecode(score)
		c.array(2)
		c.degrees(p.long)
		c.degrees(p.lat)
	})
}

// geoFrom is where the middle of a search comes from.
type geoFrom uint8

const (
	fromOption geoFrom = iota // FROMMEMBER or FROMLONLAT
	fromArgs                  // GEORADIUS
	fromMember                // GEORADIUSBYMEMBER
)

// geoQuery is what GEOSEARCH or GEORADIUS asks for.
type geoQuery struct {
	from        geoFrom
	radius      bool // GEORADIUS and its kin
	readOnly    bool // neither STORE nor STOREDIST
	searchStore bool // GEOSEARCHSTORE

	shape                        geoShape
	withDist, withHash, withPlan bool // withPlan: WITHCOORD
	byBox, byRadius              bool
	fromLonLat, fromMemberGiven  bool
	asc, desc, any               bool
	count                        int64
	store                        []byte
	storeDist                    bool
}

// found is a member in the shape.
type found struct {
	member   string
	score    float64
	place    point
	distance float64
}

func (s *Server) geosearch(c *Session, argv [][]byte, q geoQuery) {
	q.shape.trig = s.trigonometry()
	at := 1
	if q.searchStore {
		at = 2
		q.store = argv[1]
	}
	z, ok := s.readZSet(c, argv[at])
	if !ok || !s.geoMiddle(c, argv, z, &q) {
		return
	}
	if wrong := q.wrong(argv[0]); wrong != "" {
		c.error("ERR " + wrong)
		return
	}
	if z == nil {
		if q.store == nil {
			c.array(0)
		} else {
			s.storeGeo(c, argv, nil, &q)
		}
		return
	}
	all := q.search(z)
	if q.count != 0 && !q.asc && !q.desc && !q.any {
		q.asc = true
	}
	if q.asc || q.desc {
		order := func(a, b found) int {
			if q.desc {
				a, b = b, a
			}
			switch {
			case a.distance > b.distance:
				return 1
			case a.distance < b.distance:
				return -1
			}
			return 0
		}
		if q.count == 0 || int64(len(all)) <= q.count {
			slices.SortStableFunc(all, order)
		} else {
			partialSort(all, order, 0, int(q.count)-1)
		}
	}
	if q.count != 0 {
		all = all[:min(int64(len(all)), q.count)]
	}
	for i := range all {
		all[i].distance /= q.shape.unit
	}
	if q.store != nil {
		s.storeGeo(c, argv, all, &q)
		return
	}
	c.places(all, &q)
}

// geoMiddle reads the arguments behind the keys (redis 7.0.15 geo.c
// georadiusGeneric).
func (s *Server) geoMiddle(c *Session, argv [][]byte, z *keyspace.SortedSet, q *geoQuery) (ok bool) {
	switch q.from {
	case fromArgs:
		if q.shape.center, ok = c.pointArg(argv[2], argv[3]); !ok {
			return false
		}
		if !c.radiusArg(argv[4], argv[5], &q.shape) {
			return false
		}
		return s.geoOptions(c, argv[6:], z, q)
	case fromMember:
		if z != nil {
			if !c.memberPlace(z, argv[2], &q.shape) || !c.radiusArg(argv[3], argv[4], &q.shape) {
				return false
			}
		}
		return s.geoOptions(c, argv[5:], z, q)
	}
	if q.searchStore {
		return s.geoOptions(c, argv[3:], z, q)
	}
	return s.geoOptions(c, argv[2:], z, q)
}

func (c *Session) memberPlace(z *keyspace.SortedSet, member []byte, shape *geoShape) bool {
	score, ok := z.Score(member)
	if !ok {
		c.error("ERR could not decode requested zset member")
		return false
	}
	shape.center = geoDecode(score)
	return true
}

// lengthArg reads a length that is not negative.
func (c *Session) lengthArg(b []byte, what string) (float64, bool) {
	v, ok := parseDouble(b)
	if !ok {
		c.error("ERR need numeric " + what)
	}
	return v, ok
}

func (c *Session) radiusArg(radius, unit []byte, shape *geoShape) (ok bool) {
	if shape.radius, ok = c.lengthArg(radius, "radius"); !ok {
		return false
	}
	if shape.radius < 0 {
		c.error("ERR radius cannot be negative")
		return false
	}
	shape.unit, ok = c.unitMeters(unit)
	return ok
}

func (c *Session) boxArg(args [][]byte, shape *geoShape) (ok bool) {
	if shape.width, ok = c.lengthArg(args[0], "width"); !ok {
		return false
	}
	if shape.height, ok = c.lengthArg(args[1], "height"); !ok {
		return false
	}
	if shape.height < 0 || shape.width < 0 {
		c.error("ERR height or width cannot be negative")
		return false
	}
	shape.box = true
	shape.unit, ok = c.unitMeters(args[2])
	return ok
}

func (s *Server) geoOptions(c *Session, args [][]byte, z *keyspace.SortedSet, q *geoQuery) (ok bool) {
	search := !q.radius
	for ; len(args) > 0; args = args[1:] {
		used := 0
		switch left := len(args) - 1; {
		case same(args[0], "withdist"):
			q.withDist = true
		case same(args[0], "withhash"):
			q.withHash = true
		case same(args[0], "withcoord"):
			q.withPlan = true
		case same(args[0], "any"):
			q.any = true
		case same(args[0], "asc"):
			q.asc, q.desc = true, false
		case same(args[0], "desc"):
			q.asc, q.desc = false, true
		case same(args[0], "count") && left >= 1:
			if q.count, ok = c.intArg(args[1]); !ok {
				return false
			}
			if q.count <= 0 {
				c.error("ERR COUNT must be > 0")
				return false
			}
			used = 1
		case (same(args[0], "store") || same(args[0], "storedist")) && left >= 1 && !q.readOnly && !search:
			q.store, q.storeDist = args[1], same(args[0], "storedist")
			used = 1
		case same(args[0], "storedist") && q.searchStore:
			q.storeDist = true
		case same(args[0], "frommember") && left >= 1 && search && !q.fromLonLat:
			if z != nil && !c.memberPlace(z, args[1], &q.shape) {
				return false
			}
			q.fromMemberGiven = true
			used = 1
		case same(args[0], "fromlonlat") && left >= 2 && search && !q.fromMemberGiven:
			if q.shape.center, ok = c.pointArg(args[1], args[2]); !ok {
				return false
			}
			q.fromLonLat = true
			used = 2
		case same(args[0], "byradius") && left >= 2 && search && !q.byBox:
			if !c.radiusArg(args[1], args[2], &q.shape) {
				return false
			}
			q.byRadius = true
			used = 2
		case same(args[0], "bybox") && left >= 3 && search && !q.byRadius:
			if !c.boxArg(args[1:4], &q.shape) {
				return false
			}
			q.byBox = true
			used = 3
		default:
			c.error(errSyntax)
			return false
		}
		args = args[used:]
	}
	return true
}

// wrong is "", or what is wrong with the options together.
func (q *geoQuery) wrong(name []byte) string {
	switch {
	case q.store != nil && (q.withDist || q.withHash || q.withPlan):
		what := "STORE option in GEORADIUS"
		if q.searchStore {
			what = "GEOSEARCHSTORE"
		}
		return what + " is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
	case !q.radius && !q.fromMemberGiven && !q.fromLonLat:
		return "exactly one of FROMMEMBER or FROMLONLAT can be specified for " + string(name)
	case !q.radius && !q.byRadius && !q.byBox:
		return "exactly one of BYRADIUS and BYBOX can be specified for " + string(name)
	case q.any && q.count == 0:
		return "the ANY argument requires COUNT argument"
	}
	return ""
}

// search finds the members in the shape, square by square; with ANY no more than
// are wanted (redis 7.0.15 geo.c membersOfAllNeighbors).
func (q *geoQuery) search(z *keyspace.SortedSet) (all []found) {
	squares := q.shape.squares()
	last := 0
	full := func() bool { return q.any && len(all) > 0 && int64(len(all)) >= q.count }
	for i, h := range squares {
		if h.zero() || last > 0 && h == squares[last] {
			continue
		}
		if full() {
			break
		}
		lo, hi := h.scores()
		from := z.First(func(m *keyspace.Scored) bool { return m.Score >= lo })
		to := z.First(func(m *keyspace.Scored) bool { return m.Score >= hi })
		z.Range(from, to, false, func(m *keyspace.Scored) bool {
			p := geoDecode(m.Score)
			if d, ok := q.shape.within(p); ok {
				all = append(all, found{m.Member, m.Score, p, d})
			}
			return !full()
		})
		last = i
	}
	return all
}

// places replies what was found.
func (c *Session) places(all []found, q *geoQuery) {
	c.array(len(all))
	options := number(q.withDist) + number(q.withHash) + number(q.withPlan)
	for i := range all {
		if options > 0 {
			c.array(1 + options)
		}
		c.bulkText(all[i].member)
		if q.withDist {
			c.distance(all[i].distance)
		}
		if q.withHash {
			c.int(int64(all[i].score))
		}
		if q.withPlan {
			c.array(2)
			c.degrees(all[i].place.long)
			c.degrees(all[i].place.lat)
		}
	}
}

// storeGeo stores what was found, or deletes the key when that is nothing.
func (s *Server) storeGeo(c *Session, argv [][]byte, all []found, q *geoQuery) {
	z := s.ks.DB(c.db).MakeZSet()
	for i := range all {
		score := all[i].score
		if q.storeDist {
			score = all[i].distance
		}
		z.Set([]byte(all[i].member), score)
	}
	event := "georadiusstore"
	if !q.radius {
		event = "geosearchstore"
	}
	s.storeResult(c, argv, q.store, keyspace.ZSetObject(z), config.ZSetEvents, event, len(all))
	c.int(int64(len(all)))
}
