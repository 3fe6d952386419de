// Package script executes the scripts and functions of Redis: the sandbox that
// they run in, its libraries, what they know of the server, and how replies become
// values and values replies (redis 7.0.15 eval.c, function_lua.c, functions.c,
// script_lua.c). It does no input or output: commands are executed, and time is
// told, by the Server.
package script

import (
	"crypto/sha1"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/torntail/torntail/engine/lua"
)

// Server is who executes the commands of scripts.
type Server interface {
	// Call executes a command of the script that runs. The reply is in the protocol
	// of the run; a refusal says why it was not executed.
	Call(r *Run, argv [][]byte) (reply []byte, refusal string)
	// MayRun reports whether the script's user may execute a command, and whether
	// there is such a command.
	MayRun(r *Run, argv [][]byte) (may, known bool)
	// Log writes a line at a level of redis.log, 0 to 3.
	Log(level int, text string)
	// Interrupt is called every so many instructions of a script, and reports
	// whether it has been killed.
	Interrupt(r *Run) (killed bool)
	// LoadingTooLong is called every so many instructions of a library that is
	// being loaded.
	LoadingTooLong() bool
}

// Run is a script while it is being executed.
type Run struct {
	Name   string // of the function, or the script's digest
	Eval   bool
	Resp   int // protocol of the replies to its commands
	Repl   int // which of AOF and Replicas its effects go to
	Keys   [][]byte
	Args   [][]byte
	Replay Replier // who is answered
}

// Where effects go (redis.set_repl).
const (
	AOF      = 1
	Replicas = 2
)

// Flags of a script, which its first line or its registration gives.
type Flags uint8

// The flags. Compat is that of a script without a first line that gives any.
const (
	NoWrites Flags = 1 << iota
	AllowOOM
	AllowStale
	NoCluster
	AllowCrossSlot
	Compat
)

// FlagNames are the words for flags, in order.
var FlagNames = []struct {
	Flag Flags
	Name string
}{{NoWrites, "no-writes"}, {AllowOOM, "allow-oom"}, {AllowStale, "allow-stale"}, {NoCluster, "no-cluster"}, {AllowCrossSlot, "allow-cross-slot-keys"}}

// interp is an interpreter with Redis's sandbox.
type interp struct {
	server Server
	random *Random
	state  *lua.State
	run    *Run     // nil: none
	load   *Library // that is being loaded; nil: none
}

// nullPointer is cjson.null.
var nullPointer = lua.PointerValue(&lua.Pointer{})

const (
	logDebug = iota
	logVerbose
	logNotice
	logWarning
)

// newInterp makes an interpreter with the libraries and the table redis, and leaves
// it open to changes.
func newInterp(server Server, random *Random) *interp {
	in := &interp{server: server, random: random, state: lua.New()}
	s := in.state
	s.OpenLibraries()
	g := s.Globals
	g.SetField("cjson", lua.TableValue(openJSON(s, nullPointer)))
	g.SetField("struct", lua.TableValue(openStruct(s)))
	g.SetField("cmsgpack", lua.TableValue(openMsgpack(s)))
	g.SetField("bit", lua.TableValue(openBit(s)))
	g.SetField("pcall", s.NewFunction(pcall))
	math := g.Field("math").AsTable()
	math.SetField("random", s.NewFunction(in.mathRandom))
	math.SetField("randomseed", s.NewFunction(in.mathRandomSeed))

	redis := s.NewTable(0, 0)
	s.Register(redis, []lua.Named{
		{Name: "call", Func: in.command(true)}, {Name: "pcall", Func: in.command(false)},
	})
	in.registerLog(redis)
	s.Register(redis, []lua.Named{
		{Name: "setresp", Func: in.setresp}, {Name: "sha1hex", Func: in.sha1hex},
		{Name: "error_reply", Func: in.errorReply}, {Name: "status_reply", Func: in.statusReply},
		{Name: "set_repl", Func: in.setRepl},
	})
	for _, c := range []struct {
		name string
		n    int
	}{{"REPL_NONE", 0}, {"REPL_AOF", AOF}, {"REPL_SLAVE", Replicas}, {"REPL_REPLICA", Replicas}, {"REPL_ALL", AOF | Replicas}} {
		redis.SetField(c.name, lua.Number(float64(c.n)))
	}
	redis.SetField("acl_check_cmd", s.NewFunction(in.aclCheckCmd))
	g.SetField("redis", lua.TableValue(redis))
	s.Hook = in.hook
	return in
}

