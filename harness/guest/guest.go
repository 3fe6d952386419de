// Package guest is what torntail can do with a server that somebody else runs: it is a guest
// there, who cannot kill the server, cut its power, see its disk or bring it back. Clients
// write and read, and what they saw is judged: acknowledged writes must be there, and all
// answers must agree with an order of the operations. Where the server lets itself be told to
// load its log again, it must have all of that afterwards.
//
// Before anything is written the server must be on this machine, be empty, have no replicas
// and no master; what is not known of it is a reason to keep away.
package guest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/checker"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// Is reports whether a target is the address of a server, HOST:PORT.
func Is(target string) bool {
	host, port, err := net.SplitHostPort(target)
	if err != nil || strings.ContainsAny(host, "/\\ ") {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// UnfitError says why a server is not written to.
type UnfitError struct{ Addr, Why string }

func (e *UnfitError) Error() string { return "target " + e.Addr + ": " + e.Why }

// Resolve is the address of a server on this machine.
func Resolve(target string) (string, error) {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return "", err
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.IsLoopback() {
		return "", &UnfitError{target, "want an address of this machine alone, such as 127.0.0.1:6379"}
	}
	return net.JoinHostPort(ip.String(), port), nil
}

// answerWithin is how long an answer may take.
const answerWithin = 10 * time.Second

// Options are what clients do, and for how long.
type Options struct {
	Addr     string
	Workload workloads.Spec
	Seed     uint64
	Span     time.Duration
}

// seen is what a server says of itself.
type seen struct {
	info       map[string]string
	keys       []string // lines of its keyspace
	directives map[string]string
}

// visit is one visit to a server.
type visit struct {
	o    Options
	env  *osenv.Env
	conn *workloads.Conn
	run  workloads.Run
	rec  workloads.Recorder
	hist history.History
}

// Rows of what can be done: nothing strikes, or the log is loaded again.
const (
	Nothing = "none"
	Reload  = "reload"
)

// shown are the directives that a result has.
var shown = []string{"appendonly", "appendfsync", "save", "maxmemory", "maxmemory-policy"}

// Visit writes to a server, reads, and judges what its clients saw: a result for each of
// Nothing and Reload. An *UnfitError says why it was not written to.
func Visit(ctx context.Context, o Options) (_ []result.Result, err error) {
	v := &visit{o: o, env: osenv.New("c1", o.Seed)}
	v.env.Enter()
	defer v.env.Leave()
	if v.conn, err = workloads.Dial(v.env, o.Addr); err != nil {
		return nil, err
	}
	defer v.conn.Close()
	before, err := v.look()
	if err != nil {
		return nil, err
	}
	if why := before.unfit(); why != "" {
		return nil, &UnfitError{o.Addr, why}
	}
	defer func() { err = errors.Join(err, v.clean()) }()
	v.write(ctx)
	r := result.Result{Target: o.Addr, Version: before.info["redis_version"], Backend: "running", Mode: "as it is", Crash: Nothing,
		Workload: o.Workload.Name, Runs: 1, SpanMS: result.MS(o.Span)}
	for _, name := range shown {
		if value, known := before.directives[name]; known {
			r.Directives = append(r.Directives, strings.TrimSpace(name+" "+value))
		}
	}
	rows := []result.Result{r, r}
	rows[1].Crash = Reload
	if ctx.Err() != nil {
		for i := range rows {
			rows[i].Verdict, rows[i].Why = result.Unknown, "interrupted"
		}
		return rows, nil
	}
	v.judge(&rows[0], before)
	if rows[1].Why = before.noReload(); rows[1].Why != "" {
		rows[1].Verdict = result.NotApplicable
		return rows, nil
	}
	if reply, err := v.conn.Do(answerWithin, "DEBUG", "LOADAOF"); err != nil || reply.Type == redcon.Error {
		rows[1].Verdict, rows[1].Why = result.NotApplicable, fmt.Sprintf("DEBUG LOADAOF: %v %s", err, reply.Data)
		return rows, nil
	}
	v.judge(&rows[1], before)
	return rows, nil
}

// look asks a server about itself, and changes nothing.
func (v *visit) look() (*seen, error) {
	s := &seen{info: map[string]string{}, directives: map[string]string{}}
	reply, err := v.conn.Do(answerWithin, "INFO")
	switch {
	case err != nil:
		return nil, err
	case strings.HasPrefix(string(reply.Data), "NOAUTH"):
		return nil, &UnfitError{v.o.Addr, "it wants a password, which there is no way to give here"}
	case reply.Type != redcon.Bulk:
		return nil, &UnfitError{v.o.Addr, fmt.Sprintf("it answers INFO with %.100q: whether it is empty is not known", reply.Raw)}
	}
	section := ""
	for line := range strings.Lines(string(reply.Data)) {
		line = strings.TrimSpace(line)
		if title, ok := strings.CutPrefix(line, "# "); ok {
			section = title
			s.info["# "+title] = "there"
		}
		name, value, ok := strings.Cut(line, ":")
		switch {
		case ok && section == "Keyspace":
			s.keys = append(s.keys, line)
		case ok:
			s.info[name] = value
		}
	}
	for _, name := range append([]string{"enable-debug-command"}, shown...) {
		reply, err := v.conn.Do(answerWithin, "CONFIG", "GET", name)
		if err != nil {
			return nil, err
		}
		var words []string
		if reply.Type == redcon.Array {
			reply.ForEach(func(w redcon.RESP) bool {
				words = append(words, string(w.Data))
				return true
			})
		}
		if len(words) == 2 {
			s.directives[name] = words[1]
		}
	}
	return s, nil
}

// unfit is why a server is not written to; "": it is.
func (s *seen) unfit() string {
	unknown := func(what string) string { return "it does not say " + what + " (INFO)" }
	switch {
	case s.info["# Keyspace"] == "":
		return unknown("whether it is empty")
	case len(s.keys) > 0:
		return "it is not empty: " + strings.Join(s.keys, ", ")
	case s.info["role"] == "":
		return unknown("whether it has a master")
	case s.info["role"] != "master":
		return "it is a " + s.info["role"] + ": what it has is its master's"
	case s.info["connected_slaves"] == "":
		return unknown("whether it has replicas")
	case s.info["connected_slaves"] == "1":
		return "it has a replica, which would get what is written"
	case s.info["connected_slaves"] != "0":
		return "it has " + s.info["connected_slaves"] + " replicas, which would get what is written"
	case s.info["redis_mode"] != "" && s.info["redis_mode"] != "standalone":
		return "it runs as " + s.info["redis_mode"]
	case s.info["loading"] == "1":
		return "it is loading"
	}
	return ""
}

// noReload is why it is not told to load its log again; "": it is.
func (s *seen) noReload() string {
	debug := s.directives["enable-debug-command"]
	switch {
	case s.directives["appendonly"] != "yes":
		return "it has no append-only file that it could load again (appendonly)"
	case debug != "" && debug != "yes" && debug != "local":
		return "it takes no DEBUG, with which it would load its log again (enable-debug-command)"
	}
	return ""
}

// write lets the clients write and read for the span.
func (v *visit) write(ctx context.Context) {
	spec := v.o.Workload
	spec.Span = v.o.Span
	v.rec.Reset(&v.hist)
	v.run.Reset(v.env, v.o.Addr, workloads.RESP{}, spec, &v.rec)
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		v.env.Enter()
		v.run.Stop()
		v.env.Leave()
		close(ended)
	})
	clients := v.run.Clients()
	tasks := make([]interface{ Wait() }, len(clients))
	for i, c := range clients {
		tasks[i] = v.env.Go("client", c.Run)
	}
	for _, t := range tasks {
		t.Wait()
	}
	if !stop() { // it has begun
		v.env.Leave()
		<-ended
		v.env.Enter()
	}
}

