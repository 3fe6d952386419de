package redis

import "github.com/torntail/torntail/harness/product/finding"

// findings are what is known of Redis, a file each: f1.go, f2.go, ...
var findings []*finding.Finding

// register makes a finding known, in the order of the files. It is called from init
// functions only.
func register(f finding.Finding) { findings = append(findings, &f) }

// Findings implements product.Store.
func (store) Findings() []*finding.Finding { return findings }
