package transactions

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
)

// Bank is a history of accounts between which money is moved: no transfer makes
// or destroys any, so every read of all accounts has the same total.
type Bank struct {
	// Accounts are the known accounts, as the history writes them; none means
	// that the first read says which there are.
	Accounts []string
	// Total is what all accounts hold together. HasTotal false: the first read
	// says how much.
	Total    int64
	HasTotal bool
	// NegativeAllowed: accounts may be overdrawn (Jepsen's :negative-balances?).
	NegativeAllowed bool

	Reads     []BankRead // those that returned, in order of Invoke
	Transfers []Transfer // in order of Invoke
}

// BankRead is one read of all accounts.
type BankRead struct {
	Process        int
	Invoke, Return time.Duration
	Line           int       // where the history has it; 0 when it comes from no file
	Balances       []Balance // in the order of the history
}

// Balance is what one account held.
type Balance struct {
	Account string
	Amount  int64
	Nil     bool // no balance: the account was not there
}

// Transfer moves Amount from one account to another.
type Transfer struct {
	Process        int
	Invoke, Return time.Duration // Return is history.Never when there was no reply
	Outcome        history.Outcome
	Line           int
	From, To       string
	Amount         int64
}

// bankNames are what CheckBank finds, in the order in which a read is examined:
// of each read only the first is named, since the others follow from it.
var bankNames = []anomaly.Name{UnexpectedKey, NilBalance, WrongTotal, NegativeValue}

// CheckBank judges b, read by read. Of o only the Limit counts: reads of all
// accounts are right or wrong whatever the consistency model. An error means that
// times run backwards, or that a read has an account twice. Linear in the
// balances, but for the evidence.
func CheckBank(b *Bank, o Options) (*Result, error) {
	if o.Limit <= 0 {
		o.Limit = defaultLimit
	}
	k := bank{Bank: b, known: map[string]bool{}, total: b.Total}
	for i := range b.Transfers {
		if t := &b.Transfers[i]; t.Return < t.Invoke {
			return nil, fmt.Errorf("the transfer of process %d invoked at %s returned before it was invoked", t.Process, t.Invoke)
		}
	}
	if err := k.initial(); err != nil {
		return nil, err
	}
	r := &Result{}
	found := map[anomaly.Name][]Finding{}
	counts := map[anomaly.Name]int{}
	for i := range b.Reads {
		n, words, err := k.read(&b.Reads[i])
		if err != nil {
			return nil, err
		}
		if n == "" {
			continue
		}
		if counts[n]++; counts[n] <= o.Limit {
			found[n] = append(found[n], Finding{Name: n, Txns: []int{i}, Rule: rules[n], Story: k.line(&b.Reads[i]) + "\n" + words()})
		}
	}
	var bad []string
	for _, n := range bankNames {
		if counts[n] > 0 {
			r.Counts = append(r.Counts, Count{n, counts[n]})
			r.Findings = append(r.Findings, found[n]...)
			bad = append(bad, fmt.Sprintf("%s (%d)", n, counts[n]))
		}
	}
	switch {
	case len(bad) > 0:
		r.Verdict, r.Why = verdict.Violated, "of "+fmt.Sprint(len(b.Reads))+" reads of all accounts: "+strings.Join(bad, ", ")
	case len(b.Reads) == 0:
		r.Verdict, r.Why = verdict.Unknown, "no read of the accounts returned"
	default:
		r.Verdict, r.Why = verdict.Holds, fmt.Sprintf("all %d reads have the total %d", len(b.Reads), k.total)
	}
	return r, nil
}

// bank is one judgement of a Bank.
type bank struct {
	*Bank
	known map[string]bool
	total int64
}

// initial finds the accounts and the total that every read must have.
func (k *bank) initial() error {
	for _, a := range k.Accounts {
		k.known[a] = true
	}
	if len(k.Reads) == 0 {
		return nil
	}
	if len(k.known) == 0 {
		for _, balance := range k.Reads[0].Balances {
			k.known[balance.Account] = true
		}
	}
	if !k.HasTotal {
		total, err := k.Reads[0].sum()
		if err != nil {
			return err
		}
		k.total = total
	}
	if len(k.known) == 0 {
		return errors.New("nothing says which accounts the bank has: the first read is empty, and none are given")
	}
	return nil
}

