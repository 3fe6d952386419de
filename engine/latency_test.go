package engine_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/config"
)

var aNumber = regexp.MustCompile(`(=|high |low |average |deviation |period |event |spikes \()?\d+(\.\d+)?`)

// withoutTimes leaves out how long things took, and the lengths of what tells of that.
func withoutTimes(reply string) string {
	return aNumber.ReplaceAllString(regexp.MustCompile(`\$\d+`).ReplaceAllString(reply, "$$"), "${1}N")
}

// What LATENCY and INFO tell of commands that took long has redis-server's form, whatever
// the times are.
func TestLatencyLikeRedis(t *testing.T) {
	both := startCouple(t)
	theirs, ours := dial(t, both.redis.addr()), both.world.connect()
	for _, line := range []string{
		"LATENCY DOCTOR", "LATENCY GRAPH command", "LATENCY LATEST", "LATENCY HELP", "CONFIG SET latency-monitor-threshold 5", "LATENCY DOCTOR",
		"DEBUG SLEEP 0.02", "LATENCY LATEST", "LATENCY HISTORY command", "LATENCY GRAPH command", "LATENCY GRAPH Command", "LATENCY GRAPH fast-command", "LATENCY DOCTOR",
		"CONFIG SET slowlog-log-slower-than -1", "LATENCY DOCTOR", "CONFIG SET slowlog-log-slower-than 100000", "LATENCY DOCTOR", "CONFIG SET latency-monitor-threshold 0", "LATENCY DOCTOR", "LATENCY RESET COMMAND", "LATENCY DOCTOR", "LATENCY GRAPH command",
		"CONFIG SET latency-tracking-info-percentiles 101", "CONFIG SET latency-tracking-info-percentiles x", "CONFIG SET latency-tracking-info-percentiles \"0 50.0 100\"", "CONFIG GET latency-tracking-info-percentiles", "CONFIG RESETSTAT", "SET k 1", "GET k", "GET k", "CONFIG GET hz", "LATENCY HISTOGRAM nosuch", "LATENCY GRAPH", "LATENCY NOSUCH",
	} {
		argv, err := config.SplitArgs(line)
		require.NoError(t, err)
		assert.Equal(t, withoutTimes(theirs.do(argv...)), withoutTimes(ours.do(argv...)), line)
	}
	for _, c := range []func(...string) string{theirs.do, ours.do} {
		c("HELLO", "3")
	}
	// A command's calls are all in its last step.
	for _, argv := range [][]string{{"LATENCY", "HISTOGRAM", "get", "config", "SET", "nosuch", "config|get", "del"}, {"LATENCY", "HISTOGRAM"}} {
		told := map[string][]string{}
		for name, do := range map[string]func(...string) string{"redis": theirs.do, "engine": ours.do} {
			pairs := elements(do(argv...))
			for i := 0; i+1 < len(pairs); i += 2 {
				fields := elements(pairs[i+1])
				require.Len(t, fields, 4)
				steps := elements(fields[3])
				assert.Equal(t, fields[1], steps[len(steps)-1], "%s: %s", name, pairs[i])
				told[name] = append(told[name], pairs[i]+fields[0]+fields[1]+fields[2])
			}
			slices.Sort(told[name])
		}
		assert.Equal(t, told["redis"], told["engine"])
	}
	sections := func(reply string) (lines []string) {
		for line := range strings.Lines(reply) {
			if strings.HasPrefix(line, "latency_percentiles") && !strings.Contains(line, "histogram") && !strings.Contains(line, "hello") {
				lines = append(lines, withoutTimes(line))
			}
		}
		slices.Sort(lines)
		return lines
	}
	want := sections(theirs.do("INFO", "latencystats"))
	assert.NotEmpty(t, want)
	assert.Equal(t, want, sections(ours.do("INFO", "latencystats")))
	for _, do := range []func(...string) string{theirs.do, ours.do} {
		assert.NotContains(t, do("INFO"), "latency_percentiles")
		assert.Contains(t, do("INFO", "everything"), "latency_percentiles")
		do("CONFIG", "SET", "latency-tracking", "no")
		do("CONFIG", "RESETSTAT")
		do("GET", "k")
		assert.NotContains(t, do("INFO", "latencystats"), "percentiles_usec_get")
	}
}
