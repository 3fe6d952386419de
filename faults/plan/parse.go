package plan

import (
	"math"
	"strconv"
	"strings"

	"github.com/torntail/torntail/faults/disk"
)

// Parse reads a plan. Its error is an *Error: line and column, what was
// expected there, and the right word that the wrong one resembles.
func Parse(text string) (*Plan, error) {
	p := new(Plan)
	headed := false
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		c := newCursor(i+1, line)
		if c.end() {
			continue
		}
		if !headed {
			if err := c.header(); err != nil {
				return nil, err
			}
			headed = true
			continue
		}
		s, err := c.statement()
		if err != nil {
			return nil, err
		}
		p.Statements = append(p.Statements, s)
	}
	if !headed {
		return nil, &Error{Line: 1, Col: 1, Expected: `"plan 1" as the first line`}
	}
	return p, nil
}

// ParseStatement reads a single statement, without the plan's first line.
func ParseStatement(text string) (Statement, error) {
	s, err := newCursor(1, text).statement()
	if err != nil {
		return Statement{}, err
	}
	return s, nil
}

func (c *cursor) header() *Error {
	const want = `"plan 1" as the first line`
	w, pos := c.word()
	if w != "plan" {
		return c.expected(pos, want, "plan")
	}
	v, pos := c.word()
	if v != strconv.Itoa(Version) || !c.end() {
		return c.expected(pos, "version 1, the only one this torntail knows, alone on its line")
	}
	return nil
}

func (c *cursor) statement() (s Statement, err *Error) {
	w, pos := c.word()
	if w != "at" {
		return s, c.misspelt(pos, w, `"at"`, []string{"at"})
	}
	if s.At, err = c.instant(); err != nil {
		return s, err
	}
	if err = c.sign(":"); err != nil {
		return s, err
	}
	w, pos = c.word()
	v := lookupVerb(w)
	if v == nil {
		return s, c.misspelt(pos, w, "a fault: "+strings.Join(verbNames(), ", "), verbNames())
	}
	if s.Action, err = v.parse(c); err != nil {
		return s, err
	}
	_, own := s.Action.(CallFault)
	if _, shared := s.Action.(sharedLinkFault); shared {
		own = true
	}
	if own && c.accept("with") {
		if s.Percent, err = c.percent(); err != nil {
			return s, err
		}
	}
	if c.end() {
		return s, nil
	}
	w, pos = c.word()
	switch {
	case v.spans == noSpan:
		return s, c.expected(pos, "the end of the line: "+v.Name+" takes nothing more")
	case w != "for" && own && s.Percent == 0:
		return s, c.misspelt(pos, w, `"with", "for" or the end of the line`, append(v.tail(), "with", "for"))
	case w != "for":
		return s, c.misspelt(pos, w, `"for" or the end of the line`, append(v.tail(), "for"))
	}
	if s.Span, err = c.span(v.spans); err != nil {
		return s, err
	}
	if !c.end() {
		return s, c.expected(c.pos, "the end of the line")
	}
	return s, nil
}

// percent reads a share of calls, or of bytes.
func (c *cursor) percent() (float64, *Error) {
	w, pos := c.word()
	digits, ok := strings.CutSuffix(w, "%")
	p, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || !(p > 0 && p <= 100) || strings.ContainsAny(digits, "xXpP_eE+") {
		return 0, c.expected(pos, "a share, above 0% and up to 100%")
	}
	return p, nil
}

// instant reads what stands between "at" and the colon, or after "until".
func (c *cursor) instant() (t Instant, err *Error) {
	const want = "an instant: 1.5s, +200ms, ack#100, request#100, or a call such as n1 fsync(*.aof)#1"
	c.skip()
	pos := c.pos
	if pos == len(c.text) {
		return t, c.expected(pos, want)
	}
	switch b := c.text[pos]; {
	case b == '+':
		c.pos++
		t.Kind = AtAfter
		t.Time, err = c.duration()
		return t, err
	case b >= '0' && b <= '9' || b == '.':
		t.Time, err = c.duration()
		return t, err
	}
	w, _ := c.word()
	if c.pos < len(c.text) && c.text[c.pos] == '#' && w == "ack" {
		t.Kind = AtAck
		t.N, err = c.number("the number of an acknowledgement, such as ack#100")
		return t, err
	}
	if c.pos < len(c.text) && c.text[c.pos] == '#' && w == "request" {
		t.Kind = AtRequest
		t.N, err = c.number("the number of a request, such as request#100")
		return t, err
	}
	if isOp(w) && c.pos < len(c.text) && c.text[c.pos] == '(' {
		return t, c.expected(pos, "a node before the call, such as n1 "+w)
	}
	if !isNode(w) {
		return t, c.expected(pos, want)
	}
	t.Kind, t.Node = AtCall, w
	if t.Call, err = c.call(); err != nil {
		return t, err
	}
	if t.N, err = c.number("#N, which one of the matching calls, from 1"); err != nil {
		return t, err
	}
	if c.accept("after") {
		if t.Time, err = c.duration(); err != nil {
			return t, err
		}
	}
	return t, c.place(&t)
}

// place reads enter, in-flight [fraction], return, or nothing.
func (c *cursor) place(t *Instant) *Error {
	if c.end() || c.text[c.pos] == ':' {
		return nil
	}
	w, pos := c.word()
	switch w {
	case "enter":
	case "return":
		t.Place = disk.PlaceReturn
	case "in-flight":
		t.Place, t.Fraction = disk.PlaceInFlight, defaultFraction
		if c.end() || c.text[c.pos] == ':' {
			return nil
		}
		w, pos = c.word()
		f, ferr := strconv.ParseFloat(w, 64)
		if ferr != nil || !(f >= 0 && f <= 1) {
			return c.expected(pos, "a fraction of the call from 0 to 1, or the end of the instant")
		}
		t.Fraction = math.Abs(f) // -0 would print as another text
	default:
		return c.misspelt(pos, w, "enter, in-flight, return or the end of the instant", []string{"after", "enter", "in-flight", "return"})
	}
	return nil
}

// call reads OP(GLOB).
func (c *cursor) call() (p CallPattern, err *Error) {
	w, pos := c.word()
	if !isOp(w) {
		return p, c.misspelt(pos, w, "a disk call: "+strings.Join(Ops, ", "), Ops)
	}
	p.Op = w
	if err = c.sign("("); err != nil {
		return p, err
	}
	if p.Glob, err = c.glob(true); err != nil {
		return p, err
	}
	return p, c.sign(")")
}

func (c *cursor) span(allowed spanSet) (s Span, err *Error) {
	if c.end() {
		return s, c.expected(c.pos, allowed.String())
	}
	pos := c.pos
	if c.accept("until") {
		s.Kind = SpanUntil
		s.Until, err = c.instant()
		return s, err
	}
	w, _ := c.word()
	if n, perr := strconv.ParseInt(w, 10, 32); perr == nil {
		if next := c.peek(); next == "call" || next == "calls" {
			c.word()
			if n < 1 || allowed&callSpan == 0 {
				return s, c.expected(pos, allowed.String())
			}
			return Span{Kind: SpanCalls, Calls: int(n)}, nil
		}
	}
	c.pos = pos
	s.Kind = SpanTime
	if s.For, err = c.duration(); err != nil {
		return s, c.expected(pos, allowed.String(), "until")
	}
	return s, nil
}
