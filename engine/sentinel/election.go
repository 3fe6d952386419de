package sentinel

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/torntail/torntail/engine/bugs"
)

// vote votes for a candidate in an epoch, or returns the vote already given in
// that epoch or a later one. The vote is saved before it is told.
func (m *Machine) vote(master *instance, epoch uint64, candidate string) (leader string, leaderEpoch uint64) {
	if epoch > m.epoch {
		m.epoch = epoch
		m.save()
		m.event(Warning, "+new-epoch", master, strconv.FormatUint(m.epoch, 10))
	}
	free := master.leaderEpoch < epoch
	if m.o.Bugs.Has(bugs.VoteTwice) {
		free = master.leaderEpoch <= epoch
	}
	if free && m.epoch <= epoch {
		master.leader, master.leaderEpoch = candidate, m.epoch
		if !m.o.Bugs.Has(bugs.VoteNotSaved) {
			m.save()
		}
		m.event(Warning, "+vote-for-leader", master, fmt.Sprintf("%s %d", candidate, master.leaderEpoch))
		// Whoever votes for another gives it time before it tries itself.
		if !strings.EqualFold(candidate, m.id) {
			master.startTime = m.now + int64(m.o.Rand()%maxDesync)
		}
	}
	return master.leader, master.leaderEpoch
}

// ballot counts votes, in the order in which candidates got their first.
type ballot struct {
	candidates []string
	votes      []int
}

func (b *ballot) add(candidate string) int {
	for i, c := range b.candidates {
		if c == candidate {
			b.votes[i]++
			return b.votes[i]
		}
	}
	b.candidates = append(b.candidates, candidate)
	b.votes = append(b.votes, 1)
	return 1
}

// leader returns who has been elected in an epoch, "" for nobody: it takes the
// majority of all Sentinels ever met, and at least the quorum.
func (m *Machine) leader(master *instance, epoch uint64) string {
	var b ballot
	for _, si := range master.sentinels {
		if si.leader != "" && si.leaderEpoch == m.epoch {
			b.add(si.leader)
		}
	}
	winner, most := "", 0
	for i, c := range b.candidates {
		if b.votes[i] > most {
			winner, most = c, b.votes[i]
		}
	}
	// This Sentinel's own vote goes to whoever leads, or to itself.
	candidate := winner
	if candidate == "" {
		candidate = m.id
	}
	if mine, e := m.vote(master, epoch, candidate); mine != "" && e == epoch {
		if m.o.Bugs.Has(bugs.OwnVoteTwice) {
			b.add(mine)
		}
		if votes := b.add(mine); votes > most {
			winner, most = mine, votes
		}
	}
	voters := len(master.sentinels) + 1
	if most < voters/2+1 || most < master.quorum {
		return ""
	}
	return winner
}
