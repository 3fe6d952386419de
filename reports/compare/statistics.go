package compare

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/torntail/torntail/internal/quantile"
)

// fewest is how many values each side of a rank test needs: below it the normal
// approximation of its tails is a guess.
const fewest = 8

// mannWhitney is the two-sided p value of the rank-sum test with its normal
// approximation, corrected for ties and continuity, and whether b's values tend
// to be larger. Far out in the tail the approximation errs on the side of not
// flagging. NaN when there are too few values.
func mannWhitney(a, b []float64) (p float64, up bool) {
	if len(a) < fewest || len(b) < fewest {
		return math.NaN(), false
	}
	type value struct {
		v float64
		b bool
	}
	all := make([]value, 0, len(a)+len(b))
	for _, v := range a {
		all = append(all, value{v, false})
	}
	for _, v := range b {
		all = append(all, value{v, true})
	}
	slices.SortFunc(all, func(x, y value) int {
		switch {
		case x.v < y.v:
			return -1
		case x.v > y.v:
			return 1
		}
		return 0
	})
	rankSum, ties := 0.0, 0.0
	for i := 0; i < len(all); {
		j := i
		inB := 0
		for ; j < len(all) && all[j].v == all[i].v; j++ {
			if all[j].b {
				inB++
			}
		}
		t := float64(j - i)
		rankSum += float64(inB) * (float64(i+j+1) / 2) // ranks i+1 to j, the mean of which each gets
		ties += t*t*t - t
		i = j
	}
	n, m := float64(len(a)), float64(len(b))
	u := rankSum - m*(m+1)/2 // pairs in which b's is larger, ties as half
	middle := n * m / 2
	variance := n * m / 12 * ((n + m + 1) - ties/((n+m)*(n+m-1)))
	if variance <= 0 {
		return 1, false
	}
	z := math.Max(0, math.Abs(u-middle)-0.5) / math.Sqrt(variance)
	return math.Erfc(z / math.Sqrt2), u > middle
}

// smirnov is the two-sided p value (asymptotic, which with ties and few values
// errs on the side of not flagging) of the largest distance between the two
// distributions, and whether b's mean is larger. Unlike ranks it sees a
// distribution that becomes wider where most values stay zero. NaN when there are
// too few values.
func smirnov(a, b []float64) (p float64, up bool) {
	if len(a) < fewest || len(b) < fewest {
		return math.NaN(), false
	}
	x, y := slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	distance := 0.0
	for i, j := 0, 0; i < len(x) && j < len(y); {
		v := min(x[i], y[j])
		for i < len(x) && x[i] == v {
			i++
		}
		for j < len(y) && y[j] == v {
			j++
		}
		distance = max(distance, math.Abs(float64(i)/float64(len(x))-float64(j)/float64(len(y))))
	}
	n, m := float64(len(x)), float64(len(y))
	lambda := distance * math.Sqrt(n*m/(n+m))
	if lambda < 0.3 { // the series below converges slowly there, to 1
		p = 1
	} else {
		for k := 1.0; k <= 20; k++ {
			p += 2 * (1 - 2*math.Mod(k+1, 2)) * math.Exp(-2*k*k*lambda*lambda)
		}
	}
	old, now := measured{values: a}, measured{values: b}
	return min(1, max(0, p)), now.mean() > old.mean()
}

// fisher is the two-sided p value (twice the smaller tail) of Fisher's exact
// test of a out of n against b out of m, and whether b's share is larger.
func fisher(a, n, b, m int) (p float64, up bool) {
	hits := a + b
	choose := func(n, k int) float64 {
		x, _ := math.Lgamma(float64(n + 1))
		y, _ := math.Lgamma(float64(k + 1))
		z, _ := math.Lgamma(float64(n - k + 1))
		return x - y - z
	}
	all := choose(n+m, hits)
	below, above := 0.0, 0.0
	for k := max(0, hits-n); k <= min(hits, m); k++ { // k of the hits are b's
		q := math.Exp(choose(n, hits-k) + choose(m, k) - all)
		if k <= b {
			below += q
		}
		if k >= b {
			above += q
		}
	}
	return min(1, 2*min(below, above)), float64(b)/float64(m) > float64(a)/float64(n)
}

// holm corrects p values for their number (Holm 1979: no assumption about how
// the figures depend on each other) and returns the tests that stay below alpha,
// most significant first.
func holm(tests []test, alpha float64) []test {
	slices.SortStableFunc(tests, func(a, b test) int {
		switch {
		case a.p < b.p:
			return -1
		case a.p > b.p:
			return 1
		}
		return 0
	})
	highest := 0.0
	for i := range tests {
		highest = max(highest, min(1, tests[i].p*float64(len(tests)-i)))
		if highest > alpha {
			return tests[:i]
		}
		tests[i].p = highest
	}
	return tests
}

// resamples is how often the bootstrap draws.
const resamples = 1000

// ratioInterval is the 95 % percentile bootstrap interval of NEW's mean as a
// multiple of OLD's. The draws are seeded: the same figures give the same interval.
func ratioInterval(old, now *measured) (low, high float64) {
	r := rand.New(rand.NewPCG(0x746f726e, 0x7461696c))
	ratios := make([]float64, 0, resamples)
	for range resamples {
		if d := old.resampled(r); d > 0 {
			ratios = append(ratios, now.resampled(r)/d)
		}
	}
	if len(ratios) == 0 {
		return 0, 0
	}
	slices.Sort(ratios)
	return quantile.Down(ratios, 0.025), quantile.Down(ratios, 0.975)
}

// resampled is the mean of as many values, drawn from them with replacement.
func (m *measured) resampled(r *rand.Rand) float64 {
	if m.values == nil {
		hits := 0
		for range m.of {
			if r.IntN(m.of) < m.hits {
				hits++
			}
		}
		return float64(hits) / float64(m.of)
	}
	sum := 0.0
	for range m.values {
		sum += m.values[r.IntN(len(m.values))]
	}
	return sum / float64(len(m.values))
}
