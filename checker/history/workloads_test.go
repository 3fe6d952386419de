package history

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// done is an invocation and what completed it, by a process of its own.
func done(process int, typ, f, asked, found string) string {
	return fmt.Sprintf("{:process %d :type :invoke :f :%s :value %s :error :passed-over}\n{:process %d :type :%s :f :%s :value %s :node \"n1\"}\n",
		process, f, asked, process, typ, f, found)
}

func ok(f, asked, found string) string { return done(0, "ok", f, asked, found) }

func decodeText(text string) (*File, error) {
	files, _, err := DecodeAny(strings.NewReader(text), Options{})
	if err != nil {
		return nil, err
	}
	return &files[0], nil
}

func TestWorkloadsAreToldApart(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		workload   Workload
		keyed      bool
		ops        string // kind key value
	}{
		{"register", ok("write", "3", "3") + ok("read", "nil", "3") + ok("cas", "[3 4]", "[3 4]"), Registers, false,
			"write register 3, read register 3, cas register 4"},
		{"register, keyed", ok("write", "[7 3]", "[7 3]") + ok("read", "[7 nil]", "[7 3]") + ok("cas", "[8 [3 4]]", "[8 [3 4]]"), Registers, true,
			"write 7 3, read 7 3, cas 8 4"},
		{"a register of pairs", ok("read", "nil", "nil") + ok("write", "[1 2]", "[1 2]") + ok("read", "nil", "[1 2]"), Registers, false,
			"read register , write register [1 2], read register [1 2]"},
		{"pairs before it is known that they are none", ok("write", "[1 2]", "[1 2]") + ok("read", "nil", "[1 2]"), Registers, false,
			"write register [1 2], read register [1 2]"},
		{"keys before it is known that they are", ok("write", "[1 2]", "[1 2]") + ok("read", "[1 nil]", "[1 2]"), Registers, true,
			"write 1 2, read 1 2"},
		{"a register that is added to", ok("write", "3", "3") + ok("add", "2", "2") + ok("read", "nil", "5"), Registers, false,
			"write register 3, incr register 2, read register 5"},
		{"counter", ok("add", "1", "1") + ok("add", "-3", "-3") + ok("read", "nil", "-2"), Counters, false,
			"incr counter 1, incr counter -3, read counter -2"},
		{"counter, keyed", ok("add", "[k 1]", "[k 1]") + ok("read", "[k nil]", "[k 1]"), Counters, true, "incr k 1, read k 1"},
		{"set", ok("add", "1", "1") + ok("read", "nil", "#{1 2}"), Sets, false, "set-add set 1, read-set set "},
		{"set, as a vector of two", ok("add", "1", "1") + ok("read", "nil", "[1 2]"), Sets, false, "set-add set 1, read-set set "},
		{"set, read before it is added to", ok("read", "nil", "[]") + ok("add", "1", "1"), Sets, false, "read-set set , set-add set 1"},
		{"set, keyed", ok("add", "[5 1]", "[5 1]") + ok("read", "[5 nil]", "[5 #{1}]"), Sets, true, "set-add 5 1, read-set 5 "},
		{"set, of which a read found nothing", ok("add", "1", "1") + ok("read", "nil", "nil"), Sets, false, "set-add set 1, read-set set "},
		{"nothing but a read of a set", ok("read", "nil", "#{1}"), Sets, false, "read-set set "},
		{"queue", ok("enqueue", "1", "1") + ok("dequeue", "nil", "1") + ok("dequeue", "nil", "nil"), Queues, false,
			"append queue 1, pop queue , pop queue "},
		{"queue, keyed", ok("enqueue", "[a 1]", "[a 1]") + ok("dequeue", "[a nil]", "[a 1]"), Queues, true, "append a 1, pop a "},
		{"queue, drained", ok("enqueue", "1", "1") + ok("drain", "nil", "[1 2]") + done(0, "fail", "drain", "nil", "nil"), Queues, false,
			"append queue 1, pop queue , pop queue , pop queue "},
		{"list-append", ok("txn", "[[:append 1 2] [:r 1 nil]]", "[[:append 1 2] [:r 1 [2]]]"), ListAppend, false, "txn  "},
		{"list-append, keyed", ok("txn", "[9 [[:append 1 2]]]", "[9 [[:append 1 2]]]"), ListAppend, true, "txn 9 "},
		{"rw-register", ok("txn", "[[:w 1 2] [:r 1 nil]]", "[[:w 1 2] [:r 1 2]]"), RWRegisters, false, "txn  "},
		{"rw-register, keyed", ok("txn", "[9 [[:w 1 2]]]", "[9 [[:w 1 2]]]"), RWRegisters, true, "txn 9 "},
		{"both kinds of transactions", ok("txn", "[[:w 1 2] [:append 2 2]]", "[[:w 1 2] [:append 2 2]]"), "", false, "txn  "},
		{"bank", ok("transfer", "{:from 0, :to 1, :amount 3}", "{:from 0, :to 1, :amount 3}") + ok("read", "nil", "{0 7, 1 13}"), Banks, false, "txn  , txn  "},
		{"bank, keyed", ok("transfer", "[k {:from 0, :to 1, :amount 3}]", "[k {:from 0, :to 1, :amount 3}]") + ok("read", "[k nil]", "[k {0 7, 1 nil}]"), Banks, true, "txn k , txn k "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, form := range []string{tc.text, "[" + tc.text + "]",
				"#jepsen.history.Op" + strings.ReplaceAll(strings.TrimSpace(tc.text), "\n", "\n#jepsen.history.Op")} {
				f, err := decodeText(form)
				require.NoError(t, err, form)
				require.Equal(t, tc.workload, f.Workload)
				require.Equal(t, tc.keyed, f.Keyed)
				var ops []string
				for i := range f.Ops {
					op := &f.Ops[i]
					ops = append(ops, fmt.Sprintf("%s %s %s", op.Kind, op.Key, op.Value))
					require.Equal(t, i, op.ID)
				}
				require.Equal(t, tc.ops, strings.Join(ops, ", "))
			}
		})
	}
}

