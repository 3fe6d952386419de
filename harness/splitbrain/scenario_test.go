package splitbrain

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/plan"
)

func TestTopologiesPrintAndParseBack(t *testing.T) {
	for text, want := range map[string]Topology{
		"3+3":       {Servers: 3, Sentinels: 3},
		"5+5":       {Servers: 5, Sentinels: 5},
		"2+0":       {Servers: 2},
		"chain":     {Servers: 3, Sentinels: 3, Chain: true},
		"chain:4+5": {Servers: 4, Sentinels: 5, Chain: true},
	} {
		got, err := ParseTopology(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
		require.Equal(t, text, got.String())
	}
	for text, want := range map[string]string{
		"3":                       `topology "3": want SERVERS+SENTINELS, such as 3+3, or chain or chain:4+3`,
		"0+3":                     "topology 0+3: want 1 to 20 servers",
		"3+99":                    "topology 3+99: want 0 to 15 Sentinels",
		"chain:2+3":               "topology chain:2+3: a chain has at least 3 servers",
		"99999999999999999999+1":  "topology 21+1: want 1 to 20 servers",
		"chain:3+3 and something": `topology "chain:3+3 and something": want SERVERS+SENTINELS, such as 3+3, or chain or chain:4+3`,
	} {
		_, err := ParseTopology(text)
		require.EqualError(t, err, want)
	}
}

func TestPartitionsCutWhatTheirNamesSay(t *testing.T) {
	for _, c := range []struct{ topology, partition, want string }{
		{"3+3", "master-alone", "at 1.5s: cut n1,c1,c3 -> n2,n3,s1,s2,s3,c2,c4 both for 3.5s"},
		{"3+3", "master+replica", "at 1.5s: cut n1,n2,s1,c1,c3 -> n3,s2,s3,c2,c4 both for 3.5s"},
		{"5+5", "master+replica", "at 1.5s: cut n1,n2,s1,s2,c1,c3 -> n3,n4,n5,s3,s4,s5,c2,c4 both for 3.5s"},
		{"3+3", "one-way", "at 1.5s: cut n1,c1,c3 -> n2,n3,s1,s2,s3,c2,c4 for 3.5s"},
		{"3+3", "flap", "at 1.5s: flap n1,c1,c3 -> n2,n3,s1,s2,s3,c2,c4 700ms both for 3.5s"},
		{"3+3", "clients-outside", "at 1.5s: cut n1 -> n2,n3,s1,s2,s3 both for 3.5s"},
	} {
		top, err := ParseTopology(c.topology)
		require.NoError(t, err)
		s, err := New(Options{Topology: top, Partition: c.partition})
		require.NoError(t, err)
		require.Equal(t, "plan 1\n"+c.want+"\n", s.Plan.String())
		require.NoError(t, s.Check(System(anyCluster{})))
	}
	_, err := New(Options{Topology: Topology{Servers: 1, Sentinels: 3}, Partition: "master+replica"})
	require.EqualError(t, err, "partition master+replica needs more than 1+3: nobody is left on the other side")
}

func TestWhatAUserSaysOfAScenario(t *testing.T) {
	s, err := New(Options{Routing: "both", Places: map[Side]int{WithMajority: 3, WithMaster: 2}, Sentinel: lines("down-after-milliseconds", "5000")})
	require.NoError(t, err)
	require.Equal(t, []ClientPlace{{WithMaster, Follow}, {WithMaster, Sticky}, {WithMajority, Follow}, {WithMajority, Sticky}, {WithMajority, Follow}}, s.Clients)
	require.Equal(t, 5*time.Second, s.Timing.DownAfter)
	require.Equal(t, 2, s.Quorum)
	require.Equal(t, 8*time.Second, s.Plan.Statements[0].Span.For, "a cut must outlast down-after")
	for want, o := range map[string]Options{
		`quorum 4: want 1 to the 3 Sentinels of topology 3+3`:                                                                                   {Quorum: 4},
		`unknown partition "alone": want master-alone, master+replica, one-way, flap, clients-outside`:                                          {Partition: "alone"},
		`unknown timing "slow": want quick, announced or conf`:                                                                                  {Timing: "slow"},
		`unknown routing "x": want follow, sticky or both`:                                                                                      {Routing: "x"},
		`2 clients are placed, 3 are asked for`:                                                                                                 {Clients: 3, Places: map[Side]int{Everywhere: 2}},
		`sentinel directive quorum: want the scenario's own quorum`:                                                                             {Sentinel: lines("quorum", "3")},
		`sentinel directive "hz 5" is not known: want down-after-milliseconds, failover-timeout, parallel-syncs or, for one Sentinel, quorum`:   {Sentinel: lines("hz", "5")},
		`settings of s2: quorum 9: want 1 to the 3 Sentinels of topology 3+3`:                                                                   {Each: []NodeSettings{{Node: "s2", Sentinel: lines("quorum", "9")}}},
		`settings of s2: a Sentinel keeps no data: want down-after-milliseconds, failover-timeout, parallel-syncs or, for one Sentinel, quorum`: {Each: []NodeSettings{{Node: "s2", Mode: "rdb"}}},
		`settings of n2: a server is no Sentinel`:                                                                                               {Each: []NodeSettings{{Node: "n2", Sentinel: lines("quorum", "2")}}},
		`settings of s7: topology 3+3 has the servers n1, n2, n3, s1, s2, s3`:                                                                   {Each: []NodeSettings{{Node: "s7", Sentinel: lines("quorum", "2")}}},
		`sentinel directive "failover-timeout soon": want a number of milliseconds`:                                                             {Sentinel: lines("failover-timeout", "soon")},
		`want a rate, a number of writes and of replicas to wait for that are not negative, and at most 40 clients`:                             {Clients: 41},
	} {
		_, err := New(o)
		require.EqualError(t, err, want)
	}
}

// anyCluster is what every kind of cluster can do.
type anyCluster struct {
	plan.Processes
	plan.Restarts
}

func (anyCluster) Name() string           { return "any" }
func (anyCluster) Lacks(plan.Need) string { return "" }