func (in *interp) registerLog(t *lua.Table) {
	t.SetField("log", in.state.NewFunction(in.log))
	for i, name := range []string{"LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"} {
		t.SetField(name, lua.Number(float64(i)))
	}
	t.SetField("REDIS_VERSION_NUM", lua.Number(0x0007000f))
	t.SetField("REDIS_VERSION", lua.String("7.0.15"))
}

// refuseUnknown has reading a field that is not there be an error
// (luaSetErrorMetatable).
func (in *interp) refuseUnknown(t *lua.Table) {
	m := in.state.NewTable(0, 0)
	m.SetField("__index", in.state.NewFunction(func(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
		if len(v) != 2 {
			return nil, l.Raise("Wrong number of arguments to luaProtectedTableError")
		}
		name, ok := v[1].Text()
		if !ok {
			return nil, l.Raise("Second argument to luaProtectedTableError must be a string or number")
		}
		return nil, l.Raise("Script attempted to access nonexistent global variable '%s'", name)
	}))
	t.SetMeta(m)
}

// protect makes a table and all that it leads to read-only
// (luaSetTableProtectionRecursively).
func protect(t *lua.Table) {
	if t.ReadOnly {
		return
	}
	t.ReadOnly = true
	for k, v, _ := t.Next(lua.Nil); !k.IsNil(); k, v, _ = t.Next(k) {
		if inner := v.AsTable(); inner != nil {
			protect(inner)
		}
	}
	if m := t.Meta(); m != nil {
		protect(m)
	}
}

// hook ends scripts that were killed, and libraries that take too long.
func (in *interp) hook() error {
	switch {
	case in.load != nil:
		if in.server.LoadingTooLong() {
			return &lua.Fatal{Value: in.errorTable("FUNCTION LOAD timeout")}
		}
	case in.run != nil:
		if in.server.Interrupt(in.run) {
			in.server.Log(logWarning, "Lua script killed by user with SCRIPT KILL.")
			return &lua.Fatal{Value: in.errorTable("Script killed by user with SCRIPT KILL...")}
		}
	}
	return nil
}

// errorTable makes what redis.pcall answers an error with: "-CODE text", or a text
// that is given the code ERR (luaPushErrorBuff).
func (in *interp) errorTable(text string) lua.Value {
	code := "ERR"
	if strings.HasPrefix(text, "-") {
		before, after, ok := strings.Cut(cText(text[1:]), " ")
		if ok {
			code, text = before, after
		} else {
			text = before
		}
	}
	t := in.state.NewTable(0, 0)
	t.SetField("err", lua.String(code+" "+cText(strings.Trim(text, "\r\n"))))
	return lua.TableValue(t)
}

// cText is what C sees of a text: nothing behind a zero byte.
func cText(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return s
}

func (in *interp) raise(text string) error { return &lua.Error{Value: in.errorTable(text)} }

// arguments are those of a command: strings, and numbers with all their digits.
func (in *interp) arguments(v []lua.Value) (argv [][]byte, wrong string) {
	if len(v) == 0 {
		return nil, "Please specify at least one argument for this redis lib call"
	}
	for _, a := range v {
		switch {
		case a.IsNumber():
			argv = append(argv, lua.AppendNumber(nil, a.Float(), 17))
		case a.IsString():
			s, _ := a.Text()
			argv = append(argv, []byte(s))
		default:
			return nil, "Lua redis lib command arguments must be strings or integers"
		}
	}
	return argv, ""
}

