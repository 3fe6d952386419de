package splitbrain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/plan"
)

// Side says where a client is when the network is cut.
type Side string

const (
	WithMaster   Side = "master"     // cut off together with the first master
	WithMajority Side = "majority"   // with most Sentinels, on the other side
	Everywhere   Side = "everywhere" // reaches both sides
)

// Sides are all of them.
var Sides = []Side{WithMaster, WithMajority, Everywhere}

// Partition is a way of cutting the network.
type Partition struct {
	Name, About string
	// sides are the nodes on the master's side: so many servers (n1 first) and so
	// many Sentinels.
	side   func(t Topology) (servers, sentinels int)
	action func(l plan.Links) plan.Action
	// clients is where the clients are that are not placed.
	clients []Side
}

// flapPeriod is how long a flapping link is cut, and then open.
const flapPeriod = 700 * time.Millisecond

func alone(Topology) (servers, sentinels int) { return 1, 0 }

func cutBoth(l plan.Links) plan.Action { return &plan.Cut{Links: l, Both: true} }

// everySide alternates the places, so that the loss of each can be compared.
var everySide = []Side{WithMaster, WithMajority, WithMaster, WithMajority, Everywhere}

// Partitions are the known ones.
var Partitions = []Partition{
	{Name: "master-alone", About: "the master on one side, everybody else on the other", side: alone, action: cutBoth, clients: everySide},
	{Name: "master+replica", About: "the master with a replica and a minority of the Sentinels, against the rest",
		side: func(t Topology) (int, int) { return 2, (t.Sentinels - 1) / 2 }, action: cutBoth, clients: everySide},
	{Name: "one-way", About: "what the master sends is lost to everybody on the other side, what they send arrives",
		side: alone, action: func(l plan.Links) plan.Action { return &plan.Cut{Links: l} }, clients: everySide},
	{Name: "flap", About: "as master-alone, but cut and open in turn, every " + flapPeriod.String(), side: alone,
		action: func(l plan.Links) plan.Action { return &plan.Flap{Links: l, Period: flapPeriod, Both: true} }, clients: everySide},
	{Name: "clients-outside", About: "as master-alone, and every client reaches both sides", side: alone, action: cutBoth, clients: []Side{Everywhere}},
}

// PartitionByName finds one.
func PartitionByName(name string) (Partition, error) {
	i := slices.IndexFunc(Partitions, func(p Partition) bool { return p.Name == name })
	if i < 0 {
		return Partition{}, fmt.Errorf("unknown partition %q: want %s", name, strings.Join(PartitionNames(), ", "))
	}
	return Partitions[i], nil
}

// PartitionNames are the names of all.
func PartitionNames() []string {
	list := make([]string, len(Partitions))
	for i := range Partitions {
		list[i] = Partitions[i].Name
	}
	return list
}

// split says which nodes are on the master's side and which on the other.
// Clients that reach both sides are on none.
func (p *Partition) split(t Topology, clients []ClientPlace) (master, rest []string, err error) {
	n, k := p.side(t)
	servers, sentinels := t.ServerNames(), t.SentinelNames()
	if n <= t.Servers {
		master, rest = slices.Concat(servers[:n], sentinels[:k]), slices.Concat(servers[n:], sentinels[k:])
	}
	for i := range clients {
		switch clients[i].Side {
		case WithMaster:
			master = append(master, Client(i))
		case WithMajority:
			rest = append(rest, Client(i))
		}
	}
	if n > t.Servers || len(rest) == 0 {
		return nil, nil, fmt.Errorf("partition %s needs more than %s: nobody is left on the other side", p.Name, t)
	}
	return master, rest, nil
}

// plan is the statement that cuts at an instant for a while.
func (p *Partition) plan(t Topology, clients []ClientPlace, at, span time.Duration) (*plan.Plan, error) {
	master, rest, err := p.split(t, clients)
	if err != nil {
		return nil, err
	}
	return &plan.Plan{Statements: []plan.Statement{{
		At:     plan.Instant{Kind: plan.AtTime, Time: at},
		Action: p.action(plan.Links{From: master, To: rest}),
		Span:   plan.Span{Kind: plan.SpanTime, For: span},
	}}}, nil
}
