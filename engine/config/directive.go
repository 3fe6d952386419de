package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// directive is one name of the configuration.
type directive struct {
	name      string
	alias     string
	immutable bool // only at start-up
	protected bool // at run time only with enable-protected-configs
	multi     bool // takes any number of arguments
	hidden    bool // CONFIG GET shows it only by its whole name
	inert     bool // checked and remembered, not obeyed
	get       func(*Config) string
	set       func(*Config, []string) error
	// written is a value as CONFIG REWRITE writes it; nil writes what get returns.
	written func(string) string
	// nullable: the empty value is none (redis 7.0.15 EMPTY_STRING_IS_NULL).
	nullable bool
	// lines is what CONFIG REWRITE says, for a directive of several lines; nil: what get does.
	lines func(*Config) []saying
}

// immutably, protectedly, secretly and named change a directive while the table is built.
func (d *directive) immutably() *directive       { d.immutable = true; return d }
func (d *directive) protectedly() *directive     { d.protected = true; return d }
func (d *directive) secretly() *directive        { d.hidden = true; return d }
func (d *directive) orEmpty() *directive         { d.nullable = false; return d }
func (d *directive) named(old string) *directive { d.alias = old; return d }

func boolean(name string, field func(*Config) *bool) *directive {
	return &directive{
		name: name,
		get: func(c *Config) string {
			if *field(c) {
				return "yes"
			}
			return "no"
		},
		set: func(c *Config, args []string) error {
			v, err := parseBool(args[0])
			if err == nil {
				*field(c) = v
			}
			return err
		},
	}
}

func parseBool(s string) (bool, error) {
	switch {
	case isWord(s, "yes"):
		return true, nil
	case isWord(s, "no"):
		return false, nil
	}
	return false, errBool
}

// isWord compares with an ASCII word in any case. (The length keeps out letters
// such as the long s, which Unicode folds to s.)
func isWord(s, word string) bool { return len(s) == len(word) && strings.EqualFold(s, word) }

func integer(name string, lo, hi int64, field func(*Config) *int64) *directive {
	return &directive{
		name: name,
		get:  func(c *Config) string { return strconv.FormatInt(*field(c), 10) },
		set: func(c *Config, args []string) error {
			v, err := parseInteger(args[0], lo, hi)
			if err == nil {
				*field(c) = v
			}
			return err
		},
	}
}

func parseInteger(s string, lo, hi int64) (int64, error) {
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, errInteger
	}
	if v < lo || v > hi {
		return 0, fmt.Errorf("argument must be between %d and %d inclusive", lo, hi)
	}
	return v, nil
}

func memory(name string, field func(*Config) *int64) *directive {
	return &directive{
		name:    name,
		get:     func(c *Config) string { return strconv.FormatInt(*field(c), 10) },
		written: memoryLine,
		set: func(c *Config, args []string) error {
			v, err := parseMemory(args[0])
			if err == nil {
				*field(c) = v
			}
			return err
		},
	}
}

func enum[T ~string](name string, field func(*Config) *T, words ...string) *directive {
	return &directive{
		name: name,
		get:  func(c *Config) string { return string(*field(c)) },
		set: func(c *Config, args []string) error {
			v, err := parseEnum(args[0], words)
			if err == nil {
				*field(c) = T(v)
			}
			return err
		},
	}
}

func parseEnum(s string, words []string) (string, error) {
	for _, w := range words {
		if isWord(s, w) {
			return w, nil
		}
	}
	return "", fmt.Errorf("argument(s) must be one of the following: %s", strings.Join(words, ", "))
}

func text(name string, field func(*Config) *string) *directive {
	return &directive{
		name:     name,
		written:  Quote,
		nullable: true,
		get:      func(c *Config) string { return *field(c) },
		set: func(c *Config, args []string) error {
			*field(c) = args[0]
			return nil
		},
	}
}

// hostname is a name that other machines know (redis 7.0.15 config.c isValidAnnouncedHostname).
func hostname(name string, field func(*Config) *string) *directive {
	d := text(name, field)
	set := d.set
	d.set = func(c *Config, args []string) error {
		if len(args[0]) >= 256 {
			return reason("Hostnames must be less than 256 characters")
		}
		for i := range len(args[0]) {
			if ch := args[0][i]; !(ch >= 'A' && ch <= 'Z' || ch >= 'a' && ch <= 'z' || ch >= '0' && ch <= '9' || ch == '-' || ch == '.') {
				return reason("Hostnames may only contain alphanumeric characters, hyphens or dots")
			}
		}
		return set(c, args)
	}
	return d
}

