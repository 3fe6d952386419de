package explore

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/vfs"
)

// This file has a model of its own of what a power cut may leave, as plain as
// can be: every subset of the micro-operations is written down, those that a
// personality's promises forbid are crossed out one by one, and what stands is
// applied to a map. It shares nothing with faults/disk but the meaning.

// micro is a micro-operation of the model.
type micro struct {
	call    int
	file    int    // number of the file that it is about
	name    string // of a name: which; "" else
	gone    bool   // the name goes away
	off     int    // data and size
	data    string // data
	size    int    // size: 0 is none
	durable bool
}

// naive is the model's disk: one directory.
type naive struct {
	personality string
	micros      []micro
	names       map[string]int
	sizes       []int
	calls       int
}

func (n *naive) add(m micro) {
	m.call = n.calls
	n.micros = append(n.micros, m)
}

func (n *naive) run(step string) {
	var op, a, b string
	fmt.Sscan(step, &op, &a, &b)
	n.calls++
	switch op {
	case "create":
		if _, ok := n.names[a]; ok {
			return
		}
		n.names[a] = len(n.sizes)
		n.sizes = append(n.sizes, 0)
		n.add(micro{file: n.names[a], name: a})
	case "append":
		f, ok := n.names[a]
		if !ok {
			return
		}
		text := content(b)
		for at := 0; at < len(text); {
			k := min(len(text)-at, 4096-n.sizes[f]%4096)
			n.add(micro{file: f, off: n.sizes[f], data: text[at : at+k]})
			n.sizes[f] += k
			n.add(micro{file: f, size: n.sizes[f]})
			at += k
		}
	case "rename":
		f, ok := n.names[a]
		if !ok || a == b {
			return
		}
		if old, ok := n.names[b]; ok {
			n.add(micro{file: old, name: b, gone: true})
		}
		n.add(micro{file: f, name: b})
		n.add(micro{file: f, name: a, gone: true})
		n.names[b] = f
		delete(n.names, a)
	case "unlink":
		if f, ok := n.names[a]; ok {
			n.add(micro{file: f, name: a, gone: true})
			delete(n.names, a)
		}
	case "fsync":
		if f, ok := n.names[a]; ok {
			n.sync(func(m *micro) bool {
				return n.personality == "prefix" || m.file == f && (m.name == "" || n.personality == "btrfs")
			})
		}
	case "dirsync":
		n.sync(func(m *micro) bool { return n.personality == "prefix" || m.name != "" })
	}
}

// sync makes what is covered durable, and with it what that cannot be without.
func (n *naive) sync(covers func(*micro) bool) {
	in := make([]bool, len(n.micros))
	for i := range n.micros {
		in[i] = n.micros[i].durable || covers(&n.micros[i])
	}
	for again := true; again; {
		again = false
		for i := range n.micros {
			for j := range n.micros {
				if in[i] && !in[j] && n.needs(i, j) {
					in[j], again = true, true
				}
			}
		}
	}
	for i := range in {
		n.micros[i].durable = in[i]
	}
}

// needs reports whether micro-operation i cannot survive without j.
func (n *naive) needs(i, j int) bool {
	x, y := &n.micros[i], &n.micros[j]
	switch n.personality {
	case "prefix":
		return y.call <= x.call
	case "btrfs":
		switch {
		case x.name != "" && y.name != "":
			return x.call == y.call // the names of one call
		case x.size > 0:
			return j == i-1 // its own data, written just before
		case x.data != "":
			return y.data != "" && y.file == x.file && j < i && y.off/4096 == x.off/4096 // the page is written whole
		}
	}
	return false // posix promises nothing
}

// images are the texts of all images that a power cut may leave now.
func (n *naive) images() map[string]bool {
	out := make(map[string]bool)
	var free []int
	for i := range n.micros {
		if !n.micros[i].durable {
			free = append(free, i)
		}
	}
next:
	for set := range 1 << len(free) {
		in := make([]bool, len(n.micros))
		for i := range n.micros {
			in[i] = n.micros[i].durable
		}
		for k, i := range free {
			in[i] = set>>k&1 == 1
		}
		for i := range in {
			for j := range in {
				if in[i] && !in[j] && n.needs(i, j) {
					continue next
				}
			}
		}
		out[n.apply(in, false)] = true
		if n.personality == "posix" {
			out[n.apply(in, true)] = true
		}
	}
	return out
}

// apply is the text of one image; stale: unwritten bytes read old bytes.
func (n *naive) apply(in []bool, stale bool) string {
	names := make(map[string]int)
	files := make([][]byte, len(n.sizes)) // what stands in the blocks, whether the size shows it or not
	sizes := make([]int, len(n.sizes))
	for i := range n.micros {
		m := &n.micros[i]
		switch {
		case m.data != "" && !in[i]:
			for at := len(files[m.file]); stale && at < m.off+len(m.data); at++ {
				b := byte(0)
				if at >= m.off {
					b = disk.OldBytesText[at%len(disk.OldBytesText)]
				}
				files[m.file] = append(files[m.file], b)
			}
		case !in[i]:
		case m.name != "" && m.gone:
			delete(names, m.name)
		case m.name != "":
			names[m.name] = m.file
		case m.data != "":
			for len(files[m.file]) < m.off+len(m.data) {
				files[m.file] = append(files[m.file], 0)
			}
			copy(files[m.file][m.off:], m.data)
		default:
			sizes[m.file] = max(sizes[m.file], m.size)
		}
	}
	return text(slices.Sorted(maps.Keys(names)), func(name string) (uint64, string) {
		f := names[name]
		shown := make([]byte, sizes[f])
		copy(shown, files[f])
		return uint64(f), string(shown)
	})
}

