// Package redisconf writes redis.conf and sentinel.conf.
package redisconf

import (
	"fmt"
	"strings"
)

// File is a configuration file that grows by lines.
type File struct{ b strings.Builder }

// Line adds a line: a name and its arguments, each quoted where it must be. A
// name may be several words, such as "sentinel monitor".
func (f *File) Line(name string, args ...string) {
	f.b.WriteString(name)
	for _, a := range args {
		f.b.WriteString(" " + Quote(a))
	}
	f.b.WriteByte('\n')
}

// Linef adds a line as it stands, its arguments quoted by the caller where they
// must be.
func (f *File) Linef(format string, a ...any) { fmt.Fprintf(&f.b, format+"\n", a...) }

// Directive adds a line of which the value is as a user writes it: several
// arguments, quoted where they must be; "" is the empty argument.
func (f *File) Directive(name, value string) {
	if value == "" {
		value = `""`
	}
	f.Linef("%s %s", name, value)
}

func (f *File) String() string { return f.b.String() }

// Quote is an argument as a configuration file holds it: in double quotes when
// it is empty or would not be read back as one (redis 7.0.15 sds.c sdssplitargs).
func Quote(arg string) string {
	plain := arg != ""
	for i := 0; i < len(arg) && plain; i++ {
		c := arg[i]
		plain = c > ' ' && c != '"' && c != '\'' && c != '\\' && c != '#' && c != 0x7f
	}
	if plain {
		return arg
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(arg) {
		switch c := arg[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
