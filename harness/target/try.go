package target

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/workloads"
)

// A server that a file describes is tried before anything else: started once on an empty
// directory, written to and read. What is wrong with the description shows there, in a line,
// and not as runs that prove nothing.

const (
	// tryWithin is how long all may take until it serves, unless the file says how long that
	// takes; of it the start has at least atLeast.
	tryWithin = 9 * time.Second
	atLeast   = 3 * time.Second
	// answerWithin is how long an answer may take, and fileWithin a file that was asked for.
	answerWithin = 5 * time.Second
	fileWithin   = 2 * time.Second
)

// TrialError is what a trial found wrong with what a file says.
type TrialError struct {
	Target, Text string
	Err          error // a *process.StartError, if it is one
}

func (e *TrialError) Error() string { return "target " + e.Target + ": " + e.Text }
func (e *TrialError) Unwrap() error { return e.Err }

// Try tries a server that a file describes; of others it has nothing to say. What its log and
// snapshots lack, so that some modes cannot be judged, is noted.
func (s *Server) Try(ctx context.Context) (err error) {
	t := s.Described
	if t == nil {
		return nil
	}
	limit := max(atLeast, tryWithin-s.asked)
	if t.Within > limit {
		limit = t.Within
	}
	rig, err := machine.NewRig(t.Store, s.Binary, machine.HostDirs(""))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rig.Close()) }()
	rig.Describe(&machine.Description{Server: &t.Server, Within: limit, Modes: t.Modes, Fixed: t.Fixed()})
	dir, err := os.MkdirTemp(rig.Disks.Dir(), "try")
	if err != nil {
		return err
	}
	m := triedMode(rig)
	if m == nil {
		return nil // every cell says why
	}
	heard := &ear{store: t.Store}
	redis, err := rig.Launch(ctx, dir, m.Directives, heard.line)
	var start *process.StartError
	if errors.As(err, &start) {
		return &TrialError{s.Name, startedOnNothing(start, t.Store, limit), start}
	}
	if err != nil {
		return err
	}
	defer machine.End(redis)
	trial := trial{s, rig, m, redis, dir, heard}
	if err := trial.serves(); err != nil {
		if redis.Exited() {
			err = fmt.Errorf("%w; it has ended: %s", err, redis.Wait())
		}
		return &TrialError{s.Name, err.Error(), nil}
	}
	if m.AOF {
		trial.log()
	}
	trial.snapshot()
	return nil
}

// startedOnNothing says in a line what came of a start on an empty directory.
func startedOnNothing(e *process.StartError, s product.Store, limit time.Duration) string {
	how := e.Why
	switch {
	case e.Exited:
		how = e.Exit.String()
	case how == "":
		how = fmt.Sprintf("it did not answer within %v (within says how long it may take)", limit.Round(time.Second))
	}
	text := "started on an empty directory: " + how
	if e.Output != "" {
		last := product.LastWords(s, e)
		const most = 200
		if len(last) > most {
			last = last[:most] + "..."
		}
		text += fmt.Sprintf("; its last line: %q", last)
	}
	return text
}

// triedMode is the mode that a server is tried in: the first with a log that it has, or the
// first; nil: it has none.
func triedMode(rig *machine.Rig) (tried *product.Mode) {
	for _, m := range rig.Store.Modes() {
		if m = rig.Store.On(m); rig.LacksMode(&m) == "" && (tried == nil || m.AOF && !tried.AOF) {
			tried = &m
		}
	}
	return tried
}

// ear hears what a server says of snapshots.
type ear struct {
	store product.Store
	mu    sync.Mutex
	forks int
}

func (e *ear) line(l process.Line) {
	if _, msg, ok := e.store.Line(l.Text); ok {
		if what, _ := e.store.Says(msg); what == product.SnapshotForked {
			e.mu.Lock()
			e.forks++
			e.mu.Unlock()
		}
	}
}

func (e *ear) heard() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.forks > 0
}

type trial struct {
	of    *Server
	rig   *machine.Rig
	mode  *product.Mode
	redis *process.Redis
	dir   string
	heard *ear
}

// tried are operations of which a store has one, and the workload that has it.
var tried = []struct {
	workload    string
	write, read history.Kind
}{
	{"registers", history.Write, history.Read}, {"lists", history.Append, history.ReadList}, {"sets", history.SetAdd, history.ReadSet}, {"hashes", history.HashSet, history.ReadHash},
}