// fileName is a name inside the working directory.
func fileName(name string, field func(*Config) *string) *directive {
	d := text(name, field).orEmpty()
	d.set = func(c *Config, args []string) error {
		if args[0] == "" {
			return fmt.Errorf("%s can't be empty", name)
		}
		if strings.ContainsAny(args[0], "/\\") {
			what := "filename"
			if name == "appenddirname" {
				what = "dirname"
			}
			return fmt.Errorf("%s can't be a path, just a %s", name, what)
		}
		*field(c) = args[0]
		return nil
	}
	return d
}

// inert is a directive that the engine checks, remembers and does not obey.
func inert(name, def string, check func(string) (string, error)) *directive {
	return &directive{
		name: name, inert: true,
		get: func(c *Config) string {
			if v, ok := c.other[name]; ok {
				return v
			}
			return def
		},
		set: func(c *Config, args []string) error {
			v := strings.Join(args, " ")
			if check != nil {
				var err error
				if v, err = check(v); err != nil {
					return err
				}
			}
			c.setOther(name, v)
			return nil
		},
	}
}

func inertBool(name, def string) *directive {
	return inert(name, def, func(s string) (string, error) {
		_, err := parseBool(s)
		return strings.ToLower(s), err
	})
}

func inertInt(name, def string, lo, hi int64) *directive {
	return inert(name, def, func(s string) (string, error) {
		_, err := parseInteger(s, lo, hi)
		return s, err
	})
}

func inertMemory(name, def string) *directive {
	d := inert(name, def, func(s string) (string, error) {
		v, err := parseMemory(s)
		return strconv.FormatInt(v, 10), err
	})
	d.written = memoryLine
	return d
}

func inertEnum(name, def string, words ...string) *directive {
	return inert(name, def, func(s string) (string, error) { return parseEnum(s, words) })
}

func inertText(name, def string) *directive {
	d := inert(name, def, nil)
	d.written, d.nullable = Quote, true
	return d
}

func inertList(name, def string) *directive {
	d := inert(name, def, nil)
	d.multi = true
	return d
}

// octal is a number of permissions (redis 7.0.15 config.c OCTAL_CONFIG).
func octal(s string) (string, error) {
	n, err := strconv.ParseUint(s, 8, 32)
	switch {
	case err != nil:
		return "", reason("argument couldn't be parsed as an octal number")
	case n > 0o777:
		return "", reason("argument must be between 0 and 777 inclusive")
	}
	return strconv.FormatUint(n, 8), nil
}

// memoryOrPercent is a number of bytes or a share, "5%", which is held as a negative number
// (redis 7.0.15 config.c PERCENT_CONFIG).
func memoryOrPercent(name string, field func(*Config) *int64) *directive {
	return &directive{
		name:    name,
		written: memoryLine,
		get: func(c *Config) string {
			if n := *field(c); n < 0 {
				return strconv.FormatInt(-n, 10) + "%"
			}
			return strconv.FormatInt(*field(c), 10)
		},
		set: func(c *Config, args []string) error {
			if n, err := parseMemory(args[0]); err == nil {
				*field(c) = n
				return nil
			}
			digits, isShare := strings.CutSuffix(args[0], "%")
			n, err := strconv.ParseInt(digits, 10, 64)
			switch {
			case !isShare || err != nil || n < 0:
				return reason("argument must be a memory or percent value")
			case n > 100:
				return reason("percentage argument must be less or equal to 100")
			}
			*field(c) = -n
			return nil
		},
	}
}

// percentiles is a list of numbers from 0 to 100, which CONFIG REWRITE always writes.
func percentiles(name string, field func(*Config) *string) *directive {
	return &directive{
		name: name, multi: true,
		get: func(c *Config) string { return *field(c) },
		set: func(c *Config, args []string) error {
			if len(args) == 1 && args[0] == "" {
				args = nil
			}
			numbers := make([]string, 0, len(args))
			for _, a := range args {
				f, err := strconv.ParseFloat(a, 64)
				switch {
				case err != nil || math.IsNaN(f):
					return reason("Invalid latency-tracking-info-percentiles parameters")
				case f < 0 || f > 100:
					return reason("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
				}
				numbers = append(numbers, strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(f, 'f', 6, 64), "0"), "."))
			}
			*field(c) = strings.Join(numbers, " ")
			return nil
		},
		lines: func(c *Config) []saying {
			if value := *field(c); value != "" {
				return []saying{{value, true}}
			}
			return []saying{{`""`, true}}
		},
	}
}

var (
	directives = make(map[string]*directive, len(table)+16)
	names      []string // sorted
)

func init() {
	for _, d := range table {
		directives[d.name] = d
		names = append(names, d.name)
		if d.alias != "" {
			directives[d.alias] = d
			names = append(names, d.alias)
		}
	}
	slices.Sort(names)
}

func lookup(name string) *directive {
	if d, ok := directives[name]; ok {
		return d
	}
	return directives[strings.ToLower(name)]
}
