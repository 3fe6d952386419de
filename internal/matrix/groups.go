package main

import (
	"embed"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// group is what is recorded into one directory.
type group struct {
	name string
	args []string // of torntail; where reports land is added
	// files are written into the working directory before.
	files map[string][]byte
	// again also replays and reports every failure that is saved, and judges its history.
	again bool
}

//go:embed testdata/claims.yaml testdata/plans
var testdata embed.FS

// names are what a binary lists, in its order; of plants, those of clusters as
// "splitbrain NAME".
func names(binary, what string) ([]string, error) {
	out, err := exec.Command(binary, "list", what).Output()
	if err != nil {
		return nil, fmt.Errorf("%s list %s: %w", binary, what, err)
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		if name, about, ok := strings.Cut(line, " "); ok && name != "" {
			if what == "plants" && strings.HasPrefix(strings.TrimSpace(about), "engine, for splitbrain:") {
				name = "splitbrain " + name
			}
			list = append(list, name)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s list %s: no names in %q", binary, what, out)
	}
	return list, nil
}

// lists are the names that make up the matrix.
type lists struct{ modes, crashes, workloads, personalities, profiles, plants, scenarios []string }

func listsOf(binary string) (l lists, err error) {
	for what, into := range map[string]*[]string{ // any order: each fills its own
		"modes": &l.modes, "crashes": &l.crashes, "workloads": &l.workloads, "personalities": &l.personalities,
		"profiles": &l.profiles, "plants": &l.plants, "scenarios": &l.scenarios,
	} {
		if *into, err = names(binary, what); err != nil {
			return l, err
		}
	}
	return l, nil
}

// runs is how many crashes a cell must see.
const (
	runs       = 20
	sampleRuns = 2
)

// groupsOf are the groups of the matrix, or of its sample.
func groupsOf(binary string, sample bool) ([]group, error) {
	l, err := listsOf(binary)
	if err != nil {
		return nil, err
	}
	groups := l.run(sample)
	groups = append(groups, l.explore(sample)...)
	groups = append(groups, l.splitbrain(sample)...)
	groups = append(groups, l.planted(sample)...)
	plans, err := plans(sample)
	if err != nil {
		return nil, err
	}
	groups = append(groups, plans...)
	claims, err := testdata.ReadFile("testdata/claims.yaml")
	if err != nil {
		return nil, err
	}
	if !sample {
		groups = append(groups,
			group{name: "claims", args: []string{"suite", "claims.yaml", "--workers", "1"}, files: map[string][]byte{"claims.yaml": claims}},
			group{name: "selftest", args: []string{"selftest"}})
	}
	return groups, nil
}

// run is every mode by every crash kind: under registers on every personality with
// every profile, under the other workloads on every personality with the usual
// profile and with every profile on the usual personality; of the sample, one group
// for each workload.
func (l lists) run(sample bool) (groups []group) {
	seeds := runs
	if sample {
		seeds = sampleRuns
	}
	for w, workload := range l.workloads {
		for p, personality := range l.personalities {
			for f, profile := range l.profiles {
				usual := profile == usualProfile
				switch {
				case sample:
					if p != 2*w%len(l.personalities) || f != w%len(l.profiles) {
						continue
					}
				case workload != "registers" && personality != usualPersonality && !usual:
					continue
				}
				groups = append(groups, group{
					name: "run/" + workload + "/" + personality + "/" + profile,
					args: []string{"run", "--mode", strings.Join(l.modes, ","), "--crash", strings.Join(l.crashes, ","), "--runs", strconv.Itoa(seeds), "--workers", "1",
						"--workload", workload, "--personality", personality, "--profile", profile},
					again: usual && workload != "lists" || sample && workload == "registers",
				})
			}
		}
	}
	return groups
}

// What runs use unless told otherwise.
const (
	usualPersonality = "ext4"
	usualProfile     = "cloud-ssd"
)

// explore is the states of four modes, on every personality; crashes within
// recoveries too; and what a planted bug shows.
func (l lists) explore(sample bool) (groups []group) {
	const modes = "always,everysec,rdb,hybrid"
	small := []string{"explore", "--mode", modes, "--commands", "60"}
	with := func(name string, more ...string) {
		groups = append(groups, group{name: "explore/" + name, args: append(small[:len(small):len(small)], more...), again: true})
	}
	with("planted", "--plant", "base-rename-without-fsync")
	for i, personality := range l.personalities {
		if sample && i > 0 {
			break
		}
		with(personality, "--personality", personality)
	}
	if !sample {
		with("double", "--double", "--commands", "40")
		with("prefix", "--bound", "prefix", "--personality", "all")
		with("five", "--bound", "5", "--commands", "30")
		for _, workload := range l.workloads {
			with("workload-"+workload, "--workload", workload)
		}
	}
	return groups
}

// splitbrain is the named scenarios, and a partition of each kind.
func (l lists) splitbrain(sample bool) (groups []group) {
	seeds := "5"
	if sample {
		seeds = "1"
	}
	for _, s := range l.scenarios {
		if !strings.HasPrefix(s, "-") {
			groups = append(groups, group{name: "splitbrain/" + s, args: []string{"splitbrain", s, "--runs", seeds}, again: true})
		}
	}
	for _, p := range []string{"master-alone", "master+replica", "one-way", "flap", "clients-outside"} {
		groups = append(groups, group{name: "splitbrain/partition-" + p, args: []string{"splitbrain", "--partition", p, "--routing", "both", "--runs", seeds}})
		if sample {
			break
		}
	}
	groups = append(groups, group{name: "splitbrain/sweep", args: []string{"splitbrain", "--runs", seeds, "--directive", "min-replicas-to-write=1",
		"--sweep", "min-replicas-max-lag=0,1,3", "--sweep", "down-after=500ms,2s"}})
	return groups
}

// planted is what each planted bug shows; of the sample, two of them.
func (l lists) planted(sample bool) (groups []group) {
	for i, p := range l.plants {
		if sample && i%9 != 1 {
			continue
		}
		if name, ok := strings.CutPrefix(p, "splitbrain "); ok {
			groups = append(groups, group{name: "planted/" + name, again: true, args: []string{"splitbrain", "aphyr-2013", "--plant", name, "--runs", "2"}})
			continue
		}
		groups = append(groups, group{name: "planted/" + p, again: true,
			args: []string{"run", "--plant", p, "--mode", "always,everysec,rdb,hybrid", "--crash", "kill,power,power-in-fsync,power-in-rewrite", "--runs", "10", "--workers", "1"}})
	}
	return groups
}

// plans are fixed fault plans, which use every word of the language that an
// experiment with one server can carry out. Their first line says the mode and
// the crash kind.
func plans(sample bool) (groups []group, err error) {
	const dir = "testdata/plans"
	entries, err := testdata.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for i, e := range entries {
		if sample && i%5 != 0 {
			continue
		}
		text, err := testdata.ReadFile(dir + "/" + e.Name())
		if err != nil {
			return nil, err
		}
		mode, crash, err := planHead(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s/%s: %w", dir, e.Name(), err)
		}
		groups = append(groups, group{name: "plans/" + strings.TrimSuffix(e.Name(), ".txt"), files: map[string][]byte{"plan.txt": text}, again: true,
			args: []string{"run", "--mode", mode, "--crash", crash, "--plan", "plan.txt", "--runs", strconv.Itoa(runs), "--workers", "1"}})
	}
	return groups, nil
}

// planHead is the mode and the crash kind that the first line of a plan names.
func planHead(text string) (mode, crash string, err error) {
	line, _, _ := strings.Cut(text, "\n")
	head, _, ok := strings.Cut(line, ":")
	words := strings.Fields(head)
	if !ok || len(words) != 3 || words[0] != "#" {
		return "", "", fmt.Errorf("line 1 is %q: want \"# MODE CRASH: what it shows\"", line)
	}
	return words[1], words[2], nil
}
