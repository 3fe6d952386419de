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

// PartID names a call in play, or one micro-operation of it.
type PartID struct {
	Call uint64
	Part int32 // -1: the whole call
}

// Choice says what of the operations in play survives a power cut. The zero
// Choice keeps nothing of them.
type Choice struct {
	Mode ChoiceMode
	K    int64 // prefix: calls; torn: bytes
	IDs  []PartID
	Seed uint64
}

// String is the choice as fault plans write it.
func (c Choice) String() string {
	switch c.Mode {
	case KeepNone:
		return "none"
	case KeepAll:
		return "all"
	case KeepPrefix:
		return "prefix " + strconv.FormatInt(c.K, 10)
	case KeepTorn:
		return "torn " + strconv.FormatInt(c.K, 10)
	case KeepRandom:
		return "random " + strconv.FormatUint(c.Seed, 10)
	}
	var b strings.Builder
	b.WriteString("keep ")
	if c.Mode == KeepBut {
		b.Reset()
		b.WriteString("drop ")
	}
	for i, id := range c.IDs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatUint(id.Call, 10))
		if id.Part >= 0 {
			b.WriteByte('.')
			b.WriteString(strconv.FormatInt(int64(id.Part), 10))
		}
	}
	return b.String()
}

// ParseChoice reads what String writes.
func ParseChoice(s string) (Choice, error) {
	word, rest, _ := strings.Cut(strings.TrimSpace(s), " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "none":
		return Choice{}, nil
	case "all":
		return Choice{Mode: KeepAll}, nil
	case "prefix", "torn":
		k, err := strconv.ParseInt(rest, 10, 64)
		if err != nil || k < 0 {
			return Choice{}, fmt.Errorf("choice %q: want a number after %s", s, word)
		}
		if word == "torn" {
			return Choice{Mode: KeepTorn, K: k}, nil
		}
		return Choice{Mode: KeepPrefix, K: k}, nil
	case "random":
		seed, err := strconv.ParseUint(rest, 10, 64)
		if err != nil {
			return Choice{}, fmt.Errorf("choice %q: want a seed after random", s)
		}
		return Choice{Mode: KeepRandom, Seed: seed}, nil
	}
	return Choice{}, fmt.Errorf("choice %q: want none, all, prefix K, torn BYTES, drop IDS, keep IDS or random SEED", s)
}
