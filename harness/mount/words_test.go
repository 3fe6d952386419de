package mount

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/conduct"
)

// word is a plan and a program in which it strikes: what exactly comes of the words of
// the plan language, of their places, spans and choices. The same table is carried out
// in simulation and on a mounted disk. A new verb needs no row (see shown_test.go).
type word struct {
	plan string // statements
	// script is what the program does, one call after the other (see player).
	script string
	// says is what the calls answered, until the program ended or was ended.
	says string
	// memory is what the disk shows afterwards, durable what a power cut that
	// keeps nothing leaves of it; "" is the same.
	memory, durable string
	// slowest is how long one of its changing calls took at least.
	slowest time.Duration
	// logged are the writes and syncs of the log, where what matters is how calls were split.
	logged string
	// missed: the last statement does not strike, for this reason.
	missed string
	// failure is what a failed sync leaves behind; "" is what it does on ext4.
	failure string
	// only is the world in which the call can be made at all: Linux answers
	// sync_file_range itself, and no server in the simulation makes links.
	only string
}

// patient is ext4 that commits nothing unasked while a test runs, however slow
// the machine.
var patient = func() *disk.Personality {
	p := *disk.Ext4()
	p.Commit = time.Hour
	return &p
}()

// twoOfFour makes a file of four pages, a to d, durable but for the last two.
const twoOfFour = "write f a*8192; fsync f; dirsync .; write f b*4096; write f c*4096; "

