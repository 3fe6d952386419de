package target

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/product/walcache"
	"github.com/torntail/torntail/reports/result"
)

// Stores are the kinds of servers that torntail knows, the usual one first. Another is a
// package below harness/product, and a row.
var Stores = []product.Store{redis.Store, walcache.Store}

// StoreByName finds a store; "" is the first, for what was saved before there were others.
func StoreByName(name string) (product.Store, error) {
	if name == "" {
		return Stores[0], nil
	}
	for _, s := range Stores {
		if s.Name() == name {
			return s, nil
		}
	}
	return nil, fmt.Errorf("store %q is not known: want one of %s", name, strings.Join(storeNames(), ", "))
}

func storeNames() (names []string) {
	for _, s := range Stores {
		names = append(names, s.Name())
	}
	return names
}

// StoreOf is the kind of server that a target is: what its file says, or the store whose
// servers' binaries have that name. Of what nobody knows it is the first.
// Of several that follow each other it is the first's.
func StoreOf(target string) product.Store {
	target = result.Versions(target)[0]
	if path, ok := IsFile(target); ok {
		if t, err := Load(path); err == nil {
			return t.Store
		}
	}
	for _, s := range Stores {
		if s.Program() == filepath.Base(target) {
			return s
		}
	}
	return Stores[0]
}

// Findings are what is known of all stores.
func Findings() (all []*finding.Finding) {
	for _, s := range Stores {
		all = append(all, s.Findings()...)
	}
	return all
}
