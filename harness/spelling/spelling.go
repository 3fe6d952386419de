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

// Nearest is the name that takes the fewest changes to become word, at most a
// third of its length; "" when there is none so near.
func Nearest(word string, names []string) string {
	best, found := len(word)/3+1, ""
	for _, name := range names {
		if d := distance(strings.ToLower(word), strings.ToLower(name)); d < best {
			best, found = d, name
		}
	}
	return found
}

// distance is the number of bytes to insert, remove or replace to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
