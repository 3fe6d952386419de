package script

import (
	"strings"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/lua"
)

// Libraries are the functions of a server.
type Libraries struct {
	list      []*Library           // in the order in which they were loaded
	functions map[string]*Function // by name in lower case
}

// Library is a library of functions.
type Library struct {
	Name      string
	Code      string
	Functions []*Function
}

// Function is one that FCALL calls.
type Function struct {
	Name        string
	Description *string
	Flags       Flags
	callback    lua.Value
}

// List is all libraries.
func (ls *Libraries) List() []*Library { return ls.list }

// Functions is how many functions there are.
func (ls *Libraries) Functions() int { return len(ls.functions) }

// Function finds one by name, in any case; nil when there is none.
func (ls *Libraries) Function(name string) *Function {
	return ls.functions[strings.ToLower(cText(name))]
}

func (ls *Libraries) library(name string) *Library {
	for _, l := range ls.list {
		if l.Name == name {
			return l
		}
	}
	return nil
}

func (ls *Libraries) link(l *Library) {
	if ls.functions == nil {
		ls.functions = make(map[string]*Function)
	}
	for _, f := range l.Functions {
		if key := strings.ToLower(f.Name); ls.functions[key] == nil {
			ls.functions[key] = f
		}
	}
	ls.list = append(ls.list, l)
}

func (ls *Libraries) unlink(l *Library) {
	for _, f := range l.Functions {
		delete(ls.functions, strings.ToLower(f.Name))
	}
	for i, o := range ls.list {
		if o == l {
			ls.list = append(ls.list[:i:i], ls.list[i+1:]...)
			break
		}
	}
}

// clash is a function that both have; "" when there is none.
func (ls *Libraries) clash(functions []*Function) string {
	for _, f := range functions {
		if ls.functions[strings.ToLower(f.Name)] != nil {
			return f.Name
		}
	}
	return ""
}

// FlushFunctions forgets all libraries.
func (e *Engine) FlushFunctions() { e.Libraries = Libraries{} }

// Delete forgets a library, and reports whether there was one.
func (e *Engine) Delete(name string) bool {
	l := e.library(name)
	if l == nil {
		return false
	}
	e.unlink(l)
	return true
}

// Codes are the libraries as they are saved.
func (ls *Libraries) Codes() (codes []string) {
	for _, l := range ls.list {
		codes = append(codes, l.Code)
	}
	return codes
}

// validName reports whether a library or function may be called so.
func validName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if !(c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_') {
			return false
		}
	}
	return name != ""
}

const badName = "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long"

// metadata reads the first line of a library (functionExtractLibMetaData).
func metadata(code string) (engine, name string, length int, wrong string) {
	if !strings.HasPrefix(code, "#!") {
		return "", "", 0, "Missing library metadata"
	}
	length = strings.IndexByte(cText(code), '\n')
	if length < 0 {
		return "", "", 0, "Invalid library metadata"
	}
	parts, err := config.SplitArgs(code[:length])
	if err != nil || len(parts) == 0 {
		return "", "", 0, "Invalid library metadata"
	}
	given := false
	for _, p := range parts[1:] {
		if len(p) < 5 || !strings.EqualFold(p[:5], "name=") {
			return "", "", 0, "Invalid metadata value given: " + p
		}
		if given {
			return "", "", 0, "Invalid metadata value, name argument was given multiple times"
		}
		given, name = true, p[5:]
	}
	if !given {
		return "", "", 0, "Library name was not given"
	}
	return parts[0][2:], name, length, ""
}

// Load makes a library and adds it to those of the engine. wrong is an error's text
// (functionsCreateWithLibraryCtx).
func (e *Engine) Load(code string, replace bool) (name, wrong string) {
	return e.loadInto(&e.Libraries, code, replace)
}

func (e *Engine) loadInto(ls *Libraries, code string, replace bool) (name, wrong string) {
	engine, name, length, wrong := metadata(code)
	switch {
	case wrong != "":
		return "", wrong
	case !validName(name):
		return "", badName
	case !strings.EqualFold(engine, "lua"):
		return "", "Engine '" + engine + "' not found"
	}
	old := ls.library(name)
	if old != nil && !replace {
		return "", "Library '" + name + "' already exists"
	}
	if old != nil {
		ls.unlink(old)
	}
	l := &Library{Name: name, Code: code}
	wrong = e.create(l, code[length:])
	if wrong == "" && len(l.Functions) == 0 {
		wrong = "No functions registered"
	}
	if wrong == "" {
		if f := ls.clash(l.Functions); f != "" {
			wrong = "Function " + f + " already exists"
		}
	}
	if wrong != "" {
		if old != nil {
			ls.link(old)
		}
		return "", wrong
	}
	ls.link(l)
	return name, ""
}

// Restore adds libraries, all or none: flush drops what is there, replace lets them
// take the place of those with the same names (functionRestoreCommand, libraryJoin).
// wrong is an error's text.
func (e *Engine) Restore(codes []string, flush, replace bool) (wrong string) {
	var added Libraries
	for _, code := range codes {
		if _, wrong := e.loadInto(&added, code, false); wrong != "" {
			return wrong
		}
	}
	if flush {
		e.Libraries = added
		return ""
	}
	for _, l := range added.list {
		if e.library(l.Name) != nil && !replace {
			return "Library " + l.Name + " already exists"
		}
	}
	before := e.Libraries
	e.Libraries = Libraries{}
	for _, l := range before.list {
		if added.library(l.Name) == nil {
			e.link(l)
		}
	}
	for _, l := range added.list {
		if f := e.clash(l.Functions); f != "" {
			e.Libraries = before
			return "Function " + f + " already exists"
		}
	}
	for _, l := range added.list {
		e.link(l)
	}
	return ""
}

