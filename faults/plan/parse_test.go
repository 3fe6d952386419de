package plan

import (
	"errors"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/faults/disk"
)

// documented holds the forms of the reference, and the two plans it begins with; each
// word's own example is in TestVerbs.
const documented = `plan 1
at 1.2s: do n1 BGREWRITEAOF
at n1 fsync(*.incr.aof)#3 in-flight: power-cut n1 keep torn 512
at +200ms: restart n1
at 2s: cut n1 -> n2,n3,s1,s2,s3 both for 10s
at ack#5000: pause n2 for 3s
at n1 open(*.rdb)#1: kill n1
at n1 write(/data/*.aof)#1 return: kill n1 tree
at n1 fsync("a b)")#2 in-flight 0.25: term n1
at n1 rename(dump.rdb)#1: power-cut all
at n1 fsync(*.incr.aof)#1 after 1.25s in-flight 0.01: power-cut n1 keep none
at n1 write(*)#7 after 100ms return: kill n1
at n1 unlink(*)#1: power-cut n1 keep none
at n1 truncate(*)#1: power-cut n1 keep all
at n1 read(*)#1: power-cut n1 keep prefix 3
at n1 dirsync(appendonlydir)#1: power-cut n1 keep random 42
at 1m30s: power-cut n1 keep drop 3,5.1
at 0s: power-cut n1 keep 3,5
at 1s: clock n1 +30s
at 1s: clock n1 -1.5s
at 1s: fail fsync(*.incr.aof) EIO for 2 calls
at 1s: fail n1 write(*) ENOSPC for 1s
at 1s: short write(*.incr.aof) 7
at 1s: slow n1 fsync(*) 3s for 10s
at 1s: stall fsync(*) for until +2s
at 1s: full n1 64KiB for until n1 rename(*)#2 return
at 1s: corrupt *.aof bit 12345
at 1s: corrupt n1 *.aof page 4096
at 1s: corrupt n1 bit 5
at 1s: corrupt "bit" bit 5
at 1s: corrupt bit bit,x bit 5
at 1s: truncate dump.rdb by 7
at 1s: truncate n1 *.incr.aof by 1KiB
at 1s: readonly n1 for until ack#9
at 1s: cut n1 -> n2 reset
at 1s: cut n1,n2 -> c1 drop both
at 1s: delay n1 -> n2 50ms for 5s
at 1s: slow-link n1 -> n2,n3 64KiB/s
at 1s: lose-new n1 -> n2 for 5s
at 1s: lose-new n1 -> n2 first 3 for 5s
at 1s: delay n1 -> n2 50ms with 2.5% for 5s
at 2s: flap n1 -> n2,n3 500ms both for 10s
at 2s: flap n1 -> n2 1s drop
at 1s: heal
at 1s: do n1 SET "a \"b\"\\ \x00\xff\n" for "#x" (
`

func TestDocumentedFormsPrintAsTheyAreWritten(t *testing.T) {
	p, err := Parse(documented)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(documented, p.String()); diff != "" {
		t.Errorf("-written +printed:\n%s", diff)
	}
}

