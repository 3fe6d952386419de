// Package bugs is the registry of planted bugs: known durability bugs of
// servers like this one, each a named switch, all off.
//
// A checker is believed because it is seen to fire. Each bug sits in the code
// where the real one would sit (a missing sync, a wrong order, an early reply),
// never in a checker, and names the anomaly (checker's names, contracts.md)
// that an honest run must report once the bug is on.
package bugs

import (
	"strings"
)

// Set is a set of planted bugs. The zero Set is the correct server.
type Set uint64

// The planted bugs.
const (
	// AlwaysSkips50th leaves out every 50th fsync under appendfsync always.
	AlwaysSkips50th Set = 1 << iota
	// GroupReplyBeforeSync answers before the sync under appendfsync always, but
	// only when one event-loop turn commits the writes of two or more clients.
	GroupReplyBeforeSync
	// ReplyBeforeSync answers before the sync under appendfsync always, each time.
	ReplyBeforeSync
	// EverysecNeverSyncs never starts the once-a-second sync.
	EverysecNeverSyncs
	// EverysecTwoSeconds starts the sync every two seconds instead of every second.
	EverysecTwoSeconds
	// SnapshotRenameBeforeSync syncs a snapshot after renaming it to its final name.
	SnapshotRenameBeforeSync
	// SnapshotWithoutSync renames a snapshot to its final name and never syncs it.
	SnapshotWithoutSync
	// BaseWithoutSync renames a rewrite's base to its final name and never syncs it.
	BaseWithoutSync
	// ManifestBeforeBase switches the manifest to a new base that is synced afterwards.
	ManifestBeforeBase
	// RenameWithoutDirSync leaves out the sync of the directory after a rename.
	RenameWithoutDirSync
	// UnlinkBeforeManifest removes the old files of a rewrite before the manifest
	// that does without them is written.
	UnlinkBeforeManifest
	// TruncatedTailKept loads a truncated tail without cutting it, so that new
	// commands are appended behind the debris.
	TruncatedTailKept
	// RewriteLosesWrites keeps appending to the old file during a rewrite and
	// throws it away with the rest when the rewrite ends.
	RewriteLosesWrites
	// SplitTransaction writes a transaction as two, in two writes.
	SplitTransaction
	// OldIncrUnsynced closes the incr file that a rewrite leaves without a sync.
	OldIncrUnsynced
	// IdleTailUnsynced starts the once-a-second sync with writes only, so that what was
	// written in the second of the last one stays unsynced while no other comes.
	IdleTailUnsynced
	// RewriteCountsAsSync takes all that was written for synced when a rewrite ends.
	RewriteCountsAsSync
	// SnapshotDirUnsynced leaves out the sync of the directory after a snapshot's rename.
	SnapshotDirUnsynced
	// ManifestInPlace overwrites the manifest instead of replacing it by a rename.
	ManifestInPlace
	// ExpiryNotLogged logs a SET with an expiry time without it.
	ExpiryNotLogged
	// UpdateNotCounted logs and counts of HSET only fields that are new.
	UpdateNotCounted
	// OpenTransactionLoaded executes a transaction that is loaded as it is read, whether
	// its EXEC follows or not.
	OpenTransactionLoaded
	// ChangesMeanwhileForgotten takes all changes for saved when a snapshot ends, those
	// made since it began among them.
	ChangesMeanwhileForgotten
	// AlwaysGoesOn answers under appendfsync always after an fsync that failed.
	AlwaysGoesOn
	// EverysecGoesOn takes writes after the fsync of everysec has failed.
	EverysecGoesOn
	// RewriteAborts ends the server at the end of a rewrite during which it was written to.
	RewriteAborts
	// ForeignPartialSync lets a replica of another history go on with a partial
	// resynchronisation when the backlog covers its offset.
	ForeignPartialSync
	// BacklogKept keeps the backlog of the old history through a full resynchronisation.
	BacklogKept
	// PromotedWithoutSecondID begins a new history at a promotion and forgets the
	// one it goes on from.
	PromotedWithoutSecondID
	// AckBeforeApply counts what was handed to a replica's connection as acknowledged by it.
	AckBeforeApply
	// ExpiredServed lets a replica answer reads of keys past their time.
	ExpiredServed
	// VoteTwice lets a Sentinel vote for whoever asks last in an epoch.
	VoteTwice
	// OldMasterForgotten makes a Sentinel forget the old master at a failover
	// instead of making it a replica when it is back.
	OldMasterForgotten
	// DeadlinesForgotten loads a snapshot without the deadlines of its keys.
	DeadlinesForgotten
	// DeadlinesRestarted logs how long a key has still to live instead of when it
	// expires, so that a load counts from anew.
	DeadlinesRestarted
	// EvictionNotLogged neither logs evictions nor sends them to replicas.
	EvictionNotLogged
	// ShutdownSavesUnasked saves at an orderly end although there are no save points.
	ShutdownSavesUnasked
	// ExpiryLoggedBehind logs the deletion of an expired key that a command meets behind that command.
	ExpiryLoggedBehind
	// WaitCountsOneMore lets WAIT answer one replica more than have acknowledged.
	WaitCountsOneMore
	// EffectsBare logs what a script writes command by command, without MULTI and EXEC.
	EffectsBare
	// FunctionsNotRewritten leaves libraries of functions out of a rewritten base.
	FunctionsNotRewritten
	// OldDataKept loads a full resynchronisation over the data that a replica has.
	OldDataKept
	// OrphanRenamesUnfinished lets a snapshot child that finds its parent dead give its
	// file the final name as it is.
	OrphanRenamesUnfinished
	// OrphanInstallsBase lets a rewrite child that finds its parent dead put its file in
	// the place of the present base, as if the logs before it had been left out.
	OrphanInstallsBase
	// KilledChildCounts takes a snapshot child that a signal ended for one that succeeded.
	KilledChildCounts
	// RestartTrustsReplicas lets replicas go on that have more than their master, which has
	// loaded a snapshot.
	RestartTrustsReplicas
	// LogNotRestarted leaves an append-only file off that a synchronisation has stopped.
	LogNotRestarted
	// VoteNotSaved tells a vote that is not saved, so that a Sentinel that is started again
	// has it to give once more.
	VoteNotSaved
	// OwnVoteTwice counts a Sentinel's own vote twice.
	OwnVoteTwice
	// EpochNotRaised leaves the new master its predecessor's configuration epoch.
	EpochNotRaised
)

