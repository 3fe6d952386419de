package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// play shows a board what go test -json says, a line a second; "tick 40" lets that many pass.
func play(b *board, stream string) string {
	var out strings.Builder
	b.out = &out
	now := time.Unix(0, 0)
	b.start(now)
	for line := range strings.Lines(stream) {
		var ticks int
		if n, _ := fmt.Sscanf(line, "tick %d", &ticks); n == 0 {
			ticks = 1
			b.event([]byte(line), now)
		}
		for range ticks {
			now = now.Add(time.Second)
			b.tick(now)
		}
	}
	b.end(!strings.Contains(stream, `"fail"`))
	return out.String()
}

const stream = `{"Action":"start","Package":"github.com/torntail/torntail/engine"}
{"Action":"start","Package":"github.com/torntail/torntail/harness"}
{"Action":"run","Package":"github.com/torntail/torntail/engine","Test":"TestA"}
{"Action":"output","Package":"github.com/torntail/torntail/engine","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"github.com/torntail/torntail/engine","Test":"TestA","Output":"    a_test.go:1: chatter\n"}
{"Action":"run","Package":"github.com/torntail/torntail/harness","Test":"TestMatrix"}
{"Action":"run","Package":"github.com/torntail/torntail/harness","Test":"TestMatrix/always"}
tick 45
{"Action":"output","Package":"github.com/torntail/torntail/engine","Test":"TestA","Output":"--- PASS: TestA (0.00s)\n"}
{"Action":"pass","Package":"github.com/torntail/torntail/engine","Test":"TestA","Elapsed":0}
{"Action":"output","Package":"github.com/torntail/torntail/engine","Output":"PASS\n"}
{"Action":"output","Package":"github.com/torntail/torntail/engine","Output":"ok  \tgithub.com/torntail/torntail/engine\t0.004s\n"}
{"Action":"pass","Package":"github.com/torntail/torntail/engine","Elapsed":0.004}
`

func TestALogSaysWhatRuns(t *testing.T) {
	assert.Equal(t, `... 30 s, 0 of 2 packages done; still running: engine (30 s, TestA 28 s), harness (29 s, TestMatrix/always 24 s)
ok  	github.com/torntail/torntail/engine	0.004s
`, play(&board{total: 2}, stream))
}

func TestATerminalShowsWhatRuns(t *testing.T) {
	out := play(&board{total: 2, terminal: true, width: 60}, stream)
	assert.Contains(t, out, "\r\x1b[K40 s, 0 of 2 packages done; still running: engine (40 s,...\r")
	assert.Contains(t, out, "\r\x1b[Kok  \tgithub.com/torntail/torntail/engine\t0.004s\n\r\x1b[K", "a result stands on a line of its own")
	assert.True(t, strings.HasSuffix(out, "\r\x1b[K"), "nothing is left of the line at the end")
}

func TestFailuresAreToldAsGoTestDoes(t *testing.T) {
	assert.Equal(t, `# github.com/torntail/torntail/broken
broken/x.go:3:1: syntax error
FAIL	github.com/torntail/torntail/broken [build failed]
?   	github.com/torntail/torntail/none	[no test files]
    b_test.go:7: it is broken
    --- FAIL: TestB/inner (0.00s)
--- FAIL: TestB (0.00s)
panic: test timed out after 9m0s
FAIL	github.com/torntail/torntail/engine	0.004s
go: a word of its own
FAIL
`, play(&board{}, `{"ImportPath":"github.com/torntail/torntail/broken","Action":"build-output","Output":"# github.com/torntail/torntail/broken\n"}
{"ImportPath":"github.com/torntail/torntail/broken","Action":"build-output","Output":"broken/x.go:3:1: syntax error\n"}
{"ImportPath":"github.com/torntail/torntail/broken","Action":"build-fail"}
{"Action":"start","Package":"github.com/torntail/torntail/broken"}
{"Action":"output","Package":"github.com/torntail/torntail/broken","Output":"FAIL\tgithub.com/torntail/torntail/broken [build failed]\n"}
{"Action":"fail","Package":"github.com/torntail/torntail/broken","Elapsed":0,"FailedBuild":"github.com/torntail/torntail/broken"}
{"Action":"start","Package":"github.com/torntail/torntail/none"}
{"Action":"output","Package":"github.com/torntail/torntail/none","Output":"?   \tgithub.com/torntail/torntail/none\t[no test files]\n"}
{"Action":"skip","Package":"github.com/torntail/torntail/none","Elapsed":0}
{"Action":"start","Package":"github.com/torntail/torntail/engine"}
{"Action":"run","Package":"github.com/torntail/torntail/engine","Test":"TestA"}
{"Action":"output","Package":"github.com/torntail/torntail/engine","Test":"TestA","Output":"    a_test.go:1: chatter of a test that passes\n"}
{"Action":"pass","Package":"github.com/torntail/torntail/engine","Test":"TestA"}
{"Action":"run","Package":"github.com/torntail/torntail/engine","Test":"TestB"}
{"Action":"output","Package":"github.com/torntail/torntail/engine","Test":"TestB","Output":"=== RUN   TestB\n"}
{"Action":"output","Package":"github.com/torntail/torntail/engine","Test":"TestB/inner","Output":"    b_test.go:7: it is broken\n"}
{"Action":"output","Package":"github.com/torntail/torntail/engine","Test":"TestB/inner","Output":"    --- FAIL: TestB/inner (0.00s)\n"}
{"Action":"fail","Package":"github.com/torntail/torntail/engine","Test":"TestB/inner"}
{"Action":"output","Package":"github.com/torntail/torntail/engine","Test":"TestB","Output":"--- FAIL: TestB (0.00s)\n"}
{"Action":"fail","Package":"github.com/torntail/torntail/engine","Test":"TestB"}
{"Action":"output","Package":"github.com/torntail/torntail/engine","Output":"panic: test timed out after 9m0s\n"}
{"Action":"output","Package":"github.com/torntail/torntail/engine","Output":"FAIL\n"}
{"Action":"output","Package":"github.com/torntail/torntail/engine","Output":"FAIL\tgithub.com/torntail/torntail/engine\t0.004s\n"}
{"Action":"fail","Package":"github.com/torntail/torntail/engine","Elapsed":0.004}
go: a word of its own
`))
}

func FuzzEvents(f *testing.F) {
	f.Add(stream)
	f.Add("{}\n{\"Action\":\"pass\"}\nnonsense")
	f.Fuzz(func(t *testing.T, s string) {
		play(&board{terminal: true, width: 20}, strings.ReplaceAll(s, "tick", ""))
	})
}
