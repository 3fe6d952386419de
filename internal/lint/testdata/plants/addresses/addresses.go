// Package addresses lets addresses be seen.
package addresses

import (
	"errors"
	"fmt"
	"reflect"
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
		_ = fmt.Sprintf("%p", n)                     // want address: %p
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

// all is the outside: what runs before the world does.
func all(n *sim.Node) {
	Direct(n.Env(), nil, nil)
	Handed(n.Env(), nil)
}