var words = map[string]word{
	// Errors, for each call that can fail.
	"fail open":      {plan: "fail open(f) EMFILE", script: "open f", says: "open EMFILE"},
	"fail open once": {plan: "fail open(f) EACCES for 1 calls", script: "open f; open f", says: "open EACCES, open ok", memory: "f:"},
	"fail write":     {plan: "at n1 write(f)#2: fail write(f) ENOSPC for 1 calls", script: "write f a*3; write f b*3; write f c*3", says: "write ok, write ENOSPC, write ok", memory: "f:a3 c3"},
	"fail read":      {plan: "fail read(f) EIO", script: "write f a*3; read f", says: "write ok, read EIO", memory: "f:a3"},
	"fail rename":    {plan: "fail rename(g) EIO", script: "write f a*1; rename f g; rename f h", says: "write ok, rename EIO, rename ok", memory: "h:a1"},
	"fail unlink":    {plan: "fail unlink(f) EIO for 1 calls", script: "write f a*1; unlink f", says: "write ok, unlink EIO", memory: "f:a1"},
	"fail truncate":  {plan: "fail truncate(f) EIO", script: "write f a*3; truncate f 1", says: "write ok, truncate EIO", memory: "f:a3"},
	"fail allocate":  {plan: "fail allocate(f) EDQUOT", script: "open f; allocate f 9", says: "open ok, allocate EDQUOT", memory: "f:"},
	"fail link":      {plan: "fail link(g) EIO", script: "open f; link f g", says: "open ok, link EIO", memory: "f:"},
	"fail mkdir":     {plan: "fail mkdir(d) ENOSPC for 1 calls", script: "mkdir d; mkdir d", says: "mkdir ENOSPC, mkdir ok", memory: "d/"},
	"fail rmdir":     {plan: "fail rmdir(d) EBUSY", script: "mkdir d; rmdir d", says: "mkdir ok, rmdir EBUSY", memory: "d/"},
	"fail symlink":   {plan: "fail symlink(s) ENOSPC for 1 calls", script: "open f; symlink f s; symlink f s; unlink s", says: "open ok, symlink ENOSPC, symlink ok, unlink ok", memory: "f:", only: "mount"},
	"fail syncrange": {plan: "fail syncrange(f) EIO for 1 calls", script: "write f a*1; syncrange f; syncrange f", says: "write ok, syncrange EIO, syncrange ok", memory: "f:a1", only: "sim"},
	"fail dirsync": {plan: "fail dirsync(.) EIO for 1 calls", script: "mkdir d; dirsync .; dirsync .", says: "mkdir ok, dirsync EIO, dirsync ok",
		memory: "d/", durable: "d/"},
	// The pages of a failed sync are clean: the next one has nothing to write, and the data are lost.
	"fail fsync": {plan: "fail fsync(f) EIO for 1 calls", script: "open f; dirsync .; fsync f; write f a*4096; fsync f; fsync f", says: "open ok, dirsync ok, fsync EIO, write ok, fsync ok, fsync ok",
		memory: "f:a4096", durable: "f:a4096"},
	"fail the second fsync, and lose what it was for": {plan: "at n1 fsync(f)#2: fail fsync(f) EIO for 1 calls",
		script: "write f a*4096; fsync f; write f b*4096; fsync f; fsync f; write f c*4096; fsync f",
		says:   "write ok, fsync ok, write ok, fsync EIO, fsync ok, write ok, fsync ok",
		memory: "f:a4096 b4096 c4096", durable: "f:a4096 z4096 c4096"},
	"fail in flight, after half its pages": {plan: "at n1 fsync(f)#1 in-flight 0.5: fail fsync(f) EIO for 1 calls",
		script: "write f a*8192; fsync f; write f b*4096; fsync f", says: "write ok, fsync EIO, write ok, fsync ok",
		memory: "f:a8192 b4096", durable: "f:a4096 z4096 b4096"},
	// What a failed sync leaves behind (ATC 2020): memory keeps the new data or
	// reverts, and the error comes at once or at the next sync.
	"fail fsync, ext4: memory keeps, the next sync says nothing": {plan: secondFails, failure: "ext4", script: failing,
		says: failingSays + "fsync EIO, fsync ok", memory: "f:a4096 b4096", durable: "f:a4096 z4096"},
	"fail fsync, xfs: memory keeps, the next sync says nothing": {plan: secondFails, failure: "xfs", script: failing,
		says: failingSays + "fsync EIO, fsync ok", memory: "f:a4096 b4096", durable: "f:a4096 z4096"},
	"fail fsync, btrfs: memory reverts": {plan: secondFails, failure: "btrfs", script: failing,
		says: failingSays + "fsync EIO, fsync ok", memory: "f:a4096", durable: "f:a4096"},
	"fail fsync, ext4-journal: the next sync says it": {plan: secondFails, failure: "ext4-journal", script: failing,
		says: failingSays + "fsync ok, fsync EIO", memory: "f:a4096 b4096", durable: "f:a4096 z4096"},
	"fail fsync, each descriptor is told once": {plan: secondFails, script: "open2 f; " + failing + "; fsync2 f; fsync2 f",
		says: "open2 ok, " + failingSays + "fsync EIO, fsync ok, fsync2 EIO, fsync2 ok", memory: "f:a4096 b4096", durable: "f:a4096 z4096"},
	"slow in flight, after half its pages, then power-cut": {plan: "at n1 fsync(f)#2 in-flight 0.5: slow fsync(f) 2s for 1 calls; at +5ms: power-cut n1 keep none",
		script: "write f a*8192; fsync f; overwrite f b*8192; fsync f; write f c*1", says: "write ok, fsync ok, overwrite ok",
		memory: "f:b4096 a4096", durable: "f:b4096 a4096"},

	"fail for a time":      {plan: "fail write(f) EIO for 1h", script: "write f a*1; write f a*1", says: "write EIO, write EIO", memory: "f:"},
	"fail until a call":    {plan: "fail write(f) EIO for until n1 mkdir(d)#1", script: "write f a*1; mkdir d; write f a*1", says: "write EIO, mkdir ok, write ok", memory: "d/ f:a1"},
	"fail on another node": {plan: "fail n1 write(g) EIO", script: "write f a*1; write g a*1", says: "write ok, write EIO", memory: "f:a1 g:"},

	"fail a share": {plan: "fail write(f) EIO with 50%", script: strings.Repeat("write f a*1; ", 8),
		says: "write EIO, write ok, write ok, write EIO, write ok, write EIO, write EIO, write EIO", memory: "f:a3"},

	// Short, slow and stalled calls.
	"short":                {plan: "short write(f) 3 for 1 calls", script: "write f a*10", says: "write ok", memory: "f:a10", logged: "write 0+3, write 3+7"},
	"slow":                 {plan: "slow fsync(f) 30ms", script: "write f a*1; fsync f", says: "write ok, fsync ok", memory: "f:a1", durable: "f:a1", slowest: 30 * time.Millisecond},
	"slow write":           {plan: "slow write(f) 30ms for 1 calls", script: "write f a*1; write f a*1", says: "write ok, write ok", memory: "f:a2", slowest: 30 * time.Millisecond},
	"stall, until its end": {plan: "at n1 write(f)#1: stall write(f) for 30ms", script: "write f a*1; write f a*1", says: "write ok, write ok", memory: "f:a2", slowest: 30 * time.Millisecond},
	"stall in flight, then kill": {plan: "at n1 fsync(f)#1 in-flight 0.5: stall fsync(f) for 1h; at +20ms: kill n1",
		script: "write f a*8192; dirsync .; fsync f; write f b*1", says: "write ok, dirsync ok", memory: "f:a8192", durable: "f:"},
	"kill in flight, after half its pages": {plan: "at n1 fsync(f)#2 in-flight 0.5: kill n1",
		script: "write f a*8192; fsync f; overwrite f b*8192; fsync f; write f c*1", says: "write ok, fsync ok, overwrite ok",
		memory: "f:b8192", durable: "f:b4096 a4096"},

	// The whole disk.
	"full":               {plan: "full n1 10", script: "write f a*8; write f b*8; write f c*8", says: "write ok, write ENOSPC, write ENOSPC", memory: "f:a8 b2"},
	"full until removed": {plan: "full n1 4", script: "write f a*4; write g b*4; unlink f; write g b*4", says: "write ok, write ENOSPC, unlink ok, write ok", memory: "g:b4"},
	"full ends":          {plan: "full n1 0 for until n1 mkdir(d)#1 return", script: "write f a*1; mkdir d; write f b*1", says: "write ENOSPC, mkdir ok, write ok", memory: "d/ f:b1"},
	"readonly":           {plan: "at n1 write(f)#2: readonly n1", script: "write f a*1; write f b*1; mkdir d; rename f g; unlink f; truncate f 0; read f; fsync f", says: "write ok, write EROFS, mkdir EROFS, rename EROFS, unlink EROFS, truncate EROFS, read ok, fsync ok", memory: "f:a1", durable: "f:a1"},
	"readonly ends":      {plan: "readonly n1 for until n1 mkdir(d)#1 return", script: "mkdir d; mkdir d", says: "mkdir EROFS, mkdir ok", memory: "d/"},

	// Damage at rest.
	"corrupt bit":      {plan: "at n1 mkdir(x)#1: kill n1; at +1ms: corrupt f bit 9", script: "write f b*3; fsync f; mkdir x", says: "write ok, fsync ok", memory: "f:b1 `1 b1", durable: "f:b1 `1 b1"},
	"corrupt page":     {plan: "at n1 mkdir(x)#1: kill n1; at +1ms: corrupt f page 5000", script: "write f b*8193; fsync f; mkdir x", says: "write ok, fsync ok", memory: "f:b4096 z4096 b1", durable: "f:b4096 z4096 b1"},
	"truncate":         {plan: "at n1 mkdir(x)#1: kill n1; at +1ms: truncate n1 f by 2", script: "write f b*3; write g b*3; fsync f; mkdir x", says: "write ok, write ok, fsync ok", memory: "f:b1 g:b3", durable: "f:b1 g:"},
	"truncate nothing": {plan: "at n1 mkdir(x)#1: kill n1; at +1ms: truncate h by 2", script: "write f b*3; mkdir x", says: "write ok", memory: "f:b3", missed: "no file matches"},

	// Kills: what was written stays.
	"kill at entry":     {plan: "at n1 write(f)#2: kill n1", script: "write f a*1; write f b*1; write f c*1", says: "write ok", memory: "f:a1"},
	"kill in flight":    {plan: "at n1 write(f)#2 in-flight: kill n1", script: "write f a*1; write f b*1; write f c*1", says: "write ok", memory: "f:a1 b1"},
	"kill at return":    {plan: "at n1 write(f)#2 return: kill n1", script: "write f a*1; write f b*1; write f c*1", says: "write ok", memory: "f:a1 b1"},
	"kill after a time": {plan: "at n1 fsync(f)#1: stall fsync(f) for 1h; at +5ms: kill n1", script: "write f a*1; fsync f; write f b*1", says: "write ok", memory: "f:a1"},

	// Power cuts, with each choice of what survives.
	"power-cut keep none":   {plan: "at n1 mkdir(x)#1: power-cut n1 keep none", script: twoOfFour + "mkdir x", says: fourSays, memory: "f:a8192", durable: "f:a8192"},
	"power-cut keep all":    {plan: "at n1 mkdir(x)#1: power-cut n1 keep all", script: twoOfFour + "mkdir x", says: fourSays, memory: "f:a8192 b4096 c4096", durable: "f:a8192 b4096 c4096"},
	"power-cut keep prefix": {plan: "at n1 mkdir(x)#1: power-cut n1 keep prefix 1", script: twoOfFour + "mkdir x", says: fourSays, memory: "f:a8192 b4096", durable: "f:a8192 b4096"},
	"power-cut keep torn":   {plan: "at n1 mkdir(x)#1: power-cut n1 keep torn 512", script: twoOfFour + "mkdir x", says: fourSays, memory: "f:a8192 b4096 c512", durable: "f:a8192 b4096 c512"},
	"power-cut at return":   {plan: "at n1 write(f)#2 return: power-cut n1 keep all", script: "write f a*1; write f b*1; write f c*1", says: "write ok", memory: "f:a1 b1", durable: "f:a1 b1"},
	"power-cut at entry":    {plan: "at n1 fsync(f)#1 enter: power-cut n1 keep none", script: "write f a*1; dirsync .; fsync f", says: "write ok, dirsync ok", memory: "f:", durable: "f:"},
	"power-cut all":         {plan: "at n1 mkdir(d)#1 return: power-cut all keep none", script: "write f a*1; fsync f; mkdir d", says: "write ok, fsync ok", memory: "f:a1", durable: "f:a1"},
	"power-cut of the third fsync, half of an overwrite": {plan: "at n1 fsync(f)#3 in-flight 0.5: power-cut n1 keep none",
		script: "write f a*16384; fsync f; fsync f; overwrite f b*16384; fsync f; write f c*1",
		says:   "write ok, fsync ok, fsync ok, overwrite ok", memory: "f:b8192 a8192", durable: "f:b8192 a8192"},
	"power-cut of the third fsync, a quarter of an overwrite": {plan: "at n1 fsync(f)#3 in-flight 0.25: power-cut n1 keep none",
		script: "write f a*16384; fsync f; fsync f; overwrite f b*16384; fsync f; write f c*1",
		says:   "write ok, fsync ok, fsync ok, overwrite ok", memory: "f:b4096 a12288", durable: "f:b4096 a12288"},
	"power-cut while a slow sync waits": {plan: "at n1 fsync(f)#1: slow fsync(f) 1h; at +5ms: power-cut n1 keep none",
		script: "write f a*1; dirsync .; fsync f", says: "write ok, dirsync ok", memory: "f:", durable: "f:"},
	// The names of choices that name calls, or draw: what they keep is the disk
	// model's business (faults/disk); here they strike.
	"power-cut keep IDS":    {plan: "at n1 mkdir(x)#1: power-cut n1 keep 1", script: "mkdir d; mkdir x", says: "mkdir ok", memory: "d/", durable: "d/"},
	"power-cut keep random": {plan: "at n1 mkdir(x)#1: power-cut n1 keep random 7", script: "unlink y; mkdir x", says: "unlink ENOENT"},
	"power-cut keep drop":   {plan: "at n1 mkdir(x)#1: power-cut n1 keep drop 1", script: "mkdir d; mkdir x", says: "mkdir ok"},
}

