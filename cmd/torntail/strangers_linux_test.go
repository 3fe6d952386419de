package main

import (
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// canary stands in whatever there is outside, and in nothing that torntail writes.
const canary = "CANARY-OF-WHAT-IS-OUTSIDE"

// stranger is a directory in which results lie that a stranger has made, beside what they
// are not to reach: a program, evil, and the directory outside.
type stranger struct {
	t    *testing.T
	work string
	was  map[string]string // what is outside
}

// fromStranger copies what earlier versions have saved.
func fromStranger(t *testing.T, names ...string) *stranger {
	s := &stranger{t: t, work: t.TempDir()}
	for _, name := range names {
		from, to := filepath.Join("testdata/formats/v1", name), filepath.Join(s.work, name)
		if info, err := os.Stat(from); err == nil && info.IsDir() {
			require.NoError(t, os.CopyFS(to, os.DirFS(from)))
			continue
		}
		text, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to, text, 0o644))
	}
	s.write("evil", "#!/bin/sh\necho ran >>"+s.path("ran")+"\n")
	require.NoError(t, os.Chmod(s.path("evil"), 0o755))
	s.write("evil.yaml", "target: 1\ncommand: [\""+s.path("evil")+"\", \"{{port}}\"]\n")
	for _, dir := range []string{"outside/failure", "outside/empty"} {
		require.NoError(t, os.MkdirAll(s.path(dir), 0o755))
	}
	s.write("outside/failure/picture.svg", "<svg>"+canary+"</svg>")
	s.write("outside/failure/page.html", canary)
	history, err := os.ReadFile("testdata/formats/v1/run-sim/failures/everysec-power-7980280379375264/history.jsonl")
	require.NoError(t, err)
	s.write("outside/failure/history.jsonl", strings.ReplaceAll(string(history), `"k`, `"`+canary))
	s.was = s.outside()
	return s
}

func (s *stranger) path(name string) string { return filepath.Join(s.work, name) }

func (s *stranger) write(name, text string) {
	require.NoError(s.t, os.MkdirAll(filepath.Dir(s.path(name)), 0o755))
	require.NoError(s.t, os.WriteFile(s.path(name), []byte(text), 0o644))
}

// plant replaces text of a file, which has it.
func (s *stranger) plant(name, text, other string) {
	data, err := os.ReadFile(s.path(name))
	require.NoError(s.t, err)
	require.Contains(s.t, string(data), text)
	s.write(name, strings.Replace(string(data), text, other, 1))
}

// link puts a symbolic link in the place of what is there.
func (s *stranger) link(name, to string) {
	require.NoError(s.t, os.RemoveAll(s.path(name)))
	require.NoError(s.t, os.Symlink(to, s.path(name)))
}

func (s *stranger) outside() map[string]string {
	all := map[string]string{}
	require.NoError(s.t, filepath.WalkDir(s.path("outside"), func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			var text []byte
			text, err = os.ReadFile(name)
			all[name] = string(text)
		} else if err == nil {
			all[name] = d.Type().String()
		}
		return err
	}))
	return all
}

// run runs torntail, which finds no server by its name, and looks at what it has done.
func (s *stranger) run(args ...string) (said string, status int) {
	path, err := exec.LookPath("torntail")
	require.NoError(s.t, err)
	c := exec.Command(path, args...)
	c.Dir, c.Env = s.work, append(os.Environ(), "PATH="+filepath.Dir(path))
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil {
		require.ErrorAs(s.t, err, &exit)
	}
	said = strings.Join(args, " ") + "\n" + string(out)
	require.NoFileExists(s.t, s.path("ran"), said)
	require.True(s.t, maps.Equal(s.was, s.outside()), "something was written outside: %s", said)
	require.NotContains(s.t, said, canary)
	inPage := base64.StdEncoding.EncodeToString([]byte("<svg>" + canary + "</svg>"))
	require.NoError(s.t, filepath.WalkDir(s.work, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasPrefix(name, s.path("outside")) {
			return err
		}
		text, err := os.ReadFile(name)
		require.False(s.t, strings.Contains(string(text), canary) || strings.Contains(string(text), inPage), "what is outside stands in %s: %s", name, said)
		return err
	}))
	return said, c.ProcessState.ExitCode()
}

