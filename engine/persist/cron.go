package persist

import "time"

// bgsaveRetrySeconds is how long save points wait after a failed snapshot
// (CONFIG_BGSAVE_RETRY_DELAY).
const bgsaveRetrySeconds = 5

// Cron is to be called hz times a second: it is the part of serverCron that has
// to do with persistence, in its order. An error is fatal.
func (m *Manager) Cron() error {
	if m.child == nil && m.rewriteScheduled && !m.rewriteLimited() {
		m.startRewrite()
	}
	if m.child != nil {
		m.checkChild()
	} else {
		m.checkSavePoints()
		m.checkGrowth()
	}
	if m.state != aofOff && m.postponed != 0 {
		m.flush(false)
	}
	if now := m.o.Env.Now(); now-m.retried >= time.Second {
		m.retried = now
		if m.state != aofOff && m.writeErr != nil {
			m.flush(false)
		}
	}
	if m.child == nil && m.bgsaveScheduled && m.mayRetryBgsave() {
		m.bgsaveScheduled = !m.startBgsave()
	}
	return m.fatalError()
}

func (m *Manager) checkChild() {
	if !m.child.done() {
		return
	}
	c := m.reap()
	if c.kind == rdbChild {
		m.bgsaveDone(c)
	} else {
		m.rewriteDone(c)
	}
}

func (m *Manager) mayRetryBgsave() bool {
	return m.bgsaveOK || m.unix()-m.lastBgsaveTry > bgsaveRetrySeconds
}

// checkSavePoints starts a snapshot when more than so many seconds have passed
// since the last one and at least so many changes were made, which may be none.
func (m *Manager) checkSavePoints() {
	now := m.unix()
	for _, p := range m.o.Config.Save {
		if m.dirty >= p.Changes && now-m.lastSave > p.Seconds && m.mayRetryBgsave() {
			m.log(Notice, "%d changes in %d seconds. Saving...", p.Changes, p.Seconds)
			m.startBgsave()
			return
		}
	}
}

// checkGrowth starts a rewrite when the append-only file has grown enough.
func (m *Manager) checkGrowth() {
	c := m.o.Config
	if m.state != aofOn || m.child != nil || c.AutoAofRewritePercentage == 0 ||
		m.currentSize <= c.AutoAofRewriteMinSize || m.rewriteLimited() {
		return
	}
	growth := m.currentSize*100/max(m.baseSize, 1) - 100
	if growth >= c.AutoAofRewritePercentage {
		m.log(Notice, "Starting automatic rewriting of AOF on %d%% growth", growth)
		m.startRewrite()
	}
}
