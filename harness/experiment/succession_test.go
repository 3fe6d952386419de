package experiment

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/harness/machine"
)

// TestWhatAVersionDoesNotRead: what the one before cannot read either, or only after a repair,
// is no matter between versions.
func TestWhatAVersionDoesNotRead(t *testing.T) {
	has := func(values ...string) history.State {
		var s history.State
		for i := 0; i < len(values); i += 2 {
			s.Keys = append(s.Keys, history.KV{Key: values[i], Value: values[i+1]})
		}
		return s
	}
	all, less, older := has("a", "1", "b", "2"), has("a", "1"), has("a", "0", "b", "2")
	for name, row := range map[string]struct {
		was, now machine.Recovery
		had, has history.State
		want     anomaly.Name // "": all was read
	}{
		"all":                            {machine.ByItself, machine.ByItself, all, all, ""},
		"more":                           {machine.ByItself, machine.ByItself, less, all, ""},
		"less":                           {machine.ByItself, machine.ByItself, all, less, anomaly.LostWrite},
		"an older value":                 {machine.ByItself, machine.ByItself, all, older, anomaly.LostWrite},
		"it refuses":                     {machine.ByItself, machine.RefusedToStart, all, has(), anomaly.Unrecoverable},
		"it refuses what was to repair":  {machine.Repaired, machine.RefusedToStart, all, has(), anomaly.Unrecoverable},
		"both refuse":                    {machine.RefusedToStart, machine.RefusedToStart, has(), has(), ""},
		"the other refuses":              {machine.RefusedToStart, machine.ByItself, has(), all, ""},
		"it alone needs a repair":        {machine.ByItself, machine.Repaired, all, all, anomaly.Unrecoverable},
		"both do, and cut elsewhere":     {machine.Repaired, machine.Repaired, all, older, ""},
		"the other does, and keeps more": {machine.Repaired, machine.ByItself, all, older, ""},
	} {
		was, now := &found{by: "A", how: row.was, state: row.had}, &found{by: "B", how: row.now, why: "no", state: row.has}
		got := now.unread(was, "has left")
		if row.want == "" {
			require.Nil(t, got, name)
			continue
		}
		require.Equal(t, row.want, got.Anomaly, name)
		require.Contains(t, got.Story, "B ", name)
	}
}
