package experiment

import (
	"fmt"

	"github.com/torntail/torntail/checker"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/reports/result"
)

// Witness is what porcupine said of a run's verdict.
type Witness struct {
	Asked bool
	// Unanswered: of some key it said nothing, because the search would have taken
	// more steps than it was granted.
	Unanswered bool
	// Disagrees is what it said differently; the run is then Distrusted.
	Disagrees string
}

const (
	// witnessed: one run in so many is judged by porcupine as well.
	witnessed = 20
	// witnessSteps is how many steps porcupine may take for each operation that it
	// is asked about. Steps and not time bound what it costs, so that the same seed
	// gives the same result.
	witnessSteps = 50
	// witnessSalt sets the draw apart from all that is drawn from the seed.
	witnessSalt = 0x3717e55
)

// DrawnForWitness reports whether porcupine is asked about a campaign's run of that
// seed, whatever its verdict.
func DrawnForWitness(seed uint64) bool { return seeding.Derive(seed, witnessSalt)%witnessed == 0 }

// AskWitness holds the verdict of a run against porcupine, key by key, unless
// that was done before. Where they disagree torntail itself is at fault, and the
// run says nothing about the server. It needs the outcome's history.
func (o *Outcome) AskWitness() {
	if o.judgement == nil || o.History == nil || o.Witness.Asked {
		return
	}
	var j checker.Judge
	testimony := j.Witness(o.History, o.contract, witnessSteps)
	o.Witness.Asked = true
	for i := range testimony {
		if testimony[i].Answer == linear.Unknown || testimony[i].Found == linear.Unknown {
			o.Witness.Unanswered = true
		}
	}
	if o.Witness.Disagrees = checker.Disagreement(o.judgement, testimony); o.Witness.Disagrees != "" {
		o.Verdict, o.Distrust = result.Unknown, fmt.Sprintf("its judges disagree about seed %d: %s", o.Seed, o.Witness.Disagrees)
	}
}