// callee is the interpreter of functions. What it gives a library while that is
// loaded is little; functions see the same as scripts (luaEngineInitEngine).
func (e *Engine) callee() *interp {
	if e.functions != nil {
		return e.functions
	}
	in := newInterp(e.server, e.random)
	s := in.state
	redis := s.NewTable(0, 0)
	redis.SetField("register_function", s.NewFunction(in.registerFunction))
	in.registerLog(redis)
	in.refuseUnknown(redis)
	loads := s.NewTable(0, 0)
	loads.SetField("redis", lua.TableValue(redis))
	in.refuseUnknown(loads)
	protect(loads)
	g := s.Globals
	in.refuseUnknown(g)
	protect(g)

	e.globals.normal, e.globals.loads = lua.TableValue(g), lua.TableValue(loads)
	e.globals.meta = s.NewTable(0, 0)
	e.globals.meta.SetField("__index", e.globals.normal)
	e.globals.meta.ReadOnly = true
	s.Globals = s.NewTable(0, 0)
	s.Globals.SetMeta(e.globals.meta)
	s.Globals.ReadOnly = true
	e.functions = in
	return in
}

// create executes a library's code, which registers its functions
// (luaEngineCreate).
func (e *Engine) create(l *Library, code string) (wrong string) {
	in := e.callee()
	e.globals.meta.SetField("__index", e.globals.loads)
	defer e.globals.meta.SetField("__index", e.globals.normal)
	fn, err := in.state.Load(code, "user_function")
	if err != nil {
		return "Error compiling function: " + err.Error()
	}
	in.load = l
	in.state.ResetHook()
	_, caught, err := in.state.Main().PCall(lua.FunctionValue(fn), nil, nil)
	in.load = nil
	if err != nil {
		caught = &lua.Error{Value: lua.ValueOf(err)}
	}
	if caught == nil {
		return ""
	}
	if t := caught.Value.AsTable(); t != nil {
		return "Error registering functions: " + errorOf(t).text
	}
	return "Error registering functions: ERR " + cText(caught.Error())
}

// registerFunction is redis.register_function, with a name and a function or with
// one table of named arguments.
func (in *interp) registerFunction(_ *lua.Thread, v []lua.Value) ([]lua.Value, error) {
	if in.load == nil {
		return nil, in.raise("redis.register_function can only be called on FUNCTION LOAD command")
	}
	var f Function
	wrong := ""
	switch len(v) {
	case 1:
		wrong = f.named(v[0])
	case 2:
		name, ok := v[0].Text()
		switch {
		case !ok:
			wrong = "first argument to redis.register_function must be a string"
		case v[1].AsFunction() == nil:
			wrong = "second argument to redis.register_function must be a function"
		}
		f.Name, f.callback = name, v[1]
	default:
		wrong = "wrong number of arguments to redis.register_function"
	}
	if wrong != "" {
		return nil, in.raise(wrong)
	}
	if !validName(f.Name) {
		return nil, in.raise(badName)
	}
	for _, o := range in.load.Functions {
		if o.Name == f.Name {
			return nil, in.raise("Function already exists in the library")
		}
	}
	in.load.Functions = append(in.load.Functions, &f)
	return nil, nil
}

func (f *Function) named(v lua.Value) (wrong string) {
	t := v.AsTable()
	if t == nil {
		return "calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments)."
	}
	hasName := false
	for k, x, _ := t.Next(lua.Nil); !k.IsNil(); k, x, _ = t.Next(k) {
		key, ok := k.Text()
		if !ok {
			return "named argument key given to redis.register_function is not a string"
		}
		text, isText := x.Text()
		switch strings.ToLower(key) {
		case "function_name":
			if !isText {
				return "function_name argument given to redis.register_function must be a string"
			}
			f.Name, hasName = text, true
		case "description":
			if !isText {
				return "description argument given to redis.register_function must be a string"
			}
			f.Description = &text
		case "callback":
			if x.AsFunction() == nil {
				return "callback argument given to redis.register_function must be a function"
			}
			f.callback = x
		case "flags":
			list := x.AsTable()
			if list == nil {
				return "flags argument to redis.register_function must be a table representing function flags"
			}
			for i := 1; !list.Index(i).IsNil(); i++ {
				name, _ := list.Index(i).Text()
				flag := flagOf(strings.ToLower(name))
				if flag == 0 {
					return "unknown flag given"
				}
				f.Flags |= flag
			}
		default:
			return "unknown argument given to redis.register_function"
		}
	}
	switch {
	case !hasName:
		return "redis.register_function must get a function name argument"
	case f.callback.IsNil():
		return "redis.register_function must get a callback argument"
	}
	return ""
}

// Call executes a function and answers.
func (e *Engine) Call(r *Run, f *Function) {
	in := e.callee()
	r.Name = f.Name
	in.invoke(r, f.callback, in.array(r.Keys), in.array(r.Args))
}
