package blocklog

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/internal/seeding"
)

// block is a page of one letter.
func block(letter byte) []byte { return bytes.Repeat([]byte{letter}, PageSize) }

// letters writes down an image: the first byte of each sector of each page, "-"
// for a page of zeroes, one letter for a page that is all the same.
func letters(t *testing.T, m *Image) string {
	t.Helper()
	b := make([]byte, m.Size())
	n, err := m.ReadAt(b, 0)
	require.NoError(t, err)
	require.Equal(t, len(b), n)
	var out []string
	for p := range len(b) / PageSize {
		var sectors strings.Builder
		for s := range PageSize / SectorSize {
			c := b[p*PageSize+s*SectorSize]
			if c == 0 {
				c = '-'
			}
			sectors.WriteByte(c)
		}
		text := sectors.String()
		if strings.Trim(text, text[:1]) == "" {
			text = text[:1]
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

// drive carries out "w0A w1B flush mark": writes of a page, flushes and marks.
func drive(t *testing.T, d *Device, program string) {
	t.Helper()
	for word := range strings.FieldsSeq(program) {
		switch {
		case word == "flush":
			d.Flush()
		case word == "mark":
			d.Mark("mark")
		default:
			d.Write(block(word[2]), int64(word[1]-'0')*PageSize)
		}
	}
}

func TestWhatACrashLeaves(t *testing.T) {
	const empty = "- - -"
	for _, c := range []struct{ program, choice, want string }{
		{"w0A w1B", "none", empty},
		{"w0A w1B", "all", "A B -"},
		{"w0A w1B", "prefix 1", "A - -"},
		{"w0A w1B", "drop 1", "- B -"},
		{"w0A w1B w2C", "keep 1,3", "A - C"},
		{"w0A w1B w2C", "keep 2-3", "- B C"},
		{"w0A w1B", "torn 1024", "A BB------ -"},
		{"w0A w1B", "torn 100", "A - -"}, // a sector is written whole or not
		{"w0A flush w1B", "none", "A - -"},
		{"w0A flush w0B", "none", "A - -"},
		{"w0A w0B", "keep 1", "A - -"},
		{"w0A w0B", "all", "B - -"}, // a later write never gives way to an earlier one
		{"w0A flush w1B flush", "none", "A B -"},
		{"w0A mark w1B", "all", "A B -"},
		{"w0A w1B w2C", "torn 512", "A B C-------"},
	} {
		for _, keep := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/%s/keep=%v", c.program, c.choice, keep), func(t *testing.T) {
				d := NewDevice(NewImage(3*PageSize), DeviceOptions{KeepLog: keep})
				drive(t, d, c.program)
				choice, err := disk.ParseChoice(c.choice)
				require.NoError(t, err)
				log := d.PowerCut()
				require.Equal(t, c.want, letters(t, log.Image(log.CrashOf(log.Len(), choice))))
			})
		}
	}
}

// TestFlushesThatDoNotHold: what failed or was ignored makes nothing durable.
func TestFlushesThatDoNotHold(t *testing.T) {
	for name, o := range map[string]DeviceOptions{
		"ignored":      {IgnoreFlush: true},
		"ignored once": {Hook: func(r *Request) Decision { return Decision{Ignore: r.Kind == Flush && r.Nth == 1} }},
		"failed": {Hook: func(r *Request) Decision {
			if r.Kind == Flush {
				return Decision{Err: syscall.EIO}
			}
			return Decision{}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			d := NewDevice(NewImage(3*PageSize), o)
			drive(t, d, "w0A flush w1B")
			log := d.PowerCut()
			require.Equal(t, "- - -", letters(t, log.Image(Crash{At: log.Len()})))
			require.Len(t, log.InPlay(log.Len()), 2)
		})
	}
}

func TestFaultsOfWrites(t *testing.T) {
	d := NewDevice(NewImage(3*PageSize), DeviceOptions{Hook: func(r *Request) Decision {
		switch {
		case r.Kind == Write && r.Nth == 1:
			return Decision{Err: syscall.EIO}
		case r.Kind == Write && r.Nth == 2:
			return Decision{Short: 2 * SectorSize}
		}
		return Decision{}
	}})
	require.Equal(t, syscall.EIO, d.Write(block('A'), 0))
	require.Zero(t, d.Write(block('B'), PageSize))
	require.Zero(t, d.Write(block('C'), 2*PageSize))
	require.Zero(t, d.Flush())
	log := d.PowerCut()
	require.Equal(t, "- BB------ C", letters(t, log.Image(Crash{At: log.Len()})))
}

