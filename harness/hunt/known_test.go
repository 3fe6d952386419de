package hunt

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Lists of fingerprints have comments, blank lines and spaces at the ends of lines.
func TestFingerprints(t *testing.T) {
	list, err := parseKnown([]byte("# of 2026\n\nF12\n  lost-write/kill/idle/by itself \r\n#F3\nhole/term/after rename temp-rewriteaof-#.aof/refused"))
	require.NoError(t, err)
	require.Equal(t, []string{"F12", "lost-write/kill/idle/by itself", "hole/term/after rename temp-rewriteaof-#.aof/refused"}, list)
	_, err = parseKnown([]byte("F1\nlost\x1b[2J\n"))
	require.ErrorContains(t, err, "line 2: ")
	_, err = parseKnown([]byte(strings.Repeat("x", 2*longestFingerprint)))
	require.ErrorContains(t, err, "no list of fingerprints")
}

// Whatever stands in the file is refused, or a list of lines that can be printed.
func FuzzFingerprints(f *testing.F) {
	f.Add([]byte("# of 2026\n\nF12\nlost-write/kill/idle/by itself\n"))
	f.Add([]byte("\xff\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parseKnown(data)
		if err != nil {
			return
		}
		for _, l := range list {
			require.NotEmpty(t, l)
			require.NotContains(t, l, "\n")
			require.Equal(t, strings.TrimSpace(l), l)
		}
	})
}
