package offline

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/checker/transactions"
	"github.com/torntail/torntail/checker/verdict"
)

func options() Options {
	return Options{Promise: contract.Clients(), Limits: linear.Limits{Timeout: 20 * time.Second}}
}

func load(t *testing.T, text string) *history.File {
	t.Helper()
	files, _, err := history.DecodeAny(strings.NewReader(text), history.Options{})
	require.NoError(t, err)
	require.Len(t, files, 1)
	return &files[0]
}

func names(v Verdict) string {
	var list []string
	for _, a := range v.Anomalies {
		list = append(list, string(a.Name))
	}
	return strings.Join(list, " ")
}

// The smallest histories of kinds that were once judged wrongly.
func TestCases(t *testing.T) {
	const dir = "testdata/cases"
	cases := []struct {
		file, initial string
		want          verdict.Verdict
	}{
		{"aborted-read/cas.edn", "", verdict.Violated},
		{"aborted-read/register.edn", "", verdict.Violated},
		{"aborted-read/set-add.edn", "", verdict.Violated},
		{"aborted-read/txn-append.edn", "", verdict.Violated},
		{"evidence-blank/hash.jsonl", "", verdict.Violated},
		{"evidence-blank/pop.jsonl", "", verdict.Violated},
		{"evidence-blank/set-lost-add.edn", "", verdict.Violated},
		{"evidence-blank/set.jsonl", "", verdict.Violated},
		{"jepsen-forms-refused/bank.edn", "", verdict.Holds},
		{"jepsen-forms-refused/bank.edn", "{0 10 1 10}", verdict.Holds},
		{"jepsen-forms-refused/bank.edn", "{0 10 1 11}", verdict.Violated},
		{"jepsen-forms-refused/counter.edn", "", verdict.Violated},
		{"jepsen-forms-refused/counter.edn", "-1", verdict.Holds},
		{"jepsen-forms-refused/independent-set.edn", "", verdict.Holds},
		{"jepsen-forms-refused/initial-zero.edn", "0", verdict.Holds},
		{"jepsen-forms-refused/initial-zero.edn", "", verdict.Violated},
		{"jepsen-forms-refused/initial-zero.edn", "2", verdict.Violated},
		{"jepsen-forms-refused/queue.edn", "", verdict.Violated},
		{"nil-as-value/cas-from-nil.edn", "", verdict.Holds},
		{"nil-as-value/cas-to-nil.edn", "", verdict.Holds},
		{"nil-as-value/keyed-write-nil.edn", "", verdict.Holds},
		{"nil-as-value/write-nil.edn", "", verdict.Holds},
		{"unknown-hides-phantom/cas-24-pending.edn", "", verdict.Violated},
		{"unknown-hides-phantom/cas-40-info.edn", "", verdict.Violated},
		{"unknown-hides-phantom/set-60-pending.edn", "", verdict.Violated},
	}
	tried := map[string]bool{}
	for _, tc := range cases {
		tried[tc.file] = true
		t.Run(tc.file+tc.initial, func(t *testing.T) {
			files, _, err := history.LoadFile(filepath.Join(dir, tc.file), history.Options{})
			require.NoError(t, err)
			o := options()
			o.Initial = tc.initial
			v, err := Judge(&files[0], o)
			require.NoError(t, err)
			require.Equal(t, tc.want, v.Verdict, v.Why)
			for _, a := range v.Anomalies {
				require.NotEmpty(t, a.Story)
			}
		})
	}
	found, err := filepath.Glob(dir + "/*/*")
	require.NoError(t, err)
	for _, path := range found {
		rel, err := filepath.Rel(dir, path)
		require.NoError(t, err)
		require.True(t, tried[rel], "%s is not in the table", rel)
	}
}

// op is an operation with its completion; fields take what :value is.
func op(process int, at int, typ, f, asked, found string) string {
	return fmt.Sprintf("{:process %d :type :invoke :f :%s :value %s :time %d}\n{:process %d :type :%s :f :%s :value %s :time %d}\n",
		process, f, asked, at, process, typ, f, found, at+5)
}

