package engine

import (
	"math"
	"math/big"
)

// Sine, cosine and arcsine with the digits of the C library that redis-server
// computes distances with: glibc since 2.28 on x86-64 with fused multiplication
// (dbl-64, s_sin.c and e_asin.c), whose last digit is the right one in all but one
// of some thousand cases. GEORADIUS and GEOSEARCHSTORE store all digits. Each
// function adds a short polynomial to what a table has of a point nearby; what is
// asked for of the tables is computed here, to more digits than doubles have.
// math.FMA is written where the library fuses, and float64() where it does not.

// trigonometry is the two tables as far as they have been asked for; the zero
// value is ready.
type trigonometry struct {
	circle [112]*circlePoint
	arcs   [248]*arcsinePart
}

func (s *Server) trigonometry() *trigonometry {
	if s.trig == nil {
		s.trig = new(trigonometry)
	}
	return s.trig
}

// doubled is a number as the sum of two doubles.
type doubled struct{ hi, lo float64 }

func split(x *big.Float) doubled {
	hi, _ := x.Float64()
	return doubled{hi, beyond(x, hi)}
}

// beyond is what a number has besides a double, as another.
func beyond(x *big.Float, hi float64) float64 {
	lo, _ := bigFloat().Sub(x, bigFloat().SetFloat64(hi)).Float64()
	return lo
}

// bigFloat is a number of many more digits than two doubles have.
func bigFloat() *big.Float { return new(big.Float).SetPrec(160) }

// bigSinCos sums the series of sine and cosine, for -1 <= x <= 1.
func bigSinCos(x *big.Float) (sin, cos *big.Float) {
	sums := [2]*big.Float{bigFloat(), bigFloat()}
	term := bigFloat().SetInt64(1) // x^n/n!, with the signs +, +, -, -
	for n := int64(0); n < 48; n++ {
		sums[n%2].Add(sums[n%2], term)
		term.Quo(term.Mul(term, x), bigFloat().SetInt64(n+1))
		if n%2 == 1 {
			term.Neg(term)
		}
	}
	return sums[1], sums[0]
}

// circlePoint is the sine and cosine of a multiple of 1/128.
type circlePoint struct{ sin, cos doubled }

func (t *trigonometry) point(k int) *circlePoint {
	if t.circle[k] == nil {
		sin, cos := bigSinCos(bigFloat().SetFloat64(float64(k) / 128))
		t.circle[k] = &circlePoint{split(sin), split(cos)}
	}
	return t.circle[k]
}

const (
	halfPi    = 1.5707963267948966192
	halfPiLow = 6.123233995736766e-17 // what halfPi lacks
	// smallAngle is up to where a sine needs no table.
	smallAngle = 0.126
)

// nearby is the multiple of 1/128 nearest to x, and what x has besides.
func nearby(x float64) (k int, rest float64) {
	const shift = 3 << 44 // a sum with it has 7 binary digits behind the point
	near := x + shift - shift
	return int(near * 128), x - near
}

// remainder is the part of sine and cosine that the table does not have: sin(x), but
// for x itself, and 1-cos(x) of a small x+dx.
func remainder(x, dx float64) (sin, versine float64) {
	const (
		sin3, sin5       = -1.66666666666664880952546298448555e-01, 8.33333214285722277379541354343671e-03
		cos2, cos4, cos6 = 0.5, -4.16666666666664434524222570944589e-02, 1.38888874007937613028114285595617e-03
	)
	xx := x * x
	cubic := math.FMA(float64(x*xx), math.FMA(sin5, xx, sin3), dx)
	return cubic, float64(xx * math.FMA(math.FMA(cos6, xx, cos4), xx, cos2))
}

// smallSine is the sine of a small x+dx.
func smallSine(x, dx float64) float64 {
	xx := x * x
	p := -2.5022014848318398e-08
	for _, c := range [...]float64{2.755729806860771e-06, -0.00019841269834414642, 0.008333333333332329, -0.16666666666666666} {
		p = math.FMA(p, xx, c)
	}
	return x + math.FMA(xx, math.FMA(p, x, -0.5*dx), dx)
}

