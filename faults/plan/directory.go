package plan

// OfDirectory does something to the directory of a server as a whole: to wipe it, as when
// its volume is lost or mounted elsewhere, to copy it, and to put an older copy there.
type OfDirectory struct {
	Word string // of directoryWords
	Node string
}

// directoryWords are what can be done.
var directoryWords = []struct {
	name, example, doc string
	do                 func(d Directories, node string) (why string, err error)
}{
	{"wipe", "at +50ms: wipe n1", "the directory of a server that is down is empty when it starts again; its configuration stays", Directories.Wipe},
	{"backup", "at 1s: backup n1", "copies the files of a server as they are at that instant, for restore", Directories.Backup},
	{"restore", "at +50ms: restore n1", "the files of a server that is down are those of the last backup; its configuration stays", Directories.Restore},
}

func (a *OfDirectory) Verb() string { return a.Word }

func (a *OfDirectory) String() string { return a.Word + " " + a.Node }

func (a *OfDirectory) nodes() []string { return []string{a.Node} }

// Do does it.
func (a *OfDirectory) Do(_ Trigger, on System) (why string, err error) {
	d, why := reach[Directories](on, NeedDirs)
	for _, w := range directoryWords {
		if w.name == a.Word && why == "" {
			return w.do(d, a.Node)
		}
	}
	return why, nil
}

// DamagesFiles reports whether an action makes files other than their server has left them.
func DamagesFiles(a Action) bool {
	switch a := a.(type) {
	case *OfDirectory:
		return a.Word != "backup"
	case *CorruptAtRest, *TruncateAtRest:
		return true
	}
	return false
}

func init() {
	for _, w := range directoryWords {
		register(Verb{
			Name: w.name, Form: w.name + " NODE", Example: w.example, Doc: w.doc, needs: []Need{NeedDirs},
			parse: func(c *cursor) (Action, *Error) {
				n, err := c.node()
				return &OfDirectory{w.name, n}, err
			},
		})
	}
}
