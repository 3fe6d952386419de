package lint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// loader is shared by the tests: asking the go command is what costs.
func loader(t *testing.T) (*Loader, string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	std := []string{"context", "crypto/rand", "hash/maphash", "iter", "log", "log/slog", "maps", "math/rand", "math/rand/v2",
		"net", "os", "os/exec", "reflect", "runtime", "runtime/debug", "slices", "sync", "sync/atomic", "syscall", "time"}
	l, err := NewLoader(root, std...)
	if err != nil {
		t.Fatal(err)
	}
	return l, root
}

// TestSource reads the whole module.
func TestSource(t *testing.T) {
	l, root := loader(t)
	packages, err := l.Packages()
	if err != nil {
		t.Errorf("not everything was read: %v", err)
	}
	var findings []Finding
	seen := map[string]bool{}
	for _, p := range packages {
		findings = append(findings, Check(p)...)
		for _, tree := range world {
			if within(p.Path, tree) {
				seen[tree] = true
			}
		}
	}
	for _, f := range Excuse(root, findings, exceptions) {
		f.File = strings.TrimPrefix(f.File, root+"/")
		t.Error(f)
	}
	for _, tree := range world {
		if !seen[tree] {
			t.Errorf("no package was read in %s: has it moved?", tree)
		}
	}
	for _, e := range exceptions {
		if _, err := os.Stat(filepath.Join(root, e.where)); err != nil {
			t.Errorf("exception for what is not there: %v", err)
		}
	}
}

