// Package sim is the simulated world: nodes with disks and a network under one
// scheduler, one virtual clock and one seeded generator. The same seed and the
// same calls give the same run, event for event; World.Hash is the proof.
//
// # How it runs
//
// Every task of every node is a coroutine (iter.Pull). Exactly one runs at a
// time, until it calls a seam that blocks; then the scheduler chooses the next
// among those that are ready, by the seed. When none is ready the clock jumps to
// the next timer. Code in a task is ordinary blocking code.
//
// World.At and World.After run callbacks outside all tasks; that is where faults
// strike. A fault that a disk hook decides (disk.Decision.Strike) and a fault
// that a task asks for (Node.Kill called from a client's task) wait until that
// task has yielded and are then run in the same place, at once: a task can die
// only inside a seam, and it never dies on its own stack.
//
// # Killing
//
// In this order: the process is marked dead, its tasks leave every queue, its
// sockets close (nothing is sent after a power cut; after a kill the kernel
// closes them), then each task is unwound: the seam in which it sits panics with
// a private value, and any seam that a deferred function touches on the way out
// panics again. A seam that did nothing instead would let a deferred wait hang
// and a deferred acknowledgement go out.
//
// # Memory
//
// World.Reset starts the next experiment in the memory and coroutines of the
// last and behaves exactly like New. Nothing that came from a world (nodes,
// environments, tasks, connections, conditions) may be used after its Reset.
package sim