// failing makes a file of two pages, the second of which meets a sync that fails
// and one that does not.
const (
	secondFails = "at n1 fsync(f)#2: fail fsync(f) EIO for 1 calls"
	failing     = "write f a*4096; fsync f; write f b*4096; fsync f; fsync f"
	failingSays = "write ok, fsync ok, write ok, "
)

const fourSays = "write ok, fsync ok, dirsync ok, write ok, write ok"

// player is the program: it makes the calls of a script, one after the other,
// on whatever file system, and says what each answers. Files stay open.
type player struct {
	fs   vfs.FS
	open map[string]vfs.File
	say  func(string)
}

// linker is a file system with symbolic links, which the seam vfs does without.
type linker interface {
	Symlink(target, name string) error
}

func play(script string, fs vfs.FS, say func(string)) {
	p := &player{fs: fs, open: map[string]vfs.File{}, say: say}
	for _, line := range strings.Split(script, ";") {
		if f := strings.Fields(line); len(f) > 0 {
			p.say(f[0] + " " + outcome(p.step(f)))
		}
	}
}

func (p *player) step(f []string) error {
	switch f[0] {
	case "open2", "fsync2": // through a descriptor of its own
		key := "2 " + f[1]
		if p.open[key] == nil {
			file, err := p.fs.Open(f[1], vfs.ReadWrite|vfs.Create)
			if err != nil {
				return err
			}
			p.open[key] = file
		}
		if f[0] == "open2" {
			return nil
		}
		return p.open[key].Sync()
	case "open", "write", "overwrite", "truncate", "allocate", "fsync", "syncrange", "read":
		file := p.open[f[1]]
		if file == nil {
			var err error
			if file, err = p.fs.Open(f[1], vfs.ReadWrite|vfs.Create); err != nil {
				return err
			}
			p.open[f[1]] = file
		}
		return p.onFile(file, f)
	case "rename":
		return p.fs.Rename(f[1], f[2])
	case "link":
		return p.fs.Link(f[1], f[2])
	case "unlink", "rmdir":
		return p.fs.Remove(f[1])
	case "mkdir":
		return p.fs.Mkdir(f[1])
	case "symlink":
		return p.fs.(linker).Symlink(f[1], f[2])
	case "dirsync":
		return vfs.SyncDir(p.fs, f[1])
	}
	return fmt.Errorf("no call %q", f[0])
}

