package servers

import (
	"cmp"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/internal/matching"
)

// ErrNoApt means that this machine has no apt.
var ErrNoApt = errors.New("servers are unpacked from Debian's archive by apt-get and dpkg-deb, which only Debian and its kin have: " +
	"build or install the server yourself and give its path, such as --target ./src/valkey-server")

// Gone is a version that no suite has.
type Gone struct {
	Name  string
	There []string // what there is of the product
}

func (g *Gone) Error() string {
	have := "there is none of that product"
	if len(g.There) > 0 {
		have = "there is " + strings.Join(g.There, ", ")
	}
	return fmt.Sprintf("%s is not in Debian's archive any more: %s", g.Name, have)
}

// Archive is Debian's archive, as this machine reaches it. Its lists are private ones in a
// directory of torntail's; apt checks their signatures, and the hash of each package.
type Archive struct {
	Mirror *Mirror
	// Tell, if not nil, is told what is being done.
	Tell func(what string)
	work string
	read map[string]bool // suites whose lists have been read
}

// Open prepares the private lists. Close removes them.
func Open(m *Mirror) (*Archive, error) {
	for _, program := range []string{"apt-get", "apt-cache", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, ErrNoApt
		}
	}
	dir, err := Dir()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(dir, ".apt-")
	return &Archive{Mirror: m, work: work, read: map[string]bool{}}, err
}

// Close removes the lists.
func (a *Archive) Close() error { return os.RemoveAll(a.work) }

func (a *Archive) tell(format string, args ...any) {
	if a.Tell != nil {
		a.Tell(fmt.Sprintf(format, args...))
	}
}

// release is a version of a server's package in a suite.
type release struct{ suite, full, version string }

// Get unpacks a server, or finds it where that has been done.
func (a *Archive) Get(ctx context.Context, name string) (*Server, error) {
	product, version, err := split(name)
	if err != nil {
		return nil, err
	}
	if s, err := Find(name); err == nil {
		return s, nil
	}
	gone := &Gone{Name: name}
	known := suitesOf(product, version)
	for _, suite := range append(slices.Clone(known), others(known)...) {
		there, err := a.releases(ctx, suite, product)
		if err != nil {
			return nil, err
		}
		for _, r := range there {
			if within(r.version, version) {
				return a.unpack(ctx, name, product, r)
			}
			gone.There = append(gone.There, fmt.Sprintf("%s-%s (%s)", product, r.version, r.suite))
		}
	}
	return nil, gone
}

// upstream is the version of the software in that of a package: without the epoch, the
// packager's revision, and what he left out.
var upstream = regexp.MustCompile(`^(?:[0-9]+:)?([0-9]+(?:\.[0-9]+)*)`)

// releases are the versions of a product in a suite.
func (a *Archive) releases(ctx context.Context, suite, product string) (list []release, err error) {
	if err := a.update(ctx, suite); err != nil {
		return nil, err
	}
	out, err := a.apt(ctx, suite, "apt-cache", "madison", product+"-server")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(out) { // package | version | where
		f := strings.Split(line, "|")
		if len(f) < 3 || !strings.Contains(f[2], suite+"/") {
			continue
		}
		full := strings.TrimSpace(f[1])
		if m := upstream.FindStringSubmatch(full); m != nil {
			list = append(list, release{suite, full, m[1]})
		}
	}
	return list, nil
}

// dir is where the private lists of a suite are.
func (a *Archive) dir(suite, below string) string { return filepath.Join(a.work, suite, below) }

