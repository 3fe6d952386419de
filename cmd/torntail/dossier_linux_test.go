package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/reports/result"
)

// TestADossierIsEnoughForAStranger: in a chroot that holds the binary, the dossiers of a short
// hunt and the server's package, with no more than /dev/fuse and /proc beside them, the command
// of a dossier shows the finding. A real server keeps its own time, so that it is tried some times.
func TestADossierIsEnoughForAStranger(t *testing.T) {
	if testing.Short() {
		t.Skip("it hunts a real server")
	}
	server := needs.Program(t, "redis-server")
	if os.Geteuid() != 0 {
		needs.Working(t, errors.New("chroot needs root"))
	}
	needs.Working(t, fusefs.Available())
	root := t.TempDir()
	for _, dir := range []string{"dev", "proc", "tmp", "usr/bin", "dossiers"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	torntail := filepath.Join(root, "torntail")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", torntail, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	// The hunt is the dossiers' author, and no part of what the stranger has.
	reports := filepath.Join(t.TempDir(), "out")
	hunt := exec.Command(torntail, "hunt", "--target", "redis-server", "--seed", "1", "--out", reports)
	tells, err := hunt.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, hunt.Start())
	found := 0
	for lines := bufio.NewScanner(tells); lines.Scan(); {
		if strings.Contains(lines.Text(), ", experiment ") {
			if found++; found == 3 { // what was found is made small by nobody then, which takes minutes
				require.NoError(t, hunt.Process.Signal(os.Interrupt))
			}
		}
	}
	exit := new(exec.ExitError)
	require.ErrorAs(t, hunt.Wait(), &exit)
	require.Equal(t, result.ExitInterrupted, exit.ExitCode())
	require.NoError(t, os.CopyFS(filepath.Join(root, "dossiers"), os.DirFS(filepath.Join(reports, dossiersDir))))

	for _, name := range []string{"redis-server", "redis-check-aof", "redis-check-rdb"} {
		install(t, root, filepath.Join(filepath.Dir(server), name))
	}
	for name, minor := range map[string]uint32{"dev/fuse": 229, "dev/null": 3} {
		major := uint32(10)
		if name == "dev/null" {
			major = 1
		}
		needs.Working(t, unix.Mknod(filepath.Join(root, name), unix.S_IFCHR|0o666, int(unix.Mkdev(major, minor))))
		require.NoError(t, os.Chmod(filepath.Join(root, name), 0o666))
	}
	proc := filepath.Join(root, "proc")
	needs.Working(t, unix.Mount("proc", proc, "proc", 0, ""))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(proc, unix.MNT_DETACH)) })

	dossiers, err := filepath.Glob(filepath.Join(root, "dossiers", "*", "README.md"))
	require.NoError(t, err)
	require.NotEmpty(t, dossiers)
	command := regexp.MustCompile(`(?m)^    torntail (replay \. .*)$`)
	for range 6 {
		for _, readme := range dossiers {
			text, err := os.ReadFile(readme)
			require.NoError(t, err)
			words := command.FindSubmatch(text)
			require.NotNil(t, words, "%s", text)
			replay := exec.Command("/torntail", strings.Fields(string(words[1]))...)
			replay.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
			replay.Dir = strings.TrimPrefix(filepath.Dir(readme), root)
			replay.Env = []string{"PATH=/usr/bin"}
			said, err := replay.CombinedOutput()
			switch {
			case err == nil, errors.As(err, &exit) && exit.ExitCode() == 3: // not this time
			case errors.As(err, &exit) && exit.ExitCode() == 1:
				t.Logf("%s\n%s", replay.Dir, said)
				return
			default:
				t.Fatalf("%s: %v\n%s", replay.Dir, err, said)
			}
		}
	}
	t.Fatalf("none of %d dossiers shows its finding", len(dossiers))
}

// install puts a program below a root, with the libraries that it is linked with.
func install(t *testing.T, root, program string) {
	place := func(file, as string) {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		to := filepath.Join(root, as)
		require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
		require.NoError(t, os.WriteFile(to, data, 0o755))
	}
	place(program, "usr/bin/"+filepath.Base(program))
	linked, err := exec.Command("ldd", program).Output()
	require.NoError(t, err)
	for _, word := range strings.Fields(string(linked)) {
		if strings.HasPrefix(word, "/") {
			place(word, word)
		}
	}
}
