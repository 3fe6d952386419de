package engine_test

import (
	"fmt"
	"testing"
)

// BenchmarkExecute is the cost of a batch of one command, wake-ups of the main
// task included, without network and without disk.
func BenchmarkExecute(b *testing.B) {
	for _, c := range []struct {
		name  string
		batch int
		argv  []string
	}{
		{"set", 1, []string{"SET", "key", "value"}},
		{"set", 16, []string{"SET", "key", "value"}},
		{"get", 1, []string{"GET", "key"}},
		{"get", 16, []string{"GET", "key"}},
		{"incr", 16, []string{"INCR", "n"}},
		{"rpush", 16, []string{"RPUSH", "l", "value"}},
	} {
		b.Run(fmt.Sprintf("command=%s/batch=%d", c.name, c.batch), func(b *testing.B) {
			w := startWorld(b, "")
			s := w.connect()
			argv := make([][]byte, len(c.argv))
			for i, a := range c.argv {
				argv[i] = []byte(a)
			}
			w.env.Enter()
			defer w.env.Leave()
			b.ReportAllocs()
			for b.Loop() {
				for range c.batch {
					s.s.Add(argv)
				}
				if reply, more := s.s.Execute(); !more || len(reply) == 0 {
					b.Fatalf("%q", reply)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*c.batch), "ns/command")
		})
	}
}
