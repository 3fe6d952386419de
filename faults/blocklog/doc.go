// Package blocklog runs real file systems on a block device that remembers.
//
// The device is a file of a small FUSE file system served by torntail, attached
// to a loop device and mounted as ext4, xfs or btrfs. So the kernel's own file
// system does what it does on a disk, and torntail sees what reaches the disk:
// each block write with its data, and each flush, in order. No device-mapper is
// needed, only root, FUSE and loop devices.
//
// # What a power cut leaves
//
// A disk with a volatile cache keeps everything that it was given before the
// last completed flush, and of what came after it any part: any subset of the
// writes, the last one torn at a sector. A later write of a block never gives
// way to an earlier one that had been completed before it, so that subsets in
// the order of the log are also all orders. A crash image is such a set, put on
// the pages of the last flush ([Log.Image]); it becomes a device of its own,
// which is attached, mounted (the journal is replayed by the kernel), and given
// to a server or listed.
//
// Images are slices of pages that never change, so that a clone copies pointers.
//
// # Processes
//
// A process that serves a FUSE file and waits for a mount on it cannot be
// killed: its thread waits in state D for an answer that the dying process will
// not give, and holds the descriptor whose closing would end the wait. So
// torntail only serves. Mounting, listing and unmounting is done by agents: the
// same binary started again, in the same private mount namespace
// ([guard.Space]), where servers find the mounts too. When torntail dies,
// however it dies, the kernel closes /dev/fuse, which fails all that waits;
// agents and servers are killed with it, the namespace goes with the last of
// them, and its mounts with the namespace; the loop devices clear themselves
// (LO_FLAGS_AUTOCLEAR). Nothing of that needs code that runs.
//
// Programs that use the package call [Main] before anything else, after
// [guard.Main].
package blocklog