func TestNilIsAValueAmongOthers(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       verdict.Verdict
	}{
		{"nil is read where it was not written", op(0, 0, "ok", "write", "1", "1") + op(0, 10, "ok", "read", "nil", "nil"), verdict.Violated},
		{"nil is read after another write", op(0, 0, "ok", "write", "nil", "nil") + op(0, 10, "ok", "write", "1", "1") + op(0, 20, "ok", "read", "nil", "nil"), verdict.Violated},
		{"a compare-and-set from nil that had gone", op(0, 0, "ok", "write", "nil", "nil") + op(0, 10, "ok", "write", "1", "1") + op(0, 20, "ok", "cas", "[nil 2]", "[nil 2]"), verdict.Violated},
		{"the string is not nil", op(0, 0, "ok", "write", "nil", "nil") + op(0, 10, "ok", "read", "nil", "\"nil\""), verdict.Violated},
		{"the empty string is not nil", op(0, 0, "ok", "write", "\"\"", "\"\"") + op(0, 10, "ok", "read", "nil", "nil"), verdict.Violated},
		{"the empty string", op(0, 0, "ok", "write", "\"\"", "\"\"") + op(0, 10, "ok", "read", "nil", "\"\""), verdict.Holds},
		{"nil written by an unknown outcome", op(0, 0, "ok", "write", "1", "1") + op(1, 10, "info", "write", "nil", "nil") + op(0, 20, "ok", "read", "nil", "nil"), verdict.Holds},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v, err := Judge(load(t, tc.text), options())
			require.NoError(t, err)
			require.Equal(t, tc.want, v.Verdict, v.Why)
		})
	}
}

func TestTotalQueue(t *testing.T) {
	o := options()
	o.Model = TotalQueue
	in := func(at int, typ, v string) string { return op(0, at, typ, "enqueue", v, v) }
	out := func(at int, typ, v string) string { return op(1, at, typ, "dequeue", "nil", v) }
	for _, tc := range []struct {
		name, text string
		want       verdict.Verdict
		anomalies  string
	}{
		{"in any order", in(0, "ok", "1") + in(10, "ok", "2") + out(20, "ok", "2") + out(30, "ok", "1"), verdict.Holds, ""},
		{"drained", in(0, "ok", "1") + in(10, "ok", "2") + op(1, 20, "ok", "drain", "nil", "[2 1]"), verdict.Holds, ""},
		{"recovered", in(0, "info", "1") + op(1, 20, "ok", "drain", "nil", "[1]"), verdict.Holds, ""},
		{"lost", in(0, "ok", "1") + in(10, "ok", "2") + out(20, "ok", "1"), verdict.Violated, "lost-element"},
		{"perhaps taken", in(0, "ok", "1") + in(10, "ok", "2") + out(20, "ok", "1") + out(30, "info", "nil"), verdict.Unknown, ""},
		{"lost, whatever was taken", in(0, "ok", "1") + in(10, "ok", "2") + in(20, "ok", "3") + out(30, "ok", "1") + out(40, "info", "nil"), verdict.Violated, "lost-element lost-element"},
		{"unexpected", in(0, "ok", "1") + op(1, 20, "ok", "drain", "nil", "[1 9]"), verdict.Violated, "unexpected-element"},
		{"refused and there", in(0, "ok", "1") + in(10, "fail", "2") + op(1, 20, "ok", "drain", "nil", "[1 2]"), verdict.Violated, "unexpected-element"},
		{"twice", in(0, "ok", "1") + op(1, 20, "ok", "drain", "nil", "[1 1]"), verdict.Violated, "duplicated-element"},
		{"put in twice", in(0, "ok", "1") + in(10, "ok", "1") + op(1, 20, "ok", "drain", "nil", "[1 1]"), verdict.Holds, ""},
		{"nobody looked", in(0, "ok", "1") + out(20, "fail", "nil"), verdict.Violated, "lost-element"},
		{"the same element of two queues", op(0, 0, "ok", "enqueue", "[a 1]", "[a 1]") + op(0, 10, "ok", "enqueue", "[b 2]", "[b 2]") +
			op(1, 20, "ok", "dequeue", "[b nil]", "[b 1]") + op(1, 30, "ok", "dequeue", "[a nil]", "[a 1]"), verdict.Violated, "lost-element unexpected-element"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v, err := Judge(load(t, tc.text), o)
			require.NoError(t, err)
			require.Equal(t, tc.want, v.Verdict, v.Why)
			require.ElementsMatch(t, strings.Fields(tc.anomalies), strings.Fields(names(v)))
		})
	}
	v, err := Judge(load(t, in(0, "ok", "1")+in(10, "fail", "2")+op(1, 20, "ok", "drain", "nil", "[1 2]")), o)
	require.NoError(t, err)
	require.Contains(t, v.Anomalies[0].Story, "either the store did what it refused, or the client calls an unknown outcome a failure")
}

