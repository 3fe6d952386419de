package redis

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/harness/product/finding"
)

// TestKnown: each finding is worded, has a cause, and docs/findings.md has a chapter on it.
func TestKnown(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/findings.md")
	require.NoError(t, err)
	seen := map[string]bool{}
	for i, f := range finding.Catalogue(findings) {
		require.Equal(t, finding.Names(findings)[i], f.Name)
		require.NotContains(t, seen, f.Name)
		seen[f.Name] = true
		require.NotEmpty(t, f.Text, f.Name)
		require.NotEmpty(t, finding.Title(findings, f.Name), f.Name)
		require.NotNil(t, findings[i].Cause, f.Name)
		require.Contains(t, string(doc), "\n## "+f.Name+": ")
		require.Equal(t, f.Apart, strings.Contains(apart(t, string(doc)), f.Name), "%s: what docs/findings.md says of runs counted apart", f.Name)
	}
	require.Empty(t, finding.Title(findings, "nobody"))
}

// apart is the sentence of docs/findings.md on which findings' runs are in no loss figure.
func apart(t *testing.T, doc string) string {
	i := strings.Index(doc, "Runs that ")
	require.NotEqual(t, -1, i)
	before, _, ok := strings.Cut(doc[i:], " explain whole")
	require.True(t, ok)
	return before
}

