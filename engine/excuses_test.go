package engine_test

import (
	"strconv"
	"strings"
	"time"
)

// excuse is a difference between two replies to one command that is none of
// behaviour: one part of the reply, and why it may differ.
type excuse struct {
	command string // in package spec
	why     string
	allows  func(p *pair, argv []string, theirs, ours string, took time.Duration) bool
}

var excuses = []excuse{
	{"ttl", "the seconds that are left, when one of the two is asked later", timeLeft(time.Second)},
	{"pttl", "the milliseconds that are left, when one of the two is asked later", timeLeft(time.Millisecond)},
	{"srandmember", "which member is drawn", drawnOne("SISMEMBER", ":1\r\n")},
	{"hrandfield", "which field is drawn", drawnOne("HEXISTS", ":1\r\n")},
	{"zrandmember", "which member is drawn", drawnOne("ZRANK", ":")},
	{"dump", "the order of a hash table's elements, and how far LZF shortens a string", func(p *pair, _ []string, theirs, ours string, _ time.Duration) bool {
		return p.restored([]string{theirs}, []string{ours}) == ""
	}},
	{"xpending", "the milliseconds since an entry was delivered", someTimes},
	{"xinfo|consumers", "the milliseconds since a consumer was seen", someTimes},
	{"xinfo|stream", "when consumers were seen and entries delivered", someTimes},
	{"object|idletime", "the seconds since a value was used, when one of the two was asked later, or was started later", func(p *pair, argv []string, theirs, ours string, _ time.Duration) bool {
		return timeLeft(time.Second)(p, argv, theirs, ours, time.Since(p.begun)+p.both.starting)
	}},
}

// excused reports whether two different replies may differ, and counts them.
func (p *pair) excused(a asked, theirs string, took time.Duration) bool {
	name, ours := commandName(a.argv), a.reply
	for _, e := range excuses {
		if e.command == name && !strings.HasPrefix(theirs, "-") && !strings.HasPrefix(ours, "-") && e.allows(p, a.argv, theirs, ours, took) {
			if p.seen != nil && !a.quiet {
				p.seen.Excused[name]++
			}
			return true
		}
	}
	return false
}

// timeLeft allows numbers that differ by no more units than the two commands took.
func timeLeft(unit time.Duration) func(*pair, []string, string, string, time.Duration) bool {
	return func(_ *pair, _ []string, theirs, ours string, took time.Duration) bool {
		a, errA := strconv.ParseInt(strings.Trim(theirs, ":\r\n"), 10, 64)
		b, errB := strconv.ParseInt(strings.Trim(ours, ":\r\n"), 10, 64)
		return errA == nil && errB == nil && a >= 0 && b >= 0 && max(a-b, b-a) <= int64(took/unit)+1
	}
}

// someTimes allows times in a reply that differ by no more milliseconds than the case
// has taken: moments, and of XPENDING and XINFO CONSUMERS how long ago they were.
func someTimes(p *pair, argv []string, theirs, ours string, _ time.Duration) bool {
	a, b := strings.Split(theirs, "\r\n"), strings.Split(ours, "\r\n")
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && !(isTime(argv[0], a, i) && strings.HasPrefix(b[i], ":") && timeLeft(time.Millisecond)(p, nil, a[i], b[i], time.Since(p.begun))) {
			return false
		}
	}
	return true
}

// isTime reports whether a line of a reply is a moment, or stands where XPENDING (behind
// a consumer's name) or XINFO CONSUMERS (behind "idle") tells how long ago one was.
func isTime(command string, lines []string, i int) bool {
	if !strings.HasPrefix(lines[i], ":") {
		return false
	}
	behind := lines[i-1]
	n, err := strconv.ParseInt(lines[i][1:], 10, 64)
	return err == nil && n > 1e12 || behind == "idle" || strings.EqualFold(command, "XPENDING") && !strings.HasPrefix(behind, ":") && !strings.HasPrefix(behind, "*")
}

// drawnOne allows any one element that both have, as a command says.
func drawnOne(command, there string) func(*pair, []string, string, string, time.Duration) bool {
	return func(p *pair, argv []string, theirs, ours string, _ time.Duration) bool {
		return len(argv) == 2 && theirs[0] == '$' && ours[0] == '$' &&
			strings.HasPrefix(p.ours.do(command, argv[1], payload(theirs)), there) &&
			strings.HasPrefix(p.theirs.do(command, argv[1], payload(ours)), there)
	}
}