func (p *player) onFile(file vfs.File, f []string) error {
	number := func() int64 {
		n, err := strconv.ParseInt(f[2], 10, 64)
		if err != nil {
			panic(err)
		}
		return n
	}
	switch f[0] {
	case "write", "overwrite":
		letter, count, _ := strings.Cut(f[2], "*")
		n, err := strconv.Atoi(count)
		if err != nil {
			panic(err)
		}
		info, err := file.Stat()
		if err != nil {
			return err
		}
		off := info.Size
		if f[0] == "overwrite" {
			off = 0
		}
		return writeAll(file, bytes.Repeat([]byte(letter), n), off)
	case "truncate":
		return file.Truncate(number())
	case "allocate":
		return file.Allocate(0, number())
	case "fsync":
		return file.Sync()
	case "syncrange":
		return file.SyncRange(0, 0)
	case "read":
		_, err := file.ReadAt(make([]byte, 1), 0)
		return err
	}
	return nil
}

// writeAll goes on after a short write, as package os does by itself.
func writeAll(f vfs.File, b []byte, off int64) error {
	for len(b) > 0 {
		n, err := f.WriteAt(b, off)
		b, off = b[n:], off+int64(n)
		if err != nil && !errors.Is(err, io.ErrShortWrite) {
			return err
		}
	}
	return nil
}

