package redis

import (
	"strings"
	"time"

	"github.com/torntail/torntail/harness/product"
)

// Line implements product.Store: "PID:ROLE DD Mon YYYY HH:MM:SS.mmm LEVEL text". The
// stamp is cut to the millisecond.
func (store) Line(text string) (at time.Time, msg string, ok bool) {
	_, rest, ok := strings.Cut(text, " ")
	const layout = "02 Jan 2006 15:04:05.000"
	if !ok || len(rest) < len(layout)+3 {
		return at, "", false
	}
	at, err := time.ParseInLocation(layout, rest[:len(layout)], time.Local)
	return at, rest[len(layout)+3:], err == nil
}

// says are the beginnings of messages that tell something, in the words that
// redis-server 7.0.15 and the engine share. Between fork(2) and its announcement the main
// thread executes nothing (rdb.c rdbSaveBackground).
var says = []struct {
	begins string
	what   product.Said
}{
	{"Background saving started by pid", product.SnapshotForked},
	{"Background append only file rewriting started by pid", product.RewriteBegan},
	{"Background saving terminated", product.ChildEnded},
	{"Background saving error", product.ChildEnded},
	{"Background AOF rewrite finished successfully", product.ChildEnded},
	{"Background AOF rewrite terminated with error", product.ChildEnded},
	{"Background AOF rewrite terminated by signal", product.ChildEnded},
	{"Can't handle RDB format version", product.FormatRefused},          // rdb.c rdbLoadRioWithLoadingCtx
	{"Starting BGSAVE for SYNC with target: disk", product.SyncWritten}, // replication.c startBgsaveForReplication
}

// Says implements product.Store.
func (s store) Says(msg string) (what product.Said, file string) {
	if s.kin.Words != nil {
		return s.kin.Words.says(msg), ""
	}
	// aof.c loadSingleAppendOnlyFile
	if _, rest, ok := strings.Cut(msg, "!!! Truncating the AOF "); ok {
		file, _, _ = strings.Cut(rest, " ")
		return product.TailCut, file
	}
	// valkey 9.1 valkey-check-aof.c checkSingleAof, of a base that it does not know for a snapshot
	if rest, ok := strings.CutPrefix(msg, "AOF "); ok {
		if file, ok = strings.CutSuffix(rest, ".base.rdb format error"); ok {
			return product.BaseRefused, file + ".base.rdb"
		}
	}
	for _, w := range says {
		if strings.HasPrefix(msg, w.begins) {
			return w.what, ""
		}
	}
	return product.Nothing, ""
}