// refused runs a command that must not take what it is given.
func (s *stranger) refused(why string, args ...string) {
	said, status := s.run(args...)
	require.Equal(s.t, 2, status, said)
	require.Contains(s.t, said, why)
}

// Saved failures, each with its directory.
const (
	strangersProcess = "run-process/failures/always-power-8625348976705108"
	strangersSim     = "run-sim/failures/everysec-power-7980280379375264"
	strangersImage   = "explore-process/failures/everysec-ext4-F2"
)

// TestASavedFailureRunsNoProgram: what a saved failure calls its target is no program to run,
// unless it is the name of one that torntail knows.
func TestASavedFailureRunsNoProgram(t *testing.T) {
	t.Parallel()
	for _, saved := range []struct{ dir, file string }{
		{strangersProcess, strangersProcess + "/experiment.json"}, {strangersImage, strangersImage + "/experiment.json"}, {"splitbrain-process", "splitbrain-process/splitbrain.json"},
	} {
		for _, target := range []string{"./evil", "/evil", "evil.yaml", "evil", "evil-dir", "sh"} {
			s := fromStranger(t, strings.Split(saved.dir, "/")[0])
			s.write("evil-dir/target.yaml", "target: 1\ncommand: [\""+s.path("evil")+"\", \"{{port}}\"]\n")
			if target == "/evil" {
				target = s.path("evil")
			}
			s.plant(saved.file, `"target": "redis-server"`, `"target": "`+target+`"`)
			s.refused("starts no program that it names", "replay", saved.dir)
			for _, command := range []string{"check", "shrink", "report"} {
				s.run(command, saved.dir)
			}
		}
		// A name is looked for in PATH, and not in the directory where torntail is called.
		s := fromStranger(t, strings.Split(saved.dir, "/")[0])
		s.write("redis-server/target.yaml", "target: 1\ncommand: [\""+s.path("evil")+"\", \"{{port}}\"]\n")
		said, status := s.run("replay", saved.dir)
		require.Equal(t, 5, status, said)
		require.Contains(t, said, "redis-server is not in PATH")
	}
}

// TestASavedFailureSetsNoMoreThanDurability: directives and commands that reach beyond the
// server's data are refused, by name.
func TestASavedFailureSetsNoMoreThanDurability(t *testing.T) {
	t.Parallel()
	s := fromStranger(t, "run-process", "run-sim", "explore-process", "splitbrain-process")
	sabotaged := func(file, text, other string, test func()) {
		data, err := os.ReadFile(s.path(file))
		require.NoError(t, err)
		s.plant(file, text, other)
		test()
		s.write(file, string(data))
	}
	for directive, value := range map[string]string{
		"loadmodule": s.path("evil"), "include": s.path("outside/failure/page.html"), "dir": s.path("outside"), "dbfilename": "../outside/x", "logfile": s.path("outside/x"),
		"pidfile": s.path("outside/x"), "unixsocket": s.path("outside/x"), "aclfile": s.path("outside/x"), "appenddirname": "../outside", "cluster-config-file": s.path("outside/x"),
		"tls-ca-cert-file": s.path("outside/x"), "syslog-enabled": "yes", "replicaof": "10.0.0.1 6379", "bind": "0.0.0.0", "enable-debug-command": "yes",
		"enable-module-command": "yes", "LOADMODULE": s.path("evil"), "hz": "10\nloadmodule " + s.path("evil"), "rename-command": "SET x", "user": "x on",
	} {
		for _, dir := range []string{strangersProcess, strangersSim, strangersImage} {
			line, err := json.Marshal(map[string]string{"Name": directive, "Value": value})
			require.NoError(t, err)
			sabotaged(dir+"/experiment.json", `"directives": [`, `"directives": [`+string(line)+",", func() {
				s.refused("may come from anybody", "replay", dir)
				if dir == strangersSim {
					s.refused("may come from anybody", "shrink", dir)
				}
				if directive == "loadmodule" {
					s.run("check", dir)
					s.run("report", strings.Split(dir, "/")[0])
				}
			})
		}
		value, err := json.Marshal(value)
		require.NoError(t, err)
		sabotaged("splitbrain-process/scenario.yaml", "topology: 3+3", "topology: 3+3\nredis:\n  - name: "+directive+"\n    value: "+string(value), func() {
			s.refused("splitbrain-process: ", "replay", "splitbrain-process")
		})
	}
	sabotaged("splitbrain-process/scenario.yaml", "topology: 3+3", "topology: 3+3\nsentinel:\n  - name: notification-script\n    value: "+s.path("evil"), func() {
		s.refused("is not known", "replay", "splitbrain-process")
	})
	for _, command := range []string{
		"CONFIG SET dir " + s.path("outside"), "CONFIG SET appendfsync no dbfilename x", "MODULE LOAD " + s.path("evil"), "MIGRATE 10.0.0.1 6379 k 0 5",
		"REPLICAOF 10.0.0.1 6379", "SLAVEOF no 1", "DEBUG SEGFAULT", "EVAL x 0", "SCRIPT LOAD x", "ACL LOAD", "ACL SETUSER x on", "FUNCTION LOAD x", "CLUSTER MEET 10.0.0.1 1",
		"SENTINEL SET mymaster notification-script " + s.path("evil"),
	} {
		for _, dir := range []string{strangersProcess, strangersSim} {
			sabotaged(dir+"/plan.txt", "plan 1\n", "plan 1\nat 10ms: do n1 "+command+"\n", func() {
				s.refused("may come from anybody: do n1 ", "replay", dir)
				if dir == strangersSim {
					s.refused("may come from anybody: do n1 ", "shrink", dir)
				}
				if strings.HasPrefix(command, "MODULE") {
					s.run("check", dir)
					s.run("report", strings.Split(dir, "/")[0])
				}
			})
		}
		sabotaged("splitbrain-process/scenario.yaml", "  plan 1\n", "  plan 1\n  at 10ms: do n1 "+command+"\n", func() {
			s.refused("may come from anybody: do n1 ", "replay", "splitbrain-process")
		})
	}
	// What the user gives as well is the user's own.
	sabotaged(strangersSim+"/experiment.json", `"directives": [`, `"directives": [{"Name": "enable-debug-command", "Value": "yes"},`, func() {
		said, status := s.run("replay", strangersSim, "--directive", "enable-debug-command=yes")
		require.NotEqual(t, 2, status, said)
	})
}

