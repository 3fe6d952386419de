package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/torntail/torntail/faults/witness"
)

// teller makes a story of events that is the same each time. What depends on the time
// that things take is left out or put in order:
//
//   - process numbers, ports and directories have names, and what torntail gives every
//     server is told in short;
//   - what a fault does to a kind of call is told once in a life of the server;
//   - the end of a process stands behind the signal that ended it;
//   - the commands of a life are told at its end, sorted, each once; what a dump asks
//     for beside KEYS depends on whether there are keys, and is not told;
//   - that a program is asked for its version is not told;
//   - experiments that are the same are told once. Each on a disk of torntail's own is
//     a passage.
//
// Where several servers run side by side (byServer), what happens to each is a
// passage: servers, tools and file systems that have the same steps are told once,
// links with the same steps together, a step that is repeated once; which call of
// several a fault strikes, and how a server ends that does not like its files, is left
// out. Where what they hear depends on who answers first, that is not told (silent).
type teller struct {
	names            map[string]string // of processes, disks, ...: as the story has them
	counts           map[string]int
	byAddr           map[string]*told // the server that listens there, or did last
	byName           map[string]*told
	steps            []*step
	once             map[string]bool // what is told once in a life
	byServer, silent bool
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
	places  = regexp.MustCompile(`[^" ]*/\.?torntail-[a-z]+-\d+(/mnt/[^/" ]*|/v\d+|/[^/" ]*)`)
	struck  = regexp.MustCompile(`^.* of .* is struck`)
	refused = regexp.MustCompile(`^(exit status 1|killed by signal (6|11) .*)$`)
	tools   = regexp.MustCompile(`"/[^" ]*/([^/" ]+)"`)
)

func newTeller(byServer, silent bool) *teller {
	return &teller{byServer: byServer, silent: silent, names: map[string]string{}, counts: map[string]int{}, byAddr: map[string]*told{}, byName: map[string]*told{}}
}

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
		if t.byServer {
			what = struck.ReplaceAllString(what, "a call is struck")
		}
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
	if strings.HasSuffix(what, ` ["--version"]`) {
		delete(t.byName, who)
		return
	}
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
	what = strings.Replace(what, `"--port" "PORT" "--bind" "127.0.0.1" "--daemonize" "no" "--logfile" "" "--dir" "DIR"`, "as ever", 1)
	t.counts[kind]++
	s := &told{name: fmt.Sprintf("%s %d", kind, t.counts[kind]), heard: map[string]bool{}}
	t.byName[who] = s
	if addr != "" {
		t.byAddr[addr] = s
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
	if t.byServer {
		what = refused.ReplaceAllString(what, "it refuses")
	}
	ended := []string{what}
	if len(s.heard) > 0 {
		var names []string
		for name := range s.heard { // any order: sorted below
			if s.heard["KEYS"] && slices.Contains([]string{"GET", "PTTL", "PEXPIRETIME", "LRANGE"}, name) {
				continue
			}
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

// newExperiment ends the telling of an experiment.
func (t *teller) newExperiment() {
	if text := t.experiment(); text != "" && !slices.Contains(t.done, text) {
		t.done = append(t.done, text)
	}
	t.steps = nil
	clear(t.names)
	clear(t.counts)
}

// story is all of it, in passages.
func (t *teller) story() []string {
	if t.byServer {
		return t.lives()
	}
	t.newExperiment()
	return t.done
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

// lives are the steps of each of those in the story, sorted.
func (t *teller) lives() []string {
	of := map[string]string{}
	for _, s := range t.steps {
		text := "  " + s.what + "\n"
		for _, line := range s.then {
			text += "    " + line + "\n"
		}
		if !strings.HasSuffix(of[s.who], text) && (s.who != "device" || !strings.Contains(of[s.who], text)) && !(strings.HasPrefix(s.who, "file system") && strings.Contains(of[s.who], text)) {
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
	return all
}

// TestTeller: the same story, whatever numbers the processes have and whoever is told
// of first.
func TestTeller(t *testing.T) {
	tell := func(byServer bool, events ...witness.Event) []string {
		teller := newTeller(byServer, false)
		for _, e := range events {
			teller.tell(e)
		}
		return teller.story()
	}
	kill := func(pid, port string, late bool) []witness.Event {
		started := witness.Event{Who: "process " + pid, What: `start /usr/bin/redis-server ["--port" "` + port + `" "--bind" "127.0.0.1" "--dir" "/tmp/torntail-mount-12/v1"]`}
		events := []witness.Event{
			{Who: "volume v1", What: "attached, ext4"}, started,
			{Who: "server 127.0.0.1:" + port, What: "SET"}, {Who: "server 127.0.0.1:" + port, What: "GET"},
			{Who: "volume v1", What: "fsync of temp-" + pid + ".rdb stalls"}, {Who: "volume v1", What: "fsync of temp-" + pid + ".rdb stalls"},
			{Who: "process " + pid, What: "killed"},
		}
		end := []witness.Event{{Who: "process " + pid, What: "killed by signal 9 (killed)"}, {Who: "volume v1", What: "detached"}}
		if late {
			end[0], end[1] = end[1], end[0]
		}
		return append(events, end...)
	}
	want := []string{"volume 1: attached, ext4\n" +
		"server 1: start /usr/bin/redis-server [\"--port\" \"PORT\" \"--bind\" \"127.0.0.1\" \"--dir\" \"DIR\"]\n" +
		"volume 1: fsync of temp-PID.rdb stalls\n" +
		"server 1: killed\n    killed by signal 9 (killed)\n    it heard GET, SET\n" +
		"volume 1: detached\n"}
	assert.Equal(t, want, tell(false, kill("12", "4000", false)...))
	assert.Equal(t, want, tell(false, kill("777", "5000", true)...))
	twice := append(kill("12", "4000", false), kill("13", "4000", true)...)
	assert.Equal(t, want, tell(false, twice...), "the same experiment twice")
	other := append(kill("12", "4000", false), kill("13", "4001", true)[:4]...)
	assert.Len(t, tell(false, other...), 2, "and one that goes another way")
	assert.Len(t, tell(true, twice...), 2, "a server and a volume")
}