// sum is the total of a read; an error when 64 bits do not hold it.
func (r *BankRead) sum() (int64, error) {
	total := int64(0)
	for _, b := range r.Balances {
		if b.Nil {
			continue
		}
		next := total + b.Amount
		if (next > total) != (b.Amount > 0) && b.Amount != 0 {
			return 0, fmt.Errorf("the balances in the read of process %d invoked at %s do not add up in 64 bits", r.Process, r.Invoke)
		}
		total = next
	}
	return total, nil
}

// read judges one read; the name is empty when nothing is wrong, and words tell
// what is.
func (k *bank) read(r *BankRead) (name anomaly.Name, words func() string, err error) {
	if r.Return < r.Invoke {
		return "", nil, fmt.Errorf("the read of process %d invoked at %s returned before it was invoked", r.Process, r.Invoke)
	}
	seen := map[string]bool{}
	var strange, missing, negative []string
	for _, b := range r.Balances {
		if seen[b.Account] {
			return "", nil, fmt.Errorf("the read of process %d invoked at %s has account %s twice", r.Process, r.Invoke, b.Account)
		}
		seen[b.Account] = true
		switch {
		case !k.known[b.Account]:
			strange = append(strange, b.Account)
		case b.Nil:
			missing = append(missing, b.Account)
		case b.Amount < 0:
			negative = append(negative, fmt.Sprintf("%s (%d)", b.Account, b.Amount))
		}
	}
	total, err := r.sum()
	switch {
	case err != nil:
		return "", nil, err
	case len(strange) > 0:
		return UnexpectedKey, func() string { return "the bank has no account " + strings.Join(strange, ", ") }, nil
	case len(missing) > 0:
		return NilBalance, func() string { return "no balance in account " + strings.Join(missing, ", ") }, nil
	case total != k.total:
		return WrongTotal, func() string { return k.difference(r, total) }, nil
	case len(negative) > 0 && !k.NegativeAllowed:
		return NegativeValue, func() string { return "overdrawn: " + strings.Join(negative, ", ") }, nil
	}
	return "", nil, nil
}

// difference says by how much a total is wrong, and which single transfer, seen
// by half, explains it: one that may have been under way while the read was.
func (k *bank) difference(r *BankRead, total int64) string {
	off := total - k.total
	words := fmt.Sprintf("the total is %d, not %d: %+d", total, k.total, off)
	for i := range k.Transfers {
		t := &k.Transfers[i]
		if t.Invoke >= r.Return {
			break
		}
		if t.Outcome == history.OK && t.Return <= r.Invoke || t.From == t.To || off != t.Amount && off != -t.Amount {
			continue
		}
		side := "taken from " + t.From
		if off == t.Amount {
			side = "added to " + t.To
		}
		return words + fmt.Sprintf("\nas if of the transfer of %d from %s to %s by process %d, %s to %s%s, only what is %s had been seen",
			t.Amount, t.From, t.To, t.Process, t.Invoke, returned(t.Return), atLine(t.Line), side)
	}
	absent := slices.DeleteFunc(slices.Clone(k.Accounts), func(a string) bool {
		return slices.ContainsFunc(r.Balances, func(b Balance) bool { return b.Account == a })
	})
	if len(absent) > 0 {
		words += "; not among what was read: " + strings.Join(absent, ", ")
	}
	return words
}

// line writes a read out.
func (k *bank) line(r *BankRead) string {
	var b strings.Builder
	fmt.Fprintf(&b, "process %d, %s to %s%s read", r.Process, r.Invoke, returned(r.Return), atLine(r.Line))
	for i, a := range r.Balances {
		if i == tellElements {
			fmt.Fprintf(&b, " and %d more", len(r.Balances)-i)
			break
		}
		if a.Nil {
			fmt.Fprintf(&b, " %s: nil", a.Account)
			continue
		}
		fmt.Fprintf(&b, " %s: %d", a.Account, a.Amount)
	}
	return b.String()
}