// command is redis.call, which raises an error, or redis.pcall, which returns it
// (luaRedisGenericCommand).
func (in *interp) command(raise bool) lua.GoFunc {
	return func(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
		if in.run == nil {
			return nil, in.raise("redis.call/pcall can only be called inside a script invocation")
		}
		answer := func(e lua.Value) ([]lua.Value, error) {
			if raise {
				return nil, &lua.Error{Value: e}
			}
			return l.One(e), nil
		}
		argv, wrong := in.arguments(v)
		if wrong != "" {
			return answer(in.errorTable(wrong))
		}
		reply, refusal := in.server.Call(in.run, argv)
		if refusal != "" {
			e := in.errorTable(refusal)
			e.AsTable().SetField("ignore_error_stats_update", lua.True)
			return answer(e)
		}
		p := replyParser{in: in, in_: reply}
		r := p.value()
		if len(reply) > 0 && reply[0] == '-' {
			return answer(r)
		}
		return l.One(r), nil
	}
}

// pcall returns an error that is a table as its text, as before Redis 7
// (luaRedisPcall).
func pcall(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
	var fn lua.Value
	if len(v) > 0 {
		fn, v = v[0], v[1:]
	}
	r, caught, err := l.PCall(fn, v, nil)
	switch {
	case err != nil:
		return nil, err
	case caught != nil:
		e := caught.Value
		if t := e.AsTable(); t != nil {
			if text := t.Field("err"); text.IsString() || text.IsNumber() {
				e = text
			}
		}
		return []lua.Value{lua.False, e}, nil
	}
	return append([]lua.Value{lua.True}, r...), nil
}

func (in *interp) sha1hex(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
	if len(v) != 1 {
		return nil, in.raise("wrong number of arguments")
	}
	s, _ := v[0].Text()
	return l.One(lua.String(Digest(s))), nil
}

// Digest is by which name a script is known.
func Digest(body string) string {
	sum := sha1.Sum([]byte(body))
	return hex.EncodeToString(sum[:])
}

func (in *interp) errorReply(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
	if len(v) != 1 || !v[0].IsString() {
		return l.One(in.errorTable("wrong number or type of arguments")), nil
	}
	s, _ := v[0].Text()
	if !strings.HasPrefix(s, "-") {
		s = "-" + s
	}
	return l.One(in.errorTable(s)), nil
}

func (in *interp) statusReply(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
	if len(v) != 1 || !v[0].IsString() {
		return l.One(in.errorTable("wrong number or type of arguments")), nil
	}
	t := in.state.NewTable(0, 0)
	t.SetField("ok", v[0])
	return l.One(lua.TableValue(t)), nil
}

