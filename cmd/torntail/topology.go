package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/torntail/torntail/faults/fusefs/control"
	"github.com/torntail/torntail/harness/cluster"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/internal/atomicfile"
)

type topologyCmd struct {
	Up   topologyUpCmd   `cmd:"" help:"Start servers, Sentinels and proxies, print their addresses, and stay."`
	Env  topologyEnvCmd  `cmd:"" help:"Print the addresses again, as environment variables."`
	Down topologyDownCmd `cmd:"" help:"End the topology that is up, and say what became of your client's writes."`

	Account topologyAccountCmd `cmd:"" help:"What was acknowledged to your client, and what of it is lost."`
}

type topologyUpCmd struct {
	Topology  string   `arg:"" optional:"" default:"3+3" help:"Servers and Sentinels: 3+3, 5+5, chain; default ${default}." placeholder:"N+M"`
	Target    string   `default:"redis-server" help:"redis-server, a name of torntail servers, or the path of a server binary that also runs as Sentinel; default ${default}." placeholder:"TARGET"`
	Timing    string   `help:"quick: Sentinels act within seconds; conf: their own defaults; default quick." placeholder:"NAME"`
	Quorum    int      `help:"Sentinels that must agree; default the majority." placeholder:"N"`
	Mode      []string `help:"How servers keep their data: always, everysec, no, rdb, none, ... (torntail list modes); n2:none says it of one; default no." placeholder:"[NODE:]NAME"`
	Directive []string `help:"A line of redis.conf as NAME=VALUE, or of one server's as n2:NAME=VALUE; may be repeated." placeholder:"N=V" sep:"none"`
	Disk      string   `help:"Where servers and Sentinels keep their files: fuse (a fault disk each, with power cuts and full disks; all of it in memory) or host; default fuse where there is FUSE." enum:",fuse,host" default:"" placeholder:"fuse|host"`
	Name      string   `help:"What it is called, to tell several that are up from each other." placeholder:"NAME"`
	Password  bool     `help:"Servers and Sentinels want a password, drawn now and printed with the addresses: for machines that others use, too."`
}

func (c *topologyUpCmd) Help() string {
	return `Your own client connects to the addresses that are printed; whatever it sends passes the
proxies, as what servers and Sentinels send each other does. Your client is node c1.
It stays until Ctrl-C or torntail topology down. Examples:

  torntail topology up 3+3

Then, in another terminal:

  eval "$(torntail topology env)"                   TORNTAIL_N1, TORNTAIL_SENTINELS, ...
  torntail fault 'cut n1,c1 -> n2,n3,s1,s2,s3 both for 10s'
  torntail fault 'power-cut n1'                     (restart n1 starts it again)
  torntail status
  torntail topology account                         what your client has lost
  torntail topology down`
}

func (c *topologyUpCmd) Run(a *app) error {
	flags := splitbrainCmd{Topology: c.Topology, Timing: c.Timing, Quorum: c.Quorum, Mode: c.Mode, Directive: c.Directive, Clients: 1}
	o, err := flags.options()
	if err != nil {
		return usage(err)
	}
	if c.Password {
		o.Password = rand.Text()
	}
	s, err := splitbrain.New(o)
	if err != nil {
		return usage(err)
	}
	if c.Target == "engine" {
		return usage(errors.New("--target engine: the simulation has no addresses to connect to: want redis-server or the path of a server binary"))
	}
	if _, err := backendOf(c.Target, ""); err != nil {
		return usage(err)
	}
	server, err := clusterServer(c.Target)
	if err != nil {
		return err
	}
	if c.Name != "" {
		if err := cluster.CheckName(c.Name); err != nil {
			return usage(err)
		}
	}
	if c.Disk == "fuse" {
		if err := machine.DiskCalled(c.Disk).Available(); err != nil {
			return environment(err)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	up, err := cluster.Up(ctx, s, cluster.Options{Server: server.Rig, Seed: 1, Anybody: true, Host: c.Disk == "host", Name: c.Name})
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return asUsage(err)
	}
	io.WriteString(a.stdout, up.Environment())
	of, on := "", "" // which, where there may be several
	if c.Name != "" {
		of, on = " "+c.Name, " --topology "+c.Name
	}
	fmt.Fprintf(a.stdout, `# %s is up; control socket %s
# in another terminal:
#   eval "$(torntail topology env%[3]s)"
#   torntail fault%[4]s 'cut n1,c1 -> n2,n3,s1,s2,s3 both for 10s'    (your client is c1)
#   torntail status%[4]s
#   torntail topology account%[3]s    (what your client has lost)
# Ctrl-C or torntail topology down%[3]s ends it
`, s.Topology, up.Socket(), of, on)
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.stderr, "torntail: ending the topology")
	case <-up.Ended():
	}
	stop() // a second Ctrl-C ends torntail at once; the watchdog then cleans up
	return up.Close()
}

