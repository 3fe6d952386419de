package script

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeServer answers every command with its arguments.
type fakeServer struct {
	calls  []string
	killed bool
}

func (f *fakeServer) Call(_ *Run, argv [][]byte) (reply []byte, refusal string) {
	words := make([]string, len(argv))
	for i, a := range argv {
		words[i] = string(a)
	}
	f.calls = append(f.calls, strings.Join(words, " "))
	switch words[0] {
	case "refused":
		return nil, "not now"
	case "fail":
		return []byte("-WRONG of its own\r\n"), ""
	case "map":
		return []byte("%1\r\n$1\r\na\r\n,1.5\r\n"), ""
	}
	return fmt.Appendf(nil, "$%d\r\n%s\r\n", len(words[0]), words[0]), ""
}

func (f *fakeServer) MayRun(_ *Run, argv [][]byte) (may, known bool) {
	return true, string(argv[0]) == "get"
}
func (f *fakeServer) Log(int, string)      {}
func (f *fakeServer) Interrupt(*Run) bool  { return f.killed }
func (f *fakeServer) LoadingTooLong() bool { return true }

// told is a Replier that writes down what it is told.
type told struct{ words []string }

func (t *told) add(format string, a ...any)     { t.words = append(t.words, fmt.Sprintf(format, a...)) }
func (t *told) Bulk(s string)                   { t.add("%q", s) }
func (t *told) Int(n int64)                     { t.add("%d", n) }
func (t *told) Null()                           { t.add("null") }
func (t *told) Boolean(b bool)                  { t.add("%t", b) }
func (t *told) One()                            { t.add("1") }
func (t *told) Status(s string)                 { t.add("+%s", s) }
func (t *told) Error(text string, counted bool) { t.add("-%s %t", text, counted) }
func (t *told) Double(f float64)                { t.add(",%v", f) }
func (t *told) BigNumber(s string)              { t.add("(%s", s) }
func (t *told) Verbatim(format, s string)       { t.add("=%s:%s", format, s) }
func (t *told) Map(n int)                       { t.add("%%%d", n) }
func (t *told) Set(n int)                       { t.add("~%d", n) }
func (t *told) Array(n int)                     { t.add("*%d", n) }

func eval(t *testing.T, e *Engine, body string) string {
	sc, wrong := e.Define(body)
	require.Empty(t, wrong, body)
	var out told
	e.Eval(&Run{Resp: 2, Repl: AOF | Replicas, Replay: &out, Keys: [][]byte{[]byte("k")}}, sc)
	return strings.ReplaceAll(strings.Join(out.words, " "), sc.SHA, "SHA")
}

func TestEval(t *testing.T) {
	for body, want := range map[string]string{
		`return {1, 'a', true, false, 3.7}`:         `*5 1 "a" 1 null 3`,
		`return KEYS[1]`:                            `"k"`,
		`return redis.call('get', 1, 0.1)`:          `"get"`,
		`return redis.call('fail')`:                 "-WRONG of its own script: SHA, on @user_script:1. false",
		`return redis.pcall('fail')`:                "-WRONG of its own false",
		`return redis.call('refused')`:              "-ERR not now script: SHA, on @user_script:1. false",
		`error('x')`:                                "-ERR user_script:1: x script: SHA, on @user_script:1. true",
		`return {map = {a = 1}}`:                    `%1 "a" 1`,
		`redis.setresp(3) return redis.call('map')`: `%1 "a" ,1.5`,
		`x = 1`:         "-ERR user_script:1: Attempt to modify a readonly table script: SHA, on @user_script:1. true",
		`return nosuch`: "-ERR user_script:1: Script attempted to access nonexistent global variable 'nosuch' script: SHA, on @user_script:1. true",
		`return cjson.encode(cjson.decode('{"a":[1,2.5,null,"x"]}'))`:     `"{\"a\":[1,2.5,null,\"x\"]}"`,
		`return cmsgpack.unpack(cmsgpack.pack({1, 'two', {3}}))`:          `*3 1 "two" *1 3`,
		`return {struct.unpack('>I2c0', struct.pack('>I2c0', 3, 'abc'))}`: `*2 "abc" 6`,
		`return {bit.bxor(0xff, 1), bit.tohex(255, 4)}`:                   `*2 254 "00ff"`,
		`return tostring(math.random()) .. ' ' .. math.random(10)`:        `"0.39646477363839 9"`,
		"#!lua flags=no-writes,allow-stale\nreturn 1":                     "1",
	} {
		f := &fakeServer{}
		assert.Equal(t, want, eval(t, NewEngine(f), body), body)
		if strings.Contains(body, "'get'") {
			assert.Equal(t, []string{"get 1 0.10000000000000001"}, f.calls)
		}
	}
}

// A killed script cannot catch that; what is loaded too long is given up.
func TestScriptsAreEnded(t *testing.T) {
	e := NewEngine(&fakeServer{killed: true})
	assert.Contains(t, eval(t, e, `while true do pcall(function() while true do end end) end`), "-ERR Script killed by user with SCRIPT KILL...")
	assert.Equal(t, "1", eval(t, e, "return 1"))
	_, wrong := e.Load("#!lua name=endless\nwhile true do end", false)
	assert.Equal(t, "Error registering functions: ERR FUNCTION LOAD timeout", wrong)
}

// FuzzUnpack: whatever the text, it is read or refused.
func FuzzUnpack(f *testing.F) {
	f.Add("\x93\x01\xa3two\x91\x03")
	f.Fuzz(func(t *testing.T, s string) {
		var out told
		e := NewEngine(&fakeServer{})
		sc, _ := e.Define(`local ok, v = pcall(cmsgpack.unpack, KEYS[1]) local ok, w = pcall(cjson.decode, KEYS[1]) return {v, w}`)
		e.Eval(&Run{Resp: 2, Replay: &out, Keys: [][]byte{[]byte(s)}}, sc)
		require.NotEmpty(t, out.words)
	})
}