// text writes a directory down: names, contents, and which names are one file.
func text(names []string, read func(name string) (file uint64, content string)) string {
	first := make(map[uint64]string)
	var b strings.Builder
	for _, name := range names {
		file, content := read(name)
		if _, ok := first[file]; !ok {
			first[file] = name
		}
		fmt.Fprintf(&b, "%s is %s, %d bytes:", name, first[file], len(content))
		for at := 0; at < len(content); { // runs of one byte
			end := at
			for end < len(content) && content[end] == content[at] {
				end++
			}
			fmt.Fprintf(&b, " %q*%d", content[at], end-at)
			at = end
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// content is the text that "A*3" stands for.
func content(s string) string {
	var n int
	fmt.Sscan(s[2:], &n)
	return strings.Repeat(s[:1], n)
}

// step carries a step out on the disk of the model under test.
func step(t require.TestingT, fsys vfs.FS, s string) {
	var op, a, b string
	fmt.Sscan(s, &op, &a, &b)
	open := func(flag vfs.Flag) vfs.File {
		f, err := fsys.Open(a, flag)
		if err != nil {
			return nil // there is no such file: nothing happens
		}
		return f
	}
	var f vfs.File
	switch op {
	case "create":
		f = open(vfs.WriteOnly | vfs.Create | vfs.Exclusive)
	case "append":
		if f = open(vfs.WriteOnly | vfs.Append); f != nil {
			_, err := f.Write([]byte(content(b)))
			require.NoError(t, err)
		}
	case "rename":
		_ = fsys.Rename(a, b)
	case "unlink":
		_ = fsys.Remove(a)
	case "fsync":
		if f = open(vfs.ReadOnly); f != nil {
			require.NoError(t, f.Sync())
		}
	case "dirsync":
		require.NoError(t, vfs.SyncDir(fsys, "."))
	}
	if f != nil {
		require.NoError(t, f.Close())
	}
}

// TestSoundness: of runs of at most 8 operations the exploration tries exactly
// the images that the brute-force model allows, after every operation.
func TestSoundness(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		personality := rapid.SampledFrom([]string{"posix", "btrfs", "prefix"}).Draw(t, "personality")
		p, err := disk.PersonalityByName(personality)
		require.NoError(t, err)
		d := disk.New(disk.Options{Personality: p})
		model := &naive{personality: personality, names: make(map[string]int)}
		e := enumerator{bound: Bounds[len(Bounds)-1], class: func(*disk.Part) string { return "" }}
		var image disk.Disk
		var steps []string
		signatures := make(map[uint64]string) // of all instants
		for range rapid.IntRange(4, 8).Draw(t, "steps") {
			s := "create a" // or else most runs are of files that are not there
			if len(steps) > 0 {
				s = drawStep(t)
			}
			steps = append(steps, s)
			step(t, d.FS(nil), s)
			model.run(s)
			if n := len(d.Parts(nil)); n > 9 {
				return // 512 subsets are enough for the model
			}
			got := make(map[string]bool)
			e.choices(d, func(c disk.Choice) {
				if c.Mode == disk.KeepTorn {
					return // within a sector: the model's writes are whole
				}
				d.Image(&image, c)
				text := read(t, &image)
				got[text] = true
				sig := d.Signature(c)
				if other, ok := signatures[sig]; ok {
					require.Equal(t, other, text, "one signature, two images: %s", c)
				}
				signatures[sig] = text
			})
			want := model.images()
			for text := range got {
				require.True(t, want[text], "%s after %q leaves what the model does not allow:\n%s", personality, steps, text)
			}
			for text := range want {
				require.True(t, got[text], "%s after %q never leaves what the model allows:\n%s", personality, steps, text)
			}
		}
	})
}

func drawStep(t *rapid.T) string {
	name := rapid.SampledFrom([]string{"a", "a", "b"})
	switch rapid.IntRange(1, 9).Draw(t, "operation") {
	case 1:
		return "create " + name.Draw(t, "name")
	case 2, 3, 4:
		return fmt.Sprintf("append %s %c*%d", name.Draw(t, "name"), rapid.IntRange('A', 'F').Draw(t, "byte"),
			rapid.SampledFrom([]int{1, 3, 4000, 4096, 5000}).Draw(t, "length"))
	case 5:
		return "rename " + name.Draw(t, "from") + " " + name.Draw(t, "to")
	case 6:
		return "unlink " + name.Draw(t, "name")
	case 7, 8:
		return "fsync " + name.Draw(t, "name")
	}
	return "dirsync"
}

// read writes an image down as the model does.
func read(t require.TestingT, d *disk.Disk) string {
	fsys := d.FS(nil)
	names, err := fsys.List(".")
	require.NoError(t, err)
	return text(names, func(name string) (uint64, string) {
		info, err := fsys.Stat(name)
		require.NoError(t, err)
		data, err := vfs.ReadFile(fsys, name)
		require.NoError(t, err)
		return info.Ino, string(data)
	})
}
