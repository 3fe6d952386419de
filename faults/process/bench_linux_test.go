package process

import (
	"context"
	"testing"
)

// BenchmarkStartRedis is what each experiment pays twice: a server from its
// start to its first answer, and its end.
func BenchmarkStartRedis(b *testing.B) {
	needRedis(b)
	for b.Loop() {
		r, err := StartRedis(context.Background(), RedisSpec{Dir: b.TempDir(), Directives: aof("always")})
		if err != nil {
			b.Fatal(err)
		}
		r.KillTree()
		r.WaitTree()
	}
}
