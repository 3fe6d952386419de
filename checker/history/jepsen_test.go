package history

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestJepsenHistories(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		check      func(t *testing.T, h *History)
	}{
		{"register with times", `
			{:type :invoke, :f :write, :value 3, :process 0, :time 100, :index 0}
			{:type :invoke, :f :read, :value nil, :process 1, :time 150}
			{:type :ok, :f :write, :value 3, :process 0, :time 200}
			{:type :ok, :f :read, :value 3, :process 1, :time 250}
			{:type :info, :f :kill, :value ["n1"], :process :nemesis, :time 260}
			{:type :invoke, :f :cas, :value [3 4], :process 0, :time 300}
			{:type :fail, :f :cas, :value [3 4], :process 0, :time 310}
			{:type :invoke, :f :write, :value 9, :process 1, :time 320}
			{:type :info, :f :write, :value 9, :process 1, :time 330, :error :timeout}`,
			func(t *testing.T, h *History) {
				require.Len(t, h.Ops, 4)
				require.Equal(t, Op{Client: 0, Kind: Write, Key: "register", Value: "3", Invoke: 100, Return: 200, Outcome: OK}, h.Ops[0])
				require.Equal(t, "3", h.Ops[1].Value)
				require.Equal(t, Failed, h.Ops[2].Outcome, "in EDN a failed operation did not happen")
				require.Equal(t, Unknown, h.Ops[3].Outcome)
				require.Equal(t, Never, h.Ops[3].Return)
				require.Equal(t, []Event{{At: 260, Kind: FaultStruck, Node: "nemesis", Text: "kill"}}, h.Events)
			}},
		{"several registers in a vector with tagged maps", `
			[#jepsen.Op{:process 0, :type :invoke, :f :write, :value [7 1]} ; a comment
			 #jepsen.Op{:process 0, :type :ok, :f :write, :value [7 1]}
			 #_ {:ignored 1}
			 {:process 1 :type :invoke :f :read :value [7 nil]}
			 {:process 1 :type :ok :f :read :value [7 nil]}
			 {:process 1 :type :invoke :f :cas :value [7 [1 2]]}
			 {:process 1 :type :ok :f :cas :value [7 [1 2]]}]`,
			func(t *testing.T, h *History) {
				require.Len(t, h.Ops, 3)
				require.Equal(t, "7", h.Ops[0].Key)
				require.Equal(t, time.Duration(1), h.Ops[0].Invoke, "without :time the place is the time")
				require.True(t, h.Ops[1].Absent)
				require.Equal(t, "1", h.Ops[2].More.Expect)
				require.Equal(t, "2", h.Ops[2].Value)
				require.Equal(t, "1", h.Ops[2].More.Result)
			}},
		{"set", `
			{:process 0 :type :invoke :f :add :value 5}
			{:process 0 :type :ok :f :add :value 5}
			{:process 0 :type :invoke :f :read :value nil}
			{:process 0 :type :ok :f :read :value #{9 5}}`,
			func(t *testing.T, h *History) {
				require.Equal(t, SetAdd, h.Ops[0].Kind)
				require.Equal(t, ReadSet, h.Ops[1].Kind)
				require.Equal(t, []string{"5", "9"}, h.Ops[1].More.Values)
			}},
		{"list-append", `
			{:process 0 :type :invoke :f :txn :value [[:append 1 2] [:r 3 nil]]}
			{:process 0 :type :ok :f :txn :value [[:append 1 2] [:r 3 [4 5]]]}
			{:process 0 :type :invoke :f :txn :value [[:append 3 6] [:r 1 nil]]}
			{:process 0 :type :ok :f :txn :value [[:append 3 6] [:r 1 nil]]}`,
			func(t *testing.T, h *History) {
				p := h.Ops[0].More.Parts
				require.Len(t, p, 2)
				require.Equal(t, Append, p[0].Kind)
				require.Equal(t, ReadList, p[1].Kind)
				require.Equal(t, []string{"4", "5"}, p[1].More.Values)
				require.Equal(t, ReadList, h.Ops[1].More.Parts[1].Kind, "a list that is read as nil is an empty list")
			}},
		{"porcupine's key-value log", `
			{:process 0, :type :invoke, :f :get, :key "0", :value nil}
			{:process 0, :type :ok, :f :get, :key "0", :value ""}
			{:process 0, :type :invoke, :f :append, :key "0", :value "x \"y\"\n"}
			{:process 0, :type :ok, :f :append, :key "0", :value "x \"y\"\n"}`,
			func(t *testing.T, h *History) {
				require.True(t, h.Ops[0].Absent)
				require.Equal(t, "x \"y\"\n", h.Ops[1].Value)
			}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h, err := DecodeEDN(strings.NewReader(tc.text))
			require.NoError(t, err)
			tc.check(t, h)
		})
	}
}