// outcome is an error's symbol, or ok.
func outcome(err error) string {
	var errno interface{ Error() string }
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &errno):
		for err != nil {
			if name := errnoName(err); name != "" {
				return name
			}
			err = errors.Unwrap(err)
		}
	}
	return errno.Error()
}

// show is what is on a disk: directories, and files as runs of bytes (z: NUL).
func show(d *disk.Disk) string {
	var list []string
	var below func(dir string)
	fs := d.FS(nil)
	below = func(dir string) {
		names, err := fs.List(dir)
		if err != nil {
			panic(err)
		}
		for _, name := range names {
			if info, err := fs.Stat(name); err != nil || info.Dir {
				list = append(list, name+"/")
				continue
			}
			data, err := vfs.ReadFile(fs, name)
			if err != nil {
				panic(err)
			}
			var runs []string
			for len(data) > 0 {
				n := 1
				for n < len(data) && data[n] == data[0] {
					n++
				}
				letter := string(rune(data[0]))
				if data[0] == 0 {
					letter = "z"
				}
				runs = append(runs, letter+strconv.Itoa(n))
				data = data[n:]
			}
			list = append(list, name+":"+strings.Join(runs, " "))
		}
	}
	below(".")
	return strings.Join(list, " ")
}

// calls are the writes and syncs of a log and the longest call of it.
func calls(log []disk.Record) (text string, slowest time.Duration) {
	var list []string
	for _, r := range log {
		if r.Kind == disk.OpWrite {
			list = append(list, fmt.Sprintf("write %d+%d", r.Off, r.Len))
		}
		if r.Return != disk.Never {
			slowest = max(slowest, r.Return-r.Enter)
		}
	}
	return strings.Join(list, ", "), slowest
}

