package sentinel

import (
	"errors"
	"fmt"
	"strings"

	"github.com/torntail/torntail/engine/config"
)

// ConfigLine is a line "sentinel ..." of the configuration file, without its
// first word.
type ConfigLine struct {
	Number int // in the file, from 1
	Args   []string
}

// LineError is a line that cannot be obeyed, in redis-server's words.
type LineError struct {
	Line ConfigLine
	Why  string
}

func (e *LineError) Error() string { return e.Why }

// Line is a line of the configuration file as it is to be: Option is its first
// two words.
type Line struct{ Option, Text string }

const (
	errNoMaster  = "No such master with specified name."
	errNotTime   = "negative or zero time parameter."
	errStatement = "Unrecognized sentinel configuration statement."
	runIDLength  = 40
)

// configure obeys the lines: what concerns no master first, then the masters,
// then what is said about them, whatever the order in the file.
func (m *Machine) configure(conf []ConfigLine) error {
	rank := func(l ConfigLine) int {
		switch name := strings.ToLower(l.Args[0]); name {
		case "monitor":
			return 1
		case "announce-ip", "announce-port", "deny-scripts-reconfig", "sentinel-user", "sentinel-pass",
			"current-epoch", "myid", "resolve-hostnames", "announce-hostnames":
			return 0
		}
		return 2
	}
	for pass := range 3 {
		for _, l := range conf {
			if len(l.Args) == 0 {
				return &LineError{l, errStatement}
			}
			if rank(l) != pass {
				continue
			}
			if why := m.obey(l.Args); why != "" {
				return &LineError{l, why}
			}
		}
	}
	return nil
}

// obey obeys one line and returns why it cannot.
func (m *Machine) obey(args []string) string {
	name := strings.ToLower(args[0])
	if why, global := m.obeyGlobal(name, args[1:]); global {
		return why
	}
	if name == "monitor" && len(args) == 5 {
		quorum := int(int32(atoi(args[4])))
		if quorum <= 0 {
			return "Quorum must be 1 or greater."
		}
		if why := wordError(args[1]); why != "" {
			return why
		}
		_, err := m.create(isMaster, args[1], args[2], int(int32(atoi(args[3]))), quorum, nil)
		return createError(err, "Duplicate master name.")
	}
	counts := map[string][]int{
		"down-after-milliseconds": {3}, "failover-timeout": {3}, "parallel-syncs": {3},
		"notification-script": {3}, "client-reconfig-script": {3}, "auth-pass": {3}, "auth-user": {3},
		"config-epoch": {3}, "leader-epoch": {3}, "known-slave": {4}, "known-replica": {4}, "known-sentinel": {4, 5},
		"rename-command": {4}, "master-reboot-down-after-period": {3},
	}[name]
	known := false
	for _, n := range counts {
		known = known || n == len(args)
	}
	if !known {
		return errStatement
	}
	master := m.master(args[1])
	if master == nil {
		if name == "known-sentinel" && len(args) == 4 {
			return "" // the old form, without an id, is ignored
		}
		return errNoMaster
	}
	return m.obeyMaster(master, name, args[2:])
}

// obeyGlobal obeys lines that concern no master; global is false for others.
func (m *Machine) obeyGlobal(name string, args []string) (why string, global bool) {
	if len(args) != 1 {
		return "", false
	}
	value := args[0]
	switch name {
	case "myid":
		if len(value) != runIDLength || wordError(value) != "" {
			return "Malformed Sentinel id in myid option.", true
		}
		m.id = value
	case "current-epoch":
		m.epoch = max(m.epoch, atou(value))
	case "announce-ip":
		m.announceIP = value
	case "announce-port":
		m.announcePort = int(int32(atoi(value)))
	case "sentinel-user":
		m.user = value
	case "sentinel-pass":
		m.pass = value
	case "deny-scripts-reconfig":
		return yesNo(&m.denyScripts, value, "Please specify yes or no for the deny-scripts-reconfig options."), true
	case "resolve-hostnames":
		return yesNo(&m.resolve, value, "Please specify yes or no for the resolve-hostnames option."), true
	case "announce-hostnames":
		return yesNo(&m.announceHosts, value, "Please specify yes or no for the announce-hostnames option."), true
	default:
		return "", false
	}
	return "", true
}

func yesNo(to *bool, value, why string) string {
	switch strings.ToLower(value) {
	case "yes":
		*to = true
	case "no":
		*to = false
	default:
		return why
	}
	return ""
}

// wordError refuses what could not be written back as one word.
func wordError(s string) string {
	if s == "" || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == '"' || c == '\'' || c == 0x7f || c == ',' }) {
		return "Names may not be empty or contain blanks, quotes or commas."
	}
	return ""
}

func createError(err error, duplicate string) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errDuplicate):
		return duplicate
	}
	return err.Error()
}