// TestASavedFailureLeadsNowhereElse: links and pipes in directories of results are not
// followed, neither to read what is there nor to write.
func TestASavedFailureLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	var s *stranger
	saved := func(dir string) []string {
		files := []string{"experiment.json", "plan.txt", "history.jsonl", "contract.yaml", "picture.svg", "story.txt"}
		if dir == strangersImage {
			files = append(files, "image", "image/appendonlydir", "image/dump.rdb", "image/more")
		}
		return append(files, "shrunk")
	}
	for _, dir := range []string{strangersProcess, strangersSim, strangersImage, "splitbrain-process"} {
		top := strings.Split(dir, "/")[0]
		for _, file := range saved(dir) {
			for _, to := range []string{"outside/failure/" + filepath.Base(file), "outside/failure", "outside/none", "a pipe"} {
				s = fromStranger(t, top)
				name := dir + "/" + file
				if to == "a pipe" {
					require.NoError(t, os.RemoveAll(s.path(name)))
					require.NoError(t, unix.Mkfifo(s.path(name), 0o600))
				} else {
					s.link(name, s.path(to))
				}
				s.refused("not followed", "replay", dir)
				info, err := os.Stat(s.path(name))
				there := err == nil && info.Mode().IsRegular()
				switch {
				case !there && (file == "experiment.json" || file == "history.jsonl"):
					s.run("check", dir) // of which there is then none, or a history that is judged by itself
				case dir == "splitbrain-process" && file != "history.jsonl":
					s.run("check", dir) // which reads the history alone
				default:
					s.refused("not followed", "check", dir)
				}
				s.run("report", top)
				if dir != "splitbrain-process" {
					s.refused("not followed", "shrink", dir)
				}
			}
		}
	}
	for _, file := range []string{"report.html", "report.md", "junit.xml"} {
		for _, to := range []string{"outside/failure/page.html", "outside/empty/" + file} {
			s = fromStranger(t, "run-sim")
			s.link("run-sim/"+file, s.path(to))
			s.refused("not followed", "report", "run-sim")
		}
	}
	s = fromStranger(t, "run-sim")
	s.link("run-sim/picture.svg", s.path("outside/failure/picture.svg"))
	s.refused("not followed", "report", "run-sim")
	s = fromStranger(t, "run-sim")
	s.link("run-sim/failures", s.path("outside"))
	s.run("report", "run-sim")
}