// A queue whose elements come out in another order is told to be one.
func TestOrderOfAQueue(t *testing.T) {
	f := load(t, op(0, 0, "ok", "enqueue", "1", "1")+op(0, 10, "ok", "enqueue", "2", "2")+op(1, 20, "ok", "dequeue", "nil", "2")+op(1, 30, "ok", "dequeue", "nil", "1"))
	v, err := Judge(f, options())
	require.NoError(t, err)
	require.Equal(t, verdict.Violated, v.Verdict)
	require.Contains(t, strings.Join(v.Notes, "\n"), "only the order is wrong (--model total-queue")
}

// What a drain hands out is in order, unless something else went on meanwhile.
func TestOrderOfADrain(t *testing.T) {
	in := op(0, 0, "ok", "enqueue", "1", "1") + op(0, 10, "ok", "enqueue", "2", "2")
	drain := func(found string) string {
		return "{:process 1 :type :invoke :f :drain :time 100}\n{:process 1 :type :ok :f :drain :value " + found + " :time 200}\n"
	}
	for _, tc := range []struct {
		text string
		want verdict.Verdict
	}{
		{in + drain("[1 2]"), verdict.Holds},
		{in + drain("[2 1]"), verdict.Violated},
		{in + drain("[1]"), verdict.Violated},
		{in + op(2, 95, "ok", "dequeue", "nil", "1") + drain("[2]"), verdict.Holds},
		{in + op(2, 95, "info", "enqueue", "3", "3") + drain("[1 3 2]"), verdict.Holds}, // the order within is not known then
	} {
		v, err := Judge(load(t, tc.text), options())
		require.NoError(t, err)
		require.Equal(t, tc.want, v.Verdict, "%s\n%s", tc.text, v.Why)
	}
}

