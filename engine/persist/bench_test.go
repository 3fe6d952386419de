package persist

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkLoad starts a server on the host on a file of a hundred thousand keys.
func BenchmarkLoad(b *testing.B) {
	const keys = 100000
	for _, preamble := range []string{"no", "yes"} {
		b.Run(fmt.Sprintf("keys=%d/preamble=%s", keys, preamble), func(b *testing.B) {
			dir := b.TempDir()
			cfg := settings(b, "appendonly yes", "appendfsync no", "aof-use-rdb-preamble "+preamble)
			onHost(b, dir, cfg, func(s *server) {
				require.NoError(b, s.Load())
				for i := range keys {
					s.do(0, fmt.Sprintf("SET key:%d %0100d", i, i))
				}
				require.NoError(b, s.BeforeSleep(1))
				_, err := s.BGRewriteAOF(false)
				require.NoError(b, err)
				s.settle(b)
				require.NoError(b, s.Shutdown(SaveNever, false))
			})
			b.ReportAllocs()
			for b.Loop() {
				onHost(b, dir, cfg, func(s *server) {
					if err := s.Load(); err != nil || s.ks.Len() != keys {
						b.Fatal(err, s.ks.Len())
					}
				})
			}
		})
	}
}
