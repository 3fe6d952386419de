package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/config"
)

// toldBy are the entries of a reply to COMMAND or COMMAND INFO by name. Subcommands come
// in an order of the server's own, and those that the engine does not have are left out.
func toldBy(reply string, known map[string]bool) map[string][]string {
	told := map[string][]string{}
	for _, entry := range elements(reply) {
		parts := elements(entry)
		if len(parts) == 0 { // there is no such command
			told[""] = append(told[""], entry)
			continue
		}
		if name := payload(parts[0]); known[name] {
			var subs []string
			for name, told := range toldBy(parts[9], known) {
				subs = append(subs, name+":"+strings.Join(told, ""))
			}
			slices.Sort(subs)
			told[name] = append(parts[:9:9], subs...)
		}
	}
	return told
}

// documentedBy is the same of COMMAND DOCS, without its sentences (summaries, complexities,
// history, what replaces a command), which are Redis's own: the engine has none.
func documentedBy(reply string, known map[string]bool) map[string][]string {
	told := map[string][]string{}
	pairs := elements(reply)
	for i := 0; i+1 < len(pairs); i += 2 {
		name := payload(pairs[i])
		if !known[name] {
			continue
		}
		fields := elements(pairs[i+1])
		var out []string
		for f := 0; f+1 < len(fields); f += 2 {
			switch payload(fields[f]) {
			case "summary", "complexity", "history", "replaced_by":
				continue
			case "arguments":
				out = append(out, fields[f], argumentsIn(fields[f+1]))
				continue
			case "subcommands":
			default:
				out = append(out, fields[f]+fields[f+1])
				continue
			}
			var subs []string
			for name, told := range documentedBy(fields[f+1], known) {
				subs = append(subs, name+":"+strings.Join(told, ""))
			}
			slices.Sort(subs)
			out = append(append(out, fields[f]), subs...)
		}
		told[name] = out
	}
	return told
}

// argumentsIn are the arguments of a command in COMMAND DOCS, without their summaries.
func argumentsIn(reply string) string {
	var b strings.Builder
	for _, argument := range elements(reply) {
		fields := elements(argument)
		for f := 0; f+1 < len(fields); f += 2 {
			switch payload(fields[f]) {
			case "summary":
			case "arguments":
				b.WriteString(argumentsIn(fields[f+1]))
			default:
				b.WriteString(fields[f] + fields[f+1])
			}
		}
		b.WriteString(";")
	}
	return b.String()
}

// What COMMAND tells of the commands that both have, subcommands and documentation
// included, is the same, and so are the keys that it finds in a command.
func TestCommandsAreToldLikeRedis(t *testing.T) {
	both := startCouple(t)
	theirs, ours := dial(t, both.redis.addr()), both.world.connect()
	lists := [][]string{{"COMMAND", "LIST"}, {"COMMAND", "LIST", "FILTERBY", "ACLCAT", "write"}, {"COMMAND", "LIST", "FILTERBY", "PATTERN", "x*"}, {"ACL", "CAT"}}
	var names []string
	for _, list := range lists {
		want, got := elements(theirs.do(list...)), elements(ours.do(list...))
		for _, name := range got {
			assert.Contains(t, want, name, "%q", list)
		}
		for _, name := range want {
			if !slices.Contains(got, name) {
				known := slices.Contains([]string{"asking", "readonly", "readwrite"}, payload(name)) || strings.HasPrefix(payload(name), "cluster")
				assert.True(t, known, "%q: %s is left out", list, name)
			}
		}
		if names == nil {
			names = got
		}
	}
	known := map[string]bool{}
	for _, name := range names {
		known[payload(name)] = true
	}
	for _, resp := range []string{"2", "3"} {
		theirs.do("HELLO", resp)
		ours.do("HELLO", resp)
		want, got := toldBy(theirs.do("COMMAND"), known), toldBy(ours.do("COMMAND"), known)
		assert.Equal(t, want, got)
		assert.Greater(t, len(got), 220)
		want, got = documentedBy(theirs.do("COMMAND", "DOCS"), known), documentedBy(ours.do("COMMAND", "DOCS"), known)
		assert.Equal(t, want, got)
		assert.Greater(t, len(got), 220)
		for _, name := range append(names, "$6\r\nnosuch\r\n", "$13\r\nconfig|nosuch\r\n") {
			name := payload(name)
			info, docs := []string{"COMMAND", "INFO", name}, []string{"COMMAND", "DOCS", name}
			assert.Equal(t, toldBy(theirs.do(info...), known), toldBy(ours.do(info...), known), "%q", info)
			assert.Equal(t, documentedBy(theirs.do(docs...), known), documentedBy(ours.do(docs...), known), "%q", docs)
		}
	}
	for _, lines := range edges {
		for _, line := range lines {
			argv, err := config.SplitArgs(line)
			require.NoError(t, err, line)
			for _, how := range []string{"GETKEYS", "GETKEYSANDFLAGS"} {
				ask := append([]string{"COMMAND", how}, argv...)
				assert.Equal(t, theirs.do(ask...), ours.do(ask...), "%q", ask)
			}
		}
	}
	for line := range strings.SplitSeq(`SET k v|SET k v GET|MSET a 1 b 2|EVAL x 2 a b c|EVAL x x|EVAL x -1|EVAL x 5 a|EVAL x 0|EVALSHA x x|FCALL f 1 k a|ZUNIONSTORE d 2 a b|ZINTERSTORE d 5 a b|ZUNION 2 a b|ZUNION 0 a|ZUNION x a|XREAD STREAMS a b 0 0|XREAD COUNT 1 STREAMS a|XREADGROUP GROUP g c STREAMS a b > >|SORT l|SORT l BY w_* GET x STORE d|SORT l STORE d STORE e|SORT_RO l GET x|MIGRATE h 1 k 0 1|MIGRATE h 1 k 0 1 AUTH keys|GEORADIUS g 0 0 1 m|GEORADIUS g 0 0 1 m STORE d|GEORADIUSBYMEMBER g m 1 m STOREDIST d|LMPOP 2 a b LEFT|BLMPOP 0 2 a b LEFT|BZMPOP 0 1 a MIN|SINTERCARD 2 a b|SINTERCARD 3 a b|COPY a b|OBJECT ENCODING k|XINFO STREAM s|XGROUP CREATE s g 0|MEMORY USAGE k|MEMORY PURGE|PFCOUNT a b|PFMERGE a b|BITOP AND d a b|BITFIELD k GET u8 0|BITFIELD k OVERFLOW FAIL|BITFIELD k SET u8 0 1|GET|GET a b|PING|BLPOP a b 0|LCS a b|RESTORE k 0 x|DEBUG OBJECT k|SPUBLISH c m|SSUBSCRIBE c|SUBSCRIBE c|WATCH a b|RENAME a b|GETEX k EX 1|SMOVE a b c|LMOVE a b LEFT LEFT|RPOPLPUSH a b|ZRANGESTORE d s 0 1|GEOSEARCHSTORE d s FROMMEMBER m|PFDEBUG GETREG k|XAUTOCLAIM s g c 0 0|SWAPDB 0 1|nosuch k|config get x|object nosuch k`, "|") {
		for _, how := range []string{"GETKEYS", "GETKEYSANDFLAGS"} {
			ask := append([]string{"COMMAND", how}, strings.Fields(line)...)
			assert.Equal(t, theirs.do(ask...), ours.do(ask...), "%q", ask)
		}
	}
}
