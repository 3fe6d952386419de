// Package finding has what a known finding about a store is: a property of the product that
// an honest run shows again and again. Each has its cause, as the disk's log and the crash
// image show it and never by its effect; what of that the cause explains; and what
// reports say about it. Those of Redis are files of package redis, with a chapter each in
// docs/findings.md, which a test asks for.
package finding

import (
	"slices"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/reports/result"
)

// Finding is a known finding.
type Finding struct {
	result.Finding
	// Cause reports whether a run has what causes it.
	Cause func(r *Run) bool
	// Explains reports whether an anomaly is what the cause does. A run of which one
	// finding explains all that went wrong is counted under that alone. nil: the
	// finding is counted beside the verdict, which it leaves as it is.
	Explains func(r *Run, a anomaly.Name) bool
	// Names: what it shows is broken by this cause, and nothing of it is excused. Its Cause
	// asks for what broke.
	Names bool
	// Drowns: the cause leaves nothing that could be judged. It is asked for before
	// the checkers are, and the run is counted under the finding alone.
	Drowns bool
}

// Run is what findings see of a run whose server was struck.
type Run struct {
	Power       bool   // the crash was a power cut
	Personality string // of the disk
	Signs
	// How the server came back. None of them: it was not restarted.
	ByItself, Repaired, Refused bool
	// Postponed are the acknowledged writes that were lost from behind an fsync in flight.
	Postponed int
	// FromSync is what had asked for the snapshot that a server came back with that keeps
	// nothing; "": it was empty.
	FromSync string
	// Anomalies are those that break the contract; none in a run that holds.
	Anomalies []anomaly.Name
	History   *history.History
}

// Signs are what the harness looks for in the disk's log and the crash image because
// a finding is known by it. They are saved with a failure, to judge it again.
type Signs struct {
	WholeAOFVanished bool `json:"whole_aof_vanished,omitempty"` // the crash image has no appendonlydir
	RootSynced       bool `json:"root_synced,omitempty"`        // the directory that holds it had been synced
	DataVanished     bool `json:"data_vanished,omitempty"`      // the crash image has no manifest in it; without an AOF: no snapshot
	RenameUnsynced   bool `json:"rename_unsynced,omitempty"`    // the one or the other had just been renamed, the sync of its directory had not returned
	NULBytes         bool `json:"nul_bytes,omitempty"`          // an incr file held NUL bytes
	NULBytesSynced   bool `json:"nul_bytes_synced,omitempty"`   // where a returned sync covers what was appended, or before the power was cut
	OldIncrUnsynced  bool `json:"old_incr_unsynced,omitempty"`  // a rewrite had moved on, the sync of the old incr file was asked for and had not returned
	Dropped          bool `json:"dropped,omitempty"`            // a file of the log held what a failed sync had dropped, and nobody had written again
	DraftTookOver    bool `json:"draft_took_over,omitempty"`    // a rewritten log, which is one file, had its name, and no returned sync covered all that it held then
	NameUnsynced     bool `json:"name_unsynced,omitempty"`      // such a log was synced since it had its name, and nothing had made the name durable
	BaseRefused      bool `json:"base_refused,omitempty"`       // the repair tool called the snapshot at the beginning of the log no log
	DroppedElse      bool `json:"dropped_else,omitempty"`       // so did another of its files
	OpenTransaction  bool `json:"open_transaction,omitempty"`   // the server had cut the tail of its log and left a transaction open in it
	WriteRefused     bool `json:"write_refused,omitempty"`      // the disk had not taken what was last to be written to the log
	CarriedOver      bool `json:"carried_over,omitempty"`       // what the disk had not taken into a file of the log was written into the next, which a rewrite had begun meanwhile
	Gap              bool `json:"gap,omitempty"`                // the log was cut after a short write, and written on behind where it had ended
	Halfway          bool `json:"halfway,omitempty"`            // the index had its name, and the sync of its directory failed
	Reverted         bool `json:"reverted,omitempty"`           // a sync of a file of the log had failed, and its disk had taken from memory what it could not write
	Untold           bool `json:"untold,omitempty"`             // the last sync of the log had failed and answered success
	UntoldBefore     bool `json:"untold_before,omitempty"`      // one of its syncs had
	FailedBefore     bool `json:"failed_before,omitempty"`      // a sync of a file of the log had failed, and a rewrite had gone on to another
	EarlierUnsynced  bool `json:"earlier_unsynced,omitempty"`   // a life had begun on a log before the last that no sync had covered to its end, or on an index whose name none had covered, and it was so still
	ManifestAhead    bool `json:"manifest_ahead,omitempty"`     // the manifest had just been renamed, the sync of its directory had not returned
}

