package config

import (
	"errors"
	"strings"
)

// Shutdown is how a server ends: the words of SHUTDOWN and of shutdown-on-sigterm.
type Shutdown struct{ Save, Nosave, Now, Force bool }

var shutdownWords = []string{"default", "save", "nosave", "now", "force"}

// field is what a word sets; nil for default.
func (s *Shutdown) field(word string) *bool {
	switch word {
	case "save":
		return &s.Save
	case "nosave":
		return &s.Nosave
	case "now":
		return &s.Now
	case "force":
		return &s.Force
	}
	return nil
}

func (s Shutdown) String() string {
	var words []string
	for _, w := range shutdownWords {
		if f := s.field(w); f != nil && *f {
			words = append(words, w)
		}
	}
	if words == nil {
		return "default"
	}
	return strings.Join(words, " ")
}

// shutdownOn is a directive of any of these words (redis 7.0.15 config.c
// shutdown_on_sig_enum, isValidShutdownOnSigFlags).
func shutdownOn(name string, field func(*Config) *Shutdown) *directive {
	return &directive{
		name:  name,
		multi: true,
		get:   func(c *Config) string { return field(c).String() },
		set: func(c *Config, args []string) error {
			var s Shutdown
			for _, a := range args {
				word, err := parseEnum(a, shutdownWords)
				if err != nil {
					return err
				}
				if f := s.field(word); f != nil {
					*f = true
				}
			}
			if s.Save && s.Nosave {
				return errors.New("shutdown options SAVE and NOSAVE can't be used simultaneously")
			}
			*field(c) = s
			return nil
		},
	}
}
