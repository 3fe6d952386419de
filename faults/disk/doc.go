// Package disk is the model of what a power cut leaves: a file system in memory
// that remembers, for every call, what of it is durable and what is not.
//
// # How it works
//
// Calls take effect at once in what other calls see. Each is split into
// micro-operations (bytes within a page, a size, a name made, a name gone) that
// stay "in play" until a sync, or the kernel's own write-back, makes them
// durable. A Personality, a set of named Rules, says which of those in play
// cannot survive without which others (order.go), and what a sync covers
// (sync.go). A power cut keeps any set of micro-operations that is closed under
// those rules; a Choice picks one, an enumeration (enumerate.go) tries many. The
// image is a Disk again, which can be used and cut again, to any depth. Whoever
// wants many images of one moment makes them with an Imager, each from one that
// differs little.
//
// A sync covers what was dirty when it entered and makes it durable when it
// ends: between BeginSync and EndSync lies the time in which a crash strikes
// inside an fsync. SyncProgress makes a share of its pages durable before.
//
// # Two ways in
//
// The simulated world uses Disk.FS, a vfs.FS by path, with a Gate through which
// every call passes: it gives calls their duration, lets faults decide about
// them (Decision), and may unwind the calling task in the middle of one. A file
// server uses the calls by number (Lookup, Create, Write, BeginSync, ...):
//
//	c := &disk.Call{Kind: disk.OpWrite, Ino: ino, Off: off, Enter: now}
//	d.Begin(c)           // gives it its ID
//	n, errno := d.Write(c, data)
//	c.Return, c.Err = now, errno
//	d.End(c)             // into the log
//
// Nothing here has a clock, a goroutine or a lock. Everything is deterministic:
// the same calls and choices give the same images, logs and hashes.
//
// # What is not modelled
//
// Times, modes and owners of files always survive. A file's missing data reads
// either all zeroes or all old bytes in one image, not a mixture. Data that a
// file system packs into the inode, compression, and checksums of data are not
// modelled. The reasons for each rule stand with the personalities; the images
// they allow for small programs stand in promised/images.txt, written by hand.
package disk
