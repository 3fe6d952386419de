package splitbrain

import (
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/reports/result"
)

const milli = time.Millisecond

// failedOver is an experiment in which n1 was cut off after three writes, took two
// more, and n2 was promoted in its place: what a cluster would have left.
func failedOver(t *testing.T, o Options) (*Scenario, *Outcome) {
	t.Helper()
	s, err := New(o)
	require.NoError(t, err)
	h := &history.History{}
	write := func(client int, node, key string, at time.Duration, offset int64) {
		h.Ops = append(h.Ops, history.Op{ID: len(h.Ops), Client: client, Kind: history.Write, Key: key, Value: key, Invoke: at - milli, Return: at,
			Outcome: history.OK, More: &history.More{Node: node, Offset: offset}})
	}
	write(0, "n1", "a", 100*milli, 100)
	write(1, "n1", "b", 200*milli, 200)
	write(0, "n1", "c", 2000*milli, 300) // lost: cut to odown
	write(0, "n1", "d", 2600*milli, 400) // lost: after the promotion
	write(1, "n2", "e", 3000*milli, 290)
	h.Events = []history.Event{
		{At: 1500 * milli, Kind: history.CutOff, Node: "n1"}, {At: 1600 * milli, Kind: history.RoleSeen, Node: "n1", Text: "master"},
		{At: 2100 * milli, Kind: history.DownSeen, Node: "n1"}, {At: 2500 * milli, Kind: history.Promoted, Node: "n2", Offset: 201},
		{At: 2500 * milli, Kind: history.RoleSeen, Node: "n2", Text: "master"}, {At: 5000 * milli, Kind: history.Healed},
		{At: 5500 * milli, Kind: history.RoleSeen, Node: "n1", Text: "slave"},
	}
	for _, node := range []string{"n1", "n2", "n3"} {
		h.States = append(h.States, history.State{Node: node, Converged: true, Keys: []history.KV{{Key: "a", Value: "a"}, {Key: "b", Value: "b"}, {Key: "e", Value: "e"}}})
	}
	return s, &Outcome{
		Seed: 1, History: h, Ended: 7 * time.Second, Healed: 5 * time.Second, Converged: true, TookToHeal: time.Second,
		Turns:      []Turn{{Node: "n1", Master: true}, {Node: "n2"}, {Node: "n3"}, {At: 2500 * milli, Node: "n2", Master: true, SecondOffset: 201}, {At: 5500 * milli, Node: "n1"}},
		Statements: []plan.StatementReport{{Text: "at 1.5s: cut", Struck: true}},
		Suffixes:   []Suffix{{Node: "n1", From: 201, Bytes: 200, Keys: []string{"c", "d"}}},
		Executed:   []Executed{{Node: "n1", Keys: []string{"a", "b", "c", "d"}}, {Node: "n2", Keys: []string{"a", "b", "e"}}, {Node: "n3", Keys: []string{"a", "b", "e"}}},
	}
}

func TestAccountOfAFailover(t *testing.T) {
	s, o := failedOver(t, Options{})
	r := Judge(s, o)
	require.Equal(t, result.Holds, r.Verdict, r.Why)
	require.Equal(t, []int{5, 5, 3, 2, 0, 0}, []int{r.Total, r.Acknowledged, r.Survivors, r.Lost, r.Unattributed, r.Refuted})
	require.Equal(t, map[string]int{"cut to odown": 1, "after promotion": 1}, r.LostBy)
	require.Equal(t, []float64{600, 1000, 1100, 500, 1000}, []float64{r.DetectMS, r.FailoverMS, r.AcceptMS, r.DemoteMS, r.ConvergeMS})
	require.Equal(t, 3000.0, r.DualMasterMS)
	require.Equal(t, map[string]int{"n1": 1, "n2": 1}, r.DualAcked)
	require.Equal(t, []int{2, 0, 1, 1}, []int{r.AOFAgrees, r.AOFDiffer, r.SplitBrain, r.SplitLost})
	require.Equal(t, 1.1, r.Exposure[0].Seconds)
	var text bytes.Buffer
	r.WriteText(&text)
	for line := range strings.Lines(text.String()) {
		require.LessOrEqual(t, len([]rune(line)), 90, line)
	}
	require.Contains(t, text.String(), "lost                  2  40.0 %")
	require.Contains(t, text.String(), "holds: 2 acknowledged writes lost; each is explained.")
}

