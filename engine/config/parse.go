package config

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/torntail/torntail/engine/acl"
)

// ParseError is a line that cannot be obeyed. Its text is what redis-server
// prints below "*** FATAL CONFIG FILE ERROR".
type ParseError struct {
	File string // "" for the command line
	Line int    // from 1; options of the command line count as lines after the file's
	Text string
	Why  string
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("Reading the configuration file, at line %d\n>>> '%s'\n%s", e.Line, e.Text, e.Why)
}

// FileError is a configuration file that cannot be read.
type FileError struct {
	File string
	Err  error
}

func (e *FileError) Error() string {
	return fmt.Sprintf("Fatal error, can't open config file '%s': %v", e.File, e.Err)
}

func (e *FileError) Unwrap() error { return e.Err }

// maxInclude bounds how deep includes nest, so that a file that includes itself is an error.
const maxInclude = 16

// ParseFile obeys a configuration file in redis.conf's syntax. read returns the
// content of a file by the name given here or in an include line.
func (c *Config) ParseFile(name string, read func(name string) ([]byte, error)) error {
	return c.parseFile(name, read, 0)
}

func (c *Config) parseFile(name string, read func(string) ([]byte, error), depth int) error {
	data, err := read(name)
	if err != nil {
		return &FileError{File: name, Err: err}
	}
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.Trim(line, " \t\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		argv, err := SplitArgs(line)
		if err == nil && len(argv) == 0 {
			continue
		}
		why := "Unbalanced quotes in configuration line"
		if err == nil {
			if why, err = c.obey(argv, i+1, read, depth); err != nil {
				return err
			}
		}
		if why != "" {
			return &ParseError{File: name, Line: i + 1, Text: line, Why: why}
		}
	}
	return c.settle(name)
}

// settle is what redis-server does at the end of each file (redis 7.0.15 config.c
// loadServerConfigFromString).
func (c *Config) settle(file string) error {
	c.Hz = BoundHz(c.Hz)
	if c.ClusterEnabled && c.ReplicaOf != "" {
		return &ParseError{File: file, Why: "replicaof directive not allowed in cluster mode"}
	}
	return nil
}

// BoundHz is hz within the bounds that the directive itself does not have.
func BoundHz(hz int64) int64 { return min(max(hz, 1), 500) }

// obey carries out a line. why is what is wrong with it; an error is one of a file that it
// includes.
func (c *Config) obey(argv []string, number int, read func(string) ([]byte, error), depth int) (why string, err error) {
	switch name := strings.ToLower(argv[0]); {
	case name == "include" && len(argv) == 2:
		if depth == maxInclude {
			return "too many nested include lines", nil
		}
		return "", c.parseFile(argv[1], read, depth+1)
	case name == "user" && len(argv) > 1:
		return c.addUser(argv), nil
	case name == "rename-command" && len(argv) == 3:
		return c.rename(argv[1], argv[2]), nil
	case name == "sentinel" && len(argv) > 1:
		if !c.SentinelMode {
			return errNotSentinel.Error(), nil
		}
		c.Sentinel = append(slices.Clip(c.Sentinel), SentinelLine{number, argv[1:]})
		return "", nil
	case slices.Contains(formerDirectives, name) && len(argv) == 2:
		return "", nil
	}
	if err := c.Set(argv[0], argv[1:]...); err != nil {
		return err.Error(), nil
	}
	return "", nil
}

// formerDirectives are taken and mean nothing (redis 7.0.15 config.c deprecated_configs).
var formerDirectives = []string{"list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands"}

// ParseArgs obeys redis-server's own command line: [redis.conf] [--directive
// value ...]. A name and its value may be one argument ("--port 7000"), and
// --save without a value means no save points (redis 7.0.15 server.c main).
// It returns the configuration file's name, "" when there was none.
func (c *Config) ParseArgs(args []string, read func(name string) ([]byte, error)) (file string, err error) {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		file = args[0]
		if err := c.ParseFile(file, read); err != nil {
			return file, err
		}
		args = args[1:]
	}
	for n := 1; len(args) > 0; n++ {
		option := args[0]
		args = args[1:]
		if !strings.HasPrefix(option, "--") {
			return file, &ParseError{Line: n, Text: option, Why: "Bad directive or wrong number of arguments"}
		}
		argv, err := SplitArgs(option[2:])
		if err != nil || len(argv) == 0 {
			return file, &ParseError{Line: n, Text: option, Why: "Bad directive or wrong number of arguments"}
		}
		if len(argv) == 1 {
			if strings.EqualFold(argv[0], "save") && (len(args) == 0 || strings.HasPrefix(args[0], "--")) {
				argv = append(argv, "")
			} else if len(args) > 0 {
				// The first value belongs to the name even if it looks like an option.
				argv = append(argv, args[0])
				args = args[1:]
			}
		}
		for len(args) > 0 && !strings.HasPrefix(args[0], "--") {
			argv = append(argv, args[0])
			args = args[1:]
		}
		if strings.EqualFold(argv[0], "save") {
			argv = splitSave(argv)
		}
		why, err := c.obey(argv, n, read, 0)
		if err != nil {
			return file, err
		}
		if why != "" {
			text := argv[0]
			for _, a := range argv[1:] {
				text += " " + Quote(a)
			}
			return file, &ParseError{Line: n, Text: text, Why: why}
		}
	}
	return file, c.settle(file)
}

// addUser takes a line "user name rules..."; why is what is wrong with it.
func (c *Config) addUser(argv []string) (why string) {
	d, blamed, err := acl.Declare(argv, c.Users, c.AclPubsubDefault == "allchannels")
	if err != nil {
		return "Error in user declaration '" + blamed + "': " + err.Error()
	}
	c.Users = append(slices.Clip(c.Users), d)
	return ""
}

// splitSave allows --save "3600 1 300 10" as one argument.
func splitSave(argv []string) []string {
	if len(argv) == 2 && strings.Contains(argv[1], " ") {
		return append(argv[:1], strings.Fields(argv[1])...)
	}
	return argv
}

// AbsolutePath is the name of a configuration file as INFO prints it, dir being
// where the server was started.
func AbsolutePath(dir, file string) string {
	if file == "" || path.IsAbs(file) {
		return file
	}
	return path.Join(dir, file)
}