// serves writes a key and reads all there are, as experiments do.
func (t *trial) serves() error {
	e := t.rig.Env("try", 1)
	e.Enter()
	defer e.Leave()
	store := t.mode.Store
	conn, err := workloads.Dial(e, t.redis.Addr)
	if err != nil {
		return fmt.Errorf("no connection: %w", err)
	}
	defer conn.Close()
	i := slices.IndexFunc(tried, func(o struct {
		workload    string
		write, read history.Kind
	}) bool {
		return store.Has(o.write) && store.Has(o.read)
	})
	if i < 0 {
		return errors.New("it has no type that a workload uses")
	}
	const key = "k0" // the first of every workload
	op := history.Op{Kind: tried[i].write, Key: key, Value: "1", More: &history.More{}}
	if op.Kind == history.HashSet {
		op.More.Field = "f"
	}
	conn.Deadline(answerWithin)
	store.Ask(conn, &op, 0)
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("a write: %w", err)
	}
	answer, err := store.Answer(conn, &op)
	switch {
	case err != nil:
		return fmt.Errorf("a write: %w", err)
	case answer.Refused:
		return fmt.Errorf("it refuses a write: %q", answer.Why)
	}
	spec := workloads.Default()
	spec.Name = tried[i].workload
	var run workloads.Run
	run.Reset(e, t.redis.Addr, store, spec, new(workloads.Recorder))
	state, err := run.Dump(conn, answerWithin)
	if err != nil {
		return fmt.Errorf("%w (dump says how keys are listed, rename what it calls a command)", err)
	}
	if !slices.ContainsFunc(state.Keys, func(kv history.KV) bool { return kv.Key == key }) {
		return fmt.Errorf("it has acknowledged a write of %q, and lists %d keys without that", key, len(state.Keys))
	}
	if files := t.rig.Elsewhere(t.redis.Pid()); len(files) > 0 {
		return fmt.Errorf("it writes to %s, outside of torntail's own directory", strings.Join(files, ", "))
	}
	return nil
}

// files are those below the server's directory, with their sizes.
func (t *trial) files() map[string]int64 {
	files := map[string]int64{}
	filepath.WalkDir(t.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // it goes on meanwhile
		}
		if info, err := d.Info(); err == nil {
			if name, err := filepath.Rel(t.dir, path); err == nil {
				files[name] = info.Size()
			}
		}
		return nil
	})
	return files
}

// until waits for what a server does, so long at most.
func until(is func() bool) bool {
	for end := time.Now().Add(fileWithin); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// log notes whether what was written is in what is said to be the log.
func (t *trial) log() {
	var files map[string]int64
	if until(func() bool {
		files = t.files()
		for name, size := range files { // any order: whether there is one
			if size > 0 && t.mode.Store.Role(name) == product.TheLog {
				return true
			}
		}
		return false
	}) {
		return
	}
	glob, _ := t.mode.Store.Globs()
	t.of.noLog = fmt.Sprintf("in a trial it wrote nothing to %s, which is said to be its log (log); %s", glob, thereIs(files))
}

func thereIs(files map[string]int64) string {
	var names []string
	for name := range files { // any order: sorted below
		names = append(names, name)
	}
	if slices.Sort(names); len(names) == 0 {
		return "its directory is empty"
	}
	return "in its directory there is " + strings.Join(names, ", ")
}

// snapshot notes whether a snapshot that is asked for is made and announced.
func (t *trial) snapshot() {
	store := t.mode.Store
	i := slices.IndexFunc(store.Modes(), func(m product.Mode) bool { return m.RDB && !m.AOF })
	if i < 0 {
		return
	}
	m := store.Modes()[i]
	if m = store.On(m); t.rig.LacksMode(&m) != "" {
		return
	}
	command := store.Rewrite(&m)
	e := t.rig.Env("try", 2)
	e.Enter()
	defer e.Leave()
	conn, err := workloads.Dial(e, t.redis.Addr)
	if err == nil {
		conn.Deadline(answerWithin)
		err = store.Command(conn, command)
		conn.Close()
	}
	file := store.DataFile(&m)
	switch {
	case err != nil:
		t.of.noSnapshot = fmt.Sprintf("in a trial it made no snapshot: %s: %v", strings.Join(command, " "), err)
	case !until(func() bool { return t.files()[file] > 0 }):
		t.of.noSnapshot = fmt.Sprintf("in a trial it made no %s (snapshot); %s", file, thereIs(t.files()))
	case !until(t.heard.heard):
		t.of.noSnapshot = "in a trial its log did not say when a snapshot began (says, snapshot)"
	}
}
