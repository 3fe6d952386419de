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
	JSON      Format = "json"       // objects with their operations, see Neutral

	JepsenStore Format = "jepsen-store" // Jepsen's test.jepsen
)

// LoadFile reads the histories of a file of any Format, compressed with gzip or
// zstd or not, and tells the formats apart by what is in the file, not by its
// name. It takes regular files only. The format is also returned, when it is
// known, with an error.
func LoadFile(path string, o Options) ([]File, Format, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, "", fmt.Errorf("load history: %w", err)
	}
	defer f.Close()
	files, format, err := decodeFile(f, o)
	if err != nil {
		return nil, format, fmt.Errorf("history %s: %w", path, err)
	}
	return files, format, nil
}

func decodeFile(f *os.File, o Options) ([]File, Format, error) {
	magic := make([]byte, len(storeMagic))
	if _, err := f.ReadAt(magic, 0); err != nil || string(magic) != storeMagic {
		return DecodeAny(f, o)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, JepsenStore, err
	}
	h, err := decodeStore(f, info.Size(), o)
	if err != nil {
		return nil, JepsenStore, fmt.Errorf("as %s: %w", JepsenStore, err)
	}
	h.Format = JepsenStore
	return []File{*h}, JepsenStore, nil
}

// DecodeAny is LoadFile for a reader. It does not read Jepsen's stores, which
// have to be files.
func DecodeAny(r io.Reader, o Options) ([]File, Format, error) {
	in, err := open(r, o.Memory)
	if err != nil {
		return nil, "", err
	}
	format, err := detect(in)
	if err != nil {
		return nil, "", err
	}
	var files []File
	switch format {
	case JSON:
		files, err = decodeNeutral(in, o)
	default:
		var f *File
		switch format {
		case Native:
			f = &File{}
			f.History, err = decode(in, o)
		case EDN:
			f, err = decodeEDN(in, o)
		case JepsenLog:
			f, err = decodeJepsenLog(in, o)
		}
		if err == nil {
			f.Format = format
			files = []File{*f}
		}
	}
	if err != nil {
		return nil, format, fmt.Errorf("as %s: %w", format, err)
	}
	return files, format, nil
}

func decodeNeutral(in io.Reader, o Options) ([]File, error) {
	d := newNeutralDecoder(in, o)
	var files []File
	for {
		n, err := d.next()
		switch {
		case errors.Is(err, io.EOF) && len(files) == 1:
			files[0].Part = ""
			return files, nil
		case errors.Is(err, io.EOF):
			return files, nil
		case err != nil:
			return nil, fmt.Errorf("history %d: %w", len(files)+1, err)
		}
		files = append(files, File{History: &n.History, Format: JSON, Says: n.Verdict, Part: fmt.Sprint(len(files) + 1)})
	}
}

// detect looks at the beginning of a file.
func detect(in *bufio.Reader) (Format, error) {
	head, err := in.Peek(in.Size())
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read: %w", err)
	}
	text := bytes.TrimLeft(head, " \t\r\n")
	second := bytes.TrimLeft(text[min(1, len(text)):], " \t\r\n")
	switch {
	case len(text) == 0 && len(head) == 0:
		return "", errors.New("the file is empty")
	case len(text) == 0:
		return "", errors.New("the file is empty, or begins with a long stretch of blanks")
	case bytes.HasPrefix(head, []byte(storeMagic)):
		return "", errors.New("a store of Jepsen's (test.jepsen) inside a compressed file or a stream: it has to be a file of its own")
	case bytes.HasPrefix(text, []byte(`{"history"`)):
		return Native, nil
	case text[0] == '{' && len(second) > 0 && (second[0] == '"' || second[0] == '}'):
		return JSON, nil
	case bytes.Contains(head, []byte(jepsenMark)):
		return JepsenLog, nil
	case bytes.ContainsRune([]byte("{[(#;"), rune(text[0])):
		return EDN, nil
	}
	return "", errors.New("no history in a form that is known: torntail's JSON Lines, Jepsen's EDN, store or log lines, JSON objects with ops")
}
