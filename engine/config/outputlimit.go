package config

import (
	"fmt"
	"strconv"
)

// OutputLimit bounds what waits to be sent to a client: above Hard bytes, or
// above Soft bytes for Seconds, it is disconnected. 0 is no limit.
type OutputLimit struct{ Hard, Soft, Seconds int64 }

// OutputLimits are the limits of each kind of client.
type OutputLimits struct{ Normal, Replica, Pubsub OutputLimit }

func (l *OutputLimits) text() string {
	return fmt.Sprintf("normal %d %d %d slave %d %d %d pubsub %d %d %d", l.Normal.Hard, l.Normal.Soft, l.Normal.Seconds,
		l.Replica.Hard, l.Replica.Soft, l.Replica.Seconds, l.Pubsub.Hard, l.Pubsub.Soft, l.Pubsub.Seconds)
}

// outputLines is a line for each kind of client.
func (c *Config) outputLines() (lines []saying) {
	for _, l := range []struct {
		kind     string
		now, was OutputLimit
	}{{"normal", c.OutputLimits.Normal, defaults.OutputLimits.Normal}, {"replica", c.OutputLimits.Replica, defaults.OutputLimits.Replica}, {"pubsub", c.OutputLimits.Pubsub, defaults.OutputLimits.Pubsub}} {
		lines = append(lines, saying{fmt.Sprintf("%s %s %s %d", l.kind, memoryText(l.now.Hard), memoryText(l.now.Soft), l.now.Seconds), l.now != l.was})
	}
	return lines
}

// set changes the kinds that are named and leaves the others (redis 7.0.15
// config.c setConfigOutputBufferLimitOption).
func (l *OutputLimits) set(args []string) error {
	args = splitWords(args)
	if len(args) == 0 || len(args)%4 != 0 {
		return errOutputCount
	}
	limits := *l
	for ; len(args) > 0; args = args[4:] {
		var kind *OutputLimit
		switch {
		case isWord(args[0], "normal"):
			kind = &limits.Normal
		case isWord(args[0], "slave"), isWord(args[0], "replica"):
			kind = &limits.Replica
		case isWord(args[0], "pubsub"):
			kind = &limits.Pubsub
		default:
			return errOutputKind
		}
		hard, err1 := parseMemory(args[1])
		soft, err2 := parseMemory(args[2])
		seconds, err3 := strconv.ParseInt(args[3], 10, 32)
		if err1 != nil || err2 != nil || err3 != nil || seconds < 0 {
			return errOutputValue
		}
		*kind = OutputLimit{hard, soft, seconds}
	}
	*l = limits
	return nil
}

const (
	errOutputCount reason = "Wrong number of arguments in buffer limit configuration."
	errOutputKind  reason = "Invalid client class specified in buffer limit configuration."
	errOutputValue reason = "Error in hard, soft or soft_seconds setting in buffer limit configuration."
)
