package experiment

import (
	"slices"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/product"
)

// blind is why a life of a server says nothing about what its mode promises, for what is said
// of the server does not fit what was seen; "": it fits. A snapshot that is in place and that
// nobody announced may hold less than there was when its file was made; a server of which only
// somebody's word is known may keep its log under another name.
func blind(m *product.Mode, log []disk.Record, heard *product.Heard, e *history.Epoch, acked int) string {
	told, _ := m.Store.(product.Told)
	if told == nil || !told.Told() {
		return ""
	}
	glob, _ := m.Store.Globs()
	switch p, _ := m.Store.Policy(m); {
	case m.AOF && acked > 0 && len(e.LogWrites) == 0:
		return "it acknowledged writes and wrote nothing to " + glob + ", which is said to be its log (log)"
	case m.RDB && len(heard.Forks) == 0 && slices.ContainsFunc(e.Snapshots, func(s history.Snapshot) bool { return s.Renamed != history.Never }):
		return "it made a snapshot, and its log did not say when that began (says, snapshot)"
	case p.NoSyncOnRewrite && len(heard.Worked) == 0 && slices.ContainsFunc(log, func(c disk.Record) bool {
		role := m.Store.Role(c.Path)
		return c.Kind == disk.OpCreate && (role == product.Draft || role == product.SnapshotDraft)
	}):
		return "it rewrote its log or made a snapshot, and its log did not say so (says)"
	}
	return ""
}