func TestTransactions(t *testing.T) {
	txn := func(process, at int, typ, asked, found string) string {
		return op(process, at, typ, "txn", asked, found)
	}
	for _, tc := range []struct {
		name, text, initial string
		consistency         []transactions.Model
		want                verdict.Verdict
		anomaly             anomaly.Name
	}{
		{name: "list-append", text: txn(0, 0, "ok", "[[:append 1 1]]", "[[:append 1 1]]") + txn(1, 10, "ok", "[[:r 1 nil]]", "[[:r 1 [1]]]"), want: verdict.Holds},
		{name: "nil is the empty list", text: txn(1, 0, "ok", "[[:r 1 nil]]", "[[:r 1 nil]]") + txn(0, 10, "ok", "[[:append 1 1]]", "[[:append 1 1]]"), want: verdict.Holds},
		{name: "aborted", text: txn(0, 0, "fail", "[[:append 1 1]]", "nil") + txn(1, 10, "ok", "[[:r 1 nil]]", "[[:r 1 [1]]]"), want: verdict.Violated, anomaly: "G1a"},
		{name: "internal", text: txn(0, 0, "ok", "[[:append 1 1] [:r 1 nil]]", "[[:append 1 1] [:r 1 []]]"), want: verdict.Violated, anomaly: "internal"},
		{name: "rw-register", text: txn(0, 0, "ok", "[[:w 1 1]]", "[[:w 1 1]]") + txn(1, 10, "ok", "[[:r 1 nil]]", "[[:r 1 1]]"), want: verdict.Holds},
		{name: "rw-register with an initial value", initial: "0", text: txn(1, 0, "ok", "[[:r 1 nil]]", "[[:r 1 0]]") + txn(0, 10, "ok", "[[:w 1 1]]", "[[:w 1 1]]"), want: verdict.Holds},
		{name: "nil where registers begin with something else", initial: "0", text: txn(0, 0, "ok", "[[:w 1 nil]]", "[[:w 1 nil]]") + txn(1, 10, "ok", "[[:r 1 nil]]", "[[:r 1 nil]]"), want: verdict.Holds},
		{name: "nil that nobody wrote", initial: "0", text: txn(0, 0, "ok", "[[:w 1 1]]", "[[:w 1 1]]") + txn(1, 10, "ok", "[[:r 2 nil]]", "[[:r 2 nil]]"), want: verdict.Violated, anomaly: anomaly.Phantom},
		{name: "nil said to be what registers begin with", initial: "nil", text: txn(0, 0, "ok", "[[:w 1 1]]", "[[:w 1 1]]") + txn(1, 10, "ok", "[[:r 2 nil]]", "[[:r 2 nil]]"), want: verdict.Holds},
		{name: "a value from nowhere", text: txn(1, 0, "ok", "[[:r 1 nil]]", "[[:r 1 0]]") + txn(0, 10, "ok", "[[:w 1 1]]", "[[:w 1 1]]"), want: verdict.Violated},
		{name: "one key of two is wrong", text: txn(0, 0, "ok", "[a [[:append 1 1]]]", "[a [[:append 1 1]]]") + txn(1, 10, "ok", "[a [[:r 1 nil]]]", "[a [[:r 1 [1]]]]") +
			txn(2, 20, "fail", "[b [[:append 1 1]]]", "nil") + txn(3, 30, "ok", "[b [[:r 1 nil]]]", "[b [[:r 1 [1]]]]"), want: verdict.Violated, anomaly: "G1a"},
		{name: "the same value of two keys", text: txn(0, 0, "ok", "[a [[:append 1 1]]]", "[a [[:append 1 1]]]") + txn(0, 10, "ok", "[b [[:append 1 1]]]", "[b [[:append 1 1]]]"), want: verdict.Holds},
		{name: "a stale read, which serializability allows", consistency: []transactions.Model{transactions.Serializable},
			text: txn(0, 0, "ok", "[[:append 1 1]]", "[[:append 1 1]]") + txn(1, 10, "ok", "[[:r 1 nil]]", "[[:r 1 []]]") + txn(2, 20, "ok", "[[:r 1 nil]]", "[[:r 1 [1]]]"), want: verdict.Holds},
		{name: "a stale read", text: txn(0, 0, "ok", "[[:append 1 1]]", "[[:append 1 1]]") + txn(1, 10, "ok", "[[:r 1 nil]]", "[[:r 1 []]]") + txn(2, 20, "ok", "[[:r 1 nil]]", "[[:r 1 [1]]]"),
			want: verdict.Violated, anomaly: "G-single-realtime"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := options()
			o.Initial, o.Consistency = tc.initial, tc.consistency
			v, err := Judge(load(t, tc.text), o)
			require.NoError(t, err)
			require.Equal(t, tc.want, v.Verdict, "%s %s", v.Why, names(v))
			if tc.anomaly != "" {
				require.Equal(t, tc.anomaly, v.Anomalies[0].Name)
			}
		})
	}
	o := options()
	o.Initial = "[1]"
	_, err := Judge(load(t, txn(0, 0, "ok", "[[:append 1 1]]", "[[:append 1 1]]")), o)
	require.ErrorContains(t, err, "lists that are appended to begin empty")
	o.Initial = "1"
	_, err = Judge(load(t, txn(0, 0, "ok", "[[:w 1 1]]", "[[:w 1 1]]")), o)
	require.ErrorContains(t, err, "1 is written to 1, which began with it")
}

