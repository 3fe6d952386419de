package aof

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/engine/rdb"
	"github.com/torntail/torntail/faults/vfs/osfs"
	"github.com/torntail/torntail/internal/needs"
)

func baseRDB(t *testing.T) string {
	k := keyspace.New()
	k.DB(0).Set([]byte("a"), keyspace.StringObject([]byte("1")))
	k.DB(0).Set([]byte("l"), keyspace.ListObject([][]byte{[]byte("x")}))
	k.DB(0).SetExpire([]byte("a"), 1000)
	k.DB(2).Set([]byte("b"), keyspace.StringObject([]byte("2")))
	k.DB(2).SetExpire([]byte("b"), 4102444800000) // in 2100
	var out bytes.Buffer
	require.NoError(t, k.Snapshot().WriteRDB(&out, rdb.WriteOptions{Checksum: true, AOFBase: true}))
	return out.String()
}

type checkCase struct {
	name  string
	files map[string]string
	path  string
}

func checkCases(t *testing.T) []checkCase {
	const set = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n"
	const multi = "*1\r\n$5\r\nMULTI\r\n"
	const exec = "*1\r\n$4\r\nEXEC\r\n"
	base := baseRDB(t)
	var cases []checkCase
	for name, text := range map[string]string{
		"whole": set + set, "empty": "", "annotated": "#TS:1\r\n" + set + "#TS:2\r\n", "transaction": multi + set + exec,
		"open transaction": set + "#TS:123\r\n" + multi + set, "cut in a value": set + "*3\r\n$3\r\nSE", "cut in a count": set + "*3",
		"NUL tail": set + "\x00\x00\x00\x00", "no CRLF": strings.TrimSuffix(set, "\r\n") + "xx", "wrong prefix": "*3\r\n$3\r\nSET\r\n$1\r\na\r\nX1\r\nb\r\n",
		"EXEC alone": "*1\r\n$4\r\nEXEC\r\n*2\r\n", "MULTI twice": multi + multi, "no number": "*3x\r\n", "text": "hello\n",
		"cut in the last CRLF": set[:len(set)-1], "cut behind the star": set + "*", "hybrid": base + set, "hybrid, cut": base + set + set[:9],
		"hybrid, preamble cut": base[:40], "lone annotation": "#TS:1",
	} {
		cases = append(cases, checkCase{name, map[string]string{"f.aof": text}, "f.aof"})
	}
	long := strings.Repeat("9", 130)
	for i, text := range []string{
		// Numbers as C reads them, and lengths at their ends.
		"*+1\r\n$4\r\nPING\r\n", "*-1\r\n" + set, "*0\r\n" + set, "*01\r\n$+4\r\nPING\r\n", "* 1\r\n$4\r\nPING\r\n", "*1\r\n$ 4\r\nPING\r\n", "*\r\n" + set, "*+\r\n" + set, "*1\n$4\r\nPING\r\n", "*1\r$4\r\nPING\r\n",
		"*1\r\n$-1\r\n" + set, "*1\r\n$0\r\n\r\n" + set, "*1\r\n$1\r\n\r\n", "*1\r\n$3\r\nPING\r\n", "*1\r\n$5\r\nPING\r\n" + set, "*1\r\n$4\r\nPING\rx", "*1\r\n$4\r\nPINGx\n", "*1\r\n$4\r\nPING\r", "*1\r\n$4\r\nPING", "*1\r\n$4\r\n", "*1\r\n$4\r", "*1\r\n$4", "*1\r\n$", "*1\r\n",
		"*2\r\n$4\r\nPING\r\n", "*" + long + "\r\n", "*1\r\n$" + long + "\r\n", "*1" + strings.Repeat(" ", 130) + "\r\n$4\r\nPING\r\n",
		// Names of transactions, whatever their case, and words as long as those and longer.
		"*1\r\n$5\r\nmulti\r\n" + set + "*1\r\n$4\r\neXEC\r\n", multi + set + exec + exec, multi + exec + multi, multi, exec, set + exec + set, "*2\r\n$4\r\nECHO\r\n$5\r\nMULTI\r\n", "*1\r\n$15\r\n" + strings.Repeat("w", 15) + "\r\n", "*1\r\n$16\r\n" + strings.Repeat("w", 16) + "\r\n", "*1\r\n$17\r\n" + strings.Repeat("w", 17) + "\r\n", "*2\r\n$5\r\nMULTI\r\n$1\r\nx\r\n" + exec,
		// Annotations, cut and whole, longer than the line that is read.
		"#", "#\n", "#\r\n" + set, set + "#TS:1", "#" + strings.Repeat("x", 1021) + "\n" + set, "#" + strings.Repeat("x", 1022) + "\n" + set, "#" + strings.Repeat("x", 1023) + "\n" + set, "#" + strings.Repeat("x", 2100) + "\n" + set, set + "#TS:1\r\n*", multi + "#TS:1\r\n" + set + exec,
		// What a preamble is and is not.
		"REDI", "REDIS", "REDIS00", "REDIS001", "REDIS0010", base, base + exec, base + multi + set, "#\nfile x seq 1 type b\n", "file", "fil", "#no newline", "# " + strings.Repeat("c", 5000) + "\nfile x seq 1 type i\n",
	} {
		cases = append(cases, checkCase{fmt.Sprintf("text %d (%.40q)", i, text), map[string]string{"f.aof": text}, "f.aof"})
	}
	const manifest = "file b.rdb seq 1 type b\nfile 1.aof seq 1 type i\nfile 2.aof seq 2 type i\n"
	add := func(name, man, b, i1, i2 string) {
		cases = append(cases, checkCase{name, map[string]string{"m.manifest": man, "b.rdb": b, "1.aof": i1, "2.aof": i2}, "m.manifest"})
	}
	add("manifest, whole", manifest, base, set, multi+set+exec)
	add("manifest, last cut", manifest, base, set, set+set[:20])
	add("manifest, last NUL", manifest, base, set, set+"\x00")
	add("manifest, last empty", manifest, base, set, "")
	add("manifest, middle cut", manifest, base, set[:20], set)
	add("manifest, base cut", manifest, base[:len(base)-3], set, set)
	add("manifest, base is commands", manifest, set, set, set)
	add("manifest, base alone and cut", "file b.rdb seq 1 type b\n", set+set[:5], set, set)
	add("manifest, comment first", "# hi\n"+manifest, base, set, set)
	add("manifest, file missing", "file b.rdb seq 1 type b\nfile 9.aof seq 9 type i\n", base, set, set)
	add("manifest, bad line", manifest+"x\n", base, set, set)
	return cases
}

