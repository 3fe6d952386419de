package transactions

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
)

func balances(amounts ...int64) (out []Balance) {
	for i, a := range amounts {
		out = append(out, Balance{Account: fmt.Sprint(i), Amount: a})
	}
	return out
}

func TestBankNamesWhatIsWrong(t *testing.T) {
	read := func(b []Balance) BankRead { return BankRead{Process: 1, Invoke: 10, Return: 20, Balances: b} }
	transfer := Transfer{Process: 2, Invoke: 5, Return: 15, Outcome: history.OK, From: "0", To: "1", Amount: 5}
	for _, c := range []struct {
		what  string
		bank  Bank
		name  anomaly.Name
		story string
	}{
		{"good", Bank{Reads: []BankRead{read(balances(50, 50)), read(balances(45, 55))}}, "", ""},
		{"total given", Bank{Total: 100, HasTotal: true, Reads: []BankRead{read(balances(50, 49))}}, WrongTotal, "the total is 99, not 100: -1"},
		{"total of the first read", Bank{Reads: []BankRead{read(balances(50, 50)), read(balances(50, 51))}}, WrongTotal, "the total is 101, not 100: +1"},
		{"half a transfer", Bank{Total: 100, HasTotal: true, Transfers: []Transfer{transfer}, Reads: []BankRead{read(balances(45, 50))}}, WrongTotal,
			"as if of the transfer of 5 from 0 to 1 by process 2, 5ns to 15ns, only what is taken from 0 had been seen"},
		{"the other half", Bank{Total: 100, HasTotal: true, Transfers: []Transfer{transfer}, Reads: []BankRead{read(balances(50, 55))}}, WrongTotal, "only what is added to 1"},
		{"nothing left in one", Bank{Total: 100, HasTotal: true, Reads: []BankRead{read(balances(0, 100))}}, "", ""},
		{"an account left out", Bank{Accounts: []string{"0", "1"}, Total: 100, HasTotal: true, Reads: []BankRead{read(balances(50))}}, WrongTotal, "not among what was read: 1"},
		{"overdrawn", Bank{Total: 100, HasTotal: true, Reads: []BankRead{read(balances(-1, 101))}}, NegativeValue, "overdrawn: 0 (-1)"},
		{"overdrawn, and may be", Bank{Total: 100, HasTotal: true, NegativeAllowed: true, Reads: []BankRead{read(balances(-1, 101))}}, "", ""},
		{"a stranger", Bank{Accounts: []string{"0"}, Total: 100, HasTotal: true, Reads: []BankRead{read(balances(50, 50))}}, UnexpectedKey, "no account 1"},
		{"no balance", Bank{Accounts: []string{"0"}, Total: 100, HasTotal: true, Reads: []BankRead{read([]Balance{{Account: "0", Nil: true}})}}, NilBalance, "no balance in account 0"},
	} {
		r, err := CheckBank(&c.bank, Options{})
		require.NoError(t, err, c.what)
		if c.name == "" {
			require.Equal(t, verdict.Holds, r.Verdict, "%s: %s", c.what, r.Why)
			continue
		}
		require.Equal(t, verdict.Violated, r.Verdict, c.what)
		require.Equal(t, []Count{{c.name, 1}}, r.Counts, c.what)
		require.Contains(t, r.Findings[0].Story, c.story, c.what)
	}
}

// TestBankTellsAsManyAsAreAskedFor: all wrong reads are counted, the first Limit told.
func TestBankTellsAsManyAsAreAskedFor(t *testing.T) {
	b := Bank{Total: 100, HasTotal: true}
	for i := range 5 {
		b.Reads = append(b.Reads, BankRead{Invoke: time.Duration(10 * i), Return: time.Duration(10*i + 1), Balances: balances(int64(i))})
	}
	for limit := 1; limit <= 6; limit++ {
		r, err := CheckBank(&b, Options{Limit: limit})
		require.NoError(t, err)
		require.Equal(t, []Count{{WrongTotal, 5}}, r.Counts)
		require.Len(t, r.Findings, min(limit, 5))
	}
}

