package hunt

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"

	"github.com/torntail/torntail/internal/bounded"
	"github.com/torntail/torntail/reports/wording"
)

// ReadKnown reads a list of known findings: a fingerprint a line, as reports have
// them; what follows a # at the beginning of a line is a comment.
func ReadKnown(path string) ([]string, error) {
	data, err := bounded.Text(path, "a list of fingerprints")
	if err != nil {
		return nil, err
	}
	return parseKnown([]byte(data))
}

func parseKnown(data []byte) (list []string, err error) {
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, longestFingerprint)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if wording.Clean(line, false) != line {
			return nil, fmt.Errorf("line %d: there are characters in it that no fingerprint has", n)
		}
		list = append(list, line)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("no list of fingerprints: %w", err)
	}
	return list, nil
}

// longestFingerprint is how many bytes a line of the list has at most.
const longestFingerprint = 64 << 10
