// Package addresses lets addresses be seen.
package addresses

import (
	"errors"
	"fmt"
	"reflect"
	"time"
	"unsafe"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/sim"
)

type node struct {
	name string
	next *node
}

func (n *node) f() {}

type named struct{ next *node }

func (named) String() string { return "named" }

func Direct(e env.Env, n *node, data []byte) {
	e.Go("task", func() {
		_ = fmt.Sprintf("%p", n)                     // want address: %p // want address: fmt.Sprintf
		_ = fmt.Sprint(*n)                           // want address: fmt.Sprint
		_ = fmt.Sprintf("%s: %v", n.name, n)         // want address: fmt.Sprintf
		_ = fmt.Sprint(n.f)                          // want address: fmt.Sprint
		_ = fmt.Errorf("no %v", map[*node]int{})     // want address: fmt.Errorf
		_ = fmt.Sprint(&n.name)                      // want address: fmt.Sprint
		_ = uintptr(unsafe.Pointer(n))               // want address: an address // want unsafe: conversion
		_ = reflect.ValueOf(n).Pointer()             // want use: reflect.ValueOf // want use: reflect.Value.Pointer
		_ = unsafe.String(unsafe.SliceData(data), 1) // want unsafe: unsafe.String // want unsafe: unsafe.SliceData
		_ = fmt.Sprintf("%T %s %v", n, n.name, named{n})
		_ = fmt.Sprintf("%v", &struct{ a, b int }{})
		_ = fmt.Sprint(map[string][]int{}, errors.New("x"))
	})
}

// show is given a pointer among other things.
func show(args ...any) string {
	return fmt.Sprintln(args...) // want address: fmt.Sprintln
}

func Handed(e env.Env, n *node) {
	e.Go("task", func() {
		_ = show(1, n)
	})
}

// logger has a format of its own.
type logger interface {
	logf(format string, args ...any)
}

type buffer struct{ text []byte }

func (b *buffer) logf(format string, args ...any) { b.text = fmt.Appendf(b.text, format, args...) }

// hidden has a time in a field where it cannot print itself.
type hidden struct{ at time.Time }

func Wrapped(e env.Env, n *node) {
	var l logger = &buffer{}
	e.Go("task", func() {
		l.logf("%-10p", &[]int{1}) // want address: %p
		l.logf("%5.1f%% of %*d", 1, 2, 3)
		_ = fmt.Sprint(hidden{})       // want address: fmt.Sprint prints the address in a *time.Location
		_ = fmt.Sprint(e.Wall().UTC()) //
	})
}

// all is the outside: what runs before the world does.
func all(n *sim.Node) {
	Direct(n.Env(), nil, nil)
	Handed(n.Env(), nil)
	Wrapped(n.Env(), nil)
}
