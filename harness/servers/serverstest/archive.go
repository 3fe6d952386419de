// Package serverstest makes an archive of packages for tests of what gets servers from one.
package serverstest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/internal/needs"
)

// Archive is an archive in the form of Debian's, in a directory, and a directory of apt's in
// which it stands among the sources. It is not signed: the sources say that it may be.
type Archive struct {
	t    testing.TB
	dir  string
	arch string
	Etc  string
	has  map[string][]string // the entries of each suite
}

// suites are those of servers.Suites, all of which a look for another version reads.
var suites = []string{"bullseye", "bookworm", "bookworm-backports", "trixie", "sid"}

// New makes an empty archive.
func New(t testing.TB) *Archive {
	for _, program := range []string{"apt-get", "dpkg-deb"} {
		needs.Program(t, program)
	}
	out, err := exec.Command("dpkg", "--print-architecture").Output()
	require.NoError(t, err)
	a := &Archive{t: t, dir: t.TempDir(), Etc: t.TempDir(), arch: strings.TrimSpace(string(out)), has: map[string][]string{}}
	require.NoError(t, os.WriteFile(filepath.Join(a.Etc, "sources.list"), []byte("deb [trusted=yes] file:"+a.dir+" sid main\n"), 0o644))
	for _, suite := range suites {
		a.release(suite)
	}
	return a
}

// Add puts a product's packages into a suite, with scripts for programs. It returns their
// files by their names.
func (a *Archive) Add(suite, product, version string) map[string]string {
	kind := strings.ToUpper(product[:1]) + product[1:]
	upstream := regexp.MustCompile(`[0-9]+(\.[0-9]+)*`).FindString(version)
	return a.add(suite, product, version, func(root string) {
		script := fmt.Sprintf("#!/bin/sh\ncase $0 in *-server) echo \"%s server v=%s sha=0\";; *) basename $0;; esac\n", kind, upstream)
		a.write(filepath.Join(root, "usr/bin", product+"-check-rdb"), []byte(script), 0o755)
	}, nil)
}

// AddProgram is Add with a program of this machine, and its loader and libraries in a
// package of their own.
func (a *Archive) AddProgram(suite, product, version, binary string) map[string]string {
	return a.add(suite, product, version, func(root string) {
		a.copy(binary, filepath.Join(root, "usr/bin", product+"-check-rdb"))
	}, func(root string) {
		out, err := exec.Command("ldd", binary).Output()
		require.NoError(a.t, err)
		for _, path := range regexp.MustCompile(`/\S+`).FindAllString(string(out), -1) {
			a.copy(path, filepath.Join(root, "usr/lib", filepath.Base(path)))
		}
	})
}

func (a *Archive) add(suite, product, version string, tools, libraries func(root string)) map[string]string {
	files := map[string]string{}
	needs := ""
	if libraries != nil {
		files["libstub"] = a.deb(suite, "libstub", "1", "", libraries)
		needs = "libstub"
	}
	tool := product + "-tools"
	files[tool] = a.deb(suite, tool, version, needs, func(root string) {
		tools(root)
		require.NoError(a.t, os.Symlink(product+"-check-rdb", filepath.Join(root, "usr/bin", product+"-check-aof")))
	})
	files[product+"-server"] = a.deb(suite, product+"-server", version, fmt.Sprintf("%s (= %s)", tool, version), func(root string) {
		require.NoError(a.t, os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755))
		require.NoError(a.t, os.Symlink(product+"-check-rdb", filepath.Join(root, "usr/bin", product+"-server")))
	})
	a.release(suite)
	return files
}

// deb builds a package and notes it.
func (a *Archive) deb(suite, name, version, depends string, fill func(root string)) string {
	root := a.t.TempDir()
	control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: torntail <test@localhost>\n", name, version, a.arch)
	if depends != "" {
		control += "Depends: " + depends + "\n"
	}
	fill(root)
	a.write(filepath.Join(root, "DEBIAN/control"), []byte(control+"Description: a stub\n"), 0o644)
	file := filepath.Join("pool", suite, fmt.Sprintf("%s_%s_%s.deb", name, version, a.arch))
	path := filepath.Join(a.dir, file)
	require.NoError(a.t, os.MkdirAll(filepath.Dir(path), 0o755))
	out, err := exec.Command("dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "--build", root, path).CombinedOutput()
	require.NoError(a.t, err, "%s", out)
	data, err := os.ReadFile(path)
	require.NoError(a.t, err)
	a.has[suite] = append(a.has[suite], fmt.Sprintf("%sFilename: %s\nSize: %d\nSHA256: %x\nDescription: a stub\n", control, file, len(data), sha256.Sum256(data)))
	return path
}

// release writes what apt reads of a suite.
func (a *Archive) release(suite string) {
	index := "main/binary-" + a.arch + "/Packages"
	packages := []byte(strings.Join(a.has[suite], "\n"))
	a.write(filepath.Join(a.dir, "dists", suite, index), packages, 0o644)
	var b bytes.Buffer
	fmt.Fprintf(&b, "Origin: stub\nSuite: %[1]s\nCodename: %[1]s\nArchitectures: %[2]s\nComponents: main\nDate: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n", suite, a.arch)
	fmt.Fprintf(&b, " %x %d %s\n", sha256.Sum256(packages), len(packages), index)
	a.write(filepath.Join(a.dir, "dists", suite, "Release"), b.Bytes(), 0o644)
}

func (a *Archive) write(path string, data []byte, mode os.FileMode) {
	require.NoError(a.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(a.t, os.WriteFile(path, data, mode))
}

func (a *Archive) copy(from, to string) {
	data, err := os.ReadFile(from)
	require.NoError(a.t, err)
	a.write(to, data, 0o755)
}
