package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/witness"
	"github.com/torntail/torntail/internal/needs"
)

var updatePlots = flag.Bool("update-plots", false, "write testdata/plots anew")

// seen is torntail with an observer, who writes what it does to the world outside
// into the file that SEEN names, an event a line.
func seen() {
	f, err := os.OpenFile(os.Getenv("SEEN"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(4)
	}
	var mu sync.Mutex
	events := json.NewEncoder(f)
	witness.Listen(func(e witness.Event) {
		mu.Lock()
		defer mu.Unlock()
		events.Encode(e)
	})
	main()
}

// TestPlots runs experiments with real servers and holds them to the steps that they
// took before: every start with its arguments, signal, end and repair; every disk that
// is made, breaks, loses its power and is taken away; which commands each life of a
// server hears. A file of testdata/plots is one plot: torntail's arguments, what it
// needs, files, and the steps.
//
// What depends on the time that things take is left out or put in order: process
// numbers, ports and directories have names; what a fault does to a kind of call is
// told once in a life of the server; the end of a process stands behind the signal
// that ended it; the commands of a life are told at its end, sorted, each once; and
// experiments that are the same are told once. Where several servers run side by
// side ("order: by server"), each one's steps are told together, and the same steps
// once; where what they hear depends on who answers first, it is left out ("without
// commands").
//
// Without TORNTAIL_PLOTS=all only those are played that say "sample".
func TestPlots(t *testing.T) {
	files, err := filepath.Glob("testdata/plots/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			p := readPlot(t, file)
			if !p.sample && os.Getenv("TORNTAIL_PLOTS") != "all" && !*updatePlots {
				t.Skip("no part of the sample: TORNTAIL_PLOTS=all plays it")
			}
			p.needs(t)
			got := p.steps(t)
			if *updatePlots {
				require.NoError(t, os.WriteFile(file, []byte(p.head+stepsBegin+got), 0o644))
				return
			}
			if diff := cmp.Diff(strings.Split(p.want, "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("other steps than before (-want +got):\n%s", diff)
			}
		})
	}
}

// plot is a file of testdata/plots.
type plot struct {
	head, want string
	args       []string
	plan       string
	block      bool
	host       bool
	byServer   bool
	silent     bool
	sample     bool
}

const stepsBegin = "-- steps --\n"

func readPlot(t *testing.T, file string) plot {
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var p plot
	p.head, p.want, _ = strings.Cut(string(data), stepsBegin)
	for line := range strings.Lines(p.head) {
		line = strings.TrimSuffix(line, "\n")
		switch name, value, _ := strings.Cut(line, ": "); {
		case strings.HasPrefix(line, "#"):
		case name == "torntail":
			p.args = strings.Fields(value)
		case line == "order: by server":
			p.byServer = true
		case line == "without commands":
			p.silent = true
		case line == "sample":
			p.sample = true
		default:
			p.plan += line + "\n"
		}
	}
	require.NotEmpty(t, p.args, "no line \"torntail: ARGUMENTS\"")
	p.block, p.host = slices.Contains(p.args, "block"), slices.Contains(p.args, "host")
	return p
}

// needs skips a plot that cannot be played on this machine.
func (p *plot) needs(t *testing.T) {
	needs.Program(t, "redis-server")
	switch {
	case p.block:
		needs.Working(t, blocklog.Available())
		needs.Working(t, blocklog.AvailableFS("ext4"))
	case !p.host:
		needs.Working(t, fusefs.Available())
	}
}

