package plan

import (
	"fmt"
	"strconv"
	"strings"
)

// Error is what is wrong with a plan's text, and where.
type Error struct {
	Line, Col int    // from 1; Col counts characters
	Expected  string // what would have been right here
	Found     string // what stands here instead; "" at the end of the line
	Nearest   string // the right word that Found resembles, or ""
}

func (e *Error) Error() string {
	found := "the end of the line"
	if e.Found != "" {
		found = strconv.Quote(e.Found)
	}
	s := fmt.Sprintf("plan line %d:%d: expected %s, found %s", e.Line, e.Col, e.Expected, found)
	if e.Nearest != "" {
		s += fmt.Sprintf("; did you mean %q?", e.Nearest)
	}
	return s
}

// nearest is the candidate that word most resembles, "" when none is near: at
// most one edit for each three letters, or word is the start of only one.
func nearest(word string, candidates []string) string {
	word = strings.ToLower(word)
	best, bestDistance := "", len(word)/3+1
	if len(word) <= 2 {
		bestDistance = 1
	}
	var begins []string
	for _, c := range candidates {
		if d := editDistance(word, strings.ToLower(c)); d <= bestDistance && (best == "" || d < bestDistance) {
			best, bestDistance = c, d
		}
		if len(word) >= 2 && strings.HasPrefix(strings.ToLower(c), word) {
			begins = append(begins, c)
		}
	}
	if len(begins) == 1 && bestDistance > 0 {
		return begins[0]
	}
	return best
}

// editDistance counts insertions, deletions, replacements and exchanges of
// neighbours (optimal string alignment), bytewise.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b)) // no word of ours is that long
	}
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
