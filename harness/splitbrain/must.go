package splitbrain

import (
	"fmt"
	"slices"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/replication"
)

// Must is what has to come of a scenario's plan. A run in which it did not come is unknown,
// whatever was lost: it was another incident.
type Must string

const (
	// MustPromote: somebody is promoted, though the plan does not take the master away.
	MustPromote Must = "promotion"
	// MustRestart: the first master is started again and is the master still, for nobody was
	// promoted meanwhile.
	MustRestart Must = "restart"
	// MustStale: a former master is promoted again.
	MustStale Must = "stale-promotion"
)

// check reports one that there is not.
func (m Must) check() error {
	if m == "" || m == MustPromote || m == MustRestart || m == MustStale {
		return nil
	}
	return fmt.Errorf("must: unknown word %q: want %s, %s or %s", m, MustPromote, MustRestart, MustStale)
}

// missing says what has not come; "" when all has.
func (m Must) missing(o *Outcome, a *replication.Account) string {
	switch {
	case m == MustPromote && len(a.Promotions) == 0:
		return "nobody was promoted"
	case m == MustStale && !slices.ContainsFunc(a.Promotions, func(p replication.Promotion) bool { return p.Again }):
		return "no former master was promoted again"
	case m != MustRestart:
		return ""
	case len(a.Promotions) > 0:
		return fmt.Sprintf("%s was promoted in place of %s: a restart that somebody noticed", a.Promotions[0].Node, a.Promotions[0].From)
	case !slices.ContainsFunc(o.History.Events, func(e history.Event) bool { return e.Kind == history.Returned && e.Node == Server(0) }):
		return Server(0) + " did not come back as master"
	}
	return ""
}
