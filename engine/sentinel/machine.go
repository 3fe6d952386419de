// Package sentinel is Redis Sentinel as a state machine without I/O, following
// redis 7.0.15 sentinel.c.
//
// What happens goes in: time (Tick), replies and messages of instances, the end
// of connections, hello messages and commands of clients. What is to be done
// comes out of Take, in order: connections to open and close, commands to send,
// events to log and publish, and the state to save. A Save is to be durable
// before anything after it is done, and before the client whose command caused
// it is answered: that is how a Sentinel never votes twice in an epoch, crash or
// not.
//
// The machine draws its randomness from Options.Rand and iterates in the order
// in which it met the instances, so the same inputs give the same outputs.
// Times are the wall clock's milliseconds, as in Redis, where a step of the clock
// is what TILT guards against.
package sentinel

import (
	"fmt"
	"strings"
	"time"

	"github.com/torntail/torntail/engine/bugs"
)

// HelloChannel is where Sentinels meet.
const HelloChannel = "__sentinel__:hello"

// Options is what a machine is made of.
type Options struct {
	Now  int64 // ms
	Rand func() uint64
	// Port is what other Sentinels are told to connect to, unless
	// announce-port says otherwise.
	Port int
	// Requirepass is this Sentinel's own password, which others are assumed to
	// share when there is no sentinel-pass.
	Requirepass string
	Bugs        bugs.Set
}

// ActionKind is what an Action asks for.
type ActionKind uint8

// What the machine asks for.
const (
	// Dial asks for a connection called Conn to Addr. Commands may be sent before
	// it is there; Connected or Disconnected tells how it went.
	Dial ActionKind = iota
	Hangup
	Send
	// Event is to be logged and, unless its level is Debug, published on the
	// channel called Name.
	Event
	Log
	// Save asks for Lines to replace Sentinel's lines of the configuration file, durably.
	Save
	// Crash ends the process with status 99 (SENTINEL SIMULATE-FAILURE).
	Crash
)

// Levels of log lines and events, as in redis-server's log.
const (
	Debug   = '.'
	Verbose = '-'
	Notice  = '*'
	Warning = '#'
)

// Action is something to be done.
type Action struct {
	Kind  ActionKind
	Conn  int
	Addr  Addr
	Args  []string
	Level byte
	Name  string
	Text  string
	Lines []Line
}

// String is the action in golden tests and traces.
func (a Action) String() string {
	switch a.Kind {
	case Dial:
		return fmt.Sprintf("dial %d %s", a.Conn, a.Addr)
	case Hangup:
		return fmt.Sprintf("hangup %d", a.Conn)
	case Send:
		return fmt.Sprintf("send %d %s", a.Conn, strings.Join(a.Args, " "))
	case Event:
		return fmt.Sprintf("event %c %s %s", a.Level, a.Name, a.Text)
	case Log:
		return fmt.Sprintf("log %c %s", a.Level, a.Text)
	case Save:
		return "save"
	}
	return "crash"
}

// periods are the times SENTINEL DEBUG shows and sets, in ms.
type periods struct {
	info, ping, ask, publish              int64
	downAfter, failoverTimeout            int64 // of masters monitored from now on
	tiltTrigger, tilt                     int64
	reconfTimeout, minReconnect, election int64
	scriptRuntime, scriptRetry            int64
}

var defaultPeriods = periods{
	info: 10_000, ping: 1000, ask: 1000, publish: 2000,
	downAfter: 30_000, failoverTimeout: 180_000,
	tiltTrigger: 2000, tilt: 30_000,
	reconfTimeout: 10_000, minReconnect: 15_000, election: 10_000,
	scriptRuntime: 60_000, scriptRetry: 30_000,
}

const (
	maxDesync        = 1000 // ms (SENTINEL_MAX_DESYNC)
	maxPending       = 100  // commands without a reply on a link
	defaultSyncs     = 1
	defaultPriority  = 100
	infoPeriodIfDown = 1000 // ms
	baseHz           = 10
)

// simulated failures (SENTINEL SIMULATE-FAILURE).
const (
	crashAfterElection = 1 << iota
	crashAfterPromotion
)

