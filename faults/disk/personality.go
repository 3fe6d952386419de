package disk

import (
	"fmt"
	"slices"
	"time"

	"github.com/torntail/torntail/internal/spelling"
)

// Rule is one thing a file system promises about what survives a power cut. A
// personality is a set of rules; nothing else in this package asks which
// personality it serves. Fewer rules allow more images.
type Rule uint32

const (
	// AllInOrder: a call survives only whole and only with every call before it.
	AllInOrder Rule = 1 << iota
	// AtomicNames: what one call does to directories survives whole or not at all.
	AtomicNames
	// MetaInOrder: metadata goes through one log; what is logged survives only
	// with everything logged before it, other files' names and sizes included.
	MetaInOrder
	// SizeInLog: a size that needs no new block enters the log with its write;
	// other sizes enter it when their data is written back.
	SizeInLog
	// SizesInOrder: a size survives only with the earlier sizes of its file.
	SizesInOrder
	// SizeNeedsData: a size survives only with the data of its own page.
	SizeNeedsData
	// NewSizeNeedsData: the same, where the data needs a new block.
	NewSizeNeedsData
	// PagesWhole: a page is written back as memory has it, so of two writes to
	// one page the later survives only with the earlier.
	PagesWhole
	// TruncateFirst: data and sizes written behind a truncate survive only with it.
	TruncateFirst
	// OldBytes: where a size survives without its data, the file may show what
	// the block held before instead of zeroes.
	OldBytes
	// RenameAllocates: renaming over an existing name first puts the renamed
	// file's sizes into the log (its data is started, not awaited).
	RenameAllocates
	// SyncCommits: a sync with metadata to write also writes all that was logged before it.
	SyncCommits
	// SyncNames: an fsync also persists the names of its file, and of new
	// directories on the way to it.
	SyncNames
	// DatasyncCreation: an fdatasync persists the name a file was created with,
	// though not later names.
	DatasyncCreation
	// RangeDurable: sync_file_range makes data durable. It writes data and does not
	// flush the disk's cache, so that no file system promises it.
	RangeDurable
	// CutZeroes: a truncate within a page first zeroes the rest of the page, in
	// memory; that is data, and may reach the disk without the new size.
	CutZeroes
	// SyncFlushes: a sync of everything also flushes the disk's cache when no
	// metadata is left to write.
	SyncFlushes
	// DataInLog: data goes through the log as metadata does, page by page, and its
	// size with it.
	DataInLog
	// RenameLinks: an exception to AtomicNames. Of a rename between directories the
	// new name may survive with the old one beside it.
	RenameLinks
)

// ruleNames name each rule in documentation and tests, in the order of their bits.
var ruleNames = [...]string{"all-in-order", "atomic-names", "meta-in-order", "size-in-log", "sizes-in-order", "size-needs-data",
	"new-size-needs-data", "pages-whole", "truncate-first", "old-bytes", "rename-allocates", "sync-commits", "sync-names", "datasync-creation",
	"range-durable", "cut-zeroes", "sync-flushes", "data-in-log", "rename-links"}

// String names the lowest rule of the set.
func (r Rule) String() string {
	for i, name := range ruleNames {
		if r&(1<<i) != 0 {
			return name
		}
	}
	return "none"
}