// TestShown has a run for each finding, and beside it runs that lack one part of what
// makes it: its cause, or that nothing else went wrong.
func TestShown(t *testing.T) {
	refused := func(words string) *history.History {
		return &history.History{Events: []history.Event{{Kind: history.Refused, Text: words}}}
	}
	holds := func(value string) *history.History {
		return &history.History{Ops: []history.Op{{Value: "17"}}, States: []history.State{{Keys: []history.KV{{Key: "k", Value: "17"}, {Key: "l", Value: value}}}}}
	}
	lives := func(first ...history.DiskSync) *history.History {
		return &history.History{Epochs: []history.Epoch{{LogSyncs: first}}}
	}
	failed, left, good, flying := history.DiskSync{Failed: true}, history.DiskSync{Failed: true, Left: true}, history.DiskSync{}, history.DiskSync{Return: history.Never}
	again := lives(failed)
	again.Epochs = append(again.Epochs, history.Epoch{})
	dropped := finding.Signs{Dropped: true}
	lost := []anomaly.Name{anomaly.LostWrite}
	missing := "Fatal: Unable to obtain the AOF file appendonly.aof.2.incr.aof length. stat: No such file or directory"
	late := []anomaly.Name{anomaly.LateSync}
	snapshots := func(at ...time.Duration) *history.History {
		h := &history.History{Epochs: []history.Epoch{{Ended: 2 * time.Second}}}
		for pair := range slices.Chunk(at, 2) {
			h.Epochs[0].Snapshots = append(h.Epochs[0].Snapshots, history.Snapshot{Renamed: pair[0], Durable: pair[1]})
		}
		return h
	}
	// Lives that end at 10; what is written returns at 2 and 4.
	life := func(how history.EventKind, writes bool, syncs ...history.DiskSync) history.Epoch {
		e := history.Epoch{How: how, Ended: 10, LogSyncs: syncs}
		if writes {
			e.LogWrites = []history.DiskWrite{{Return: 2}, {Return: 4}}
		}
		return e
	}
	snapshot := func(renamed, durable time.Duration) history.Epoch {
		e := life(history.ProcessKill, false)
		e.Snapshots = []history.Snapshot{{Renamed: 1, Durable: 1}, {Renamed: renamed, Durable: durable}}
		return e
	}
	covers := func(at, back time.Duration) history.DiskSync { return history.DiskSync{Covers: at, Return: back} }
	killed, killedIdle, exited := life(history.ProcessKill, true), life(history.ProcessKill, false), life(history.Exited, true)
	ordered, orderedIdle, cutBefore := life(history.Terminated, true), life(history.Terminated, false), life(history.PowerCut, true)
	synced, halfSynced, syncedLater := life(history.ProcessKill, true, covers(4, 20)), life(history.ProcessKill, true, covers(2, 5)), life(history.ProcessKill, true, covers(4, 21))
	orderedFailed := life(history.Terminated, true, history.DiskSync{Covers: 4, Return: 5, Failed: true})
	orderedFailedElse := life(history.Terminated, true, history.DiskSync{Covers: 4, Return: 5, Failed: true, Left: true})
	failedSync := life(history.ProcessKill, true, history.DiskSync{Covers: 4, Return: 5, Failed: true})
	nothing := history.Epoch{How: history.PowerCut, Ended: 20}
	syncing, syncingStill := nothing, nothing
	syncing.LogSyncs, syncingStill.LogSyncs = []history.DiskSync{covers(0, 20)}, []history.DiskSync{covers(0, history.Never)}
	named, namedWhole, namedAfter, namedAtTheEnd := snapshot(9, 11), snapshot(9, 10), snapshot(11, history.Never), snapshot(10, history.Never)
	namedAtTheEnd.Snapshots = namedAtTheEnd.Snapshots[1:]
	// made has, beside an entry of a value, what a server makes by itself: IDs, a score, a sum.
	made := func(value string) *history.History {
		return &history.History{Ops: []history.Op{{Kind: history.StreamAdd, Key: "s", Value: "1", More: &history.More{Field: "f"}},
			{Kind: history.SortedAdd, Key: "z", Value: "m", More: &history.More{Score: "7"}}, {Kind: history.Incr, Key: "n", Value: "3"}},
			States: []history.State{{Keys: []history.KV{{Key: "n", Value: "36"}, {Key: "s", Type: "stream", List: []string{"5-0", "f", "1", "6-0", "f", value}}, {Key: "z", Type: "zset", List: []string{"m", "7"}}}}}}
	}
	single := killed
	single.LogWrites = single.LogWrites[:1]
	lived := func(all ...history.Epoch) finding.Run {
		return finding.Run{Power: true, Anomalies: lost, History: &history.History{Epochs: all}}
	}
	loaded := func(before, after history.Epoch) finding.Run { return lived(before, after) }
	for _, c := range []struct {
		name    string
		run     finding.Run
		want    string
		excused bool
	}{
		{"postponed", finding.Run{Postponed: 1}, "postponed-write", false},
		{"postponed, but the power was cut", finding.Run{Postponed: 1, Power: true}, "", false},
		{"repaired", finding.Run{Power: true, Repaired: true, Signs: finding.Signs{NULBytes: true}}, "F2", false},
		{"repaired without NUL bytes", finding.Run{Power: true, Repaired: true}, "", false},
		{"repaired, NUL where a sync had returned", finding.Run{Power: true, Repaired: true, Signs: finding.Signs{NULBytes: true, NULBytesSynced: true}}, "", false},
		{"repaired after a kill", finding.Run{Repaired: true, Signs: finding.Signs{NULBytes: true}}, "", false},
		{"gap", finding.Run{Power: true, Signs: finding.Signs{OldIncrUnsynced: true}, Anomalies: []anomaly.Name{anomaly.Hole, anomaly.LostWrite}}, "F3", true},
		{"gap that broke nothing", finding.Run{Power: true, Signs: finding.Signs{OldIncrUnsynced: true}}, "", false},
		{"gap, and something else", finding.Run{Power: true, Signs: finding.Signs{OldIncrUnsynced: true}, Anomalies: []anomaly.Name{anomaly.Hole, anomaly.Phantom}}, "", false},
		{"hole without a gap", finding.Run{Power: true, Anomalies: []anomaly.Name{anomaly.Hole}}, "", false},
		{"NUL value", finding.Run{Power: true, Signs: finding.Signs{NULBytes: true}, Anomalies: []anomaly.Name{anomaly.Phantom}, History: holds("1\x00\x00")}, "F4", true},
		{"NUL value of an entry", finding.Run{Power: true, Signs: finding.Signs{NULBytes: true}, Anomalies: []anomaly.Name{anomaly.Phantom}, History: made("1\x00\x00")}, "F4", true},
		{"entry of nobody", finding.Run{Power: true, Signs: finding.Signs{NULBytes: true}, Anomalies: []anomaly.Name{anomaly.Phantom}, History: made("99")}, "", false},
		{"NUL value and a spoilt command", finding.Run{Power: true, ByItself: true, Signs: finding.Signs{NULBytes: true}, Anomalies: []anomaly.Name{anomaly.Phantom, anomaly.Hole}, History: holds("1\x00\x00")}, "F4", true},
		{"NUL element of a list", finding.Run{Power: true, ByItself: true, Signs: finding.Signs{NULBytes: true}, Anomalies: []anomaly.Name{anomaly.SilentTruncation}, History: holds("1\x00\x00")}, "F4", true},
		{"NUL element of a list, that was synced", finding.Run{Power: true, ByItself: true, Signs: finding.Signs{NULBytes: true, NULBytesSynced: true}, Anomalies: []anomaly.Name{anomaly.SilentTruncation}, History: holds("1\x00\x00")}, "", false},
		{"NUL value, repaired, and a hole", finding.Run{Power: true, Repaired: true, Signs: finding.Signs{NULBytes: true}, Anomalies: []anomaly.Name{anomaly.Phantom, anomaly.Hole}, History: holds("1\x00\x00")}, "F2", false},
		{"phantom without NUL", finding.Run{Power: true, Signs: finding.Signs{NULBytes: true}, Anomalies: []anomaly.Name{anomaly.Phantom}, History: holds("918")}, "", false},
		{"NUL value that was synced", finding.Run{Power: true, Signs: finding.Signs{NULBytes: true, NULBytesSynced: true}, Anomalies: []anomaly.Name{anomaly.Phantom}, History: holds("1\x00\x00")}, "", false},
		{"NUL tail and a gap", finding.Run{Power: true, Repaired: true, Signs: finding.Signs{NULBytes: true, OldIncrUnsynced: true}, Anomalies: []anomaly.Name{anomaly.Hole}}, "F2 F3", true},
		{"manifest", finding.Run{Power: true, Personality: "btrfs", Refused: true, Signs: finding.Signs{ManifestAhead: true}, Anomalies: []anomaly.Name{anomaly.Unrecoverable}, History: refused(missing)}, "F5", true},
		{"manifest, names in order", finding.Run{Power: true, Personality: "ext4", Refused: true, Signs: finding.Signs{ManifestAhead: true}, Anomalies: []anomaly.Name{anomaly.Unrecoverable}, History: refused(missing)}, "", false},
		{"manifest, refused for another reason", finding.Run{Power: true, Personality: "btrfs", Refused: true, Signs: finding.Signs{ManifestAhead: true}, Anomalies: []anomaly.Name{anomaly.Unrecoverable}, History: refused("Bad file format")}, "", false},
		{"a tool that does not know the base", finding.Run{Refused: true, Signs: finding.Signs{BaseRefused: true}, Anomalies: []anomaly.Name{anomaly.Unrecoverable}, History: refused("Bad file format")}, "F10", false},
		{"a draft that took over", finding.Run{Power: true, Signs: finding.Signs{DraftTookOver: true}, Anomalies: lost}, "F8", false},
		{"a draft that took over, and a kill", finding.Run{Signs: finding.Signs{DraftTookOver: true}, Anomalies: lost}, "", false},
		{"a draft that took over and broke nothing", finding.Run{Power: true, Signs: finding.Signs{DraftTookOver: true}}, "", false},
		{"a name that is not synced", finding.Run{Power: true, Signs: finding.Signs{NameUnsynced: true}, Anomalies: lost}, "F17", false},
		{"a name that is not synced, and a kill", finding.Run{Signs: finding.Signs{NameUnsynced: true}, Anomalies: lost}, "", false},
		{"a name that is not synced, and nothing broke", finding.Run{Power: true, Signs: finding.Signs{NameUnsynced: true}}, "", false},
		{"snapshots without a sync of their name", finding.Run{Anomalies: late, History: snapshots(1, history.Never)}, "F9", false},
		{"one of them was synced", finding.Run{Anomalies: late, History: snapshots(1, history.Never, 1, 2)}, "", false},
		{"its sync may come next", finding.Run{Anomalies: late, History: snapshots(time.Second, history.Never)}, "", false},
		{"no snapshot has its name", finding.Run{Anomalies: late, History: snapshots(history.Never, history.Never)}, "", false},
		{"snapshots, and lost writes alone", finding.Run{Anomalies: lost, History: snapshots(1, history.Never)}, "", false},
		{"a good sync behind a failed one", finding.Run{Signs: dropped, Power: true, Anomalies: lost, History: lives(failed, good)}, "F7", false},
		{"a good sync before a failed one", finding.Run{Signs: dropped, Power: true, Anomalies: lost, History: lives(good, failed)}, "", false},
		{"a failed sync, and one in flight", finding.Run{Signs: dropped, Power: true, Anomalies: lost, History: lives(failed, flying)}, "", false},
		{"a failed sync, another life", finding.Run{Signs: dropped, Power: true, Anomalies: lost, History: again}, "F7", false},
		{"a failed sync of the file that was left", finding.Run{Signs: dropped, Power: true, Anomalies: lost, History: lives(good, left)}, "F7", false},
		{"a failed sync of a file that is not there any more", finding.Run{Power: true, Anomalies: lost, History: lives(failed, good)}, "", false},
		{"a failed sync that broke nothing", finding.Run{Signs: dropped, Power: true, History: lives(failed, good)}, "", false},
		{"a failed sync after which writes were taken", finding.Run{Signs: dropped, Power: true, Anomalies: append(lost, anomaly.Refused), History: lives(failed, good)}, "", false},
		{"a failed sync, and a kill", finding.Run{Signs: dropped, Anomalies: lost, History: lives(failed, good)}, "", false},
		{"a failed sync that nobody was told of", finding.Run{Signs: dropped, Power: true, Anomalies: lost, History: lives(good, good)}, "F16", false},
		{"one of another file", finding.Run{Signs: finding.Signs{DroppedElse: true}, Power: true, Anomalies: lost, History: lives(good, good)}, "F16", false},
		{"the same, and a kill", finding.Run{Signs: finding.Signs{DroppedElse: true}, Anomalies: lost, History: lives(good, good)}, "", false},
		{"a transaction that was left open, in a second life", finding.Run{Signs: finding.Signs{OpenTransaction: true}, Anomalies: lost, History: &history.History{Epochs: make([]history.Epoch, 2)}}, "F12", false},
		{"in the first", finding.Run{Signs: finding.Signs{OpenTransaction: true}, Anomalies: lost, History: &history.History{Epochs: make([]history.Epoch, 1)}}, "", false},
		{"a write that the disk did not take", finding.Run{Signs: finding.Signs{WriteRefused: true}, Anomalies: lost}, "F14", false},
		{"nothing lost by it", finding.Run{Signs: finding.Signs{WriteRefused: true, Gap: true}}, "", false},
		{"a disk whose memory forgets, and a kill", finding.Run{Signs: finding.Signs{Reverted: true}, Anomalies: lost, History: lives(good, failed)}, "F7", false},
		{"the same, and nothing lost", finding.Run{Signs: finding.Signs{Reverted: true}, History: lives(good, failed)}, "", false},
		{"the same, after which writes were taken", finding.Run{Signs: finding.Signs{Reverted: true}, Anomalies: append(lost, anomaly.Refused), History: lives(good, failed)}, "", false},
		{"a sync that fails and does not say so", finding.Run{Signs: finding.Signs{Untold: true}, Power: true, Anomalies: lost, History: lives(good, good)}, "F16", false},
		{"the same, and a kill later", finding.Run{Signs: finding.Signs{Untold: true}, Anomalies: lost, History: lives(good, good)}, "", false},
		{"a log before the last that is not synced", finding.Run{Signs: finding.Signs{EarlierUnsynced: true}, Power: true, Anomalies: lost, History: lives(good, good)}, "F13", false},
		{"the same without a power cut", finding.Run{Signs: finding.Signs{EarlierUnsynced: true}, Anomalies: lost, History: lives(good, good)}, "", false},
		{"a write that went into the next log", finding.Run{Signs: finding.Signs{CarriedOver: true}, Anomalies: lost}, "F19", false},
		{"nothing broken by that", finding.Run{Signs: finding.Signs{CarriedOver: true}}, "", false},
		{"a log that the manifest does not call the last", finding.Run{Signs: finding.Signs{Halfway: true}, Anomalies: lost}, "F18", false},
		{"nothing lost by that", finding.Run{Signs: finding.Signs{Halfway: true}}, "", false},
		{"a gap in the log", finding.Run{Signs: finding.Signs{Gap: true}, Anomalies: lost}, "F15", false},
		{"what a start loaded, and a power cut", loaded(killed, nothing), "F13", false},
		{"one write", loaded(single, nothing), "F13", false},
		{"no power cut", finding.Run{Anomalies: lost, History: loaded(killed, nothing).History}, "", false},
		{"nothing lost by the cut", finding.Run{Power: true, History: loaded(killed, nothing).History}, "", false},
		{"the last write of the life before was synced", loaded(synced, nothing), "", false},
		{"a write before the last was synced", loaded(halfSynced, nothing), "F13", false},
		{"a sync of it came too late", loaded(syncedLater, nothing), "F13", false},
		{"its sync failed", loaded(failedSync, nothing), "F13", false},
		{"the loaded log was synced", loaded(killed, syncing), "", false},
		{"its sync has not returned", loaded(killed, syncingStill), "F13", false},
		{"a server that ended by itself", loaded(exited, nothing), "F13", false},
		{"an orderly end", loaded(ordered, nothing), "", false},
		{"an orderly end whose sync failed", loaded(orderedFailed, nothing), "F13", false},
		{"an orderly end, and the failed sync is of a log before", loaded(orderedFailedElse, nothing), "", false},
		{"a power cut before", loaded(cutBefore, nothing), "", false},
		{"two kills before, and the first left something", lived(killed, killedIdle, nothing), "F13", false},
		{"two kills before, and neither left something", lived(synced, killedIdle, nothing), "", false},
		{"an orderly end between", lived(killed, orderedIdle, nothing), "", false},
		{"a kill after all", lived(synced, killed), "", false},
		{"one life", lived(killed), "", false},
		{"the name of a snapshot that is not synced", loaded(named, syncing), "F13", false},
		{"the name is synced as the life ends", loaded(namedWhole, syncing), "", false},
		{"one that got its name after the end", loaded(namedAfter, syncing), "", false},
		{"one that got its name at the end", loaded(namedAtTheEnd, syncing), "F13", false},
	} {
		names, excused := finding.Shown(findings, &c.run)
		require.Equal(t, c.want, strings.Join(names, " "), c.name)
		require.Equal(t, c.excused, excused, c.name)
		require.Nil(t, finding.Drowning(findings, &c.run), c.name)
	}
}

