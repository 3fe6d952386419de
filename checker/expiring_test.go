package checker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
)

// TestWhatWasThereAtTheStartMayBeGoneSoEarly: how long a key had left was read at some
// instant of the reading, and both clocks count milliseconds.
func TestWhatWasThereAtTheStartMayBeGoneSoEarly(t *testing.T) {
	const ms = time.Millisecond
	for _, tc := range []struct {
		name            string
		ttl, deadline   time.Duration
		holds, violated time.Duration
	}{
		{"read between 0 and 10 ms, when 30 ms were left", 30 * ms, 0, 28 * ms, 28*ms - 1},
		{"a deadline that was read", 30 * ms, 35 * ms, 33 * ms, 33*ms - 1},
	} {
		for at, want := range map[time.Duration]verdict.Verdict{tc.holds: verdict.Holds, tc.violated: verdict.Violated} {
			h := &history.History{
				States: []history.State{{At: 10 * ms, Keys: []history.KV{{Key: "a", Value: "1", TTL: tc.ttl, Deadline: tc.deadline}}}},
				Ops: []history.Op{
					{ID: 0, Client: 1, Kind: history.Read, Key: "a", Absent: true, Outcome: history.OK, Invoke: at, Return: at},
					{ID: 1, Client: 1, Kind: history.Write, Key: "b", Value: "1", Outcome: history.OK, Invoke: 50 * ms, Return: 51 * ms},
				},
			}
			var j Judge
			require.Equal(t, want, j.Judge(h, contract.Clients()).Verdict, "%s: found nothing at %s", tc.name, at)
		}
	}
}
