package chart

import "math"

// Axis says how values become places.
type Axis struct {
	Label    string
	Min, Max float64
	// Ticks are the values that are marked; nil: a nice step.
	Ticks []float64
	Words func(v float64) string // how a value is shown; nil: none is
	// Log spreads small values: what is drawn is the logarithm of one more than the
	// value, so that nothing has its place at the foot of the axis.
	Log bool
	// Names stand at 0, 1, 2 and so on instead of values.
	Names []string
}

// scale is an axis laid out between two places.
type scale struct {
	*Axis
	from, to float64
}

func (a *Axis) shape(v float64) float64 {
	if a.Log {
		return math.Log10(1 + max(v, 0))
	}
	return v
}

// at is where a value is.
func (s scale) at(v float64) float64 {
	low, high := s.shape(s.Min), s.shape(s.Max)
	if high <= low {
		return s.from
	}
	return s.from + (s.to-s.from)*(s.shape(v)-low)/(high-low)
}

// Steps are multiples of a nice step from 0 to the first at or beyond end.
func Steps(end float64) []float64 {
	if !finite(end) || end <= 0 {
		return []float64{0, 1}
	}
	step := niceStep(end)
	if step <= 0 || !finite(step) { // end is at the edge of what a float64 can hold
		return []float64{0, end}
	}
	var list []float64
	for i := 0; float64(i)*step < end+step*0.999; i++ {
		list = append(list, float64(i)*step)
	}
	return list
}

// mostTicks is how many steps an axis has at most.
const mostTicks = 6

// niceStep is a distance between ticks of 1, 2 or 5 times a power of ten, such
// that there are at most so many of them as can be read.
func niceStep(end float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(end/mostTicks)))
	for _, f := range []float64{1, 2, 5, 10} {
		if end/(f*power) <= mostTicks {
			return f * power
		}
	}
	return 10 * power
}