func TestDrowning(t *testing.T) {
	vanished := finding.Signs{WholeAOFVanished: true}
	torn := finding.Signs{DataVanished: true, RenameUnsynced: true}
	require.Equal(t, "F1", finding.Drowning(findings, &finding.Run{Power: true, Personality: "posix", Signs: vanished}).Name)
	require.Equal(t, "F6", finding.Drowning(findings, &finding.Run{Power: true, Personality: "posix", Signs: torn}).Name)
	for name, r := range map[string]*finding.Run{
		"the directory is there":         {Power: true, Personality: "posix"},
		"names last":                     {Power: true, Personality: "ext4", Signs: vanished},
		"the power was not cut":          {Personality: "posix", Signs: vanished},
		"all in order":                   {Power: true, Personality: "prefix", Signs: vanished},
		"the root was synced":            {Power: true, Personality: "posix", Signs: finding.Signs{WholeAOFVanished: true, RootSynced: true}},
		"no rename was under way":        {Power: true, Personality: "posix", Signs: finding.Signs{DataVanished: true}},
		"whole renames":                  {Power: true, Personality: "btrfs", Signs: torn},
		"a kill in a rename":             {Personality: "posix", Signs: torn},
		"the disk is none of our models": {Power: true, Personality: "real xfs", Signs: vanished},
	} {
		require.Nil(t, finding.Drowning(findings, r), name)
	}
}
