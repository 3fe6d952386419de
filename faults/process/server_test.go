package process

import (
	"bytes"
	"io"
	"net"
	"testing"
)

// Whatever is written, nothing panics and all of it is taken; whole commands
// arrive as they were.
func FuzzRenaming(f *testing.F) {
	f.Add([]byte("*2\r\n$4\r\nKEYS\r\n$9\r\n*\r\n"), "SET", "x\r\n")
	f.Add([]byte("*1\r\n$-1\r\n"), "", "")
	f.Fuzz(func(t *testing.T, text []byte, name, arg string) {
		var out bytes.Buffer
		r := &renaming{Conn: sink{w: &out}, names: map[string]string{"KEYS": "ALL"}}
		whole := command("x"+name, arg)
		if n, err := r.Write(whole); n != len(whole) || err != nil || !bytes.Equal(out.Bytes(), whole) {
			t.Fatalf("%q became %q (%d, %v)", whole, out.Bytes(), n, err)
		}
		if n, err := r.Write(text); n != len(text) || err != nil {
			t.Fatal(n, err)
		}
	})
}

func TestRenaming(t *testing.T) {
	var out bytes.Buffer
	r := &renaming{Conn: sink{w: &out}, names: map[string]string{"KEYS": "ALL", "GET": "FETCH"}}
	r.Write(append(append(command("keys", "*"), command("SET", "GET", "1")...), command("GET", "x\r\ny")...))
	want := append(append(command("ALL", "*"), command("SET", "GET", "1")...), command("FETCH", "x\r\ny")...)
	if !bytes.Equal(out.Bytes(), want) {
		t.Fatalf("%q, want %q", out.Bytes(), want)
	}
}

// sink is a connection that keeps what is written.
type sink struct {
	net.Conn
	w io.Writer
}

func (s sink) Write(p []byte) (int, error) { return s.w.Write(p) }
