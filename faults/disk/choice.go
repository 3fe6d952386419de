package disk

import (
	"fmt"
	"strconv"
	"strings"
)

// ChoiceMode is the way in which a Choice picks what survives.
type ChoiceMode uint8

const (
	KeepNone   ChoiceMode = iota // only what is durable
	KeepAll                      // everything, as after a process kill
	KeepPrefix                   // the first K calls in play
	KeepTorn                     // all but the last write, of which only the first K bytes
	KeepBut                      // "drop": everything but IDs and what cannot be without them
	KeepOnly                     // "keep": IDs and what they cannot be without
	KeepRandom                   // drawn from Seed
)

// PartID names a call in play, several calls, or one micro-operation of a call.
type PartID struct {
	Call uint64
	To   uint64 // last of several calls; Call or 0: only the one
	Part int32  // place of the micro-operation in the call, from 0; -1: the whole call
}

// Choice says what of the operations in play survives a power cut. The zero
// Choice keeps nothing of them. Whatever it says, an image never breaks the
// personality's rules: "keep" adds what its IDs need, the others take away what
// needs something that is missing.
type Choice struct {
	Mode ChoiceMode
	K    int64    // prefix: calls; torn: bytes
	IDs  []PartID // drop, keep
	Seed uint64   // random
	// Stale: where a size survives without its data, the file shows old bytes, not
	// zeroes, if the personality knows that (OldBytes).
	Stale bool
}

// String is the choice as fault plans write it.
func (c Choice) String() string {
	b := make([]byte, 0, 32)
	switch c.Mode {
	case KeepNone:
		b = append(b, "none"...)
	case KeepAll:
		b = append(b, "all"...)
	case KeepPrefix:
		b = strconv.AppendInt(append(b, "prefix "...), c.K, 10)
	case KeepTorn:
		b = strconv.AppendInt(append(b, "torn "...), c.K, 10)
	case KeepRandom:
		b = strconv.AppendUint(append(b, "random "...), c.Seed, 10)
	case KeepBut:
		b = appendIDs(append(b, "drop "...), c.IDs)
	case KeepOnly:
		b = appendIDs(append(b, "keep "...), c.IDs)
	}
	if c.Stale {
		b = append(b, " stale"...)
	}
	return string(b)
}

// Clause is the choice behind a power cut, as plans and commands write it: "keep
// none", "keep drop 3", "keep 6-7".
func (c Choice) Clause() string {
	if c.Mode == KeepOnly {
		return c.String() // begins with keep by itself
	}
	return "keep " + c.String()
}

// appendIDs writes "3,5-9,12.1": calls, calls from to, and a part of a call.
func appendIDs(b []byte, ids []PartID) []byte {
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, id.Call, 10)
		if id.To > id.Call {
			b = strconv.AppendUint(append(b, '-'), id.To, 10)
		}
		if id.Part >= 0 {
			b = strconv.AppendInt(append(b, '.'), int64(id.Part), 10)
		}
	}
	return b
}

// choiceArguments are the words of choices and how many words follow.
var choiceArguments = map[string]int{"none": 0, "all": 0, "prefix": 1, "torn": 1, "drop": 1, "keep": 1, "random": 1}

// ParseChoice reads what String writes, and what follows the keep of Clause: IDs
// alone are what is kept.
func ParseChoice(s string) (Choice, error) {
	fields := strings.Fields(s)
	c := Choice{}
	if n := len(fields); n > 0 && fields[n-1] == "stale" {
		c.Stale = true
		fields = fields[:n-1]
	}
	if len(fields) > 0 && '0' <= fields[0][0] && fields[0][0] <= '9' {
		fields = append([]string{"keep"}, fields...)
	}
	word := ""
	if len(fields) > 0 {
		word = fields[0]
	}
	want, ok := choiceArguments[word]
	if !ok {
		return Choice{}, fmt.Errorf("choice %q: want none, all, prefix K, torn BYTES, drop IDS, keep IDS or random SEED", s)
	}
	args := fields[1:]
	if len(args) != want {
		return Choice{}, fmt.Errorf("choice %q: %q takes %d arguments", s, word, want)
	}
	var err error
	switch word {
	case "none":
	case "all":
		c.Mode = KeepAll
	case "prefix", "torn":
		c.Mode = KeepPrefix
		if word == "torn" {
			c.Mode = KeepTorn
		}
		c.K, err = strconv.ParseInt(args[0], 10, 64)
		if err != nil || c.K < 0 {
			return Choice{}, fmt.Errorf("choice %q: want a number of 0 or more after %s", s, word)
		}
	case "random":
		c.Mode = KeepRandom
		if c.Seed, err = strconv.ParseUint(args[0], 10, 64); err != nil {
			return Choice{}, fmt.Errorf("choice %q: want a seed after random", s)
		}
	case "drop", "keep":
		c.Mode = KeepBut
		if word == "keep" {
			c.Mode = KeepOnly
		}
		if c.IDs, err = parseIDs(args[0]); err != nil {
			return Choice{}, fmt.Errorf("choice %q: %w", s, err)
		}
	}
	return c, nil
}

// parseIDs reads what appendIDs writes.
func parseIDs(s string) ([]PartID, error) {
	var ids []PartID
	for word := range strings.SplitSeq(s, ",") {
		id := PartID{Part: -1}
		call, part, hasPart := strings.Cut(word, ".")
		call, to, hasTo := strings.Cut(call, "-")
		var err error
		if id.Call, err = strconv.ParseUint(call, 10, 64); err != nil || hasPart && hasTo {
			return nil, fmt.Errorf("want calls like 3,5-9 or parts like 12.1, not %q", word)
		}
		if hasTo {
			if id.To, err = strconv.ParseUint(to, 10, 64); err != nil || id.To <= id.Call {
				return nil, fmt.Errorf("want a range of calls like 5-9, not %q", word)
			}
		}
		if hasPart {
			k, err := strconv.ParseUint(part, 10, 31)
			if err != nil {
				return nil, fmt.Errorf("want a part of a call like 12.1, not %q", word)
			}
			id.Part = int32(k)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