// befallen is what has befallen a program.
type befallen struct {
	said   []string               // what its calls answered
	memory *disk.Disk             // when it had ended
	log    []disk.Record          // of the disk
	report []plan.StatementReport // of the plan
}

// durable is what a power cut that keeps nothing would leave now.
func (b *befallen) durable() *disk.Disk {
	image, _ := b.memory.PowerCut(disk.Choice{}, 0)
	return image
}

// check compares what has happened with what the table says.
func (w *word) check(t *testing.T, b befallen) {
	t.Helper()
	require.Equal(t, w.says, strings.Join(b.said, ", "))
	require.Equal(t, w.memory, show(b.memory))
	require.Equal(t, w.durable, show(b.durable()))
	text, slowest := calls(b.log)
	if w.logged != "" {
		require.Equal(t, w.logged, text)
	}
	require.GreaterOrEqual(t, slowest, w.slowest)
	for i, s := range b.report {
		if last := i == len(b.report)-1; last && w.missed != "" {
			require.Equal(t, w.missed, s.Why)
			continue
		}
		require.True(t, s.Struck, "%s: %s", s.Text, s.Why)
	}
}

func (w *word) failureMode(t *testing.T) *disk.FailureMode {
	t.Helper()
	if w.failure == "" {
		return nil
	}
	mode, err := disk.FailureModeByName(w.failure)
	require.NoError(t, err)
	return mode
}

// sameImages compares the images that a disk may leave with those that its record
// makes, byte for byte.
func sameImages(t *testing.T, live *disk.Disk, record io.Reader) {
	t.Helper()
	r, err := ReadRecord(record, Position{})
	require.NoError(t, err)
	require.Nil(t, r.Torn)
	require.Equal(t, image(t, live), image(t, r.Disk), "what calls see")
	var a, b disk.Disk
	for seed := range uint64(8) {
		c := disk.Choice{Mode: disk.KeepRandom, Seed: seed}
		if seed == 0 {
			c = disk.Choice{}
		}
		was, is := live.Image(&a, c), r.Disk.Image(&b, c)
		require.Equal(t, was, is)
		require.Equal(t, image(t, &a), image(t, &b), "keep %v", c)
	}
}

// image is a disk as the backing directory would keep it: every byte of every
// file, names, attributes.
func image(t *testing.T, d *disk.Disk) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, writeImage(&b, d, time.Unix(0, 0)))
	return b.String()
}

func TestEveryWordStrikesInSimulation(t *testing.T) {
	for name, w := range words { // any order: each is a test of its own
		if w.only == "mount" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			p, err := conduct.ParseFaults(w.plan)
			require.NoError(t, err)
			w.check(t, simulate(t, p, w.script, w.failureMode(t)))
		})
	}
}

// simulate plays a script in simulation while a plan is carried out.
func simulate(t *testing.T, p *plan.Plan, script string, failure *disk.FailureMode) (b befallen) {
	require.NoError(t, p.Check(simulatedDisk{}, []string{Node}))
	in := &simulation{}
	in.conductor = conduct.New(in)
	world := sim.New(sim.Options{Seed: 1, Hook: func(_ *sim.Node, c *disk.Call) disk.Decision { return in.conductor.OnCall(Node, c) }})
	in.world = world
	defer world.Close()
	tape := &disk.Tape{Through: true}
	node := world.Node(Node, disk.New(disk.Options{Personality: patient, Failure: failure, KeepLog: true, Tape: tape}))
	in.node = node
	given := in.conductor.Give(p, 0)
	in.conductor.Due(0)
	node.Start(func(_ env.Env, fs vfs.FS) { play(script, fs, func(s string) { b.said = append(b.said, s) }) })
	require.NoError(t, world.Run(10*time.Second))
	require.False(t, node.Running(), "the program still runs")
	b.log = append(in.log, node.Disk().Log()...)
	var file bytes.Buffer
	recorder, err := disk.NewRecorder(&file, tape, time.Unix(0, 0))
	require.NoError(t, err)
	recorder.Take()
	require.NoError(t, recorder.Write())
	sameImages(t, node.Disk(), &file)
	b.memory, b.report = node.Disk(), given.Report()
	return b
}