// judge reads every key and judges all that clients saw so far.
func (v *visit) judge(r *result.Result, before *seen) {
	unknown := func(format string, args ...any) { r.Verdict, r.Why = result.Unknown, fmt.Sprintf(format, args...) }
	if err := v.run.ReadAll(); err != nil {
		unknown("the keys could not be read: %v", err)
		return
	}
	after, err := v.look()
	if err != nil {
		unknown("%v", err)
		return
	}
	judge := checker.Judge{}
	j := judge.Judge(&v.hist, contract.Clients())
	r.Acknowledged = int64(j.Acked)
	why := v.notAlone(before, after)
	switch verdict := result.Verdict(j.Verdict); {
	case verdict == result.Violated && why != "":
		unknown("%s, and %s", j.Why, why)
	case verdict == result.Violated:
		r.Verdict, r.Anomalies = verdict, map[string]int{}
		for _, a := range j.Anomalies {
			r.Anomalies[string(a.Name)] = 1
		}
		r.Failures = []result.Failure{{Seed: v.o.Seed, Anomaly: string(j.Anomalies[0].Name), Story: j.Anomalies[0].Story}}
	case verdict == result.Holds && j.Acked == 0:
		unknown("nothing was acknowledged")
	default:
		r.Verdict, r.Why = verdict, ""
		if verdict != result.Holds {
			r.Why = j.Why
		}
	}
}

// notAlone is what else may explain that something is missing; "": nothing.
func (v *visit) notAlone(before, after *seen) string {
	const evicted, connected = "evicted_keys", "total_connections_received"
	number := func(s *seen, name string) int {
		n, err := strconv.Atoi(s.info[name])
		if err != nil {
			return -1
		}
		return n
	}
	policy := after.directives["maxmemory-policy"]
	switch {
	case before.info["run_id"] != after.info["run_id"]:
		return "somebody has started it again meanwhile"
	case number(after, evicted) != number(before, evicted), number(after, evicted) < 0 && policy != "noeviction":
		return "it has evicted keys, or may have"
	case number(after, connected) < 0 || number(after, connected)-number(before, connected) > v.run.Dialed():
		return "other clients may have written to it"
	case number(before, "connected_clients") != 1:
		return "other clients were connected to it"
	}
	return ""
}

// clean deletes the keys that were written.
func (v *visit) clean() error {
	_, err := v.conn.Do(answerWithin, slices.Concat([]string{"DEL"}, v.run.Keys())...)
	return err
}
