package checker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
)

// TestPicturesShowWhatTheAnomalyIsAbout compares with testdata/pictures what is in
// porcupine's picture of the first anomaly: the operations of its keys, in its life,
// what was read after the crash, and how far they can be put in order. -rewrite
// writes the file anew.
//
//	always crash=power      (a script)
//	clients
func TestPicturesShowWhatTheAnomalyIsAbout(t *testing.T) {
	datadriven.RunTest(t, "testdata/pictures", func(t *testing.T, d *datadriven.TestData) string {
		c := contract.Clients()
		if d.Cmd != "clients" {
			var crash string
			d.ScanArgs(t, "crash", &crash)
			var err error
			c, err = contract.For(d.Cmd, contract.Crash(crash), contract.Config{})
			require.NoError(t, err)
		}
		h := script(t, d.Input)
		j := Judge{Options: unhurried}
		out := j.Judge(h, c)
		require.NotEmpty(t, out.Anomalies)
		var page bytes.Buffer
		require.NoError(t, j.Picture(&page, h, out.Anomalies[0]))
		return string(out.Anomalies[0].Name) + "\n" + pictured(t, page.String())
	})
}

// pictured is the data of a page in words.
func pictured(t *testing.T, page string) string {
	_, text, found := strings.Cut(page, "const data = ")
	require.True(t, found)
	var data struct {
		Partitions []struct {
			History []struct {
				ClientId                                int
				OriginalStart, OriginalEnd, Description string
			}
			PartialLinearizations [][]struct {
				Index            int
				StateDescription string
			}
		}
	}
	require.NoError(t, json.NewDecoder(strings.NewReader(text)).Decode(&data))
	var b strings.Builder
	for i, p := range data.Partitions {
		fmt.Fprintf(&b, "part %d\n", i)
		for n, op := range p.History {
			fmt.Fprintf(&b, "  %d: client %d, %s to %s: %s\n", n, op.ClientId, op.OriginalStart, op.OriginalEnd, op.Description)
		}
		var orders []string
		for _, order := range p.PartialLinearizations {
			text := "  order"
			for _, step := range order {
				text += fmt.Sprintf(", %d makes it %s", step.Index, step.StateDescription)
			}
			orders = append(orders, text+"\n")
		}
		slices.Sort(orders)
		b.WriteString(strings.Join(orders, ""))
	}
	return b.String()
}