func TestBanks(t *testing.T) {
	move := op(0, 0, "ok", "transfer", "{:from a :to b :amount 3}", "{:from a :to b :amount 3}")
	for _, tc := range []struct {
		name, text, initial string
		want                verdict.Verdict
	}{
		{"the first read says how much there is", move + op(1, 10, "ok", "read", "nil", "{a 7 b 13}") + op(1, 20, "ok", "read", "nil", "{a 8 b 13}"), "", verdict.Violated},
		{"the same total", move + op(1, 10, "ok", "read", "nil", "{a 7 b 13}") + op(1, 20, "ok", "read", "nil", "{a 10 b 10}"), "{a 10 b 10}", verdict.Holds},
		{"another than it began with", move + op(1, 10, "ok", "read", "nil", "{a 7 b 13}"), "{a 10 b 11}", verdict.Violated},
		{"no balance", move + op(1, 10, "ok", "read", "nil", "{a nil b 20}"), "{a 10 b 10}", verdict.Violated},
		{"two banks", op(1, 10, "ok", "read", "[x nil]", "[x {a 7 b 13}]") + op(1, 20, "ok", "read", "[y nil]", "[y {a 8 b 13}]"), "", verdict.Holds},
		{"a read without an answer", move + op(1, 10, "info", "read", "nil", "nil") + op(2, 20, "ok", "read", "nil", "{a 7 b 13}"), "", verdict.Holds},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := options()
			o.Initial = tc.initial
			v, err := Judge(load(t, tc.text), o)
			require.NoError(t, err)
			require.Equal(t, tc.want, v.Verdict, v.Why)
		})
	}
	o := options()
	o.Initial = "20"
	_, err := Judge(load(t, move), o)
	require.ErrorContains(t, err, "want the balance of each account")
}

func TestModels(t *testing.T) {
	f := load(t, op(0, 0, "ok", "txn", "[[:append 1 1] [:r 1 nil]]", "[[:append 1 1] [:r 1 [1]]]"))
	for model, refused := range map[string]bool{"list": false, "list-append": false, "register": true, "rw-register": true, "queue": true, "bank": true} {
		o := options()
		o.Model = model
		v, err := Judge(f, o)
		require.Equal(t, refused, err != nil, "%s: %v", model, err)
		if refused {
			require.ErrorContains(t, err, "is none of a "+model)
			continue
		}
		require.Equal(t, verdict.Holds, v.Verdict, model)
	}
	o := options()
	o.Model = "list-append"
	_, err := Judge(load(t, op(0, 0, "ok", "enqueue", "1", "1")), o)
	require.ErrorContains(t, err, "is no transaction")
}