// update reads the lists of a suite. Those of a suite that changes daily may be older on a
// mirror than they say that they are good for.
func (a *Archive) update(ctx context.Context, suite string) error {
	if a.read[suite] {
		return nil
	}
	a.tell("reading what %s has", suite)
	for _, below := range []string{"sources", "lists/partial", "cache/archives/partial", "state"} {
		if err := os.MkdirAll(a.dir(suite, below), 0o755); err != nil {
			return err
		}
	}
	suites := suite
	if of, ok := strings.CutSuffix(suite, "-backports"); ok {
		suites += " " + of // its packages rest on those of the release
	}
	m := a.Mirror
	text := "Types: deb\nURIs: " + m.URI + "\nSuites: " + suites + "\nComponents: main\nCheck-Valid-Until: no\n"
	if m.SignedBy != "" {
		text += "Signed-By: " + m.SignedBy + "\n"
	}
	if m.Trusted {
		text += "Trusted: yes\n"
	}
	as := "root"
	if u, err := user.Current(); err == nil {
		as = u.Username
	}
	// apt.conf(5); the last two keep the machine's own hooks from being run.
	conf := fmt.Sprintf(`Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "%[1]s/sources";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "%[1]s/state";
Dir::State::Lists "%[1]s/lists";
Dir::State::status "%[1]s/status";
Dir::Cache "%[1]s/cache";
APT::Sandbox::User %[2]q;
APT::Update::Error-Mode "any";
APT::Install-Recommends "no";
Acquire::Languages "none";
Acquire::Retries "2";
#clear APT::Default-Release;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
`, a.dir(suite, ""), as)
	for file, text := range map[string]string{"sources/debian.sources": text, "apt.conf": conf, "status": ""} { // any order
		if err := os.WriteFile(a.dir(suite, file), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if _, err := a.apt(ctx, suite, "apt-get", "update", "-qq"); err != nil {
		return err
	}
	a.read[suite] = true
	return nil
}

// apt runs one of its programs on the lists of a suite, and returns what it prints.
func (a *Archive) apt(ctx context.Context, suite, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, append([]string{"-c", a.dir(suite, "apt.conf")}, args...)...)
	cmd.Dir = a.dir(suite, "cache")
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	return output(ctx, cmd)
}

// output is what a program prints. Its error has the program's last complaint.
func output(ctx context.Context, cmd *exec.Cmd) (string, error) {
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	switch {
	case err == nil:
		return out.String(), nil
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	}
	why := ""
	for line := range strings.Lines(said.String()) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "E:") || line != "" && !strings.HasPrefix(line, "W:") && !strings.HasPrefix(why, "E:") {
			why = cmp.Or(first(why), line)
		}
	}
	return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(cmd.Path), strings.Join(cmd.Args[len(cmd.Args)-1:], " "), err, why)
}

// first keeps apt's first error, for those after it follow from it.
func first(why string) string {
	if strings.HasPrefix(why, "E:") {
		return why
	}
	return ""
}

// unneeded are the beginnings of names of packages that the server's package asks for, to be
// installed and started as a service, and that its program does not need.
var unneeded = []string{"adduser", "passwd", "login", "perl", "libperl", "debconf", "dpkg", "tar", "coreutils", "init-system-helpers", "lsb-base",
	"sysvinit-utils", "systemd", "libsystemd-shared", "openssl-provider"}

func wanted(name string) bool {
	return !slices.ContainsFunc(unneeded, func(begins string) bool { return strings.HasPrefix(name, begins) })
}

// unpack makes the directory of a server.
func (a *Archive) unpack(ctx context.Context, name, product string, r release) (*Server, error) {
	a.tell("getting %s %s from %s", product, r.version, r.suite)
	server := product + "-server=" + r.full
	args := []string{"install", "--print-uris", "-qq", "-y"}
	if strings.HasSuffix(r.suite, "-backports") {
		args = append(args, "-t", r.suite)
	}
	out, err := a.apt(ctx, r.suite, "apt-get", append(args, server)...)
	if err != nil {
		return nil, err
	}
	var packages []string
	for line := range strings.Lines(out) { // 'uri' name_version_arch.deb size hash
		f := strings.Fields(line)
		if len(f) < 3 || !strings.HasSuffix(f[1], ".deb") {
			continue
		}
		part := strings.Split(strings.TrimSuffix(f[1], ".deb"), "_")
		if len(part) == 3 && wanted(part[0]) {
			packages = append(packages, part[0]+"="+strings.ReplaceAll(part[1], "%3a", ":"))
		}
	}
	if len(packages) == 0 {
		return nil, fmt.Errorf("%s: apt-get names no packages for %s", r.suite, server)
	}
	if _, err := a.apt(ctx, r.suite, "apt-get", append([]string{"download", "-qq"}, packages...)...); err != nil {
		return nil, err
	}
	root := a.dir(r.suite, name)
	if err := os.MkdirAll(filepath.Join(root, "root"), 0o755); err != nil {
		return nil, err
	}
	s := &Server{Name: name, Dir: root}
	slices.SortStableFunc(packages, func(x, y string) int { return cmp.Compare(rank(x, product), rank(y, product)) })
	program := filepath.Join(root, "root/usr/bin", product+"-server")
	for _, p := range packages {
		pkg, version, _ := strings.Cut(p, "=")
		files, err := matching.In(a.dir(r.suite, "cache"), pkg+"_*.deb")
		if err != nil || len(files) != 1 {
			return nil, fmt.Errorf("%s: apt-get downloaded %d files of %s", r.suite, len(files), pkg)
		}
		if _, err := output(ctx, exec.CommandContext(ctx, "dpkg-deb", "-x", files[0], filepath.Join(root, "root"))); err != nil {
			return nil, err
		}
		// The program may be a link to a file of another of the product's packages.
		if _, err := filepath.EvalSymlinks(program); err == nil && s.Package == "" || strings.HasSuffix(pkg, "-tools") {
			if s.SHA256, err = a.hash(ctx, r.suite, p); err != nil {
				return nil, err
			}
			s.Package = pkg + " " + version + " (" + r.suite + ")"
		}
		os.Remove(files[0])
	}
	if err := s.programs(product); err != nil {
		return nil, fmt.Errorf("%s: %w", server, err)
	}
	if s.Version, err = process.Version(s.Program()); err != nil {
		return nil, err
	}
	return s.keep()
}