// simulation is a world with one node that has a disk.
type simulation struct {
	world     *sim.World
	node      *sim.Node
	conductor *conduct.Conductor
	log       []disk.Record // of disks that lost their power
}

func (*simulation) Lock()                {}
func (*simulation) Unlock()              {}
func (w *simulation) Now() time.Duration { return w.world.Now() }
func (w *simulation) Outside(f func())   { w.world.Outside(f) }
func (w *simulation) Wake(next time.Duration) {
	if next != conduct.Never {
		w.world.At(next, func() { w.conductor.Due(w.world.Now()) })
	}
}
func (w *simulation) Strike(plan.Trigger) conduct.Strike { return simulatedDisk{w} }

// simulatedDisk is what the words of the table strike in simulation.
type simulatedDisk struct{ w *simulation }

func (simulatedDisk) Name() string                         { return "sim" }
func (simulatedDisk) Lacks(plan.Need) string               { return "" }
func (simulatedDisk) CountsAcks()                          {}
func (simulatedDisk) Done(plan.Trigger, string, error)     {}
func (simulatedDisk) Terminate(string) (_ string, _ error) { return }
func (simulatedDisk) Pause(string) (_ string, _ error)     { return }
func (simulatedDisk) Resume(string) (_ string, _ error)    { return }
func (simulatedDisk) Unseen(p plan.CallPattern) string {
	if p.Op == "symlink" || p.Op == "syncfs" {
		return "no simulated server makes that call"
	}
	return ""
}

func (k simulatedDisk) Kill(_ string, tree bool) (_ string, _ error) {
	k.w.node.Kill(tree)
	return
}

func (k simulatedDisk) PowerCut(_ []string, keep *disk.Choice) (_ string, _ error) {
	k.w.log = append(k.w.log, k.w.node.Disk().Log()...)
	k.w.node.PowerCut(*keep)
	return
}

func (k simulatedDisk) ReleaseCalls(string) (_ string, _ error) {
	k.w.node.ReleaseStalled()
	return
}

func (k simulatedDisk) OnDisk(_ string, f func(*disk.Disk)) (_ string, _ error) {
	f(k.w.node.Disk())
	return
}

func (k simulatedDisk) AtRest(_ string, damage func(*disk.Disk, string) (int, string)) (why string, _ error) {
	_, why = damage(k.w.node.Disk(), Node)
	return why, nil
}

// errnoName is the symbol of an error number, "" of any other error.
func errnoName(err error) string {
	errno, ok := err.(syscall.Errno)
	if !ok {
		return ""
	}
	return plan.ErrnoName(errno)
}

// TestTheTableHasTheGrammar: every call, every place in one, every span and every
// choice is in a row. The verbs are shown by TestWhatAFaultShows.
func TestTheTableHasTheGrammar(t *testing.T) {
	var texts []string
	for _, w := range words { // any order: all are looked through
		p, err := conduct.ParseFaults(w.plan)
		require.NoError(t, err, w.plan)
		texts = append(texts, p.String())
	}
	all := strings.Join(texts, "")
	for _, op := range plan.Ops {
		if op != "syncfs" { // neither world sees it, and says so
			require.Contains(t, all, op+"(")
		}
	}
	for _, word := range []string{"keep none", "keep all", "keep prefix", "keep torn", "keep drop", "keep 1", "keep random", " in-flight: ", " in-flight 0.25: ", " return: ",
		" for 1 calls", "for 1h", "for until", "with 50%", "bit ", "page ", " by 2", "at +", ")#3"} {
		require.Contains(t, all, word)
	}
	for _, on := range []plan.System{simulatedDisk{}, System()} {
		p, err := conduct.ParseFaults("fail syncfs(*) EIO")
		require.NoError(t, err)
		require.ErrorContains(t, p.Check(on, nil), "cannot strike here")
	}
}