// Each smallest part shows the same anomaly when it is judged by itself, and the
// operations that have nothing to do with it are gone.
func TestSmallest(t *testing.T) {
	var noise strings.Builder
	at := 1000
	txn := func(process int, typ, asked, found string) string {
		at += 10
		return op(process, at, typ, "txn", asked, found)
	}
	for i := range 30 {
		fmt.Fprint(&noise, txn(5, "ok", fmt.Sprintf("[[:append 9 %d]]", i), fmt.Sprintf("[[:append 9 %d]]", i)))
	}
	queue := func(typ, f, asked, found string) string { at += 10; return op(1, at, typ, f, asked, found) }
	for _, tc := range []struct {
		name, text, model string
		most              int
	}{
		{"an aborted read", noise.String() + txn(0, "fail", "[[:append 1 1]]", "nil") + txn(1, "ok", "[[:r 1 nil] [:append 9 99]]", "[[:r 1 [1]] [:append 9 99]]"), "", 2},
		{"write skew", noise.String() + "{:process 1 :type :invoke :f :txn :value [[:r 1 nil] [:append 2 1]] :time 5000}\n{:process 2 :type :invoke :f :txn :value [[:r 2 nil] [:append 1 1]] :time 5001}\n" +
			"{:process 1 :type :ok :f :txn :value [[:r 1 []] [:append 2 1]] :time 5010}\n{:process 2 :type :ok :f :txn :value [[:r 2 []] [:append 1 1]] :time 5011}\n" +
			op(3, 5020, "ok", "txn", "[[:r 1 nil] [:r 2 nil]]", "[[:r 1 [1]] [:r 2 [1]]]"), "", 3},
		{"a lost element", queue("ok", "enqueue", "1", "1") + queue("ok", "enqueue", "2", "2") + queue("ok", "enqueue", "3", "3") + queue("ok", "dequeue", "nil", "1") + queue("ok", "dequeue", "nil", "3") + queue("fail", "dequeue", "nil", "nil"), TotalQueue, 1},
		{"a bank", queue("ok", "read", "nil", "{a 1 b 1}") + queue("ok", "read", "nil", "{a 0 b 2}") + queue("ok", "read", "nil", "{a 0 b 3}") + queue("ok", "read", "nil", "{a 1 b 1}"), "", 2},
		{"a failed write that is read", op(0, 0, "ok", "write", "1", "1") + op(0, 10, "ok", "write", "2", "2") + op(2, 15, "fail", "write", "7", "7") + op(0, 20, "ok", "read", "nil", "2") + op(0, 30, "ok", "read", "nil", "7"), "", 2},
		{"a register", op(0, 0, "ok", "write", "1", "1") + op(0, 10, "ok", "write", "2", "2") + op(0, 20, "ok", "read", "nil", "2") + op(0, 30, "ok", "read", "nil", "1"), "", 4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := options()
			o.Model = tc.model
			f := load(t, tc.text)
			v, err := Judge(f, o)
			require.NoError(t, err)
			require.Equal(t, verdict.Violated, v.Verdict)
			small, ok := Smallest(f, o, v)
			require.True(t, ok)
			require.LessOrEqual(t, len(small.File.Ops), tc.most, "%s", small.Anomaly.Story)
			require.Equal(t, v.Anomalies[0].Name, small.Anomaly.Name)
			again, err := Judge(small.File, o)
			require.NoError(t, err)
			require.Equal(t, small.Anomaly.Name, again.Anomalies[0].Name)
			var picture, text bytes.Buffer
			require.NoError(t, small.Picture(&picture))
			require.Contains(t, picture.String(), "<html")
			require.NoError(t, small.Write(&text))
			_, err = history.Decode(&text)
			require.NoError(t, err)
			if dir := os.Getenv("TORNTAIL_PICTURES"); dir != "" {
				require.NoError(t, os.WriteFile(filepath.Join(dir, strings.ReplaceAll(tc.name, " ", "-")+".html"), picture.Bytes(), 0o644))
			}
		})
	}
}

// TestWhereNothingWasPromisedReadsAreEnough: that replies fit can be said of reads alone,
// and what survived a crash cannot.
func TestWhereNothingWasPromisedReadsAreEnough(t *testing.T) {
	read := func(typ string) string {
		return "{:process 0 :type :invoke :f :read :value nil}\n{:process 0 :type " + typ + " :f :read :value nil}\n"
	}
	promised := options()
	var err error
	promised.Promise, err = contract.For("always", contract.Power, contract.Config{})
	require.NoError(t, err)
	for _, tc := range []struct {
		text string
		o    Options
		want verdict.Verdict
	}{
		{read(":ok"), options(), verdict.Holds},
		{read(":ok") + "{:process 1 :type :invoke :f :write :value 1}\n", options(), verdict.Holds},
		{read(":info"), options(), verdict.Unknown},
		{read(":ok"), promised, verdict.Unknown},
	} {
		v, err := Judge(load(t, tc.text), tc.o)
		require.NoError(t, err)
		require.Equal(t, tc.want, v.Verdict, "%s: %s", tc.text, v.Why)
		require.Equal(t, tc.want == verdict.Holds, v.Why == "" && len(v.Notes) > 0, "%v", v.Notes)
	}
}

