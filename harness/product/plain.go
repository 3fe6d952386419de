package product

import (
	"fmt"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/product/finding"
)

// Plain is a store of which nothing is known that it could do without: it has no
// configuration file, no snapshots and no rewrites, says nothing of interest in its log,
// comes with no repair tool and can do nothing beside its clients' work, at least not
// because a stranger says so. Another store embeds it, and has what it has.
type Plain struct{}

// OpenTransaction implements Store: it has no transactions.
func (Plain) OpenTransaction(vfs.FS) bool { return false }

func (Plain) Findings() []*finding.Finding                    { return nil }
func (Plain) Stray(vfs.FS) Stray                              { return nil }
func (Plain) HoldsCommands([]byte) bool                       { return false }
func (Plain) BetweenLogs(vfs.FS) bool                         { return false }
func (Plain) Line(string) (at time.Time, msg string, ok bool) { return at, "", false }
func (Plain) Says(string) (what Said, file string)            { return Nothing, "" }
func (Plain) Operation([]string) (*history.Op, error)         { return nil, nil }
func (Plain) Rewrite(*Mode) []string                          { return nil }
func (Plain) Tour(*Mode) Tour                                 { return Tour{} }
func (Plain) Reload(*Mode) *Reload                            { return nil }
func (Plain) On(m Mode) Mode                                  { return m }
func (Plain) Repair(string) []string                          { return nil }
func (Plain) Obeys(words []string) error {
	return fmt.Errorf("it is not known what %q does to this store", words[0])
}
func (Plain) ReadConf(file string, _ bool) (*Conf, error) {
	return nil, fmt.Errorf("%s: this store has no configuration file that torntail reads", file)
}
