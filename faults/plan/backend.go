package plan

// Backend is where an experiment runs, as reports and saved failures name it.
type Backend string

const (
	Sim         Backend = "sim"
	Process     Backend = "process"      // real servers on the fault disk
	ProcessHost Backend = "process-host" // real servers on the host's own disk (--disk host)
	Block       Backend = "block"        // real servers on a real file system over a logged image
)