// names are those of all rules of the set.
func (r Rule) names() []string {
	var names []string
	for i, name := range ruleNames {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// rulesByName is the set of rules that have these names.
func rulesByName(names []string) (Rule, error) {
	set := Rule(0)
	for _, name := range names {
		i := slices.Index(ruleNames[:], name)
		if i < 0 {
			return 0, fmt.Errorf("unknown rule %q of a disk personality", name)
		}
		set |= 1 << i
	}
	return set, nil
}

// Because is a rule and the reason why a personality has it.
type Because struct {
	Rule   Rule
	Reason string
}

// Personality says what a file system promises about a power cut.
type Personality struct {
	Name  string
	Rules []Because
	// Commit is how long metadata stays in the running transaction before the
	// kernel writes it unasked; 0: it never does.
	Commit time.Duration
	// Failure is what happens to a file whose sync fails.
	Failure FailureMode

	set Rule // union of Rules
}

// Has reports whether the personality has the rule.
func (p *Personality) Has(r Rule) bool { return p.set&r != 0 }

// FailureMode says what a file system does after a sync that failed. In all of
// them the pages are marked clean, so that the next sync writes nothing of
// them ("Can Applications Recover from fsync Failures?", ATC 2020, table 1).
type FailureMode struct {
	Name   string
	Revert bool // memory goes back to what the disk has; otherwise it keeps the new data
	Late   bool // the failing sync reports success and the next one the error
}

// FailureModes are those of the ATC 2020 paper.
var FailureModes = []FailureMode{
	{Name: "ext4"},                     // data=ordered
	{Name: "ext4-journal", Late: true}, // data=journal: the error surfaces when the journal is written to its place
	{Name: "xfs"},
	{Name: "btrfs", Revert: true}, // copy on write: the failed extent is dropped and memory reverts
}

// FailureModeByName finds one of FailureModes.
func FailureModeByName(name string) (*FailureMode, error) {
	for i := range FailureModes {
		if FailureModes[i].Name == name {
			return &FailureModes[i], nil
		}
	}
	return nil, fmt.Errorf("unknown fsync failure mode %q: want ext4, ext4-journal, xfs or btrfs", name)
}

// Personalities are the known ones. The rows for real file systems are those of
// Linux 6.x with default mount options.
var Personalities = []*Personality{
	{
		Name:    "posix",
		Failure: FailureModes[0],
		Rules: []Because{
			{OldBytes, "POSIX says nothing of data that was not synced; not even that it reads zeroes"},
			{CutZeroes, "and nothing of how a file is cut"},
			{SyncFlushes, "what sync(2) is for"},
		},
	},
	{
		Name:    "ext4",
		Commit:  5 * time.Second, // commit=5
		Failure: FailureModes[0],
		Rules:   ext4,
	},
	{
		Name:    "ext4-dioread-lock",
		Commit:  5 * time.Second,
		Failure: FailureModes[0],
		Rules: append([]Because{
			{SizesInOrder, "there is one i_disksize per inode, and a commit waits for the data of all new blocks before it, not of one page"},
			{NewSizeNeedsData, "data=ordered without unwritten extents: the commit waits for data in newly allocated blocks (jbd2 journal_submit_data_buffers)"},
		}, ext4...),
	},
	{
		Name:    "ext4-journal",
		Commit:  5 * time.Second,
		Failure: FailureModes[1],
		Rules:   append([]Because{{DataInLog, "data=journal: each page of a write is a handle of its own, with the size it needs"}}, ext4Names...),
	},
	{
		Name:    "xfs",
		Commit:  30 * time.Second, // xfssyncd_centisecs
		Failure: FailureModes[2],
		Rules: []Because{
			{AtomicNames, "one transaction for each call"},
			{MetaInOrder, "the log (CIL) is written in order"},
			{SizeNeedsData, "the on-disk size moves when the write's own I/O completes (xfs_end_io, xfs_setfilesize); earlier pages are not waited for"},
			{PagesWhole, "the page cache writes whole pages"},
			{TruncateFirst, "a truncate is logged at once; blocks written behind it hang off the truncated inode"},
			{SyncCommits, "fsync forces the log up to the inode's last change (xfs_file_fsync)"},
			{SyncNames, "a rename or link logs the inode too, so fsync forces it out"},
			{DatasyncCreation, "creation logs the inode core"},
			{CutZeroes, "iomap_truncate_page"},
		},
	},
	{
		Name:    "btrfs",
		Commit:  30 * time.Second, // commit=30
		Failure: FailureModes[3],
		Rules: []Because{
			{AtomicNames, "one transaction handle for each call"},
			{RenameLinks, "a sync of the new directory logs its new name, and leaves the old directory to the next commit"},
			{SizeNeedsData, "the inode item's size moves when the ordered extent completes (btrfs_finish_ordered_io)"},
			{PagesWhole, "the page cache writes whole pages"},
			{TruncateFirst, "size and extents belong to one inode item"},
			{SyncNames, "the tree log holds the inode's names and new directories above it (btrfs_log_inode_parent)"},
			{DatasyncCreation, "the tree log holds the inode's references whatever the kind of sync"},
			{SyncFlushes, "a transaction is committed whenever data was written, for data has new places"},
		},
	},
	{
		Name:    "prefix",
		Commit:  5 * time.Second,
		Failure: FailureModes[0],
		Rules: []Because{
			{AllInOrder, "an ideal disk: only the place of the cut varies"},
			{RangeDurable, "an ideal disk has no cache"},
			{SyncFlushes, "and so nothing to flush"},
		},
	},
}

// ext4 are the rules that do not depend on dioread_nolock.
var ext4 = append([]Because{
	{SizeInLog, "a write into an allocated block moves i_disksize at once (ext4_da_should_update_i_disksize); others when their blocks are allocated at write-back"},
	{PagesWhole, "the page cache writes whole pages"},
	{TruncateFirst, "a truncate is logged at once; blocks written behind it hang off the truncated inode"},
	{RenameAllocates, "auto_da_alloc: ext4_rename calls ext4_alloc_da_blocks when the new name exists"},
	{CutZeroes, "ext4_block_truncate_page"},
}, ext4Names...)

// ext4Names are those that do not depend on how data is written.
var ext4Names = []Because{
	{AtomicNames, "each call's directory changes are in one handle, hence one transaction"},
	{MetaInOrder, "jbd2 commits transactions in order"},
	{SyncCommits, "fsync commits the transaction of the inode's last change, hence all before it (ext4_sync_file, ext4_fsync_journal)"},
	{SyncNames, "rename and link move i_sync_tid"},
	{DatasyncCreation, "creation sets i_datasync_tid; rename does not"},
	{SyncFlushes, "ext4_sync_fs flushes the device where no commit has"},
}

func init() {
	for _, p := range Personalities {
		for _, b := range p.Rules {
			p.set |= b.Rule
		}
	}
}

// Ext4 is the default personality.
func Ext4() *Personality { return Personalities[1] }

// PersonalityByName finds one of "posix", "ext4", "ext4-dioread-lock",
// "ext4-journal", "xfs", "btrfs" and "prefix".
func PersonalityByName(name string) (*Personality, error) {
	return spelling.Find("personality", name, Personalities, func(p *Personality) string { return p.Name })
}
