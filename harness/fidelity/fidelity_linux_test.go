package fidelity

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/internal/needs"
)

func TestMain(m *testing.M) {
	guard.Main()
	blocklog.Main()
	os.Exit(m.Run())
}

// compare runs programs by name on one file system.
func compare(t *testing.T, fs string, o Options, programs ...string) *Report {
	t.Helper()
	needs.Working(t, blocklog.Available())
	f, err := blocklog.ParseFS(fs)
	require.NoError(t, err)
	needs.Working(t, blocklog.AvailableFS(f.Kind))
	h, err := blocklog.NewHost()
	require.NoError(t, err)
	defer func() { require.NoError(t, h.Close()) }()
	o.FS, o.Seed = []blocklog.FS{f}, 1
	for _, p := range Programs() {
		if slices.Contains(programs, p.Name) {
			o.Programs = append(o.Programs, p)
		}
	}
	require.Len(t, o.Programs, len(programs))
	if o.Epilogues == nil {
		o.Epilogues = []Epilogue{Epilogues[2], Epilogues[4]}
	}
	reports, err := Run(context.Background(), h, &o)
	require.NoError(t, err)
	return reports[0]
}

// TestSampleIsInsideTheModel: a small part of what torntail fidelity does. Each
// program is seen to leave something that a model too narrow would not know.
func TestSampleIsInsideTheModel(t *testing.T) {
	for _, c := range []struct {
		fs, program, seen string
	}{
		{"ext4", "append within a page that has its block", "f=AAAA...."}, // finding F2
		{"ext4,dioread_lock", "append within a page that has its block", "f=AAAA...."},
		{"ext4,data=writeback", "append within a page that has its block", "f=AAAA...."},
		{"ext4,data=journal", "append across the end of a page", "f=A*4094+BBBB"},
		{"xfs", "truncate to shorter", "f=AA.."},
		{"btrfs", "rename between directories, fsync the new one", "a/ a/f=A b/ b/f=A"},
	} {
		t.Run(c.fs, func(t *testing.T) {
			r := compare(t, c.fs, Options{}, c.program)
			require.Empty(t, r.Violations)
			require.Contains(t, r.Rows[0].Seen, c.seen)
			require.Greater(t, r.Mounted, 10)
			require.False(t, r.Cut)
		})
	}
}

// TestLyingDisksAreFound are the negative controls: synced data is lost where
// flushes do nothing, and where the file system sends none.
func TestLyingDisksAreFound(t *testing.T) {
	for _, c := range []struct {
		fs string
		o  Options
	}{
		{"ext4", Options{IgnoreFlush: true}},
		{"xfs", Options{IgnoreFlush: true}},
		{"btrfs", Options{IgnoreFlush: true}},
		{"ext4,barrier=0", Options{Personality: disk.Ext4()}},
	} {
		t.Run(c.fs, func(t *testing.T) {
			c.o.Epilogues = Epilogues[:1]
			r := compare(t, c.fs, c.o, "append, fdatasync")
			lost := slices.ContainsFunc(r.Violations, func(v Violation) bool { return v.Image == "f=AAAA" && v.Returned == 2 })
			require.True(t, lost, "%+v", r.Violations)
		})
	}
}

// TestNarrowModelIsFound: a model that promises more than the file system does is
// refuted, and the violation says how.
func TestNarrowModelIsFound(t *testing.T) {
	narrow, err := disk.PersonalityByName("prefix")
	require.NoError(t, err)
	r := compare(t, "ext4", Options{Personality: narrow}, "append within a page that has its block")
	require.NotEmpty(t, r.Violations)
	v := r.Violations[0]
	require.Equal(t, "f=AAAA....", strings.TrimSuffix(v.Image, " z="))
	require.Equal(t, []string{"create f", "write f AAAA"}, v.Base)
	require.Equal(t, "write f BBBB", v.Steps[0])
	require.Contains(t, v.Crash, "keep")
}
