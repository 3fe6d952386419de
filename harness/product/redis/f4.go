package redis

import (
	"strings"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// f4: a value has stray bytes in it. A command that the stray bytes spoilt is an error
// that nobody hears while the file is loaded: a hole. (A file that ends in them is
// refused, and says nothing here.) Where a sync had returned, or before the power was
// cut, there were none, or the disk or the server made them.
func init() {
	register(finding.Finding{
		Finding: result.Finding{
			Name:  "F4",
			Title: "a power cut can put NUL bytes into a value, and the server loads it without a word",
			Text: "Where the size of an append is durable before its data, zeroes (on a file system that promises less, what the disk held before) can stand in the middle of a value and not only at the end of the file. " +
				"The AOF has no checksum, so that a value of the right length is loaded as it stands, and a command that no longer makes sense is skipped without a word. The RDB format has one.",
		},
		Cause: func(r *finding.Run) bool {
			return r.Power && r.NULBytes && !r.NULBytesSynced && phantomsHoldNUL(r.History)
		},
		Explains: func(r *finding.Run, a anomaly.Name) bool {
			return a == anomaly.Phantom || (a == anomaly.Hole || a == anomaly.SilentTruncation) && r.ByItself // an element of a list that is spoilt is missing from its middle
		},
	})
}

// phantomsHoldNUL reports whether every value in the recovered states that is
// neither a token nor a field of the run holds stray bytes: the beginning of a value that was
// being appended, and zeroes or old bytes where its end had not reached the disk. What a server
// makes by itself (IDs of a stream's entries, scores, and what it counts or puts together) is no
// value that somebody wrote.
func phantomsHoldNUL(h *history.History) bool {
	written, made := make(map[string]bool), make(map[string]bool) // made: by key
	for i := range h.Ops {
		op := &h.Ops[i]
		written[op.Value] = true
		switch op.Kind {
		case history.Incr, history.HashIncr, history.StringAppend, history.SetRange, history.SetBit:
			made[op.Key] = true
		}
		if m := op.More; m != nil {
			written[m.Field] = true
			for j := range m.Parts {
				written[m.Parts[j].Value] = true
			}
		}
	}
	for i := range h.States {
		for _, kv := range h.States[i].Keys {
			if made[kv.Key] {
				continue
			}
			for j, v := range append(kv.List, kv.Value) {
				if kv.Type == "stream" && j%3 == 0 || kv.Type == "zset" && j%2 == 1 {
					continue
				}
				if v != "" && !written[v] && !strings.ContainsAny(v, strayBytes) {
					return false
				}
			}
		}
	}
	return true
}
