package lint

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// root is the module's directory.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// planted are packages that only plants use.
var planted = []string{"container/heap", "context", "crypto/rand", "encoding/json", "hash/maphash", "io", "io/fs", "iter", "log", "log/slog", "maps",
	"math/rand", "math/rand/v2", "net", "net/http", "os/exec", "os/signal", "os/user", "path/filepath", "plugin", "reflect", "runtime/debug",
	"sort", "sync", "sync/atomic", "syscall", "unique", "weak", "golang.org/x/sync/errgroup", "golang.org/x/sys/unix"}

// module is the module's source, read once: tests put packages of their own
// beside it in the same universe. real are the module's packages and those of
// its dependencies that are read.
func module(t *testing.T) (src *Source, real []*Package) {
	t.Helper()
	read.Do(func() {
		read.src, read.err = Load(root(t), fence.reads, planted...)
		if read.src != nil {
			read.real = slices.Clone(read.src.Packages)
		}
	})
	if read.err != nil {
		t.Fatalf("not everything was read: %v", read.err)
	}
	return read.src, read.real
}

var read struct {
	sync.Once
	src  *Source
	real []*Package
	err  error
}

// moduleProgram is the module's program, made once.
func moduleProgram(t *testing.T) *program {
	src, real := module(t)
	made.Do(func() { made.p = newProgram(src, real) })
	return made.p
}

var made struct {
	sync.Once
	p *program
}

// TestSource holds the whole module against the floors and the fence.
func TestSource(t *testing.T) {
	src, real := module(t)
	w := explore(moduleProgram(t), &fence)
	for _, f := range append(Floors(src, real), w.findings...) {
		f.File = strings.TrimPrefix(f.File, root(t)+"/")
		t.Error(f)
	}
	handed := w.handed()
	t.Logf("the world has %d functions; the scheduler calls %d that stand outside its trees", len(w.reached), handed)
	if handed < 20 {
		t.Error("too few functions were seen to be given to the scheduler: the fence has a hole")
	}
}

// TestRowsAreNeeded: a row of the tables that nothing needs is reported, and one
// that something needs is missed.
func TestRowsAreNeeded(t *testing.T) {
	tables := fence
	tables.May = append([]Permission{{"engine", "go", "engine starts no goroutine"}}, slices.DeleteFunc(slices.Clone(fence.May), func(m Permission) bool {
		return m.Where == "faults/sim.coroutine.run"
	})...)
	tables.Elsewhere = append([]Row{{"engine/nowhere", "is not there"}}, fence.Elsewhere...)
	tables.Outside = append([]Row{{"checker/history.Gone", "is not there"}}, fence.Outside...)
	var got []string
	for _, f := range explore(moduleProgram(t), &tables).findings {
		got = append(got, f.Rule+" "+strings.TrimPrefix(f.File, root(t)+"/"))
	}
	slices.Sort(got)
	want := []string{"recover faults/sim/coroutine.go", "table checker/history.Gone", "table engine", "table engine/nowhere", "use faults/sim/coroutine.go"}
	if !slices.Equal(got, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestPlants puts ways round the fence beside the module and sees each found
// where its comment says, "// want rule: text", or in the module's own code that
// calls it, "// want elsewhere rule: text".
func TestPlants(t *testing.T) {
	tables := fence
	tables.Allowed = append([]Allowed{{"example.org/pool", "Each Retry Pool.*", "a dependency"}}, fence.Allowed...)
	tables.Elsewhere = append([]Row{{"harness/plants/embedded.Real...", "real, and what embeds it"}}, fence.Elsewhere...)
	src, list := module(t)
	dirs, err := filepath.Glob("testdata/plants/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no plants: %v", err)
	}
	wants := map[string][]string{} // file:line
	for _, dir := range append([]string{"testdata/plants/pool"}, dirs...) {
		files := map[string]string{}
		names, _ := filepath.Glob(dir + "/*.go")
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files[name] = string(text)
		}
		path := Module + "/harness/plants/" + filepath.Base(dir)
		if filepath.Base(dir) == "pool" {
			path = "example.org/pool"
		}
		if src.byPath[path] != nil {
			continue
		}
		if err := src.Add(path, files); err != nil {
			t.Fatal(err)
		}
		list = append(list, src.byPath[path])
		for name, text := range files {
			for n, line := range strings.Split(text, "\n") {
				for _, want := range wanted.FindAllStringSubmatch(line, -1) {
					at := Finding{File: name, Line: n + 1}.place()
					if rest, ok := strings.CutPrefix(want[1], "elsewhere "); ok {
						at, want[1] = "", rest
					}
					wants[at] = append(wants[at], strings.TrimSpace(want[1]))
				}
			}
		}
	}
	plants := 0
	found := map[string]bool{}
	for _, f := range explore(newProgram(src, list), &tables).findings {
		at, ok := f.place(), false
		if !strings.HasPrefix(at, "testdata/") {
			at = ""
		}
		for _, want := range wants[at] {
			if strings.HasPrefix(f.Rule+": "+f.Text, want) {
				ok, found[at+want] = true, true
			}
		}
		if !ok {
			t.Errorf("not wanted: %s", f)
		}
	}
	for at, all := range wants {
		for _, want := range all {
			plants++
			if !found[at+want] {
				t.Errorf("%s: not found: %s", at, want)
			}
		}
	}
	t.Logf("%d plants in %d packages", plants, len(dirs))
}

var wanted = regexp.MustCompile(`// want ([^/]+(?:/[^/ ]+)*)`)
