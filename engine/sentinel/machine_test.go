package sentinel

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// TestScripts plays testdata/*.txt: what Sentinels do and say, as golden text.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		var w *world
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "world" {
				w = scriptWorld(t, d)
				return flush(w)
			}
			for line := range strings.Lines(d.Input) {
				if err := w.script(strings.Fields(line)); err != "" {
					return err
				}
			}
			for _, a := range d.CmdArgs {
				switch a.Key {
				case "for":
					length, err := time.ParseDuration(a.Vals[0])
					require.NoError(t, err)
					w.run(length)
				default:
					t.Fatalf("%s: unknown argument %s", d.Pos, a.Key)
				}
			}
			return flush(w)
		})
	})
}

func flush(w *world) string {
	text := strings.Join(w.log, "\n")
	w.log = nil
	for _, s := range w.sentinels {
		text = strings.ReplaceAll(text, s.id, "ID-"+s.name)
	}
	if text != "" {
		text += "\n"
	}
	return text
}

func scriptWorld(t *testing.T, d *datadriven.TestData) *world {
	n, m, quorum := 3, 3, 2
	for _, a := range d.CmdArgs {
		v, err := strconv.Atoi(a.Vals[0])
		require.NoError(t, err)
		switch a.Key {
		case "servers":
			n = v
		case "sentinels":
			m = v
		case "quorum":
			quorum = v
		}
	}
	w := newWorld(1)
	for i := range n {
		w.addServer(fmt.Sprintf("n%d", i+1))
	}
	var more []string
	for line := range strings.Lines(d.Input) {
		more = append(more, strings.TrimSpace(line))
	}
	for i := range m {
		w.addSentinel(fmt.Sprintf("s%d", i+1), quorum, more...)
	}
	return w
}

// script does one thing to the world.
func (w *world) script(f []string) string {
	if len(f) == 0 {
		return ""
	}
	switch f[0] {
	case "kill":
		w.kill(f[1])
	case "start":
		w.revive(f[1])
	case "cut":
		w.cut[f[1]+" "+f[2]] = true
	case "isolate":
		w.isolate(f[1], true)
	case "heal":
		w.cut = map[string]bool{}
	case "clock":
		d, err := time.ParseDuration(f[2])
		if err != nil {
			return err.Error()
		}
		w.watcher(f[1]).step += d.Milliseconds()
	case "priority":
		w.server(f[1]).priority, _ = strconv.Atoi(f[2])
	case "claims":
		w.server(f[1]).reports = f[2]
	case "saved":
		for _, l := range w.watcher(f[1]).saved {
			w.log = append(w.log, l.Text)
		}
	case "roles":
		for _, s := range w.servers {
			w.log = append(w.log, fmt.Sprintf("%s up=%v master=%s", s.name, s.up, w.nameOf(s.master)))
		}
	case "verbose":
		w.verbose = f[1] == "on"
	case "sentinel":
		s := w.watcher(f[1])
		a := s.m.Command(w.now+s.step, f[2:])
		w.log = append(w.log, show(a.Reply, ""))
		w.do(s)
	case "hello":
		s := w.watcher(f[1])
		s.m.Hello(w.now+s.step, f[2])
		w.do(s)
	default:
		return "unknown step " + f[0]
	}
	return ""
}

// isolate cuts a node off from everybody, in both directions.
func (w *world) isolate(name string, on bool) {
	for _, s := range w.servers {
		w.cut[name+" "+s.name], w.cut[s.name+" "+name] = on, on
	}
	for _, s := range w.sentinels {
		w.cut[name+" "+s.name], w.cut[s.name+" "+name] = on, on
	}
}

// show is a reply as redis-cli shows it, nearly.
func show(r Reply, indent string) string {
	switch r.Kind {
	case Status, Bulk:
		return indent + strings.ReplaceAll(r.Text, "\r\n", " / ")
	case Error:
		return indent + "(error) " + r.Text
	case Integer:
		return indent + strconv.FormatInt(r.N, 10)
	case Map:
		var b []string
		for i := 0; i+1 < len(r.Elems); i += 2 {
			b = append(b, indent+r.Elems[i].Text+": "+r.Elems[i+1].Text)
		}
		return strings.Join(b, "\n")
	case Array:
		b := []string{indent + fmt.Sprintf("[%d]", len(r.Elems))}
		for _, e := range r.Elems {
			b = append(b, show(e, indent+"  "))
		}
		return strings.Join(b, "\n")
	}
	return indent + "(nil)"
}
