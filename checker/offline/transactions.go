package offline

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/transactions"
)

// group is the operations about one object of a keyed history (jepsen.independent),
// or all of them.
type group struct {
	key string
	ops []int // places in History.Ops
}

// groups are the objects of a history of transactions, in order of their first operation.
func groups(h *history.History) []group {
	var all []group
	at := map[string]int{}
	for i := range h.Ops {
		key := h.Ops[i].Key
		if h.Ops[i].Kind != history.Txn {
			continue
		}
		n, ok := at[key]
		if !ok {
			n = len(all)
			at[key] = n
			all = append(all, group{key: key})
		}
		all[n].ops = append(all[n].ops, i)
	}
	return all
}

// txns are the transactions of a group, as package transactions takes them.
// initial is the text of the value that registers begin with, "" for nil.
func txns(h *history.History, g group, lists bool, initial string) (*transactions.History, error) {
	out := &transactions.History{Txns: make([]transactions.Txn, 0, len(g.ops)), Lists: lists}
	begin := "nil"
	if initial != "" && initial != begin {
		out.Initial, begin = out.Names.Of(initial), initial
	}
	value := func(p *history.Op) (transactions.Value, error) {
		v := transactions.Nil
		if !(p.Kind == history.Read && p.Absent || p.Kind == history.Write && p.More != nil && p.More.ToAbsent) {
			v = out.Names.Of(p.Value)
		}
		if p.Kind == history.Write && v == out.Initial {
			return v, fmt.Errorf("%s is written to %s, which began with it: which of the two is read cannot be told (--initial says what registers begin with)", begin, p.Key)
		}
		return v, nil
	}
	for _, i := range g.ops {
		op := &h.Ops[i]
		t := transactions.Txn{Process: op.Client, Invoke: op.Invoke, Return: op.Return, Outcome: op.Outcome}
		for p := range op.More.Parts {
			part := &op.More.Parts[p]
			m := transactions.Mop{Key: out.Names.Of(part.Key)}
			var err error
			switch part.Kind {
			case history.Append, history.Push:
				m.Func, m.Value = transactions.Append, out.Names.Of(part.Value)
			case history.Write:
				m.Func = transactions.Write
				m.Value, err = value(part)
			case history.Read:
				m.Func, m.Known = transactions.Read, op.Outcome == history.OK
				m.Value, err = value(part)
			case history.ReadList:
				m.Func, m.Known = transactions.Read, op.Outcome == history.OK
				if part.More != nil {
					for _, v := range part.More.Values {
						m.List = append(m.List, out.Names.Of(v))
					}
				}
			default:
				err = fmt.Errorf("%s of key %q: transactions are judged when they append and read, or write and read", part.Kind, part.Key)
			}
			if err != nil {
				return nil, fmt.Errorf("operation %d: %w", i, err)
			}
			t.Mops = append(t.Mops, m)
		}
		out.Txns = append(out.Txns, t)
	}
	return out, nil
}

// bank is a group of transfers and reads of all accounts, and for its reads
// their places in the history.
func bank(h *history.History, g group) (b *transactions.Bank, reads []int, err error) {
	b = &transactions.Bank{}
	for _, i := range g.ops {
		op := &h.Ops[i]
		if isTransfer(op) {
			parts := op.More.Parts
			n, err := strconv.ParseInt(parts[1].Value, 10, 64)
			if err != nil {
				return nil, nil, fmt.Errorf("operation %d: amount %q: want a whole number", i, parts[1].Value)
			}
			b.Transfers = append(b.Transfers, transactions.Transfer{Process: op.Client, Invoke: op.Invoke, Return: op.Return,
				Outcome: op.Outcome, From: parts[0].Key, To: parts[1].Key, Amount: n})
			continue
		}
		r := transactions.BankRead{Process: op.Client, Invoke: op.Invoke, Return: op.Return}
		for p := range op.More.Parts {
			part := &op.More.Parts[p]
			if part.Kind != history.Read {
				return nil, nil, fmt.Errorf("operation %d (%s of %q) is none of a bank: want transfers, and reads of all accounts", i, part.Kind, part.Key)
			}
			balance := transactions.Balance{Account: part.Key, Nil: part.Absent}
			if !part.Absent {
				if balance.Amount, err = strconv.ParseInt(part.Value, 10, 64); err != nil {
					return nil, nil, fmt.Errorf("operation %d: balance %q of %s: want a whole number", i, part.Value, part.Key)
				}
			}
			r.Balances = append(r.Balances, balance)
		}
		if op.Outcome == history.OK {
			b.Reads = append(b.Reads, r)
			reads = append(reads, i)
		}
	}
	return b, reads, nil
}

// isTransfer: what is taken from one account is added to another.
func isTransfer(op *history.Op) bool {
	return op.Kind == history.Txn && op.More != nil && len(op.More.Parts) == 2 &&
		!slices.ContainsFunc(op.More.Parts, func(p history.Op) bool { return p.Kind != history.Incr })
}