// arcSine and arcCosine are those of x+dx, for x within a quarter of the circle.
func (t *trigonometry) arcSine(x, dx float64) float64 {
	if math.Abs(x) < smallAngle {
		return smallSine(x, dx)
	}
	if x <= 0 {
		dx = -dx
	}
	k, rest := nearby(math.Abs(x))
	at := t.point(k)
	cubic, versine := remainder(rest, dx)
	s, c := rest+cubic, math.FMA(rest, dx, versine)
	low := math.FMA(-c, at.sin.hi, math.FMA(s, at.cos.lo, at.sin.lo))
	return math.Copysign(at.sin.hi+math.FMA(s, at.cos.hi, low), x)
}

func (t *trigonometry) arcCosine(x, dx float64) float64 {
	if x < 0 {
		dx = -dx
	}
	k, rest := nearby(math.Abs(x))
	at := t.point(k)
	rest += dx
	s, c := remainder(rest, rest)
	low := math.FMA(-c, at.cos.hi, math.FMA(-s, at.sin.lo, at.cos.lo))
	return at.cos.hi + math.FMA(-s, at.sin.hi, low)
}

// Up to where an angle needs no other quarter of the circle, to where the nearest
// one, and to where the quarters are counted here, by the high half of its bits.
const (
	highHalfNear    = 0x3feb6000 // 0.855
	highHalfRight   = 0x400368fd // 2.426
	highHalfCounted = 0x419921fb // 1e8
)

func highHalf(x float64) uint32 { return uint32(math.Float64bits(math.Abs(x)) >> 32) }

// sine has the library's digits up to 1e8.
func (t *trigonometry) sine(x float64) float64 {
	switch high := highHalf(x); {
	case high < 0x3e500000: // 2^-26
		return x
	case high < highHalfNear:
		return t.arcSine(x, 0)
	case high < highHalfRight:
		return math.Copysign(t.arcCosine(halfPi-math.Abs(x), halfPiLow), x)
	case high >= highHalfCounted:
		return math.Sin(x)
	}
	rest, low, quarter := turned(x)
	return t.quarterSine(rest, low, quarter)
}

// cosine has the library's digits up to 1e8. Only absurd radii ask for more.
func (t *trigonometry) cosine(x float64) float64 {
	switch high := highHalf(x); {
	case high < 0x3e400000: // 2^-27
		return 1
	case high < highHalfNear:
		return t.arcCosine(x, 0)
	case high < highHalfRight:
		y := halfPi - math.Abs(x)
		a := y + halfPiLow
		return t.arcSine(a, y-a+halfPiLow)
	case high >= highHalfCounted:
		return math.Cos(x)
	}
	rest, low, quarter := turned(x)
	return t.quarterSine(rest, low, quarter+1)
}

func (t *trigonometry) quarterSine(x, dx float64, quarter int) float64 {
	f := t.arcSine
	if quarter&1 != 0 {
		f = t.arcCosine
	}
	if quarter&2 != 0 {
		return -f(x, dx)
	}
	return f(x, dx)
}

// turned takes quarters of the circle away from an angle; low is what rest lacks.
func turned(x float64) (rest, low float64, quarter int) {
	const (
		// Half of pi in four parts, which are multiplied without an error.
		first, second, third, fourth = 0x1.921fb58p+0, -0x1.dde973cp-27, -0x1.cb3b398p-55, -0x1.d747f23e32ed7p-83
		shift                        = 0x1.8p52
	)
	n := math.FMA(x, 2/math.Pi, shift) - shift
	y := math.FMA(-n, second, math.FMA(-n, first, x))
	t := math.FMA(-n, third, y)
	low = math.FMA(-n, third, y-t)
	rest = math.FMA(-n, fourth, t)
	low += math.FMA(-n, fourth, t-rest)
	return rest, low, int(n)
}

// arcsinePart is the arcsine within 1/512 around a number: a polynomial of the
// distance from there.
type arcsinePart struct {
	at    doubled   // hi is a multiple of 2^-51
	terms []float64 // of the powers from 1
}

// arcsineTerms is of which power the polynomial is around c.
func arcsineTerms(c float64) int {
	switch {
	case c < 0.5:
		return 6
	case c < 0.75:
		return 7
	case c < 0.921875:
		return 8
	case c < 0.953125:
		return 9
	}
	return 10
}

