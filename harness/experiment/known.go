package experiment

import (
	"strings"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/reports/result"
)

// known recognizes known findings about the product (reports/result has their
// texts) by their cause, as the disk's log and the crash image show it, not by
// their effect. A run is excused only when a finding's cause is there and
// everything that went wrong is what that cause does.
func known(o *Outcome, power bool) {
	if o.Postponed > 0 && !power {
		o.Findings = append(o.Findings, "postponed-write")
	}
	if !power {
		return
	}
	if o.Recovery == machine.Repaired && o.NULBytes {
		o.Findings = append(o.Findings, "F2")
	}
	if o.Verdict != result.Violated {
		return
	}
	switch {
	case o.OldIncrUnsynced && only(o.Anomalies, anomaly.Unrecoverable, anomaly.Hole, anomaly.SilentTruncation, anomaly.TornTransaction, anomaly.LostWrite):
		// The end of the old file is gone and the new one is there: the server
		// refuses, or loads what comes after the gap. A sync of the new file
		// covers what the old one has lost, so clause (b) is broken as well.
		excuse(o, "F3")
	case o.NULBytes && only(o.Anomalies, anomaly.Phantom) && phantomsHoldNUL(o.History),
		// A command that the stray bytes spoilt is an error that nobody hears while
		// the file is loaded. (A file that ends in them is refused, and says nothing here.)
		o.NULBytes && o.Recovery == machine.ByItself && only(o.Anomalies, anomaly.Phantom, anomaly.Hole) && phantomsHoldNUL(o.History):
		excuse(o, "F4")
	case o.ManifestAhead && only(o.Anomalies, anomaly.Unrecoverable) && o.Recovery == machine.RefusedToStart && missesFile(o.History):
		// The manifest's new name survived, and that of a file it speaks of did not:
		// one sync of the directory is to make both durable.
		excuse(o, "F5")
	}
}

// missesFile reports whether the server would not start because a file that the
// manifest names is not there (redis 7.0.15 aof.c getAppendOnlyFileSize).
func missesFile(h *history.History) bool {
	for i := range h.Events {
		if e := &h.Events[i]; e.Kind == history.Refused && !strings.Contains(e.Text, "Unable to obtain the AOF file") {
			return false
		}
	}
	return true
}

// excuse counts a run under a finding alone. What it lost, it lost to a file
// that was damaged or refused as a whole, and says nothing about how far back
// this fsync policy loses.
func excuse(o *Outcome, finding string) {
	o.Findings = append(o.Findings, finding)
	o.Verdict, o.Excused = result.Holds, true
}

// only reports whether all anomalies have one of the names.
func only(list []Anomaly, names ...anomaly.Name) bool {
	for _, a := range list {
		ok := false
		for _, n := range names {
			ok = ok || a.Name == string(n)
		}
		if !ok {
			return false
		}
	}
	return len(list) > 0
}

// phantomsHoldNUL reports whether every value in the recovered states that is
// not a token of the run holds stray bytes: the beginning of a value that was
// being appended, and zeroes or old bytes where its end had not reached the disk.
func phantomsHoldNUL(h *history.History) bool {
	written := make(map[string]bool)
	for i := range h.Ops {
		written[h.Ops[i].Value] = true
		if m := h.Ops[i].More; m != nil {
			for j := range m.Parts {
				written[m.Parts[j].Value] = true
			}
		}
	}
	for i := range h.States {
		for _, kv := range h.States[i].Keys {
			for _, v := range append(kv.List, kv.Value) {
				if v != "" && !written[v] && !strings.ContainsAny(v, product.StrayBytes) {
					return false
				}
			}
		}
	}
	return true
}