// TestVerdicts plants what makes a run violated or unknown; none of them may hold.
func TestVerdicts(t *testing.T) {
	limited := Options{Directives: lines("min-replicas-to-write", "1", "min-replicas-max-lag", "1")}
	late := func(o *Outcome) { o.History.Ops[3].Return = 4600 * milli; o.History.Ops[3].Invoke = 4599 * milli }
	with := func(o Options, partition string) Options { o.Partition = partition; return o }
	refuses := func(o *Outcome) {
		h := o.History
		h.Ops = append(h.Ops, history.Op{ID: 5, Kind: history.Write, Key: "f", Value: "f", Invoke: 3200 * milli, Return: 3300 * milli, Outcome: history.Failed,
			More: &history.More{Node: "n2", Offset: -1, Err: "NOREPLICAS Not enough good replicas to write."}})
		h.Ops = append(h.Ops, history.Op{ID: 6, Kind: history.Write, Key: "g", Value: "g", Invoke: 3200 * milli, Return: 3400 * milli, Outcome: history.Failed,
			More: &history.More{Node: "n1", Offset: -1, Err: "READONLY You can't write against a read only replica."}})
	}
	for _, c := range []struct {
		name  string
		o     Options
		plant func(o *Outcome)
		want  result.Verdict
		says  string
	}{
		{"nothing is planted", Options{}, func(*Outcome) {}, result.Holds, ""},
		{"a replica differs", Options{}, func(o *Outcome) { o.History.States[2].Keys[0].Value = "z" }, result.Violated, `n3 has "a" = "z"`},
		{"a survivor is gone everywhere", Options{}, func(o *Outcome) {
			for i := range o.History.States {
				o.History.States[i].Keys = o.History.States[i].Keys[1:]
			}
		}, result.Unknown, "1 lost writes are not attributed"},
		{"a promotion whose offset nobody knows", Options{}, func(o *Outcome) { o.History.Events[3].Offset = -1 }, result.Unknown, "2 lost writes are not attributed"},
		{"a lost write is back", Options{}, func(o *Outcome) {
			for i := range o.History.States {
				k := o.History.States[i].Keys
				o.History.States[i].Keys = []history.KV{k[0], k[1], {Key: "c", Value: "c"}, k[2]}
			}
		}, result.Unknown, "1 writes are lost by their offsets, and are there"},
		{"a key that nobody wrote", Options{}, func(o *Outcome) {
			for i := range o.History.States {
				o.History.States[i].Keys = append(o.History.States[i].Keys, history.KV{Key: "x"})
			}
		}, result.Violated, "which no client wrote"},
		{"the files disagree", Options{}, func(o *Outcome) { o.Executed[0].Keys = o.Executed[0].Keys[:3] }, result.Unknown, "append-only files disagree about 1"},
		{"it does not converge", Options{}, func(o *Outcome) { o.Converged, o.Why = false, "n1 and n2 are masters" }, result.Unknown, "n1 and n2 are masters"},
		{"the cut did not strike", Options{}, func(o *Outcome) { o.Statements[0].Struck, o.Statements[0].Why = false, "too late" }, result.Unknown, "did not strike: too late"},
		{"min-replicas kept", limited, func(*Outcome) {}, result.Holds, ""},
		{"min-replicas not kept by a master alone", limited, late, result.Violated, "must refuse writes within 3s"},
		{"nor promised with a replica on its side", with(limited, "master+replica"), late, result.Holds, ""},
		{"nor when only one direction is cut", with(limited, "one-way"), late, result.Holds, ""},
		{"max-lag 0 switches it off", Options{Directives: lines("min-replicas-to-write", "1", "min-replicas-max-lag", "0")}, late, result.Holds, ""},
		{"refused for now, without a bound", Options{}, refuses, result.Holds, ""},
		{"more refused than the scenario allows", Options{MaxRefused: new(int)}, refuses, result.Violated, "at most 0 writes may be refused: 1 write refused for now"},
		{"refused for longer than it allows", Options{MaxRefusedFor: new(time.Duration)}, refuses, result.Violated, "writes may be refused for 0s at most: 1 write refused for now, for up to"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, o := failedOver(t, c.o)
			c.plant(o)
			r := Judge(s, o)
			require.Equal(t, c.want, r.Verdict, r.Why+r.Story)
			require.Contains(t, r.Why+r.Story, c.says)
		})
	}
}

