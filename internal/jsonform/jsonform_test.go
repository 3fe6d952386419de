package jsonform

import (
	"testing"

	"github.com/stretchr/testify/require"
)

type form struct {
	Schema int      `json:"schema"`
	Names  []string `json:"names"`
}

func TestErrorsSayWhereAndWhat(t *testing.T) {
	for text, want := range map[string]string{
		`{"schema": 1, "names": ["a"], "later": {}}`: "",
		`{"names": []}`:                  "not a torntail report: it has no \"schema\"",
		`[]`:                             "line 1, column 1: a JSON array does not belong here",
		"{\"schema\": 1,\n\"names\": 7}": "line 2, column 10: names: a JSON number does not belong here",
		`{"schema": 3}`:                  "schema 3 is newer than the newest this torntail reads (2): use the torntail that wrote it, or a newer one",
		`{"schema": -1}`:                 "schema -1 is unknown: this torntail reads 1 to 2",
		"{\"schema\": 1,\n}":             "line 2, column 1: invalid character '}' looking for beginning of object key string",
	} {
		var f form
		err := Parse([]byte(text), 2, &f)
		if want == "" {
			require.NoError(t, err)
			require.Equal(t, form{1, []string{"a"}}, f)
			continue
		}
		require.EqualError(t, err, want, text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"schema": 1, "names": ["a"]}`))
	f.Add([]byte(`{"schema": 1, "names": 7}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var into form
		if err := Parse(data, 2, &into); err == nil {
			require.Contains(t, []int{1, 2}, into.Schema)
		}
	})
}