func (in *interp) setRepl(_ *lua.Thread, v []lua.Value) ([]lua.Value, error) {
	switch {
	case in.run == nil:
		return nil, in.raise("redis.set_repl can only be called inside a script invocation")
	case len(v) != 1:
		return nil, in.raise("redis.set_repl() requires two arguments.")
	}
	n, _ := v[0].ToNumber()
	flags := lua.ToInt(n)
	if flags&^(AOF|Replicas) != 0 {
		return nil, in.raise("Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
	}
	in.run.Repl = flags
	return nil, nil
}

func (in *interp) setresp(_ *lua.Thread, v []lua.Value) ([]lua.Value, error) {
	switch {
	case in.run == nil:
		return nil, in.raise("redis.setresp can only be called inside a script invocation")
	case len(v) != 1:
		return nil, in.raise("redis.setresp() requires one argument.")
	}
	n, _ := v[0].ToNumber()
	resp := lua.ToInt(n)
	if resp != 2 && resp != 3 {
		return nil, in.raise("RESP version must be 2 or 3.")
	}
	in.run.Resp = resp
	return nil, nil
}

func (in *interp) aclCheckCmd(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
	if in.run == nil {
		return nil, in.raise("redis.acl_check_cmd can only be called inside a script invocation")
	}
	argv, wrong := in.arguments(v)
	if wrong != "" {
		return nil, in.raise(wrong)
	}
	may, known := in.server.MayRun(in.run, argv)
	if !known {
		return nil, in.raise("Invalid command passed to redis.acl_check_cmd()")
	}
	return l.One(lua.Bool(may)), nil
}

func (in *interp) log(_ *lua.Thread, v []lua.Value) ([]lua.Value, error) {
	if len(v) < 2 {
		return nil, in.raise("redis.log() requires two arguments or more.")
	}
	n, ok := v[0].ToNumber()
	if !ok {
		return nil, in.raise("First argument must be a number (log level).")
	}
	level := lua.ToInt(n)
	if level < logDebug || level > logWarning {
		return nil, in.raise("Invalid debug level.")
	}
	var words []string
	for i, a := range v[1:] {
		if s, ok := a.Text(); ok {
			if i > 0 {
				s = " " + s
			}
			words = append(words, s)
		}
	}
	in.server.Log(level, strings.Join(words, ""))
	return nil, nil
}

// invoke calls a function for a run and answers who asked for it (luaCallFunction).
func (in *interp) invoke(r *Run, fn lua.Value, args ...lua.Value) {
	in.run = r
	in.state.ResetHook()
	l := in.state.Main()
	results, caught, err := l.PCall(fn, args, func(e lua.Value) lua.Value { return in.locate(l, e) })
	in.run = nil
	if err != nil {
		caught = &lua.Error{Value: lua.ValueOf(err)}
	}
	if caught == nil {
		v := lua.Nil
		if len(results) > 0 {
			v = results[0]
		}
		in.reply(r, v)
		return
	}
	t := caught.Value.AsTable()
	if t == nil {
		msg := caught.Error()
		if len(msg) > 100 {
			msg = msg[:100]
		}
		r.Replay.Error("ERR Error running script "+r.Name+", "+msg, true)
		return
	}
	e := errorOf(t)
	if e.line != "" && e.source != "" {
		e.text += " script: " + r.Name + ", on " + e.source + ":" + e.line + "."
	}
	r.Replay.Error(e.text, !e.counted)
}

// locate is the handler of errors: it makes a table of what was raised, and adds
// where that was (__redis__err__handler).
func (in *interp) locate(l *lua.Thread, e lua.Value) lua.Value {
	t := e.AsTable()
	if t == nil {
		t = in.state.NewTable(0, 0)
		text, _ := l.ToString(e)
		t.SetField("err", lua.String("ERR "+text))
	}
	if source, line := l.Place(); source != "" {
		t.SetField("source", lua.String(source))
		t.SetField("line", lua.Number(float64(line)))
	}
	return lua.TableValue(t)
}

// errorInfo is what the table of an error says (luaExtractErrorInformation).
type errorInfo struct {
	text, source, line string
	counted            bool // in the statistics, already
}

func errorOf(t *lua.Table) (e errorInfo) {
	text := func(name string) string {
		s, _ := t.Field(name).Text()
		return cText(s)
	}
	e.text, e.source, e.line = text("err"), text("source"), text("line")
	e.counted = t.Field("ignore_error_stats_update").Truth()
	return e
}

// array makes a table of strings.
func (in *interp) array(list [][]byte) lua.Value {
	t := in.state.NewTable(0, 0)
	for i, s := range list {
		t.SetIndex(i+1, lua.String(string(s)))
	}
	return lua.TableValue(t)
}

// Integer is how a Lua number is replied.
func integer(n float64) int64 { return int64(lua.ToInt(n)) }

func number(b []byte) int64 {
	n, _ := strconv.ParseInt(string(b), 10, 64)
	return n
}
