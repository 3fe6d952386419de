package transactions

import (
	"time"

	"github.com/torntail/torntail/checker/history"
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
	From, To       string
	Amount         int64
}
