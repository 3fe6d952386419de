package policies

import (
	"fmt"
	"strings"

	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// Ordinary are the crash kinds that a limit on the loss is held against. A disk
// whose fsync takes seconds is not among them: nothing bounds what that loses,
// and the advice says so.
func Ordinary(crash string) bool {
	kind, err := experiment.CrashByName(crash)
	return err != nil || kind.When != experiment.SlowSync
}

// candidate is a policy with what decides about it.
type candidate struct {
	*result.Policy
	rate  float64
	loss  result.Loss
	short []string // what it falls short of
}

// Advise fills in which mode to choose for the limits in p, and why; nothing
// when there are no limits.
func Advise(p *result.Policies, results []result.Result) {
	if p.MaxLossMS == nil && p.MinRate == 0 {
		return
	}
	var all []candidate
	var best *candidate
	for i := range p.Policies {
		c := judge(p, &p.Policies[i], results)
		all = append(all, c)
	}
	for i := range all {
		if c := &all[i]; len(c.short) == 0 && (best == nil || better(p, c, best)) {
			best = c
		}
	}
	if best == nil {
		p.Advice = "Choose none of these: " + shortfalls(all, nil) + "."
		return
	}
	p.Choice = best.Mode
	s := fmt.Sprintf("Choose %s, because it lost %s in %d crashes and took %s operations a second", best.Mode, best.lost(), best.loss.Crashes, wording.Count(int64(best.rate)))
	if best.loss.NotServed > 0 {
		s += "; it was " + best.notServed()
	}
	for i := range all {
		if c := &all[i]; c != best && len(c.short) == 0 {
			s += fmt.Sprintf("; %s would do as well: it lost %s and took %s", c.Mode, c.lost(), wording.Count(int64(c.rate)))
		}
	}
	if others := shortfalls(all, best); others != "" {
		s += "; " + others
	}
	p.Advice = s + "." + slowSyncs(best.Mode, results)
}

// better reports whether a is the better choice of two that fulfil the limits:
// less loss, unless only the loss was limited and the other is faster; rates
// within a tenth of each other are the same.
func better(p *result.Policies, a, b *candidate) bool {
	faster := a.rate > 1.1*b.rate
	slower := b.rate > 1.1*a.rate
	if p.MinRate == 0 && (faster || slower) {
		return faster
	}
	if a.loss.MaxMS != b.loss.MaxMS {
		return a.loss.MaxMS < b.loss.MaxMS
	}
	return faster
}

func judge(p *result.Policies, one *result.Policy, results []result.Result) candidate {
	c := candidate{Policy: one}
	c.loss = result.LossOf(results, one.Mode, Ordinary)
	if cost := one.Best(); cost != nil {
		c.rate = cost.Rate
	}
	switch {
	case !c.loss.Proved && c.loss.NotServed > 0:
		c.short = append(c.short, "was "+c.notServed())
	case !c.loss.Proved:
		c.short = append(c.short, "proved nothing about its loss")
	case p.MaxLossMS != nil && c.loss.MaxMS > *p.MaxLossMS:
		c.short = append(c.short, "lost "+c.lost())
	case p.MaxLossMS != nil && c.loss.Censored:
		// Its longest loss reached back to the first write of its run.
		c.short = append(c.short, "lost "+c.lost()+", and a longer run could lose more")
	}
	if p.MinRate > 0 && c.rate < p.MinRate {
		c.short = append(c.short, fmt.Sprintf("took only %s operations a second", wording.Count(int64(c.rate))))
	}
	return c
}

// notServed says how often it did not come back: what was acknowledged is out of reach then.
func (c *candidate) notServed() string {
	return fmt.Sprintf("not served after %d of %d crashes", c.loss.NotServed, c.loss.Crashes)
}

func (c *candidate) lost() string {
	switch {
	case !c.loss.Proved:
		return "an unknown amount"
	case c.loss.MaxMS == 0:
		return "nothing"
	case c.loss.Censored:
		return "the last " + strings.TrimPrefix(wording.AtLeast(c.loss.MaxMS), ">=") + " or more"
	}
	return "at most the last " + wording.Duration(c.loss.MaxMS)
}

// shortfalls says what the others fall short of.
func shortfalls(all []candidate, best *candidate) string {
	var parts []string
	for i := range all {
		if c := &all[i]; len(c.short) > 0 && c != best {
			parts = append(parts, c.Mode+" "+strings.Join(c.short, " and "))
		}
	}
	return strings.Join(parts, ", ")
}

// slowSyncs is what a limit on the loss does not cover.
func slowSyncs(mode string, results []result.Result) string {
	l := result.LossOf(results, mode, func(crash string) bool { return !Ordinary(crash) })
	if !l.Proved || l.MaxMS == 0 {
		return ""
	}
	return fmt.Sprintf(" (While each fsync took 2 s longer it lost up to the last %s: no setting of %s bounds that.)", wording.Duration(l.MaxMS), mode)
}
