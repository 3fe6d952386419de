// Package listen runs the engine on the real machine: TCP ports, files in a
// directory, signals, log lines, like redis-server.
//
// It is the one package of the engine that knows the operating system; what it
// adds to the engine is only the world around it.
package listen

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/torntail/torntail/engine"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/cluster"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/persist"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/faults/vfs/osfs"
)

// Options is what Run is told.
type Options struct {
	Config     *config.Config
	ConfigFile string    // "" for none
	Output     io.Writer // where log lines go if there is no logfile directive
	Bugs       bugs.Set
	// Ready, if not nil, is called with the addresses once clients are served.
	Ready func(addrs []string)
	// Stop, if not nil, ends the server as SIGTERM does.
	Stop <-chan struct{}
	// Child are the arguments, its name among them, with which this program calls RunChild:
	// snapshots and rewrites are written by processes of their own. Nil: by tasks.
	Child []string
	// NoSignals leaves SIGTERM and SIGINT to the caller.
	NoSignals bool
}

// Run serves until SHUTDOWN, a signal or a fatal error, and returns the exit
// status. Why it fails to start is in the log, as with redis-server.
func Run(o Options) int {
	log, closeLog, err := openLog(o)
	if err != nil {
		fmt.Fprintf(o.Output, "Can't open the log file: %v\n", err)
		return 1
	}
	defer closeLog()
	log.line(persist.Notice, "oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo")
	log.line(persist.Notice, fmt.Sprintf("Redis version=%s, bits=64, commit=torntail, modified=0, pid=%d, just started", engine.RedisVersion, os.Getpid()))
	if o.ConfigFile == "" {
		log.line(persist.Warning, "Warning: no config file specified, using the default config. In order to specify a config file use torntail server /path/to/redis.conf")
	} else {
		log.line(persist.Notice, "Configuration loaded")
	}
	for _, name := range o.Config.Ignored() {
		log.line(persist.Warning, "The directive '"+name+"' has no effect on this server: "+config.Why(name))
	}
	dir, err := workingDirectory(o.Config.Dir)
	if err != nil {
		log.line(persist.Warning, fmt.Sprintf("Can't chdir to '%s': %v", o.Config.Dir, err))
		return 1
	}
	o.Config.Dir = dir
	listeners, err := bind(o.Config)
	if err != nil {
		log.line(persist.Warning, fmt.Sprintf("Warning: Could not create server TCP listening socket %v", err))
		log.line(persist.Warning, fmt.Sprintf("Failed listening on port %d (TCP), aborting.", o.Config.Port))
		return 1
	}
	defer func() { closeAll(listeners) }()
	if o.Config.Unixsocket != "" {
		l, err := bindUnix(o.Config)
		if err != nil {
			log.line(persist.Warning, fmt.Sprintf("Failed opening Unix socket: bind: %v", err))
			return 1
		}
		listeners = append(listeners, l)
	}
	mode := "standalone"
	if o.Config.SentinelMode {
		mode = "sentinel"
	} else if o.Config.ClusterEnabled {
		mode = "cluster"
	}
	if o.Config.AlwaysShowLogo {
		log.raw(fmt.Sprintf("\n torntail: Redis %s, as %s\n Port: %d\n PID: %d\n\n", engine.RedisVersion, mode, o.Config.Port, os.Getpid()))
	} else {
		log.line(persist.Notice, fmt.Sprintf("Running mode=%s, port=%d.", mode, o.Config.Port))
	}
	return (&runner{o: o, log: log, listeners: listeners}).run(dir)
}

// workingDirectory returns the absolute path of an existing directory.
func workingDirectory(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(abs)
	if err != nil {
		return "", errors.Unwrap(err)
	}
	if !info.IsDir() {
		return "", syscall.ENOTDIR
	}
	return abs, nil
}

