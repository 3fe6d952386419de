package blocklog

import (
	"fmt"
	"slices"
	"strings"
)

// FS is a file system with its mount options.
type FS struct {
	Kind    string   // ext4, xfs or btrfs
	Options []string // for mount(8)'s -o
}

// Kinds are the file systems that can be put on a device.
var Kinds = []string{"ext4", "xfs", "btrfs"}

// ParseFS reads "ext4,data=writeback": a kind and its mount options.
func ParseFS(text string) (FS, error) {
	words := strings.Split(text, ",")
	f := FS{Kind: words[0], Options: words[1:]}
	if !slices.Contains(Kinds, f.Kind) {
		return FS{}, fmt.Errorf("file system %q: want ext4, xfs or btrfs, and mount options behind commas, such as ext4,data=writeback", text)
	}
	for _, o := range f.Options {
		if o == "" || strings.Trim(o, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=_-.:") != "" {
			return FS{}, fmt.Errorf("file system %q: %q is no mount option", text, o)
		}
		if strings.HasSuffix(o, "=panic") {
			return FS{}, fmt.Errorf("file system %q: with %s damage would end the whole machine", text, o)
		}
	}
	return f, nil
}

// String is what ParseFS reads.
func (f FS) String() string { return strings.Join(append([]string{f.Kind}, f.Options...), ",") }

// Has reports whether one of the mount options is given.
func (f FS) Has(options ...string) bool {
	return slices.ContainsFunc(f.Options, func(o string) bool { return slices.Contains(options, o) })
}

// deciding are the mount options, up to their values, that have a part in what is durable,
// and when, and in nothing else: none names a device, a user or a policy. ext4(5), xfs(5),
// btrfs(5).
var deciding = strings.Fields(`data data_err barrier nobarrier commit delalloc nodelalloc auto_da_alloc noauto_da_alloc
	dioread_lock dioread_nolock journal_checksum nojournal_checksum journal_async_commit max_batch_time min_batch_time
	discard nodiscard lazytime nolazytime
	allocsize largeio nolargeio logbufs logbsize swalloc wsync
	compress compress-force datacow nodatacow datasum nodatasum flushoncommit noflushoncommit max_inline
	notreelog treelog ssd nossd ssd_spread nossd_spread`)

// Unusual are the mount options that have a part in something else than what is durable.
func (f FS) Unusual() (options []string) {
	for _, o := range f.Options {
		if name, _, _ := strings.Cut(o, "="); !slices.Contains(deciding, name) {
			options = append(options, o)
		}
	}
	return options
}

// Personality is the name of the disk model (faults/disk) that claims to say what
// the file system leaves; "" when there is none for its options.
func (f FS) Personality() string {
	switch {
	case f.Has("barrier=0", "nobarrier"):
		return "" // promises nothing
	case f.Kind != "ext4":
		return f.Kind
	case f.Has("data=journal"):
		return "ext4-journal"
	case f.Has("dioread_lock"):
		return "ext4-dioread-lock"
	}
	return "ext4"
}

// SmallestSize is as small as each is with which it behaves as a large one does:
// with a journal of its own, and data and metadata apart.
func (f FS) SmallestSize() int64 {
	switch f.Kind {
	case "ext4":
		return 12 << 20
	case "xfs":
		return 32 << 20
	}
	return 80 << 20
}

// maker is the command that makes the file system in a file, and what it adds to
// the environment.
func (f FS) maker(file string) (argv, env []string) {
	const id = "7042ad17-0000-4000-8000-000000000001"
	switch f.Kind {
	case "ext4":
		// Nothing is left for a background thread to initialize. 1024 blocks are
		// the smallest journal.
		return []string{"mkfs.ext4", "-q", "-F", "-b", "4096", "-J", "size=4", "-m", "0", "-U", id,
			"-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard,hash_seed=" + id, file}, nil
	case "xfs":
		// mkfs.xfs makes nothing below 300 MiB but for the file system's own tests,
		// which it knows by these variables.
		return []string{"mkfs.xfs", "-q", "-f", "-K", "-m", "uuid=" + id, file}, []string{"TEST_DIR=x", "TEST_DEV=x", "QA_CHECK_FS=x"}
	}
	// mkfs.btrfs takes no identity that another disk on the machine has.
	return []string{"mkfs.btrfs", "-q", "-f", "-K", "-m", "single", "-d", "single", file}, nil
}