func TestUntil(t *testing.T) {
	r := &Report{Lost: 3, DualMasterMS: 12.5}
	for text, want := range map[string]bool{"lost>0": true, "lost > 3": false, "lost>=3": true, "lost=3": true, "dual-master-ms<12": false, "dual-master-ms<=12.5": true, "survivors<1": true} {
		u, err := ParseUntil(text)
		require.NoError(t, err, text)
		require.Equal(t, want, u.Holds(r), text)
	}
	for _, text := range []string{"", "lost", "lost>many", "gone>0", ">0"} {
		_, err := ParseUntil(text)
		require.Error(t, err, text)
	}
}

func TestASweepIsEveryCombination(t *testing.T) {
	var sweeps []Sweep
	for _, text := range []string{"min-replicas-max-lag=0,1", "down-after=500ms,5s"} {
		s, err := ParseSweep(text)
		require.NoError(t, err)
		sweeps = append(sweeps, s)
	}
	o := Options{Directives: lines("min-replicas-to-write", "1")}
	cells, err := Cells(o, sweeps)
	require.NoError(t, err)
	require.Len(t, cells, 4)
	require.Empty(t, o.Sentinel, "what the user gave is left as it is")
	require.Equal(t, []string{"1", "5s"}, cells[3].Values)
	require.Equal(t, 5*time.Second, cells[3].Scenario.Timing.DownAfter)
	require.Equal(t, 500*milli, cells[2].Scenario.Timing.DownAfter)
	require.Equal(t, "1", cells[3].Scenario.directive("min-replicas-max-lag"))
	require.Empty(t, Remarks(o, sweeps))
	require.Contains(t, Remarks(Options{}, sweeps)[0], "can't matter")
	for i, c := range cells {
		c.Reports = []*Report{{Acknowledged: 100, Lost: 10 * i, Verdict: result.Holds, AcceptMS: 20}, {Acknowledged: 100, Lost: 10*i + 4, Verdict: result.Holds}}
	}
	var table, plot bytes.Buffer
	WriteSweep(&table, sweeps, cells, nil)
	require.Contains(t, table.String(), "0 (off)")
	require.NoError(t, WritePlot(&plot, sweeps, cells))
	wellFormed(t, plot.String())
	for text, want := range map[string]string{"": `want NAME=VALUE`, "x=": `want NAME=VALUE`, "lag=1,": "want NAME=VALUE"} {
		_, err := ParseSweep(text)
		require.ErrorContains(t, err, want)
	}
	_, err = Cells(o, []Sweep{{Name: "lag", Values: []string{"soon"}}})
	require.ErrorContains(t, err, `sweep lag=soon: time: invalid duration "soon"`)
}

func wellFormed(t *testing.T, svg string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		_, err := d.Token()
		if err == io.EOF {
			return
		}
		require.NoError(t, err)
	}
}

func TestTimelineShowsWhatWasLost(t *testing.T) {
	s, o := failedOver(t, Options{})
	r := Judge(s, o)
	r.Target = "<&>"
	var svg bytes.Buffer
	require.NoError(t, WriteTimeline(&svg, s, o, r))
	wellFormed(t, svg.String())
	red := 0
	for line := range strings.Lines(svg.String()) {
		if strings.Contains(line, "<path") && strings.Contains(line, `class="tick lost"`) {
			red += strings.Count(line, "M")
		}
	}
	require.Equal(t, 4, red, "two lost writes, each on the lane of its server and of its client")
	for _, word := range []string{"cut", "down", "promoted", "heal", "demoted", "converged"} {
		require.Contains(t, svg.String(), ">"+word+"</text>")
	}
}