// bind listens on the configured addresses. The default, all of them, means
// loopback here: what listens is a server under test. Port 0 takes a free one.
func bind(c *config.Config) ([]net.Listener, error) {
	addrs := c.Bind
	if len(addrs) == 0 || len(addrs) == 2 && addrs[0] == "*" {
		addrs = []string{"127.0.0.1", "-::1"}
	}
	var out []net.Listener
	for _, a := range addrs {
		optional := a[:1] == "-" // as in redis.conf: no error when it is not there
		if optional {
			a = a[1:]
		}
		ip := net.ParseIP(a)
		if a != "localhost" && (ip == nil || !ip.IsLoopback()) {
			closeAll(out)
			return nil, fmt.Errorf("%s:%d: only loopback addresses are served", a, c.Port)
		}
		port := c.Port
		l, err := net.Listen("tcp", net.JoinHostPort(a, strconv.FormatInt(port, 10)))
		switch {
		case err == nil:
			out = append(out, l)
			if c.Port == 0 {
				c.Port = int64(l.Addr().(*net.TCPAddr).Port)
			}
		case !optional || errors.Is(err, syscall.EADDRINUSE):
			closeAll(out)
			return nil, fmt.Errorf("%s:%d: %w", a, c.Port, err)
		}
	}
	return out, nil
}

// bindUnix listens on the socket that has a name, in place of whatever has it (redis
// 7.0.15 server.c initServer). Closing it takes the name away.
func bindUnix(c *config.Config) (net.Listener, error) {
	name := c.Unixsocket
	if !filepath.IsAbs(name) {
		name = filepath.Join(c.Dir, name)
	}
	_ = os.Remove(name) // there may be none
	l, err := net.Listen("unix", name)
	if err != nil {
		return nil, err
	}
	if mode, _ := strconv.ParseUint(c.Unixsocketperm, 8, 32); mode != 0 {
		_ = os.Chmod(name, os.FileMode(mode)) // as there, where it is not looked at either
	}
	return l, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

// runner is one run of the server.
type runner struct {
	o         Options
	log       *logger
	listeners []net.Listener
	env       *osenv.Env
	server    *engine.Server
	clients   *clients
	serving   sync.WaitGroup // those who accept clients
	dir       string
}

func (r *runner) run(dir string) int {
	r.env = osenv.New("n1", uint64(time.Now().UnixNano()))
	file := r.o.ConfigFile
	if file != "" {
		if abs, err := filepath.Abs(file); err == nil {
			file = abs
		}
	}
	var world env.Env = r.env
	if source, err := netip.ParseAddr(r.o.Config.BindSourceAddr); err == nil {
		world = r.env.As("n1", source)
	} else if r.o.Config.BindSourceAddr != "" {
		r.log.line(persist.Warning, "bind-source-addr: "+err.Error())
		return 1
	}
	// The main task of the engine is this goroutine.
	r.env.Enter()
	defer r.env.Leave()
	var err error
	if r.clients, err = newClients(r.env); err != nil {
		r.log.line(persist.Warning, "Failed creating the event loop. Error message: '"+err.Error()+"'")
		return 1
	}
	var spawn persist.Spawn
	if r.o.Child != nil {
		spawn = r.spawn
	}
	r.server = engine.New(engine.Options{
		Env:        world,
		FS:         r.env.FS(osfs.New(dir)),
		Config:     r.o.Config,
		Log:        r.log.line,
		Bugs:       r.o.Bugs,
		ConfigFile: file,
		ConfigFS:   r.env.FS(osfs.New(filepath.Dir(file))),
		Pid:        os.Getpid(),
		Memory:     heapInUse,
		Chdir:      r.chdir,
		Rebind:     r.rebind,
		Bus:        r.bus(),
		Reach:      func(dir string) (vfs.FS, error) { return r.env.FS(osfs.New(dir)), nil },
		Spawn:      spawn,
		Usage:      usage,
		Wait:       r.clients,
		Yield:      func() { r.clients.WaitFor(0) },
	})
	r.clients.server = r.server
	if o := r.o.Config; o.ClusterEnabled && cluster.BusPort(o) > 65535 {
		r.log.line(persist.Warning, "Redis port number too high. Cluster communication port is 10,000 port numbers higher than your Redis port. Your Redis port number must be 55535 or less.")
		r.clients.stop()
		return 1
	}
	r.log.line(persist.Warning, "Server initialized")
	stopSignals := r.watchSignals()
	defer stopSignals()

	r.dir = dir
	// Clients are let in at once: while the data are loaded they are told so.
	var addrs []string
	for _, l := range r.listeners {
		addrs = append(addrs, l.Addr().String())
	}
	r.clients.unix = r.o.Config.Unixsocket
	r.accept(r.listeners)
	code := r.loadAndServe(addrs)
	r.server.Close()
	closeAll(r.listeners)
	r.clients.stop()
	// Who accepts them needs the lock to notice.
	r.env.Leave()
	r.serving.Wait()
	r.env.Enter()
	return code
}

// bus is where a node of a cluster listens to others: on the hosts that clients are served on.
func (r *runner) bus() (addrs []string) {
	if !r.o.Config.ClusterEnabled {
		return nil
	}
	for _, l := range r.listeners {
		if l.Addr().Network() == "unix" {
			continue
		}
		host, _, _ := net.SplitHostPort(l.Addr().String())
		addrs = append(addrs, net.JoinHostPort(host, strconv.Itoa(cluster.BusPort(r.o.Config))))
	}
	return addrs
}

// accept lets clients in.
func (r *runner) accept(on []net.Listener) {
	for _, l := range on {
		r.serving.Go(func() { r.clients.accept(l) })
	}
}

// chdir is the engine's Options.Chdir.
func (r *runner) chdir(dir string) (vfs.FS, string, error) {
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(r.dir, dir)
	}
	abs, err := workingDirectory(dir)
	if err != nil {
		return nil, "", err
	}
	r.dir = abs
	return r.env.FS(osfs.New(abs)), abs, nil
}