// TestResultsNameNoOtherDirectories: the directories of failures in a file of results are
// looked at below the directory of that file.
func TestResultsNameNoOtherDirectories(t *testing.T) {
	t.Parallel()
	for file, was := range map[string]string{
		"run-sim/result.json": strangersSim, "policies/result.json": "policies/failures/no-power-4717565786886364", "splitbrain-sim/result.json": "splitbrain-sim",
		"splitbrain-sweep/result.json": "splitbrain-sweep/run001", "suite/result.json": "", "explore-process/explore.json": "",
	} {
		top := filepath.Dir(file)
		for _, to := range []string{"/outside/failure", "outside/failure", "../outside/failure", top + "/../outside/failure", "..", "/", "x/.."} {
			s := fromStranger(t, top)
			if to == "/outside/failure" {
				to = s.path("outside/failure")
			}
			if was == "" { // wherever there is one
				data, err := os.ReadFile(s.path(file))
				require.NoError(t, err)
				_, rest, found := strings.Cut(string(data), `"dir": "`)
				require.True(t, found)
				was, _, _ = strings.Cut(rest, `"`)
			}
			s.plant(file, `"dir": "`+was+`"`, `"dir": "`+to+`"`)
			said, status := s.run("report", top)
			require.Contains(t, []int{0, 1, 3}, status, said)
			s.run("report", file, "--out", "reports")
			s.run("compare", top, top)
		}
	}
}

// TestRecordsOfSuitesLeadNowhereElse: a suite that goes on, and shards that are put together,
// neither read nor write elsewhere.
func TestRecordsOfSuitesLeadNowhereElse(t *testing.T) {
	t.Parallel()
	const cell = "cells/00004.json"
	names := []string{"suite", "suite-shard-1", "suite-shard-2", "suite.yaml"}
	both := func(s *stranger, why string) {
		s.refused(why, "suite", "suite.yaml", "--keep-failures", "1", "--out", "suite")
		s.refused(why, "merge", "suite-shard-1", "suite-shard-2", "--out", "merged")
	}
	for _, to := range []string{"/outside/failure", "../outside/failure", "..", "failures/../../outside/failure", "failures/link"} {
		s := fromStranger(t, names...)
		if to[0] == '/' {
			to = s.path(to[1:])
		}
		for _, dir := range []string{"suite", "suite-shard-1"} {
			data, err := os.ReadFile(s.path(filepath.Join(dir, cell)))
			require.NoError(t, err)
			_, rest, found := strings.Cut(string(data), `"dir": "`)
			require.True(t, found, "the cell has a failure")
			was, _, _ := strings.Cut(rest, `"`)
			s.plant(filepath.Join(dir, cell), `"dir": "`+was+`"`, `"dir": "`+to+`"`)
			if to == "failures/link" {
				require.NoError(t, os.MkdirAll(s.path(dir+"/failures"), 0o755))
				s.link(dir+"/failures/link", s.path("outside/failure"))
			}
		}
		both(s, "not followed")
	}
	for _, file := range []string{"cells", cell, "suite.json", "failures", "result.json", "report.html", "failures/more"} {
		for _, to := range []string{"outside/failure", "outside/none", "outside/empty"} {
			s := fromStranger(t, names...)
			for _, dir := range []string{"suite", "suite-shard-1"} {
				require.NoError(t, os.MkdirAll(s.path(dir+"/failures"), 0o755))
				s.link(filepath.Join(dir, file), s.path(to))
			}
			both(s, "not followed")
		}
	}
	s := fromStranger(t, names...)
	for _, dir := range []string{"suite", "suite-shard-1"} { // a cell that is lost, and says what is not so
		require.NoError(t, os.Remove(s.path(filepath.Join(dir, cell))))
		s.plant(dir+"/suite.json", `"target": "engine"`, `"target": "./evil"`)
	}
	s.run("suite", "suite.yaml", "--keep-failures", "1", "--out", "suite")
	s.run("merge", "suite-shard-1", "suite-shard-2", "--out", "merged")
	for _, shard := range []string{`"n": 0`, `"n": -2`, `"n": 1000000000000`} {
		s := fromStranger(t, names...)
		s.plant("suite-shard-1/suite.json", `"n": 2`, shard)
		s.run("merge", "suite-shard-1", "suite-shard-2", "--out", "merged")
	}
}

