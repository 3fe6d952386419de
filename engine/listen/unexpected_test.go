package listen_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

// ended reports whether a process has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// A command of the log or of the master that is an error ends a server that is to panic of
// that, before it serves what it should not have.
func TestUnexpectedErrorsLikeRedis(t *testing.T) {
	const log = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*3\r\n$5\r\nLPUSH\r\n$1\r\nk\r\n$1\r\nx\r\n*3\r\n$3\r\nSET\r\n$1\r\nl\r\n$1\r\nv\r\n*1\r\n$3"
	for _, behavior := range []string{"ignore", "panic-on-replicas", "panic"} {
		t.Run(behavior, func(t *testing.T) {
			said := said{}
			for name, start := range servers {
				note := func(format string, args ...any) { said[name] = append(said[name], fmt.Sprintf(format, args...)) }
				dir := t.TempDir()
				writeFiles(t, dir, map[string]string{
					"appendonlydir/appendonly.aof.manifest":   "file appendonly.aof.1.incr.aof seq 1 type i\n",
					"appendonlydir/appendonly.aof.1.incr.aof": log,
				})
				p := start(t, dir, "--appendonly", "yes", "--propagation-error-behavior", behavior)
				if p.up() {
					p.dial()
					note("keys %s, unexpected %s", p.do("DBSIZE"), p.info("unexpected_error_replies"))
					_ = p.cmd.Process.Kill()
				} else {
					note("it does not start")
				}
				<-p.done
				for _, l := range p.logged("CRITICAL", "Guru") {
					note("%s", l)
				}
				note("a torn end is left: %v", readFile(dir+"/appendonlydir/appendonly.aof.1.incr.aof") == log)

				for _, readOnly := range []string{"yes", "no"} {
					m, r := start(t, t.TempDir()).listens(), start(t, t.TempDir(), "--propagation-error-behavior", behavior, "--replica-read-only", "no").listens()
					r.follow(&m.peer)
					r.catchUp(&m.peer)
					r.do("SET", "k", "v")
					r.do("CONFIG", "SET", "replica-read-only", readOnly)
					m.do("LPUSH", "k", "x")
					m.do("SET", "l", "v")
					r.eventually("it has gone on or not", func() bool {
						if r.ended() {
							return true
						}
						l, _ := r.c.Do("GET", "l")
						return l == "v"
					})
					note("read-only %s: it has ended: %v", readOnly, r.ended())
					for _, l := range r.logged("CRITICAL", "Guru") {
						note("%s", l)
					}
					for _, p := range []*process{m, r} {
						_ = p.cmd.Process.Kill()
						<-p.done
					}
				}
			}

			assert.Equal(t, said["redis"], said["engine"])
		})
	}
}
