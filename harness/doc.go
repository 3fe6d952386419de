// Package harness is the house in which experiments live: everything that runs a
// server, takes something away from it, brings it back and asks what it lost. It has no
// code of its own. Its rooms, from the bottom to the top; each imports what stands below
// it (internal/lint/floors.go, held by make lint):
//
//	product      what torntail must know of a store: modes, files, log words, repair
//	  finding    what a known finding is: cause, what it explains, text
//	  redis      Redis and its kin, the engine among them; a known finding is a file
//	  walcache   a store that is not Redis, as an example and a test
//	yamlnode     YAML with the place of every mistake
//	until        conditions at which somebody stops: lost>0
//	target       which store --target means; target.yaml, a server that torntail does not know
//	fidelity     the disk model held against real file systems
//	conduct      carries out fault plans, in every world, and accounts for each statement
//	machine      a computer with a disk and a server on it: start, kill, pause, cut the
//	             power, recover, read back; simulated or real, over four kinds of disk
//	mount        the fault disk as a tool for other people's programs
//	splitbrain   partitions a master with its Sentinels, and accounts for every write
//	  cluster    of real servers behind proxies
//	  simcluster of engines in the simulated world
//	experiment   the plot: one run from the empty disk to the verdict, crash kinds, judging
//	image        crash images, and those who start on them
//	campaign     many experiments: modes by crash kinds, backends, figures, self-test
//	saved        a failure on file: saved, loaded, judged and started on again
//	shrink       a failure made small
//	explore      every crash state of one run, instead of a sample of them
//	claims       what tutorials say of Redis, measured
//	policies     what persistence settings cost
//	hunt         a search for what nobody has named, and a dossier of each finding
//	suite        a YAML file of all of these, as a nightly job runs it
//
// An experiment comes this way:
//
//	cmd/torntail run                flags become a campaign.Campaign
//	campaign.Campaign.Run           draws an experiment for each seed of each pair of mode
//	                                and crash kind (experiment.GeneratePlan), on a Backend
//	experiment.Runner.Run           the plot, told once for all machines: start, write,
//	                                strike, settle, recover, read, judge
//	  machine.Machine               does it: Simulated, OnFaultDisk, OnHost, OnBlocks
//	  conduct.Conductor             lets each statement of the plan strike when it is due;
//	                                what it does there is the fault's own (faults/plan)
//	  machine.Recover               starts, repairs, starts again
//	  experiment.Judge              did the crash strike, does the record hold its contract
//	                                (checker), is what broke a known finding (finding.Shown)
//	campaign                        tallies outcomes into a result.Result, keeps failures
//	                                (saved) and hands both to the writers (reports)
//
// What to touch to add a fault, a crash kind, a workload, a disk, a finding or a report
// format is in docs/extending.md.
package harness
