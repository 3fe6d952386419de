//go:build !linux

package process

import (
	"context"
	"time"
)

// Process is one started server. There are none here.
type Process struct{}

func Start(Spec) (*Process, error) { return nil, ErrUnsupported }

func Run(Spec) (string, Exit, error) { return "", Exit{}, ErrUnsupported }

func StartRedis(context.Context, RedisSpec) (*Redis, error) { return nil, ErrUnsupported }

func Available(string) error { return ErrUnsupported }

func Version(string) (string, error) { return "", ErrUnsupported }

func Kind(string) (version, product string, err error) { return "", "", ErrUnsupported }

func VersionOf([]string) (string, error) { return "", ErrUnsupported }

func (p *Process) Pid() int                         { return 0 }
func (p *Process) Serves() int                      { return 0 }
func (p *Process) Wrapped() bool                    { return false }
func (p *Process) Outlived() bool                   { return false }
func (p *Process) Done() <-chan struct{}            { return nil }
func (p *Process) Exited() bool                     { return true }
func (p *Process) Wait() Exit                       { return Exit{} }
func (p *Process) Kill(tree bool)                   {}
func (p *Process) Term()                            {}
func (p *Process) Pause()                           {}
func (p *Process) Resume()                          {}
func (p *Process) KillTree()                        {}
func (p *Process) WaitTree()                        {}
func (p *Process) Children() []int                  { return nil }
func (p *Process) KillChildren() int                { return 0 }
func (p *Process) WaitChildren(time.Duration) error { return nil }
func (p *Process) Tail() string                     { return "" }
func (p *Process) OutputDone()                      {}
func (p *Process) AwaitOutput(time.Duration)        {}
