// Package account says what became of the writes of somebody's own client: of which the
// harness knows no workload, only the commands. They are told by a journal that the client
// writes (ReadJournal), or heard where its connections pass (Record); what there is in the end
// is read from the server that is the master then (Look). Judge holds one against the other.
//
// Only what a command must have left behind is judged: a string, a field, a member, an element,
// an entry, a sum. What changes a key in another way (APPEND, LTRIM, scripts) is not followed,
// and of what it may have changed nothing is said: "not told" is neither lost nor there.
package account

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
)

// Write is one command that may have changed data.
type Write struct {
	ID   string // of the journal, or the number of the connection and of the command on it
	Line int    // of the journal; 0: heard
	// Source tells several journals from each other, and Journal is its name then.
	Source  int
	Journal string
	Args    []string
	DB      int
	// Begin and End order the writes of one source: one that ended before another began
	// came before it. End 0: no reply.
	Begin, End int64
	Outcome    history.Outcome
	Why        string // why it failed, or has no outcome
	Reply      string // to a command that was acknowledged, where it is short
	// Node acknowledged it and At is when; "" where only a journal tells of it.
	Node string
	At   time.Duration

	fate Fate // by Judge
}

// longest is how long a word may be to be kept as it is, in bytes.
const longest = 256

// cutOff begins what stands for a long word.
const cutOff = "\u2026"

// shortened is a word, or what stands for a long one: its beginning, length and digest. Two
// words are the same when what stands for them is.
func shortened(word string) string {
	if len(word) <= longest {
		return strings.Clone(word)
	}
	sum := sha256.Sum256([]byte(word))
	return cutOff + word[:16] + " (" + strconv.Itoa(len(word)) + " bytes, sha256 " + hex.EncodeToString(sum[:8]) + ")"
}

// text is a command as people read it.
func text(args []string) string {
	var b strings.Builder
	for i, a := range args {
		if i > 0 {
			b.WriteByte(' ')
		}
		if a == "" || strings.ContainsFunc(a, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\'' || r == '\\' }) {
			a = strconv.Quote(a)
		}
		if b.Len()+len(a) > 200 {
			b.WriteString("...")
			break
		}
		b.WriteString(a)
	}
	return b.String()
}
