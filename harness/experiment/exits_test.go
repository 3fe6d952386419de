package experiment

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/reports/result"
)

// TestHowAServerEndsByItself: its end is right where it keeps a promise, allowed where its
// disk had failed it or the plan asked for it, wrong where neither had, and unexplained where
// nobody could have seen it.
func TestHowAServerEndsByItself(t *testing.T) {
	failed := history.DiskSync{Enter: 1 * time.Second, Return: 2 * time.Second, Failed: true}
	left := failed
	left.Left = true
	for _, row := range []struct {
		name    string
		plan    string
		life    history.Epoch
		exit    string
		failed  string // call
		outside string
		stops   bool   // the contract says that the server does after a failed sync
		crash   string // "": kill
		want    result.EndKind
		why     string
	}{
		{name: "killed by the plan", life: history.Epoch{How: history.ProcessKill, DiskSeen: true}},
		{name: "an error of its own", life: history.Epoch{How: history.Exited, DiskSeen: true}, exit: "exit status 1", want: result.EndWrong, why: "exit status 1"},
		{name: "the same of a mode that stops", life: history.Epoch{How: history.Exited, DiskSeen: true}, exit: "exit status 1", stops: true, want: result.EndWrong, why: "exit status 1"},
		{name: "a failed sync, always", life: history.Epoch{How: history.Exited, DiskSeen: true, LogSyncs: []history.DiskSync{failed}}, exit: "exit status 1", stops: true,
			want: result.EndRight, why: "after a failed sync of its log"},
		{name: "a failed sync, everysec", life: history.Epoch{How: history.Exited, DiskSeen: true, LogSyncs: []history.DiskSync{failed}}, exit: "exit status 1",
			want: result.EndAllowed, why: "after a failed sync of its log"},
		{name: "a failed sync that it does not hear of", life: history.Epoch{How: history.Exited, DiskSeen: true, LogSyncs: []history.DiskSync{left}}, exit: "exit status 1", stops: true,
			want: result.EndWrong, why: "exit status 1"},
		{name: "a failed write, always", life: history.Epoch{How: history.Exited, DiskSeen: true}, exit: "exit status 1", failed: "write of f: input/output error", stops: true,
			want: result.EndRight, why: "after a failed write of f: input/output error"},
		{name: "a failed write, everysec", life: history.Epoch{How: history.Exited, DiskSeen: true}, exit: "exit status 1", failed: "write of f: input/output error",
			want: result.EndAllowed, why: "after a failed write of f: input/output error"},
		{name: "a failed rename, always", life: history.Epoch{How: history.Exited, DiskSeen: true}, exit: "exit status 1", failed: "rename of f: input/output error", stops: true,
			want: result.EndAllowed, why: "after a failed rename of f: input/output error"},
		{name: "SHUTDOWN by the plan", plan: "at 1s: do n1 SHUTDOWN", life: history.Epoch{How: history.Terminated, DiskSeen: true}, exit: "exit status 0"},
		{name: "DEBUG SEGFAULT by the plan", plan: "at 1s: do n1 DEBUG SEGFAULT", life: history.Epoch{How: history.Exited, DiskSeen: true}, exit: "killed by signal 11",
			want: result.EndAllowed, why: "after a command of the plan"},
		{name: "SIGTERM is the crash", plan: "at 1s: term n1", crash: "term", life: history.Epoch{How: history.Terminated, DiskSeen: true}},
		{name: "an orderly end that nobody asked for", life: history.Epoch{How: history.Terminated, DiskSeen: true}, exit: "exit status 0",
			want: result.EndUnexplained, why: "exit status 0"},
		{name: "an error on a disk that nobody sees", life: history.Epoch{How: history.Exited}, exit: "exit status 1", want: result.EndUnexplained, why: "exit status 1"},
		{name: "killed from outside", life: history.Epoch{How: history.Exited, DiskSeen: true}, outside: "killed by signal 9"},
		{name: "a disk that took less, always", plan: "at 1s: short n1 write(*) 5", life: history.Epoch{How: history.Exited, DiskSeen: true}, exit: "exit status 1", stops: true,
			want: result.EndRight, why: `after "at 1s: short n1 write(*) 5"`},
	} {
		p := new(plan.Plan)
		o := &Outcome{Outside: row.outside, History: &history.History{Epochs: []history.Epoch{row.life}}}
		o.Exit, o.FailedCall = row.exit, row.failed
		if row.plan != "" {
			var err error
			p, err = plan.Parse("plan 1\n" + row.plan)
			require.NoError(t, err, row.name)
			o.History.Events = []history.Event{{Kind: history.FaultStruck, Text: p.Statements[0].String()}}
		}
		crash := MustCrash("kill")
		if row.crash != "" {
			crash = MustCrash(row.crash)
		}
		c := contract.Contract{AfterFailedSync: contract.Refuses}
		if row.stops {
			c.AfterFailedSync = contract.Stops
		}
		end := exitOf(&Experiment{Crash: crash, Plan: p}, o, &c)
		if row.want == "" {
			require.Nil(t, end, row.name)
			continue
		}
		require.NotNil(t, end, row.name)
		require.Equal(t, result.OwnEnd{How: row.want, Why: row.why, Runs: 1}, *end, row.name)
	}
}

// ended is a machine whose server has ended so.
type ended struct {
	machine.Machine
	exit machine.Exit
}

func (e ended) Exit() machine.Exit { return e.exit }

// TestTheFirstEndIsJudged: how a server ends by itself in a later life says nothing of how it
// ended in the first, and what it promises about a process that ends is asked of one life.
func TestTheFirstEndIsJudged(t *testing.T) {
	m, err := redis.ModeByName("always")
	require.NoError(t, err)
	killed := machine.Exit{Words: "killed by signal 9", Outside: true}
	for lives, outside := range map[int]string{1: "the server was killed by signal 9", 2: ""} {
		r := Runner{m: ended{exit: killed}, hist: &history.History{Epochs: make([]history.Epoch, lives)}, out: new(Outcome)}
		r.noteExit(history.Exited, nil)
		require.Equal(t, outside, r.out.Outside, "%d", lives)

		asked := 0
		o := &Outcome{History: r.hist, Recovery: machine.ByItself}
		new(judging).exited(&Experiment{Mode: m, Crash: MustCrash("kill")}, o, &result.OwnEnd{How: result.EndRight}, func(*history.History, contract.Contract) checker.Judgement {
			asked++
			return checker.Judgement{}
		})
		require.Equal(t, 2-lives, asked)
	}
}

// TestEachReplyIsOnRecord: one more on record than was read, or one less of the clients', is
// torntail's own failure.
func TestEachReplyIsOnRecord(t *testing.T) {
	o := &Outcome{History: &history.History{Ops: []history.Op{{Outcome: history.OK}, {Outcome: history.Unknown}, {Client: 1, Outcome: history.Failed}}}}
	for want, read := range map[string]replies{
		"": {all: 2, clients: 1, of: 1},
		"the record has 2 operations with a reply, but only 1 replies were read": {all: 1, clients: 1, of: 1},
		"2 replies were read, but the record has only 1 operations with one":     {all: 3, clients: 2, of: 1},
		"3 replies were read, but the record has only 2 operations with one":     {all: 3, clients: 3, of: 2},
	} {
		require.Equal(t, want, audit(o, 0, read))
	}
}