// steps plays the plot.
func (p *plot) steps(t *testing.T) string {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "input"), []byte(p.plan), 0o644))
	c := exec.Command("torntail-seen", append(slices.Clone(p.args), "--out", "out", "--quiet")...)
	c.Dir = dir
	c.Env = append(os.Environ(), "SEEN="+filepath.Join(dir, "seen"), "TMPDIR="+dir)
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil {
		require.ErrorAs(t, err, &exit, "%s", out)
	}
	f, err := os.Open(filepath.Join(dir, "seen"))
	require.NoError(t, err, "%s", out)
	defer f.Close()
	teller := teller{byServer: p.byServer, silent: p.silent, names: map[string]string{}, counts: map[string]int{}, byAddr: map[string]*told{}, byName: map[string]*told{}}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e witness.Event
		require.NoError(t, json.Unmarshal(lines.Bytes(), &e))
		teller.tell(e)
	}
	require.NoError(t, lines.Err())
	return teller.story() + fmt.Sprintf("exit status %d\n", c.ProcessState.ExitCode())
}

// teller makes a story of events that is the same each time.
type teller struct {
	names  map[string]string // of processes, disks, ...: as the story has them
	counts map[string]int
	byAddr map[string]*told // the server that listens there, or did last
	byName map[string]*told
	steps  []*step
	once   map[string]bool // what is told once in a life
	// byServer: what happens to each is told together; silent: what they hear is not told.
	byServer, silent bool
	starts           []string // the ways in which servers were started
	disks            int      // attached or mounted now
	done             []string // experiments before this one
}

// told is somebody of the story.
type told struct {
	name   string
	heard  map[string]bool
	signal *step // the last one that it got
}

type step struct {
	who, what string
	then      []string // what came of it
}

var (
	portOf  = regexp.MustCompile(`"--port" "(\d+)" "--bind" "([0-9.]+)"`)
	nodes   = regexp.MustCompile(`127\.[1-9]\d*\.\d+\.`)
	dirOf   = regexp.MustCompile(`"--dir" "([^"]+)"`)
	numbers = regexp.MustCompile(`(temp-rewriteaof-bg-|temp-rewriteaof-|temp-)\d+`)
	places  = regexp.MustCompile(`[^" ]*/torntail-[a-z]+-\d+(/mnt/[^/" ]*|/v\d+|/[^/" ]*)`)
	tools   = regexp.MustCompile(`"/[^" ]*/([^/" ]+)"`)
)

func (t *teller) tell(e witness.Event) {
	i := strings.LastIndexByte(e.Who, ' ')
	kind, id := e.Who[:max(i, 0)], e.Who[i+1:]
	what := numbers.ReplaceAllString(e.What, "${1}PID")
	switch {
	case kind == "server":
		if s := t.byAddr[id]; s != nil && !t.silent {
			s.heard[what] = true
		}
		return
	case kind == "process" && strings.HasPrefix(what, "start "):
		t.start(e.Who, what)
		return
	case kind == "process":
		t.signalled(e.Who, what)
		return
	}
	switch word, _, _ := strings.Cut(what, " "); {
	case word == "attached," || word == "mounted":
		if t.disks == 0 && !t.byServer {
			t.newExperiment()
		}
		t.disks++
	case word == "detached" || word == "unmounted":
		t.disks--
	}
	who := t.name(e.Who, kind)
	if kind == "volume" && strings.Contains(what, " of ") || who == "device" && what != "power cut" {
		if t.once[who+what] {
			return
		}
		t.once[who+what] = true
	}
	t.steps = append(t.steps, &step{who: who, what: what})
}

// name is what the story calls somebody: by its kind and by when it came.
func (t *teller) name(who, kind string) string {
	if kind != "volume" && kind != "file system" {
		return who // it has a name of its own
	}
	n, ok := t.names[who]
	if !ok {
		t.counts[kind]++
		n = fmt.Sprintf("%s %d", kind, t.counts[kind])
		t.names[who] = n
	}
	return n
}