// arc is the part of the kth 1/256. Of the Taylor series, the powers that are left
// out are replaced by what comes nearest in the others: all but Chebyshev's
// polynomial.
func (t *trigonometry) arc(k int) *arcsinePart {
	if t.arcs[k] != nil {
		return t.arcs[k]
	}
	const powers = 24
	at := (float64(k) + 0.5) / 256
	c := bigFloat().SetFloat64(at)
	y := bigFloat().SetFloat64(math.Asin(at))
	for range 4 { // each doubles the digits
		sin, cos := bigSinCos(y)
		y.Sub(y, sin.Quo(sin.Sub(sin, c), cos))
	}
	exact, _ := y.Float64()
	hi := math.RoundToEven(exact*0x1p51) * 0x1p-51
	// (1-c²)(n+2)(n+1)a[n+2] = (n+1)(2n+1)c·a[n+1] + n²·a[n]
	rest := bigFloat().Sub(bigFloat().SetInt64(1), bigFloat().Mul(c, c))
	a := []*big.Float{y, bigFloat().Quo(bigFloat().SetInt64(1), bigFloat().Sqrt(rest))}
	for n := range int64(powers) {
		next := bigFloat().Mul(bigFloat().SetInt64((n+1)*(2*n+1)), bigFloat().Mul(c, a[n+1]))
		next.Add(next, bigFloat().Mul(bigFloat().SetInt64(n*n), a[n]))
		a = append(a, next.Quo(next, bigFloat().Mul(rest, bigFloat().SetInt64((n+2)*(n+1)))))
	}
	terms := arcsineTerms(at)
	for n := len(a) - 1; n > terms; n-- {
		// x^n - T_n(x)/2^(n-1), on the scale of 512ths
		factor := bigFloat().Set(a[n])
		for j := 1; 2*j <= n; j++ {
			// the binomial n-j over j, times n/(n-j), over 4^j, with its sign
			binomial := new(big.Int).Binomial(int64(n-j), int64(j))
			part := bigFloat().SetInt(binomial.Mul(binomial, big.NewInt(int64(n))))
			part.Quo(part, bigFloat().SetInt64(int64(n-j)))
			part.SetMantExp(part, -2*j-18*j)
			if part.Mul(part, factor); j%2 == 0 {
				part.Neg(part)
			}
			a[n-2*j].Add(a[n-2*j], part)
		}
	}
	t.arcs[k] = &arcsinePart{at: doubled{hi, beyond(a[0], hi)}}
	for _, term := range a[1 : terms+1] {
		f, _ := term.Float64()
		t.arcs[k].terms = append(t.arcs[k].terms, f)
	}
	return t.arcs[k]
}

// smallArcsine is what the arcsine of a small number has besides the number, as a
// part of it; xx is its square.
func smallArcsine(xx float64) float64 {
	p := 0.018138290340456505
	for _, c := range [...]float64{0.022355121102652562, 0.03038212685821193, 0.044642856142105974, 0.07500000000261227, 0.1666666666666641} {
		p = math.FMA(p, xx, c)
	}
	return p
}

// arcsine is that of a number from 0 to 1.
func (t *trigonometry) arcsine(x float64) float64 {
	switch {
	case x < 0x1p-26 || x > 1:
		return x
	case x == 1:
		return halfPi
	case x < 0.125:
		xx := x * x
		return math.FMA(smallArcsine(xx), float64(x*xx), x)
	case x >= 0.96875:
		// arcsin(x) = pi/2 - 2·arcsin(root of half of what x lacks to 1)
		z := (1 - x) * 0.5
		root := math.Sqrt(z)
		short := root + 0x1p24 - 0x1p24
		low := math.FMA(-short, short, z) / (root + short)
		p := float64(smallArcsine(z) * z)
		correction := math.FMA(-2*(low+short), p, math.FMA(-2, low, halfPiLow))
		return correction + math.FMA(-2, short, halfPi)
	}
	k := int(x * 256)
	around := t.arc(k)
	h := x - (float64(k)+0.5)/256
	last := len(around.terms) - 1
	p := around.terms[last]
	for n := last - 1; n > 0; n-- {
		p = math.FMA(p, h, around.terms[n])
	}
	p = math.FMA(float64(h*h), p, around.at.lo)
	return math.FMA(h, around.terms[0], p) + around.at.hi
}
