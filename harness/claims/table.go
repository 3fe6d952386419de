package claims

// Why rows are not measured.
const (
	byItself    = "the embedded engine runs in virtual time: it has no fork, no memory and no speed of its own"
	needsModels = "needs an application's model (a consumer, a cache and its database), which no workload of today has"
)

// Table is every claim, in the order of its reports. Expected outcomes are those
// of redis-server 7.0.15.
var Table = []Claim{
	{ID: "P1", From: "T", Text: "AOF always loses nothing", Quantity: "kill, power, both in flight in fdatasync: lost acknowledged writes", Expected: Holds, measure: alwaysLosesNothing},
	{ID: "P2a", From: "TD", Text: "everysec loses at most one second", Quantity: "power at a uniform time: window", Expected: Depends, measure: everysecOneSecond},
	{ID: "P2b", From: "F", Text: "everysec loses nothing on a plain kill", Quantity: "kill inside and outside an fsync: lost", Expected: Refuted, measure: everysecOnKill},
	{ID: "P3a", From: "T", Text: "no leaves the flush to the kernel", Quantity: "power: window", Expected: Holds, measure: kernelFlushes},
	{ID: "P3b", From: "F", Text: "no loses the most of the AOF modes", Quantity: "power at one rate: lost", Expected: Holds, measure: noLosesMost},
	{ID: "P4a", From: "T", Text: "RDB loses everything since the last snapshot", Quantity: "kill, power: window against the age of the fork", Expected: Holds, measure: rdbLosesSinceSnapshot},
	{ID: "P4b", From: "T", Text: "SAVE blocks, BGSAVE does not", Quantity: "longest client stall, at 3 data sizes", Expected: Holds, measure: savesBlock, notOnEngine: byItself},
	{ID: "P4c", From: "T", Text: "a crash during BGSAVE leaves the old snapshot whole", Quantity: "power at every disk operation of BGSAVE", Expected: Holds, measure: bgsaveInterrupted},
	{ID: "P4d", From: "F", Text: "SIGTERM loses nothing", Quantity: `SIGTERM with save points, and with save "" and no AOF`, Expected: Depends, measure: sigtermLosesNothing},
	{ID: "P5a", From: "T", Text: "hybrid loses as little as AOF", Quantity: "preamble yes/no, crash before, in and after a rewrite", Expected: Holds, measure: hybridLosesAsLittle},
	{ID: "P5b", From: "T", Text: "hybrid starts as fast as RDB", Quantity: "start time against incr/base = 0, 0.1, 1, 10", Expected: Depends, measure: hybridStartsAsFast, notOnEngine: byItself},
	{ID: "P5c", From: "T", Text: "hybrid needs RDB and AOF both switched on", Quantity: `save "": the base begins with REDIS`, Expected: Refuted, measure: hybridNeedsBoth},
	{ID: "P5d", From: "T", Text: "hybrid is something you switch on", Quantity: "default of aof-use-rdb-preamble", Expected: Refuted, measure: hybridIsSwitchedOn},
	{ID: "P6", From: "T", Text: "RDB and AOF both on: the AOF is loaded", Quantity: "restart with differing files", Expected: Holds, measure: aofWins},
	{ID: "P7a", From: "T", Text: "aof-load-truncated yes starts on a truncated AOF, no refuses", Quantity: "cut the last incr at every byte; a NUL tail", Expected: Depends, measure: truncatedStarts},
	{ID: "P7b", From: "T", Text: "redis-check-aof --fix repairs a damaged AOF", Quantity: "cut, NUL tail, flip in the middle, damaged base, lost manifest", Expected: Depends, measure: checkAOFRepairs},
	{ID: "P8", From: "T", Text: "an AOF rewrite loses nothing whenever interrupted", Quantity: "crash at every disk operation of BGREWRITEAOF with writes going on", Expected: Holds, measure: rewriteInterrupted},
	{ID: "P9a", From: "T", Text: "no-appendfsync-on-rewrite yes can lose the rewrite's writes", Quantity: "power during a rewrite and a BGSAVE", Expected: Holds, measure: noFsyncOnRewrite},
	{ID: "P9b", From: "T", Text: "with no the rewrite may block clients", Quantity: "longest stall during a rewrite, yes against no, slow disk", Expected: Holds, measure: rewriteBlocks},
	{ID: "P10", From: "T", Text: "stop-writes-on-bgsave-error yes stops writes after a failed BGSAVE; no does not", Quantity: "EIO, ENOSPC in BGSAVE", Expected: Holds, measure: bgsaveFailure},
	{ID: "P11a", From: "T", Text: "the RDB checksum finds a damaged snapshot", Quantity: "flip random bits: refused at start; rdbchecksum no", Expected: Depends, measure: rdbChecksumFinds},
	{ID: "P11b", From: "F", Text: "the AOF finds damage", Quantity: "the same in incr and base", Expected: Depends, measure: aofFindsDamage},
	{ID: "P12", From: "T", Text: "FLUSHALL writes an empty snapshot", Quantity: `with save points, with save "", ASYNC, FLUSHDB`, Expected: Depends, measure: flushallSaves},
	{ID: "P13a", From: "F", Text: "a slow fsync only slows Redis down", Quantity: "fsync of 0.1, 1, 3 s: stall and window, per policy", Expected: Refuted, measure: slowFsync},
	{ID: "P13b", From: "D", Text: "after a failed fsync no acknowledged write is lost", Quantity: "EIO on an fsync, then power", Expected: Depends, measure: failedFsync},
	{ID: "P14", From: "T", Text: "save 3600 1, 300 100, 60 10000 bound the loss", Quantity: "save 2 1 at 1, 40, 400 writes/s: window", Expected: Holds, measure: savePointsBound},
	{ID: "P15a", From: "T", Text: "restart time RDB < hybrid < AOF", Quantity: "300k keys", Expected: Open, measure: restartTimes, notOnEngine: byItself},
	{ID: "P15b", From: "T", Text: "file size RDB < AOF", Quantity: "bytes, before and after a rewrite, rdbcompression yes/no", Expected: Holds, measure: fileSizes},
	{ID: "P15c", From: "T", Text: "no is fastest, always slowest; the difference matters", Quantity: "commands a second", Expected: Depends, measure: policySpeed, notOnEngine: byItself},
	{ID: "P16", From: "T", Text: "Redis persists nothing by default", Quantity: "defaults, kill -9 and SIGTERM", Expected: Refuted, measure: nothingByDefault},
	{ID: "P17", From: "T", Text: "to switch to AOF set appendonly yes and restart", Quantity: "data only in dump.rdb, edit, restart: keys", Expected: Refuted, measure: switchByRestart},
	{ID: "P18", From: "F", Text: "CONFIG SET appendonly yes protects from its OK on", Quantity: "power at every disk operation until the first rewrite ends", Expected: Refuted, measure: appendonlyOn},
	{ID: "P19", From: "T", Text: "a copy of the AOF files is a backup", Quantity: "copy during writes and during a rewrite, start on it", Expected: Open, measure: copyIsBackup},
	{ID: "P20", From: "T", Text: "auto-rewrite at twice the base size and a minimum", Quantity: "sizes at which a rewrite starts", Expected: Holds, measure: autoRewriteSizes},
	{ID: "P21", From: "T", Text: "a write is logged after it is executed, so the log never delays that command", Quantity: "latency of the same command under always", Expected: Refuted, measure: loggedAfterwards},
	{ID: "P22", From: "T", Text: "fork time grows with memory; copy-on-write can double it", Quantity: "fork ms and memory at 3 sizes", Expected: Holds, measure: forkCosts, notOnEngine: byItself},
	{ID: "P23", From: "T", Text: "rdb-del-sync-files removes replication's RDB files when persistence is off", Quantity: "files after a disk-backed full sync", Expected: Open, Why: "needs a replica beside the one server that this laboratory has"},
	{ID: "P24", From: "T", Text: "sanitize-dump-payload yes rejects what would crash the server", Quantity: "RESTORE and load of damaged payloads", Expected: Holds, measure: sanitizedPayloads, notOnEngine: "the engine has no RESTORE"},
}
