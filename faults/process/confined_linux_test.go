package process

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/internal/needs"
)

// confined is a space whose programs write below a directory alone.
func confined(t *testing.T, dir string) *guard.Space {
	home, err := guard.Home()
	require.NoError(t, err)
	s, err := home.Confine(dir)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.NoDirExists(t, s.Work())
	})
	return s
}

// TestAConfinedProgramWritesNowhereElse: below its directory it does as it likes, elsewhere it
// makes, changes and removes nothing, nor does a program that it starts, by whatever way.
func TestAConfinedProgramWritesNowhereElse(t *testing.T) {
	needs.Working(t, guard.CanConfine())
	dir, outside := t.TempDir(), t.TempDir()
	mine, theirs := filepath.Join(dir, "mine"), filepath.Join(outside, "theirs")
	require.NoError(t, os.Mkdir(filepath.Join(outside, "empty"), 0o755))
	require.NoError(t, os.WriteFile(theirs, []byte("as it was"), 0o644))
	s := confined(t, dir)
	require.True(t, s.Confined())
	run := func(script string) (string, Exit) {
		out, exit, err := Run(Spec{Path: "sh", Args: []string{"-c", script}, Space: s})
		require.NoError(t, err)
		return out, exit
	}
	for _, script := range []string{
		"echo x >" + mine, "echo x >>" + mine, "mkdir " + dir + "/d && mv " + mine + " " + dir + "/d/moved", "rm -r " + dir + "/d", "ln -s /etc " + dir + "/link",
		"echo x >/dev/null", "echo x >here && cat here", "mktemp", "cat " + theirs, "(setsid sh -c 'echo x >" + mine + "') && cat " + mine,
	} {
		out, exit := run(script)
		require.Zero(t, exit.Code, "%s: %s", script, out)
	}
	for _, script := range []string{
		"echo x >" + theirs, "echo x >>" + theirs, ": >" + theirs, "echo x >" + outside + "/new", "mkdir " + outside + "/new", "rm " + theirs, "rmdir " + outside + "/empty",
		"mv " + theirs + " " + mine, "mv " + mine + " " + theirs, "ln " + theirs + " " + dir + "/hard", "ln -s x " + outside + "/link", "mkfifo " + outside + "/pipe",
		"echo x >" + dir + "/../" + filepath.Base(outside) + "/new", "truncate -s 0 " + theirs,
		"ln -sf " + theirs + " " + dir + "/to && echo x >" + dir + "/to", "sh -c 'sh -c \"echo x >" + theirs + "\"'", "exec 3<" + theirs + "; echo x >/proc/self/fd/3",
		"cp " + theirs + " " + outside + "/copy", "mount -t tmpfs x " + outside + "/empty",
	} {
		out, exit := run(script)
		require.NotZero(t, exit.Code, "%s: %s", script, out)
	}
	left, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Len(t, left, 2)
	text, err := os.ReadFile(theirs)
	require.NoError(t, err)
	require.Equal(t, "as it was", string(text))
	require.NoError(t, os.WriteFile(theirs, nil, 0o644), "torntail itself is not confined")

	out, _ := run("pwd; echo $TMPDIR")
	require.Equal(t, s.Work()+"\n"+s.Work()+"\n", out)
	status, _ := run("cat /proc/self/mountinfo | wc -l")
	ours, exit, err := Run(Spec{Path: "sh", Args: []string{"-c", "cat /proc/self/mountinfo | wc -l"}})
	require.NoError(t, err)
	require.Zero(t, exit.Code)
	require.Equal(t, ours, status, "the same mounts are there")
}

// TestAServerOutsideIsNotWritten: redis-server is told in every way it knows to write
// elsewhere, and writes its own directory alone.
func TestAServerOutsideIsNotWritten(t *testing.T) {
	needRedis(t)
	needs.Working(t, guard.CanConfine())
	dir, outside := t.TempDir(), t.TempDir()
	theirs := filepath.Join(outside, "dump.rdb")
	require.NoError(t, os.WriteFile(theirs, []byte("somebody's"), 0o644))
	s := confined(t, dir)
	start := func(directives ...Directive) (*Redis, error) {
		r, err := StartRedis(t.Context(), RedisSpec{Dir: dir, Directives: append([]Directive{{"appendonly", []string{"yes"}}}, directives...), Space: s})
		if err == nil {
			t.Cleanup(func() { r.KillTree(); r.WaitTree() })
		}
		return r, err
	}
	for _, d := range []Directive{
		{"dir", []string{outside}}, {"logfile", []string{filepath.Join(outside, "log")}}, {"unixsocket", []string{filepath.Join(outside, "socket")}},
	} {
		_, err := start(d)
		var start *StartError
		require.ErrorAs(t, err, &start, d.Name)
	}
	r, err := start(Directive{"pidfile", []string{filepath.Join(outside, "pid")}}, Directive{"enable-protected-configs", []string{"yes"}})
	require.NoError(t, err)
	c := dial(t, r)
	require.Equal(t, "OK", do(t, c, "SET", "k", "v"))
	_, err = c.Do("SAVE")
	require.NoError(t, err)
	require.Equal(t, "OK", do(t, c, "CONFIG", "SET", "dir", outside))
	_, err = c.Do("SAVE")
	require.Error(t, err)
	_, err = c.Do("BGREWRITEAOF")
	require.Error(t, err)
	require.Empty(t, s.Elsewhere(r.Pid()))
	r.KillTree()
	r.WaitTree()
	left, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Len(t, left, 1, "%v", left)
	text, err := os.ReadFile(theirs)
	require.NoError(t, err)
	require.Equal(t, "somebody's", string(text))
	require.FileExists(t, filepath.Join(dir, "dump.rdb"))
}

// TestWritesElsewhereAreSeen: where the kernel keeps nobody from it, a file that is open for
// writing elsewhere is found.
func TestWritesElsewhereAreSeen(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	s := confined(t, dir)
	script := "exec 3>" + dir + "/mine 4>" + outside + "/theirs 5</etc/passwd 6>/dev/null; echo ready; exec sleep 1000"
	ready := make(chan struct{}, 1)
	home, err := guard.Home() // which confines nobody
	require.NoError(t, err)
	p, err := Start(Spec{Path: "sh", Args: []string{"-c", script}, Space: home, Output: func(Line) { ready <- struct{}{} }})
	require.NoError(t, err)
	t.Cleanup(func() { p.KillTree(); p.WaitTree() })
	<-ready
	require.Equal(t, []string{outside + "/theirs"}, s.Elsewhere(p.Pid()))
}

// TestAProgramIsFoundFromWhereTorntailIs: its path is torntail's, not one from where it starts.
func TestAProgramIsFoundFromWhereTorntailIs(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	require.NoError(t, os.WriteFile("program", []byte("#!/bin/sh\npwd\n"), 0o755))
	s := confined(t, t.TempDir())
	out, exit, err := Run(Spec{Path: "./program", Space: s})
	require.NoError(t, err)
	require.Zero(t, exit.Code, out)
	require.Equal(t, fmt.Sprintln(s.Work()), out)
	require.FileExists(t, "program", "torntail stays where it is")
}
