package spec

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/internal/companion"
	"github.com/torntail/torntail/internal/needs"
)

var update = flag.Bool("update", false, "record commands.json and docs.json from redis-server")

// What is recorded is what redis-server says.
func TestSpecIsRedisOwn(t *testing.T) {
	ask := startRedis(t)
	commands := lines(t, ask("COMMAND"), func(v any) (string, any) {
		c := command(v.([]any))
		return c.Name, c
	})
	docs := ask("COMMAND", "DOCS").(table)
	var rows []any
	for i := 0; i < len(docs); i += 2 {
		rows = append(rows, docs[i:i+2])
	}
	documentation := lines(t, rows, func(v any) (string, any) {
		pair := v.(table)
		return pair[0].(string), doc(pair[0].(string), pair[1].(table))
	})
	if *update {
		require.NoError(t, os.WriteFile("commands.json", []byte(commands), 0o644))
		require.NoError(t, os.WriteFile("docs.json", []byte(documentation), 0o644))
		return
	}
	require.Equal(t, commandsJSON, commands)
	require.Equal(t, docsJSON, documentation)
}

func TestEveryLineIsRead(t *testing.T) {
	require.Len(t, Commands(), 240)
	require.Contains(t, Docs(), "xgroup|create")
	require.Equal(t, "hset", Commands()[slices.IndexFunc(Commands(), func(c *Command) bool { return c.Name == "hset" })].Name)
}

// lines makes one JSON line of each row, sorted by name: the server's own order
// is that of a hash table.
func lines(t *testing.T, rows any, convert func(any) (string, any)) string {
	byName := map[string]string{}
	var names []string
	for _, row := range rows.([]any) {
		name, v := convert(row)
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		require.NoError(t, enc.Encode(v))
		byName[name] = b.String()
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, n := range names {
		b.WriteString(byName[n])
	}
	return b.String()
}

func command(v []any) *Command {
	c := &Command{Name: v[0].(string), Arity: v[1].(int), Flags: words(v[2]), First: v[3].(int), Last: v[4].(int), Step: v[5].(int),
		Categories: words(v[6]), Tips: words(v[7])}
	for _, k := range v[8].([]any) {
		var spec KeySpec
		k.(table).each(func(name string, v any) {
			switch name {
			case "notes":
				spec.Notes = v.(string)
			case "flags":
				spec.Flags = words(v)
			case "begin_search":
				spec.Begin = search(v.(table))
			case "find_keys":
				spec.Find = search(v.(table))
			default:
				panic(name)
			}
		})
		c.Keys = append(c.Keys, spec)
	}
	for _, sub := range v[9].([]any) {
		c.Sub = append(c.Sub, command(sub.([]any)))
	}
	slices.SortFunc(c.Sub, func(a, b *Command) int { return strings.Compare(a.Name, b.Name) })
	return c
}

func search(t table) (s Search) {
	t.each(func(name string, v any) {
		if name == "type" {
			s.Type = v.(string)
			return
		}
		v.(table).each(func(name string, v any) {
			if word, ok := v.(string); ok {
				s.Word = word
				return
			}
			s.Numbers = append(s.Numbers, Field{name, v.(int)})
		})
	})
	return s
}

func doc(name string, t table) *Doc {
	d := &Doc{Name: name}
	t.each(func(name string, v any) {
		switch name {
		case "summary", "complexity", "replaced_by", "history": // prose, not facts
		case "since":
			d.Since = v.(string)
		case "group":
			d.Group = v.(string)
		case "doc_flags":
			d.DocFlags = words(v)
		case "deprecated_since":
			d.DeprecatedSince = v.(string)
		case "arguments":
			d.Arguments = arguments(v)
		case "subcommands":
			v.(table).each(func(name string, v any) { d.Sub = append(d.Sub, doc(name, v.(table))) })
			slices.SortFunc(d.Sub, func(a, b *Doc) int { return strings.Compare(a.Name, b.Name) })
		default:
			panic(name)
		}
	})
	return d
}

func arguments(v any) (out []Argument) {
	for _, t := range v.([]any) {
		var a Argument
		t.(table).each(func(name string, v any) {
			switch name {
			case "name":
				a.Name = v.(string)
			case "type":
				a.Type = v.(string)
			case "key_spec_index":
				n := v.(int)
				a.KeySpec = &n
			case "token":
				s := v.(string)
				a.Token = &s
			case "summary": // prose
			case "since":
				a.Since = v.(string)
			case "deprecated_since":
				a.DeprecatedSince = v.(string)
			case "flags":
				a.Flags = words(v)
			case "arguments":
				a.Arguments = arguments(v)
			default:
				panic(name)
			}
		})
		out = append(out, a)
	}
	return out
}

func words(v any) (out []string) {
	for _, w := range v.([]any) {
		out = append(out, w.(string))
	}
	return out
}

// table is a RESP3 map in its own order.
type table []any

func (t table) each(f func(name string, v any)) {
	for i := 0; i < len(t); i += 2 {
		f(t[i].(string), t[i+1])
	}
}

// startRedis starts a redis-server that answers in RESP3.
func startRedis(t *testing.T) (ask func(argv ...string) any) {
	path := needs.Program(t, "redis-server")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	cmd := exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "")
	companion.Start(t, cmd)
	var conn net.Conn
	for range 200 {
		if conn, err = net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	r := bufio.NewReader(conn)
	ask = func(argv ...string) any {
		fmt.Fprintf(conn, "*%d\r\n", len(argv))
		for _, a := range argv {
			fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(a), a)
		}
		v, err := reply(r)
		require.NoError(t, err)
		return v
	}
	ask("HELLO", "3")
	return ask
}

func reply(r *bufio.Reader) (any, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	text := line[1 : len(line)-2]
	n, _ := strconv.Atoi(text)
	several := func(n int) ([]any, error) {
		out := make([]any, n)
		for i := range out {
			if out[i], err = reply(r); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	switch line[0] {
	case '$', '=':
		b := make([]byte, n+2)
		_, err := io.ReadFull(r, b)
		return string(b[:n]), err
	case ':':
		return n, nil
	case '*', '~':
		return several(n)
	case '%':
		pairs, err := several(2 * n)
		return table(pairs), err
	}
	return text, nil
}