// rebind is the engine's Options.Rebind: the old listeners are closed first (redis
// 7.0.15 server.c changeListenPort, changeBindAddr). On port 0 nobody listens.
func (r *runner) rebind() error {
	ports := slices.IndexFunc(r.listeners, func(l net.Listener) bool { return l.Addr().Network() == "unix" })
	if ports < 0 {
		ports = len(r.listeners)
	}
	named := slices.Clone(r.listeners[ports:])
	closeAll(r.listeners[:ports])
	r.listeners = named
	if r.o.Config.Port == 0 {
		return nil
	}
	listeners, err := bind(r.o.Config)
	if err != nil {
		r.log.line(persist.Warning, fmt.Sprintf("Warning: Could not create server TCP listening socket %v", err))
		r.log.line(persist.Warning, "Failed to bind")
		return err
	}
	r.listeners = append(listeners, named...)
	r.accept(listeners)
	return nil
}

// loadAndServe is the server's main task, until it ends; it returns the exit status.
func (r *runner) loadAndServe(addrs []string) int {
	if err := r.server.Load(); err != nil {
		var told *persist.LoadError // its last words are in the log
		if !errors.As(err, &told) && !errors.Is(err, persist.ErrStopped) {
			r.log.line(persist.Warning, err.Error())
		}
		return r.server.NotLoaded()
	}
	r.log.line(persist.Notice, "Ready to accept connections")
	if r.o.Ready != nil {
		r.o.Ready(addrs)
	}
	return r.server.Run()
}

// usage is what INFO tells of the CPU.
func usage() (u engine.Usage) {
	spent := func(who int, sys, user *time.Duration) {
		var r syscall.Rusage
		if syscall.Getrusage(who, &r) == nil {
			*sys, *user = time.Duration(r.Stime.Nano()), time.Duration(r.Utime.Nano())
		}
	}
	spent(syscall.RUSAGE_SELF, &u.Sys, &u.User)
	spent(syscall.RUSAGE_CHILDREN, &u.SysChildren, &u.UserChildren)
	return u
}

// heapInUse is INFO's used_memory.
func heapInUse() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// watchSignals turns SIGTERM and SIGINT into an orderly end; a second SIGINT
// ends the process at once (redis 7.0.15 server.c sigShutdownHandler).
func (r *runner) watchSignals() (stop func()) {
	signals := make(chan os.Signal, 1)
	if !r.o.NoSignals {
		signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	}
	done := make(chan struct{})
	go func() {
		stop := r.o.Stop
		for {
			name := "SIGTERM"
			select {
			case <-done:
				return
			case _, again := <-stop:
				if !again {
					stop = nil
				}
			case sig := <-signals:
				if sig == syscall.SIGINT {
					name = "SIGINT"
				}
			}
			r.env.Enter()
			insist := r.server.Terminate(name)
			r.env.Leave()
			if insist && name == "SIGINT" {
				r.log.line(persist.Warning, "You insist... exiting now.")
				// A snapshot of the main thread's own is in the making, perhaps.
				_ = os.Remove(filepath.Join(r.o.Config.Dir, "temp-"+strconv.Itoa(os.Getpid())+".rdb"))
				os.Exit(1)
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}