func TestParseTree(t *testing.T) {
	for _, c := range []struct {
		text string
		want Statement
	}{
		{"at 1.2s: do n1 BGREWRITEAOF", Statement{
			At: Instant{Time: 1200 * time.Millisecond}, Action: &Do{"n1", []string{"BGREWRITEAOF"}}}},
		{"at n1 fsync(*.incr.aof)#3 in-flight: power-cut n1 keep torn 512", Statement{
			At:     Instant{Kind: AtCall, N: 3, Node: "n1", Call: CallPattern{"fsync", "*.incr.aof"}, Place: disk.PlaceInFlight, Fraction: 0.5},
			Action: &PowerCut{Node: "n1", Keep: disk.Choice{Mode: disk.KeepTorn, K: 512}, HasKeep: true}}},
		{"at 2s: cut n1 -> n2,s1 hold both for 10s", Statement{
			At: Instant{Time: 2 * time.Second}, Action: &Cut{Links: Links{[]string{"n1"}, []string{"n2", "s1"}}, Both: true},
			Span: Span{Kind: SpanTime, For: 10 * time.Second}}},
		{"at ack#7: fail n1 fsync(*) EIO for until n1 rename(*)#2 return", Statement{
			At: Instant{Kind: AtAck, N: 7}, Action: &Fail{Target{"n1", CallPattern{"fsync", "*"}}, syscall.EIO},
			Span: Span{Kind: SpanUntil, Until: Instant{Kind: AtCall, N: 2, Node: "n1", Call: CallPattern{"rename", "*"}, Place: disk.PlaceReturn}}}},
		{"at +5ms: corrupt n1 bit 5", Statement{ // one word before "bit" is the pattern
			At: Instant{Kind: AtAfter, Time: 5 * time.Millisecond}, Action: &CorruptAtRest{Glob: "n1", Offset: 5}}},
		{"at +5ms: corrupt n1 n1 page 5", Statement{
			At: Instant{Kind: AtAfter, Time: 5 * time.Millisecond}, Action: &CorruptAtRest{Node: "n1", Glob: "n1", Page: true, Offset: 5}}},
		{`at 0s: do n1 SET "x y" "" z # a comment`, Statement{
			Action: &Do{"n1", []string{"SET", "x y", "", "z"}}}},
		{"  at  0s :kill  n1\ttree  ", Statement{Action: &Kill{"n1", true}}},
		{"at 0s: cut n1->n2 , n3", Statement{Action: &Cut{Links: Links{[]string{"n1"}, []string{"n2", "n3"}}}}},
		{"at 0s: fail fsync(*) EIO for 1 call", Statement{
			Action: &Fail{Target{"", CallPattern{"fsync", "*"}}, syscall.EIO}, Span: Span{Kind: SpanCalls, Calls: 1}}},
		{"at 0s: fail fsync(*) EIO with 2.5% for 1 calls", Statement{
			Action: &Fail{Target{"", CallPattern{"fsync", "*"}}, syscall.EIO}, Percent: 2.5, Span: Span{Kind: SpanCalls, Calls: 1}}},
		{"at 0s: power-cut n1 keep keep 3", Statement{
			Action: &PowerCut{Node: "n1", HasKeep: true, Keep: disk.Choice{Mode: disk.KeepOnly, IDs: []disk.PartID{{Call: 3, Part: -1}}}}}},
	} {
		got, err := ParseStatement(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.text, diff)
		}
	}
}

