package lua

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// chunks are chunks of code and what they return, or the error that they raise. What
// redis-server makes of far more of them is compared in package engine.
var chunks = map[string]string{
	`return 1 + 1, 'a' .. 1 .. 2, -2 ^ 2, 5 % -3, 2 ^ 3 ^ 2`:                                            "2 a12 -4 -1 512",
	`local t = {} for i = 1, 10 do t[#t + 1] = i * i end return table.concat(t, ',')`:                   "1,4,9,16,25,36,49,64,81,100",
	`local s = '' for k, v in pairs({a=1, b=2, c=3, d=4, 5, 6}) do s = s .. k .. v .. ' ' end return s`: "15 26 a1 d4 c3 b2 ",
	`local function f(n) if n == 0 then return 'tail' end return f(n - 1) end return f(100000)`:         "tail",
	`local function f() return f() + 1 end return f()`:                                                  "chunk:1: stack overflow",
	`local x return x.y`:           "chunk:1: attempt to index local 'x' (a nil value)",
	`return t.x.y`:                 "chunk:1: attempt to index global 't' (a nil value)",
	`local a = {} return a:nope()`: "chunk:1: attempt to call method 'nope' (a nil value)",
	`return {} .. 'x'`:             "chunk:1: attempt to concatenate a table value",
	`string.rep()`:                 "chunk:1: bad argument #1 to 'rep' (string expected, got no value)",
	`if x == then`:                 "chunk:1: unexpected symbol near 'then'",
	`x = 'abc`:                     "chunk:1: unfinished string near '<eof>'",
	`for i = 1 do end`:             "chunk:1: ',' expected near 'do'",
	"\n\nfoo(":                     "chunk:3: unexpected symbol near '<eof>'",
	`return tostring(1e15), tostring(0.1), tostring(2^53), tostring(0/0), tostring(-1/0)`:                           "1e+15 0.1 9.007199254741e+15 -nan -inf",
	`local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end) return co(1), co(10)`: "2 20",
	`local fs = {} for i = 1, 3 do fs[i] = function() i = i + 1 return i end end return fs[1](), fs[1](), fs[2]()`:  "2 3 3",
	`return string.gsub('abc def', '(%w+) (%w+)', '%2 %1')`:                                                         "def abc 1",
	`return string.format('%5.2f|%05d|%-4s|%x', 3.14159, 42, 'a', 255)`:                                             " 3.14|00042|a   |ff",
	`return select('#', unpack({1, nil, 3}, 1, 3))`:                                                                 "3",
	`return pcall(error, 'x')`: "false x",
}

func run(t *testing.T, st *State, src string) string {
	t.Helper()
	fn, err := st.Load(src, "chunk")
	if err != nil {
		return err.Error()
	}
	results, caught, err := st.Main().PCall(FunctionValue(fn), nil, nil)
	require.NoError(t, err)
	if caught != nil {
		return caught.Error()
	}
	var words []string
	for _, v := range results {
		words = append(words, Show(v))
	}
	return strings.Join(words, " ")
}

func TestChunks(t *testing.T) {
	for src, want := range chunks {
		st := New()
		st.OpenLibraries()
		assert.Equal(t, want, run(t, st, src), src)
		assert.Empty(t, st.Main().frames, src)
		assert.Equal(t, "2", run(t, st, "return 1 + 1"), "after %s", src)
	}
}

// The hook is called after so many instructions, also in coroutines and beneath pcall,
// and what it returns is caught by nobody.
func TestTheHookEndsAScript(t *testing.T) {
	for _, src := range []string{`while true do end`, `while true do pcall(function() while true do end end) end`, `coroutine.wrap(function() while true do end end)()`, `return table.sort({3, 2, 1}, function() while true do end end)`} {
		st := New()
		st.OpenLibraries()
		st.HookEvery = 1000
		calls := 0
		st.Hook = func() error {
			if calls++; calls == 5 {
				return &Fatal{String("enough")}
			}
			return nil
		}
		fn, err := st.Load(src, "chunk")
		require.NoError(t, err)
		_, caught, err := st.Main().PCall(FunctionValue(fn), nil, nil)
		var fatal *Fatal
		require.True(t, errors.As(err, &fatal), src)
		require.Nil(t, caught, src)
		require.Equal(t, 5, calls, src)
		require.Equal(t, "3", run(t, st, "return 1 + 2"), "after %s", src)
	}
}

// FuzzRun: whatever the text, it is compiled or refused, and comes to an end.
func FuzzRun(f *testing.F) {
	for src := range chunks {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		st := New()
		st.OpenLibraries()
		st.HookEvery = 1000
		left := 100
		st.Hook = func() error {
			if left--; left < 0 {
				return &Fatal{String("enough")}
			}
			return nil
		}
		fn, err := st.Load(src, "chunk")
		if err != nil {
			return
		}
		_, _, _ = st.Main().PCall(FunctionValue(fn), nil, nil)
		require.Empty(t, st.Main().frames)
	})
}
