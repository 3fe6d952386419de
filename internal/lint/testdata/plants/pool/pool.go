// Package pool is a dependency that the world may use, but not for everything.
package pool

import (
	"sync/atomic"
	"time"
)

func init() {
	go func() {}() // want go: go statement
}

// Pool does things in the background.
type Pool struct {
	work  func()
	count atomic.Int64
}

func (p *Pool) Do() {
	go p.work() // want go: go statement
}

func (p *Pool) Count() int64 {
	return p.count.Load() // want use: sync/atomic.Int64.Load
}

// Each calls f for each number below n.
func Each(n int, f func(int)) {
	for i := range n {
		f(i)
	}
}

// Retry is generic.
func Retry[T any](f func() (T, error)) (T, error) {
	for {
		if v, err := f(); err == nil {
			return v, nil
		}
		pause()
	}
}

var pause = func() {
	time.Sleep(time.Second) // want use: time.Sleep
}

// Secret is not on the list.
func Secret() {}