// TestRulesFire plants one breach of each rule and sees it found, and beside it
// what the rule must let pass.
func TestRulesFire(t *testing.T) {
	l, _ := loader(t)
	tests := []struct {
		pkg  string // "engine/sample" unless given
		src  string // of the body, or of the file when it begins with package
		want string // rules in order of their lines
	}{
		{src: "import \"os\"\nvar _ = os.Args", want: "os"},
		{src: "import \"os\"\nfunc f() error { _, err := os.Open(\"x\"); return err }", want: "os"},
		{src: "import \"os\"\nvar _ error = &os.LinkError{Err: os.ErrNotExist}"},
		{src: "import \"os/exec\"\nvar _ exec.Cmd", want: "os"},
		{src: "import \"syscall\"\nfunc f() { syscall.Getpid() }", want: "os"},
		{src: "import \"syscall\"\nvar _ error = syscall.EIO"},
		{src: "import \"net\"\nvar _ net.Conn", want: "net"},
		{src: "import \"log\"\nfunc f() { log.Print() }", want: "log"},
		{src: "import \"log/slog\"\nfunc f() { slog.Info(\"x\") }", want: "log"},
		{src: "import \"sync\"\nvar _ sync.Mutex", want: "sync"},
		{src: "import \"sync/atomic\"\nvar _ atomic.Int64", want: "sync"},
		{src: "import \"context\"\nvar _ context.Context", want: "context"},
		{src: "import \"crypto/rand\"\nvar _ = rand.Reader", want: "random"},
		{src: "import \"hash/maphash\"\nvar _ maphash.Hash", want: "random"},
		{src: "import \"runtime\"\nfunc f() { runtime.Goexit() }", want: "runtime"},
		{src: "import \"runtime/debug\"\nfunc f() { debug.SetGCPercent(1) }", want: "runtime"},
		{src: "import \"runtime/debug\"\nvar _ = debug.Stack()"},
		{src: "import \"iter\"\nfunc f(s iter.Seq[int]) { _, stop := iter.Pull(s); stop() }", want: "iter"},
		{src: "import \"iter\"\nvar _ iter.Seq[int]"},
		{src: "import \"reflect\"\nvar _ reflect.Value", want: "reflect"},
		{src: "import \"time\"\nfunc f() { time.Now() }", want: "time"},
		{src: "import \"time\"\nvar f = time.Now", want: "time"},
		{src: "import clock \"time\"\nfunc f() { clock.Sleep(1) }", want: "time"},
		{src: "import . \"time\"\nfunc f() { Sleep(1) }", want: "time"},
		{src: "import \"time\"\nfunc f() { _ = time.NewTimer(1); _ = time.NewTicker(1); time.AfterFunc(1, nil); _ = time.Since(time.Time{}) }", want: "time time time time"},
		{src: "import \"time\"\nfunc f() { _ = time.Unix(0, 0).Local(); _ = time.Local }", want: "time time"},
		{src: "import \"time\"\nfunc f() time.Time { return time.Unix(0, 0).UTC().Add(time.Second) }"},
		{src: "import \"math/rand\"\nvar _ = rand.Int()", want: "random"},
		{src: "import \"math/rand/v2\"\nvar _ = rand.IntN(3)", want: "random"},
		{src: "import \"math/rand/v2\"\nvar _ = rand.New(rand.NewPCG(1, 2)).IntN(3)"},
		{src: "func f() { go f() }", want: "go"},
		{src: "var c chan int", want: "channel"},
		{src: "func f(g func() interface{ C() <-chan int }) {}", want: "channel"},
		{src: "func f(c chan int) { c <- 1; <-c; for range c {}; select {} }", want: "channel channel channel channel channel"},
		{src: "func f(m map[int]int) { for range m {} }", want: "map"},
		{src: "type m map[int]int\nfunc f(m m) { for k := range m { _ = k } }", want: "map"},
		{src: "func f[M ~map[int]int](m M) { for range m {} }", want: ""}, // the callers' maps are of a known type; a type parameter's are not seen
		{src: "func f(m map[int]int) (s int) {\n\tfor _, v := range m { // any order: a sum\n\t\ts += v\n\t}\n\treturn s\n}"},
		{src: "func f(m map[int]int) (s int) {\n\t// any order: a sum\n\tfor _, v := range m {\n\t\ts += v\n\t}\n\treturn s\n}"},
		{src: "func f(m map[int]int) {\n\tfor range m { // any order:\n\t}\n}", want: "map"},
		{src: "func f(m map[int]int) {\n\t// any order: too far away\n\n\tfor range m {\n\t}\n}", want: "map"},
		{src: "func f(m []int) { for range m {} }"},
		{src: "import \"maps\"\nfunc f(m map[int]int) { for range maps.Keys(m) {} }", want: "map"},
		{src: "import (\n\t\"maps\"\n\t\"slices\"\n)\nfunc f(m map[int]int) []int { return slices.Collect(maps.Values(m)) }", want: "map"},
		{src: "import (\n\t\"maps\"\n\t\"slices\"\n)\nfunc f(m map[int]int) []int { return slices.Sorted(maps.Keys(m)) }"},
		{src: "func f() { defer func() { recover() }() }", want: "recover"},
		{src: "func f() { defer func() { if r := recover(); r != 1 { panic(r) } }() }"},
		{src: "func f() { panic(1) }\nfunc g() { defer func() { _ = recover() }() }", want: "recover"},
		{src: "func recover() {}\nfunc f() { recover() }"}, // not the builtin

		// Floors.
		{pkg: "engine/sample", src: "import _ \"github.com/torntail/torntail/faults/vfs\""},
		{pkg: "engine/sample", src: "import _ \"github.com/torntail/torntail/checker/history\"", want: "floors"},
		{pkg: "engine/sample", src: "import _ \"github.com/torntail/torntail/faults/disk\"", want: "floors"},
		{pkg: "checker/sample", src: "import _ \"github.com/torntail/torntail/checker/history\""},
		{pkg: "checker/history", src: "import _ \"github.com/torntail/torntail/checker/contract\"", want: "floors"},
		{pkg: "checker/sample", src: "import _ \"github.com/torntail/torntail/checker/verdict\""},
		{pkg: "checker/sample", src: "import _ \"github.com/torntail/torntail/reports/result\"", want: "floors"},
		{pkg: "reports/result", src: "import _ \"github.com/torntail/torntail/checker/verdict\""},
		{pkg: "workloads", src: "import _ \"github.com/torntail/torntail/engine/aof\"", want: "floors"},
		{pkg: "faults/plan/sample", src: "import _ \"github.com/torntail/torntail/faults/sim\"", want: "floors"},
		{pkg: "faults/plan/sample", src: "import _ \"github.com/torntail/torntail/faults/disk\""},
		{pkg: "faults/vfs/osfs", src: "import _ \"github.com/torntail/torntail/faults/env\""},
		{pkg: "harness", src: "import _ \"github.com/torntail/torntail/faults/sim\""},
		{pkg: "reports/sample", src: "import _ \"github.com/torntail/torntail/reports/result\""},
		{pkg: "elsewhere", src: "", want: "floors"},

		// Names.
		{pkg: "harness/util", src: "", want: "names"},
		{pkg: "harness/sample", src: "package helpers", want: "names"},

		// Outside the simulated world only the floors and names count.
		{pkg: "faults/process/sample", src: "import \"os\"\nfunc f() { go f(); _ = os.Args }"},
	}
	for _, tt := range tests {
		if tt.pkg == "" {
			tt.pkg = "engine/sample"
		}
		src := tt.src
		if !strings.HasPrefix(src, "package") {
			src = "package sample\n" + src
		}
		p, err := l.Source(tt.pkg, src)
		if err != nil {
			t.Errorf("%v in\n%s", err, src)
			continue
		}
		var got []string
		for _, f := range Check(p) {
			got = append(got, f.Rule)
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s: rules %q fired, want %q, in\n%s", tt.pkg, s, tt.want, src)
		}
	}
}

// TestExceptions: an exception covers its rule in its place, and one that
// nothing needs is reported.
func TestExceptions(t *testing.T) {
	findings := []Finding{
		{"/r/engine/listen/a.go", 1, "os", ""},
		{"/r/engine/listen/a.go", 2, "time", ""},
		{"/r/engine/listening/b.go", 3, "os", ""},
		{"/r/engine/c.go", 4, "recover", ""},
	}
	left := Excuse("/r", findings, []exception{
		{"engine/listen", "os go", "sockets"},
		{"engine/c.go", "recover", "why"},
	})
	var got []string
	for _, f := range left {
		got = append(got, f.String())
	}
	want := []string{
		"/r/engine/listen/a.go:2: time: ",
		"/r/engine/listening/b.go:3: os: ",
		"engine/listen:0: go: exception that nothing needs: remove it",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("left:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