func TestJepsenErrorsNameTheLine(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"empty", "", "no operations found"},
		{"cut in a map", "{:process 0,\n :type :invoke", "line 2: cut off: the collection that begins on line 1 does not end"},
		{"cut in a string", "{:process 0 :type \"inv", "line 1: cut off: the string that begins on line 1 does not end"},
		{"closing too much", "\n}", "line 2: '}' closes nothing"},
		{"odd map", "{:process}", "line 1: a map with a key and no value"},
		{"not an operation", "{:a 1}", "line 1: an operation needs :process, :type and :f"},
		{"unknown function", "{:process 0 :type :invoke :f :dance :value 1}", "line 1: :f :dance :value: not an operation that is understood"},
		{"completion without invocation", "{:process 0 :type :ok :f :read :value 1}", "line 1: process 0 completes an operation that it did not invoke"},
		{"two at once", "{:process 0 :type :invoke :f :read}\n{:process 0 :type :invoke :f :read}", "line 2: process 0 has an operation under way already"},
		{"unknown type", "{:process 0 :type :invoke :f :read}\n{:process 0 :type :maybe :f :read}", "line 2: :type :maybe: want :invoke, :ok, :fail or :info"},
		{"time backwards", "{:process 0 :type :invoke :f :read :time 9}\n{:process 0 :type :ok :f :read :time 8}", "line 2: the clock of process 0 goes backwards: completed at 8, invoked at 9 (line 1)"},
		{"sometimes timed", "{:process 0 :type :invoke :f :read :time 9}\n{:process 0 :type :ok :f :read}", "line 2: some operations have a :time and some have none"},
		{"process", "{:process \"x\" :type :invoke :f :read}", "line 1: :process: want a number"},
		{"deep", strings.Repeat("[", 100), "line 1: collections more than 64 deep"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := DecodeEDN(strings.NewReader(tc.text))
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestJepsenLog(t *testing.T) {
	h, err := DecodeJepsenLog(strings.NewReader(
		"INFO  jepsen.core - starting\n" +
			"INFO  jepsen.util - 4\t:invoke\t:write\t1\n" +
			"INFO  jepsen.util - 1\t:invoke\t:cas\t[2 4]\n" +
			"INFO  jepsen.util - 1\t:fail\t:cas\t[2 4]\n" +
			"INFO  jepsen.util - 4\t:info\t:write\t:timed-out\n" +
			"INFO  jepsen.util - 2\t:invoke\t:read\tnil\n" +
			"INFO  jepsen.util - 2\t:fail\t:read\t:timed-out\n"))
	require.NoError(t, err)
	require.Len(t, h.Ops, 3)
	require.Equal(t, Unknown, h.Ops[0].Outcome)
	require.Equal(t, OK, h.Ops[1].Outcome, "in these logs a failed compare-and-set is an answer")
	require.Equal(t, "0", h.Ops[1].More.Result)
	require.Equal(t, Unknown, h.Ops[2].Outcome)
}

func FuzzDecodeEDN(f *testing.F) {
	f.Add(`{:process 0 :type :invoke :f :txn :value [[:append 1 2] [:r 3 nil]]}`)
	f.Add("[#a.b{:process 1, :type :invoke, :f :cas, :value [1 [2 3]]} #{1} \"\\u00e9\" \\x ; c\n #_ 1]")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := DecodeEDN(strings.NewReader(text))
		if err == nil {
			require.NotEmpty(t, h.Ops)
			for i := range h.Ops {
				require.Equal(t, i, h.Ops[i].ID)
			}
		}
		_, _ = DecodeJepsenLog(strings.NewReader("jepsen.util - " + text))
	})
}

func FuzzParseNeutral(f *testing.F) {
	f.Add([]byte(`{"ops":[{"invoke":1,"key":"k","op":"cas","value":[1,2],"result":true,"return":2,"status":"ok"}],"crash_time":9,"recovered":{"k":null}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if n, err := ParseNeutral(text); err == nil {
			for i := 1; i < len(n.Ops); i++ {
				require.GreaterOrEqual(t, n.Ops[i].Invoke, n.Ops[i-1].Invoke)
			}
		}
	})
}
