package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/network"
)

// recordedLinks is a world of which only its links are there.
type recordedLinks map[string]network.Link

func (r recordedLinks) SetLink(from, to string, l network.Link) {
	name := from + ">" + to
	if l == (network.Link{}) {
		delete(r, name)
		return
	}
	r[name] = l
}

// text lists the links that are not perfect.
func (r recordedLinks) text(names ...string) string {
	var list []string
	for _, name := range names {
		l, ok := r[name]
		if !ok {
			continue
		}
		s := name
		if l.Cut != network.Open {
			s += " " + l.Cut.String()
		}
		if l.Delay > 0 {
			s += " " + l.Delay.String()
		}
		if l.BytesPerSecond > 0 {
			s += fmt.Sprintf(" %d/s", l.BytesPerSecond)
		}
		if l.LoseNew {
			s += " lose-new"
		}
		if l.First > 0 {
			s += fmt.Sprintf(" first %d", l.First)
		}
		if l.LatePercent > 0 {
			s += fmt.Sprintf(" %v%% late by %s", l.LatePercent, l.LateBy)
		}
		list = append(list, s)
	}
	if len(list) != len(r) {
		list = append(list, fmt.Sprintf("and others: %v", r))
	}
	return strings.Join(list, ", ")
}

// linkedSystem is a system that has nothing but links.
func linkedSystem(n Network) System {
	return struct {
		named
		linked
	}{linked: linked{NewLinkFaults(n)}}
}

func carryOut(t *testing.T, trigger Trigger, on System, want string) {
	t.Helper()
	why, err := trigger.Statement.Action.Do(trigger, on)
	require.NoError(t, err)
	require.Equal(t, want, why)
}

// TestLinkFaultsOverTime runs plans and looks at the links at some instants.
func TestLinkFaultsOverTime(t *testing.T) {
	links := []string{"n1>n2", "n2>n1", "n1>n3", "n3>n1"}
	for _, c := range []struct {
		name string
		plan string
		want map[time.Duration]string // at an instant, after what is due by then
	}{
		{"a cut has a direction and an end", "at 1s: cut n1 -> n2,n3 for 2s",
			map[time.Duration]string{0: "", time.Second: "n1>n2 hold, n1>n3 hold", 2999 * time.Millisecond: "n1>n2 hold, n1>n3 hold", 3 * time.Second: ""}},
		{"both directions", "at 1s: cut n1 -> n2 reset both", map[time.Duration]string{time.Second: "n1>n2 reset, n2>n1 reset"}},
		{"the end of a cut leaves a delay", "at 1s: delay n1 -> n2 50ms\nat 2s: cut n1 -> n2 drop for 1s",
			map[time.Duration]string{time.Second: "n1>n2 50ms", 2 * time.Second: "n1>n2 drop 50ms", 3 * time.Second: "n1>n2 50ms"}},
		{"the end of the first cut leaves the second", "at 1s: cut n1 -> n2 for 2s\nat 2s: cut n2 -> n1 reset both for 2s",
			map[time.Duration]string{time.Second: "n1>n2 hold", 2 * time.Second: "n1>n2 reset, n2>n1 reset", 3 * time.Second: "n1>n2 reset, n2>n1 reset", 4 * time.Second: ""}},
		{"delays add up, the lowest rate holds", "at 1s: delay n1 -> n2 10ms for 3s\nat 1s: delay n1 -> n2 5ms\nat 1s: slow-link n1 -> n2 1KiB/s for 2s\nat 1s: slow-link n1 -> n2 2KiB/s",
			map[time.Duration]string{time.Second: "n1>n2 15ms 1024/s", 3 * time.Second: "n1>n2 15ms 2048/s", 4 * time.Second: "n1>n2 5ms 2048/s"}},
		{"lose-new", "at 1s: lose-new n3 -> n1 for 1s", map[time.Duration]string{time.Second: "n3>n1 lose-new", 2 * time.Second: ""}},
		{"lose-new of the first: of several the one that loses most", "at 1s: lose-new n3 -> n1 first 2\nat 2s: lose-new n3 -> n1 first 3 for 1s\nat 4s: lose-new n3 -> n1 for 500ms",
			map[time.Duration]string{time.Second: "n3>n1 lose-new first 2", 2 * time.Second: "n3>n1 lose-new first 3", 3 * time.Second: "n3>n1 lose-new first 2", 4 * time.Second: "n3>n1 lose-new", 4500 * time.Millisecond: "n3>n1 lose-new first 2"}},
		{"a share of the bytes is late, beside what all are", "at 1s: delay n1 -> n2 5ms\nat 2s: delay n1 -> n2 80ms with 5% for 2s\nat 3s: delay n1 -> n2 20ms with 2.5% for 2s",
			map[time.Duration]string{time.Second: "n1>n2 5ms", 2 * time.Second: "n1>n2 5ms 5% late by 80ms", 3 * time.Second: "n1>n2 5ms 5% late by 100ms", 4 * time.Second: "n1>n2 5ms 2.5% late by 20ms", 5 * time.Second: "n1>n2 5ms"}},
		{"a flap turns until its span is over", "at 1s: flap n1 -> n2 100ms both for 350ms",
			map[time.Duration]string{time.Second: "n1>n2 hold, n2>n1 hold", 1100 * time.Millisecond: "", 1200 * time.Millisecond: "n1>n2 hold, n2>n1 hold", 1300 * time.Millisecond: "", 1350 * time.Millisecond: "", 2 * time.Second: ""}},
		{"a flap that ends while cut opens", "at 1s: flap n1 -> n2 100ms for 250ms", map[time.Duration]string{1200 * time.Millisecond: "n1>n2 hold", 1250 * time.Millisecond: "", 1300 * time.Millisecond: ""}},
		{"a flap without a span goes on", "at 1s: flap n1 -> n2 100ms drop", map[time.Duration]string{1900 * time.Millisecond: "", 2 * time.Second: "n1>n2 drop"}},
		{"heal ends everything, flaps too", "at 1s: delay n1 -> n2 10ms\nat 1s: flap n1 -> n3 100ms\nat 1150ms: heal",
			map[time.Duration]string{1100 * time.Millisecond: "n1>n2 10ms", 1150 * time.Millisecond: "", 1200 * time.Millisecond: "", 1300 * time.Millisecond: ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Parse("plan 1\n" + c.plan)
			require.NoError(t, err)
			r, world, seen := p.Start(), recordedLinks{}, 0
			on := linkedSystem(world)
			for now := time.Duration(0); now <= 5*time.Second; now += 10 * time.Millisecond {
				for _, trigger := range r.Due(now) {
					if !r.Arm(trigger, now) {
						carryOut(t, trigger, on, "")
						r.Struck(trigger, now)
					}
				}
				for at, want := range c.want {
					if at == now || at > now && at < now+10*time.Millisecond {
						require.Equal(t, want, world.text(links...), "at %v", now)
						seen++
					}
				}
			}
			require.Equal(t, len(c.want), seen)
			for _, s := range r.Report() {
				require.True(t, s.Struck, s.Text)
			}
			for _, trigger := range r.End() {
				carryOut(t, trigger, on, "")
			}
		})
	}
}

func TestLinkFaultsSayWhatTheyCannotStrike(t *testing.T) {
	for text, want := range map[string]string{
		"at 1s: heal":         "no fault of a link was in place",
		"at 1s: cut n1 -> n1": "it names no link between two nodes",
		"at 1s: cut n1 -> n2": "",
	} {
		s, err := ParseStatement(text)
		require.NoError(t, err)
		carryOut(t, Trigger{Statement: &s}, linkedSystem(recordedLinks{}), want)
	}
}
