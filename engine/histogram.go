package engine

import (
	"math/bits"
	"slices"
	"sort"
)

// histogram counts how long a command took, with the steps of Redis's (HdrHistogram with
// two digits from 1 ns to 1 s): all below 256 are told apart, and above that each power
// of two has 128 steps. It holds only the steps that there are, by their order: in a
// simulation, where commands take no time, one.
type histogram struct {
	steps []step
	total int64
}

type step struct{ index, count int64 }

const (
	histogramBits = 8 // of the smallest values, which are told apart
	longestTold   = 1_000_000_000
)

// stepOf is the step that a number of nanoseconds is in.
func stepOf(ns int64) int64 {
	shift := max(bits.Len64(uint64(ns))-histogramBits, 0)
	return int64(shift)<<(histogramBits-1) + ns>>shift
}

// bounds are the least and the greatest number of nanoseconds of a step.
func (s step) bounds() (least, most int64) {
	shift := max(s.index>>(histogramBits-1)-1, 0)
	least = (s.index - shift<<(histogramBits-1)) << shift
	return least, least + 1<<shift - 1
}

// add counts a number of nanoseconds.
func (h *histogram) add(ns int64) {
	index := stepOf(min(max(ns, 1), longestTold))
	i, found := slices.BinarySearchFunc(h.steps, index, func(s step, index int64) int { return int(s.index - index) })
	if !found {
		h.steps = slices.Insert(h.steps, i, step{index: index})
	}
	h.steps[i].count++
	h.total++
}

// percentile is how many nanoseconds a share of the commands took at most.
func (h *histogram) percentile(share float64) int64 {
	wanted := max(int64(share/100*float64(h.total)+0.5), 1)
	for _, s := range h.steps {
		if wanted -= s.count; wanted <= 0 {
			least, most := s.bounds()
			if share == 0 {
				return least
			}
			return most
		}
	}
	return 0
}

// cumulative calls f for each power of two from 1,024 ns on at which there are more
// commands than at the one before, with its microseconds and how many took no longer.
func (h *histogram) cumulative(f func(us, count int64)) (n int) {
	told := int64(0)
	for level := int64(1024); told < h.total && level < 1<<30; level *= 2 { // what took longer is told by no step
		index := stepOf(level)
		end := sort.Search(len(h.steps), func(i int) bool { return h.steps[i].index > index })
		count := int64(0)
		for _, s := range h.steps[:end] {
			count += s.count
		}
		if count == told {
			continue
		}
		told = count
		n++
		if f != nil {
			_, most := step{index: index}.bounds()
			f(most/1000, count)
		}
	}
	return n
}
