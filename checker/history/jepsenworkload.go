package history

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// family is what each :f is an operation of. :read is one of several.
var family = map[string]Workload{
	"write": Registers, "cas": Registers,
	"add":     Sets, // or Counters: what reads find tells
	"enqueue": Queues, "dequeue": Queues, "drain": Queues,
	"txn":      ListAppend, // or RWRegisters
	"transfer": Banks,
	"get":      KeyValue, "put": KeyValue, "append": KeyValue,
}

// finish decides what the history is about, and brings its operations into the
// form of that.
func (j *jepsen) finish() (*File, error) {
	if len(j.undecided) > 0 {
		j.keys = keysThere
		if err := j.decided(); err != nil {
			return nil, err
		}
	}
	if len(j.Ops) == 0 {
		return nil, errors.New("no operations found")
	}
	var err error
	if j.Workload, err = j.workload(); err != nil {
		return nil, err
	}
	j.Workload = j.shape()
	if err := j.undrain(); err != nil {
		return nil, err
	}
	if !slices.IsSortedFunc(j.Ops, byInvoke) {
		slices.SortStableFunc(j.Ops, byInvoke)
	}
	for i := range j.Ops {
		j.Ops[i].ID = i
	}
	j.begin()
	return &j.File, j.budget.spend(0)
}

func byInvoke(a, b Op) int { return cmp.Compare(a.Invoke, b.Invoke) }

// workload goes by all :f together.
func (j *jepsen) workload() (Workload, error) {
	var w Workload
	var by string
	for _, f := range []string{"txn", "transfer", "enqueue", "dequeue", "drain", "get", "put", "append", "write", "cas", "add"} {
		line := j.seen[f]
		switch is := family[f]; {
		case line == 0 || is == w || w == Registers && is == Sets:
		case w == "":
			w, by = is, f
		default:
			return "", fmt.Errorf("%s: an operation of another kind than :%s (%s): :%s", j.where(line), by, j.where(j.seen[by]), f)
		}
	}
	// What reads found must be what there is to find.
	unfit := func(what string) error {
		if line := j.seen[what]; line > 0 {
			return fmt.Errorf("%s: :read found a %s, in a history of :%s (%s)", j.where(line), what, by, j.where(j.seen[by]))
		}
		return nil
	}
	switch w {
	case Registers:
		if line := j.seen["element"]; line > 0 {
			return w, fmt.Errorf("%s: :add of what is no whole number to a register (:%s at %s)", j.where(line), by, j.where(j.seen[by]))
		}
		return w, nil
	case Sets:
		if j.seen["number"] == 0 {
			return w, cmp.Or(unfit("map"), unfit("other"))
		}
		if line := j.seen["element"]; line > 0 {
			return w, fmt.Errorf("%s: :add of what is no whole number to a counter (:read found a number at %s)", j.where(line), j.where(j.seen["number"]))
		}
		return Counters, cmp.Or(unfit("collection"), unfit("map"), unfit("other"))
	case Banks:
		return w, cmp.Or(unfit("collection"), unfit("number"), unfit("other"))
	case "": // nothing but reads
		switch {
		case j.seen["map"] > 0:
			return Banks, nil
		case j.seen["collection"] > 0:
			return Sets, nil
		}
		return Registers, nil
	}
	if line := j.seen["read"]; line > 0 {
		return w, fmt.Errorf("%s: :read in a history of :%s (%s)", j.where(line), by, j.where(j.seen[by]))
	}
	return w, nil
}

// shape brings the operations into the form of the workload, and tells the two
// kinds of transactions apart.
func (j *jepsen) shape() Workload {
	if j.Workload == ListAppend {
		return j.transactions()
	}
	counts := j.Workload == Counters || j.Workload == Registers && j.seen["add"] > 0
	for i := range j.Ops {
		op := &j.Ops[i]
		if !j.Keyed && op.Key == "" && op.Kind != Txn {
			op.Key = string(j.Workload)
		}
		switch {
		case op.Kind == SetAdd && counts:
			op.Kind = Incr
		case op.Kind == ReadSet && j.Workload == Registers:
			op.Kind, op.Value, op.More = Read, joined(op.More), nil
		case op.Kind == ReadSet:
			op.More.Result = ""
			slices.Sort(op.More.Values)
		case op.Kind == Read && j.Workload == Sets:
			op.Kind, op.Absent = ReadSet, false
			op.More = &More{Offset: NoOffset, Values: []string{}}
		case op.Kind == Read && j.nils[op.Key] && op.Absent && op.Outcome == OK,
			op.Kind == Read && j.nils[""] && !j.Keyed && op.Absent && op.Outcome == OK:
			op.Value, op.Absent = nilText, false
		}
	}
	return j.Workload
}