func TestWorkloadsThatDoNotGoTogetherAreNamed(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"queue and register", ok("enqueue", "1", "1") + ok("write", "1", "1"), "line 3: an operation of another kind than :enqueue (line 1): :write"},
		{"a counter of words", ok("add", "x", "x") + ok("read", "nil", "1"), "line 1: :add of what is no whole number to a counter (:read found a number at line 4)"},
		{"a counter that is read as a set", ok("add", "1", "1") + ok("read", "nil", "1") + ok("read", "nil", "#{1}"), "line 6: :read found a collection"},
		{"a set that is read as a map", ok("add", "1", "1") + ok("read", "nil", "{1 2}"), "line 4: :read found a map"},
		{"a bank that is read as a number", ok("transfer", "{:from 0 :to 1 :amount 3}", "nil") + ok("read", "nil", "7"), "line 4: :read found a number"},
		{"a queue that is read", ok("enqueue", "1", "1") + ok("read", "nil", "1"), "line 3: :read in a history of :enqueue (line 1)"},
		{"a key that is missing", ok("read", "[1 nil]", "[1 2]") + ok("write", "3", "3"), "line 3: :f :write :value: want [key value], as the operations before have it"},
		{"another key in the answer", ok("read", "[1 nil]", "[2 2]"), "line 2: :f :read :value: key 2, where it was invoked for key 1"},
		{"a drain without an answer", ok("enqueue", "1", "1") + done(0, "info", "drain", "nil", "nil"), "line 3: a :drain without an answer"},
		{"a transfer from nowhere", ok("transfer", "{:to 1 :amount 3}", "nil"), "line 1: :f :transfer :value: want {:from account"},
		{"a transfer to nowhere", ok("transfer", "{:from 0 :amount 3}", "nil"), "line 1: :f :transfer :value: want {:from account"},
		{"a transfer of no shape", ok("transfer", "[0 1 3]", "nil"), "line 1: :f :transfer :value: want {:from account"},
		{"a transfer of nothing", ok("transfer", "{:from 0 :to 1}", "nil"), "line 1: :f :transfer :value: want {:from account"},
		{"a transfer of a half", ok("transfer", "{:from 0 :to 1 :amount 0.5}", "nil"), ":amount: 0.5: want a whole number"},
		{"balances that are no numbers", ok("read", "nil", "{a x}"), "line 2: :f :read :value: balance of a: want a number, not x"},
		{"a transaction of something else", ok("txn", "[[:swap 1 2]]", "nil"), ":swap: want :append, :w or :r"},
		{"what is not known", ok("dance", "1", "1"), "line 1: :f :dance :value: not an operation that is understood: want one of :read :write :cas"},
		{"a clock that goes backwards", "{:process 3 :type :invoke :f :read :time 5}\n{:process 3 :type :ok :f :read :time 9}\n{:process 3 :type :invoke :f :read :time 8}",
			"line 3: the clock of process 3 goes backwards: invoked at 8, its operation before completed at 9 (line 2)"},
		{"two at once", "{:process 3 :type :invoke :f :read}\n{:process 3 :type :invoke :f :read}", "line 2: process 3 has an operation under way already, since line 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := decodeText(tc.text)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

// After a crash Jepsen's processes go on under another number, those of others
// under the same.
func TestProcessesGoOnAfterACrash(t *testing.T) {
	f, err := decodeText(done(0, "info", "write", "1", "1") + done(0, "ok", "write", "2", "2") + done(10, "ok", "read", "nil", "2"))
	require.NoError(t, err)
	require.Len(t, f.Ops, 3)
	require.Equal(t, Unknown, f.Ops[0].Outcome)
	require.Equal(t, Never, f.Ops[0].Return)
	require.Equal(t, OK, f.Ops[1].Outcome)
}

func TestNilIsAValue(t *testing.T) {
	f, err := decodeText(ok("write", "nil", "nil") + ok("read", "nil", "nil") + ok("cas", "[nil \"nil\"]", "[nil \"nil\"]"))
	require.NoError(t, err)
	require.Equal(t, "nil", f.Ops[0].Value)
	require.Equal(t, "nil", f.Ops[1].Value)
	require.False(t, f.Ops[1].Absent)
	require.Equal(t, "nil", f.Ops[2].More.Expect)
	require.Equal(t, `"nil"`, f.Ops[2].Value, "the string is not nil")
	require.Equal(t, []State{{Began: 1, At: 1, Keys: []KV{{Key: "register", Value: "nil"}}}}, clearEarly(f.States))

	f, err = decodeText(ok("write", "[1 nil]", "[1 nil]") + ok("read", "[1 nil]", "[1 nil]") + ok("read", "[2 nil]", "[2 nil]"))
	require.NoError(t, err)
	require.Equal(t, "nil", f.Ops[1].Value)
	require.True(t, f.Ops[2].Absent, "where it is never written it is the absent value")
}

// clearEarly sets the times of the initial state, which only have to be early.
func clearEarly(states []State) []State {
	for i := range states {
		states[i].Began, states[i].At = 1, 1
	}
	return states
}

func TestInitialValues(t *testing.T) {
	native := "{\"history\":1}\n{\"op\":\"%s\",\"client\":0,\"key\":\"k\",\"invoke\":1,\"outcome\":\"unknown\"}\n{\"end\":2}\n"
	for _, tc := range []struct {
		name, text, initial string
		want                KV
		err                 string
	}{
		{"a number", ok("read", "nil", "0"), "0", KV{Key: "register", Value: "0"}, ""},
		{"nil", ok("read", "nil", "0"), "nil", KV{Key: "register", Value: "nil"}, ""},
		{"words", ok("read", "nil", "0"), "a b", KV{Key: "register", Value: "a b"}, ""},
		{"a counter, which begins with nought otherwise", ok("add", "1", "1") + ok("read", "nil", "6"), "5", KV{Key: "counter", Value: "5"}, ""},
		{"a set", ok("add", "1", "1") + ok("read", "nil", "#{1}"), "#{3 2}", KV{Key: "set", Type: "set", List: []string{"2", "3"}}, ""},
		{"a queue", ok("enqueue", "1", "1") + ok("dequeue", "nil", "7"), "[7]", KV{Key: "queue", List: []string{"7"}}, ""},
		{"a hash", fmt.Sprintf(native, "read-hash"), "{a 1}", KV{Key: "k", Type: "hash", List: []string{"a", "1"}}, ""},
		{"an amount that is no number", ok("read", "nil", "0") + ok("add", "1", "1"), "abc", KV{}, "want an integer"},
		{"one value for a set", ok("add", "1", "1") + ok("read", "nil", "#{1}"), "3", KV{}, "want a collection, such as #{1 2}"},
		{"a collection for a register", ok("read", "nil", "0"), "[1]", KV{}, "want one value, not a collection"},
		{"a map for a set", ok("read", "nil", "#{1}"), "{a 1}", KV{}, "want a map for hashes"},
		{"two collections", ok("read", "nil", "#{1}"), "[1] [2]", KV{}, "want one value"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, err := decodeText(tc.text)
			require.NoError(t, err)
			err = f.SetInitial(tc.initial)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			require.Len(t, f.States, 1)
			require.Equal(t, []KV{tc.want}, f.States[0].Keys)
			require.LessOrEqual(t, f.States[0].At, f.Ops[0].Invoke)
		})
	}
}

