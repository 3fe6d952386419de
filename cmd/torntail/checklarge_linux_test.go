package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
)

// Histories of many lines are judged, or refused, within --max-memory. The test
// takes 400,000 lines and a bound of 128 MiB, and an eighth of the lines, which
// is judged; TORNTAIL_LINES and TORNTAIL_MEMORY (in MiB) make it larger: make
// prove-large-histories.
func TestLargeHistoriesStayWithinMemory(t *testing.T) {
	lines, most := number(t, "TORNTAIL_LINES", 400_000), number(t, "TORNTAIL_MEMORY", 128)
	t.Run("refused or judged", func(t *testing.T) { large(t, lines, most, false) })
	t.Run("judged", func(t *testing.T) { large(t, lines/8, most, true) })
}

func large(t *testing.T, lines, most int, judged bool) {
	for _, tc := range []struct {
		form string
		line func(w *bufio.Writer, n int)
		last string
	}{
		{"jsonl", func(w *bufio.Writer, n int) {
			fmt.Fprintf(w, "{\"op\":\"write\",\"client\":%d,\"key\":\"key:%d\",\"value\":\"v%d\",\"invoke\":%d,\"return\":%d,\"outcome\":\"ok\"}\n", n%10, n%1000, n, n, n+9)
		}, "{\"end\":%d}\n"},
		{"edn", func(w *bufio.Writer, n int) {
			typ, f, op, value := "invoke", "write", n/2, fmt.Sprint(n/2)
			if op%2 == 1 {
				f, op, value = "read", op-1, "nil" // of the value written before it
			}
			if n%2 == 1 {
				typ, value = "ok", fmt.Sprint(op)
			}
			fmt.Fprintf(w, "{:index %d, :type :%s, :f :%s, :value [%d %s], :process %d, :time %d, :node \"n1\"}\n", n, typ, f, op%1000, value, op%10, n*1000)
		}, ""},
		{"json", func(w *bufio.Writer, n int) {
			fmt.Fprintf(w, ",{\"process\":%d,\"op\":\"write\",\"key\":\"k%d\",\"value\":%d,\"invoke\":%d,\"return\":%d,\"status\":\"ok\"}\n", n, n%1000, n, n, n+1)
		}, "]}\n"},
	} {
		t.Run(tc.form, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "history."+tc.form)
			f, err := os.Create(path)
			require.NoError(t, err)
			w := bufio.NewWriterSize(f, 1<<20)
			switch tc.form {
			case "jsonl":
				fmt.Fprintln(w, "{\"history\":1}")
			case "json":
				fmt.Fprintln(w, "{\"ops\":[{\"process\":-1,\"op\":\"del\",\"key\":\"k\",\"invoke\":0,\"return\":0,\"status\":\"ok\"}")
			}
			for n := range lines {
				tc.line(w, n)
			}
			if tc.form == "jsonl" {
				fmt.Fprintf(w, tc.last, lines+1)
			} else {
				fmt.Fprint(w, tc.last)
			}
			require.NoError(t, w.Flush())
			require.NoError(t, f.Close())
			info, err := os.Stat(path)
			require.NoError(t, err)

			cmd := exec.Command(os.Args[0], "check", "--max-memory", fmt.Sprintf("%dMiB", most), path)
			cmd.Args[0] = "torntail"
			cmd.Env = append(os.Environ(), asTorntail+"=1")
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			err = cmd.Run()
			var exit *exec.ExitError
			if err != nil {
				require.False(t, judged, "%s", errs.String())
				require.True(t, errors.As(err, &exit), "%v", err)
				require.Equal(t, 2, exit.ExitCode(), "%s%s", out.String(), errs.String())
				require.Contains(t, errs.String(), "--max-memory allows more")
			} else {
				require.Contains(t, out.String(), "holds")
			}
			usage, _ := cmd.ProcessState.SysUsage().(*syscall.Rusage)
			require.NotNil(t, usage)
			kib := usage.Maxrss
			t.Logf("%s of %d lines, %s, within %d MiB: exit %d, %s at most, %s of processor time", tc.form, lines,
				history.Size(info.Size()), most, cmd.ProcessState.ExitCode(), history.Size(kib<<10), cmd.ProcessState.UserTime())
			// The program itself takes some 60 MiB.
			require.Less(t, kib>>10, int64(most)+64)
		})
	}
}

func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, name)
	return n
}
