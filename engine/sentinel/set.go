package sentinel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/engine/glob"
)

// set is SENTINEL SET: options and values, obeyed one after the other up to the
// first that is wrong.
func (m *Machine) set(master *instance, args []string) Answer {
	changed := false
	for len(args) > 0 {
		option := strings.ToLower(args[0])
		taken := 2
		if option == "rename-command" {
			taken = 3
		}
		refusal := "ERR Unknown option or number of arguments for SENTINEL SET '" + args[0] + "'"
		if len(args) >= taken {
			refusal = m.setOne(master, option, args[0], args[1:taken])
		}
		if refusal != "" {
			if changed {
				m.save()
			}
			return Answer{Reply: Reply{Kind: Error, Text: refusal}}
		}
		shown := strings.Join(args[:taken], " ")
		if option == "auth-pass" {
			shown = args[0] + " ******"
		}
		m.event(Warning, "+set", master, fmt.Sprintf("%s %s", master, shown))
		changed = true
		args = args[taken:]
	}
	m.save()
	return Answer{okReply, true}
}

// setOne sets one option and returns the error to reply.
func (m *Machine) setOne(master *instance, option, shown string, values []string) string {
	value := values[0]
	bad := "ERR Invalid argument '" + value + "' for SENTINEL SET '" + shown + "'"
	number := func(to *int64, least int64) string {
		n, ok := parseNumber(value)
		if !ok || n < least {
			return bad
		}
		*to = n
		return ""
	}
	small := func(to *int) string {
		n, ok := parseNumber(value)
		if !ok || n <= 0 || n > 1<<31-1 {
			return bad
		}
		*to = int(n)
		return ""
	}
	switch option {
	case "down-after-milliseconds":
		if refusal := number(&master.downAfter, 1); refusal != "" {
			return refusal
		}
		master.propagateDownAfter()
	case "failover-timeout":
		return number(&master.timeout, 1)
	case "master-reboot-down-after-period":
		return number(&master.rebootDownAfter, 0)
	case "parallel-syncs":
		return small(&master.parallelSyncs)
	case "quorum":
		return small(&master.quorum)
	case "notification-script", "client-reconfig-script":
		if m.denyScripts {
			return "ERR Reconfiguration of scripts path is denied for security reasons. Check the deny-scripts-reconfig configuration directive in your Sentinel configuration"
		}
		if option == "notification-script" {
			master.notificationScript = value
		} else {
			master.reconfigScript = value
		}
	case "auth-pass":
		master.authPass = value
		m.dropConnections(master)
	case "auth-user":
		master.authUser = value
		m.dropConnections(master)
	case "rename-command":
		if value == "" || values[1] == "" {
			return bad
		}
		master.renamed = slices.DeleteFunc(master.renamed, func(r [2]string) bool { return strings.EqualFold(r[0], value) })
		if !strings.EqualFold(value, values[1]) {
			master.renamed = append(master.renamed, [2]string{value, values[1]})
		}
	default:
		return "ERR Unknown option or number of arguments for SENTINEL SET '" + shown + "'"
	}
	return ""
}

// dropConnections makes the next tick connect to a master and its replicas anew.
func (m *Machine) dropConnections(master *instance) {
	m.closeLink(master.link)
	for _, r := range master.replicas {
		m.closeLink(r.link)
	}
}

// config is SENTINEL CONFIG GET and SET.
func (m *Machine) config(args []string) Answer {
	switch {
	case strings.EqualFold(args[0], "set") && len(args) == 3:
		return m.configSet(strings.ToLower(args[1]), args[1], args[2])
	case strings.EqualFold(args[0], "get") && len(args) == 2:
		return Answer{Reply: m.configGet(args[1])}
	}
	return Answer{Reply: errorReply("Only SENTINEL CONFIG GET <option> / SET <option> <value> are supported.")}
}

func (m *Machine) configSet(option, shown, value string) Answer {
	bad := Answer{Reply: errorReply("Invalid value '%s' to SENTINEL CONFIG SET '%s'", value, shown)}
	drop := false
	switch option {
	case "resolve-hostnames":
		if yesNo(&m.resolve, value, "?") != "" {
			return bad
		}
	case "announce-hostnames":
		if yesNo(&m.announceHosts, value, "?") != "" {
			return bad
		}
	case "announce-ip":
		if value != "" && wordError(value) != "" {
			return bad // it would break the hello messages
		}
		m.announceIP = value
	case "announce-port":
		n, ok := parseNumber(value)
		if !ok || n < 0 || n > 65535 {
			return bad
		}
		m.announcePort = int(n)
	case "sentinel-user":
		m.user, drop = value, true
	case "sentinel-pass":
		m.pass, drop = value, true
	default:
		return Answer{Reply: errorReply("Invalid argument '%s' to SENTINEL CONFIG SET", shown)}
	}
	m.save()
	if drop {
		for _, master := range m.masters {
			for _, si := range master.sentinels {
				m.closeLink(si.link)
			}
		}
	}
	return Answer{okReply, true}
}

func (m *Machine) configGet(pattern string) Reply {
	word := func(b bool) string {
		if b {
			return "yes"
		}
		return "no"
	}
	var f fields
	for _, o := range [][2]string{
		{"resolve-hostnames", word(m.resolve)}, {"announce-hostnames", word(m.announceHosts)},
		{"announce-ip", m.announceIP}, {"announce-port", fmt.Sprint(m.announcePort)},
		{"sentinel-user", m.user}, {"sentinel-pass", m.pass},
	} {
		if glob.Match([]byte(pattern), o[0], true) {
			f.text(o[0], o[1])
		}
	}
	return f.reply()
}

// times are the parameters of SENTINEL DEBUG.
func (p *periods) times() []struct {
	name string
	ms   *int64
} {
	return []struct {
		name string
		ms   *int64
	}{
		{"INFO-PERIOD", &p.info}, {"PING-PERIOD", &p.ping}, {"ASK-PERIOD", &p.ask}, {"PUBLISH-PERIOD", &p.publish},
		{"DEFAULT-DOWN-AFTER", &p.downAfter}, {"DEFAULT-FAILOVER-TIMEOUT", &p.failoverTimeout},
		{"TILT-TRIGGER", &p.tiltTrigger}, {"TILT-PERIOD", &p.tilt}, {"SLAVE-RECONF-TIMEOUT", &p.reconfTimeout},
		{"MIN-LINK-RECONNECT-PERIOD", &p.minReconnect}, {"ELECTION-TIMEOUT", &p.election},
		{"SCRIPT-MAX-RUNTIME", &p.scriptRuntime}, {"SCRIPT-RETRY-DELAY", &p.scriptRetry},
	}
}

// debug shows or sets the periods, which are not saved.
func (m *Machine) debug(args []string) Reply {
	times := m.p.times()
	if len(args) == 0 {
		var f fields
		for _, t := range times {
			f.number(t.name, *t.ms)
		}
		return f.reply()
	}
	for ; len(args) > 0; args = args[2:] {
		var to *int64
		for _, t := range times {
			if strings.EqualFold(t.name, args[0]) {
				to = t.ms
			}
		}
		if to == nil || len(args) == 1 {
			return errorReply("Unknown option or number of arguments for SENTINEL DEBUG '%s'", args[0])
		}
		n, ok := parseNumber(args[1])
		if !ok || n <= 0 {
			return errorReply("Invalid argument '%s' for SENTINEL DEBUG '%s'", args[1], args[0])
		}
		*to = n
	}
	return okReply
}