// Bug describes one planted bug.
type Bug struct {
	Bit  Set
	Name string // what --plant takes
	Doc  string // what is wrong, one sentence
	// Breaks names the modes (cli.md's presets) in which the bug does something.
	Breaks []string
	// Anomaly is what a checker must report, by contracts.md's names; "" for a bug
	// that breaks no contract and shows only in the figures.
	Anomaly string
	// Under says which crash shows it.
	Under string
	// Kind is what of the server's work is done wrong.
	Kind Kind
}

// Kind groups planted bugs by what is done wrong.
type Kind string

// The kinds.
const (
	Synced     Kind = "synced"     // what is synced, and when; what follows a sync that failed
	Renamed    Kind = "renamed"    // which file takes or loses its name, and when
	Logged     Kind = "logged"     // what is written to the log
	Loaded     Kind = "loaded"     // what is made of the files at a start
	Counted    Kind = "counted"    // which changes, and which save points, count
	Replicated Kind = "replicated" // what servers and Sentinels tell each other
)

// replicated stands in Bug.Breaks for servers that follow each other, in any mode.
const replicated = "replicated"

var registry = []Bug{
	{AlwaysSkips50th, "skip-every-50th-fsync", "every 50th fsync under always is left out, the reply goes out all the same",
		[]string{"always", "hybrid-always"}, "lost-write", "power cut before the next fsync", Synced},
	{GroupReplyBeforeSync, "group-reply-before-fsync", "a group commit of two or more clients is answered before its fsync",
		[]string{"always", "hybrid-always"}, "lost-write", "power cut during the fsync of a group", Synced},
	{ReplyBeforeSync, "reply-before-fsync", "writes under always are answered before their fsync",
		[]string{"always", "hybrid-always"}, "lost-write", "power cut during an fsync", Synced},
	{EverysecNeverSyncs, "everysec-never-fsyncs", "the background fsync of everysec never happens",
		[]string{"everysec", "hybrid"}, "lost-write", "power cut more than two seconds after the first write", Synced},
	{EverysecTwoSeconds, "everysec-two-seconds", "everysec syncs every two seconds instead of every second",
		[]string{"everysec", "hybrid"}, "", "power cut: the loss window doubles, within the contract; a comparison of runs shows it", Synced},
	{SnapshotRenameBeforeSync, "rdb-rename-before-fsync", "a snapshot gets its final name before its fsync",
		[]string{"rdb"}, "unrecoverable", "power cut between the rename and the fsync", Renamed},
	{SnapshotWithoutSync, "rdb-rename-without-fsync", "a snapshot gets its final name without any fsync",
		[]string{"rdb"}, "unrecoverable", "power cut after the rename", Renamed},
	{BaseWithoutSync, "base-rename-without-fsync", "the base of a rewrite gets its final name without any fsync",
		[]string{"always", "everysec", "no", "hybrid", "hybrid-always"}, "unrecoverable", "power cut after a rewrite", Renamed},
	{ManifestBeforeBase, "manifest-before-base", "the manifest names the new base before that is durable",
		[]string{"always", "everysec", "no", "hybrid", "hybrid-always"}, "unrecoverable", "power cut at the end of a rewrite", Renamed},
	{RenameWithoutDirSync, "rename-without-dirsync", "the directory is not synced after a rename in it",
		[]string{"always", "everysec", "no", "hybrid", "hybrid-always", "rdb"}, "lost-write", "power cut that loses a directory entry", Renamed},
	{UnlinkBeforeManifest, "unlink-before-manifest", "a rewrite removes the old files before the new manifest is written",
		[]string{"always", "everysec", "no", "hybrid", "hybrid-always"}, "unrecoverable", "any crash between the two", Renamed},
	{TruncatedTailKept, "truncated-tail-kept", "a truncated tail is skipped at start-up and not cut off",
		[]string{"always", "everysec", "no", "hybrid", "hybrid-always"}, "unrecoverable", "a second restart after a crash that tore the tail", Loaded},
	{RewriteLosesWrites, "rewrite-loses-writes", "writes made during a rewrite go to the old file and vanish with it",
		[]string{"always", "everysec", "no", "hybrid", "hybrid-always"}, "lost-write", "any crash after a rewrite", Logged},
	{SplitTransaction, "split-transaction", "a transaction is logged as two, in two writes",
		[]string{"always", "everysec", "no", "hybrid", "hybrid-always"}, "torn-transaction", "any crash between the two writes", Logged},
	{OldIncrUnsynced, "old-incr-never-synced", "the log that a rewrite goes on from is closed without its last sync (until redis #11004)",
		[]string{"everysec", "no", "hybrid"}, "lost-write", "power cut soon after the start of a rewrite", Synced},
	{IdleTailUnsynced, "idle-tail-never-synced", "everysec starts no sync while no writes come (until redis #6053)",
		[]string{"everysec", "hybrid"}, "late-sync", "power cut while clients have been idle for more than two seconds", Synced},
	{RewriteCountsAsSync, "rewrite-counts-as-sync", "the end of a rewrite counts as a sync of what was written meanwhile (until redis #11973)",
		[]string{"everysec", "hybrid"}, "late-sync", "power cut after a rewrite, idle clients, no-appendfsync-on-rewrite yes", Synced},
	{SnapshotDirUnsynced, "rdb-dir-never-synced", "the directory is not synced after the rename of a snapshot (until redis #10737)",
		[]string{"rdb"}, "late-sync", "power cut after a snapshot", Renamed},
	{ManifestInPlace, "manifest-in-place", "the manifest is overwritten, not replaced (as nodes.conf was until redis #10924)",
		[]string{"always", "everysec", "no", "hybrid", "hybrid-always"}, "unrecoverable", "any crash while a rewrite writes it", Renamed},
	{ExpiryNotLogged, "expiry-not-logged", "a SET with an expiry time is logged without it (as SET EX was in part until redis 530fcf8)",
		[]string{"always", "everysec", "no", "hybrid", "hybrid-always"}, "resurrection", "any crash after a key has expired", Logged},
	{UpdateNotCounted, "update-not-counted", "an HSET of a field that is there is neither logged nor counted as a change (as of BLPOP until redis #11326)",
		[]string{"always", "everysec", "no", "hybrid", "hybrid-always"}, "lost-write", "any crash", Counted},
	{OpenTransactionLoaded, "open-transaction-loaded", "a transaction whose EXEC is missing is loaded (until redis eb87da6)",
		[]string{"always", "everysec", "no", "hybrid", "hybrid-always"}, "torn-transaction", "a crash that tears a transaction", Loaded},
	{ChangesMeanwhileForgotten, "changes-during-save-forgotten", "changes made while a snapshot is written count as saved (until redis 2f6b31c)",
		[]string{"rdb"}, "late-sync", "any crash after clients have gone idle during a snapshot", Counted},
	{AlwaysGoesOn, "always-goes-on", "under always a failed fsync is logged and writes are answered (until redis #8347)",
		[]string{"always", "hybrid-always"}, "refused", "a power cut after an fsync that failed", Synced},
	{EverysecGoesOn, "everysec-goes-on", "under everysec writes are taken after a failed fsync (until redis #8419)",
		[]string{"everysec", "hybrid"}, "refused", "a power cut after an fsync that failed", Synced},
	{RewriteAborts, "rewrite-aborts", "an assertion about the new file ends the server when a rewrite is over",
		[]string{"everysec", "no", "always", "hybrid", "hybrid-always"}, "exited", "none: the server ends by itself", Renamed},
	{ForeignPartialSync, "partial-sync-wrong-id", "a partial resynchronisation is granted to a replica with another replication id",
		[]string{replicated}, "divergence", "a partition in which the old master takes writes", Replicated},
	{BacklogKept, "backlog-kept-after-full-sync", "a replica keeps its backlog through a full resynchronisation, so that it holds bytes of two histories",
		[]string{replicated}, "divergence", "two failovers, or a replica of a replica, after a full resynchronisation", Replicated},
	{PromotedWithoutSecondID, "promoted-without-second-id", "a promoted replica forgets the history it goes on from",
		[]string{replicated}, "full-sync", "any failover: the other replicas need a full resynchronisation for nothing", Replicated},
	{AckBeforeApply, "ack-before-apply", "what was sent to a replica counts as acknowledged by it",
		[]string{replicated}, "lost-write", "a partition of the master under WAIT for all replicas", Replicated},
	{ExpiredServed, "expired-served", "a replica answers reads of keys past their time until the master's DEL comes",
		[]string{replicated}, "resurrection", "a partition of the replica from its master", Replicated},
	{VoteTwice, "vote-twice", "a Sentinel votes for every candidate that asks in an epoch",
		[]string{replicated}, "two-leaders", "two Sentinels that start a failover at nearly the same time", Replicated},
	{OldMasterForgotten, "old-master-not-demoted", "a Sentinel forgets the old master at a failover, so that it stays one",
		[]string{replicated}, "two-masters", "any failover whose old master comes back", Replicated},
	{DeadlinesForgotten, "deadlines-forgotten", "a snapshot is loaded without the deadlines of its keys",
		[]string{"rdb", "hybrid", "hybrid-always"}, "phantom", "any crash after a snapshot of a key that expires", Loaded},
	{DeadlinesRestarted, "deadlines-restarted", "a key's time to live is logged instead of its deadline, and counts anew from the load",
		[]string{"always", "everysec", "no", "hybrid", "hybrid-always"}, "phantom", "any crash after a write with a deadline", Logged},
	{EvictionNotLogged, "eviction-not-logged", "a key that is evicted is deleted in memory only",
		[]string{"always", "everysec", "no", "hybrid", "hybrid-always"}, "resurrection", "any crash after an eviction", Logged},
	{ShutdownSavesUnasked, "shutdown-saves-unasked", "an orderly end saves although there are no save points",
		[]string{"none"}, "resurrection", "SIGTERM", Counted},
	{ExpiryLoggedBehind, "expiry-logged-behind", "the deletion of an expired key that a write meets is logged behind the write",
		[]string{"always", "everysec", "no", "hybrid", "hybrid-always"}, "lost-write", "any crash after a key that had expired was written anew", Logged},
	{WaitCountsOneMore, "wait-counts-one-more", "WAIT answers one replica more than have acknowledged the write",
		[]string{replicated}, "wait-count", "WAIT for more replicas than can be reached", Replicated},
	{EffectsBare, "script-effects-bare", "what a script writes is logged command by command, without MULTI and EXEC around it",
		[]string{"always", "everysec", "no", "hybrid", "hybrid-always"}, "hole", "a crash that tears a script's effects", Logged},
	{OldDataKept, "old-data-kept", "a full resynchronisation is loaded over the data that a replica has, which is not emptied",
		[]string{replicated}, "divergence", "a partition in which the old master takes writes", Replicated},
	{FunctionsNotRewritten, "functions-not-rewritten", "a rewritten base has no libraries of functions",
		[]string{"always", "everysec", "no", "hybrid", "hybrid-always"}, "hole", "any crash after a rewrite", Logged},
	{OrphanRenamesUnfinished, "orphan-renames-unfinished", "a snapshot child that finds its parent dead renames what it has written so far",
		[]string{"rdb"}, "unrecoverable", "SIGKILL of the server alone while a snapshot is written", Renamed},
	{OrphanInstallsBase, "orphan-installs-base", "a rewrite child that finds its parent dead puts its base in the place of the old, and the logs stay",
		[]string{"always", "everysec", "no", "hybrid", "hybrid-always"}, "silent-truncation", "SIGKILL of the server alone while a rewrite goes on", Renamed},
	{KilledChildCounts, "killed-child-counts", "a snapshot whose child was killed counts as made",
		[]string{"rdb"}, "late-sync", "any crash after a snapshot child was killed", Counted},
	{RestartTrustsReplicas, "restart-trusts-replicas", "a master that has loaded a snapshot lets replicas go on that have more than it has",
		[]string{replicated}, "divergence", "a restart of the master with snapshots only, before anybody misses it", Replicated},
	{LogNotRestarted, "log-not-restarted", "an append-only file that a full synchronisation has stopped stays off",
		[]string{replicated}, "lost-write", "a restart of a server that followed another and was promoted", Replicated},
	{VoteNotSaved, "vote-not-saved", "a Sentinel tells its vote without saving it",
		[]string{replicated}, "two-leaders", "a Sentinel that is killed during an election and started again at once", Replicated},
	{OwnVoteTwice, "own-vote-twice", "a Sentinel counts its own vote twice",
		[]string{replicated}, "two-leaders", "two Sentinels that start a failover at nearly the same time", Replicated},
	{EpochNotRaised, "epoch-not-raised", "a promotion is announced under the configuration epoch of the master before",
		[]string{replicated}, "liveness", "any failover: the other Sentinels do not believe it", Replicated},
}

// Replicated reports whether the bug shows only among several servers: it is
// no concern of experiments with one.
func (b Bug) Replicated() bool { return b.Breaks[0] == replicated }

// All returns every planted bug, in the order of the registry. The slice is the caller's.
func All() []Bug { return append([]Bug(nil), registry...) }

// Has reports whether all bugs of b are in the set.
func (s Set) Has(b Set) bool { return s&b == b }

// String is the comma-separated names, "" for the empty set.
func (s Set) String() string {
	var names []string
	for _, b := range registry {
		if s.Has(b.Bit) {
			names = append(names, b.Name)
		}
	}
	return strings.Join(names, ",")
}

// ByName finds a bug.
func ByName(name string) (Bug, bool) {
	for _, b := range registry {
		if b.Name == name {
			return b, true
		}
	}
	return Bug{}, false
}
