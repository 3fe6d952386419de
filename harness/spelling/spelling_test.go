package spelling

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNearestWord(t *testing.T) {
	names := []string{"always", "everysec", "no", "rdb", "none"}
	for word, want := range map[string]string{
		"alway": "always", "ALWAYS": "always", "everysecond": "everysec", "evrysec": "everysec",
		"nome": "none", "rbd": "", "x": "", "": "", "sometimes": "",
	} {
		require.Equal(t, want, Nearest(word, names), word)
	}
	require.Equal(t, 0, distance("same", "same"))
	require.Equal(t, 3, distance("kitten", "sitting"))
	require.Equal(t, 4, distance("", "four"))
}
