package lint

// fence is the fence of the simulated world: who is inside, what may be used
// there, and what the inside does not see of the outside.
var fence = Tables{
	Scheduler: "faults/sim",

	// Trees are of the world, besides what the scheduler's tasks reach, because
	// their answers must be the same each time.
	Trees: []Row{
		{"faults/sim", "the world itself"},
		{"faults/disk", "the world's disks"},
		{"faults/network", "the world's links"},
		{"faults/plan", "decides when faults strike"},
		{"engine", "the server that runs in the world"},
		{"workloads", "the clients that run in it"},
		{"checker", "the same history has the same verdict"},
		{"harness/splitbrain.Judge", "the same run has the same verdict"},
	},

	// Outside is what stands in one of the trees and is not of the world. A task
	// that reaches it is a finding all the same.
	Outside: []Row{
		{"engine/listen", "the engine on real sockets, joined to the world's code through osenv"},
		{"checker/contract.Load", "reads the user's contract, before any world begins"},
		{"checker/contract.Parse", "its YAML"},
		{"checker/contract.words", "its YAML"},
		{"checker/contract.span", "its YAML"},
		{"checker/history.Load", "loads a history, after its world has ended"},
		{"checker/history.LoadFile", "loads histories that people bring"},
		{"checker/history.Recognize", "looks for them"},
		{"checker/history.FileName", "as Recognize"},
		{"checker/history.decodeFile", "as LoadFile"},
		{"checker/history.openRegular", "as Load and LoadFile"},
		{"checker/offline", "judges and draws what people bring"},
		{"checker/history.Save", "saves a history, after its world has ended"},
		{"faults/sim.PanicError", "what is said of a task's panic, after the world has ended"},
	},

	// Elsewhere is the other side of seams that both worlds use: code of the world
	// calls an interface or a function value, and what is called there in a real
	// run is not looked at. No simulated run is given one of these. Calling it by
	// name from the world is a finding.
	Elsewhere: []Row{
		{"faults/env/osenv", "env.Env on the real machine"},
		{"faults/vfs/osfs", "vfs.FS on the real disk"},
		{"faults/process", "real servers"},
		{"engine/listen", "the engine as a real server"},
		{"engine/persist.RunChild", "is a process that a real server has started"},
		{"harness/cluster", "a cluster of real servers, conducted like a simulated one"},
		{"harness/account", "what was heard of somebody's own client, at real connections"},
		{"harness/mount", "the fault disk for servers that others start, ruled by the same plans"},
		{"harness/conduct.Desk", "conducts the plans of what stays, on the clock of the real machine"},
		{"harness/machine.Process...", "machines with a real server, driven and struck as a simulated one: one for each kind of disk"},
		{"harness/machine.clientEnv", "env.Env for the clients of a real server"},
		{"harness/machine.aside", "a copy of files on which a version of a real server is started"},
		{"harness/image.directory", "a crash image that a real server is started on"},
		{"harness/explore.explorer", "looks at a simulated run from outside while it stands still, and changes nothing in it"},
		{"harness/explore.enumerator", "as the explorer"},
		{"cmd/torntail.checkAOFCmd", "prints what is found in a file on the real disk"},
		{"cmd/torntail.directiveNames", "lists names for the shell"},
	},

	Allowed: []Allowed{
		// Pure: what comes out depends on what goes in, and nothing else is touched.
		{"bufio", "*", "buffers what it is given"},
		{"bytes", "*", "pure"},
		{"cmp", "*", "pure"},
		{"context", "Background", "never ends, and nothing of it is asked"},
		{"compress/flate", "*", "pure; the same bytes for the same input with one release of Go"},
		{"crypto/sha1", "*", "pure"},
		{"crypto/sha256", "*", "pure"},
		{"embed", "FS.*", "files that are part of the program"},
		{"encoding/base64", "*", "pure"},
		{"encoding/binary", "*", "pure"},
		{"encoding/hex", "*", "pure"},
		{"encoding/json", "*", "writes maps in the order of their keys"},
		{"errors", "*", "pure"},
		{"fmt", "Append* Errorf Fprint* Fscan* Sprint* Sscan* Formatter.* State.* Stringer.*", "prints maps in the order of their keys; printing an address is a finding of its own; without what uses the terminal"},
		{"hash/crc32", "*", "pure"},
		{"hash/crc64", "*", "pure"},
		{"io", "*", "works on what it is given"},
		{"io/fs", "ErrNotExist ErrExist ErrPermission ErrInvalid ErrClosed FileMode.* PathError.* ValidPath", "errors and modes"},
		{"maps", "All Keys Values Clone Collect Copy Equal Insert", "the first three give no order: sort at once, or say why it does not matter; without what calls functions in no order"},
		{"math", "*", "pure, but for the last bit of a few functions between architectures"},
		{"math/big", "Float.* Rat.* NewFloat", "pure; without what draws numbers"},
		{"math/bits", "*", "pure"},
		{"math/rand/v2", "New NewPCG NewChaCha8 NewZipf Rand.* PCG.* ChaCha8.* Zipf.*", "generators with a seed; the global one has none"},
		{"net", "SplitHostPort JoinHostPort", "of package net these two only take text apart and put it together"},
		{"net/netip", "*", "pure"},
		{"path", "*", "pure"},
		{"slices", "*", "pure; Sort and SortFunc are not stable, but give the same for the same input"},
		{"sort", "*", "as slices"},
		{"strconv", "*", "pure"},
		{"strings", "*", "pure"},
		{"unicode/utf8", "*", "pure"},

		// A part of a package that is not pure.
		{"os", "ErrNotExist ErrExist ErrPermission ErrInvalid ErrClosed LinkError.* SyscallError.*", "errors; the disk is vfs.FS, the rest of the machine is out of reach"},
		{"syscall", "Errno.* Signal.String", "error numbers and their texts"},
		{"time", "Date ParseDuration UTC Unix UnixMicro UnixMilli Duration.* Month.* Weekday.* Time.* -Time.Local -Time.Unmarshal* -Time.GobDecode", "reckoning with times and spans; the clock is env.Env's, the zone is UTC"},

		{"math/big", "NewInt Int.*", "counts"},

		// Third parties. They are read like torntail's own code.
		{"github.com/tidwall/redcon", "Append* BaseWriter.* Command.* Kind.* NewWriter Parse* RESP.* Read* Reader.* Type.* Writer.* errProtocol.* errInvalid*", "parser and writer of RESP; without its server and its locks"},
		{"github.com/anishathalye/porcupine", "CheckOperationsTimeout CheckOperationsVerbose Visualize LinearizationInfo.* NondeterministicModel.*", "the general judge"},
	},

	// May lets one function or package do what others may not.
	May: []Permission{
		{"faults/sim.World", "iter.Pull", "makes the coroutines of the tasks, resumes and ends them"},
		{"faults/sim.coroutine.run", "recover runtime/debug.Stack", "reports a task's panic, or ends the unwinding of a killed one"},
		{"faults/sim.World.line", "os.File.Write", "the trace may go to a file: nothing of it comes back"},
		{"harness/explore.again.cut", "harness/explore.enumerator.choices harness/explore.explorer.add", "hands a crash image to the explorer while the recovery stands still"},
		{"harness/splitbrain.Logs.Of", "sync.Mutex.Lock sync.Mutex.Unlock", "hears the logs of real servers too, on goroutines of theirs"},
		{"harness/claims.computer.cutAtCall", "sync/atomic.Int64.Add", "counts calls on real servers too, where several goroutines make them"},
		{"harness/claims.rewriteBlocks", "sync/atomic.Bool.Load sync/atomic.Bool.Store", "as cutAtCall"},
		{"checker/history.open", "github.com/klauspost/compress/gzip.NewReader github.com/klauspost/compress/zstd.NewReader github.com/klauspost/compress/zstd.WithDecoderConcurrency " +
			"github.com/klauspost/compress/zstd.WithDecoderLowmem github.com/klauspost/compress/zstd.WithDecoderMaxWindow", "undoes compression, in the goroutine that reads"},
		{"checker/linear", "runtime.GOMAXPROCS context.Background context.WithTimeout sync/atomic.Int64.Load sync/atomic.Int64.Add sync/atomic.Bool.Load sync/atomic.Bool.Store " +
			"golang.org/x/sync/errgroup.Group.SetLimit golang.org/x/sync/errgroup.Group.Go golang.org/x/sync/errgroup.Group.Wait",
			"the general judge searches on all CPUs within a time limit; running out of it is the verdict unknown, the other verdicts do not depend on it"},
		{"github.com/anishathalye/porcupine", "go channel map address context.Background context.WithCancel time.After", "as checker/linear"},
	},
}
