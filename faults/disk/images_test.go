package disk

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/torntail/torntail/faults/vfs"
)

// program is one small program of testdata/images.txt.
type program struct {
	name string
	line int
	base []string
	run  []string
	want map[string][]string // images by personality, sorted
	why  map[string]string
}

// TestImages compares, for each small program and each personality, the images
// that the model allows with those written down by hand.
func TestImages(t *testing.T) {
	for _, p := range readPrograms(t) {
		for _, pers := range Personalities {
			t.Run(p.name+"/"+pers.Name, func(t *testing.T) {
				want, ok := p.want[pers.Name]
				if !ok {
					t.Fatalf("line %d: nothing written down for %s", p.line, pers.Name)
				}
				got := imagesOf(t, p, pers)
				for _, image := range got {
					if !slices.Contains(want, image) {
						t.Errorf("the model allows %q; expected not, because %s", image, p.why[pers.Name])
					}
				}
				for _, image := range want {
					if !slices.Contains(got, image) {
						t.Errorf("the model does not allow %q; expected, because %s", image, p.why[pers.Name])
					}
				}
			})
		}
	}
}

// TestPersonalitiesDiffer: for each pair at least one program tells them apart.
func TestPersonalitiesDiffer(t *testing.T) {
	programs := readPrograms(t)
	for i, a := range Personalities {
		for _, b := range Personalities[:i] {
			by := ""
			for _, p := range programs {
				if !slices.Equal(p.want[a.Name], p.want[b.Name]) {
					by = p.name
					break
				}
			}
			if by == "" {
				t.Errorf("no program tells %s and %s apart", a.Name, b.Name)
			}
			t.Logf("%s and %s: %s", a.Name, b.Name, by)
		}
	}
}

// TestEveryRuleMatters: each personality without one of its rules allows, for
// some program, other images than those written down. The programs would notice
// if a rule were not applied.
func TestEveryRuleMatters(t *testing.T) {
	programs := readPrograms(t)
	for _, pers := range Personalities {
		for _, b := range pers.Rules {
			less := *pers
			less.set &^= b.Rule
			if !slices.ContainsFunc(programs, func(p program) bool {
				return !slices.Equal(imagesOf(t, p, &less), p.want[pers.Name])
			}) {
				t.Errorf("%s is the same without %s", pers.Name, b.Rule)
			}
		}
	}
}

func imagesOf(t *testing.T, p program, pers *Personality) []string {
	t.Helper()
	d := New(Options{Personality: pers})
	for _, step := range p.base {
		runStep(t, d, step)
	}
	runStep(t, d, "sync")
	if calls, _ := d.InPlay(); calls != 0 {
		t.Fatalf("%d calls in play after a sync of everything", calls)
	}
	for _, step := range p.run {
		runStep(t, d, step)
	}
	return allImages(t, d)
}

// allImages renders every image a disk may leave, sorted, each once.
func allImages(t *testing.T, d *Disk) []string {
	t.Helper()
	seq, ok := d.All()
	if !ok {
		t.Fatal("too many calls in play to try them all")
	}
	byHash := map[uint64]string{}
	var got []string
	image := &Disk{}
	for c := range seq {
		cut := d.Image(image, c)
		if cut.Choice.Mode == KeepOnly && len(cut.Choice.IDs) == 0 {
			t.Fatalf("choice %s has an empty normal form", c)
		}
		text := render(t, image)
		h := image.Hash()
		if old, ok := byHash[h]; ok && old != text {
			t.Fatalf("%q and %q have the same hash", old, text)
		}
		byHash[h] = text
		got = append(got, text)
	}
	slices.Sort(got)
	got = slices.Compact(got)
	if len(got) != len(byHash) {
		t.Fatalf("%d images and %d hashes", len(got), len(byHash))
	}
	return got
}

// runStep carries out one step of a program.
func runStep(t *testing.T, d *Disk, step string) {
	t.Helper()
	if err := tryStep(d, step); err != nil {
		t.Fatalf("%s: %v", step, err)
	}
}

