package script

import (
	"bytes"
	"strings"

	"github.com/torntail/torntail/engine/lua"
)

// Replier answers a client, in its own protocol.
type Replier interface {
	Bulk(s string)
	Int(n int64)
	Null()
	Boolean(b bool) // RESP3's own in RESP3
	One()           // what true is in RESP2
	Status(s string)
	// Error is an error without its leading dash; counted says that the statistics
	// are to know of it.
	Error(text string, counted bool)
	Double(f float64)
	BigNumber(s string)
	Verbatim(format, s string)
	Map(n int)
	Set(n int)
	Array(n int)
}

// reply makes a reply of a value (luaReplyToRedisReply).
func (in *interp) reply(r *Run, v lua.Value) { in.replyAt(r, v, 0) }

// maxReplyDepth is how deep tables may lie in each other: Lua's stack of C bounds it.
const maxReplyDepth = 3990

func (in *interp) replyAt(r *Run, v lua.Value, depth int) {
	out := r.Replay
	if depth > maxReplyDepth {
		out.Error("ERR reached lua stack limit", true)
		return
	}
	t := v.AsTable()
	switch {
	case v.IsString():
		s, _ := v.Text()
		out.Bulk(s)
	case v.IsBool() && r.Resp != 2:
		out.Boolean(v.Truth())
	case v.IsBool() && v.Truth():
		out.One()
	case v.IsNumber():
		out.Int(integer(v.Float()))
	case t != nil:
		in.replyTable(r, t, depth)
	default:
		out.Null()
	}
}

func (in *interp) replyTable(r *Run, t *lua.Table, depth int) {
	out := r.Replay
	oneLine := strings.NewReplacer("\r", " ", "\n", " ")
	if t.Field("err").IsString() {
		e := errorOf(t)
		out.Error(e.text, !e.counted)
		return
	}
	if s := t.Field("ok"); s.IsString() {
		text, _ := s.Text()
		out.Status(oneLine.Replace(cText(text)))
		return
	}
	if n := t.Field("double"); n.IsNumber() {
		out.Double(n.Float())
		return
	}
	if s := t.Field("big_number"); s.IsString() {
		text, _ := s.Text()
		out.BigNumber(oneLine.Replace(text))
		return
	}
	if v := t.Field("verbatim_string").AsTable(); v != nil {
		format, text := v.Field("format"), v.Field("string")
		if format.IsString() && text.IsString() {
			f, _ := format.Text()
			s, _ := text.Text()
			out.Verbatim(cText(f), s)
			return
		}
	}
	if m := t.Field("map").AsTable(); m != nil {
		out.Map(count(m))
		for k, v, _ := m.Next(lua.Nil); !k.IsNil(); k, v, _ = m.Next(k) {
			in.replyAt(r, k, depth+2)
			in.replyAt(r, v, depth+2)
		}
		return
	}
	if m := t.Field("set").AsTable(); m != nil {
		out.Set(count(m))
		for k, _, _ := m.Next(lua.Nil); !k.IsNil(); k, _, _ = m.Next(k) {
			in.replyAt(r, k, depth+2)
		}
		return
	}
	n := 0
	for !t.Index(n + 1).IsNil() {
		n++
	}
	out.Array(n)
	for i := 1; i <= n; i++ {
		in.replyAt(r, t.Index(i), depth+1)
	}
}

func count(t *lua.Table) (n int) {
	for k, _, _ := t.Next(lua.Nil); !k.IsNil(); k, _, _ = t.Next(k) {
		n++
	}
	return n
}

// replyParser makes values of a command's reply (redisProtocolToLuaType). The reply
// is this server's own.
type replyParser struct {
	in  *interp
	in_ []byte
}

func (p *replyParser) line() (kind byte, rest []byte) {
	i := bytes.Index(p.in_, []byte("\r\n"))
	if i < 1 {
		p.in_ = nil
		return 0, nil
	}
	kind, rest = p.in_[0], p.in_[1:i]
	p.in_ = p.in_[i+2:]
	return kind, rest
}

func (p *replyParser) text(n int64) string {
	s := string(p.in_[:n])
	p.in_ = p.in_[n+2:]
	return s
}

func (p *replyParser) value() lua.Value {
	kind, rest := p.line()
	table := func(name string, v lua.Value) lua.Value {
		t := p.in.state.NewTable(0, 0)
		t.SetField(name, v)
		return lua.TableValue(t)
	}
	switch kind {
	case ':':
		return lua.Number(float64(number(rest)))
	case '$':
		n := number(rest)
		if n < 0 {
			return lua.False
		}
		return lua.String(p.text(n))
	case '+':
		return table("ok", lua.String(string(rest)))
	case '-':
		e := p.in.errorTable("-" + string(rest))
		e.AsTable().SetField("ignore_error_stats_update", lua.True)
		return e
	case '*':
		n := number(rest)
		if n < 0 {
			return lua.False
		}
		t := p.in.state.NewTable(0, 0)
		for i := range int(n) {
			t.SetIndex(i+1, p.value())
		}
		return lua.TableValue(t)
	case '%':
		outer, t := p.in.state.NewTable(0, 0), p.in.state.NewTable(0, 0)
		for range number(rest) {
			k := p.value()
			_ = t.Set(k, p.value()) // keys of replies are strings
		}
		outer.SetField("map", lua.TableValue(t))
		return lua.TableValue(outer)
	case '~':
		outer, t := p.in.state.NewTable(0, 0), p.in.state.NewTable(0, 0)
		for range number(rest) {
			_ = t.Set(p.value(), lua.True)
		}
		outer.SetField("set", lua.TableValue(t))
		return lua.TableValue(outer)
	case '_':
		return lua.Nil
	case '#':
		return lua.Bool(string(rest) == "t")
	case ',':
		f, _ := lua.Strtod(string(rest))
		return table("double", lua.Number(f))
	case '(':
		return table("big_number", lua.String(string(rest)))
	case '=':
		s := p.text(number(rest))
		t := p.in.state.NewTable(0, 0)
		t.SetField("string", lua.String(s[4:]))
		t.SetField("format", lua.String(s[:3]))
		return table("verbatim_string", lua.TableValue(t))
	case '|':
		for range number(rest) {
			p.value()
			p.value()
		}
		return p.value()
	}
	return lua.Nil
}
