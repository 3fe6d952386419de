package config

import (
	"slices"
	"strings"

	"github.com/torntail/torntail/engine/spec"
)

// Renaming gives a command another name; To "" takes it away.
type Renaming struct{ From, To string }

// Names are the names by which commands are called, in lower case, with what redis-server
// calls each; nil when all have their own.
func (c *Config) Names() map[string]string {
	if len(c.Renamed) == 0 {
		return nil
	}
	return namesAfter(c.Renamed)
}

func namesAfter(all []Renaming) map[string]string {
	names := make(map[string]string)
	for _, cmd := range spec.Commands() {
		names[cmd.Name] = cmd.Name
	}
	for _, r := range all {
		cmd := names[strings.ToLower(r.From)]
		delete(names, strings.ToLower(r.From))
		if r.To != "" {
			names[strings.ToLower(r.To)] = cmd
		}
	}
	return names
}

// rename takes a line "rename-command FROM TO", FROM being a name that the command has by
// now; why is what is wrong with it (redis 7.0.15 config.c loadServerConfigFromString).
func (c *Config) rename(from, to string) (why string) {
	if namesAfter(c.Renamed)[strings.ToLower(from)] == "" {
		return "No such command in rename-command"
	}
	without := append(slices.Clip(c.Renamed), Renaming{from, ""})
	if to != "" && namesAfter(without)[strings.ToLower(to)] != "" {
		return "Target command name already exists"
	}
	c.Renamed = append(slices.Clip(c.Renamed), Renaming{from, to})
	return ""
}