// TestAfterThePowerCut: nothing that comes later changes the log or its images.
func TestAfterThePowerCut(t *testing.T) {
	d := NewDevice(NewImage(2*PageSize), DeviceOptions{})
	drive(t, d, "w0A flush w1B")
	log := d.PowerCut()
	drive(t, d, "w0C w1D flush")
	require.Equal(t, "A -", letters(t, log.Image(Crash{At: log.Len()})))
	require.Equal(t, "A B", letters(t, log.Image(Crash{At: log.Len(), Keep: log.InPlay(log.Len())})))
	b := make([]byte, 1)
	_, err := d.ReadAt(b, 0)
	require.NoError(t, err)
	require.Equal(t, "C", string(b), "whoever still uses it sees what he wrote")
}

// TestCrashesAreAllSubsets compares the enumeration of few writes with the images
// of all subsets, made by hand.
func TestCrashesAreAllSubsets(t *testing.T) {
	d := NewDevice(NewImage(4*PageSize), DeviceOptions{KeepLog: true})
	drive(t, d, "w3X flush w0A w1B w0C")
	log := d.PowerCut()
	want := map[string]bool{}
	for set := range 8 {
		at := []string{"-", "-"}
		for i, w := range []struct {
			page   int
			letter string
		}{{0, "A"}, {1, "B"}, {0, "C"}} {
			if set&(1<<i) != 0 {
				at[w.page] = w.letter
			}
		}
		want[strings.Join(at, " ")+" - X"] = true
	}
	got := map[string]bool{}
	sums := map[uint64]string{}
	for c := range log.Crashes(log.Len(), 0, 1) {
		m := log.Image(c)
		text := letters(t, m)
		if old, ok := sums[m.Sum()]; ok {
			require.Equal(t, old, text, "two images with one sum")
		}
		sums[m.Sum()] = text
		if c.Torn == 0 {
			got[text] = true
		} else {
			require.Less(t, c.Torn, PageSize)
			require.Zero(t, c.Torn%SectorSize)
		}
	}
	require.Equal(t, want, got)
	require.Contains(t, sums, log.Image(Crash{At: log.Len()}).Sum())
}

func TestImageReadsWhatWasWritten(t *testing.T) {
	m, shadow := NewImage(8*PageSize), make([]byte, 8*PageSize)
	state := uint64(1)
	for range 2000 {
		state = seeding.Hash(state)
		off := int64(state % uint64(len(shadow)/SectorSize) * SectorSize)
		n := int64(seeding.Hash(state)%24+1) * SectorSize
		n = min(n, int64(len(shadow))-off)
		data := bytes.Repeat([]byte{byte(state >> 32)}, int(n))
		if state>>40%4 == 0 {
			clear(data)
		}
		m.write(data, off)
		copy(shadow[off:], data)
		if state>>50%16 == 0 {
			old, sum := m.Clone(), m.Sum()
			m.write(block('!'), 0)
			require.Equal(t, sum, old.Sum())
			m = old
		}
	}
	got := make([]byte, len(shadow))
	_, err := m.ReadAt(got, 0)
	require.NoError(t, err)
	require.True(t, bytes.Equal(shadow, got))
	again := NewImage(m.Size())
	again.write(shadow, 0)
	require.Equal(t, again.Sum(), m.Sum(), "the sum depends on the content alone")
	_, err = m.ReadAt(got, PageSize)
	require.Equal(t, io.EOF, err)
}

// TestMemoryIsBounded: a device that keeps no log holds what is between two
// flushes and no more.
func TestMemoryIsBounded(t *testing.T) {
	d := NewDevice(NewImage(16*PageSize), DeviceOptions{})
	for i := range 10000 {
		d.Write(block(byte(i)), int64(i%16)*PageSize)
		if i%8 == 7 {
			d.Flush()
			require.Zero(t, d.log.Len())
		}
	}
	bytes, records := d.Written()
	require.EqualValues(t, 10000*PageSize, bytes)
	require.EqualValues(t, 11250, records)
	require.LessOrEqual(t, cap(d.log.records), 64)
}

func FuzzParseFS(f *testing.F) {
	for _, text := range []string{"ext4", "ext4,data=writeback", "xfs", "btrfs,nobarrier", "ext4,", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fs, err := ParseFS(text)
		if err != nil {
			return
		}
		if fs.String() != text {
			t.Fatalf("%q prints as %q", text, fs)
		}
	})
}
