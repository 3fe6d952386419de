package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write testdata/digest.txt anew")

// TestSampleIsAsBefore records the sample of the matrix with today's torntail, and
// compares its digests with those of before the code was last changed on purpose.
// What differs, and where first, the command says that it names.
func TestSampleIsAsBefore(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "torntail")
	out, err := exec.Command("go", "build", "-trimpath", "-o", binary, "../../cmd/torntail").CombinedOutput()
	require.NoError(t, err, "%s", out)
	record1 := filepath.Join(dir, "record")
	require.NoError(t, record(binary, record1, options{sample: true, workers: 2}))
	got, err := os.ReadFile(filepath.Join(record1, digestFile))
	require.NoError(t, err)
	const golden = "testdata/digest.txt"
	if *update {
		require.NoError(t, os.WriteFile(golden, got, 0o644))
		return
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, strings.Split(string(want), "\n"), strings.Split(string(got), "\n"),
		"verdicts, figures or saved failures of the groups that differ are not what they were: record the matrix (-sample) of both binaries and compare, to see what")
}

// TestCompare: what differs is found, and named.
func TestCompare(t *testing.T) {
	write := func(files map[string]string) string {
		dir := t.TempDir()
		for name, text := range files {
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
		}
		return dir
	}
	old := map[string]string{
		"run/a/text.txt":        "one\ntwo\n",
		"run/a/out/result.json": `{"seed": 1, "results": [{"mode": "always", "crash": "kill", "lost": 0}, {"mode": "no", "crash": "kill", "lost": 3}]}`,
	}
	for name, c := range map[string]struct {
		file, text string
		skip       []string
		want       string // part of what is printed; "": they are the same
	}{
		"nothing":          {file: "run/a/text.txt", text: "one\ntwo\n"},
		"a line":           {file: "run/a/text.txt", text: "one\nthree\n", want: "line 2: two\n    now: three"},
		"a line more":      {file: "run/a/text.txt", text: "one\ntwo\nthree\n", want: "line 3"},
		"a file more":      {file: "run/a/again.txt", text: "", want: "run/a/again.txt: only in the new record"},
		"a figure":         {file: "run/a/out/result.json", text: strings.Replace(old["run/a/out/result.json"], "3", "4", 1), want: ".results[1 no kill].lost: 3, now 4"},
		"a figure more":    {file: "run/a/out/result.json", text: strings.Replace(old["run/a/out/result.json"], `"lost": 3`, `"lost": 3, "new": 1`, 1), want: ".results[1 no kill].new: is new, 1"},
		"a result less":    {file: "run/a/out/result.json", text: `{"seed": 1, "results": [{"mode": "always", "crash": "kill", "lost": 0}]}`, want: ".results: 2 elements, now 1"},
		"other white":      {file: "run/a/out/result.json", text: strings.ReplaceAll(old["run/a/out/result.json"], " ", "")},
		"a skipped figure": {file: "run/a/out/result.json", text: strings.Replace(old["run/a/out/result.json"], "3", "4", 1), skip: []string{"**.lost"}},
		"a skipped file":   {file: "run/a/text.txt", text: "three\n", skip: []string{"run/*/text.txt"}},
		"a skipped name":   {file: "run/a/text.txt", text: "three\n", skip: []string{"text.txt"}},
	} {
		t.Run(name, func(t *testing.T) {
			changed := map[string]string{c.file: c.text}
			for name, text := range old {
				if name != c.file {
					changed[name] = text
				}
			}
			var out bytes.Buffer
			err := compare(write(old), write(changed), c.skip, &out)
			if c.want == "" {
				assert.NoError(t, err, "%s", &out)
				return
			}
			assert.ErrorIs(t, err, errDiffer)
			assert.Contains(t, out.String(), c.want)
		})
	}
	assert.Error(t, compare(write(nil), write(nil), nil, &bytes.Buffer{}), "nothing is not the same as nothing")
}

// TestNormal: what the clock and the machine say is left out, and nothing else.
func TestNormal(t *testing.T) {
	_, got, err := normal("result.json", []byte(`{"started": "2026-01-02T03:04:05Z", "elapsed_s": 3.5, "machine": {"os": "linux"}, "rate": 5, "results": [{"rate": 7.10, "list": [1, 2.50, 12345678901234567890]}]}`))
	require.NoError(t, err)
	assert.Equal(t, "{\n \"rate\": 5,\n \"results\": [\n  {\n   \"list\": [1,2.50,12345678901234567890],\n   \"rate\": 7.10\n  }\n ]\n}\n", string(got), "numbers as they were")
	_, got, err = normal("explore.json", []byte(`{"rate": 5, "states": 6}`))
	require.NoError(t, err)
	assert.Equal(t, "{\n \"states\": 6\n}\n", string(got))
	for from, to := range map[string]string{
		"torntail 0.1.0, seed 1, took 3.24s":                              "torntail 0.1.0, seed 1, took TIME",
		"took up to the last 2.95s":                                       "took up to the last 2.95s",
		"2242 hold; 48151 a second":                                       "2242 hold; RATE a second",
		`<testsuite name="a" timestamp="2026-11-29T20:48:08" time="3.2">`: `<testsuite name="a" timestamp="STARTED" time="TIME">`,
		`<testcase name="a" time="0.2">`:                                  `<testcase name="a" time="0.2">`,
	} {
		_, got, err := normal("a.txt", []byte(from))
		require.NoError(t, err)
		assert.Equal(t, to, string(got))
	}
	name, _, err := normal("history.jsonl", []byte("x"))
	require.NoError(t, err)
	assert.Equal(t, "history.jsonl.sha256", name)
	_, _, err = normal("result.json", []byte("{"))
	assert.Error(t, err)
}

