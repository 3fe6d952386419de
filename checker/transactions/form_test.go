package transactions

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
)

// The form of histories in these tests, a transaction a line:
//
//	p0 ok 1-4 [:r x [1 2]] [:append y 3]
//	p1 fail 2-3 [:append x 9]
//	p2 info 2- [:append x 7] [:r y ?]

var outcomes = map[string]history.Outcome{"ok": history.OK, "fail": history.Failed, "info": history.Unknown}

var (
	txnForm = regexp.MustCompile(`^p(\d+) (ok|fail|info) (\d+)-(\d*) (.*)$`)
	mopForm = regexp.MustCompile(`\[(:r|:w|:append) (\S+) (\?|\[[^\]]*\]|[^\s\]]+)\]`)
)

func parse(lists bool, text string) (*History, error) {
	h := &History{Lists: lists}
	for n, line := range strings.Split(strings.TrimSpace(text), "\n") {
		f := txnForm.FindStringSubmatch(line)
		if f == nil {
			return nil, fmt.Errorf("line %d: %q is not a transaction", n+1, line)
		}
		t := Txn{Outcome: outcomes[f[2]], Return: history.Never}
		t.Process, _ = strconv.Atoi(f[1])
		invoke, _ := strconv.Atoi(f[3])
		t.Invoke = time.Duration(invoke)
		if end, err := strconv.Atoi(f[4]); err == nil {
			t.Return = time.Duration(end)
		}
		for _, m := range mopForm.FindAllStringSubmatch(f[5], -1) {
			mop := Mop{Func: map[string]Func{":r": Read, ":w": Write, ":append": Append}[m[1]], Key: h.Names.Of(m[2]), Known: m[1] == ":r" && m[3] != "?"}
			switch {
			case m[3] == "?":
			case strings.HasPrefix(m[3], "["):
				for _, e := range strings.Fields(strings.Trim(m[3], "[]")) {
					mop.List = append(mop.List, h.Names.Of(e))
				}
			default:
				if mop.Value = Nil; m[3] != "nil" {
					mop.Value = h.Names.Of(m[3])
				}
			}
			t.Mops = append(t.Mops, mop)
		}
		h.Txns = append(h.Txns, t)
	}
	return h, nil
}

// written writes h in that form.
func written(h *History) string {
	var b strings.Builder
	for i := range h.Txns {
		t := &h.Txns[i]
		end := ""
		if t.Return != history.Never {
			end = strconv.Itoa(int(t.Return))
		}
		fmt.Fprintf(&b, "p%d %s %d-%s", t.Process, [...]string{"info", "ok", "fail"}[t.Outcome], t.Invoke, end)
		for m := range t.Mops {
			b.WriteString(" " + h.mop(&t.Mops[m]))
		}
		b.WriteByte('\n')
	}
	return b.String()
}
