package experiment

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/product/redis"
)

// TestAPlanIsACrashKind: by what its earliest crash takes, whatever stands first.
func TestAPlanIsACrashKind(t *testing.T) {
	for statements, want := range map[string]string{
		"at 1s: kill n1": "kill",
		"at 1s: kill n1\nat +10ms: truncate n1 *.aof by 7":             "kill",
		"at 1s: power-cut n1 keep none":                                "power",
		"at 3s: power-cut n1 keep none\nat 1s: term n1":                "term",
		"at 1s: do n1 BGSAVE\nat +1s: power-cut n1\nat 3s: kill n1":    "power",
		"at n1 fsync(*)#2 in-flight: power-cut n1":                     "power-in-fsync",
		"at n1 fsync(*)#2 in-flight: kill n1":                          "kill-in-fsync",
		"at n1 fsync(*)#2 return: power-cut n1":                        "power",
		"at n1 write(*)#2 in-flight: kill n1":                          "kill",
		"at 5s: term n1\nat n1 fsync(*)#2 after 6s in-flight: kill n1": "term",
		"at 1s: pause n1 for 1s":                                       "",
	} {
		p, err := plan.Parse("plan 1\n" + statements)
		require.NoError(t, err)
		kind, err := KindOf(p)
		if want == "" {
			require.ErrorContains(t, err, "nothing in it ends the server's life")
			continue
		}
		require.NoError(t, err, statements)
		require.Equal(t, want, kind.Name, statements)
	}
}

// TestTheSpanReachesToThePlansEnd, unless another was asked for.
func TestTheSpanReachesToThePlansEnd(t *testing.T) {
	m, err := redis.ModeByName("always")
	require.NoError(t, err)
	p, err := plan.Parse("plan 1\nat 2s: do n1 BGSAVE\nat +1s: kill n1\nat ack#5: pause n1 for 1s\nat +1s: restart n1")
	require.NoError(t, err)
	long, err := Reaching(m, p)
	require.NoError(t, err)
	require.Equal(t, 5*time.Second, long.Span)
	for _, span := range []time.Duration{time.Second, 10 * time.Second} { // the first is within the time that a fault may take
		asked, err := Reaching(m.Spanning(span), p)
		require.NoError(t, err)
		require.Equal(t, span, asked.Span)
	}
	p.Statements[0].At.Time = time.Minute
	_, err = Reaching(m.Spanning(time.Second), p)
	require.EqualError(t, err, "the plan's last instant, 1m2s, is past the span of 1s: want a span of 1m3s, or none")
}
