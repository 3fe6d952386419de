// Package callbacks has the standard library call what should not be called.
package callbacks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/sim"
)

func Less(e env.Env, s []int) {
	e.Go("task", func() {
		sort.Slice(s, func(i, j int) bool {
			return rand.IntN(2) == 0 // want use: math/rand/v2.IntN
		})
	})
}

// A comparison that comes from a field.
type order struct{ compare func(a, b int) int }

func random(a, b int) int {
	return rand.IntN(3) - 1 // want use: math/rand/v2.IntN
}

func (o *order) sort(s []int) { slices.SortFunc(s, o.compare) }

func Compare(e env.Env, s []int) {
	o := &order{compare: random}
	e.Go("task", func() { o.sort(s) })
}

// What prints itself.
type stamp struct{ n int }

func (stamp) String() string {
	return time.Now().String() // want use: time.Now
}

func Print(e env.Env) {
	var v any = stamp{}
	e.Go("task", func() { _ = fmt.Sprintf("%v", v) })
}

// What an error says, deep in another.
type located struct{}

func (located) Error() string {
	d, _ := os.Getwd() // want use: os.Getwd
	return d
}

func Wrap(e env.Env) {
	err := fmt.Errorf("outside: %w", located{})
	e.Go("task", func() { _ = errors.Join(err).Error() })
}

// What is within a value that is encoded.
type host struct{}

func (host) MarshalText() ([]byte, error) {
	name, err := os.Hostname() // want use: os.Hostname
	return []byte(name), err
}

type record struct{ Where []host }

func Encode(e env.Env) {
	e.Go("task", func() { _, _ = json.Marshal(record{}) })
}

// A reader that was made outside.
type noise struct{}

func (noise) Read(b []byte) (int, error) {
	b[0] = byte(rand.Uint32()) // want use: math/rand/v2.Uint32
	return 1, nil
}

func Read(e env.Env) {
	r := io.TeeReader(noise{}, io.Discard)
	e.Go("task", func() { _, _ = io.ReadFull(r, nil) })
}

func Map(e env.Env) {
	shuffle := func(r rune) rune {
		return r + rune(rand.IntN(2)) // want use: math/rand/v2.IntN
	}
	e.Go("task", func() { _ = strings.Map(shuffle, "abc") })
}

// all is the outside: what runs before the world does.
func all(n *sim.Node) {
	Less(n.Env(), nil)
	Compare(n.Env(), nil)
	Print(n.Env())
	Wrap(n.Env())
	Encode(n.Env())
	Read(n.Env())
	Map(n.Env())
}
