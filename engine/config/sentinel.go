package config

import (
	"path"
	"slices"
	"strings"
)

// SentinelPort is the port of a Sentinel whose configuration names none.
const SentinelPort = 26379

// SentinelLine is a line "sentinel ..." of the configuration file, without its
// first word. What it means the Sentinel knows.
type SentinelLine struct {
	Number int // in the file, from 1
	Args   []string
}

// AskedForSentinel reports whether redis-server's command line asks for a
// Sentinel, by an option or by the program's name, and returns the arguments
// without the option.
func AskedForSentinel(program string, args []string) (rest []string, asked bool) {
	rest = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return a == "--sentinel" })
	return rest, len(rest) < len(args) || strings.Contains(path.Base(program), "redis-sentinel")
}

// MakeSentinel gives a fresh configuration what a Sentinel starts from (redis
// 7.0.15 sentinel.c initSentinelConfig).
func (c *Config) MakeSentinel() {
	c.SentinelMode = true
	c.Port = SentinelPort
}

const errNotSentinel reason = "sentinel directive while not in sentinel mode"
