package listen

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/persist"
	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/faults/vfs/osfs"
)

// The files that a child inherits beside the usual: where it tells how far it is, and
// where a snapshot for replicas goes.
const (
	reportFile = 3
	outFile    = 4
)

// childProcess is the parent's end of a child.
type childProcess struct {
	env *osenv.Env
	cmd *exec.Cmd
	// Under the environment's exclusion.
	ended          bool
	status, signal int
	over           chan struct{} // closed once it is
}

// spawn is the engine's Options.Spawn. What is encoded for the child is encoded in a
// goroutine that runs beside the main task: the frozen data belong to it alone.
func (r *runner) spawn(work *persist.Work, sink io.Writer) (persist.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &childProcess{env: r.env, cmd: &exec.Cmd{Path: self, Args: r.o.Child}, over: make(chan struct{})}
	job := work.Job()
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = job.Dir, r.o.Output, os.Stderr
	var ours, theirs []*os.File
	closing := func(files []*os.File) {
		for _, f := range files {
			f.Close()
		}
	}
	for i := range 3 {
		read, write, err := os.Pipe()
		if err != nil {
			closing(ours)
			closing(theirs)
			return nil, err
		}
		if i == 0 {
			p.cmd.Stdin = read
			ours, theirs = append(ours, write), append(theirs, read)
			continue
		}
		ours, theirs = append(ours, read), append(theirs, write)
		p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, write)
	}
	err = p.cmd.Start()
	closing(theirs)
	if err != nil {
		closing(ours)
		return nil, err
	}
	in, report, out := ours[0], ours[1], ours[2]
	var pipes sync.WaitGroup
	pipes.Go(func() {
		defer in.Close()
		w := bufio.NewWriterSize(in, 64<<10)
		if json.NewEncoder(w).Encode(job) == nil && work.Stream(func(p []byte) error { _, err := w.Write(p); return err }) == nil {
			_ = w.Flush() // who does not read has ended, and that is noticed
		}
	})
	pipes.Go(func() {
		defer report.Close()
		_, _ = io.Copy(io.Discard, report)
	})
	pipes.Go(func() {
		defer out.Close() // a sink that takes no more lets the child know by that
		_, _ = io.Copy(within{r.env, sink}, out)
	})
	go func() { // the server does not wait for it when it ends
		_ = p.cmd.Wait() // its state says how it ended
		pipes.Wait()
		r.env.Enter()
		defer r.env.Leave()
		p.ended = true
		if how, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && how.Signaled() {
			p.signal = int(how.Signal())
		} else {
			p.status = p.cmd.ProcessState.ExitCode()
		}
		close(p.over)
	}()
	return p, nil
}

// within writes under the environment's exclusion.
type within struct {
	env  *osenv.Env
	sink io.Writer
}

func (w within) Write(p []byte) (int, error) {
	w.env.Enter()
	defer w.env.Leave()
	return w.sink.Write(p)
}

func (p *childProcess) Pid() int { return p.cmd.Process.Pid }

func (p *childProcess) Ended() (ended bool, status, signal int) { return p.ended, p.status, p.signal }

func (p *childProcess) Wait() {
	p.env.Leave()
	defer p.env.Enter()
	<-p.over
}

// Stop asks until the child has ended: until it has said what a signal is to do, the
// runtime drops it.
func (p *childProcess) Stop() {
	go func() {
		for {
			_ = p.cmd.Process.Signal(syscall.SIGUSR1) // it has ended, if that fails
			select {
			case <-p.over:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
}

// childEnv is the environment of a child.
type childEnv struct {
	*osenv.Env
	report *os.File
}

// Orphaned implements env.Env: nobody reads any more.
func (e childEnv) Orphaned() bool {
	_, err := e.report.Write([]byte{1})
	return errors.Is(err, syscall.EPIPE)
}

// RunChild is the whole of a process that a server has started to write a snapshot or a
// base for it: what it is to do comes on its standard input. It returns the exit status.
func RunChild(in io.Reader, output io.Writer) int {
	// Signals for all of a group are the server's business.
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGUSR1)
	reader := bufio.NewReader(in)
	var job persist.Job
	line, err := reader.ReadBytes('\n')
	if err != nil || json.Unmarshal(line, &job) != nil {
		return 1 // the parent has ended, or this is no child
	}
	cfg := config.Default()
	cfg.Logfile, cfg.Loglevel = job.Logfile, job.Loglevel
	log, closeLog, err := openLog(Options{Config: cfg, Output: output})
	if err != nil {
		return 1
	}
	defer closeLog()
	log.child = true
	go func() {
		<-stop
		log.fromHandler("Received SIGUSR1 in child, exiting now.")
		os.Exit(persist.ChildStopped)
	}()
	e := childEnv{Env: osenv.New("n1", uint64(time.Now().UnixNano())), report: os.NewFile(reportFile, "report")}
	out := os.NewFile(outFile, "out")
	e.Enter()
	defer e.Leave()
	return persist.RunChild(job, e, osfs.New(job.Dir), os.Getpid(), ahead(reader), out, log.line)
}

// aheadChunks is how many chunks of 64 KiB of its data a child takes in while it is held
// up, so that what it would have had from a fork is there if its parent dies.
const aheadChunks = 256

// ahead reads as far ahead as that.
func ahead(in io.Reader) io.Reader {
	read, write := io.Pipe()
	chunks := make(chan []byte, aheadChunks)
	var err error
	go func() {
		for err == nil {
			buf := make([]byte, 64<<10)
			var n int
			if n, err = in.Read(buf); n > 0 {
				chunks <- buf[:n]
			}
		}
		close(chunks)
	}()
	go func() {
		for c := range chunks {
			_, _ = write.Write(c) // nobody closes the other end
		}
		write.CloseWithError(err)
	}()
	return read
}