// TestInitialValueOfEachKind: whatever a history does to a key first says of
// which type it is, and so what it can begin with.
func TestInitialValueOfEachKind(t *testing.T) {
	begin := map[string]string{"": "7", "list": "[7 8]", "set": "#{7 8}", "hash": "{7 8}", "zset": "{7 8}"}
	of := map[string][]Kind{
		"":     {Read, Write, Incr, CAS, StringAppend, SetRange, GetDelete, SetBit, GetBit},
		"list": {ReadList, Pop, Push, ListMove, ListRemove},
		"set":  {SetAdd, SetRemove, ReadSet, SetHas},
		"hash": {HashSet, HashRemove, ReadHash, HashGet, HashIncr},
		"zset": {SortedAdd, SortedRemove, ReadSorted, SortedIncr, SortedScore, SortedPop},
	}
	for typ, kinds := range of {
		for _, k := range kinds {
			for other, value := range begin {
				f := File{History: &History{Ops: []Op{{Kind: k, Key: "k", Value: "1", More: &More{To: "k"}}}}}
				err := f.SetInitial(value)
				if other != typ && !(other == "hash" && typ == "zset" || other == "zset" && typ == "hash" || other == "list" && typ == "set" || other == "set" && typ == "list") {
					require.ErrorContains(t, err, "initial value", "%s begins with %s", k, value)
					continue
				}
				require.NoError(t, err, "%s begins with %s", k, value)
				require.Len(t, f.States, 1)
				kv := f.States[0].Keys[0]
				want := typ
				if typ == "list" {
					want = ""
				}
				require.Equal(t, want, kv.Type, "%s", k)
				require.Equal(t, typ != "", kv.List != nil, "%s", k)
			}
		}
	}
	for _, k := range []Kind{StreamAdd, StreamRemove, ReadStream, GroupCreate, GroupRead, GroupAck, ReadPending} {
		f := File{History: &History{Ops: []Op{{Kind: k, Key: "k"}}}}
		require.ErrorContains(t, f.SetInitial("7"), "a stream begins with nothing")
	}
	for _, k := range []Kind{Delete, Expire, Persist, ReadExpiry} {
		f := File{History: &History{Ops: []Op{{Kind: k, Key: "k"}, {Kind: Push, Key: "k"}}}}
		require.NoError(t, f.SetInitial("[7]"), "%s says nothing of the type", k)
	}
	f := File{History: &History{Ops: []Op{{Kind: ListMove, Key: "a", More: &More{To: "b"}}}}}
	require.NoError(t, f.SetInitial("[7]"))
	require.Len(t, f.States[0].Keys, 2, "both lists begin with it")

	found := State{Epoch: 1, Keys: []KV{{Key: "k", Value: "3"}}}
	f = File{History: &History{Ops: []Op{{Kind: Write, Key: "k", Value: "3"}}, States: []State{found}}}
	require.NoError(t, f.SetInitial("7"))
	require.Equal(t, []State{{Keys: []KV{{Key: "k", Value: "7"}}}, found}, f.States, "what is found after a crash is none that it began with")
}

// TestWhatNobodyKnowsMayWrite: an operation of no known kind, a transaction of such, and
// one of which no part is known.
func TestWhatNobodyKnowsMayWrite(t *testing.T) {
	unknown := Op{Kind: LastKind + 1}
	for _, tc := range []struct {
		op   Op
		want bool
	}{
		{unknown, true},
		{Op{Kind: Txn}, true},
		{Op{Kind: Txn, More: &More{}}, true},
		{Op{Kind: Txn, More: &More{Parts: []Op{{Kind: Read}}}}, false},
		{Op{Kind: Txn, More: &More{Parts: []Op{{Kind: Read}, unknown}}}, true},
		{Op{Kind: ReadExpiry}, false}, {Op{Kind: Persist}, true}, {Op{Kind: Read}, false}, {Op{Kind: Write}, true},
	} {
		require.Equal(t, tc.want, tc.op.Writes(), "%v", tc.op)
	}
}