// TestDigestsSeeEveryFile: another name or another byte is another digest.
func TestDigestsSeeEveryFile(t *testing.T) {
	digest := func(files ...string) string {
		dir := t.TempDir()
		for _, f := range files {
			name, text, _ := strings.Cut(f, "=")
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
		}
		d, err := digests(dir)
		require.NoError(t, err)
		return d
	}
	was := digest("run/a/text.txt=x", "run/a/out/failures/f/plan.txt=y", "run/b/text.txt=x")
	lines := strings.Split(strings.TrimSpace(was), "\n")
	require.Len(t, lines, 2)
	assert.True(t, strings.HasSuffix(lines[0], "  run/a"), "%s", was)
	assert.True(t, strings.HasSuffix(lines[1], "  run/b"), "%s", was)
	assert.Equal(t, was, digest("run/b/text.txt=x", "run/a/text.txt=x", "run/a/out/failures/f/plan.txt=y"))
	assert.NotEqual(t, was, digest("run/a/text.txt=x", "run/a/out/failures/f/plan.txt=z", "run/b/text.txt=x"))
	assert.NotEqual(t, was, digest("run/a/text.txt=x", "run/a/out/failures/g/plan.txt=y", "run/b/text.txt=x"))
}

// TestClasses: figures make no class, what they mean does.
func TestClasses(t *testing.T) {
	a := outcome{Struck: 1, Acknowledged: 10, Lost: 3, Recovery: map[string]int{"by_itself": 1, "refused": 0}, Findings: map[string]int{"F2": 1}, Verdict: "holds"}
	assert.Equal(t, "holds, came back by_itself, finding F2, some lost", a.class())
	b := outcome{Acknowledged: 10, Lost: 10, Verdict: "unknown", Why: "12.5 of 40 runs"}
	assert.Equal(t, "unknown, all lost, not struck, because N of N runs", b.class())
}

// TestCompareClasses: what is new and what is gone is found, in either direction.
func TestCompareClasses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, plans string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(`{"binary": "x", "server": "7.0.15", "plans": `+plans+`}`), 0o644))
		return file
	}
	old := write("old", `{"a": {"holds": 9, "unknown": 1}, "b": {"holds": 10}}`)
	var out bytes.Buffer
	assert.NoError(t, compareClasses(old, write("same", `{"a": {"holds": 5, "unknown": 5}, "b": {"holds": 10}}`), &out), "%s", &out)
	out.Reset()
	assert.ErrorIs(t, compareClasses(old, write("new", `{"a": {"holds": 9, "violated": 1}, "b": {"holds": 10}}`), &out), errDiffer)
	assert.Contains(t, out.String(), "a\n  both  9 of 10, now  9 of 10 (p 1): holds\n  gone  1 of 10, now  0 of 10 (p 1): unknown\n  new   0 of 10, now  1 of 10 (p 1): violated\n")
	assert.Contains(t, out.String(), "1 of 2 plans")
	out.Reset()
	assert.NoError(t, compareClasses(old, write("chance", `{"a": {"holds": 9, "unknown": 1}, "b": {"holds": 9, "holds, all lost": 1}}`), &out))
	assert.Contains(t, out.String(), "1 of 2 plans came to something else, 0 of them by more than chance", "it is told all the same")
	out.Reset()
	assert.ErrorIs(t, compareClasses(old, write("often", `{"a": {"holds": 1, "unknown": 9}, "b": {"holds": 1, "unknown": 9}}`), &out), errDiffer)
	assert.ErrorIs(t, compareClasses(old, write("less", `{"a": {"holds": 9, "unknown": 1}}`), &out), errDiffer)
	assert.Error(t, compareClasses(write("none", `{}`), old, &out))
	assert.Error(t, compareClasses(filepath.Join(dir, "missing"), old, &out))
}

// TestFisher against figures of other programs (Fisher's tea tasting, 3 of 4 and 1 of
// 4; R's fisher.test for the others).
func TestFisher(t *testing.T) {
	assert.InDelta(t, 0.4857, fisher(3, 4, 1, 4), 1e-4)
	assert.InDelta(t, 1, fisher(0, 10, 0, 10), 1e-9)
	assert.InDelta(t, 1.083e-05, fisher(10, 10, 0, 10), 1e-8)
	assert.InDelta(t, 0.0325, fisher(0, 10, 5, 10), 1e-3)
}

// TestPlans: every fixed plan says for what it is.
func TestPlans(t *testing.T) {
	groups, err := plans(false)
	require.NoError(t, err)
	assert.Len(t, groups, 30)
	for _, text := range []string{"", "plan 1\n", "# always\nplan 1\n", "# always kill\n", "always kill: x\n"} {
		_, _, err := planHead(text)
		assert.Error(t, err, "%q", text)
	}
}
