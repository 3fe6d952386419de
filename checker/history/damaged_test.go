package history

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/internal/digest"
)

// TestDamagedFilesAreRefusedWhereTheyAreDamaged compares with testdata/damaged what
// is made of a file that is cut off behind each of its bytes, and of one in which a
// byte is another: the error and where it is, or what was read. -rewrite writes the
// files anew.
//
//	cut                 (a history of any form)
//	changed to=x        each byte in turn
//	cut-store NAME      a file of testdata/jepsen
//	digest              of each byte of a history a number made of what is read when
//	                    it is one of several others
//	digest-store NAME   the same of a file of testdata/jepsen, with its checksums right
//	read                the history itself, in torntail's own form
//	memory              the least memory with which it is read, and what is said of
//	                    one byte less
func TestDamagedFilesAreRefusedWhereTheyAreDamaged(t *testing.T) {
	datadriven.Walk(t, "testdata/damaged", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			whole := []byte(d.Input + "\n")
			read := func(b []byte) string {
				files, format, err := DecodeAny(bytes.NewReader(b), Options{})
				return made(format, files, err)
			}
			if strings.HasSuffix(d.Cmd, "-store") {
				var err error
				whole, err = os.ReadFile(filepath.Join("testdata", "jepsen", d.CmdArgs[0].Key))
				require.NoError(t, err)
				read = func(b []byte) string {
					f, err := decodeStore(bytes.NewReader(b), int64(len(b)), Options{Memory: 1 << 26})
					if err != nil {
						return made(JepsenStore, nil, err)
					}
					return made(JepsenStore, []File{*f}, nil)
				}
			}
			var to string
			switch d.Cmd {
			case "changed":
				d.ScanArgs(t, "to", &to)
			case "digest":
				return digested(whole, read, []byte("x0\"}"))
			case "digest-store":
				return digested(whole, func(b []byte) string {
					if len(b) > storeHeader {
						fixChecksums(b, int64(binary.BigEndian.Uint64(b[10:])))
					}
					return read(b)
				}, []byte{1, 0xdb})
			case "read":
				return written(t, d.Input)
			case "memory":
				least := 1 + sort.Search(1<<20, func(n int) bool {
					_, _, err := DecodeAny(bytes.NewReader(whole), Options{Memory: int64(n) + 1})
					return err == nil
				})
				_, _, err := DecodeAny(bytes.NewReader(whole), Options{Memory: int64(least) - 1})
				return fmt.Sprintf("%d bytes; with less: %v\n", least, err)
			}
			var b strings.Builder
			last, from := "", 0
			tell := func(until int, text string) {
				if text == last {
					return
				}
				switch {
				case last == "":
				case from == until-1:
					fmt.Fprintf(&b, "%d: %s\n", from, last)
				default:
					fmt.Fprintf(&b, "%d to %d: %s\n", from, until-1, last)
				}
				last, from = text, until
			}
			for n := range len(whole) + 1 {
				damaged := whole[:n:n]
				if d.Cmd == "changed" {
					if n == len(whole) {
						break
					}
					damaged = append(append(damaged, to...), whole[n+1:]...)
				}
				tell(n, read(damaged))
			}
			tell(len(whole)+1, "")
			return b.String()
		})
	})
}

// digested is a number for each byte of a file, made of what is read of the file when
// that byte is one of others.
func digested(whole []byte, read func(b []byte) string, others []byte) string {
	var b strings.Builder
	digest.Each(&b, 0, len(whole), func(b *strings.Builder, n int) {
		for _, c := range others {
			changed := bytes.Clone(whole)
			changed[n] = c
			b.WriteString(read(changed))
		}
	})
	return b.String()
}

// written is all that is read of a file, each history in torntail's own form.
func written(t *testing.T, text string) string {
	files, format, err := DecodeAny(strings.NewReader(text), Options{})
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for i := range files {
		f := &files[i]
		fmt.Fprintf(&b, "%s, workload %q, keyed %v, part %q, says %q\n", format, f.Workload, f.Keyed, f.Part, f.Says)
		require.NoError(t, Encode(&b, f.History))
	}
	return b.String()
}

// made is what was made of a file, in a line.
func made(format Format, files []File, err error) string {
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s", format)
	for i := range files {
		f := &files[i]
		fmt.Fprintf(&b, ", %d operations", len(f.Ops))
		if len(f.Ops) > 0 {
			var line bytes.Buffer
			_ = Encode(&line, &History{Ops: f.Ops[len(f.Ops)-1:]}) // a buffer takes everything
			fmt.Fprintf(&b, ", the last %s", strings.Split(line.String(), "\n")[1])
		}
		fmt.Fprintf(&b, ", %d events, %d states", len(f.Events), len(f.States))
	}
	return b.String()
}
