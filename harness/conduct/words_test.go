package conduct

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseFaults(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"fail fsync(*) EIO", "at 0s: fail fsync(*) EIO\n"},
		{"at n1 fsync(*)#3 in-flight: power-cut n1 keep none", "at n1 fsync(*)#3 in-flight: power-cut n1 keep none\n"},
		{"full n1 64KiB for 10s; slow write(*) 20ms\n# nothing\nreadonly n1", "at 0s: full n1 64KiB for 10s\nat 0s: slow write(*) 20ms\nat 0s: readonly n1\n"},
		{`fail write("a;b") EIO ; kill n1`, "at 0s: fail write(a;b) EIO\nat 0s: kill n1\n"},
		{"plan 1\nat 1s: kill n1", "at 1s: kill n1\n"},
	} {
		p, err := ParseFaults(c.text)
		require.NoError(t, err, c.text)
		require.Equal(t, "plan 1\n"+c.want, p.String())
	}
	for _, c := range []struct{ text, want string }{
		{"", "no fault is given"},
		{" ; \n", "no fault is given"},
		{"readonly n1\nfal fsync(*) EIO", `plan line 2:1: expected a fault`},
		{"fail fsync(*) EIOO", `plan line 1:15: expected an error`},
		{"at 1s kill n1", `plan line 1:7`},
	} {
		_, err := ParseFaults(c.text)
		require.ErrorContains(t, err, c.want, c.text)
	}
}

func FuzzParseFaults(f *testing.F) {
	f.Add("fail fsync(*) EIO; kill n1")
	f.Add("plan 1\nat 1s: kill n1")
	f.Add("at n1 write(\"a;b\")#1: short write(*) 3")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseFaults(text)
		if err != nil {
			return
		}
		again, err := ParseFaults(p.String())
		if err != nil || again.String() != p.String() {
			t.Fatalf("%q prints as %q, which is read as %v, %v", text, p.String(), again, err)
		}
	})
}