func TestEveryScenarioSaysWhoMeetsIt(t *testing.T) {
	doc, err := os.ReadFile("../../docs/splitbrain.md")
	require.NoError(t, err)
	for _, n := range Scenarios {
		require.NotEmpty(t, n.About, n.Name)
		require.NotEmpty(t, n.Who, n.Name)
		require.True(t, strings.Contains(string(doc), "`"+n.Name+"`"), "docs/splitbrain.md does not name %s", n.Name)
	}
}

// TestARunWithoutItsIncidentIsUnknown, whatever was lost in it.
func TestARunWithoutItsIncidentIsUnknown(t *testing.T) {
	for must, want := range map[Must]string{MustPromote: "", MustRestart: "n2 was promoted in place of n1: a restart that somebody noticed", MustStale: "no former master was promoted again"} {
		s, o := failedOver(t, Options{Must: must})
		r := Judge(s, o)
		require.Equal(t, want, r.Why, must)
		require.Equal(t, want != "", r.Verdict == result.Unknown, must)
	}
	_, err := New(Options{Must: "some"})
	require.EqualError(t, err, `must: unknown word "some": want promotion, restart or stale-promotion`)
}

func TestAScenarioIsSavedAndReadAgain(t *testing.T) {
	for _, n := range Scenarios {
		s, err := New(n.Options)
		require.NoError(t, err, n.Name)
		var text bytes.Buffer
		require.NoError(t, s.WriteFile(&text))
		o, err := ReadFile("f", &text)
		require.NoError(t, err)
		again, err := New(o)
		require.NoError(t, err)
		again.Partition = s.Partition
		require.Equal(t, s, again, n.Name)
	}
	s, o := failedOver(t, Options{})
	r := Judge(s, o)
	dir := t.TempDir()
	require.NoError(t, Save(dir, s, o, r))
	require.True(t, Is(dir))
	again, saved, err := Load(dir)
	require.NoError(t, err)
	require.Equal(t, s, again)
	require.Equal(t, r, saved)
	same, _ := r.Again(saved)
	require.True(t, same)
	saved.Lost = 0
	same, word := r.Again(saved)
	require.False(t, same)
	require.Equal(t, "0 acknowledged writes were lost, now 2", word)
}

// FuzzReadFile: a scenario's file gives a scenario that can run and be saved, or one error.
func FuzzReadFile(f *testing.F) {
	f.Add("version: 1\ntopology: 5+5\npartition: flap\nclients:\n- {number: 2, side: master}\nlag: 20ms\n")
	f.Add("version: 1\nplan: |\n  plan 1\n  at 1s: pause n1 for 1s\nspan: 3s\nredis: [{name: hz, value: \"50\"}]\n")
	f.Add("version: 2")
	f.Fuzz(func(t *testing.T, text string) {
		o, err := ReadFile("f", strings.NewReader(text))
		if err != nil {
			return
		}
		s, err := New(o)
		if err != nil {
			return
		}
		var b bytes.Buffer
		require.NoError(t, s.WriteFile(&b))
		_, err = ReadFile("f", &b)
		require.NoError(t, err)
	})
}

// TestSummarySaysWhatManyRunsShow: also that a run in which nobody was promoted shows nothing.
func TestSummarySaysWhatManyRunsShow(t *testing.T) {
	s, o := failedOver(t, Options{})
	reports := []*Report{Judge(s, o), {Lost: 0, ConvergeMS: -1, Unattributed: 1, Verdict: result.Unknown}}
	var b bytes.Buffer
	WriteSummary(&b, reports)
	require.Contains(t, b.String(), "2 runs: 1 converged, 1 failed over; every lost write attributed in 1; lost 0 to 2")
	require.Contains(t, reports[1].Line(), "not converged, nobody promoted: unknown")
	b.Reset()
	(&Report{Verdict: result.Holds}).WriteText(&b)
	require.Contains(t, b.String(), "nobody was promoted")
}