// rank puts the product's own packages after the libraries, its tools last.
func rank(p, product string) int {
	switch {
	case strings.HasPrefix(p, product+"-tools"):
		return 2
	case strings.HasPrefix(p, product+"-"):
		return 1
	}
	return 0
}

// hash is that of a package, as the signed lists have it.
func (a *Archive) hash(ctx context.Context, suite, p string) (string, error) {
	out, err := a.apt(ctx, suite, "apt-cache", "show", p)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(out) {
		if sum, ok := strings.CutPrefix(line, "SHA256: "); ok {
			return strings.TrimSpace(sum), nil
		}
	}
	return "", fmt.Errorf("%s: no hash of %s", suite, p)
}

// programs writes those that start the server's own with its loader and libraries.
func (s *Server) programs(product string) error {
	for _, unused := range []string{"usr/share", "etc", "var", "usr/lib/systemd", "lib/systemd"} {
		os.RemoveAll(filepath.Join(s.Dir, "root", unused))
	}
	for _, program := range []string{product + "-server", product + "-check-aof", product + "-check-rdb"} {
		path := filepath.Join(s.Dir, "root/usr/bin", program)
		// One program is many, and asks for the name that it was called by: a link will
		// not do, for the loader is told the file.
		if to, err := filepath.EvalSymlinks(path); err != nil {
			return err
		} else if to != path {
			os.Remove(path)
			if err := os.Link(to, path); err != nil {
				return err
			}
		}
		loader, libraries, err := s.loader(path)
		if err != nil {
			return err
		}
		below := func(path string) string { return strings.Replace(path, s.Dir, "$dir", 1) }
		for i, l := range libraries {
			libraries[i] = below(l)
		}
		// A script with exec: the server is the process that was started.
		with := ""
		if loader != "" {
			with = fmt.Sprintf("%q --library-path %q ", below(loader), strings.Join(libraries, ":"))
		}
		text := fmt.Sprintf("#!/bin/sh\ndir=${0%%/*}\nexec %s\"%s\" \"$@\"\n", with, below(path))
		if err := os.WriteFile(filepath.Join(s.Dir, program), []byte(text), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// loader finds the loader that a program asks for, and the directories of libraries; "" for
// one that asks for none.
func (s *Server) loader(program string) (loader string, libraries []string, err error) {
	f, err := elf.Open(program)
	if err != nil {
		return "", nil, nil // a script
	}
	defer f.Close()
	name := ""
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			buf := make([]byte, p.Filesz)
			if _, err := p.ReadAt(buf, 0); err != nil {
				return "", nil, err
			}
			name = filepath.Base(strings.TrimRight(string(buf), "\x00"))
		}
	}
	if name == "" {
		return "", nil, nil
	}
	err = filepath.WalkDir(filepath.Join(s.Dir, "root"), func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == name && d.Type().IsRegular():
			loader = path
		case d.Name() == name && loader == "":
			if to, err := filepath.EvalSymlinks(path); err == nil && strings.HasPrefix(to, s.Dir) {
				loader = to
			}
		}
		if dir := filepath.Dir(path); strings.Contains(d.Name(), ".so.") && !d.IsDir() && !slices.Contains(libraries, dir) {
			libraries = append(libraries, dir)
		}
		return nil
	})
	if err == nil && loader == "" {
		err = fmt.Errorf("no loader %q among the unpacked files", name)
	}
	return loader, libraries, err
}

// keep gives an unpacked server its place.
func (s *Server) keep() (*Server, error) {
	dir, err := Dir()
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(s.Dir, recordFile), append(text, '\n'), 0o644); err != nil {
		return nil, err
	}
	to := filepath.Join(dir, s.Name)
	if err := os.Rename(s.Dir, to); err != nil {
		if here, found := Find(s.Name); found == nil { // somebody else was faster
			return here, nil
		}
		return nil, err
	}
	s.Dir = to
	return s, nil
}
