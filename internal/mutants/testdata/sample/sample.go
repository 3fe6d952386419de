// Package sample is what the test of mutants changes.
package sample

// Abs is n without its sign.
func Abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// Total is the sum of the numbers that are not nought, but for what follows a negative one.
func Total(list []int) (sum int) {
	for _, n := range list {
		if n == 0 {
			continue
		}
		if n < -1 {
			break
		}
		sum = sum + n
	}
	return sum
}

// Ready is asked by nobody.
func Ready() bool { return true }

// Kibi is n in units of 1024. A shift of something that is no constant has another type.
func Kibi(n int) float64 { return float64(n) / (1 << 10) }
