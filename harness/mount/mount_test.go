package mount

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/vfs"
)

// sample is a disk with one of each kind of name.
func sample(t testing.TB) *disk.Disk {
	d := disk.New(disk.Options{})
	fs := d.FS(nil)
	require.NoError(t, fs.Mkdir("d"))
	require.NoError(t, vfs.WriteFile(fs, "d/f", []byte(strings.Repeat("contents ", 1000))))
	require.NoError(t, fs.Link("d/f", "g"))
	require.NoError(t, vfs.WriteFile(fs, "empty", nil))
	f, err := fs.Open("sparse", vfs.ReadWrite|vfs.Create)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("end"), 10<<20)
	require.NoError(t, err)
	c := disk.Call{Kind: disk.OpSymlink}
	d.Begin(&c)
	_, errno := d.Symlink(&c, disk.Root, "s", "d/f")
	require.Zero(t, errno)
	d.End(&c)
	return d
}

func TestImageIsReadAsItWasWritten(t *testing.T) {
	d, began := sample(t), time.Unix(1000, 0)
	var b bytes.Buffer
	require.NoError(t, writeImage(&b, d, began))
	require.Less(t, b.Len(), 2<<20)
	again := disk.New(disk.Options{})
	require.NoError(t, readImage(bufio.NewReader(bytes.NewReader(b.Bytes())), again, began.Add(time.Hour)))
	require.Equal(t, d.Hash(), again.Hash())
	require.Empty(t, again.Dirty())
	ino, errno := again.Find("d/f")
	require.Zero(t, errno)
	a, _ := again.Attr(ino)
	require.Equal(t, -time.Hour, a.MTime, "the same moment on another clock")
	// What follows damage at any byte is refused.
	for at := 0; at < b.Len(); at += 1 + at/50 {
		damaged := bytes.Clone(b.Bytes())
		damaged[at] ^= 0x10
		require.Error(t, readImage(bufio.NewReader(bytes.NewReader(damaged)), disk.New(disk.Options{}), began), "byte %d", at)
		require.Error(t, readImage(bufio.NewReader(bytes.NewReader(b.Bytes()[:at])), disk.New(disk.Options{}), began), "cut at %d", at)
	}
}

// TestHolesAreNotRead: a file of a terabyte with a few bytes in it is saved, and made on the
// host, without a look at what is not there (which would take minutes).
func TestHolesAreNotRead(t *testing.T) {
	d := disk.New(disk.Options{})
	f, err := d.FS(nil).Open("f", vfs.ReadWrite|vfs.Create)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(1<<40))
	for _, at := range []int64{7, extentSize - 1, 5 << 30, 1<<40 - 3} {
		_, err := f.WriteAt([]byte("two"), at)
		require.NoError(t, err)
	}
	ino, errno := d.Find("f")
	require.Zero(t, errno)
	var found []int64
	buf := make([]byte, extentSize)
	require.NoError(t, extents(d, ino, buf, func(off int64, data []byte) error {
		require.Contains(t, string(data), "o")
		found = append(found, off)
		return nil
	}))
	require.Equal(t, []int64{0, extentSize, 5 << 30, 1<<40 - extentSize}, found)
	var image bytes.Buffer
	require.NoError(t, writeImage(&image, d, time.Unix(0, 0)))
	require.Less(t, image.Len(), 5<<20)

	dir := filepath.Join(t.TempDir(), "left")
	require.NoError(t, WriteTree(d, dir, time.Unix(0, 0)))
	host, err := os.Open(filepath.Join(dir, "f"))
	require.NoError(t, err)
	defer host.Close()
	info, err := host.Stat()
	require.NoError(t, err)
	require.EqualValues(t, 1<<40, info.Size())
	last := make([]byte, 4)
	_, err = host.ReadAt(last, 1<<40-4)
	require.NoError(t, err)
	require.Equal(t, "\x00two", string(last))
}

func FuzzReadImage(f *testing.F) {
	var b bytes.Buffer
	require.NoError(f, writeImage(&b, disk.New(disk.Options{}), time.Unix(0, 0)))
	f.Add(b.Bytes())
	f.Add([]byte(imageMagic))
	f.Fuzz(func(t *testing.T, image []byte) {
		d := disk.New(disk.Options{})
		if readImage(bufio.NewReader(bytes.NewReader(image)), d, time.Unix(0, 0)) == nil && len(d.Dirty()) > 0 {
			t.Fatal("something of an image is not durable")
		}
	})
}

// What a power cut prints behind "keep" is what --keep takes.
func TestDescribeNamesTheChoice(t *testing.T) {
	for _, keep := range []string{"none", "all", "prefix 3", "torn 512", "drop 3", "6-7", "6-7 stale", "random 9"} {
		choice, err := disk.ParseChoice(keep)
		require.NoError(t, err)
		require.Equal(t, "power cut, keep "+keep+": 2 calls (9 bytes) not durable, 1 of them (1 byte) lost",
			Describe(disk.Cut{Choice: choice, Ops: 2, Bytes: 9, LostOps: 1, LostBytes: 1}))
	}
}

func TestLogKeepsTheLastLines(t *testing.T) {
	l, err := newLog("")
	require.NoError(t, err)
	d := disk.New(disk.Options{KeepLog: true})
	write := func(n int) {
		for range n {
			c := disk.Call{Kind: disk.OpMkdir, Path: "a b"}
			d.Begin(&c)
			c.Err, c.Return = 17, 0
			d.Refuse(&c)
			d.End(&c)
		}
	}
	write(logKept + 10)
	l.take(d)
	require.Empty(t, d.Log())
	require.Equal(t, uint64(logKept+10), l.lines)
	text, next := l.from(0, 2)
	require.Equal(t, "11 0s mkdir \"a b\" = file exists\n12 0s mkdir \"a b\" = file exists\n", text)
	require.Equal(t, uint64(12), next)
	text, next = l.from(next+1e9, 2)
	require.Empty(t, text)
	require.Equal(t, uint64(1e9+12), next)

	// A call that does not return holds the others back, but not for ever.
	stuck := disk.Call{Kind: disk.OpMkdir, Path: "stuck"}
	d.Begin(&stuck)
	d.Refuse(&stuck)
	write(pendingKept - 1)
	l.take(d)
	require.Len(t, d.Log(), pendingKept)
	write(1)
	l.take(d)
	require.Empty(t, d.Log())
	text, _ = l.from(l.lines-pendingKept-1, 1)
	require.Contains(t, text, "mkdir stuck (pending)")
	stuck.Err = 0
	d.End(&stuck) // its record is gone
}
