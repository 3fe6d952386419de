package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
)

// The parts of systems that the tests put together. None of them does anything.
type (
	processes struct{}
	restarts  struct{}
	power     struct{}
	clocks    struct{}
	calls     struct{ unseen func(CallPattern) string }
	held      struct{}
	disks     struct{}
	atRest    struct{}
	linked    struct{ links *LinkFaults }
	commands  struct{}
	acks      struct{}
)

func (processes) Kill(string, bool) (string, error)            { return "", nil }
func (processes) Terminate(string) (string, error)             { return "", nil }
func (processes) Pause(string) (string, error)                 { return "", nil }
func (processes) Resume(string) (string, error)                { return "", nil }
func (restarts) Restart(string) (string, error)                { return "", nil }
func (power) PowerCut([]string, *disk.Choice) (string, error)  { return "", nil }
func (clocks) MoveClock(string, time.Duration) (string, error) { return "", nil }
func (held) ReleaseCalls(string) (string, error)               { return "", nil }
func (disks) OnDisk(string, func(*disk.Disk)) (string, error)  { return "", nil }
func (l linked) Links() *LinkFaults                            { return l.links }
func (commands) Command(string, []string, func(history.Outcome, string)) (string, error) {
	return "", nil
}
func (acks) CountsAcks() {}
func (atRest) AtRest(string, func(*disk.Disk, string) (int, string)) (string, error) {
	return "", nil
}
func (c calls) Unseen(p CallPattern) string {
	if c.unseen == nil {
		return ""
	}
	return c.unseen(p)
}

// named is a system's name and what it says of what it lacks.
type named struct {
	name  string
	lacks string
}

func (n named) Name() string      { return n.name }
func (n named) Lacks(Need) string { return n.lacks }

func blocksOnly(p CallPattern) string {
	if strings.HasPrefix(p.Glob, "block/") && (p.Op == "write" || p.Op == "fsync") {
		return ""
	}
	return "only blocks are seen"
}

// systems are of the kinds that there are: a simulated world, one server on a disk
// of ours, on the host's own and on blocks, a disk that others use, a cluster.
var systems = []System{
	struct {
		named
		processes
		restarts
		power
		clocks
		calls
		held
		disks
		atRest
		linked
		commands
		acks
	}{named: named{name: "all"}},
	struct {
		named
		processes
		restarts
		power
		calls
		held
		disks
		atRest
		commands
		acks
	}{named: named{name: "server"}},
	struct {
		named
		processes
		restarts
		commands
		acks
	}{named: named{"host", "not on the host's own disk"}},
	struct {
		named
		processes
		restarts
		power
		calls
		commands
		acks
	}{named: named{name: "blocks"}, calls: calls{blocksOnly}},
	struct {
		named
		processes
		power
		calls
		held
		disks
		atRest
	}{named: named{name: "mount"}},
	struct {
		named
		processes
		restarts
		linked
		commands
		acks
	}{named: named{name: "cluster"}},
}

func systemNamed(t *testing.T, name string) System {
	for _, s := range systems {
		if s.Name() == name {
			return s
		}
	}
	t.Fatal("no system " + name)
	return nil
}

// wrapper wraps a system and adds commands.
type wrapper struct {
	named
	commands
	of System
}

func (w wrapper) Unwrap() System { return w.of }

func TestAWrappedSystemHasWhatBothHave(t *testing.T) {
	p, err := Parse("plan 1\nat 0s: do n1 PING\nat 0s: kill n1\nat 1s: clock n1 +1s")
	require.NoError(t, err)
	w := wrapper{of: struct {
		named
		processes
	}{}}
	require.NoError(t, p.Statements[0].Check(w, nil))
	require.NoError(t, p.Statements[1].Check(w, nil))
	require.EqualError(t, p.Statements[2].Check(w, nil), `"at 1s: clock n1 +1s" cannot strike here: a real process reads the machine's own clock`)
	why, err := p.Statements[2].Action.Do(Trigger{Statement: &p.Statements[2]}, w)
	require.NoError(t, err)
	require.NotEmpty(t, why, "a plan that nobody has checked misses")
}

// TestEveryActionSaysWhatItNeeds: a fault strikes a system that has nothing but what
// the fault says it needs, and on one that lacks it says so.
func TestEveryActionSaysWhatItNeeds(t *testing.T) {
	nothing := named{"nothing", "there is nothing here"}
	for _, v := range Verbs() {
		require.NotEmpty(t, v.needs, v.Name)
		ok, why := v.Available(nothing)
		require.False(t, ok, v.Name)
		require.Equal(t, nothing.lacks, why, v.Name)
		s, err := ParseStatement(v.Example)
		require.NoError(t, err)
		if _, own := s.Action.(CallFault); own {
			continue
		}
		why, err = s.Action.Do(Trigger{Statement: &s}, nothing)
		require.NoError(t, err)
		require.Equal(t, nothing.lacks, why, v.Name)
	}
	for n, need := range needs { // any order: each is a check of its own
		require.NotEmpty(t, need.otherwise, n)
	}
}

func TestWhatIsKnownOfAnAction(t *testing.T) {
	for text, want := range map[string]struct {
		ends, heals bool
		off         []string
	}{
		"kill n1":             {true, false, []string{"n1"}},
		"term n1":             {true, false, nil},
		"power-cut n1":        {true, false, nil},
		"pause n1":            {false, false, []string{"n1"}},
		"cut n1 -> n2,n3":     {false, false, []string{"n1", "n2", "n3"}},
		"flap n1 -> n2 500ms": {false, false, []string{"n1", "n2"}},
		"delay n1 -> n2 1s":   {false, false, nil},
		"heal":                {false, true, nil},
		"fail fsync(*) EIO":   {false, false, nil},
	} {
		s, err := ParseStatement("at 0s: " + text)
		require.NoError(t, err)
		require.Equal(t, want.ends, EndsLife(s.Action), text)
		require.Equal(t, want.heals, Heals(s.Action), text)
		require.Equal(t, want.off, CutOff(s.Action), text)
	}
}
