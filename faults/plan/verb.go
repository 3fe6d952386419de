package plan

import "slices"

// Verb is a word that a statement's action begins with.
type Verb struct {
	Name    string
	Form    string // as in the reference: "kill NODE [tree]"
	Doc     string // one line
	Example string // a statement that parses
	// Shown are statements, a line each, in which the fault does what can be seen: one
	// of disks to a program on n1 that makes all sorts of calls, most of them on file f,
	// mkdir(x) last (harness/mount); one of links to what c1 exchanges with n1
	// (faults/proxy). Both tests demand that it strikes, that simulation and reality
	// tell the same of it, and that nothing of the kind is told without its statements.
	// A real program is as slow as its machine: spans are of calls there, not of time.
	// A fault that needs neither may leave it empty.
	Shown string

	spans    spanSet
	optional []string // words that may follow the action, for hints on misspelt ones
	needs    []Need   // of the system it is to strike in
	parse    func(*cursor) (Action, *Error)
	generate func(*generator) Action // nil: not generated
	weight   int                     // share among generated actions
}

// Available says whether the fault can strike in a system, and if not, why.
func (v *Verb) Available(on System) (ok bool, why string) {
	for _, n := range v.needs {
		if why = n.lacking(on); why != "" {
			return false, why
		}
	}
	return true, ""
}

// Show is the plan of Shown, and what is left of it without the fault's own statements.
func (v *Verb) Show() (with, without *Plan, err error) {
	if with, err = Parse("plan 1\n" + v.Shown + "\n"); err != nil {
		return nil, nil, err
	}
	without = &Plan{Statements: slices.DeleteFunc(slices.Clone(with.Statements), func(s Statement) bool { return s.Action.Verb() == v.Name })}
	return with, without, nil
}

// betweenNodes reports whether the fault needs two nodes.
func (v *Verb) betweenNodes() bool { return slices.Contains(v.needs, NeedLinks) }

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
