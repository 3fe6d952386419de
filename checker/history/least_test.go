package history

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// TestTheMemoryThatReadingTakesIsReckonedAsBefore compares with testdata/least how much
// memory must be allowed for a history to be read, and what is said when it is one byte
// less: what is reckoned for each value bounds what a file can make torntail take.
// -rewrite writes the file anew.
//
//	text                  the history
//	store NAME            a store in testdata/jepsen
//	stored                the history as a store in one block
func TestTheMemoryThatReadingTakesIsReckonedAsBefore(t *testing.T) {
	datadriven.RunTest(t, "testdata/least", func(t *testing.T, d *datadriven.TestData) string {
		decode := func(memory int64) error {
			_, _, err := DecodeAny(strings.NewReader(d.Input), Options{Memory: memory})
			return err
		}
		if d.Cmd != "text" {
			b := stored(t, d.Input)
			if d.Cmd == "store" {
				var err error
				b, err = os.ReadFile(filepath.Join("testdata", "jepsen", d.CmdArgs[0].Key))
				require.NoError(t, err)
			}
			decode = func(memory int64) error {
				_, err := decodeStore(bytes.NewReader(b), int64(len(b)), Options{Memory: memory})
				return err
			}
		}
		least := int64(1 + sort.Search(1<<22, func(n int) bool { return decode(int64(n)+1) == nil }))
		require.NoError(t, decode(least))
		return fmt.Sprintf("%d\n%s\n", least, strings.ReplaceAll(fmt.Sprint(decode(least-1)), "\n", " "))
	})
}
