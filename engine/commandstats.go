package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// commandStats is what INFO commandstats tells of one command.
type commandStats struct {
	calls    int64
	rejected int64         // before they were executed
	failed   int64         // executed, and answered with an error
	took     time.Duration // all of them
	times    histogram
}

// of is what is counted of a command.
func (s *stats) of(cmd *command) *commandStats {
	one := s.counted(cmd)
	if one == nil {
		if s.byCommand == nil {
			s.byCommand = make([]*commandStats, commandCount)
		}
		one = new(commandStats)
		s.byCommand[cmd.id] = one
	}
	return one
}

// counted is of for who only reads: nil when nothing is counted yet.
func (s *stats) counted(cmd *command) *commandStats {
	if s.byCommand == nil {
		return nil
	}
	return s.byCommand[cmd.id]
}

// failure counts an error reply by its code, the first word of msg (redis 7.0.15
// networking.c afterErrorReply).
func (s *stats) failure(msg string) {
	s.errors++
	code := "ERR"
	if i := strings.IndexByte(msg[:min(len(msg), 31)], ' '); i >= 0 {
		code = msg[:i]
	}
	if s.byCode == nil {
		s.byCode = make(map[string]int64)
	}
	s.byCode[code]++
}

// failedSince reports whether there was an error since the number of them was
// last asked for. A command that executes others has not failed because of theirs
// (redis 7.0.15 server.c incrCommandStatsOnError).
func (s *stats) failedSince() bool {
	failed := s.errors > s.errorsBefore
	s.errorsBefore = s.errors
	return failed
}

func (s *Server) infoCommandStats(t *infoText) {
	if !t.named("Commandstats") {
		return
	}
	tell := func(cmd *command) {
		one := s.stats.counted(cmd)
		if one == nil {
			return
		}
		us := one.took.Microseconds()
		each := 0.0
		if one.calls > 0 {
			each = float64(us) / float64(one.calls)
		}
		t.text("cmdstat_"+cmd.fullName, fmt.Sprintf("calls=%d,usec=%d,usec_per_call=%.2f,rejected_calls=%d,failed_calls=%d", one.calls, us, each, one.rejected, one.failed))
	}
	for _, cmd := range s.commands() {
		tell(cmd)
		for _, sub := range cmd.sub {
			tell(sub)
		}
	}
}

func (s *Server) infoErrorStats(t *infoText) {
	if !t.section("Errorstats") {
		return
	}
	for _, code := range slices.Sorted(maps.Keys(s.stats.byCode)) {
		t.text("errorstat_"+safeInfo.Replace(code), fmt.Sprint("count=", s.stats.byCode[code]))
	}
}

// safeInfo replaces what would break INFO's lines (redis 7.0.15 server.c
// getSafeInfoString).
var safeInfo = strings.NewReplacer("#", "_", ":", "_", "\n", "_", "\r", "_")
