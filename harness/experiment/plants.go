package experiment

import (
	"strings"

	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/internal/spelling"
)

// Plants are deliberate faults: in the engine (engine/bugs), and here those of
// the disk, the harness, the clients and the judge. A run with one of the latter proves
// nothing about the server, and must never come out as holding.
type Plants struct {
	Engine bugs.Set
	Disk   disk.Plant
	// ReopenUncrashed restarts the server on the disk as it was before the power
	// cut, instead of on the crash image.
	ReopenUncrashed bool
	// ClientLies makes clients record acknowledgements that no server gave.
	ClientLies bool
	// AcksForgotten leaves acknowledgements out of the record.
	AcksForgotten bool
	// HastyJudge gives the fast judge of registers a wrong rule.
	HastyJudge bool
}

// Plant describes one of them.
type Plant struct {
	Name  string // what --plant takes
	Where string // engine and which kind of bug it is there; disk, harness, client, judge
	Doc   string
	Must  string // what a run must say: an anomaly, or the verdict unknown
	Set   func(p *Plants)
}

// OutsidePlants are the planted faults that are not in the engine.
var OutsidePlants = []Plant{
	{"cut-loses-nothing", "disk", "a power cut keeps everything that was written", "unknown",
		func(p *Plants) { p.Disk |= disk.PlantLoseNothing }},
	{"disk-ignores-fsync", "disk", "fsync returns success and makes nothing durable", "lost-write",
		func(p *Plants) { p.Disk |= disk.PlantIgnoreSync }},
	{"disk-ignores-third-fsync", "disk", "every third fsync returns success and makes nothing durable", "lost-write",
		func(p *Plants) { p.Disk |= disk.PlantIgnoreThird }},
	{"disk-never-writes-back", "disk", "data that nobody syncs is never written to the disk", "lost-write",
		func(p *Plants) { p.Disk |= disk.PlantNoWriteBack }},
	{"reopen-uncrashed", "harness", "the server is restarted on the disk as it was before the power cut", "unknown",
		func(p *Plants) { p.ReopenUncrashed = true }},
	{"acks-forgotten", "harness", "every 20th reply is read and left out of the record, so that nobody would miss what it had promised", "unknown",
		func(p *Plants) { p.AcksForgotten = true }},
	{"client-lies", "client", "clients record acknowledgements for operations they never sent", "unknown",
		func(p *Plants) { p.ClientLies = true }},
	{"hasty-judge", "judge", "the judge of registers takes values that overlap in time for a contradiction", "unknown",
		func(p *Plants) { p.HastyJudge = true }},
}

// AllPlants lists every planted fault that an experiment with one server can
// meet, those of the engine first.
func AllPlants() []Plant {
	var all []Plant
	for _, b := range bugs.All() {
		if b.Replicated() {
			continue
		}
		all = append(all, Plant{b.Name, "engine, " + string(b.Kind), b.Doc + " (" + b.Under + ")", b.Anomaly,
			func(p *Plants) { p.Engine |= b.Bit }})
	}
	return append(all, OutsidePlants...)
}

// ParsePlants turns comma-separated names into plants.
func ParsePlants(text string) (Plants, error) {
	var p Plants
	for _, name := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		plant, err := spelling.Find("planted fault", name, AllPlants(), func(p Plant) string { return p.Name })
		if err != nil {
			return Plants{}, err
		}
		plant.Set(&p)
	}
	return p, nil
}

// String is the names of the plants, as ParsePlants reads them.
func (p Plants) String() string {
	var names []string
	if p.Engine != bugs.Set(0) {
		names = append(names, p.Engine.String())
	}
	for i := range OutsidePlants {
		var one Plants
		OutsidePlants[i].Set(&one)
		if one.Disk != disk.Plant(0) && p.Disk&one.Disk != 0 ||
			one.ReopenUncrashed && p.ReopenUncrashed || one.ClientLies && p.ClientLies || one.AcksForgotten && p.AcksForgotten || one.HastyJudge && p.HastyJudge {
			names = append(names, OutsidePlants[i].Name)
		}
	}
	return strings.Join(names, ",")
}