// TestParseErrors is also the list of messages a user may see.
func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", `plan line 1:1: expected "plan 1" as the first line, found the end of the line`},
		{"# nothing\n", `plan line 1:1: expected "plan 1" as the first line, found the end of the line`},
		{"at 1s: kill n1", `plan line 1:1: expected "plan 1" as the first line, found "at"`},
		{"plna 1", `plan line 1:1: expected "plan 1" as the first line, found "plna"; did you mean "plan"?`},
		{"plan 2", `plan line 1:6: expected version 1, the only one this torntail knows, alone on its line, found "2"`},
		{"on 1s: kill n1", `plan line 2:1: expected "at", found "on"`},
		{"at", `plan line 2:3: expected an instant: 1.5s, +200ms, ack#100, request#100, or a call such as n1 fsync(*.aof)#1, found the end of the line`},
		{"at : kill n1", `plan line 2:4: expected an instant: 1.5s, +200ms, ack#100, request#100, or a call such as n1 fsync(*.aof)#1, found ":"`},
		{"at 5: kill n1", `plan line 2:4: expected a duration, such as 200ms or 1.5s, found "5:"`},
		{"at +-1s: kill n1", `plan line 2:5: expected a duration, such as 200ms or 1.5s, found "-1s:"`},
		{"at ack#0: kill n1", `plan line 2:8: expected the number of an acknowledgement, such as ack#100, found "0:"`},
		{"at fsync(*)#1: kill n1", `plan line 2:4: expected a node before the call, such as n1 fsync, found "fsync(*)#1:"`},
		{"at n1: kill n1", `plan line 2:6: expected a disk call: open, write, fsync, rename, unlink, truncate, read, dirsync, allocate, link, symlink, mkdir, rmdir, syncrange, syncfs, found ":"`},
		{"at n1 fsnyc(*)#1: kill n1", `plan line 2:7: expected a disk call: open, write, fsync, rename, unlink, truncate, read, dirsync, allocate, link, symlink, mkdir, rmdir, syncrange, syncfs, found "fsnyc"; did you mean "fsync"?`},
		{"at n1 fsync: kill n1", `plan line 2:12: expected "(", found ":"`},
		{"at n1 fsync()#1: kill n1", `plan line 2:13: expected a file pattern, such as *.incr.aof, found ")#1:"`},
		{"at n1 fsync([a)#1: kill n1", `plan line 2:13: expected a file pattern, such as *.incr.aof, found "[a)#1:"`},
		{`at n1 fsync("a)#1: kill n1`, `plan line 2:13: expected a closing quote, found "\"a)#1:"`},
		{"at n1 fsync(*): kill n1", `plan line 2:15: expected #N, which one of the matching calls, from 1, found ":"`},
		{"at n1 fsync(*)#1 in-fligt: kill n1", `plan line 2:18: expected enter, in-flight, return or the end of the instant, found "in-fligt"; did you mean "in-flight"?`},
		{"at n1 fsync(*)#1 after: kill n1", `plan line 2:23: expected a duration, such as 200ms or 1.5s, found ":"`},
		{"at n1 fsync(*)#1 in-flight after 1s: kill n1", `plan line 2:28: expected a fraction of the call from 0 to 1, or the end of the instant, found "after"`},
		{"at n1 fsync(*)#1 in-flight 2: kill n1", `plan line 2:28: expected a fraction of the call from 0 to 1, or the end of the instant, found "2:"`},
		{"at 1s kill n1", `plan line 2:7: expected ":", found "kill"`},
		{"at 1s: powercut n1", `plan line 2:8: expected a fault: ` + strings.Join(verbNames(), ", ") + `, found "powercut"; did you mean "power-cut"?`},
		{"at 1s: kill", `plan line 2:12: expected a node, such as n1, found the end of the line`},
		{"at 1s: kill 7", `plan line 2:13: expected a node, such as n1, found "7"`},
		{"at 1s: kill n1 tre", `plan line 2:16: expected the end of the line: kill takes nothing more, found "tre"`},
		{"at 1s: kill n1 for 3s", `plan line 2:16: expected the end of the line: kill takes nothing more, found "for"`},
		{"at 1s: power-cut n1 keep", `plan line 2:25: expected what survives: none, all, prefix K, torn BYTES, drop IDS, keep IDS or random SEED, found the end of the line`},
		{"at 1s: power-cut n1 keep trn 5", `plan line 2:26: expected what survives: none, all, prefix K, torn BYTES, drop IDS, keep IDS or random SEED, found "trn"; did you mean "torn"?`},
		{"at 1s: power-cut n1 keep torn x", `plan line 2:26: expected what survives: none, all, prefix K, torn BYTES, drop IDS, keep IDS or random SEED, found "torn"`},
		{"at 1s: power-cut n1 keep none 5", `plan line 2:26: expected what survives: none, all, prefix K, torn BYTES, drop IDS, keep IDS or random SEED, found "none"`},
		{"at 1s: clock n1 30s", `plan line 2:17: expected how far to move the clock, such as +30s or -5s, found "30s"`},
		{"at 1s: fail fsync(*)", `plan line 2:21: expected an error: EACCES, EAGAIN, EBUSY, EDQUOT, EEXIST, EFBIG, EINTR, EINVAL, EIO, EMFILE, ENFILE, ENODEV, ENOENT, ENOMEM, ENOSPC, ENXIO, EPERM, EROFS, ESTALE, ETIMEDOUT, found the end of the line`},
		{"at 1s: fail fsync(*) ENOSPACE", `plan line 2:22: expected an error: EACCES, EAGAIN, EBUSY, EDQUOT, EEXIST, EFBIG, EINTR, EINVAL, EIO, EMFILE, ENFILE, ENODEV, ENOENT, ENOMEM, ENOSPC, ENXIO, EPERM, EROFS, ESTALE, ETIMEDOUT, found "ENOSPACE"; did you mean "ENOSPC"?`},
		{"at 1s: fail fsinc(*) EIO", `plan line 2:13: expected a disk call: open, write, fsync, rename, unlink, truncate, read, dirsync, allocate, link, symlink, mkdir, rmdir, syncrange, syncfs, found "fsinc"; did you mean "fsync"?`},
		{"at 1s: fail fsync(*) EIO for 0 calls", `plan line 2:30: expected a duration, N calls, or until and an instant, found "0"`},
		{"at 1s: fail fsync(*) EIO for utnil ack#3", `plan line 2:30: expected a duration, N calls, or until and an instant, found "utnil"; did you mean "until"?`},
		{"at 1s: short fsync(*) 3", `plan line 2:14: expected write(GLOB): no other call can be short, found "fsync(*)"`},
		{"at 1s: short write(*) 0", `plan line 2:23: expected a number of bytes, such as 512 or 64KiB, found "0"`},
		{"at 1s: full n1 64KB", `plan line 2:16: expected a number of bytes, such as 512 or 64KiB, found "64KB"`},
		{"at 1s: corrupt *.aof byte 5", `plan line 2:22: expected bit or page, found "byte"`},
		{"at 1s: truncate *.aof 5", `plan line 2:23: expected "by", found "5"`},
		{"at 1s: pause n2 for 3 calls", `plan line 2:21: expected a duration, or until and an instant, found "3"`},
		{"at 1s: pause n2 fro 3s", `plan line 2:17: expected "for" or the end of the line, found "fro"; did you mean "for"?`},
		{"at 1s: cut n1 n2", `plan line 2:15: expected "->", found "n2"`},
		{"at 1s: cut n1 -> n2,", `plan line 2:21: expected a node, such as n1, found the end of the line`},
		{"at 1s: cut n1 -> n2 bth", `plan line 2:21: expected "for" or the end of the line, found "bth"; did you mean "both"?`},
		{"at 1s: slow-link n1 -> n2 5", `plan line 2:27: expected a number of bytes, such as 512 or 64KiB/s, found "5"`},
		{"at 1s: heal n1", `plan line 2:13: expected the end of the line: heal takes nothing more, found "n1"`},
		{"at 1s: do n1", `plan line 2:13: expected a command, such as BGSAVE, found the end of the line`},
		{`at 1s: do n1 SET "\q"`, `plan line 2:18: expected a string with the escapes \\ \" \n \r \t \xHH, found "\"\\q\""`},
		{`at 1s: do n1 SET a"b`, `plan line 2:18: expected quotes around an argument with a quote or a backslash in it, found "a\"b"`},
		{"at 1s: do n1 SET é ü\"", `plan line 2:20: expected quotes around an argument with a quote or a backslash in it, found "ü\""`},
	} {
		text := c.text
		if strings.HasPrefix(c.want, "plan line 2") {
			text = "plan 1\n" + text
		}
		_, err := Parse(text)
		if err == nil {
			t.Errorf("%q: no error", c.text)
			continue
		}
		if err.Error() != c.want {
			t.Errorf("%q:\ngot  %s\nwant %s", c.text, err, c.want)
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%q: %T is not an *Error", c.text, err)
		}
	}
}

