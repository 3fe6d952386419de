package engine

import "math"

// Places on the earth as numbers of 52 bits, 26 of latitude and longitude each,
// which alternate (redis 7.0.15 geohash.c, geohash_helper.c).

const (
	geoSteps    = 26
	geoLatMax   = 85.05112878
	geoLongMax  = 180.0
	earthRadius = 6372797.560856 // m
	mercatorMax = 20037726.37    // m
)

// geoRange is an interval of degrees.
type geoRange struct{ min, max float64 }

var (
	geoLong = geoRange{-geoLongMax, geoLongMax}
	geoLat  = geoRange{-geoLatMax, geoLatMax}
	// fullLat is the range of the geohashes that others use.
	fullLat = geoRange{-90, 90}
)

// geoBits is a square of the earth: the first steps bits of each coordinate.
type geoBits struct {
	bits  uint64
	steps uint
}

func (h geoBits) zero() bool { return h.bits == 0 && h.steps == 0 }

// point is a place in degrees.
type point struct{ long, lat float64 }

func geoEncode(p point, lat geoRange, steps uint) geoBits {
	x := (p.lat - lat.min) / (lat.max - lat.min) * float64(uint64(1)<<steps)
	y := (p.long - geoLong.min) / (geoLong.max - geoLong.min) * float64(uint64(1)<<steps)
	return geoBits{spread(uint32(x)) | spread(uint32(y))<<1, steps}
}

// spread puts a zero between the bits of a number.
func spread(v uint32) (out uint64) {
	for i := range 32 {
		out |= uint64(v>>i&1) << (2 * i)
	}
	return out
}

func gather(v uint64) (out uint32) {
	for i := range 32 {
		out |= uint32(v>>(2*i)&1) << i
	}
	return out
}

// area is what a square covers.
func (h geoBits) area() (long, lat geoRange) {
	side := func(n uint32, r geoRange) geoRange {
		scale, parts := r.max-r.min, float64(uint64(1)<<h.steps)
		return geoRange{r.min + float64(n)/parts*scale, r.min + float64(n+1)/parts*scale}
	}
	return side(gather(h.bits>>1), geoLong), side(gather(h.bits), geoLat)
}

// geoDecode is the middle of a member's square.
func geoDecode(score float64) point {
	long, lat := geoBits{toUnsigned(score), geoSteps}.area()
	return point{
		min(max((long.min+long.max)/2, geoLong.min), geoLong.max),
		min(max((lat.min+lat.max)/2, geoLat.min), geoLat.max),
	}
}

// toUnsigned converts a score as C's conversion to uint64_t does on x86-64, where
// the language leaves it open: negative numbers wrap, and what no 64 bits hold
// becomes the highest bit, or nothing when it is beyond that bit.
func toUnsigned(score float64) uint64 {
	signed := func(f float64) uint64 {
		if f < -1<<63 || f >= 1<<63 {
			return 1 << 63
		}
		return uint64(int64(f))
	}
	if score < 1<<63 {
		return signed(score)
	}
	return signed(score-1<<63) ^ 1<<63
}

// move is the neighbour so many squares east and north, which are -1, 0 or 1.
func (h geoBits) move(east, north int) geoBits {
	const longBits, latBits = 0xaaaaaaaaaaaaaaaa, 0x5555555555555555
	shift := 64 - h.steps*2
	// The other coordinate's bits carry the one from bit to bit.
	step := func(own, other uint64, d int) uint64 {
		if d > 0 {
			return own + (other>>shift + 1)
		}
		return (own | other>>shift) - (other>>shift + 1)
	}
	x, y := h.bits&longBits, h.bits&latBits
	if east != 0 {
		x = step(x, latBits, east) & (longBits >> shift)
	}
	if north != 0 {
		y = step(y, longBits, north) & (latBits >> shift)
	}
	return geoBits{x | y, h.steps}
}

// scores are the scores [min, max) of the members in a square.
func (h geoBits) scores() (min, max float64) {
	shift := 2*geoSteps - h.steps*2
	return float64(h.bits << shift), float64((h.bits + 1) << shift)
}

func radians(degrees float64) float64 { return degrees * (math.Pi / 180) }
func degrees(radians float64) float64 { return radians / (math.Pi / 180) }