// With are the signs of two lives of a server, of which the later one began on what the
// earlier had left.
func (s Signs) With(t Signs) Signs {
	return Signs{
		WholeAOFVanished: s.WholeAOFVanished || t.WholeAOFVanished, RootSynced: s.RootSynced || t.RootSynced && !s.WholeAOFVanished, // too late
		DataVanished: s.DataVanished || t.DataVanished, RenameUnsynced: s.RenameUnsynced || t.RenameUnsynced,
		NULBytes: s.NULBytes || t.NULBytes, NULBytesSynced: s.NULBytesSynced || t.NULBytesSynced && !s.NULBytes,
		OldIncrUnsynced: s.OldIncrUnsynced || t.OldIncrUnsynced, Dropped: s.Dropped || t.Dropped,
		DraftTookOver: s.DraftTookOver || t.DraftTookOver, BaseRefused: s.BaseRefused || t.BaseRefused,
		DroppedElse: s.DroppedElse || t.DroppedElse, OpenTransaction: s.OpenTransaction || t.OpenTransaction, WriteRefused: s.WriteRefused || t.WriteRefused, CarriedOver: s.CarriedOver || t.CarriedOver, Gap: s.Gap || t.Gap, Halfway: s.Halfway || t.Halfway,
		Reverted: s.Reverted || t.Reverted, Untold: s.Untold || t.Untold, UntoldBefore: s.UntoldBefore || t.UntoldBefore, FailedBefore: s.FailedBefore || t.FailedBefore, EarlierUnsynced: s.EarlierUnsynced || t.EarlierUnsynced,
		ManifestAhead: s.ManifestAhead || t.ManifestAhead, NameUnsynced: s.NameUnsynced || t.NameUnsynced,
	}
}

// Drowning returns the first of the known findings because of which a run cannot be
// judged; nil when it can. The run has no anomalies yet.
func Drowning(known []*Finding, r *Run) *Finding {
	for _, f := range known {
		if f.Drowns && f.Cause(r) {
			return f
		}
	}
	return nil
}

// Shown returns the names of those of the known findings that a judged run shows, and reports whether the last of
// them explains all that went wrong.
func Shown(known []*Finding, r *Run) (names []string, excused bool) {
	for _, f := range known {
		if f.Drowns || f.Explains != nil && !f.explainsAll(r) || !f.Cause(r) {
			continue
		}
		names = append(names, f.Name)
		if f.Explains != nil {
			return names, true
		}
	}
	return names, false
}

func (f *Finding) explainsAll(r *Run) bool {
	for _, a := range r.Anomalies {
		if !f.Explains(r, a) {
			return false
		}
	}
	return len(r.Anomalies) > 0
}

// Named is the first of these findings of a violated run that names its cause; "": none does.
func Named(known []*Finding, shown []string) string {
	for _, f := range known {
		if f.Names && slices.Contains(shown, f.Name) {
			return f.Name
		}
	}
	return ""
}

// Only explains the anomalies of these names.
func Only(names ...anomaly.Name) func(*Run, anomaly.Name) bool {
	return func(_ *Run, a anomaly.Name) bool { return slices.Contains(names, a) }
}

// Catalogue is what reports say about known findings, in their order.
func Catalogue(known []*Finding) []result.Finding {
	list := make([]result.Finding, len(known))
	for i, f := range known {
		list[i] = f.Finding
		list[i].Apart = f.Drowns || f.Explains != nil
	}
	return list
}

// Names lists known findings in their order.
func Names(known []*Finding) []string {
	names := make([]string, len(known))
	for i, f := range known {
		names[i] = f.Name
	}
	return names
}

// Title is what a finding is about in one line; "" when none has that name.
func Title(known []*Finding, name string) string {
	for _, f := range known {
		if f.Name == name {
			return f.Finding.Title
		}
	}
	return ""
}
