// Package maps depends on the order of maps.
package maps

import (
	"iter"
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/sim"
)

func Direct(e env.Env, m map[string]int) {
	e.Go("task", func() {
		for k := range m { // want map: loop
			_ = k
		}
	})
}

func keys[M ~map[K]V, K comparable, V any](m M) (all []K) {
	for k := range m { // want map: loop
		all = append(all, k)
	}
	return all
}

type set map[string]bool

func Generic(e env.Env, s set) {
	e.Go("task", func() { keys(s) })
}

func Iterators(e env.Env, m map[string]int) {
	e.Go("task", func() {
		for range maps.Keys(m) { // want map: maps.Keys // want map: what maps.Keys has made
		}
		_ = slices.Collect(maps.Values(m))                         // want map: maps.Values
		_ = slices.Sorted(maps.Keys(m))                            //
		maps.DeleteFunc(m, func(string, int) bool { return true }) // want use: maps.DeleteFunc
	})
}

// An iterator that is made outside.
func Handed(e env.Env, m map[string]int) {
	each := maps.Keys(m)
	e.Go("task", func() { first(each) })
}

func first(each iter.Seq[string]) {
	for k := range each { // want map: what maps.Keys has made
		_ = k
		break
	}
}

func Reflection(e env.Env, m any) {
	e.Go("task", func() {
		v := reflect.ValueOf(m) // want use: reflect.ValueOf
		it := v.MapRange()      // want use: reflect.Value.MapRange
		_ = it.Next()           // want use: reflect.MapIter.Next
	})
}

func Shared(e env.Env, m *sync.Map) {
	e.Go("task", func() {
		m.Range(func(k, v any) bool { return false }) // want use: sync.Map.Range
	})
}

// all is the outside: what runs before the world does.
func all(n *sim.Node) {
	Direct(n.Env(), nil)
	Generic(n.Env(), nil)
	Iterators(n.Env(), nil)
	Handed(n.Env(), nil)
	Reflection(n.Env(), nil)
	Shared(n.Env(), nil)
}
