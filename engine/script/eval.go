package script

import (
	"strings"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/lua"
)

// Engine has the scripts and functions of a server. Its interpreters are made when
// somebody asks for them first.
type Engine struct {
	server    Server
	random    *Random
	scripts   map[string]*Script
	memory    int64
	eval      *interp
	functions *interp
	globals   struct { // of functions
		meta          *lua.Table
		normal, loads lua.Value // what meta refers to
	}
	Libraries
}

// Script is one in the cache.
type Script struct {
	SHA   string
	Body  string
	Flags Flags
	fn    lua.Value
}

// NewEngine makes one that has neither.
func NewEngine(s Server) *Engine { return &Engine{server: s, random: NewRandom()} }

// evaluator is the interpreter of EVAL (scriptingInit).
func (e *Engine) evaluator() *interp {
	if e.eval != nil {
		return e.eval
	}
	in := newInterp(e.server, e.random)
	redis := in.state.Globals.Field("redis").AsTable()
	in.state.Register(redis, []lua.Named{
		{Name: "breakpoint", Func: func(l *lua.Thread, _ []lua.Value) ([]lua.Value, error) { return l.One(lua.False), nil }},
		{Name: "debug", Func: func(*lua.Thread, []lua.Value) ([]lua.Value, error) { return nil, nil }},
		{Name: "replicate_commands", Func: func(l *lua.Thread, _ []lua.Value) ([]lua.Value, error) { return l.One(lua.True), nil }},
	})
	g := in.state.Globals
	g.SetField("__redis__err__handler", in.state.NewFunction(func(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
		a := lua.Arguments(l, v)
		return l.One(in.locate(l, a.At(1))), nil
	}))
	in.refuseUnknown(g)
	protect(g)
	e.eval = in
	return in
}

// ParseShebang reads the first line of a script, if that gives flags; length is
// where the code begins. wrong is an error's text (evalExtractShebangFlags).
func ParseShebang(body string) (flags Flags, length int, wrong string) {
	if !strings.HasPrefix(body, "#!") {
		return Compat, 0, ""
	}
	length = strings.IndexByte(cText(body), '\n')
	if length < 0 {
		return 0, 0, "Invalid script shebang"
	}
	parts, err := config.SplitArgs(body[:length])
	switch {
	case err != nil || len(parts) == 0:
		return 0, 0, "Invalid engine in script shebang"
	case parts[0] != "#!lua":
		return 0, 0, "Unexpected engine in script shebang: " + parts[0]
	}
	for _, p := range parts[1:] {
		list, ok := strings.CutPrefix(p, "flags=")
		if !ok {
			return 0, 0, "Unknown lua shebang option: " + p
		}
		if list == "" {
			continue
		}
		for _, name := range strings.Split(list, ",") {
			f := flagOf(name)
			if f == 0 {
				return 0, 0, "Unexpected flag in script shebang: " + name
			}
			flags |= f
		}
	}
	return flags, length, ""
}

func flagOf(name string) Flags {
	for _, f := range FlagNames {
		if f.Name == name {
			return f.Flag
		}
	}
	return 0
}

// Define compiles a script and keeps it. wrong is an error's text.
func (e *Engine) Define(body string) (s *Script, wrong string) {
	sha := Digest(body)
	if s := e.scripts[sha]; s != nil {
		return s, ""
	}
	flags, length, wrong := ParseShebang(body)
	if wrong != "" {
		return nil, wrong
	}
	fn, err := e.evaluator().state.Load(body[length:], "user_script")
	if err != nil {
		return nil, "Error compiling script (new function): " + err.Error()
	}
	s = &Script{SHA: sha, Body: body, Flags: flags, fn: lua.FunctionValue(fn)}
	if e.scripts == nil {
		e.scripts = make(map[string]*Script)
	}
	e.scripts[sha] = s
	e.memory += int64(len(body)) + scriptOverhead
	return s, ""
}

// scriptOverhead is about what a script costs beside its text, in bytes.
const scriptOverhead = 120

// Find is the script with a digest, in any case; nil when there is none.
func (e *Engine) Find(sha string) *Script { return e.scripts[strings.ToLower(sha)] }

// Scripts is how many there are.
func (e *Engine) Scripts() int { return len(e.scripts) }

// ScriptMemory is about what they take, in bytes.
func (e *Engine) ScriptMemory() int64 { return e.memory }

// FlushScripts forgets all scripts and what they left in their interpreter.
func (e *Engine) FlushScripts() { e.scripts, e.eval, e.memory = nil, nil, 0 }

// Eval executes a script and answers.
func (e *Engine) Eval(r *Run, s *Script) {
	in := e.evaluator()
	g := in.state.Globals
	g.SetField("KEYS", in.array(r.Keys))
	g.SetField("ARGV", in.array(r.Args))
	r.Name, r.Eval = s.SHA, true
	in.invoke(r, s.fn)
}
