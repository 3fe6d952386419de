package redis

import (
	"fmt"
	"time"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/harness/product"
)

type directives = []product.Directive

// base are the directives every mode states, so that neither server's own
// defaults (save points on, preamble on) blur what is compared.
func base(aof, fsync, preamble, save string) directives {
	return directives{
		{Name: "appendonly", Value: aof},
		{Name: "appendfsync", Value: fsync},
		{Name: "aof-use-rdb-preamble", Value: preamble},
		{Name: "save", Value: save},
		{Name: "auto-aof-rewrite-percentage", Value: "0"},
		{Name: "no-appendfsync-on-rewrite", Value: "no"},
		{Name: "aof-load-truncated", Value: "yes"},
	}
}

// saveEvery is the save point of the scaled snapshot modes: one change in two seconds.
const saveEvery = 2 * time.Second

// Modes implements product.Store.
func (store) Modes() []product.Mode { return modes }

// ModeByName finds a preset.
func ModeByName(name string) (product.Mode, error) { return product.ModeByName(Store, name) }

// modes are the presets, in the order in which tables show them.
var modes = func() []product.Mode {
	for i := range presets {
		presets[i].Store = Store
	}
	return presets
}()

var presets = []product.Mode{
	{
		Name: "always", About: "AOF, fsync before each reply",
		Directives: base("yes", "always", "no", ""), AOF: true, Sync: true,
		// Nothing may be lost, so there is no period to span; a closed loop keeps
		// an fsync in flight nearly all the time.
		Period: 100 * time.Millisecond, Span: 600 * time.Millisecond,
	},
	{
		Name: "everysec", About: "AOF, fsync once a second in the background",
		Directives: base("yes", "everysec", "no", ""), AOF: true,
		// Source bound of the first sync: a crash before it would lose the whole run.
		Period: 2 * time.Second, Span: 7 * time.Second, Rate: 80,
	},
	{
		Name: "no", About: "AOF, the kernel decides when to write",
		Directives: base("yes", "no", "no", ""), AOF: true,
		// 30 s expiry, 5 s between two looks, and 5 s until the journal commits the size.
		Period: 40 * time.Second, Span: 130 * time.Second, Rate: 8,
	},
	{
		Name: "rdb", About: "snapshots only (one change in 2 s saves)",
		Directives: base("no", "everysec", "no", "2 1"), RDB: true,
		// More than 2 whole seconds: the first snapshot is in place after 4 s.
		Period: 2 * saveEvery, Span: 16 * time.Second, Rate: 40,
	},
	{
		Name: "hybrid", About: "AOF everysec with an RDB preamble",
		Directives: base("yes", "everysec", "yes", ""), AOF: true,
		// Source bound of the first sync: a crash before it would lose the whole run.
		Period: 2 * time.Second, Span: 7 * time.Second, Rate: 80,
	},
	{
		Name: "none", About: "no persistence",
		Directives: base("no", "everysec", "no", ""),
		Period:     100 * time.Millisecond, Span: time.Second, Rate: 300,
	},
	{
		Name: "hybrid-always", About: "AOF always with an RDB preamble",
		Directives: base("yes", "always", "yes", ""), AOF: true, Sync: true,
		Period: 100 * time.Millisecond, Span: 600 * time.Millisecond,
	},
	{
		Name: "everysec+rdb", About: "AOF everysec and save points, as many production servers run",
		Directives: base("yes", "everysec", "yes", "2 1"), AOF: true, RDB: true,
		Period: time.Second, Span: 12 * time.Second, Rate: 40,
	},
	paced(product.Mode{
		Name: "defaults", About: "nothing is set: the server's own defaults (redis 7.0.15: snapshots, no AOF)", RDB: true,
	}, config.Default().Save),
}

// DefaultModes implements product.Store.
func (store) DefaultModes() []string {
	return []string{"always", "everysec", "no", "rdb", "hybrid", "none"}
}

// Config is the engine's configuration in a mode of Redis.
func Config(m *product.Mode) (*config.Config, error) {
	if m.Store != Store {
		return nil, fmt.Errorf("the engine is Redis, and has no mode of %s", m.Store.Name())
	}
	c := config.Default()
	for _, d := range m.Directives {
		if err := c.Set(d.Name, d.Arguments()...); err != nil {
			return nil, fmt.Errorf("directive %q: %w", d.String(), err)
		}
	}
	return c, nil
}