// topologyFlags say which topology a command is for.
type topologyFlags struct {
	Name   string `arg:"" optional:"" help:"Name of the topology; default the only one." placeholder:"NAME"`
	Socket string `help:"Control socket of the topology; default that of the only one." placeholder:"PATH"`
}

func (f *topologyFlags) call(a *app, command string, args ...string) error {
	text, err := f.ask(command, args...)
	io.WriteString(a.stdout, text)
	return err
}

// ask is call, and prints nothing.
func (f *topologyFlags) ask(command string, args ...string) (string, error) {
	socket := f.Socket
	if socket == "" {
		found, err := cluster.FindSocket(f.Name)
		if err != nil {
			return "", usage(err)
		}
		socket = found
	}
	text, err := control.Call(socket, command, args...)
	if errors.Is(err, control.ErrNoServer) {
		err = cluster.ErrNone
	}
	return text, callFailed(err)
}

type topologyEnvCmd struct{ topologyFlags }

func (c *topologyEnvCmd) Help() string {
	return "Example:\n  eval \"$(torntail topology env)\""
}

func (c *topologyEnvCmd) Run(a *app) error { return c.call(a, "env") }

// accountFlags say of what an account is, and how much of it is shown.
type accountFlags struct {
	Journal []string `help:"Journal that the client wrote (docs/account.md); may be repeated. Without it: what passed the proxies." placeholder:"FILE" sep:"none"`
	Lost    int      `default:"10" help:"So many of the lost writes are shown; default ${default}." placeholder:"N"`
}

func (f *accountFlags) args() ([]string, error) {
	if f.Lost < 0 {
		return nil, usage(fmt.Errorf("--lost %d: want 0 or more", f.Lost))
	}
	args := []string{fmt.Sprintf("lost=%d", f.Lost)}
	for _, path := range f.Journal {
		whole, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		args = append(args, "journal="+whole)
	}
	return args, nil
}

type topologyAccountCmd struct {
	topologyFlags
	accountFlags
	JSON string `name:"json" help:"Write all of it as JSON here; - prints it instead of the text." placeholder:"FILE"`
}

func (c *topologyAccountCmd) Help() string {
	return `What your client was acknowledged is held against what the master has now: each write is
there, replaced, lost, or nothing can be told of it. The writes are those that passed the
proxies, or those of a journal that your client wrote; then both are compared. Examples:

  torntail topology account
  torntail topology account --journal app.journal --lost 100
  torntail topology account --json account.json`
}

func (c *topologyAccountCmd) Run(a *app) error {
	args, err := c.args()
	if err != nil {
		return err
	}
	if c.JSON == "" {
		return c.call(a, "account", args...)
	}
	text, err := c.ask("account", append(args, "json")...)
	switch {
	case err != nil:
		return err
	case c.JSON == "-":
		io.WriteString(a.stdout, text)
		return nil
	}
	return atomicfile.WriteBytes(c.JSON, []byte(text))
}

type topologyDownCmd struct {
	topologyFlags
	accountFlags
}

func (c *topologyDownCmd) Help() string {
	return "Prints what torntail topology account prints, if your client has written anything. Example:\n  torntail topology down"
}

func (c *topologyDownCmd) Run(a *app) error {
	args, err := c.args()
	if err != nil {
		return err
	}
	return c.call(a, "down", args...)
}
