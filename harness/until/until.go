// Package until reads conditions on what has been seen so far, at which somebody stops:
// "lost>0", "window>=1.5s".
package until

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Figure is something that conditions on a T can be about.
type Figure[T any] struct {
	Name string
	Of   func(seen T) float64
	// Time: Of is in nanoseconds, and conditions name a duration.
	Time bool
}

// Condition is FIGURE OPERATOR NUMBER.
type Condition[T any] struct {
	text   string
	figure Figure[T]
	op     string
	bound  float64
}

// operators are all of them, the longer ones first.
var operators = []string{">=", "<=", "=", ">", "<"}

// Parse reads a condition on one of the figures.
func Parse[T any](text string, figures []Figure[T]) (*Condition[T], error) {
	i := slices.IndexFunc(operators, func(op string) bool { return strings.Contains(text, op) })
	if i < 0 {
		return nil, fmt.Errorf("%q: want a figure, one of > >= < <= =, and a number, such as lost>0", text)
	}
	c := &Condition[T]{text: text, op: operators[i]}
	name, bound, _ := strings.Cut(text, c.op)
	name, bound = strings.TrimSpace(name), strings.TrimSpace(bound)
	var names []string
	for _, f := range figures {
		if f.Name == name {
			c.figure = f
		}
		names = append(names, f.Name)
	}
	var err error
	switch {
	case c.figure.Of == nil:
		return nil, fmt.Errorf("%q: %q is none of %s", text, name, strings.Join(names, ", "))
	case c.figure.Time:
		var d time.Duration
		if d, err = time.ParseDuration(bound); err != nil || d < 0 {
			return nil, fmt.Errorf("%q: %q is not a duration, such as 1.5s", text, bound)
		}
		c.bound = float64(d)
	default:
		if c.bound, err = strconv.ParseFloat(bound, 64); err != nil || !(c.bound >= 0) {
			return nil, fmt.Errorf("%q: %q is not a number from 0 on", text, bound)
		}
	}
	return c, nil
}

func (c *Condition[T]) String() string { return c.text }

// Holds reports whether the condition is met.
func (c *Condition[T]) Holds(seen T) bool {
	v := c.figure.Of(seen)
	switch c.op {
	case ">":
		return v > c.bound
	case ">=":
		return v >= c.bound
	case "<":
		return v < c.bound
	case "<=":
		return v <= c.bound
	}
	return v == c.bound
}