// TestWhatAStrangerSaysIsNotObeyed: by no terminal, and by no job's log.
func TestWhatAStrangerSaysIsNotObeyed(t *testing.T) {
	t.Parallel()
	const hostile = "\x1b[31m\u009b2J\r\n::error::x ##[group]y\u202e\a"
	text, err := json.Marshal(hostile)
	require.NoError(t, err)
	s := fromStranger(t, "run-sim")
	shown := func(args ...string) {
		said, status := s.run(args...)
		_, said, _ = strings.Cut(said, "\n") // what was asked for
		require.NotContains(t, []int{2, 4}, status, said)
		require.Contains(t, said, "31m")
		require.Less(t, strings.IndexFunc(said, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }), 0, "%q", said)
		require.NotRegexp(t, `(?m)^ *::|##\[`, said)
	}
	for _, field := range []string{"torntail", "trace"} {
		s.plant(strangersSim+"/experiment.json", `"`+field+`": "`, `"`+field+`": `+string(text[:len(text)-1]))
	}
	shown("replay", strangersSim)
	history, err := os.ReadFile(s.path(strangersSim + "/history.jsonl"))
	require.NoError(t, err)
	for _, name := range []string{"one", "\x1b[31m\n::error::x\xff"} {
		s.write(filepath.Join("histories", name+".jsonl"), string(history))
	}
	shown("check", "histories")
}

// TestASavedFailureIsBounded: how long it lasts, and on what it says it was.
func TestASavedFailureIsBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ dir, file, was, is, why string }{
		{strangersSim, "experiment.json", `"personality": "ext4"`, `"personality": "x"`, `personality "x" is not known`},
		{strangersSim, "experiment.json", `"profile": "cloud-ssd"`, `"profile": "x"`, `unknown latency profile "x"`},
		{strangersSim, "experiment.json", `"span_ns": 7000000000`, `"span_ns": 7200000000000`, "it lasts for 2h0m0s: a simulated world is over after 1h0m0s"},
		{strangersSim, "experiment.json", `"span_ns": 7000000000`, `"span_ns": 9000000000000000000`, "24h0m0s at most"},
		{strangersSim, "experiment.json", `"span_ns": 7000000000`, `"span_ns": -1`, "24h0m0s at most"},
		{strangersSim, "experiment.json", "\n}\n", "\n}\n{}\n", "a second value"},
		{strangersSim, "plan.txt", "plan 1\n", "plan 1\nat 2h: do n1 PING\n", "it lasts for 2h0m0s"},
		{strangersSim, "plan.txt", "plan 1\n", "plan 1\nat 900000h: do n1 PING\n", "a duration of at most 24h"},
		{strangersProcess, "experiment.json", `"personality": "ext4"`, `"personality": "real ext4,journal_dev=5"`, "journal_dev=5 is none of those that decide what is durable"},
		{strangersProcess, "experiment.json", `"personality": "ext4"`, `"personality": "real ext4,errors=panic"`, "would end the whole machine"},
		{strangersProcess, "experiment.json", `"personality": "ext4"`, `"personality": "real fat"`, `file system "fat"`},
	} {
		s := fromStranger(t, strings.Split(c.dir, "/")[0])
		s.plant(c.dir+"/"+c.file, c.was, c.is)
		s.refused(c.why, "replay", c.dir)
		if c.dir == strangersSim {
			s.refused(c.why, "shrink", c.dir)
		}
	}
}

// TestACorpusLeadsNowhereElse: links in a corpus are followed neither to read nor to write.
func TestACorpusLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	s := fromStranger(t)
	hunt := []string{"hunt", "--experiments", "5", "--quiet", "--corpus"}
	_, status := s.run(append(hunt, "corpus")...)
	require.Equal(t, 0, status)
	files, err := os.ReadDir(s.path("corpus"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, to := range []string{"outside/none", "outside/failure/page.html", "outside"} {
		require.NoError(t, os.RemoveAll(s.path("theirs")))
		require.NoError(t, os.Mkdir(s.path("theirs"), 0o755))
		for _, f := range files { // those are the names that a hunt with this seed makes
			s.link(filepath.Join("theirs", f.Name()), s.path(to))
		}
		s.refused("not followed", append(hunt, "theirs")...)
		s.refused("not followed", append(hunt, "theirs", "--replay-corpus")...)
	}
}
