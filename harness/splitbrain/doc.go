// Package splitbrain partitions a master with its Sentinels watching, lets
// clients go on, heals, and accounts for every acknowledged write: where it was
// acknowledged, whether it survived, and why not.
//
// One experiment is a [Scenario]: a topology, clients and where they are, a plan
// of faults. It runs on a [Cluster], whose [Nodes] are machines (harness/machine). There
// are two kinds: real servers and Sentinels behind proxies (harness/cluster), and the
// embedded engine in simulation (harness/simcluster). [Conduct] is the experiment itself, the same code on both: it runs
// in tasks on the seam env, and reaches the servers through the clients' network,
// where faults strike, and through administrative connections, where none do.
//
// What happened to a write is found three times over, and the three must agree:
// by the offsets at which it was acknowledged and the new master's history
// began (checker/replication), by the converged data, and by the append-only
// files of all servers, which keep everything that each has executed.
package splitbrain