// transactions: a read that found nothing reads a list where the key is
// appended to.
func (j *jepsen) transactions() Workload {
	lists, written := map[string]bool{}, false
	each := func(f func(p *Op)) {
		for i := range j.Ops {
			for p := range j.Ops[i].More.parts() {
				f(&j.Ops[i].More.Parts[p])
			}
		}
	}
	each(func(p *Op) {
		lists[p.Key] = lists[p.Key] || p.Kind == Append || p.Kind == ReadList
		written = written || p.Kind == Write
	})
	appended := false
	each(func(p *Op) {
		if p.Kind == Read && p.Absent && lists[p.Key] {
			p.Kind, p.More = ReadList, &More{Offset: NoOffset, Values: []string{}}
		}
		appended = appended || p.Kind == Append || p.Kind == ReadList
	})
	switch {
	case appended && written:
		return "" // both kinds: only the general judge knows them
	case written:
		return RWRegisters
	}
	return ListAppend
}

// undrain makes of each :drain what Jepsen does: one dequeue after another, and
// one at the end that finds nothing. When something else went on meanwhile
// nobody knows what came between which of them: then each may have taken place at
// any time of the drain.
func (j *jepsen) undrain() error {
	if len(j.drains) == 0 {
		return nil
	}
	ops := make([]Op, 0, len(j.Ops))
	alone := j.alone()
	for i := range j.Ops {
		op := j.Ops[i]
		line, drain := j.drains[i]
		switch {
		case !drain:
			ops = append(ops, op)
			continue
		case op.Outcome == Unknown:
			return fmt.Errorf("%s: a :drain without an answer may have taken anything: such a history cannot be judged", j.where(line))
		case op.Outcome == Failed:
			continue
		}
		step := time.Duration(0)
		if n := time.Duration(len(j.drained[i])); alone[i] {
			step = (op.Return - op.Invoke) / (2*n + 2)
		}
		for n, v := range append(slices.Clip(j.drained[i]), "") {
			took := op
			took.More = &More{Offset: NoOffset, Head: true, Result: v}
			took.Absent = n == len(j.drained[i])
			if step > 0 {
				took.Invoke = op.Invoke + 2*time.Duration(n)*step
				took.Return = took.Invoke + step
			}
			ops = append(ops, took)
			if err := j.budget.spend(opBytes + moreBytes); err != nil {
				return err
			}
		}
	}
	j.Ops = ops
	return nil
}

// alone says of each operation whether nothing else went on during it.
func (j *jepsen) alone() []bool {
	alone := make([]bool, len(j.Ops))
	var began []int // by invocation
	for i := range j.Ops {
		if alone[i] = true; j.Ops[i].Outcome != Failed {
			began = append(began, i)
		}
	}
	slices.SortFunc(began, func(a, b int) int { return byInvoke(j.Ops[a], j.Ops[b]) })
	before := -1 // of those that began before, the one that returned last
	for n, i := range began {
		if before >= 0 && j.Ops[before].Return >= j.Ops[i].Invoke || n+1 < len(began) && j.Ops[began[n+1]].Invoke <= j.Ops[i].Return {
			alone[i] = false
		}
		if before < 0 || j.Ops[i].Return > j.Ops[before].Return {
			before = i
		}
	}
	return alone
}

// begin gives the keys to which nil is written nil as their initial value, and
// counters nought.
func (j *jepsen) begin() {
	value := map[string]KV{}
	for i := range j.Ops {
		op := &j.Ops[i]
		switch {
		case j.Workload == Counters:
			if op.Kind == Read && op.Absent && op.Outcome == OK {
				op.Value, op.Absent = "0", false // nobody has counted yet
			}
			value[op.Key] = KV{Key: op.Key, Value: "0"}
		case j.Workload == Registers && (j.nils[op.Key] || !j.Keyed && j.nils[""]):
			value[op.Key] = KV{Key: op.Key, Value: nilText}
		}
	}
	j.setInitial(value)
	j.assumed = len(value) > 0
}
