package listen

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/persist"
)

// logger writes redis-server's log lines: "PID:M 21 Nov 2026 22:31:33.123 * text".
type logger struct {
	mu  sync.Mutex // signals log from their own goroutine
	w   io.Writer
	cfg *config.Config
	// child: it is one's log.
	child bool
}

// openLog follows the logfile directive.
func openLog(o Options) (*logger, func(), error) {
	if o.Config.Logfile == "" {
		return &logger{w: o.Output, cfg: o.Config}, func() {}, nil
	}
	f, err := os.OpenFile(o.Config.Logfile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, nil, err
	}
	return &logger{w: f, cfg: o.Config}, func() { f.Close() }, nil
}

// severity orders the levels as the loglevel directive names them.
func severity(level byte) int {
	switch level {
	case persist.Debug:
		return 0
	case persist.Verbose:
		return 1
	case persist.Notice:
		return 2
	}
	return 3
}

var levelWords = map[string]int{"debug": 0, "verbose": 1, "notice": 2, "warning": 3}

// fromHandler writes a line as a signal handler does (redis 7.0.15 server.c
// serverLogFromHandler).
func (l *logger) fromHandler(msg string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.w, "%d:signal-handler (%d) %s\n", os.Getpid(), time.Now().Unix(), msg)
}

// raw writes text that is no line of its own (redis 7.0.15 server.c LL_RAW).
func (l *logger) raw(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if severity(persist.Notice) >= levelWords[l.cfg.Loglevel] {
		fmt.Fprint(l.w, text)
	}
}

func (l *logger) line(level byte, msg string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if severity(level) < levelWords[l.cfg.Loglevel] {
		return
	}
	// A log that cannot be written is no reason to stop serving.
	role := 'M'
	switch {
	case l.child:
		role = 'C'
	case l.cfg.SentinelMode:
		role = 'X'
	}
	fmt.Fprintf(l.w, "%d:%c %s %c %s\n", os.Getpid(), role, time.Now().Format("02 Jan 2006 15:04:05.000"), level, msg)
}
