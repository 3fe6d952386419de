package config

import (
	"errors"
	"strings"
)

// Events are classes of keyspace events, and by which channels they are told:
// the value of notify-keyspace-events.
type Events uint16

// The classes, by their letters (redis 7.0.15 server.h NOTIFY_KEYSPACE and so on).
const (
	KeyspaceEvents Events = 1 << iota // K
	KeyeventEvents                    // E
	GenericEvents                     // g
	StringEvents                      // $
	ListEvents                        // l
	SetEvents                         // s
	HashEvents                        // h
	ZSetEvents                        // z
	ExpiredEvents                     // x
	EvictedEvents                     // e
	StreamEvents                      // t
	moduleEvents                      // d
	NewEvents                         // n
	MissEvents                        // m

	allEvents = GenericEvents | StringEvents | ListEvents | SetEvents | HashEvents | ZSetEvents |
		ExpiredEvents | EvictedEvents | StreamEvents | moduleEvents // A
)

// eventLetters are in the order in which redis-server prints them.
const eventLetters = "g$lshzxetdnKEm"

var eventClasses = map[byte]Events{
	'K': KeyspaceEvents, 'E': KeyeventEvents, 'g': GenericEvents, '$': StringEvents, 'l': ListEvents, 's': SetEvents,
	'h': HashEvents, 'z': ZSetEvents, 'x': ExpiredEvents, 'e': EvictedEvents, 't': StreamEvents, 'd': moduleEvents,
	'n': NewEvents, 'm': MissEvents, 'A': allEvents,
}

//lint:ignore ST1005 redis-server words it so
var errEvents = errors.New("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")

func (e *Events) set(args []string) error {
	var v Events
	for _, letter := range []byte(args[0]) {
		class, ok := eventClasses[letter]
		if !ok {
			return errEvents
		}
		v |= class
	}
	*e = v
	return nil
}

// text is the value as CONFIG GET shows it: new keys are told only by their
// letter, beside A not at all (sic).
func (e Events) text() string {
	var b strings.Builder
	rest := e
	if e&allEvents == allEvents {
		b.WriteByte('A')
		rest &^= allEvents | NewEvents
	}
	for _, letter := range []byte(eventLetters) {
		if rest&eventClasses[letter] != 0 {
			b.WriteByte(letter)
		}
	}
	return b.String()
}
