package checker

import (
	"sort"

	"github.com/torntail/torntail/checker/history"
)

func sortKVs(kvs []history.KV) {
	sort.Slice(kvs, func(i, j int) bool { return kvs[i].Key < kvs[j].Key })
}
