package spelling

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNearestWord(t *testing.T) {
	names := []string{"always", "everysec", "no", "rdb", "none"}
	for word, want := range map[string]string{
		"alway": "always", "ALWAYS": "always", "everysecond": "everysec", "evrysec": "everysec",
		"nome": "none", "rbd": "rdb", "ev": "everysec", "n": "", "x": "", "": "", "sometimes": "",
	} {
		require.Equal(t, want, Nearest(word, names), word)
	}
	require.Equal(t, 0, Distance("same", "same"))
	require.Equal(t, 3, Distance("kitten", "sitting"))
	require.Equal(t, 4, Distance("", "four"))
}
