package servers

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Mirror is an archive that apt takes packages from, and how apt trusts it.
type Mirror struct {
	URI      string
	SignedBy string // the keyring; "": apt's own keys
	Trusted  bool   // the machine's sources say that it needs no signature
}

// FindMirror looks in a machine's own sources (the directory is /etc/apt) for the mirror
// of Debian's archive that it uses: the first that has a suite of Debian's and the
// component main. uri, if not "", is one that is asked for, of which the sources may tell
// the keys.
func FindMirror(etc, uri string) (*Mirror, error) {
	var found *Mirror
	for _, file := range sourceFiles(etc) {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // not for us to read
		}
		var list []source
		if strings.HasSuffix(file, ".sources") {
			list = stanzas(string(text))
		} else {
			list = lines(string(text))
		}
		for i := range list {
			if m := list[i].debian(uri); m != nil && found == nil {
				found = m
			}
		}
	}
	switch {
	case found != nil:
		return found, nil
	case uri != "":
		return &Mirror{URI: uri, SignedBy: debianKeys()}, nil
	}
	return nil, fmt.Errorf("the sources in %s name no mirror of Debian's archive: say which with --mirror (its keys are in the package debian-archive-keyring)", etc)
}

// debianKeys is the keyring of Debian's archive where that package is installed.
func debianKeys() string {
	const file = "/usr/share/keyrings/debian-archive-keyring.gpg"
	if _, err := os.Stat(file); err != nil {
		return ""
	}
	return file
}

func sourceFiles(etc string) []string {
	files := []string{filepath.Join(etc, "sources.list")}
	for _, pattern := range []string{"*.list", "*.sources"} {
		more, _ := filepath.Glob(filepath.Join(etc, "sources.list.d", pattern)) // the pattern is ours
		files = append(files, more...)
	}
	return files
}

// source is an entry of apt's sources (sources.list(5)).
type source struct {
	uris, suites, components []string
	signedBy                 string
	trusted                  bool
}

// debianSuite matches the names of Debian's suites that archives of all packages have:
// those of updates and security have others of the packages.
var debianSuite = regexp.MustCompile(`^(bullseye|bookworm|trixie|forky|sid|oldoldstable|oldstable|stable|testing|unstable)(-backports)?$`)

// debian is the mirror that an entry names, if it is one of Debian's archive, and that
// which is asked for if uri is not "".
func (s *source) debian(uri string) *Mirror {
	has := func(list []string, ok func(string) bool) bool {
		for _, w := range list {
			if ok(w) {
				return true
			}
		}
		return false
	}
	if !has(s.suites, debianSuite.MatchString) || !has(s.components, func(c string) bool { return c == "main" }) {
		return nil
	}
	for _, at := range s.uris {
		if uri == "" || strings.TrimSuffix(at, "/") == strings.TrimSuffix(uri, "/") {
			return &Mirror{URI: at, SignedBy: s.signedBy, Trusted: s.trusted}
		}
	}
	return nil
}

// lines reads the one-line form: deb [options] uri suite component...
func lines(text string) (list []source) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
		rest, ok := strings.CutPrefix(line, "deb ")
		if !ok {
			continue
		}
		var s source
		rest = strings.TrimSpace(rest)
		if options, after, ok := strings.Cut(strings.TrimPrefix(rest, "["), "]"); ok && strings.HasPrefix(rest, "[") {
			for _, o := range strings.Fields(options) {
				name, value, _ := strings.Cut(o, "=")
				s.option(name, value)
			}
			rest = after
		}
		if f := strings.Fields(rest); len(f) > 2 {
			s.uris, s.suites, s.components = f[:1], f[1:2], f[2:]
			list = append(list, s)
		}
	}
	return list
}

// option takes an option that both forms have.
func (s *source) option(name, value string) {
	switch strings.ToLower(name) {
	case "signed-by":
		s.signedBy = value
	case "trusted":
		s.trusted = value == "yes"
	}
}

// stanzas reads the other form, of fields. A key that stands in the file itself is left out:
// apt's own keys are then asked for.
func stanzas(text string) (list []source) {
	for stanza := range strings.SplitSeq(text, "\n\n") {
		var s source
		binary, on := false, true
		for line := range strings.Lines(stanza) {
			name, value, ok := strings.Cut(strings.TrimSpace(line), ":")
			if !ok || strings.HasPrefix(line, "#") || strings.HasPrefix(line, " ") {
				continue
			}
			words := strings.Fields(value)
			switch strings.ToLower(name) {
			case "types":
				binary = strings.Contains(" "+strings.Join(words, " ")+" ", " deb ")
			case "enabled":
				on = strings.TrimSpace(value) != "no"
			case "uris":
				s.uris = words
			case "suites":
				s.suites = words
			case "components":
				s.components = words
			default:
				s.option(name, strings.TrimSpace(value))
			}
		}
		if binary && on {
			list = append(list, s)
		}
	}
	return list
}