// obeyMaster obeys what is said about a master.
func (m *Machine) obeyMaster(master *instance, name string, args []string) string {
	value := args[0]
	period := func(to *int64, least int64, why string) string {
		n := int64(int32(atoi(value)))
		if n < least {
			return why
		}
		*to = n
		return ""
	}
	switch name {
	case "down-after-milliseconds":
		if why := period(&master.downAfter, 1, errNotTime); why != "" {
			return why
		}
		master.propagateDownAfter()
	case "failover-timeout":
		return period(&master.timeout, 1, errNotTime)
	case "master-reboot-down-after-period":
		return period(&master.rebootDownAfter, 0, "negative time parameter.")
	case "parallel-syncs":
		master.parallelSyncs = int(int32(atoi(value)))
	case "notification-script":
		master.notificationScript = value
	case "client-reconfig-script":
		master.reconfigScript = value
	case "auth-pass":
		master.authPass = value
	case "auth-user":
		master.authUser = value
	case "config-epoch":
		master.configEpoch = atou(value)
		m.epoch = max(m.epoch, master.configEpoch)
	case "leader-epoch":
		master.leaderEpoch = atou(value)
	case "known-slave", "known-replica":
		_, err := m.create(isReplica, "", value, int(int32(atoi(args[1]))), master.quorum, master)
		return createError(err, "Duplicate hostname and port for replica.")
	case "known-sentinel":
		if len(args) == 2 {
			return ""
		}
		if why := wordError(args[2]); why != "" {
			return why
		}
		si, err := m.create(isSentinel, args[2], value, int(int32(atoi(args[1]))), master.quorum, master)
		if err == nil {
			si.runID = args[2]
		}
		return createError(err, "Duplicate runid for sentinel.")
	case "rename-command":
		for _, r := range master.renamed {
			if strings.EqualFold(r[0], value) {
				return "Same command renamed multiple times with rename-command."
			}
		}
		master.renamed = append(master.renamed, [2]string{value, args[1]})
	}
	return ""
}

// Rewritten are the options of which Save's lines are all there is: what the file
// says about them beyond those lines must go.
var Rewritten = []string{
	"monitor", "down-after-milliseconds", "failover-timeout", "parallel-syncs", "notification-script",
	"client-reconfig-script", "auth-pass", "auth-user", "config-epoch", "leader-epoch", "known-replica",
	"known-sentinel", "rename-command", "master-reboot-down-after-period",
	"announce-ip", "announce-port", "sentinel-user", "sentinel-pass",
}

// lines is the state as lines of the configuration file.
func (m *Machine) lines() (out []Line) {
	add := func(option, format string, args ...any) {
		option = "sentinel " + option
		out = append(out, Line{option, option + " " + fmt.Sprintf(format, args...)})
	}
	add("myid", "%s", m.id)
	if !m.denyScripts {
		add("deny-scripts-reconfig", "no")
	}
	if m.resolve {
		add("resolve-hostnames", "yes")
	}
	if m.announceHosts {
		add("announce-hostnames", "yes")
	}
	for _, master := range m.masters {
		m.masterLines(master, add)
	}
	add("current-epoch", "%d", m.epoch)
	if m.announceIP != "" {
		add("announce-ip", "%s", config.Quote(m.announceIP))
	}
	if m.announcePort != 0 {
		add("announce-port", "%d", m.announcePort)
	}
	if m.user != "" {
		add("sentinel-user", "%s", word(m.user))
	}
	if m.pass != "" {
		add("sentinel-pass", "%s", word(m.pass))
	}
	return out
}

func (m *Machine) masterLines(master *instance, add func(option, format string, args ...any)) {
	now := master.current()
	add("monitor", "%s %s %d %d", master.name, now.Host, now.Port, master.quorum)
	if master.downAfter != m.p.downAfter {
		add("down-after-milliseconds", "%s %d", master.name, master.downAfter)
	}
	if master.timeout != m.p.failoverTimeout {
		add("failover-timeout", "%s %d", master.name, master.timeout)
	}
	if master.parallelSyncs != defaultSyncs {
		add("parallel-syncs", "%s %d", master.name, master.parallelSyncs)
	}
	for _, o := range []struct{ option, value string }{
		{"notification-script", master.notificationScript}, {"client-reconfig-script", master.reconfigScript},
		{"auth-pass", master.authPass}, {"auth-user", master.authUser},
	} {
		if o.value != "" {
			add(o.option, "%s %s", master.name, word(o.value))
		}
	}
	if master.rebootDownAfter != 0 {
		add("master-reboot-down-after-period", "%s %d", master.name, master.rebootDownAfter)
	}
	add("config-epoch", "%s %d", master.name, master.configEpoch)
	add("leader-epoch", "%s %d", master.name, master.leaderEpoch)
	for _, r := range master.replicas {
		a := r.addr
		// The promoted replica stands as the master already: the old master
		// takes its place among the replicas.
		if a == now {
			a = master.addr
		}
		add("known-replica", "%s %s %d", master.name, a.Host, a.Port)
	}
	for _, si := range master.sentinels {
		if si.runID != "" {
			add("known-sentinel", "%s %s %d %s", master.name, si.addr.Host, si.addr.Port, si.runID)
		}
	}
	for _, r := range master.renamed {
		add("rename-command", "%s %s %s", master.name, word(r[0]), word(r[1]))
	}
}

// word is a value as one word of a line. Redis writes it bare, and does not read
// back what has blanks in it.
func word(s string) string {
	if wordError(s) == "" && !strings.ContainsAny(s, `\#`) {
		return s
	}
	return config.Quote(s)
}