func TestVerbs(t *testing.T) {
	for _, v := range Verbs() {
		s, err := ParseStatement(v.Example)
		if err != nil {
			t.Errorf("%s: its example: %v", v.Name, err)
			continue
		}
		again, err := ParseStatement(s.String())
		if s.Action.Verb() != v.Name || err != nil || !reflect.DeepEqual(s, again) {
			t.Errorf("%s: its example prints as %s, which reads as %s, %v", v.Name, &s, &again, err)
		}
		if !strings.HasPrefix(v.Form, v.Name) || v.Doc == "" {
			t.Errorf("%s: form %q, doc %q", v.Name, v.Form, v.Doc)
		}
		for _, on := range systems {
			if ok, why := v.Available(on); ok == (why != "") {
				t.Errorf("%s in %s: %v, %q", v.Name, on.Name(), ok, why)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	nodes := []string{"n1", "n2", "c1"}
	for _, c := range []struct {
		text string
		on   string
		want string
	}{
		{"at 1s: kill n1", "host", ""},
		{"at 1s: power-cut all", "server", ""},
		{"at 1s: power-cut n1", "host", `"at 1s: power-cut n1" cannot strike here: not on the host's own disk`},
		{"at n1 fsync(*)#1: kill n1", "host", `"at n1 fsync(*)#1: kill n1" cannot strike here: not on the host's own disk`},
		{"at 1s: pause n1 for until n1 fsync(*)#1", "host", `"at 1s: pause n1 for until n1 fsync(*)#1" cannot strike here: not on the host's own disk`},
		{"at 1s: clock n1 +1s", "server", `"at 1s: clock n1 +1s" cannot strike here: a real process reads the machine's own clock`},
		{"at 1s: fail fsync(*) EIO", "blocks", `"at 1s: fail fsync(*) EIO" cannot strike here: only blocks are seen`},
		{"at ack#3: kill n1", "mount", `"at ack#3: kill n1" cannot strike here: no client of torntail's counts acknowledged writes`},
		{"at 1s: stall fsync(*) for until ack#3", "mount", `"at 1s: stall fsync(*) for until ack#3" cannot strike here: no client of torntail's counts acknowledged writes`},
		{"at 1s: cut n1 -> n2", "server", `"at 1s: cut n1 -> n2" cannot strike here: connections between real processes do not pass through torntail in this backend; torntail splitbrain and torntail topology put proxies between them`},
		{"at 1s: kill n11", "all", `"at 1s: kill n11" names the node "n11"; there are n1, n2, c1; did you mean "n1"?`},
		{"at m7 fsync(*)#1: kill n1", "all", `"at m7 fsync(*)#1: kill n1" names the node "m7"; there are n1, n2, c1`},
		{"at 1s: cut n1 -> n2,x9", "all", `"at 1s: cut n1 -> n2,x9" names the node "x9"; there are n1, n2, c1`},
		{"at 1s: pause n1 for until x9 fsync(*)#1", "all", `"at 1s: pause n1 for until x9 fsync(*)#1" names the node "x9"; there are n1, n2, c1`},
	} {
		p, err := Parse("plan 1\n" + c.text)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := p.Check(systemNamed(t, c.on), nodes); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s in %s:\ngot  %s\nwant %s", c.text, c.on, got, c.want)
		}
	}
}

// anyOptions make generated plans use every word and names that need quotes.
func anyOptions(t *rapid.T) GenOptions {
	names := rapid.SliceOfN(rapid.StringMatching(`[a-z][a-z0-9_-]{0,4}[a-z0-9]?`), 2, 4)
	weights := map[string]int{}
	for _, v := range verbNames() {
		weights[v] = 1
	}
	return GenOptions{
		Servers: names.Draw(t, "servers"),
		Others:  names.Draw(t, "others"),
		Globs: rapid.SliceOfN(rapid.String().Filter(validGlob), 1, 4).
			Draw(t, "globs"),
		Commands: rapid.SliceOfN(rapid.SliceOfN(rapid.String(), 1, 4), 1, 3).
			Draw(t, "commands"),
		Statements: 12,
		Weights:    weights,
	}
}

func TestRandomPlansPrintAndParseBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Generate(rapid.Uint64().Draw(t, "seed"), anyOptions(t))
		text := p.String()
		q, err := Parse(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(p, q); diff != "" {
			t.Fatalf("%s\n(-generated +parsed):\n%s", text, diff)
		}
	})
}

// FuzzParse: whatever parses prints as text that parses to the same plan.
func FuzzParse(f *testing.F) {
	f.Add(documented)
	for seed := range uint64(20) {
		f.Add(Generate(seed, GenOptions{Servers: []string{"n1", "n2"}, Statements: 8}).String())
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Line < 1 || e.Col < 1 || e.Expected == "" {
				t.Fatalf("%T %+v", err, err)
			}
			return
		}
		q, err := Parse(p.String())
		if err != nil {
			t.Fatalf("%v\n%s", err, p)
		}
		if diff := cmp.Diff(p, q); diff != "" {
			t.Fatalf("%s\n%s", p, diff)
		}
	})
}
