// Package allowed does in the world what may be done there, and outside what it likes.
package allowed

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/faults/vfs"
)

func World(n *sim.Node, m map[string]int) {
	n.Start(func(e env.Env, fs vfs.FS) {
		var b bytes.Buffer
		fmt.Fprintf(&b, "%v %d %s", m, len(m), time.Unix(0, 0).UTC().Add(e.Now()))
		var names []string
		for name := range m { // any order: they are sorted below
			names = append(names, name)
		}
		sort.Strings(names)
		slices.SortFunc(names, func(a, b string) int { return strings.Compare(b, a) })
		if _, err := fs.Stat("x"); errors.Is(err, os.ErrNotExist) {
			e.Sleep(time.Second)
		}
		done := e.NewCond()
		e.Go("task", func() { done.Broadcast() })
		done.WaitFor(time.Minute)
	})
}

func Outside(worlds []*sim.World) (took time.Duration) {
	began := time.Now()
	var all sync.WaitGroup
	for _, w := range worlds {
		all.Go(func() { _ = w.Run(time.Second) })
	}
	all.Wait()
	fmt.Fprintln(os.Stderr, "done")
	return time.Since(began)
}

// all is the outside: what runs before the world does.
func all(n *sim.Node) {
	World(n, nil)
	Outside(nil)
}
