package engine_test

import (
	"fmt"
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
// A line that begins with ~ has a reply whose order is the server's own.
type draws string

// drawn is one command.
type drawn struct {
	argv      []string
	unordered bool
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
	rest, unordered := strings.CutPrefix(pattern, "~")
	p := pattern1{t: t, text: strings.TrimSpace(rest)}
	argv := p.sequence(true)
	if p.text != "" {
		panic("pattern " + pattern + ": unexpected " + p.text)
	}
	return drawn{argv, unordered}
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
				n = rapid.SampledFrom([]int{1, 1, 2, 3, 4}).Draw(p.t, "times")
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
	chosen := rapid.IntRange(0, n).Draw(p.t, "alternative")
	p.text = begin
	for range chosen {
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
	"value":    someValues,
	"int":      someInts,
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
	"millis":   someMillis,
	"seconds":  someSeconds,
}

// keyTypes are the types that keys of a test are meant for.
var keyTypes = []string{"string", "list", "set", "hash", "zset", "stream"}

func drawWord(t *rapid.T, class string) string {
	if slices.Contains(keyTypes, class) || class == "key" {
		kind := class
		if class == "key" || rapid.IntRange(0, 9).Draw(t, "other") == 0 {
			kind = rapid.SampledFrom(keyTypes).Draw(t, "kind")
		}
		return fmt.Sprint(kind, rapid.IntRange(0, 2).Draw(t, "key"))
	}
	if class == "counted" {
		return fmt.Sprint("element ", rapid.IntRange(0, 5000).Draw(t, "element"))
	}
	words, ok := wordClasses[class]
	if !ok {
		panic("no class " + class)
	}
	return rapid.SampledFrom(words).Draw(t, class)
}

// inOrder sorts the elements of a reply whose order does not count, top level
// only; pairs stay together when the reply is a flat list of them.
func inOrder(reply string, width int) string {
	if reply == "" || !strings.ContainsRune("*~%", rune(reply[0])) {
		return reply
	}
	head, rest, _ := strings.Cut(reply, "\r\n")
	var elems []string
	for rest != "" {
		var e string
		for range width {
			n := replyLen(rest)
			e += rest[:n]
			rest = rest[n:]
		}
		elems = append(elems, e)
	}
	slices.Sort(elems)
	return head + "\r\n" + strings.Join(elems, "")
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