// Machine is one Sentinel.
type Machine struct {
	o   Options
	now int64
	out []Action

	id       string
	epoch    uint64
	masters  []*instance
	p        periods
	previous int64 // last Tick
	tilt     bool
	tiltAt   int64
	failures int

	conns    map[int]*conn
	lastConn int

	announceIP    string
	announcePort  int
	resolve       bool // names instead of addresses are accepted
	announceHosts bool
	denyScripts   bool
	user, pass    string // towards other Sentinels
}

// New makes a Sentinel from the lines of its configuration file. Nothing is
// asked for before Start. An error is a *LineError.
func New(o Options, conf []ConfigLine) (*Machine, error) {
	m := &Machine{o: o, now: o.Now, previous: o.Now, p: defaultPeriods, conns: make(map[int]*conn), denyScripts: true}
	if err := m.configure(conf); err != nil {
		return nil, err
	}
	return m, nil
}

// Start begins to watch. A Sentinel without an id gets one.
func (m *Machine) Start(now int64) {
	m.now, m.previous = now, now
	if m.id == "" {
		m.id = fmt.Sprintf("%016x%016x%08x", m.o.Rand(), m.o.Rand(), uint32(m.o.Rand()))
		m.save()
	}
	m.log(Warning, "Sentinel ID is "+m.id)
	for _, master := range m.masters {
		m.event(Warning, "+monitor", master, fmt.Sprintf("%s quorum %d", master, master.quorum))
	}
}

// ID is the Sentinel's run id.
func (m *Machine) ID() string { return m.id }

// Take returns what is to be done, in order. The slice is valid until the next input.
func (m *Machine) Take() []Action {
	out := m.out
	m.out = m.out[:0]
	return out
}

// Tick is the timer. It returns when to call it next, a time that varies so
// that Sentinels started together do not ask for votes together for ever.
func (m *Machine) Tick(now int64) time.Duration {
	m.now = now
	m.checkTilt()
	m.handleAll(m.masters)
	return time.Second / time.Duration(baseHz+m.o.Rand()%baseHz)
}

// checkTilt notices a clock that went back or jumped, or that this process did
// not run for a while: what looks like a timeout then need not be one.
func (m *Machine) checkTilt() {
	delta := m.now - m.previous
	if delta < 0 || delta > m.p.tiltTrigger {
		m.tilt = true
		m.tiltAt = m.now
		m.event(Warning, "+tilt", nil, "#tilt mode entered")
	}
	m.previous = m.now
}

func (m *Machine) handleAll(instances []*instance) {
	var switching *instance
	for _, ri := range instances {
		m.handle(ri)
		if ri.is(isMaster) {
			m.handleAll(ri.replicas)
			m.handleAll(ri.sentinels)
			if ri.state == updateConfig {
				switching = ri
			}
		}
	}
	if switching != nil {
		m.switchToPromoted(switching)
	}
}

func (m *Machine) handle(ri *instance) {
	m.reconnect(ri)
	m.sendPeriodic(ri)
	if m.tilt {
		if m.now-m.tiltAt < m.p.tilt {
			return
		}
		m.tilt = false
		m.event(Warning, "-tilt", nil, "#tilt mode exited")
	}
	m.checkSubjectivelyDown(ri)
	if ri.is(isMaster) {
		m.checkObjectivelyDown(ri)
		if m.startFailoverIfNeeded(ri) {
			m.ask(ri, true)
		}
		m.failover(ri)
		m.ask(ri, false)
	}
}

func (m *Machine) do(a Action) { m.out = append(m.out, a) }

func (m *Machine) log(level byte, text string) { m.do(Action{Kind: Log, Level: level, Text: text}) }

// event reports something about an instance, which may be nil.
func (m *Machine) event(level byte, name string, about *instance, text string) {
	m.do(Action{Kind: Event, Level: level, Name: name, Text: text})
	// Scripts are not run; who configured one may read in the log what it
	// would have been told.
	if level == Warning && about != nil {
		if master := about.own(); master.notificationScript != "" {
			m.log(Verbose, "not running the notification script "+master.notificationScript+" for "+name)
		}
	}
}

// save asks for the state as it is now to be made durable.
func (m *Machine) save() { m.do(Action{Kind: Save, Lines: m.lines()}) }
