package splitbrain

import (
	"fmt"
	"regexp"
	"strconv"
)

// Topology is the servers and Sentinels of a cluster. n1 is the first master.
type Topology struct {
	Servers, Sentinels int
	// Chain makes each server the replica of the one before it; else all are
	// replicas of n1. Sentinels know only the master's own replicas.
	Chain bool
}

// Limits of a topology: each server and Sentinel is a process.
const (
	maxServers   = 20
	maxSentinels = 15
)

var topologyForm = regexp.MustCompile(`^(?:(chain)(?::([0-9]+)\+([0-9]+))?|([0-9]+)\+([0-9]+))$`)

// ParseTopology reads "3+3" (three servers and three Sentinels), "chain:4+3", or
// "chain", which is chain:3+3.
func ParseTopology(text string) (Topology, error) {
	m := topologyForm.FindStringSubmatch(text)
	if m == nil {
		return Topology{}, fmt.Errorf("topology %q: want SERVERS+SENTINELS, such as 3+3, or chain or chain:4+3", text)
	}
	t := Topology{Servers: 3, Sentinels: 3, Chain: m[1] != ""}
	for i, into := range []*int{&t.Servers, &t.Sentinels, &t.Servers, &t.Sentinels} {
		if m[2+i] != "" && (i < 2) == (m[1] != "") {
			n, err := strconv.Atoi(m[2+i])
			if err != nil {
				n = maxServers + 1
			}
			*into = n
		}
	}
	return t, t.check()
}

func (t Topology) check() error {
	switch {
	case t.Servers < 1 || t.Servers > maxServers:
		return fmt.Errorf("topology %s: want 1 to %d servers", t, maxServers)
	case t.Sentinels < 0 || t.Sentinels > maxSentinels:
		return fmt.Errorf("topology %s: want 0 to %d Sentinels", t, maxSentinels)
	case t.Chain && t.Servers < 3:
		return fmt.Errorf("topology %s: a chain has at least 3 servers", t)
	}
	return nil
}

func (t Topology) String() string {
	s := fmt.Sprintf("%d+%d", t.Servers, t.Sentinels)
	switch {
	case !t.Chain:
		return s
	case s == "3+3":
		return "chain"
	}
	return "chain:" + s
}

// MarshalText and UnmarshalText are the same text in files.
func (t Topology) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Topology) UnmarshalText(text []byte) (err error) {
	*t, err = ParseTopology(string(text))
	return err
}

// Server and Sentinel are the names of the i-th, counted from 0; Client that of a client.
func Server(i int) string   { return "n" + strconv.Itoa(i+1) }
func Sentinel(i int) string { return "s" + strconv.Itoa(i+1) }
func Client(i int) string   { return "c" + strconv.Itoa(i+1) }

// ServerNames are n1, n2 and so on; SentinelNames s1, s2 and so on.
func (t Topology) ServerNames() []string   { return names(t.Servers, Server) }
func (t Topology) SentinelNames() []string { return names(t.Sentinels, Sentinel) }

func names(n int, name func(int) string) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = name(i)
	}
	return list
}

// MasterOf is the server that a server replicates at the start; "" for n1.
func (t Topology) MasterOf(server int) string {
	switch {
	case server == 0:
		return ""
	case t.Chain:
		return Server(server - 1)
	}
	return Server(0)
}

// Known is how many replicas a Sentinel finds: those of the master itself.
func (t Topology) Known() int {
	if t.Chain {
		return 1
	}
	return t.Servers - 1
}
