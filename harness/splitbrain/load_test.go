package splitbrain

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzLoad: a saved split brain, which may be anybody's, is refused, or can be told, compared
// and saved again.
func FuzzLoad(f *testing.F) {
	const kept = "../../cmd/torntail/testdata/formats/v1/splitbrain-sim"
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(kept, name))
		require.NoError(f, err)
		return string(text)
	}
	f.Add(read(ScenarioFile), read(ReportFile))
	f.Add("version: 1\n", `{"schema":1,"lost":-1,"verdict":"x","steps":[{}],"partition":{}}`)
	f.Fuzz(func(t *testing.T, scenario, report string) {
		dir := t.TempDir()
		for name, text := range map[string]string{ScenarioFile: scenario, ReportFile: report} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		s, r, err := Load(dir)
		if err != nil {
			return
		}
		var b bytes.Buffer
		require.NoError(t, s.WriteFile(&b))
		r.WriteText(&b)
		WriteSummary(&b, []*Report{r, r})
		same, _ := r.Again(r)
		require.True(t, same)
	})
}