// start tells of a process that begins. A process number may come again.
func (t *teller) start(who, what string) {
	t.once = map[string]bool{}
	addr := ""
	if m := portOf.FindStringSubmatch(what); m != nil {
		addr = m[2] + ":" + m[1]
		what = strings.ReplaceAll(what, `"`+m[1]+`"`, `"PORT"`)
	}
	kind := "tool"
	if addr != "" {
		kind = "server"
	}
	if m := dirOf.FindStringSubmatch(what); m != nil {
		what = strings.ReplaceAll(what, m[1], "DIR")
	}
	what = places.ReplaceAllString(what, "DIR")
	what = tools.ReplaceAllString(what, `"$1"`)
	what = nodes.ReplaceAllString(what, "127.X.Y.")
	t.counts[kind]++
	s := &told{name: fmt.Sprintf("%s %d", kind, t.counts[kind]), heard: map[string]bool{}}
	t.byName[who] = s
	if addr != "" {
		t.byAddr[addr] = s
		if !slices.Contains(t.starts, what) {
			t.starts = append(t.starts, what)
		}
	}
	t.steps = append(t.steps, &step{who: s.name, what: what})
}

// signalled tells of what a process gets, and of its end.
func (t *teller) signalled(who, what string) {
	s := t.byName[who]
	if s == nil {
		return
	}
	if !strings.HasPrefix(what, "exit status") && !strings.HasPrefix(what, "killed by") {
		s.signal = &step{who: s.name, what: what}
		t.steps = append(t.steps, s.signal)
		return
	}
	ended := []string{what}
	if len(s.heard) > 0 {
		var names []string
		for name := range s.heard { // any order: sorted below
			names = append(names, name)
		}
		slices.Sort(names)
		ended = append(ended, "it heard "+strings.Join(names, ", "))
	}
	if s.signal != nil {
		s.signal.then = ended
		return
	}
	t.steps = append(t.steps, &step{who: s.name, what: what, then: ended[1:]})
}

// newExperiment ends the telling of an experiment. Each on the fault disk begins with
// a disk of its own; those that are the same are told once.
func (t *teller) newExperiment() {
	if text := t.experiment(); text != "" && !slices.Contains(t.done, text) {
		t.done = append(t.done, text)
	}
	t.steps = nil
	clear(t.names)
	clear(t.counts)
}

// story is all of it. The ways in which servers are started are told at its end.
func (t *teller) story() string {
	told := ""
	if t.byServer {
		told = t.lives()
	} else {
		t.newExperiment()
		told = strings.Join(t.done, "")
	}
	slices.Sort(t.starts)
	for i, start := range t.starts {
		name := fmt.Sprintf("start with arguments %d", i+1)
		told = strings.ReplaceAll(told, start+"\n", name+"\n")
		told += strings.TrimPrefix(name, "start with ") + ": " + strings.TrimPrefix(start, "start ") + "\n"
	}
	return told
}

func (t *teller) experiment() string {
	var b strings.Builder
	for _, s := range t.steps {
		fmt.Fprintf(&b, "%s: %s\n", s.who, s.what)
		for _, line := range s.then {
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	return b.String()
}

// lives are the steps of each of those in the story, told together and sorted by
// what they are. Servers, tools and file systems that have the same steps are told
// once, links with the same steps together; a step that is repeated is told once.
func (t *teller) lives() string {
	of := map[string]string{}
	for _, s := range t.steps {
		text := "  " + s.what + "\n"
		for _, line := range s.then {
			text += "    " + line + "\n"
		}
		if !strings.HasSuffix(of[s.who], text) && !(strings.HasPrefix(s.who, "file system") && strings.Contains(of[s.who], text)) {
			of[s.who] += text
		}
	}
	who := map[string][]string{} // by steps
	for name, life := range of { // any order: sorted below
		kind := name
		if i := strings.LastIndexByte(name, ' '); i > 0 && !strings.HasPrefix(name, "link") && !strings.HasPrefix(name, "proxy") {
			kind = name[:i]
		}
		if !slices.Contains(who[life], kind) {
			who[life] = append(who[life], kind)
		}
	}
	var all []string
	for life, names := range who { // any order: sorted below
		slices.Sort(names)
		all = append(all, strings.Join(names, ", ")+"\n"+life)
	}
	slices.Sort(all)
	return strings.Join(all, "")
}
