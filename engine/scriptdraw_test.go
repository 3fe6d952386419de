package engine_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// drawScript makes a script of some drawn commands: their replies, or what a library
// makes of them, are its own, and it may raise an error behind what it has written. Left
// out are commands whose replies differ for reasons of their own.
func drawScript(t *rapid.T) drawn {
	var body strings.Builder
	var args []string
	body.WriteString("local r = {} ")
	if below(t, 3) == 0 {
		body.WriteString("redis.setresp(3) ")
	}
	if below(t, 8) == 0 {
		fmt.Fprintf(&body, "redis.set_repl(redis.%s) ", evenly(t, []string{"REPL_ALL", "REPL_AOF", "REPL_REPLICA", "REPL_NONE"}))
	}
	for i := range rapid.IntRange(1, 5).Draw(t, "commands") {
		d := drawCommand(t)
		for !scripted(d) {
			d = drawCommand(t)
		}
		from := len(args) + 1
		args = append(args, d.argv...)
		fmt.Fprintf(&body, "local v = redis.pcall(unpack(ARGV, %d, %d)) if v == nil then v = 'nil' end r[%d] = v ", from, len(args), i+1)
	}
	body.WriteString(evenly(t, []string{
		"return r", "return r", "return r", "return cjson.encode(r)", "return cmsgpack.pack(r)", "return #r", "return r[1]", "return {map = {a = r[1], b = 2.5}}", "return {set = {[1] = true, x = true}}",
		"error('behind it')", "return redis.call('INCR', 'list0')", "return tostring(math.random(1000)) .. redis.sha1hex(type(r[1]))",
		"local s = '' for k, v in pairs(r[1].map or r[1].set or r) do s = s .. tostring(k) .. type(v) end return s",
	}))
	return drawn{argv: append([]string{evenly(t, []string{"EVAL", "EVAL", "EVAL", "EVAL_RO"}), body.String(), "0"}, args...), expired: -1}
}

// scripted reports whether a command's reply in a script is the same each time.
func scripted(d drawn) bool {
	name := commandName(d.argv)
	return !d.unordered && !d.alone && !d.relative && !d.ordered && !slices.ContainsFunc(excuses, func(e excuse) bool { return e.command == name }) &&
		!slices.Contains([]string{"scan", "randomkey", "spop", "migrate", "flushall", "flushdb", "swapdb"}, name) && !slices.ContainsFunc(d.argv, func(a string) bool { _, err := strconv.ParseInt(a, 10, 64); return err == nil && len(a) > 12 })
}
