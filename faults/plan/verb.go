package plan

import (
	"fmt"
	"slices"

	"github.com/torntail/torntail/faults/disk"
)

// Backend is where a plan runs.
type Backend string

const (
	Sim         Backend = "sim"
	Process     Backend = "process"      // real servers on the fault disk
	ProcessHost Backend = "process-host" // real servers on the host's own disk (--disk host)
	Block       Backend = "block"        // real servers on a real file system over a logged image
	Mount       Backend = "mount"        // any programs on a fault disk of the user's (torntail mount)
	Cluster     Backend = "cluster"      // real servers and Sentinels behind proxies, on the host's own disk (torntail splitbrain, topology)
)

// Backends are all of them.
var Backends = []Backend{Sim, Process, ProcessHost, Block, Mount, Cluster}

// Verb is a word that a statement's action begins with.
type Verb struct {
	Name    string
	Form    string // as in the reference: "kill NODE [tree]"
	Doc     string // one line
	Example string // a statement that parses

	spans     spanSet
	optional  []string // words that may follow the action, for hints on misspelt ones
	available func(Backend) string
	parse     func(*cursor) (Action, *Error)
	generate  func(*generator) Action // nil: not generated
	weight    int                     // share among generated actions
}

// Available says whether the fault can strike in the backend, and if not, why.
func (v *Verb) Available(b Backend) (ok bool, why string) {
	if !slices.Contains(Backends, b) {
		return false, fmt.Sprintf("there is no backend %q", b)
	}
	if v.available == nil {
		return true, ""
	}
	why = v.available(b)
	return why == "", why
}

// ofLinks reports whether the fault is one of the network.
func (v *Verb) ofLinks() bool {
	switch v.Name {
	case "cut", "delay", "slow-link", "lose-new", "flap", "heal":
		return true
	}
	return false
}

func (v *Verb) tail() []string { return slices.Clone(v.optional) }

// spanSet says which spans a verb takes.
type spanSet uint8

const (
	noSpan   spanSet = 0
	timeSpan spanSet = 1 << iota // a duration, or until an instant
	callSpan                     // N calls
)

func (s spanSet) String() string {
	if s&callSpan != 0 {
		return "a duration, N calls, or until and an instant"
	}
	return "a duration, or until and an instant"
}

// verbs is the registry, in the order in which files register.
var verbs []*Verb

// register makes a word known. It is called from init functions only.
func register(v Verb) {
	if lookupVerb(v.Name) != nil {
		panic("plan: verb " + v.Name + " registered twice")
	}
	verbs = append(verbs, &v)
}

// Verbs lists all words, by name.
func Verbs() []*Verb {
	list := slices.Clone(verbs)
	slices.SortFunc(list, func(a, b *Verb) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return list
}

func lookupVerb(name string) *Verb {
	for _, v := range verbs {
		if v.Name == name {
			return v
		}
	}
	return nil
}

func verbNames() []string {
	var names []string
	for _, v := range Verbs() {
		names = append(names, v.Name)
	}
	return names
}

// Ops are the words for disk calls. An open that creates is an open,
// fdatasync is fsync, and the sync of a directory is dirsync.
var Ops = []string{"open", "write", "fsync", "rename", "unlink", "truncate", "read", "dirsync",
	"allocate", "link", "symlink", "mkdir", "rmdir", "syncrange", "syncfs"}

// opUnavailable is why a call never arrives in a backend, or "".
func opUnavailable(op string, b Backend) string {
	switch {
	case (op == "syncrange" || op == "syncfs") && b != Sim:
		return "Linux answers sync_file_range(2) and syncfs(2) on FUSE itself"
	case (op == "symlink" || op == "syncfs") && b == Sim:
		return "no simulated server makes that call"
	}
	return ""
}

func isOp(w string) bool { return slices.Contains(Ops, w) }

// opKinds maps each of Ops to the kinds of calls it means, a bit per disk.OpKind.
var opKinds = func() map[string]uint64 {
	m := make(map[string]uint64, len(Ops))
	for k := disk.OpOpen; k <= disk.OpList; k++ {
		m[k.Word()] |= 1 << k
	}
	return m
}()

func kindsOf(op string) uint64 { return opKinds[op] }
