package transactions

import "errors"

// CheckBank is a placeholder until merged.
func CheckBank(b *Bank, o Options) (*Result, error) { return nil, errors.New("banks: not yet") }