func TestBankRefuses(t *testing.T) {
	for what, b := range map[string]Bank{
		"has account 0 twice":   {Reads: []BankRead{{Balances: append(balances(1), balances(1)...)}}},
		"add up in 64 bits":     {Reads: []BankRead{{Balances: balances(math.MaxInt64, 1)}}},
		"which accounts":        {Reads: []BankRead{{}}},
		"read of process 3":     {Reads: []BankRead{{Process: 3, Invoke: 2, Return: 1, Balances: balances(1)}}},
		"transfer of process 4": {Transfers: []Transfer{{Process: 4, Invoke: 2, Return: 1}}},
	} {
		_, err := CheckBank(&b, Options{})
		require.ErrorContains(t, err, what)
	}
	r, err := CheckBank(&Bank{}, Options{})
	require.NoError(t, err)
	require.Equal(t, verdict.Unknown, r.Verdict, "no read at all proves nothing")
}

// TestBankFindsHalfTransfers: reads of a store that moves money at one instant
// are good, and each one that is shown half of a transfer is found.
func TestBankFindsHalfTransfers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amounts := []int64{10, 10, 10, 10}
		b := Bank{NegativeAllowed: true}
		b.Reads = append(b.Reads, BankRead{Return: 1, Balances: balances(amounts...)})
		half := 0
		for i := range rapid.IntRange(1, 20).Draw(t, "transfers") {
			now := time.Duration(10 * (i + 1))
			from, to := rapid.IntRange(0, 3).Draw(t, "from"), rapid.IntRange(0, 3).Draw(t, "to")
			amount := rapid.Int64Range(1, 5).Draw(t, "amount")
			b.Transfers = append(b.Transfers, Transfer{Process: 1, Invoke: now, Return: now + 9, Outcome: history.OK, From: fmt.Sprint(from), To: fmt.Sprint(to), Amount: amount})
			amounts[from] -= amount
			if rapid.Bool().Draw(t, "in between") {
				if from != to {
					half++
				} else {
					amounts[to] += amount
				}
				b.Reads = append(b.Reads, BankRead{Process: 2, Invoke: now + 1, Return: now + 8, Balances: balances(amounts...)})
				if from == to {
					continue
				}
			}
			amounts[to] += amount
			b.Reads = append(b.Reads, BankRead{Process: 2, Invoke: now + 2, Return: now + 9, Balances: balances(amounts...)})
		}
		r, err := CheckBank(&b, Options{Limit: 100})
		require.NoError(t, err)
		if half == 0 {
			require.Equal(t, verdict.Holds, r.Verdict)
			return
		}
		require.Equal(t, []Count{{WrongTotal, half}}, r.Counts)
		for _, f := range r.Findings {
			require.Contains(t, f.Story, "as if of the transfer")
		}
	})
}

// TestATransferThatWasSeenWholeIsNotBlamed: what is missing in a total is told as half of
// a transfer, where one was under way that moved so much.
func TestATransferThatWasSeenWholeIsNotBlamed(t *testing.T) {
	for _, tc := range []struct {
		what     string
		transfer Transfer
		blamed   bool
	}{
		{"under way", Transfer{Invoke: 5, Return: 15, Outcome: history.OK, From: "0", To: "1", Amount: 5}, true},
		{"it had ended", Transfer{Invoke: 5, Return: 10, Outcome: history.OK, From: "0", To: "1", Amount: 5}, false},
		{"nobody knows when it ended", Transfer{Invoke: 5, Return: history.Never, Outcome: history.Unknown, From: "0", To: "1", Amount: 5}, true},
		{"of another amount", Transfer{Invoke: 5, Return: 15, Outcome: history.OK, From: "0", To: "1", Amount: 4}, false},
		{"to the same account", Transfer{Invoke: 5, Return: 15, Outcome: history.OK, From: "0", To: "0", Amount: 5}, false},
		{"it began when the read had ended", Transfer{Invoke: 20, Return: 25, Outcome: history.OK, From: "0", To: "1", Amount: 5}, false},
	} {
		b := Bank{Total: 100, HasTotal: true, Transfers: []Transfer{tc.transfer}, Reads: []BankRead{{Process: 1, Invoke: 10, Return: 20, Balances: balances(45, 50)}}}
		r, err := CheckBank(&b, Options{})
		require.NoError(t, err, tc.what)
		require.Equal(t, tc.blamed, strings.Contains(r.Findings[0].Story, "as if of the transfer"), "%s: %s", tc.what, r.Findings[0].Story)
	}
}
