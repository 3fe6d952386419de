// Command matrix records what a torntail binary says and saves for a wide
// matrix of experiments in simulation, and compares two such records: that a
// change of the code changes no verdict, no figure and no saved failure.
//
//	go run ./internal/matrix [-sample] [-workers N] [-only PREFIX] record BINARY DIR
//	go run ./internal/matrix [-skip PATTERN,...] compare OLD NEW
//	go run ./internal/matrix [-times N] [-workers N] classes BINARY FILE.json
//	go run ./internal/matrix compare-classes OLD.json NEW.json
//
// A record is a directory tree, one directory for a group of cells. It holds
// what a user sees, without what depends on the machine or the clock: the exit
// statuses and the printed text, the JSON, the reports and the saved failures.
// digest.txt has one line a group. A difference is named by file and, in JSON, by
// the path of the first value that differs.
//
// On a real server no two runs are the same. There the same fixed plans are run many
// times each, and the classes of what came of them are compared.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
)

func main() {
	sample := flag.Bool("sample", false, "record only a small part of each kind of group")
	workers := flag.Int("workers", 1, "groups recorded side by side")
	only := flag.String("only", "", "record only the groups whose names begin so")
	times := flag.Int("times", 10, "classes: how often each plan is run")
	skip := flag.String("skip", "", "files and JSON paths that may differ, as comma-separated patterns of path.Match: run/*/*/*/report.md, **.seed")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: matrix [flags] record BINARY DIR\n       matrix [flags] compare OLD NEW\n"+
			"       matrix [flags] classes BINARY FILE\n       matrix compare-classes OLD NEW")
		flag.PrintDefaults()
	}
	flag.Parse()
	args := flag.Args()
	if len(args) != 3 {
		flag.Usage()
		os.Exit(2)
	}
	var err error
	switch args[0] {
	case "record":
		err = record(args[1], args[2], options{sample: *sample, workers: *workers, only: *only, progress: os.Stderr})
	case "compare":
		err = compare(args[1], args[2], splitList(*skip), os.Stdout)
	case "classes":
		err = recordClasses(args[1], args[2], *times, options{workers: *workers, progress: os.Stderr})
	case "compare-classes":
		err = compareClasses(args[1], args[2], os.Stdout)
	default:
		flag.Usage()
		os.Exit(2)
	}
	switch {
	case errors.Is(err, errDiffer):
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "matrix:", err)
		os.Exit(4)
	}
}

func splitList(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}
