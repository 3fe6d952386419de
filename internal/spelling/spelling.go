// Package spelling answers a word that is not known with the one that was meant.
package spelling

import (
	"fmt"
	"slices"
	"strings"
)

// Known reports a word that is none of names: with the nearest one if there is
// one, else with all of them. what says what the word is: "--mode", "crash kind".
func Known(what, word string, names []string) error {
	if slices.Contains(names, word) {
		return nil
	}
	if near := Nearest(word, names); near != "" {
		return fmt.Errorf("%s %q is not known: did you mean %q?", what, word, near)
	}
	return fmt.Errorf("%s %q is not known: want one of %s", what, word, strings.Join(names, ", "))
}

// Find is the one of a list that is called word; if there is none the error is Known's.
func Find[T any](what, word string, list []T, name func(T) string) (one T, err error) {
	names := make([]string, len(list))
	for i, v := range list {
		if names[i] = name(v); names[i] == word {
			return v, nil
		}
	}
	return one, Known(what, word, names)
}

// Nearest is the name that word most resembles: one that takes at most one edit
// for each three letters (one in all for a word of two), or the only one that word
// begins; "" when there is none.
func Nearest(word string, names []string) string {
	word = strings.ToLower(word)
	best, found := len(word)/3+1, ""
	if len(word) == 2 {
		best = 2
	}
	var begins []string
	for _, name := range names {
		lower := strings.ToLower(name)
		if d := Distance(word, lower); d < best {
			best, found = d, name
		}
		if len(word) >= 2 && strings.HasPrefix(lower, word) {
			begins = append(begins, name)
		}
	}
	if len(begins) == 1 && best > 0 {
		return begins[0]
	}
	return found
}

// longest is the longest word whose distance to another is computed: no name of
// ours is as long, and a file may hold words of any length.
const longest = 64

// Distance counts the bytes to insert, remove, replace, or exchange with their
// neighbour to get from a to b (optimal string alignment).
func Distance(a, b string) int {
	if len(a) > longest || len(b) > longest {
		return max(len(a), len(b))
	}
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
