package history

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// Format is a form in which histories are kept.
type Format string

const (
	Native    Format = "torntail"   // JSON Lines, see Version
	EDN       Format = "edn"        // Jepsen's history.edn, and the key-value logs that porcupine ships
	JepsenLog Format = "jepsen-log" // log lines of old Jepsen versions
	JSON      Format = "json"       // one object with its operations, see Neutral
)

// LoadAny reads a history file of any Format, compressed with gzip or not, and
// tells the formats apart by what is in the file, not by its name.
func LoadAny(path string) (*History, Format, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, "", fmt.Errorf("load history: %w", err)
	}
	defer f.Close()
	h, format, err := DecodeAny(f)
	if err != nil {
		return nil, format, fmt.Errorf("history %s: %w", path, err)
	}
	return h, format, nil
}

// DecodeAny is LoadAny for a reader. The format is known, and returned, also
// when the history is malformed.
func DecodeAny(r io.Reader) (*History, Format, error) {
	in, err := plainReader(r)
	if err != nil {
		return nil, "", err
	}
	format, err := detect(in)
	if err != nil {
		return nil, "", err
	}
	var h *History
	switch format {
	case Native:
		h, err = Decode(in)
	case EDN:
		h, err = DecodeEDN(in)
	case JepsenLog:
		h, err = DecodeJepsenLog(in)
	case JSON:
		var text []byte
		if text, err = io.ReadAll(in); err != nil {
			break
		}
		var n *Neutral
		if n, err = ParseNeutral(text); err == nil {
			h = &n.History
		}
	}
	if err != nil {
		return nil, format, fmt.Errorf("as %s: %w", format, err)
	}
	return h, format, nil
}

// jepsenMark stands in each log line of old Jepsen versions that DecodeJepsenLog reads.
const jepsenMark = "jepsen.util - "

// detect looks at the beginning of a file.
func detect(in *bufio.Reader) (Format, error) {
	head, err := in.Peek(in.Size())
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read: %w", err)
	}
	text := bytes.TrimLeft(head, " \t\r\n")
	second := bytes.TrimLeft(text[min(1, len(text)):], " \t\r\n")
	switch {
	case len(text) == 0:
		return "", errors.New("the file is empty")
	case bytes.HasPrefix(text, []byte(`{"history"`)):
		return Native, nil
	case text[0] == '{' && len(second) > 0 && (second[0] == '"' || second[0] == '}'):
		return JSON, nil
	case bytes.Contains(head, []byte(jepsenMark)):
		return JepsenLog, nil
	case bytes.ContainsRune([]byte("{[(#;"), rune(text[0])):
		return EDN, nil
	}
	return "", errors.New("no history in a form that is known: torntail's JSON Lines, Jepsen's EDN or log lines, one JSON object")
}
