// Package explore records one run of the engine, or of a real server, and judges
// every crash state that it could have left, not a sample of them.
//
// The run is an experiment of the harness: clients, a rewrite, a snapshot,
// changes of the configuration and an orderly end. At each of its moments
// (experiment.Moment: a call has taken effect, a sync is over, a client has been
// answered) the power could be cut; what is in play then may survive in any
// combination that the disk's personality allows. A Bound says which combinations
// are tried. Each is a state: an image that the server is started on, by its own
// start-up code, and a promise (the acknowledgements and returned syncs of that
// moment) that what it comes back with is held against.
//
// Of the engine nothing is recorded to be played back: the disk of the running
// experiment, in the simulated world, makes the images, and the history that it
// is writing is judged. So a state is reached again by the same experiment with
// one more statement in its plan, and that is what is saved of a finding. A real
// server's run cannot be made again. It is recorded (experiment.Recording) and
// played, its images are judged by real servers (server), and what is saved of a
// finding is the image itself. On a real file system, of which no model has a part, the
// moments are places of the disk's log, and what survives is a sample of the blocks in
// play (blocks.go); the images are judged and reported in the same way, without causes.
package explore