// TestNilThatCannotBeToldIsRefused: nil is a value like any other, but where it also
// says that there was none.
func TestNilThatCannotBeToldIsRefused(t *testing.T) {
	ok := func(f, asked, found string) string {
		return fmt.Sprintf("{:process 0 :type :invoke :f :%s :value %s}\n{:process 0 :type :ok :f :%s :value %s}\n", f, asked, f, found)
	}
	for _, tc := range []struct {
		name, text string
		want       string // the error; empty: it holds
	}{
		{"a transaction writes it", ok("txn", "[[:w 1 nil]]", "[[:w 1 nil]]") + ok("txn", "[[:r 1 nil]]", "[[:r 1 nil]]"), "nil is written to 1, which began with it: which of the two is read cannot be told (--initial says"},
		{"and appends to something else, so that the general judge is asked", ok("txn", "[[:w 1 3] [:append 2 7]]", "[[:w 1 3] [:append 2 7]]") +
			ok("txn", "[[:w 1 nil]]", "[[:w 1 nil]]") + ok("txn", "[[:r 1 nil] [:r 2 nil]]", "[[:r 1 nil] [:r 2 [7]]]"), ""},
		{"it is an element", ok("txn", "[[:append 1 nil]]", "[[:append 1 nil]]") + ok("txn", "[[:r 1 nil]]", "[[:r 1 [nil]]]"), ""},
		{"it is enqueued", ok("enqueue", "nil", "nil") + ok("dequeue", "nil", "nil"), "nil was enqueued"},
		{"it is drained", ok("enqueue", "nil", "nil") + ok("drain", "nil", "[nil]"), ""},
		{"nothing came before it was enqueued", ok("dequeue", "nil", "nil") + ok("enqueue", "nil", "nil"), ""},
		{"it is added to a set", ok("add", "nil", "nil") + ok("read", "nil", "#{nil}"), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files, _, err := history.DecodeAny(strings.NewReader(tc.text), history.Options{})
			var v Verdict
			if err == nil {
				v, err = Judge(&files[0], options())
			}
			if tc.want != "" {
				require.ErrorContains(t, err, tc.want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, verdict.Holds, v.Verdict, v.Why)
		})
	}
}

// TestBriefly: pictures say of each operation what Jepsen would write.
func TestBriefly(t *testing.T) {
	incr := func(key, by string) history.Op { return history.Op{Kind: history.Incr, Key: key, Value: by} }
	for want, op := range map[string]history.Op{
		"transfer 3 from a to b": {Kind: history.Txn, More: &history.More{Parts: []history.Op{incr("a", "-3"), incr("b", "3")}}},
		"r a 7 r b nil":          {Kind: history.Txn, Outcome: history.OK, More: &history.More{Parts: []history.Op{{Kind: history.Read, Key: "a", Value: "7"}, {Kind: history.Read, Key: "b", Absent: true}}}},
		"r a ?":                  {Kind: history.Read, Key: "a"},
		"r a [1 2]":              {Kind: history.ReadList, Key: "a", Outcome: history.OK, More: &history.More{Values: []string{"1", "2"}}},
		"dequeue q e":            {Kind: history.Pop, Key: "q", Outcome: history.OK, More: &history.More{Result: "e"}},
		"dequeue q nothing":      {Kind: history.Pop, Key: "q", Outcome: history.OK, Absent: true},
		"set-add s m":            {Kind: history.SetAdd, Key: "s", Value: "m"},
	} {
		require.Equal(t, want, brief(&op))
	}
}

// TestATransferHasTwoParts: a bank has no other transactions that only add.
func TestATransferHasTwoParts(t *testing.T) {
	for parts := 1; parts <= 3; parts++ {
		op := history.Op{Kind: history.Txn, Invoke: 1, Return: 2, Outcome: history.OK, More: &history.More{}}
		for i := range parts {
			op.More.Parts = append(op.More.Parts, history.Op{Kind: history.Incr, Key: strconv.Itoa(i), Value: strconv.Itoa(i)})
		}
		_, _, err := bank(&history.History{Ops: []history.Op{op}}, group{ops: []int{0}})
		if parts == 2 {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, "is none of a bank")
	}
}
