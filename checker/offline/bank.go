package offline

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/history/edn"
	"github.com/torntail/torntail/checker/transactions"
)

// judgeBank judges each bank of its own.
func judgeBank(f *history.File, o Options) (Verdict, error) {
	accounts, total, err := openingBalances(o.Initial)
	if err != nil {
		return Verdict{}, fmt.Errorf("initial value %q: %w", o.Initial, err)
	}
	v := Verdict{As: "bank: no money is made or lost"}
	if o.Initial == "" {
		v.Notes = append(v.Notes, "the first read says how much there is; --initial '{account balance ...}' says it otherwise")
	}
	return v, v.each(f, func(g group) (*transactions.Result, []int, error) {
		b, places, err := bank(f.History, g)
		if err != nil {
			return nil, nil, err
		}
		b.Accounts, b.Total, b.HasTotal = accounts, total, o.Initial != ""
		r, err := transactions.CheckBank(b, transactions.Options{})
		return r, places, err
	})
}

// openingBalances are the accounts of {a 10 b 10}, and what they hold together.
func openingBalances(text string) (accounts []string, total int64, err error) {
	if text == "" {
		return nil, 0, nil
	}
	r := edn.NewReader(strings.NewReader(text), 1)
	v, err := r.Next()
	if err != nil || v.Kind != edn.Map {
		return nil, 0, errors.New("want the balance of each account, {a 10 b 10}")
	}
	for i := 0; i < len(v.Items); i += 2 {
		n, err := v.Items[i+1].Integer()
		if err != nil {
			return nil, 0, fmt.Errorf("balance of %s: %w", v.Items[i].Plain(), err)
		}
		accounts = append(accounts, v.Items[i].Plain())
		total += n
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		return nil, 0, errors.New("something follows the map")
	}
	return accounts, total, nil
}