// tryStep carries out one step of a program, which may fail.
func tryStep(d *Disk, step string) error {
	f := strings.Fields(step)
	fsys := d.FS(nil)
	var err error
	switch f[0] {
	case "create":
		err = withFile(fsys, f[1], vfs.WriteOnly|vfs.Create|vfs.Exclusive, func(vfs.File) error { return nil })
	case "write":
		err = withFile(fsys, f[1], vfs.WriteOnly|vfs.Append, func(h vfs.File) error {
			_, err := h.Write(expand(f[2]))
			return err
		})
	case "pwrite":
		err = withFile(fsys, f[1], vfs.WriteOnly, func(h vfs.File) error {
			_, err := h.WriteAt(expand(f[3]), number(f[2]))
			return err
		})
	case "trunc":
		err = withFile(fsys, f[1], vfs.WriteOnly, func(h vfs.File) error { return h.Truncate(number(f[2])) })
	case "alloc":
		err = withFile(fsys, f[1], vfs.WriteOnly, func(h vfs.File) error { return h.Allocate(number(f[2]), number(f[3])) })
	case "fsync":
		err = withFile(fsys, f[1], vfs.ReadOnly, vfs.File.Sync)
	case "fdatasync":
		err = withFile(fsys, f[1], vfs.ReadOnly, vfs.File.SyncData)
	case "range":
		err = withFile(fsys, f[1], vfs.ReadOnly, func(h vfs.File) error { return h.SyncRange(0, 0) })
	case "dirsync":
		err = vfs.SyncDir(fsys, f[1])
	case "rename":
		err = fsys.Rename(f[1], f[2])
	case "link":
		err = fsys.Link(f[1], f[2])
	case "unlink", "rmdir":
		err = fsys.Remove(f[1])
	case "mkdir":
		err = fsys.Mkdir(f[1])
	case "sync":
		c := Call{Kind: OpSyncFS}
		d.Begin(&c)
		if e := d.EndSync(d.BeginSync(&c), 0, nil); e != 0 {
			err = e
		}
		d.End(&c)
	default:
		panic("no step " + step)
	}
	return err
}

func withFile(fsys vfs.FS, name string, flag vfs.Flag, f func(vfs.File) error) error {
	h, err := fsys.Open(name, flag)
	if err != nil {
		return err
	}
	defer h.Close()
	return f(h)
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// expand turns "A*3" into "AAA".
func expand(s string) []byte {
	if b, n, ok := strings.Cut(s, "*"); ok {
		return []byte(strings.Repeat(b, int(number(n))))
	}
	return []byte(s)
}

// render writes a disk as testdata/images.txt does.
func render(t testing.TB, d *Disk) string {
	t.Helper()
	var out []string
	var walk func(dir string)
	fsys := d.FS(nil)
	walk = func(dir string) {
		names, err := fsys.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			path := name
			if dir != "." {
				path = dir + "/" + name
			}
			info, err := fsys.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.Dir {
				out = append(out, path+"/")
				walk(path)
				continue
			}
			data, err := vfs.ReadFile(fsys, path)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, path+"="+renderBytes(data))
		}
	}
	walk(".")
	if len(out) == 0 {
		return "-"
	}
	return strings.Join(out, " ")
}

// renderBytes shows zeroes as ".", old bytes as "~", and long runs as "A*n".
func renderBytes(data []byte) string {
	show := make([]byte, len(data))
	for i, b := range data {
		switch b {
		case 0:
			b = '.'
		case oldBytes[i%len(oldBytes)]:
			b = '~'
		}
		show[i] = b
	}
	var parts []string
	plain := ""
	for i := 0; i < len(show); {
		j := i
		for j < len(show) && show[j] == show[i] {
			j++
		}
		if j-i < 16 {
			plain += string(show[i:j])
		} else {
			if plain != "" {
				parts = append(parts, plain)
			}
			plain = ""
			parts = append(parts, fmt.Sprintf("%c*%d", show[i], j-i))
		}
		i = j
	}
	if plain != "" {
		parts = append(parts, plain)
	}
	return strings.Join(parts, "+")
}

// readPrograms reads testdata/images.txt.
func readPrograms(t *testing.T) []program {
	t.Helper()
	text, err := os.ReadFile("testdata/images.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []program
	var cur *program
	var names []string
	for i, line := range strings.Split(string(text), "\n") {
		head, rest, colon := strings.Cut(line, ":")
		switch {
		case line == "" || line[0] == '#':
		case strings.HasPrefix(line, "== "):
			all = append(all, program{name: line[3:], line: i + 1, want: map[string][]string{}, why: map[string]string{}})
			cur = &all[len(all)-1]
		case strings.HasPrefix(line, "  "):
			for _, name := range names {
				cur.want[name] = append(cur.want[name], line[2:])
			}
		case colon && head == "base":
			cur.base = strings.Split(strings.TrimSpace(rest), "; ")
		case colon && head == "run":
			cur.run = strings.Split(strings.TrimSpace(rest), "; ")
		case colon:
			names = strings.Split(head, ", ")
			for _, name := range names {
				if _, err := PersonalityByName(name); err != nil || cur.want[name] != nil {
					t.Fatalf("line %d: %q unknown or given twice", i+1, name)
				}
				cur.why[name] = strings.TrimSpace(rest)
			}
		default:
			t.Fatalf("line %d: %q", i+1, line)
		}
	}
	for _, p := range all {
		for _, images := range p.want {
			slices.Sort(images)
		}
	}
	return all
}
