package main

import (
	"fmt"
	"os"
	"strings"
)

// verdictLog is a file of verdicts, a line each: the verdict, a tab, the mutant.
type verdictLog struct {
	verdicts map[string]verdict // by mutant
	file     *os.File           // nil: nothing is written down
}

// openLog reads the verdicts of an earlier run, if there was one.
func openLog(path string) (*verdictLog, error) {
	l := &verdictLog{verdicts: map[string]verdict{}}
	if path == "" {
		return l, nil
	}
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("read the verdicts so far: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		v, m, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok {
			return nil, fmt.Errorf("read the verdicts so far: %s: no tab in %q", path, line)
		}
		l.verdicts[m] = verdict(v)
	}
	l.file, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("write down verdicts: %w", err)
	}
	return l, nil
}

func (l *verdictLog) add(m *mutant, v verdict) error {
	l.verdicts[m.String()] = v
	if l.file == nil {
		return nil
	}
	if _, err := fmt.Fprintf(l.file, "%s\t%s\n", v, m); err != nil {
		return fmt.Errorf("write down a verdict: %w", err)
	}
	return nil
}

func (l *verdictLog) close() {
	if l.file != nil {
		_ = l.file.Close() // each line was written as it came
	}
}
