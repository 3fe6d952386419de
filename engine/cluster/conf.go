package cluster

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/torntail/torntail/engine/words"
)

// nodes.conf: a line for each node, as in CLUSTER NODES, and one of variables.

// ConfError is why a nodes.conf cannot be read: the server does not start on it.
type ConfError struct {
	Line int // from 1; 0: all of it
	Why  string
}

func (e *ConfError) Error() string {
	if e.Line == 0 {
		return e.Why
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Why)
}

// Conf is nodes.conf as it is to be now. Acquaintances that are not made yet are left out
// (redis 7.0.15 cluster.c clusterSaveConfig).
func (m *Machine) Conf() string { return m.nodesText(Handshake) + m.vars() }

func (m *Machine) vars() string {
	return fmt.Sprintf("vars currentEpoch %d lastVoteEpoch %d\n", m.currentEpoch, m.lastVote)
}

func (m *Machine) nodesText(without Flags) string {
	var b strings.Builder
	for _, n := range m.nodes {
		if !n.is(without) {
			b.WriteString(m.describe(n) + "\n")
		}
	}
	return b.String()
}

// longestLine bounds a line, in bytes (redis 7.0.15 cluster.c clusterLoadConfig).
const longestLine = 1024 + Slots*128

// load reads nodes.conf as redis 7.0.15 cluster.c clusterLoadConfig does: where numbers are
// expected, what is none counts as 0. What makes redis-server end is an error.
func (m *Machine) load(conf []byte) error {
	number := 0
	for line := range bytes.Lines(conf) {
		number++
		if i := bytes.IndexByte(line, 0); i >= 0 {
			line = line[:i] // it is a string of C
		}
		if line = bytes.TrimSuffix(line, []byte("\n")); len(line) == 0 {
			continue // padding, of a write whose truncation did not come to be
		}
		why := ""
		if args, err := words.Split(string(line)); err != nil {
			why = "unbalanced quotes"
		} else if len(line) > longestLine {
			why = "too long"
		} else {
			why = m.loadLine(args)
		}
		if why != "" {
			return &ConfError{number, why}
		}
	}
	if m.me == nil {
		return &ConfError{0, "no node is flagged as myself"}
	}
	return nil
}

// loadLine returns what is wrong with a line; "" for nothing.
func (m *Machine) loadLine(args []string) string {
	if len(args) > 0 && strings.EqualFold(args[0], "vars") {
		return m.loadVars(args)
	}
	if len(args) < 8 {
		return fmt.Sprintf("%d fields, a node has at least 8", len(args))
	}
	if !validID(args[0]) {
		return fmt.Sprintf("%q is no name of a node", args[0])
	}
	n := m.loadedNode(args[0])
	addr, hostname, _ := strings.Cut(args[1], ",")
	n.hostname = hostname
	colon := strings.LastIndexByte(addr, ':')
	if colon < 0 {
		return fmt.Sprintf("%q is no address", args[1])
	}
	n.ip = clipText(addr[:colon], ipLen-1)
	port, bus, hasBus := strings.Cut(addr[colon+1:], "@")
	n.port = atoi(port)
	n.busPort = n.port + portOffset // files of old versions have none
	if hasBus {
		n.busPort = atoi(bus)
	}
	if why := m.loadFlags(n, args[2]); why != "" {
		return why
	}
	if args[3] == "" || args[3][0] != '-' {
		if !validID(args[3]) {
			return fmt.Sprintf("%q is no name of a master", args[3])
		}
		n.master = m.loadedNode(args[3])
		n.master.addReplica(n)
	}
	if atoi(args[4]) != 0 {
		n.pingSent = m.now
	}
	if atoi(args[5]) != 0 {
		n.pongReceived = m.now
	}
	n.epoch = 0
	if !n.is(Replica) || n.master == nil {
		n.epoch = strtoull(args[6])
	}
	for _, a := range args[8:] {
		if why := m.loadSlots(n, a); why != "" {
			return why
		}
	}
	return ""
}

// loadVars reads the line of variables.
func (m *Machine) loadVars(args []string) string {
	if len(args)%2 == 0 {
		return "a variable without a value"
	}
	for i := 1; i < len(args); i += 2 {
		switch {
		case strings.EqualFold(args[i], "currentEpoch"):
			m.currentEpoch = strtoull(args[i+1])
		case strings.EqualFold(args[i], "lastVoteEpoch"):
			m.lastVote = strtoull(args[i+1])
		default:
			m.log(warning, "Skipping unknown cluster config variable '%s'", args[i])
		}
	}
	return ""
}

// loadedNode is a node by its name, a new one where none has had it before.
func (m *Machine) loadedNode(id string) *node {
	n := m.lookup(id)
	if n == nil {
		n = m.newNode(id, 0)
		m.addNode(n)
	}
	return n
}

// confFlags are the words of flags in nodes.conf.
var confFlags = func() map[string]Flags {
	out := map[string]Flags{"noflags": 0}
	for _, f := range flagNames {
		out[f.name] = f.flag
	}
	return out
}()

func (m *Machine) loadFlags(n *node, text string) string {
	for word := range strings.SplitSeq(text, ",") {
		f, known := confFlags[strings.ToLower(word)]
		if !known {
			return fmt.Sprintf("unknown flag %q", word)
		}
		switch f {
		case Myself:
			if m.me != nil {
				return "a second node is flagged as myself"
			}
			m.me = n
		case Fail:
			n.failedAt = m.now
		}
		n.flags |= f
	}
	return ""
}

// loadSlots reads "5", "5-7", "[5->-NODE]" or "[5-<-NODE]".
func (m *Machine) loadSlots(n *node, text string) string {
	if strings.HasPrefix(text, "[") {
		slot, to, dash := strings.Cut(text[1:], "-")
		number := atoi(slot)
		if !dash || len(to) < 2 || number < 0 || number >= Slots {
			return fmt.Sprintf("%q is no migration of a slot", text)
		}
		id, _, ended := strings.Cut(to[2:], "]")
		if !ended || !validID(id) {
			return fmt.Sprintf("%q names no node", text)
		}
		other := m.loadedNode(id)
		if to[0] == '>' {
			m.setMigrating(number, other)
		} else {
			m.setImporting(number, other)
		}
		return ""
	}
	first, last, isRange := strings.Cut(text, "-")
	from := atoi(first)
	to := from
	if isRange {
		to = atoi(last)
	}
	if from < 0 || from >= Slots || to < 0 || to >= Slots {
		return fmt.Sprintf("%q is no range of slots", text)
	}
	for slot := from; slot <= to; slot++ {
		m.addSlot(n, slot)
	}
	return ""
}

// number is the digits that a text begins with, behind blanks and a sign, as C reads it.
func number(s string) string {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return strings.TrimPrefix(s[:i], "+")
}

func atoi(s string) int {
	n, _ := strconv.ParseInt(number(s), 10, 32) // of what is out of range, the nearest
	return int(n)
}

func strtoull(s string) uint64 {
	n, _ := strconv.ParseUint(number(s), 10, 64)
	return n
}
