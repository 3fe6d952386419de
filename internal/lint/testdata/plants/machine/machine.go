// Package machine reaches for the machine below.
package machine

import (
	"bufio"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"plugin"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/sim"
)

func Direct(e env.Env) {
	e.Go("task", func() {
		_, _ = os.ReadFile("x")          // want use: os.ReadFile
		_ = os.Getenv("HOME")            // want use: os.Getenv
		_, _ = os.Hostname()             // want use: os.Hostname
		_ = os.Getpid()                  // want use: os.Getpid
		_ = os.Args                      // want use: os.Args
		_ = exec.Command("true").Run()   // want use: os/exec.Command // want use: os/exec.Cmd.Run
		signal.Notify(nil)               // want use: os/signal.Notify
		_, _ = user.Current()            // want use: os/user.Current
		_, _ = net.Dial("tcp", ":1")     // want use: net.Dial
		_, _ = net.LookupHost("x")       // want use: net.LookupHost
		_, _ = http.Get("http://[::1]/") // want use: net/http.Get
		_ = http.DefaultClient           // want use: net/http.DefaultClient
		_ = syscall.Getpid()             // want use: syscall.Getpid
		_ = unix.Gettid()                // want use: golang.org/x/sys/unix.Gettid
		_, _ = plugin.Open("x")          // want use: plugin.Open
		_, _ = filepath.Glob("*")        // want use: path/filepath.Glob
		_, _ = filepath.Abs("x")         // want use: path/filepath.Abs
		log.Print("x")                   // want use: log.Print
		slog.Info("x")                   // want use: log/slog.Info
		println("x")                     // want os: println
	})
}

// A file that was opened outside, read through two readers.
func Reader(e env.Env) {
	f, _ := os.Open("x")
	r := bufio.NewReader(io.LimitReader(f, 10))
	e.Go("task", func() {
		_, _ = r.ReadByte() // want use: os.File.
	})
}

// A connection that was made outside.
func Connection(e env.Env) {
	c, _ := net.Dial("tcp", ":1")
	var w io.Writer = c
	e.Go("task", func() {
		_, _ = w.Write(nil) // want use: calls what net.Dial has made
	})
}

// A file system behind the standard library's interface.
func FileSystem(e env.Env) {
	read(e, os.DirFS("/"))
}

func read(e env.Env, fsys fs.FS) {
	e.Go("task", func() {
		_, _ = fsys.Open("x") // want use: calls what os.DirFS has made
	})
}

// all is the outside: what runs before the world does.
func all(n *sim.Node) {
	Direct(n.Env())
	Reader(n.Env())
	Connection(n.Env())
	FileSystem(n.Env())
}
