// Package wording says how results are worded, the same in every report:
// figures in a few characters, verdicts, and the sentence on what it all means.
package wording

import (
	"fmt"
	"math"
	"strconv"

	"github.com/torntail/torntail/reports/result"
)

// Count is a number in at most five characters: 9999, 12.3k, 160k, 1.60M.
func Count(n int64) string {
	if n < 10_000 {
		return strconv.FormatInt(n, 10)
	}
	f := float64(n)
	for _, unit := range []string{"k", "M", "G"} {
		f /= 1000
		// 999.5 would round up to four digits: leave it to the next unit.
		if f < 999.5 || unit == "G" {
			return threeDigits(f) + unit
		}
	}
	return ""
}

// threeDigits prints a figure from 0 to 999 with three digits.
func threeDigits(f float64) string {
	switch {
	case f < 9.995:
		return strconv.FormatFloat(f, 'f', 2, 64)
	case f < 99.95:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 0, 64)
}

// Duration is a time, given in milliseconds, in at most five characters.
func Duration(ms float64) string {
	switch {
	case ms <= 0:
		return "0"
	case ms < 1:
		return "<1ms"
	case ms < 9.95:
		return strconv.FormatFloat(ms, 'f', 1, 64) + "ms"
	case ms < 999.5:
		return strconv.FormatFloat(ms, 'f', 0, 64) + "ms"
	case ms < 600_000:
		return threeDigits(ms/1000) + "s"
	case ms < 36_000_000:
		return strconv.FormatFloat(ms/60_000, 'f', 0, 64) + "min"
	}
	return strconv.FormatFloat(ms/3_600_000, 'f', 0, 64) + "h"
}

// Latency is a time, given in milliseconds, in at most five characters; below a
// millisecond in microseconds.
func Latency(ms float64) string {
	if ms > 0 && ms < 0.9995 {
		return strconv.FormatFloat(ms*1000, 'f', 0, 64) + "us"
	}
	return Duration(ms)
}

// Bytes is a number of bytes in at most five characters: 9999, 12.3k, 1.60M.
func Bytes(n float64) string { return Count(int64(math.Round(n))) }

// PerOperation is how often something happens for each operation: 1.00, 0.021, 0.
func PerOperation(f float64) string {
	switch {
	case f <= 0:
		return "0"
	case f < 0.0001:
		return "<.0001"
	case f < 0.01:
		return strconv.FormatFloat(f, 'f', 4, 64)
	}
	return strconv.FormatFloat(f, 'f', 3, 64)
}

// Round is a time, given in milliseconds, with no more digits than it needs: a bound.
func Round(ms float64) string {
	switch {
	case ms >= 1000 && ms < 600_000 && math.Mod(ms, 1000) == 0:
		return strconv.FormatFloat(ms/1000, 'f', 0, 64) + "s"
	case ms >= 1000 && ms < 100_000 && math.Mod(ms, 100) == 0:
		return strconv.FormatFloat(ms/1000, 'f', 1, 64) + "s"
	}
	return Duration(ms)
}

// AtLeast is a lower bound in at most six characters, rounded down.
func AtLeast(ms float64) string {
	switch {
	case ms < 100:
		return fmt.Sprintf(">=%.0fms", math.Floor(max(ms, 0)))
	case ms < 10_000:
		return fmt.Sprintf(">=%.1fs", math.Floor(ms/100)/10)
	case ms < 600_000:
		return fmt.Sprintf(">=%.0fs", math.Floor(ms/1000))
	}
	return fmt.Sprintf(">=%.0fh", math.Floor(ms/3_600_000))
}

// Window is one figure of a loss window. With censored crashes all its figures
// are lower bounds: a longer run could have lost more.
func Window(w *result.LossWindow, ms float64) string {
	if w.Censored > 0 && ms > 0 {
		return AtLeast(ms)
	}
	return Duration(ms)
}

// Share is part of a whole in percent, never rounded up to all or down to none.
func Share(part, whole int) string {
	if whole <= 0 {
		return "-"
	}
	percent := math.Round(100 * float64(part) / float64(whole))
	switch {
	case part >= whole:
		percent = 100
	case part > 0 && percent < 1:
		percent = 1
	case percent > 99:
		percent = 99
	}
	return strconv.FormatFloat(percent, 'f', 0, 64) + "%"
}

// Struck is how many crashes struck: a number when all did, else of how many.
func Struck(r *result.Result) string {
	if r.Struck == r.Runs {
		return Count(int64(r.Struck))
	}
	if s := fmt.Sprintf("%d/%d", r.Struck, r.Runs); len(s) <= 7 {
		return s
	}
	return Share(r.Struck, r.Runs)
}

// Bound is the figure that the loss window stands beside: what the
// documentation promises, else what our disk model sets, marked with ~.
func Bound(r *result.Result) string {
	if ms, ok := r.Bound(result.Documented); ok {
		return Round(ms)
	}
	if ms, ok := r.Bound(result.Modelled); ok {
		return "~" + Round(ms)
	}
	if ms, ok := r.Bound(result.Source); ok {
		return Round(ms)
	}
	return "none"
}

// ByItself is the share of crashes after which the server came back by itself;
// "-" where none was to come back, as in a partition.
func ByItself(r *result.Result) string {
	if r.Recovery == (result.Recovery{}) && r.Struck > 0 {
		return "-"
	}
	return Share(r.Recovery.ByItself, r.Struck)
}
