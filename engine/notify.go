package engine

import (
	"strconv"

	"github.com/torntail/torntail/engine/config"
)

// notify tells subscribers what happened to a key, if the configuration wants
// such events told (redis 7.0.15 notify.c notifyKeyspaceEvent). Commands call it
// where Redis's do, because the order of events can be seen.
func (s *Server) notify(class config.Events, event string, db int, key []byte) {
	e := s.cfg.NotifyEvents
	if e&class == 0 || s.loading {
		return
	}
	at := "@" + strconv.Itoa(db) + "__:"
	if e&config.KeyspaceEvents != 0 {
		s.publish([]byte("__keyspace"+at+string(key)), []byte(event))
	}
	if e&config.KeyeventEvents != 0 {
		s.publish([]byte("__keyevent"+at+event), key)
	}
}
