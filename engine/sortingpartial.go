package engine

// partialSort sorts elements first to last of all into their places, as redis 7.0.15
// pqsort.c does, whose order of equal ones can be seen: a quicksort (Bentley and McIlroy,
// "Engineering a sort function", 1993) that leaves parts without such an element alone.
func partialSort[E any](all []E, compare func(a, b E) int, first, last int) {
	for at := 0; ; {
		a, n := all[at:], len(all)-at
		if n < 7 {
			for i := 1; i < n; i++ {
				for j := i; j > 0 && compare(a[j-1], a[j]) > 0; j-- {
					a[j], a[j-1] = a[j-1], a[j]
				}
			}
			return
		}
		m := n / 2
		if n > 7 {
			l, r := 0, n-1
			if n > 40 {
				d := n / 8
				l = medianOf(a, compare, l, l+d, l+2*d)
				m = medianOf(a, compare, m-d, m, m+d)
				r = medianOf(a, compare, r-2*d, r-d, r)
			}
			m = medianOf(a, compare, l, m, r)
		}
		a[0], a[m] = a[m], a[0]
		// Equal ones are gathered at both ends: a[:equalL] and a[equalR+1:].
		equalL, l, r, equalR := 1, 1, n-1, n-1
		for {
			for ; l <= r; l++ {
				order := compare(a[l], a[0])
				if order > 0 {
					break
				}
				if order == 0 {
					a[equalL], a[l] = a[l], a[equalL]
					equalL++
				}
			}
			for ; l <= r; r-- {
				order := compare(a[r], a[0])
				if order < 0 {
					break
				}
				if order == 0 {
					a[r], a[equalR] = a[equalR], a[r]
					equalR--
				}
			}
			if l > r {
				break
			}
			a[l], a[r] = a[r], a[l]
			l, r = l+1, r-1
		}
		for i := range min(equalL, l-equalL) {
			j := l - min(equalL, l-equalL) + i
			a[i], a[j] = a[j], a[i]
		}
		k := min(equalR-r, n-1-equalR)
		for i := range k {
			a[l+i], a[n-k+i] = a[n-k+i], a[l+i]
		}
		less, more := l-equalL, equalR-r
		if less > 1 && last >= at && first < at+less {
			partialSort(a[:less], compare, first-at, last-at)
		}
		at += n - more
		if more <= 1 || last < at || first >= at+more {
			return
		}
	}
}

// medianOf is which of three elements is between the others.
func medianOf[E any](a []E, compare func(a, b E) int, i, j, k int) int {
	next, ends := compare(a[j], a[k]), compare(a[i], a[k]) < 0
	if compare(a[i], a[j]) < 0 {
		if next < 0 {
			return j
		}
		if ends {
			return k
		}
		return i
	}
	if next > 0 {
		return j
	}
	if ends {
		return i
	}
	return k
}