func put(t *testing.T, files map[string]string) string {
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

func content(t *testing.T, dir string) map[string]string {
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		out[e.Name()] = string(b)
	}
	return out
}

// Lines that need not agree: details of the RDB part, which redis-check-rdb
// words in its own way, and the log format of a manifest error.
var private = regexp.MustCompile(`(?m)^(\[additional.*|\[offset \d+\] [^ACS\\].*|--- RDB.*|.*FATAL AOF MANIFEST.*|\d+:C .*|.*Reading the manifest.*|.*>>> .*|.*Invalid AOF manifest.*)\n`)

// Behind the end of a line redis-check-aof prints a byte of its stack.
var pastEnd = regexp.MustCompile(`got: 00..`)

func TestCheckReportsAndRepairsLikeRedisCheckAOF(t *testing.T) {
	tool := needs.Program(t, "redis-check-aof")
	for _, c := range checkCases(t) {
		for _, mode := range []string{"look", "fix", "fix, answered no"} {
			theirs, ours := put(t, c.files), put(t, c.files)
			args := []string{c.path}
			if mode != "look" {
				args = []string{"--fix", c.path}
			}
			cmd := exec.Command(tool, args...)
			cmd.Dir = theirs
			cmd.Stdin = strings.NewReader(map[string]string{"fix": "y\n", "fix, answered no": "n\n"}[mode])
			said, failed := cmd.CombinedOutput()

			var out strings.Builder
			err := Check(CheckOptions{FS: osfs.New(ours), Path: c.path, Fix: mode != "look", Out: &out, NowMs: time.Now().UnixMilli(),
				Confirm: func(prompt string) bool { out.WriteString(prompt); return mode == "fix" }})
			if err != nil {
				out.WriteString(err.Error() + "\n")
			}
			require.Equal(t, failed == nil, err == nil, "%s, %s: redis-check-aof said\n%s\nwe said\n%s", c.name, mode, said, out.String())
			require.Equal(t, content(t, theirs), content(t, ours), "%s, %s", c.name, mode)
			trim := func(s string) string {
				s = pastEnd.ReplaceAllString(s, "got: 00")
				return strings.TrimSpace(private.ReplaceAllString(s+"\n", ""))
			}
			require.Equal(t, trim(string(said)), trim(out.String()), "%s, %s", c.name, mode)
		}
	}
}

func TestCheckOfAMissingFile(t *testing.T) {
	err := Check(CheckOptions{FS: osfs.New(t.TempDir()), Path: "none.aof", Out: new(strings.Builder)})
	require.EqualError(t, err, "Cannot open file none.aof: No such file or directory")
}
