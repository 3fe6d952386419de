package experiment

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
)

// TestTheContractOfALife: each life is judged by what ended it and what was set in it, but the
// first, that ends as the experiment says, by the experiment's own contract.
func TestTheContractOfALife(t *testing.T) {
	everysec := history.Event{At: 15, Kind: history.ConfigChange, Text: "appendfsync everysec"}
	for _, c := range []struct {
		name, mode, crash string
		n                 int
		how               history.EventKind
		events            []history.Event
		keeps             contract.Keeps // "": the experiment's own
	}{
		{"the first", "everysec", "power-in-fsync", 0, history.PowerCut, nil, ""},
		{"the first, that ends otherwise", "everysec", "power", 0, history.ProcessKill, nil, contract.KeepsWritten},
		{"the first, that ends in order", "everysec", "power", 0, history.Terminated, nil, contract.KeepsAll},
		{"the first, that ends by itself", "everysec", "power", 0, history.Exited, nil, contract.KeepsWritten},
		{"the second, that ends as the first should", "everysec", "power-in-fsync", 1, history.PowerCut, nil, contract.KeepsSynced},
		{"the second, that ends otherwise", "always", "kill", 1, history.PowerCut, nil, contract.KeepsAll},
		{"what was set in it", "always", "power", 1, history.PowerCut, []history.Event{everysec}, contract.KeepsSynced},
		{"what was set in the first", "always", "power", 1, history.PowerCut, []history.Event{{At: 5, Kind: history.ConfigChange, Text: "appendfsync everysec"}}, contract.KeepsAll},
		{"one that goes on", "always", "power", 1, "", nil, ""},
	} {
		x := &Experiment{Mode: mode(t, c.mode), Crash: MustCrash(c.crash), Personality: "ext4"}
		h := &history.History{Events: c.events, Epochs: []history.Epoch{{Ended: 10, How: history.ProcessKill}, {Began: 11, Ended: 20, How: history.PowerCut}}}
		h.Epochs[c.n].How = c.how
		got := new(judging).lives(x, h)(c.n, &h.Epochs[c.n])
		if c.keeps == "" {
			require.Nil(t, got, c.name)
			continue
		}
		require.NotNil(t, got, c.name)
		require.Equal(t, c.keeps, got.Keeps, c.name)
		require.Less(t, got.SyncSlack, time.Minute, c.name)
	}
}
