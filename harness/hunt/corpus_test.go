package hunt

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
)

// TestACorpusIsTheSameExperiments: what is drawn and changed, saved and loaded again, is the
// experiment that it was; none of it is refused as a stranger's.
func TestACorpusIsTheSameExperiments(t *testing.T) {
	s := simulated("")
	c, again := &corpus{dir: t.TempDir()}, &corpus{dir: t.TempDir()}
	before := s.Draw(0)
	for seed := range uint64(400) {
		for _, x := range []*experiment.Experiment{s.Draw(seed), s.Mutate(s.Draw(seed), before, seed)} {
			require.NoError(t, c.save(x))
			before = x
		}
	}
	list, err := c.load(s)
	require.NoError(t, err)
	require.Greater(t, len(list), 700)
	for _, x := range list {
		require.NoError(t, again.save(x))
		k, err := experiment.KindOf(x.Plan)
		require.NoError(t, err)
		require.Equal(t, k, x.Crash)
	}
	require.Equal(t, namesIn(t, c.dir), namesIn(t, again.dir), "a name is made of all that an experiment is")
}

func namesIn(t *testing.T, dir string) (names []string) {
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

// TestABadCorpusIsToldWithItsFile: what cannot be read, and what a stranger might do.
func TestABadCorpusIsToldWithItsFile(t *testing.T) {
	for text, want := range map[string]string{
		"{":            "unexpected end of JSON",
		"{}":           `no "schema"`,
		`{"schema":9}`: "schema 9 is newer",
		`{"schema":1,"span_ns":0,"mode":"always","plan":"plan 1\nat 1s: kill n1\n","workload":{"Name":"registers","Clients":1,"Keys":1,"Pipeline":1}}`: "span_ns 0: want",
		`{"schema":1}`: "plan",
		`{"schema":1,"mode":"always","plan":"plan 1\nat 1s: kill n1\n","workload":{"Name":"nothing"}}`:                                                                                                                                                     `workload "nothing" is not known`,
		`{"schema":1,"span_ns":1000000000,"mode":"always","personality":"ext4","profile":"nvme","plan":"plan 1\nat 1s: slow fsync(*) 1ms\n","workload":{"Name":"registers","Clients":1,"Keys":1,"Pipeline":1}}`:                                            "nothing in it ends",
		`{"schema":1,"span_ns":1000000000,"mode":"always","personality":"ext4","profile":"nvme","plan":"plan 1\nat 1s: do n1 CONFIG SET dir /etc\nat 2s: kill n1\n","workload":{"Name":"registers","Clients":1,"Keys":1,"Pipeline":1}}`:                    "may come from anybody",
		`{"schema":1,"span_ns":1000000000,"mode":"always","personality":"ext4","profile":"nvme","directives":[{"Name":"loadmodule","Value":"/x.so"}],"plan":"plan 1\nat 2s: kill n1\n","workload":{"Name":"registers","Clients":1,"Keys":1,"Pipeline":1}}`: "may come from anybody",
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "x"+corpusExt)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		_, err := (&corpus{dir: dir}).load(simulated(""))
		bad := new(CorpusError)
		require.True(t, errors.As(err, &bad), "%s: %v", text, err)
		require.ErrorContains(t, err, path)
		require.ErrorContains(t, err, want)
	}
}

// FuzzCorpus: whatever stands in a file of a corpus is refused, passed over, or an experiment
// that can be run.
func FuzzCorpus(f *testing.F) {
	s := simulated("")
	c := &corpus{dir: f.TempDir()}
	for seed := range uint64(4) {
		if err := c.save(s.Draw(seed)); err != nil {
			f.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(c.dir, "*"))
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := s.read(data)
		if err != nil || x == nil {
			return
		}
		require.NoError(t, x.Plan.Check(s.On, []string{experiment.Server}))
		require.NoError(t, x.Workload.Check())
		require.NotNil(t, x.Crash)
		require.Positive(t, x.Mode.Span)
		_, err = plan.Parse(x.Plan.String())
		require.NoError(t, err)
	})
}
