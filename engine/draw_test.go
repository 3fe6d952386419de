package engine_test

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// draws are commands to be drawn for the comparison with redis-server, one a
// line. Each type's test file has its own. In a line
//
//	{class}   is a word of that class, see drawWord
//	(a|b c)   is one of the alternatives, which may be nested and empty
//	[a b]     is there or not
//	<a b>     is there one to four times
//
// A line that begins with ~ has a reply whose order is the server's own where a
// hash table is read, one with ? a reply that is drawn by chance, or counts what a
// transaction holds (references to values that it has set), which is not asked for in
// transactions. After one with ^ the key's deadline, which the two
// servers count from their own clocks, is taken away again.
type draws string

// drawn is one command.
type drawn struct {
	argv      []string
	unordered bool
	alone     bool // not together with others, nor in a transaction
	expired   int  // nor where more keys have expired; -1: any number
	relative  bool
	ordered   bool // nor where the key's elements are in the order of a hash table
	quiet     bool // the test's own, neither counted nor told of
}

// lines are the commands' patterns.
func (d draws) lines() (out []string) {
	for line := range strings.Lines(string(d)) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// draw makes a command of a pattern.
func draw(t *rapid.T, pattern string) drawn {
	p := pattern1{t: t, text: strings.TrimLeft(pattern, "~?^")}
	argv := p.sequence(true)
	if p.text != "" {
		panic("pattern " + pattern + ": unexpected " + p.text)
	}
	d := drawn{argv: argv, unordered: pattern[0] == '~', alone: pattern[0] == '?', expired: -1, relative: pattern[0] == '^'}
	switch {
	case argv[0] == "SCAN": // it deletes them in the order of a hash table
		d.alone, d.expired = true, 1
	case strings.HasPrefix(argv[0], "SORT") && slices.Contains(argv, "BY") && !d.unordered:
		d.alone, d.ordered = true, true
	}
	return d
}

// pattern1 reads one pattern from front to back.
type pattern1 struct {
	t    *rapid.T
	text string
}

// sequence reads up to the end of a group. What is not taken is read without drawing.
func (p *pattern1) sequence(take bool) (words []string) {
	for {
		p.text = strings.TrimLeft(p.text, " ")
		if p.text == "" {
			return words
		}
		switch p.text[0] {
		case '|', ')', ']', '>':
			return words
		case '(':
			words = append(words, p.choice(take)...)
		case '[':
			there := take && rapid.Bool().Draw(p.t, "there")
			p.text = p.text[1:]
			words = append(words, p.sequence(there)...)
			p.text = p.text[1:]
		case '<':
			n := 1
			if take {
				n = evenly(p.t, []int{1, 1, 2, 3, 4})
			}
			begin := p.text[1:]
			for range n {
				p.text = begin
				words = append(words, p.sequence(take)...)
			}
			p.text = p.text[1:]
		default:
			end := strings.IndexAny(p.text, " |)]>")
			if end < 0 {
				end = len(p.text)
			}
			word := p.text[:end]
			p.text = p.text[end:]
			if !take {
				continue
			}
			if strings.HasPrefix(word, "{") {
				word = drawWord(p.t, strings.Trim(word, "{}"))
			}
			words = append(words, word)
		}
	}
}

func (p *pattern1) choice(take bool) []string {
	begin := p.text[1:]
	n := 0
	for p.text = begin; ; n++ {
		p.sequence(false)
		if p.text[0] == ')' {
			break
		}
		p.text = p.text[1:]
	}
	end := p.text[1:]
	if !take {
		p.text = end
		return nil
	}
	p.text = begin
	for range below(p.t, n+1) {
		p.sequence(false)
		p.text = p.text[1:]
	}
	words := p.sequence(true)
	p.text = end
	return words
}

// wordClasses are the words a class is drawn from. "k:x" are the keys of type x:
// most draws are of its own keys, some of any.
var wordClasses = map[string][]string{
	"value":    {"", "a", "hello", "0", "1", "-1", "007", "9223372036854775807", "-9223372036854775808", "9223372036854775808", " 1", "1.5", "x\r\ny\x00z", strings.Repeat("v", 100)},
	"when":     {"NX", "XX", "GT", "LT", "gt", "bogus"},
	"channel":  {"news", "__key", ""},
	"payload":  somePayloads,
	"index":    {"0", "1", "2", "5", "-1", "-2", "-100", "100"},
	"count":    {"0", "1", "2", "5", "100", "-1"},
	"by":       {"1", "-1", "10", "100", "0", "9223372036854775807", "-9223372036854775808", "x", "1.5"},
	"float":    {"0", "1.5", "-0.1", "0.1", "3.0e3", "5e-20", "1e308", "123456789.123456789", "x", "inf", "nan", "", " 1", "1e5000", "0x10", "-7.000"},
	"bit":      {"0", "1", "7", "8", "15", "100", "#1", "-1", "x", "4294967296000"},
	"width":    {"u1", "i1", "u4", "i5", "u8", "i8", "u63", "i64", "u64", "i65", "x"},
	"long":     {"13.361389", "15.087269", "-122.4", "179.9", "-180", "0", "181", "x", "-0.1278"},
	"lat":      {"38.115556", "37.502669", "37.77", "-85.05112878", "85.05", "0", "86", "51.5074"},
	"meters":   {"0", "1", "200", "5000", "200000", "20000000", "-1", "x", "1000.5"},
	"hll":      {"hll0", "hll1", "hll2", "hll0", "hll1", "string0"},
	"hget":     {"hash0->*", "h_*->f", "h_*->", "h_*->g"},
	"lex":      {"-", "+", "[a", "(a", "[c", "(d", "[1", "x", ""},
	"bound":    {"-inf", "+inf", "0", "1", "(1", "2", "(3", "1e10", "x", "", "(", " 1", "(inf", "1.5", "-1"},
	"score":    {"0", "1", "-1", "1.5", "2", "3", "3.3333333333333335", "1e10", "-inf", "inf", "1e-5"},
	"member":   {"a", "b", "c", "d", "1", "2", "-3", "10", "70000", "5000000000", "", "member", strings.Repeat("m", 70)},
	"field":    {"f", "g", "h", "1", "2", "", "field", strings.Repeat("f", 70)},
	"newid":    {"9-*", "8-*", "7-*", "3-*", "2-*", "1-*", "1-1", "2-5", "3-1", "4-0", "6", "5-18446744073709551615", "0-*", "0-0", "x", "-", "+1-1", "1--1", " 3", "18446744073709551615-18446744073709551615"},
	"id":       {"9-0", "9-1", "9-2", "8-0", "8-1", "7-0", "7-1", "3-0", "2-0", "1-0", "1-1", "2-5", "2-6", "3-1", "4-0", "6-0", "6", "0-1", "5-18446744073709551615", "0-0", "x", "+", "-"},
	"from":     {"-", "0", "(1-1", "2", "(2-5", "3-1", "7", "(18446744073709551615-18446744073709551615", "(", "(-", "x"},
	"to":       {"+", "9", "(9-0", "5", "(3-1", "2-5", "(0-0", "-", "(+", "x"},
	"after":    {"0", "$", "1-1", "2", "2-5", "3-1", "7-0", ">", "x", "18446744073709551615-18446744073709551615", "+"},
	"new":      {">"},
	"group":    {"g", "g", "h", "g", "", "other"},
	"grouped":  groupedStreams,
	"consumer": {"alice", "bob", "alice", "bob", "carol", ""},
	"idle":     {"0", "100000000", "-1", "x", "9223372036854775807"},
	"pattern":  {"*", "a*", "?", "[ab]", "f*", "nothing", "1*"},
	// Absolute times only, long past or far ahead: both servers must agree on what
	// has expired, and on what they write to the append-only file.
	"millis":  {"1", "1000", "4102444800000", "4102444800000", "9999999999999", "9999999999999", "0", "-5", "x", "9223372036854775807"},
	"seconds": {"1", "4102444800", "4102444800", "9999999999", "9999999999", "0", "-5", "x", "9223372036854775807", "9223372036854775"},
}

// keyTypes are the types that keys of a test are meant for.
var keyTypes = []string{"string", "list", "set", "hash", "zset", "stream"}

// keysOfType is how many keys each type has. The last is seldom there.
const keysOfType = 4

func drawWord(t *rapid.T, class string) string {
	if slices.Contains(keyTypes, class) || class == "key" {
		kind := class
		if class == "key" || below(t, 6) == 5 {
			kind = evenly(t, keyTypes)
		}
		return fmt.Sprint(kind, below(t, keysOfType))
	}
	if class == "same" {
		// What a range by name finds among members of different scores is undefined:
		// a skip list's levels, which are drawn, decide it. Keys that are meant for other
		// types may have such members, too; other types are put into these.
		return fmt.Sprint("same", below(t, keysOfType))
	}
	if class == "counted" {
		return fmt.Sprint("element ", rapid.IntRange(0, 5000).Draw(t, "element"))
	}
	words, ok := wordClasses[class]
	if !ok {
		panic("no class " + class)
	}
	return evenly(t, words)
}

// evenly draws one of several, each as often as any other: rapid prefers the
// first.
func evenly[E any](t *rapid.T, from []E) E { return from[below(t, len(from))] }

// below draws a number from 0 to n-1, each as often as any other.
func below(t *rapid.T, n int) int {
	x := 0
	for range bits.Len(uint(n)) + 3 {
		x *= 2
		if rapid.Bool().Draw(t, "bit") {
			x++
		}
	}
	return x % n
}

// GoString is a command as a failed test shows it.
func (d drawn) GoString() string { return fmt.Sprintf("%q", d.argv) }

// inOrder sorts the elements of a reply whose order does not count: those of an
// array, in pairs where a flat list of pairs is what the command answers, and
// those behind the cursor of a scan.
func inOrder(reply, command string) string {
	if reply == "" || !strings.ContainsRune("*~%", rune(reply[0])) {
		return reply
	}
	width := 1
	switch {
	case strings.HasSuffix(command, "scan"):
		parts := elements(reply)
		if len(parts) != 2 {
			return reply
		}
		if command != "scan" && command != "sscan" {
			command = "hgetall"
		} else {
			command = "smembers"
		}
		return parts[0] + inOrder(parts[1], command)
	case command == "hgetall" || reply[0] == '%':
		width = 2
	}
	head, _, _ := strings.Cut(reply, "\r\n")
	var groups []string
	for group := range slices.Chunk(elements(reply), width) {
		groups = append(groups, strings.Join(group, ""))
	}
	slices.Sort(groups)
	return head + "\r\n" + strings.Join(groups, "")
}

// replyLen is the length of the first reply of a text.
func replyLen(text string) int {
	line := strings.Index(text, "\r\n") + 2
	n := 0
	fmt.Sscanf(text[1:line-2], "%d", &n)
	switch text[0] {
	case '$', '=':
		if n < 0 {
			return line
		}
		return line + n + 2
	case '*', '~', '>':
	case '%':
		n *= 2
	default:
		return line
	}
	at := line
	for range max(n, 0) {
		at += replyLen(text[at:])
	}
	return at
}

// somePayloads are what redis-server 7.0.15 dumps of small values of all types,
// and some that are damaged.
var somePayloads = []string{
	"\x00\x05hello\n\x00cr\xdfve4 \n",
	"\x00\xc190\n\x00\x9d\x94\xea'\x93\xfc\b\xb9",
	"\x12\x01\x02\x11\x11\x00\x00\x00\x03\x00\x81a\x02\x01\x01\xf2p\x11\x01\x04\xff\n\x00\xaf\xf6\xbeX)\x88L\x87",
	"\x0b\x0e\x02\x00\x00\x00\x03\x00\x00\x00\x01\x00\x02\x00\x03\x00\n\x00\xa5\x02\\\xe2mnM\x1b",
	"\x02\x01\x01x\n\x00\xff\xe8\x80\xbav\x0c/\t",
	"\x10\x12\x12\x00\x00\x00\x04\x00\x81f\x02\x81v\x02\x81g\x02\x02\x01\xff\n\x00\x01\xa6NO\xc1\xd4\xe5C",
	"\x11\x14\x14\x00\x00\x00\x04\x00\x81a\x02\x01\x01\x81b\x02\x832.5\x04\xff\n\x00\xd4Ln\xa4\xf6D\xd9\xd7",
	"\x00\x05hallo\n\x00cr\xdfve4 \n",
	"\x00\x05hello\n\x00cr\xdfve4 ",
	"",
}