// latDistance is the distance of two latitudes in metres.
func latDistance(a, b float64) float64 { return earthRadius * math.Abs(radians(b)-radians(a)) }

// distance is the distance of two places in metres, by the haversine.
func (t *trigonometry) distance(a, b point) float64 {
	v := t.sine((radians(b.long) - radians(a.long)) / 2)
	if v == 0 {
		return latDistance(a.lat, b.lat)
	}
	u := t.sine((radians(b.lat) - radians(a.lat)) / 2)
	h := float64(u*u) + float64(t.cosine(radians(a.lat))*t.cosine(radians(b.lat))*v*v)
	return 2 * earthRadius * t.arcsine(math.Sqrt(h))
}

// geoShape is a circle or a box around a place; lengths in units of metres.
type geoShape struct {
	trig          *trigonometry
	center        point
	box           bool
	radius        float64
	width, height float64
	unit          float64
}

// within is how far a place is from the middle, in metres, if it is in the shape.
func (s *geoShape) within(p point) (distance float64, ok bool) {
	if !s.box {
		distance = s.trig.distance(s.center, p)
		return distance, distance <= s.radius*s.unit
	}
	if latDistance(p.lat, s.center.lat) > s.height*s.unit/2 ||
		s.trig.distance(p, point{s.center.long, p.lat}) > s.width*s.unit/2 {
		return 0, false
	}
	return s.trig.distance(s.center, p), true
}

// bounds is the smallest range of degrees around the shape.
func (s *geoShape) bounds() (long, lat geoRange) {
	height, width := s.unit*s.radius, s.unit*s.radius
	if s.box {
		height, width = s.unit*(s.height/2), s.unit*(s.width/2)
	}
	latDelta := degrees(height / earthRadius)
	edge := s.center.lat + latDelta
	if s.center.lat < 0 {
		edge = s.center.lat - latDelta
	}
	longDelta := degrees(width / earthRadius / s.trig.cosine(radians(edge)))
	return geoRange{s.center.long - longDelta, s.center.long + longDelta}, geoRange{s.center.lat - latDelta, s.center.lat + latDelta}
}

// stepsFor is how fine squares may be that cover a radius with their neighbours.
func stepsFor(meters, lat float64) uint {
	if meters == 0 {
		return geoSteps
	}
	steps := 1
	for meters < mercatorMax {
		meters *= 2
		steps++
	}
	steps -= 2
	if lat > 66 || lat < -66 {
		steps--
		if lat > 80 || lat < -80 {
			steps--
		}
	}
	return uint(min(max(steps, 1), geoSteps))
}

// squares are the nine squares that cover the shape, the middle one first, then
// north, south, east, west, and the corners; what is not needed is zero (redis
// 7.0.15 geohash_helper.c geohashCalculateAreasByShapeWGS84).
func (s *geoShape) squares() (out [9]geoBits) {
	long, lat := s.bounds()
	meters := s.radius
	if s.box {
		meters = math.Sqrt(s.width/2*(s.width/2) + s.height/2*(s.height/2))
	}
	steps := stepsFor(meters*s.unit, s.center.lat)
	directions := [9][2]int{{0, 0}, {0, 1}, {0, -1}, {1, 0}, {-1, 0}, {1, 1}, {-1, 1}, {1, -1}, {-1, -1}}
	around := func() {
		h := geoEncode(s.center, geoLat, steps)
		for i, d := range directions {
			out[i] = h.move(d[0], d[1])
		}
	}
	around()
	_, north := out[1].area()
	_, south := out[2].area()
	east, _ := out[3].area()
	west, _ := out[4].area()
	if steps > 1 && (north.max < lat.max || south.min > lat.min || east.max < long.max || west.min > long.min) {
		steps--
		around()
	}
	if steps < 2 {
		return out
	}
	ownLong, ownLat := out[0].area()
	for i, d := range directions {
		if d[1] < 0 && ownLat.min < lat.min || d[1] > 0 && ownLat.max > lat.max ||
			d[0] < 0 && ownLong.min < long.min || d[0] > 0 && ownLong.max > long.max {
			out[i] = geoBits{}
		}
	}
	return out
}
