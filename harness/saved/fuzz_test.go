package saved

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzLoad: a saved failure, which may be anybody's, is refused or becomes an experiment;
// nothing panics, and what it says of sizes costs nothing before it is run.
func FuzzLoad(f *testing.F) {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join("testdata/saved-v1", name))
		if err != nil {
			f.Fatal(err)
		}
		return string(text)
	}
	f.Add(read(savedFile), read(planFile), "contract: 1\nrules: [{mode: '*', max-lost: 3}]\n")
	f.Add(`{"schema":1,"mode":"always","crash":"kill"}`, "plan 1\nat 1s: kill n1\n", "")
	f.Fuzz(func(t *testing.T, experiment, plan, contract string) {
		dir := t.TempDir()
		for name, text := range map[string]string{savedFile: experiment, planFile: plan, contractFile: contract} {
			if text != "" {
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
			}
		}
		s, err := Load(dir)
		if err != nil || s.Trust(nil) != nil {
			return
		}
		if x, err := s.Experiment(nil); err == nil {
			require.NotNil(t, x.Mode.Store)
			require.NotNil(t, x.Plan)
		}
	})
}
