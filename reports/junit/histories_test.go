package junit

import (
	"bytes"
	"encoding/xml"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHistoriesAsTestCases(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, WriteHistories(&b, "1.2.3", []History{
		{Name: "a.edn"},
		{Name: "b.edn:2", Failed: true, Why: "G1a: nobody reads\nwhat was aborted", Anomalies: []string{"G1a", "G1c"}, Text: "told ]]> with \x00 bytes"},
		{Name: "c.edn", Unknown: true, Why: "cut off"},
	}))
	var got suites
	require.NoError(t, xml.Unmarshal(b.Bytes(), &got), b.String())
	s := got.Suites[0]
	require.Equal(t, []int{3, 1, 1, 0}, []int{s.Tests, s.Failures, s.Errors, s.Skipped})
	require.Nil(t, s.Cases[0].Failure)
	require.Equal(t, "b.edn:2", s.Cases[1].Name)
	require.Equal(t, "G1a G1c", s.Cases[1].Failure.Type)
	require.NotContains(t, s.Cases[1].Failure.Message, "\n")
	require.Equal(t, "unknown", s.Cases[2].Error.Type, "what is not known is an error and no skip")
	var again bytes.Buffer
	require.NoError(t, WriteHistories(&again, "1.2.3", []History{{Name: "a.edn"}}))
	require.NotContains(t, again.String(), "20", "nothing of the time of day")
}
